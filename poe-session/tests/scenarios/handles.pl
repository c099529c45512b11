# Watched handles, by single slices; the twin of handles.rs.
use strict;
use warnings;
use Fcntl;
use FindBin;
use lib $FindBin::Bin;
use IO::Socket::INET;
use Socket;
use POE;
use Stage;

# Two ends of a connection; the near one has something to read.
sub pair {
    my ($bytes) = @_;
    socketpair(my $near, my $far, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
    syswrite $far, $bytes;
    return ($near, $far);
}

sub byte {
    my ($handle) = @_;
    my $byte;
    return sysread($handle, $byte, 1) ? $byte : 'end';
}

scenario reads_go_before_writes_and_both_before_events => sub {
    my ($near, $far) = pair('x');
    actor
        a      => notes(qw(past posted)),
        _start => sub {
            $poe_kernel->yield('posted');
            $poe_kernel->alarm_set(past => time - 10);
            $poe_kernel->select_write($near => 'write');
            $poe_kernel->select_read($near => 'read');
        },
        read  => sub { $poe_kernel->select_read($near) },
        write => sub { $poe_kernel->select_write($near) };
    slice();
};

scenario expedited_data_comes_last => sub {
    my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
    my $far  = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $listener->sockport) or die $!;
    my $near = $listener->accept;
    send $far, 'ab', MSG_OOB;
    1 until defined recv $near, my $byte, 1, MSG_OOB | MSG_PEEK;
    actor
        a      => notes('posted'),
        _start => sub {
            $poe_kernel->yield('posted');
            $poe_kernel->select($near, qw(read write expedite));
        },
        read     => sub { $poe_kernel->select_read($near) },
        write    => sub { $poe_kernel->select_write($near) },
        expedite => sub { $poe_kernel->select_expedite($near) };
    slice();
};

scenario a_watch_that_ends_in_a_batch_is_not_called_in_it => sub {
    my ($near, $far) = pair('x');
    actor
        a      => notes('write'),
        _start => sub {
            $poe_kernel->select_read($near => 'read');
            $poe_kernel->select_write($near => 'write');
        },
        read => sub { $poe_kernel->select($near) };
    slice();
};

scenario a_watch_that_begins_in_a_batch_waits_for_the_next => sub {
    my ($near, $far) = pair('x');
    actor
        a      => _start => sub { $poe_kernel->select_read($near => 'read') },
        read   => sub {
            $poe_kernel->select_read($near);
            $poe_kernel->select_write($near => 'write');
        },
        write => sub { $poe_kernel->select_write($near) };
    slice();
    note('next slice');
    slice();
};

scenario a_handle_is_ready_until_it_is_read => sub {
    my ($near, $far) = pair('abc');
    close $far;
    actor
        a      => _start => sub { $poe_kernel->select_read($near => 'read') },
        read   => sub {
            my $byte = byte($near);
            note("read $byte");
            $poe_kernel->select_read($near) if $byte eq 'end';
        };
    for my $n (1 .. 4) {
        note("slice $n");
        slice();
    }
};

scenario a_paused_watch_is_not_called => sub {
    my ($near, $far) = pair('x');
    actor
        a      => notes('event'),
        _start => sub {
            $poe_kernel->select_read($near => 'read');
            $poe_kernel->select_pause_read($near);
            $poe_kernel->yield('event');
            $poe_kernel->delay_set(resume => 0.02);
        },
        resume => sub { $poe_kernel->select_resume_read($near) },
        read   => sub { $poe_kernel->select_read($near) };
};

scenario a_handle_watched_again_has_the_new_event => sub {
    my ($near, $far) = pair('x');
    my $end = sub { $poe_kernel->select_read($near) };
    actor
        a      => old => $end, new => $end,
        _start => sub {
            $poe_kernel->select_read($near => 'old', 1);
            $poe_kernel->select_read($near => 'new', 2);
        };
};

scenario handles_are_looked_at_between_two_generations_of_events => sub {
    my ($near, $far) = pair('abcd');
    actor
        a      => _start => sub {
            $poe_kernel->select_read($near => 'read');
            $poe_kernel->yield(link => 3);
        },
        link => sub { $poe_kernel->yield(link => $_[ARG0] - 1) if $_[ARG0] },
        read => sub {
            my $byte = byte($near);
            note("read $byte");
            $poe_kernel->select_read($near) if $byte eq 'd';
        };
    slice() for 1 .. 5;
};

scenario what_a_callback_posts_is_of_the_same_slice => sub {
    my ($near, $far) = pair('x');
    actor
        a      => notes(qw(before after)),
        _start => sub {
            $poe_kernel->select_read($near => 'read');
            $poe_kernel->yield('before');
        },
        read => sub {
            $poe_kernel->select_read($near);
            $poe_kernel->yield('after');
        };
    slice();
    note('next slice');
};

scenario sessions_answer_each_other_over_a_connection => sub {
    my ($near, $far) = pair('');
    actor
        server => _start => sub { $poe_kernel->select_read($near => 'request') },
        request => sub {
            my $byte = byte($near);
            note("server got $byte");
            return $poe_kernel->select_read($near) if $byte eq 'q';
            syswrite $near, 'x';
        };
    my $answers = 0;
    actor
        client => _start => sub {
            $poe_kernel->select_read($far => 'answer');
            syswrite $far, 'a';
        },
        answer => sub {
            note('client got ', byte($far));
            syswrite $far, $answers++ ? 'q' : 'b';
            $poe_kernel->select_read($far) if $answers == 2;
        };
};

scenario a_stopped_sessions_watches_go_with_it => sub {
    my ($near, $far) = pair('x');
    my $a = actor
        a      => notes('read'),
        _start => sub { $poe_kernel->select_read($near => 'read') },
        pause  => sub { $poe_kernel->select_pause_read($near) };
    $poe_kernel->call($a => 'pause');
    $poe_kernel->signal($a => 'TERM');
    slice();
    actor
        b      => _start => sub { $poe_kernel->select_read($near => 'read') },
        read   => sub { $poe_kernel->select_read($near) };
};

scenario a_watch_passes_its_own_arguments_on => sub {
    my ($near, $far) = pair('x');
    actor
        a      => _start => sub { $poe_kernel->select_read($near => 'read', 5) },
        read   => sub { $poe_kernel->select_read($near) };
};

scenario a_handle_is_blocking_again_when_its_watch_has_ended => sub {
    my ($near, $far) = pair('');
    my $mode = sub { note(fcntl($near, F_GETFL, 0) & O_NONBLOCK ? 'not blocking' : 'blocking') };
    actor
        a      => _start => sub {
            $mode->();
            $poe_kernel->select_read($near => 'read');
            $mode->();
            $poe_kernel->select_read($near);
            $mode->();
        };
};

perform;
