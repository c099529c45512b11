#!/usr/bin/env perl
# AnyEvent's bench2 on Perl's POE: bench2.pl PAIRS ACTIVE REQUESTS
#
# Prints the nanoseconds that one message took. It gives up after 20 seconds, and then counts the
# messages that it got by that time.
use strict;
use warnings;

use IO::Handle;
use POE;
use POSIX ();
use Socket;
use Time::HiRes qw(time);

my ($pairs, $active, $requests) = @ARGV;
die "usage: bench2.pl PAIRS ACTIVE REQUESTS\n" unless defined $requests;

my $timeout = 60;
my $limit   = 20;
my (@servers, @clients, @timers, %index_of);
my ($got, $started) = (0, 0);

POE::Session->create(
    inline_states => {
        _start => sub {
            my $kernel = $_[KERNEL];
            for my $index (0 .. $pairs - 1) {
                socketpair(my $server, my $client, AF_UNIX, SOCK_STREAM, PF_UNSPEC)
                    or die "socketpair: $!\n";
                $servers[$index] = $server;
                $clients[$index] = $client;
                $index_of{ fileno $server } = $index;
                $kernel->select_read($server, 'readable');
                $timers[$index] = $kernel->delay_set(silent => $timeout, $index);
            }
            syswrite $clients[$_], 'x' for 0 .. $active - 1;
            $started = time;
        },
        readable => sub {
            my ($kernel, $server) = @_[KERNEL, ARG0];
            sysread $server, my $message, 1;
            $kernel->delay_adjust($timers[ $index_of{ fileno $server } ], $timeout);
            $got++;
            if ($got >= $requests or ($got % 10 == 0 and time - $started > $limit)) {
                printf "%.0f\n", (time - $started) * 1e9 / $got;
                # Everything goes at once: unwatching each takes longer than the run.
                STDOUT->flush;
                POSIX::_exit(0);
            }
            syswrite $clients[ int rand $pairs ], $message;
        },
        silent => sub { die "pair $_[ARG0] was silent for $timeout seconds\n" },
    },
);

POE::Kernel->run;
