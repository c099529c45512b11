# Posted, called and dropped events; the twin of events.rs.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use POE;
use Stage;

scenario posts_and_yields_share_one_queue => sub {
    my $b = actor b => notes('hello');
    actor
        a      => notes(qw(one two)),
        _start => sub {
            $poe_kernel->yield('one');
            $poe_kernel->post($b => hello => 1);
            $poe_kernel->yield('two');
            $poe_kernel->post($b => hello => 2);
        };
    $poe_kernel->post($b => hello => 3);
};

scenario a_call_runs_before_what_is_queued => sub {
    my $b = actor b => double => sub { reply(2 * $_[ARG0]) };
    actor
        a      => notes('queued'),
        _start => sub {
            $poe_kernel->yield('queued');
            note('a got ', $poe_kernel->call($b => double => 21));
        };
};

scenario calls_nest_and_come_back => sub {
    my $b = actor b => ask => sub {
        my $n = $poe_kernel->call($_[SENDER] => how_many => ());
        note("b got $n");
        reply($n * $n);
    };
    actor a =>
        how_many => sub { reply(7) },
        begin    => sub { note('a got ', $poe_kernel->call($b => 'ask')) },
        _start   => sub { $poe_kernel->yield('begin') };
};

scenario the_state_something_was_sent_in_goes_with_it => sub {
    my $b = actor b => notes(qw(posted called));
    actor
        a      => notes('late'),
        _start => sub { $poe_kernel->yield('first') },
        first  => sub {
            $poe_kernel->post($b => 'posted');
            $poe_kernel->call($b => 'called');
            $poe_kernel->delay_set(second => 0.01);
        },
        second => sub { $poe_kernel->alarm_set(late => time - 5) };
    $poe_kernel->post($b => 'posted');
};

scenario within_a_call_to_oneself_another_event_is_active => sub {
    actor
        a      => notes('after'),
        _start => sub { $poe_kernel->yield('outer') },
        outer  => sub { $poe_kernel->call($_[SESSION] => 'inner') },
        inner  => sub {
            note('a handles ', $poe_kernel->get_active_event);
            $poe_kernel->yield('after');
        };
};

scenario nobody_can_be_sent_anything => sub {
    my $gone = actor 'gone';
    run();
    actor
        a      => notes(),
        _start => sub {
            for my $nobody ('nobody', $gone) {
                note('post: ',   $poe_kernel->post($nobody => 'event') ? 'sent' : 'refused');
                note('signal: ', $poe_kernel->signal($nobody => 'TERM') ? 'sent' : 'refused');
                $poe_kernel->call($nobody => 'event');
                note('call: ', $! ? 'refused' : 'sent');
            }
        };
};

scenario the_default_handler_takes_what_has_none => sub {
    my $b = actor
        b        => known => sub { $poe_kernel->delay_set(timer => 0.01, 4) },
        _default => sub { reply(9) };
    $poe_kernel->post($b => 'known');
    $poe_kernel->post($b => unknown => 5);
    actor a => _start => sub { note('a got ', $poe_kernel->call($b => question => 6)) };
};

scenario the_default_handler_takes_predefined_events_too => sub {
    bare a =>
        _default => sub { },
        _start   => sub { actor b => _start => sub { reply('born') }, _stop => sub { reply('dead') } };
};

scenario without_a_handler_an_event_is_dropped => sub {
    actor
        a      => notes('known'),
        _start => sub {
            $poe_kernel->yield('unknown');
            $poe_kernel->yield('known');
            $poe_kernel->delay_set(never_heard_of => 0.01);
        };
};

scenario without_a_handler_a_caller_is_told => sub {
    my $b = actor 'b';
    actor a => _start => sub {
        my $answer = $poe_kernel->call($b => 'unknown');
        note($! ? 'a is told' : 'a is told nothing');
    };
};

scenario handlers_are_looked_up_when_events_are_dispatched => sub {
    actor
        a      => notes('removed'),
        _start => sub {
            $poe_kernel->yield($_) for qw(added removed replaced);
            $poe_kernel->state(added => sub { note('added after the post') });
            $poe_kernel->state('removed');
            $poe_kernel->state(replaced => sub { note('the new one') });
        },
        replaced => sub { note('the old one') };
};

scenario predefined_events_can_be_posted_and_are_nothing_special => sub {
    my $started = 0;
    actor
        a      => notes('alive'),
        _start => sub {
            return if $started++;
            $poe_kernel->yield($_) for qw(_start _stop alive);
        };
};

scenario an_alias_is_resolved_when_something_is_posted => sub {
    my $first = actor
        first  => notes('hello'),
        _start => sub { $poe_kernel->alias_set('server') },
        resign => sub { $poe_kernel->alias_remove('server') };
    my $second = actor
        second => notes('hello'),
        become => sub { $poe_kernel->alias_set('server') };
    $poe_kernel->post(server => hello => 1);
    $poe_kernel->call($first  => 'resign');
    $poe_kernel->call($second => 'become');
    $poe_kernel->post(server => hello => 2);
};

scenario postbacks_are_posted_and_callbacks_called => sub {
    my ($postback, $callback);
    actor a =>
        _start => sub {
            $postback = $_[SESSION]->postback(posted => 1);
            $callback = $_[SESSION]->callback(called => 2);
        },
        posted => sub { },
        called => sub { reply('yes') };
    actor b => _start => sub {
        $postback->(10);
        note('b got ', $callback->(20));
        undef $postback;
        undef $callback;
    };
};

scenario the_kernel_takes_events_and_does_nothing => sub {
    actor
        a      => notes('next'),
        _start => sub {
            note($poe_kernel->post($poe_kernel => 'event') ? 'sent' : 'refused');
            $poe_kernel->yield('next');
        };
};

scenario what_a_handler_sends_waits_for_the_next_slice => sub {
    my $chain = actor chain => link => sub {
        $poe_kernel->yield(link => $_[ARG0] - 1) if $_[ARG0];
    };
    my $other = actor other => notes('event'), _start => sub { $poe_kernel->alias_set('other') };
    $poe_kernel->post($chain => link => 2);
    $poe_kernel->post($other => 'event');
    for my $n (1 .. 4) {
        note("slice $n");
        slice();
        $poe_kernel->post($other => 'event') if $n == 1;
    }
};

scenario a_new_session_can_be_posted_to_at_once => sub {
    actor a => _start => sub {
        my $b = actor
            b      => notes(qw(own hello)),
            _start => sub { $poe_kernel->yield('own') };
        $poe_kernel->post($b => 'hello');
        my $c = actor c => notes('hello');
        $poe_kernel->post($c => 'hello');
    };
};

scenario start_gets_its_arguments => sub {
    actor a => args => [1, 2], _start => sub {
        actor b => args => [3, 4];
    };
};

scenario a_chain_of_calls_is_one_event => sub {
    my $c = actor c => third => sub { $poe_kernel->post($_[SENDER] => posted => 3); reply(3) };
    my $b = actor
        b      => notes('posted'),
        second => sub { $poe_kernel->yield(posted => 2); reply(2 + $poe_kernel->call($c => 'third')) };
    actor
        a      => notes('posted'),
        _start => sub {
            $poe_kernel->yield(posted => 1);
            note('a got ', 1 + $poe_kernel->call($b => 'second'));
        };
};

scenario the_text_of_a_number_is_an_alias => sub {
    actor a => notes('event');
    actor b => notes('event'), _start => sub { $poe_kernel->alias_set('1') };
    $poe_kernel->post('1' => 'event');
};

scenario a_session_needs_no_start => sub {
    my $session = POE::Session->create(inline_states => { event => sub { note('event') } });
    note($session ? 'created' : 'refused');
    $poe_kernel->post($session => 'event') if $session;
};

perform;
