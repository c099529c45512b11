# Alarms and delays; the twin of timers.rs.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Time::HiRes 'time';
use POE;
use Stage;

scenario timers_of_the_past_go_before_what_is_posted => sub {
    actor
        a      => notes(qw(one two three old older negative none)),
        _start => sub {
            $poe_kernel->yield('one');
            $poe_kernel->alarm_set(old => time - 10);
            $poe_kernel->alarm_set(older => time - 20);
            $poe_kernel->yield('two');
            $poe_kernel->delay_set(negative => -5);
            $poe_kernel->delay_set(none => 0);
            $poe_kernel->post($_[SESSION] => 'three');
        };
};

scenario equal_alarms_fire_as_they_were_set => sub {
    my $when = time + 0.05;
    for my $name (qw(a b c)) {
        actor
            $name  => notes('alarm'),
            _start => sub {
                $poe_kernel->alarm_set(alarm => $when, $_) for 1, 2;
            };
    }
};

scenario timers_fire_when_due_and_not_as_set => sub {
    actor
        a      => notes(qw(soon later last)),
        _start => sub {
            my $now = time;
            $poe_kernel->alarm_set(last  => $now + 0.06);
            $poe_kernel->alarm_set(soon  => $now + 0.02);
            $poe_kernel->alarm_set(later => $now + 0.04);
        };
};

scenario alarm_and_delay_replace_what_has_their_name => sub {
    actor
        a      => notes(qw(t u v)),
        _start => sub {
            my $now = time;
            $poe_kernel->alarm(t => $now + 0.01, 1);
            $poe_kernel->alarm_set(t => $now + 0.02, 2);
            $poe_kernel->alarm(t => $now + 0.03, 3);
            $poe_kernel->alarm_set(t => $now + 0.04, 4);
            $poe_kernel->delay_set(u => 0.01, 5);
            $poe_kernel->delay(u => 0.05, 6);
            $poe_kernel->alarm_set(v => $now + 0.01, 7);
            $poe_kernel->delay('v');
        };
};

scenario clearing_a_name_leaves_what_is_posted => sub {
    actor
        a      => notes('event'),
        _start => sub {
            $poe_kernel->yield(event => 1);
            $poe_kernel->delay_set(event => 0.01, 2);
            $poe_kernel->alarm('event');
        };
};

scenario an_adjusted_alarm_goes_behind_its_equals => sub {
    actor
        a      => notes('alarm'),
        _start => sub {
            my $when = int(time) - 100;
            my @alarms = map { $poe_kernel->alarm_set(alarm => $when, $_) } 1 .. 4;
            $poe_kernel->alarm_adjust($alarms[0], 5);
            $poe_kernel->alarm_adjust($alarms[0], -5);
            $poe_kernel->alarm_adjust($alarms[1], 0);
            $poe_kernel->alarm_adjust($alarms[3], -5);
            $poe_kernel->alarm_adjust($alarms[3], 5);
        };
};

scenario adjusting_changes_the_order => sub {
    actor
        a      => notes(qw(first second third)),
        _start => sub {
            my $now   = time;
            my $first = $poe_kernel->alarm_set(first => $now - 30);
            $poe_kernel->alarm_set(second => $now - 20);
            my $third = $poe_kernel->alarm_set(third => $now - 10);
            $poe_kernel->alarm_adjust($first, 15);
            $poe_kernel->alarm_adjust($third, -30);
        };
};

scenario an_adjusted_delay_counts_from_now => sub {
    actor
        a      => notes(qw(early late between)),
        _start => sub {
            my $early = $poe_kernel->delay_set(early => 0.01);
            my $late  = $poe_kernel->delay_set(late => 600);
            $poe_kernel->delay_set(between => 0.2);
            $poe_kernel->delay_adjust($early, 0.25);
            $poe_kernel->delay_adjust($late, 0.01);
        };
};

scenario a_removed_timer_says_what_it_was => sub {
    my ($mine, $gone);
    my $told = sub { note($_[0], @{ $_[1] } ? " removed $_[1][0] @{ $_[1][2] }" : ' refused') };
    actor
        a      => notes(qw(gone still)),
        _start => sub {
            $mine = $poe_kernel->alarm_set(mine => time + 600, 1);
            $gone = $poe_kernel->alarm_set(gone => time - 5);
            $poe_kernel->yield('remove');
        },
        remove => sub {
            $told->(a => [ $poe_kernel->alarm_remove($gone) ]);
            $told->(a => [ $poe_kernel->alarm_remove($mine) ]);
            $told->(a => [ $poe_kernel->alarm_remove($mine) ]);
        };
    actor b => _start => sub { $told->(b => [ $poe_kernel->alarm_remove($mine) ]) };
};

scenario all_timers_are_removed_soonest_first => sub {
    actor
        a      => notes(qw(one two three kept)),
        _start => sub {
            $poe_kernel->delay_set(three => 30, 3);
            $poe_kernel->alarm_set(one => time - 10, 1);
            $poe_kernel->delay(two => 20, 2);
            $poe_kernel->yield(kept => 4);
            note("removed $_->[0] $_->[2]") for $poe_kernel->alarm_remove_all;
            note('nothing left') unless my @left = $poe_kernel->alarm_remove_all;
        };
};

scenario adjusting_what_is_gone_is_refused => sub {
    my $timer;
    actor
        a      => notes('timer'),
        _start => sub {
            $timer = $poe_kernel->delay_set(timer => 0);
            $poe_kernel->delay_set(adjust => 0.02);
        },
        adjust => sub {
            $! = 0;
            $poe_kernel->alarm_adjust($timer, 1);
            note('alarm_adjust: ', $! ? 'refused' : 'said nothing');
            $! = 0;
            $poe_kernel->delay_adjust($timer, 1);
            note('delay_adjust: ', $! ? 'refused' : 'said nothing');
        };
};

scenario a_timer_for_the_past_waits_for_the_next_pass => sub {
    actor
        a      => notes(qw(past queued)),
        _start => sub { $poe_kernel->yield($_) for qw(set queued) },
        set    => sub { $poe_kernel->alarm_set(past => time - 10) };
};

scenario a_delay_of_nothing_goes_where_a_post_would => sub {
    actor
        a      => notes(qw(queued before nothing after)),
        _start => sub { $poe_kernel->yield($_) for qw(set queued) },
        set    => sub {
            $poe_kernel->yield('before');
            $poe_kernel->delay_set(nothing => 0);
            $poe_kernel->yield('after');
        };
};

scenario a_timer_is_of_the_session_whose_handler_set_it => sub {
    actor
        a      => notes('timer'),
        _start => sub {
            my $b = actor
                b   => notes('timer'),
                set => sub { $poe_kernel->delay_set(timer => 0.03, 2) };
            $poe_kernel->call($b => 'set');
            $poe_kernel->delay_set(timer => 0.01, 1);
        };
};

scenario alarms_that_set_alarms_keep_their_time => sub {
    my $begin = time + 0.02;
    actor
        a      => _start => sub {
            $poe_kernel->alarm_set(tick => $begin, 0);
            $poe_kernel->alarm_set(tock => $begin + 0.03, 0);
        },
        tick => sub {
            my $n = $_[ARG0] + 1;
            $poe_kernel->alarm_set(tick => $begin + $n * 0.04, $n) if $n < 4;
        },
        tock => sub {
            my $n = $_[ARG0] + 1;
            $poe_kernel->alarm_set(tock => $begin + 0.03 + $n * 0.07, $n) if $n < 2;
        };
};

scenario a_stopped_sessions_timers_go_with_it => sub {
    my $a = actor
        a      => notes('timer'),
        _start => sub { $poe_kernel->delay_set(timer => 0.02) };
    actor
        b      => notes('timer'),
        _start => sub {
            $poe_kernel->signal($a => 'TERM');
            $poe_kernel->delay_set(timer => 0.04);
        };
};

scenario every_removed_timer_says_when_it_was_due => sub {
    actor
        a      => _start => sub {
            my $now = time;
            $poe_kernel->delay(named => 60);
            $poe_kernel->delay_set(set => 70);
            $poe_kernel->alarm(alarm => $now + 80);
            for ($poe_kernel->alarm_remove_all) {
                my ($event, $time) = @$_;
                note("$event ", $time > $now ? 'has its time' : 'has none');
            }
        };
};

perform;
