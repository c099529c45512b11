# What the scenarios are written with, the twin of stage.rs: actors are sessions that note all that happens to them.
package Stage;

use strict;
use warnings;
use Exporter 'import';
use Scalar::Util 'reftype';
use POE;
require POE::NFA;

our @EXPORT = qw(scenario perform actor bare machine survive notes reply note run name slice child);

my (%scenario, %name, %child);

sub scenario {
    my ($title, $program) = @_;
    $scenario{$title} = $program;
}

# Plays the scenario that the command line names, and prints its trace.
sub perform {
    my $title = shift @ARGV;
    my $program = $scenario{ $title // '' } or die 'scenarios: ', join(' ', sort keys %scenario), "\n";
    $| = 1;
    look_again(12);
    $program->();
    run();
}

# POE looks for children that have ended, and only then has SIGCHLD caught: one that ends between the two is not heard of
# until another SIGCHLD comes. So one comes every five seconds, up to a number of times; then something hangs.
sub look_again {
    my ($times) = @_;
    $SIG{ALRM} = $times ? sub { look_again($times - 1); kill CHLD => $$ } : 'DEFAULT';
    alarm 5;
}

sub note { print @_, "\n" }

sub run {
    note(eval { POE::Kernel->run; 1 } ? 'run returned' : 'run died: ' . text($@));
}

sub slice { $poe_kernel->run_one_timeslice }

# A session that notes its events, the predefined ones too; its ID.
sub actor {
    my ($name, %handlers) = @_;
    return bare($name, notes(qw(_stop _child _parent)), %handlers);
}

# A session that notes the events that it has a handler for.
sub bare {
    my ($name, %handlers) = @_;
    my $args = delete $handlers{args};
    $handlers{_start} ||= sub { };
    my %states = map { $_ => noted($name, $_, $handlers{$_}) } keys %handlers;
    return POE::Session->create(inline_states => \%states, args => $args || [])->ID;
}

# A state machine that notes its events and the states it gets them in; handlers by state and event.
sub machine {
    my ($name, %states) = @_;
    my $options = delete $states{options};
    for my $handlers (values %states) {
        %$handlers = map { $_ => noted($name, $_, $handlers->{$_}, 'machine') } keys %$handlers;
    }
    return POE::NFA->spawn(inline_states => \%states, options => $options || {});
}

# Has the active machine note its deaths and go on.
sub survive {
    $poe_kernel->state(survived => sub { note("m died in $_[ARG1]{event}"); $poe_kernel->sig_handled });
    $poe_kernel->sig(DIE => 'survived');
}

# Events that are noted, and that is all.
sub notes {
    return map { $_ => sub { } } @_;
}

# What a handler returns that returns something.
sub reply {
    my ($value) = @_;
    return bless \$value, 'Reply';
}

# Starts a child process that traces call by a name.
sub child {
    my ($name, $script) = @_;
    my $pid = fork // die $!;
    exec 'sh', '-c', $script unless $pid;
    $child{$pid} = $name;
    return $pid;
}

sub noted {
    my ($name, $event, $handler, $is_machine) = @_;
    return sub {
        $name{ $_[SESSION]->ID } = $name;
        my $who = $is_machine ? "$name:" . $_[SESSION]->get_current_state : $name;
        my @line = ($who, $event, shown(@_[ARG0 .. $#_]), 'from', name($_[SENDER]));
        my $state = ref $_[ARG1] eq 'HASH' ? $_[ARG1]{from_state} : $_[CALLER_STATE];
        push @line, 'in', $state if defined $state && $event !~ /^_(?!default)/;
        note("@line");
        my $value = $handler->(@_);
        return ref $value eq 'Reply' ? $$value : undef;
    };
}

sub name {
    my ($session) = @_;
    my $id = ref $session ? $session->ID : $session;
    return $id eq $poe_kernel->ID ? 'K' : $name{$id} // '?';
}

sub shown {
    my @values = @_;
    if (@values > 1 && (reftype($values[0]) // '') eq 'GLOB') {
        shift @values;
        $values[0] = (qw(read write expedite))[$values[0]];
    }
    $values[1] = $child{ $values[1] } if @values > 2 && $values[0] eq 'CHLD';
    return map { shown_one($_) } grep { defined } @values;
}

sub shown_one {
    my ($value) = @_;
    my $kind = ref $value or return text($value);
    return '[' . join(' ', shown(@$value)) . ']' if $kind eq 'ARRAY';
    return name($value) unless $kind eq 'HASH';
    return text($value->{error_str})
        . " (in $value->{event} of "
        . name($value->{dest_session}) . ' from '
        . name($value->{source_session}) . ')';
}

sub text {
    my ($text) = @_;
    $text =~ s/\s+$//;
    return $text;
}

1;
