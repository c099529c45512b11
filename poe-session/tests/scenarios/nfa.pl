# State machines; the twin of nfa.rs.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use POE;
use Stage;

scenario a_transition_waits_behind_what_was_sent_before => sub {
    machine(
        m => one => {
            notes('early', 'late'),
            start => sub {
                $poe_kernel->yield('early');
                $_[SESSION]->goto_state(two => 'enter');
                $poe_kernel->yield('late');
            },
        },
        two => { notes('early', 'enter', 'late') },
    )->goto_state(one => 'start');
};

scenario a_state_is_left_before_the_next_is_entered => sub {
    machine(
        m => one => {
            notes('leave'),
            start => sub { $_[SESSION]->goto_state(two => enter => 7) },
        },
        two => {
            notes('leave'),
            enter => sub { $_[SESSION]->goto_state('three') },
        },
        three => {},
    )->goto_state(one => 'start');
};

scenario a_state_that_goes_to_itself_is_left_and_entered => sub {
    machine(
        m => one => {
            notes('leave', 'again'),
            start => sub { $_[SESSION]->goto_state(one => 'again') },
        },
    )->goto_state(one => 'start');
};

scenario a_transition_is_asked_for_while_another_waits => sub {
    machine(
        m => one => {
            start => sub {
                $_[SESSION]->goto_state(two   => 'enter');
                $_[SESSION]->goto_state(three => 'enter');
            },
        },
        two   => { notes('enter', 'leave') },
        three => { notes('enter', 'leave') },
    )->goto_state(one => 'start');
};

scenario what_enters_a_state_may_go_on_to_the_next => sub {
    machine(
        m => one => { start => sub { $_[SESSION]->goto_state(two => 'enter') } },
        two => {
            notes('leave', 'posted'),
            enter => sub {
                $poe_kernel->yield('posted');
                $_[SESSION]->goto_state(three => 'enter');
                $poe_kernel->yield('posted');
            },
        },
        three => { notes('enter', 'posted') },
    )->goto_state(one => 'start');
};

scenario states_call_each_other_and_return => sub {
    machine(
        m => one => {
            notes('leave'),
            start  => sub { $_[SESSION]->call_state(answer => two => ask => 1) },
            answer => sub { $_[SESSION]->call_state(undef, 'two', ask => 3) },
        },
        two => {
            notes('leave'),
            ask => sub {
                my $n = $_[ARG0];
                $n == 3
                    ? $_[SESSION]->return_state('dropped')
                    : $_[SESSION]->call_state(answer => three => ask => $n + 1);
            },
            answer => sub { $_[SESSION]->return_state($_[ARG0] * 10) },
        },
        three => { ask => sub { $_[SESSION]->return_state($_[ARG0] * 10) } },
    )->goto_state(one => 'start');
};

scenario a_state_has_its_own_default_handler => sub {
    machine(
        m => one => {
            _default => sub { },
            start    => sub {
                $poe_kernel->yield(odd => 1);
                $_[SESSION]->goto_state('two');
                $poe_kernel->yield(odd => 2);
            },
        },
        two => { _default => sub { }, odd => sub { $poe_kernel->yield(even => 3) } },
    )->goto_state(one => 'start');
};

scenario a_machine_is_called_in_its_state_of_the_moment => sub {
    my $m = machine(
        m => one => {
            start => sub { $poe_kernel->alias_set('m') },
            which => sub { $_[SESSION]->goto_state('two'); reply(1) },
        },
        two => { which => sub { reply(2) } },
    )->goto_state(one => 'start');
    actor
        a      => ask => sub { note('a got ', $poe_kernel->call(m => 'which')) },
        _start => sub {
            note('a got ', $poe_kernel->call(m => 'which'));
            note('a got ', $poe_kernel->call(m => 'which'));
            $poe_kernel->yield('ask');
        };
};

scenario an_event_that_the_state_does_not_know_is_a_death => sub {
    machine(
        m => one => {
            notes('known'),
            start => sub {
                survive();
                $poe_kernel->yield('unknown');
                $poe_kernel->yield('known');
            },
        },
    )->goto_state(one => 'start');
};

scenario a_failure_in_leave_keeps_the_state => sub {
    machine(
        m => one => {
            notes('where'),
            leave => sub { die "stuck\n" },
            start => sub {
                survive();
                $_[SESSION]->goto_state(two => 'enter');
                $poe_kernel->yield('where');
            },
        },
        two => { notes('where', 'enter') },
    )->goto_state(one => 'start');
};

scenario a_failure_in_what_enters_a_state_keeps_the_new_one => sub {
    machine(
        m => one => {
            notes('leave'),
            start => sub {
                survive();
                $_[SESSION]->goto_state(two => 'enter');
                $poe_kernel->yield('where');
            },
        },
        two => { notes('where'), enter => sub { die "stuck\n" } },
    )->goto_state(one => 'start');
};

scenario a_failed_leave_is_no_call => sub {
    machine(
        m => one => {
            notes('answer'),
            leave => sub { die "stuck\n" if !$_[HEAP]{tried}++ },
            start => sub {
                survive();
                $_[SESSION]->call_state(answer => two => 'enter');
                $poe_kernel->yield('again');
            },
            again => sub { $_[SESSION]->call_state(answer => two => 'enter') },
        },
        two => { enter => sub { $_[SESSION]->return_state; $_[SESSION]->return_state } },
    )->goto_state(one => 'start');
};

scenario a_machine_stops_by_itself_whatever_holds_it => sub {
    actor
        a      => keep => sub { $poe_kernel->alias_set('a') },
        _start => sub {
            $poe_kernel->yield('keep');
            machine(
                m => one => {
                    notes('early', 'late', '_child', '_parent'),
                    start => sub {
                        $poe_kernel->alias_set('m');
                        actor c => _start => sub { $poe_kernel->alias_set('c') };
                        $poe_kernel->yield('early');
                        $_[SESSION]->stop;
                        $poe_kernel->yield('late');
                    },
                },
            )->goto_state(one => 'start');
        };
};

scenario an_immediate_transition_is_made_at_once => sub {
    machine(
        m => options => { immediate => 1 },
        one => {
            notes('leave', 'early', 'late'),
            start => sub {
                $poe_kernel->yield('early');
                $_[SESSION]->goto_state(two => enter => 5);
                note('now in ', $_[SESSION]->get_current_state);
                $poe_kernel->yield('late');
            },
        },
        two => { notes('leave', 'early', 'enter', 'late') },
    )->goto_state(one => 'start');
};

scenario an_immediate_call_returns_at_once => sub {
    machine(
        m => options => { immediate => 1 },
        one => {
            notes('leave'),
            start => sub {
                $_[SESSION]->call_state(answer => two => ask => 5);
                note('back in ', $_[SESSION]->get_current_state);
            },
            answer => sub { },
        },
        two => { notes('leave'), ask => sub { $_[SESSION]->return_state($_[ARG0] + 1) } },
    )->goto_state(one => 'start');
};

scenario a_handler_set_at_run_time_is_for_every_state => sub {
    machine(
        m => one => {
            start => sub {
                $poe_kernel->state(extra => sub { note('extra') });
                $poe_kernel->yield('extra');
                $_[SESSION]->goto_state('two');
                $poe_kernel->yield('extra');
            },
        },
        two => { extra => sub { $_[SESSION]->goto_state(three => 'enter') }, _default => sub { } },
        three => { enter => sub { $poe_kernel->yield('extra') }, _default => sub { } },
    )->goto_state(one => 'start');
};

scenario a_machine_has_a_parent_as_a_session_has => sub {
    actor
        a      => _start => sub {
            machine(m => one => { notes('enter', '_parent') })->goto_state(one => 'enter');
        };
};

scenario a_postback_finds_the_state_of_the_moment => sub {
    machine(
        m => one => {
            start => sub {
                my $postback = $_[SESSION]->postback(done => 1);
                $_[SESSION]->goto_state('two');
                $postback->(2);
            },
        },
        two => { notes('done') },
    )->goto_state(one => 'start');
};

scenario a_machine_has_its_first_and_last_event_too => sub {
    machine(m => one => { notes('_start', 'enter', '_stop') })->goto_state(one => 'enter');
};

scenario a_machine_need_not_care_for_its_children => sub {
    machine(m => one => { start => sub { survive(); actor c => () } })->goto_state(one => 'start');
};

scenario a_state_that_is_not_there_cannot_be_gone_to => sub {
    machine(
        m => one => {
            start => sub {
                survive();
                $_[SESSION]->goto_state('elsewhere');
                note('asked');
            },
        },
    )->goto_state(one => 'start');
};

scenario there_is_nowhere_to_return_to => sub {
    machine(
        m => one => {
            start => sub {
                survive();
                $_[SESSION]->return_state;
                note('asked');
            },
        },
    )->goto_state(one => 'start');
};

perform;
