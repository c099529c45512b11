# Connects to HOST PORT with TLS, sends LINES lines one at a time, each when the last was answered, and says what happens.
use strict;
use warnings;
use POE qw(Component::Client::TCP);
use POE::Component::SSLify qw(Client_SSLify SSLify_GetCipher);

my ($host, $port, $lines) = @ARGV;
my $sent = 0;
$| = 1;

sub talk {
    my $heap = shift;
    if ($sent < $lines) { $heap->{server}->put('Line ' . ++$sent); return }
    print 'cipher ', SSLify_GetCipher($heap->{server}->get_output_handle), "\n";
    POE::Kernel->yield('shutdown');
}

POE::Component::Client::TCP->new(
    RemoteAddress => $host,
    RemotePort    => $port,
    PreConnect    => sub {
        my $socket = eval { Client_SSLify($_[ARG0], sub { print "status $_[1]\n" }) };
        print "cannot encrypt: $@\n" if $@;
        return $socket;
    },
    Connected    => sub { print "connected\n"; talk($_[HEAP]) },
    ServerInput  => sub { print "got $_[ARG0]\n"; talk($_[HEAP]) },
    ServerError  => sub { print "error: $_[ARG0] $_[ARG1]\n" },
    Disconnected => sub { print "disconnected\n" },
);
POE::Kernel->run;
