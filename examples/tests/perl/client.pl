# Connects to HOST PORT, waits for GREETING lines, sends LINES lines one at a time, each when the last was answered, and
# says what happens. The connection is shut down after the last answer.
use strict;
use warnings;
use POE qw(Component::Client::TCP);

my ($host, $port, $greetings, $lines) = @ARGV;
my $sent = 0;
$| = 1;

sub talk {
    my $heap = shift;
    if ($greetings > 0) { $greetings--; return }
    if ($sent < $lines) { $heap->{server}->put('Line ' . ++$sent); return }
    POE::Kernel->yield('shutdown');
}

POE::Component::Client::TCP->new(
    RemoteAddress => $host,
    RemotePort    => $port,
    Connected     => sub { print "connected\n"; talk($_[HEAP]) },
    ConnectError  => sub { print "connect error: $_[ARG2]\n" },
    ServerInput   => sub { print "got $_[ARG0]\n"; talk($_[HEAP]) },
    ServerError   => sub { print "error: $_[ARG0] $_[ARG1]\n" },
    Disconnected  => sub { print "disconnected\n" },
);
POE::Kernel->run;
