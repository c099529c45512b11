# Ten sessions that count to ten, for comparison.
use strict;
use warnings;
use POE;

sub start {
    my ($kernel, $session) = @_[KERNEL, SESSION];
    print 'Session ', $session->ID, " has started.\n";
    $kernel->yield('increment');
}

sub increment {
    my ($kernel, $heap, $session) = @_[KERNEL, HEAP, SESSION];
    my $count = ++$heap->{count};
    print 'Session ', $session->ID, " counted to $count.\n";
    $kernel->yield('increment') if $count < 10;
}

sub stop { print 'Session ', $_[SESSION]->ID, " has stopped.\n" }

for (1 .. 10) {
    POE::Session->create(
        inline_states => { _start => \&start, increment => \&increment, _stop => \&stop });
}
POE::Kernel->run;
