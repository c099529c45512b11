# Handlers that fail; the twin of deaths.rs.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use POE;
use Stage;

# What a session does that watches deaths, or handles them.
sub watch { $poe_kernel->sig(DIE => 'died') }

sub handle { $poe_kernel->sig_handled }

sub fail { die "oops\n" }

scenario a_handled_death_is_survived => sub {
    actor
        a      => notes('late'),
        fail   => sub { $poe_kernel->delay_set(late => 0.02); fail() },
        _start => sub { watch(); $poe_kernel->yield('fail') },
        died   => \&handle;
};

scenario an_unhandled_death_ends_the_run => sub {
    actor
        bystander => notes('never'),
        _start    => sub { $poe_kernel->delay_set(never => 3600) };
    actor
        a      => fail => \&fail,
        _start => sub { $poe_kernel->yield('fail') };
};

scenario a_death_is_told_to_those_below_and_above => sub {
    actor
        p      => died => \&handle,
        _start => sub {
            watch();
            actor
                m      => notes('died'), fail => \&fail,
                _start => sub {
                    watch();
                    actor
                        c      => notes('died'),
                        _start => sub { $poe_kernel->alias_set('c'); watch() };
                    $poe_kernel->yield('fail');
                };
            actor
                sibling => notes('died'),
                _start  => sub { $poe_kernel->alias_set('sibling'); watch() },
                end     => sub { $poe_kernel->alias_remove('sibling') };
            $poe_kernel->post(sibling => 'end');
        };
    actor stranger => notes('died'), _start => \&watch;
};

scenario a_descendant_may_handle_a_death => sub {
    actor
        p      => fail => \&fail,
        _start => sub {
            $poe_kernel->yield('fail');
            actor
                c      => died => \&handle,
                _start => sub { $poe_kernel->alias_set('c'); watch() };
        };
};

scenario what_was_queued_before_a_death_comes_before_it => sub {
    my $b = actor b => notes('event');
    actor
        a      => notes('behind'), fail => \&fail, died => \&handle,
        _start => sub {
            watch();
            $poe_kernel->yield('fail');
            $poe_kernel->yield('behind');
            $poe_kernel->post($b => 'event');
        };
};

scenario who_dies_in_its_start_is_created_all_the_same => sub {
    actor p => _start => sub {
        actor c => _start => \&fail;
        note('p has created c');
    };
};

scenario a_parent_may_handle_its_childs_death_in_start => sub {
    actor
        p      => died => \&handle, notes('after'),
        _start => sub {
            watch();
            actor c => notes('hello'), _start => \&fail;
            $poe_kernel->yield('after');
        };
};

scenario who_dies_in_its_stop_ends_the_run => sub {
    actor
        other  => notes(qw(event never)),
        _start => sub {
            # Due before the run begins, it would be dispatched, and the death forgotten.
            $poe_kernel->delay_set(event => 0.5);
            $poe_kernel->delay_set(never => 3600);
        };
    actor
        a      => died => \&handle,
        _start => \&watch,
        _stop  => \&fail;
};

scenario who_dies_of_a_death_ends_the_run => sub {
    actor
        a      => fail => \&fail,
        _start => sub { watch(); $poe_kernel->yield('fail') },
        died   => sub { handle(); die "again\n" };
};

scenario who_dies_of_a_signal_gets_a_death => sub {
    actor
        a      => died => \&handle,
        _start => sub {
            watch();
            $poe_kernel->sig(WEATHER => 'signal');
            $poe_kernel->signal($_[SESSION] => 'WEATHER');
        },
        signal => \&fail;
};

scenario who_dies_of_being_told_of_a_child_gets_a_death => sub {
    actor
        p      => died => \&handle,
        _start => sub { watch(); actor c => notes() },
        _child => sub { fail() if $_[ARG0] eq 'create' };
};

scenario who_dies_of_being_told_of_its_parent_gets_a_death => sub {
    actor p => _start => sub {
        actor
            c       => died => \&handle, notes('after'),
            _start  => sub { watch(); $poe_kernel->yield('leave') },
            leave   => sub { $poe_kernel->detach_myself; $poe_kernel->yield('after') },
            _parent => \&fail;
    };
};

scenario a_death_in_a_call_is_the_called_sessions => sub {
    my $b = actor b => fail => \&fail, died => \&handle, _start => \&watch;
    actor
        a      => notes('died'),
        begin  => sub {
            $poe_kernel->call($b => 'fail');
            note('a goes on');
        },
        _start => sub { watch(); $poe_kernel->yield('begin') };
};

scenario a_caller_is_told_of_a_death => sub {
    my $b = actor b => fail => \&fail, died => \&handle, _start => \&watch;
    actor a => _start => sub {
        $poe_kernel->call($b => 'fail');
        note($! ? 'a is told' : 'a is told nothing');
    };
};

scenario a_death_in_a_call_to_oneself_can_be_caught => sub {
    actor
        a      => notes('died'), fail => \&fail,
        _start => sub { watch(); $poe_kernel->yield('begin') },
        begin  => sub {
            eval { $poe_kernel->call($_[SESSION] => 'fail'); 1 } or note("a caught $@" =~ s/\n//r);
        };
};

scenario a_death_in_a_call_to_oneself_is_the_callers => sub {
    actor
        a      => died => \&handle, fail => \&fail,
        _start => sub { watch(); $poe_kernel->yield('begin') },
        begin  => sub {
            $poe_kernel->call($_[SESSION] => 'fail');
            note('a goes on');
        };
};

scenario two_deaths_may_be_handled => sub {
    actor
        a      => died => \&handle, fail => sub { die "oops $_[ARG0]\n" },
        _start => sub { watch(); $poe_kernel->yield(fail => $_) for 1, 2 };
};

scenario the_first_of_two_deaths_ends_the_run => sub {
    actor
        a      => fail => sub { die "oops $_[ARG0]\n" },
        _start => sub { $poe_kernel->yield(fail => $_) for 1, 2 };
};

scenario die_sent_by_hand_is_no_failure_of_the_run => sub {
    my $a = actor
        a      => notes('never'),
        _start => sub { $poe_kernel->delay_set(never => 3600) };
    $poe_kernel->signal($a => DIE => { error_str => "by hand\n" });
};

scenario run_may_be_called_again_after_a_death => sub {
    actor a => _start => \&fail;
    run();
    actor b => notes('event'), _start => sub { $poe_kernel->yield('event') };
};

scenario a_death_with_nobody_left_to_be_told_ends_the_run => sub {
    my $b = actor b => notes('later'), _start => sub { $poe_kernel->delay_set(later => 0.02) };
    my $a = actor
        a      => fail => \&fail,
        _start => sub {
            $poe_kernel->yield('fail');
            $poe_kernel->signal($_[SESSION] => 'TERM');
        };
};

scenario a_timer_that_dies_dies_as_an_event_does => sub {
    actor
        p      => died => \&handle,
        _start => sub {
            watch();
            actor
                c      => fail => \&fail,
                _start => sub { $poe_kernel->delay_set(fail => 0.01) };
        };
};

perform;
