#!/usr/bin/perl
# Runs children by Perl's POE in a folder, and prints what their wheels told: a line for each, of its name and the rest.
use strict;
use warnings;
use POE qw(Wheel::Run Filter::Line Filter::Stream Filter::Block);

my $folder = shift;
alarm 60;

# Children, and what is done when something has come of one.
my %children = (
    lines => { Program => 'echo one; echo two; echo err >&2; exit 3' },
    list => { Program => [ 'printf', '[%s]\n', 'a', 'b c', '$HOME', '' ] },
    arguments => { Program => 'echo', ProgramArgs => [ 'a  b', '$NONE' ] },
    'arguments of a list' => { Program => ['echo'], ProgramArgs => [ 'a  b', '$NONE' ] },
    code => { Program => sub { print "@_\n"; print STDERR "err\n" }, ProgramArgs => [ 'one', 'two' ] },
    'code that fails' => { Program => sub { die "on purpose\n" } },
    'code that exits' => { Program => sub { exit 7 } },
    'killed by itself' => { Program => 'kill -9 $$' },
    talk => {
        Program => 'cat',
        on => {
            start => sub { $_[0]->put('hello') },
            'out hello' => sub { $_[0]->put( 'a', 'b' ) },
            'out b' => sub { $_[0]->kill },
        },
    },
    'kill by name' => { Program => 'echo ready; read line', on => { 'out ready' => sub { $_[0]->kill('USR1') } } },
    'shutdown when all has gone' => {
        Program => 'cat; echo end',
        on => { start => sub { $_[0]->put('hello') }, stdin => sub { $_[0]->shutdown_stdin } },
    },
    'shutdown at once' => {
        Program => 'cat; echo end',
        on => { start => sub { $_[0]->put('hello'); $_[0]->shutdown_stdin } },
    },
    queued => {
        Program => 'cat >/dev/null; echo end',
        on => {
            start => sub {
                $_[0]->put('hello');
                note( octets => $_[0]->get_driver_out_octets, messages => $_[0]->get_driver_out_messages );
            },
            stdin => sub {
                note( octets => $_[0]->get_driver_out_octets, messages => $_[0]->get_driver_out_messages );
                $_[0]->shutdown_stdin;
            },
        },
    },
    'a line without an end' => { Program => 'printf "one\ntw"; printf thr >&2' },
    'closed input' => {
        Program => 'exec <&-; echo closed; exec sleep 1000',
        on => {
            'out closed' => sub { $_[0]->put('lost') },
            stdin => sub { $_[0]->put('lost') },
            error => sub { $_[0]->kill },
        },
        quiet => 1,
    },
    'closed outputs' => {
        Program => 'exec >&- 2>&-; read line; exit 5',
        on => { close => sub { $_[0]->put('go') } },
    },
    'no outputs' => { Program => 'exit 4;', outputs => [] },
    'one output' => { Program => 'echo out; exit 4', outputs => ['Stdout'] },
    'input from a file' => { Program => 'cat', input => 0, RedirectStdin => "$folder/in" },
    'outputs to files' => {
        Program => 'echo out; echo err >&2',
        input => 0, outputs => [], NoStdin => 1,
        RedirectStdout => "$folder/out", RedirectStderr => "$folder/err",
    },
    'both outputs to a file' => {
        Program => 'echo out; echo err >&2',
        input => 0, outputs => [], NoStdin => 1,
        RedirectOutput => "$folder/both",
    },
    'no input' => { Program => 'echo out', input => 0, NoStdin => 1 },
    terminal => { Program => 'tty -s && echo terminal; echo err >&2', Conduit => 'pty', outputs => ['Stdout'] },
    'terminal and pipe' => { Program => 'tty -s && [ ! -t 2 ] && echo terminal; echo err >&2', Conduit => 'pty-pipe' },
    'size of a terminal' => { Program => 'stty size', Conduit => 'pty', outputs => ['Stdout'], Winsize => [ 85, 29 ] },
    'session of a terminal' => {
        Program => 'ps -o pid=,sid=,pgid=,tpgid= -p $$ | xargs echo | sed "s/\b$$\b/own/g"; echo tty >/dev/tty',
        Conduit => 'pty', outputs => ['Stdout'],
    },
    'modes of a terminal' => {
        Program => "stty -a | tr ' ;' '\\n\\n' | grep -E '^-?(icanon|isig|iexten|echo|ixon|icrnl|istrip|opost|onlcr|cs8|parenb|brkint|inpck)\$' | sort",
        Conduit => 'pty', outputs => ['Stdout'],
    },
    'talk on a terminal' => {
        Program => 'read one; echo "$one"; read two; echo "$two"',
        Conduit => 'pty', outputs => ['Stdout'],
        on => { start => sub { $_[0]->put('hello') }, 'out hello' => sub { $_[0]->put('world') } },
    },
    'killed on a terminal' => { Program => 'echo ready; read line', Conduit => 'pty', outputs => ['Stdout'],
        on => { 'out ready' => sub { $_[0]->kill('USR1') } } },
    socketpair => { Program => '[ -S /dev/stdout ] && echo socket || echo pipe', Conduit => 'socketpair' },
    inet => { Program => '[ -S /dev/stdout ] && echo socket || echo pipe', Conduit => 'inet' },
    pipe => { Program => '[ -p /dev/stdout ] && echo pipe', Conduit => 'pipe' },
    nice => { Program => 'nice', Priority => 3 },
    group => { Program => 'ps -o pgid= -p $$ | grep -qw $$ && echo own || echo parents' },
    'no group' => { Program => 'ps -o pgid= -p $$ | grep -qw $$ && echo own || echo parents', NoSetPgrp => 1 },
    'no session' => { Program => 'ps -o sid= -p $$ | grep -qw $$ && echo own || echo parents', NoSetSid => 1 },
    user => { Program => 'id -u; id -g; id -G', User => 65534, Group => 7 },
    missing => { Program => ['/no/such/program'] },
    'no program' => { Program => ["$folder/nonsense"] },
    directory => { Program => 'cd /usr; pwd' },
    signals => { Program => 'grep -c "^SigIgn:.*[13579bdf]...\$" /proc/$$/status; grep SigBlk /proc/$$/status | tr -dc 1-9; true' },
    'another filter' => {
        Program => 'cat; printf "x|y|" >&2',
        StdioFilter => POE::Filter::Line->new( Literal => '|' ),
        StderrFilter => POE::Filter::Line->new( Literal => '|' ),
        on => { start => sub { $_[0]->put( 'a', 'b' ) }, stdin => sub { $_[0]->shutdown_stdin } },
    },
    'a filter for each' => {
        Program => 'cat',
        StdinFilter => POE::Filter::Block->new,
        StdoutFilter => POE::Filter::Block->new( BlockSize => 3 ),
        on => { start => sub { $_[0]->put('hello') }, stdin => sub { $_[0]->shutdown_stdin } },
    },
    'another filter for input' => {
        Program => 'cat; echo',
        on => {
            start => sub {
                $_[0]->set_stdin_filter( POE::Filter::Stream->new );
                $_[0]->put( 'a', 'b' );
            },
            stdin => sub { $_[0]->shutdown_stdin },
        },
    },
    renamed => {
        Program => 'echo one; read line; echo two',
        on => {
            start => sub { $_[0]->event( StdoutEvent => 'other', CloseEvent => 'other_close' ) },
            'other one' => sub { $_[0]->event( StdoutEvent => 'stdout' ); $_[0]->put('go') },
        },
    },
    paused => {
        Program => 'echo one; echo two >&2; read line',
        on => {
            start => sub { $_[0]->pause_stdout },
            'err two' => sub { note('resumed'); $_[0]->resume_stdout; },
            'out one' => sub { $_[0]->put('go') },
        },
    },
    'much output' => { Program => 'seq 20000', sum => 1 },
    'input for long' => {
        Program => 'wc -c',
        on => {
            start => sub { $_[0]->put( ('x' x 99) x 5000 ) },
            stdin => sub { $_[0]->shutdown_stdin },
        },
    },
);

my %told;

# Something that a scenario says of its own.
sub note { push @{ $told{note} }, join ' ', @_ }

sub react {
    my ( $wheel, $child, $what, @rest ) = @_;
    my $key = join ' ', $what, @rest;
    my $do = $child->{on}{$key} || $child->{on}{$what};
    $do->($wheel) if $do;
}

sub run_child {
    my ($child) = @_;
    %told = map { $_ => [] } qw(out err error other note);
    @told{qw(stdin close other_close exit)} = ( 0, 'never', 'never', 'never' );
    my %parameters = %$child;
    my $outputs = delete $parameters{outputs} || [qw(Stdout Stderr)];
    my $input = delete $parameters{input};
    delete @parameters{qw(on quiet sum)};
    $parameters{"${_}Event"} = lc for @$outputs;
    $parameters{StdinEvent} = 'stdin' if !defined $input || $input;
    my $record = sub {
        my ($key) = @_;
        return sub {
            my ( $heap, $record ) = @_[ HEAP, ARG0 ];
            push @{ $told{$key} }, $record;
            react( $heap->{wheel}, $child, $key, $record );
        };
    };
    my $closed = sub {
        my ($key) = @_;
        return sub {
            $told{$key} = 'after ' . @{ $told{error} };
            $_[HEAP]{closed} = 1;
            react( $_[HEAP]{wheel}, $child, 'close' );
            $_[KERNEL]->yield('over');
        };
    };
    POE::Session->create(
        inline_states => {
            _start => sub {
                my $wheel = $_[HEAP]{wheel} =
                    POE::Wheel::Run->new( %parameters, ErrorEvent => 'error', CloseEvent => 'close' );
                $_[KERNEL]->sig_child( $wheel->PID, 'child' );
                react( $wheel, $child, 'start' );
            },
            stdin => sub { $told{stdin}++; react( $_[HEAP]{wheel}, $child, 'stdin' ) },
            stdout => $record->('out'),
            stderr => $record->('err'),
            other => $record->('other'),
            error => sub {
                my ( $operation, $errno, $stream ) = @_[ ARG0, ARG1, ARG4 ];
                push @{ $told{error} }, "$operation $errno $stream";
                react( $_[HEAP]{wheel}, $child, 'error' );
            },
            close => $closed->('close'),
            other_close => $closed->('other_close'),
            child => sub {
                $told{exit} = $_[ARG2];
                $_[HEAP]{exited} = 1;
                $_[KERNEL]->yield('over');
                $_[KERNEL]->delay( drop => 0.3 );
            },
            over => sub { $_[KERNEL]->yield('drop') if $_[HEAP]{exited} && $_[HEAP]{closed} },
            drop => sub { delete $_[HEAP]{wheel}; $_[KERNEL]->delay('drop') },
        },
    );
    POE::Kernel->run;
    $told{stdin} = 'some' if $child->{quiet};
    $told{out} = [ scalar @{ $told{out} }, $told{out}[-1] ] if $child->{sum};
    my @lists = map {"$_=[" . join( '|', @{ $told{$_} } ) . ']'} qw(out err other note);
    my @errors = sort @{ $told{error} };
    my @rest = map {"$_=$told{$_}"} qw(stdin close other_close exit);
    return join ' ', @lists, 'errors=[' . join( '|', @errors ) . ']', @rest;
}

$| = 1;
for my $name (@ARGV) {
    my $child = $children{$name} or die "no child $name\n";
    if ( ( $child->{Conduit} || '' ) =~ /pty/ && !eval { require IO::Pty } ) {
        print "$name: no IO::Pty\n";
        next;
    }
    my $told = run_child($child);
    $told =~ s/\n/\\n/g;
    $told =~ s/\r/\\r/g;
    print "$name: $told\n";
}
