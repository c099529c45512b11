# Greets each client, answers each line with the line in upper case, and hangs up on "bye" after an answer.
use strict;
use warnings;
use Socket qw(unpack_sockaddr_in inet_ntoa);
use POE qw(Component::Server::TCP);

$| = 1;

POE::Component::Server::TCP->new(
    Address => '127.0.0.1',
    Port    => 0,
    Started => sub {
        my ($port, $ip) = unpack_sockaddr_in($_[HEAP]{listener}->getsockname);
        print 'listening on ', inet_ntoa($ip), ":$port\n";
    },
    ClientConnected => sub { $_[HEAP]{client}->put('hello from perl') },
    ClientInput     => sub {
        my ($kernel, $heap, $line) = @_[KERNEL, HEAP, ARG0];
        $heap->{client}->put(uc $line);
        $kernel->yield('shutdown') if $line eq 'bye';
    },
    ClientDisconnected => sub { print "disconnected\n" },
);
POE::Kernel->run;
