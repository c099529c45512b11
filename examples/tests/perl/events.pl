# Connects to HOST PORT, sends each further argument as a line, and prints what happens until the server hangs up.
use strict;
use warnings;
use POE qw(Component::Client::TCP);

my ($host, $port, @lines) = @ARGV;
$| = 1;

POE::Component::Client::TCP->new(
    RemoteAddress => $host,
    RemotePort    => $port,
    Started       => sub { print "started\n" },
    Connected     => sub { print "connected\n"; $_[HEAP]{server}->put(@lines) },
    ServerFlushed => sub { print "flushed\n" },
    ServerInput   => sub { print "got $_[ARG0]\n" },
    ServerError   => sub { print "error: $_[ARG0] $_[ARG1]\n" },
    Disconnected  => sub { print "disconnected\n" },
);
POE::Kernel->run;
