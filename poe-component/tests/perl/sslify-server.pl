# Speaks TLS with CERT and KEY, says where it listens, answers each line with the line in upper case, and hangs up on "bye"
# after an answer.
use strict;
use warnings;
use Socket qw(unpack_sockaddr_in inet_ntoa);
use POE qw(Component::Server::TCP);
use POE::Component::SSLify qw(Server_SSLify SSLify_Options SSLify_GetCipher);

my ($cert, $key) = @ARGV;
$| = 1;
SSLify_Options($key, $cert);

POE::Component::Server::TCP->new(
    Address => '127.0.0.1',
    Port    => 0,
    Started => sub {
        my ($port, $ip) = unpack_sockaddr_in($_[HEAP]{listener}->getsockname);
        print "listening on $port\n";
    },
    ClientPreConnect => sub {
        my $socket = eval { Server_SSLify($_[ARG0]) };
        print "cannot encrypt: $@\n" if $@;
        return $socket;
    },
    ClientInput => sub {
        my ($kernel, $heap, $line) = @_[KERNEL, HEAP, ARG0];
        $heap->{client}->put(uc $line);
        $kernel->yield('shutdown') if $line eq 'bye';
    },
);
POE::Kernel->run;
