# Follows a file once for each of the arguments, such as Seek=3, up to the first poll that finds nothing, and prints what comes;
# then follows one that is rotated.
use strict;
use warnings;
use POE qw(Wheel::FollowTail);

my ($file, @parameters) = @ARGV;

sub append {
    my ($name, $text) = @_;
    open my $out, '>>', $name or die "$name: $!";
    print $out $text;
    close $out;
}

sub follow {
    my ($label, $acts, @parameters) = @_;
    my @seen;
    POE::Session->create(
        inline_states => {
            _start => sub {
                $_[HEAP]{wheel} = POE::Wheel::FollowTail->new(
                    Filename => $file,
                    InputEvent => 'input',
                    ResetEvent => 'reset',
                    IdleEvent => 'idle',
                    PollInterval => 0.01,
                    @parameters,
                );
            },
            input => sub { push @seen, $_[ARG0] },
            reset => sub { push @seen, 'reset' },
            idle => sub {
                my $act = shift @$acts;
                if ($act) { $act->() } else { delete $_[HEAP]{wheel} }
            },
        },
    );
    POE::Kernel->run();
    print join(' ', "$label:", @seen), "\n";
}

follow($_, [], $_ eq 'none' ? () : split /=/) for @parameters;
follow('rotated', [
    sub { append($file, "l4\n") },
    sub {
        append($file, "l5\n");
        rename $file, "$file.1" or die "$file: $!";
        append($file, "n1\n");
    },
    sub { truncate $file, 0 or die "$file: $!" },
    sub { append($file, "t1\n") },
]);
