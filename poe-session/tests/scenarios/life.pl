# What keeps sessions alive, and what does not; the twin of life.rs.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Socket;
use POE;
use Stage;

# Marks the moment at which nothing but the session under test could be left: the end of the first slice.
sub first_slice {
    slice();
    note('end of the first slice');
}

# Does one thing after the other, each in a pass of its own.
sub step_by_step {
    my @steps = @_;
    actor
        steps  => _start => sub { $poe_kernel->yield('step') },
        step   => sub {
            $poe_kernel->delay_set(step => 0.01) if @steps > 1;
            shift(@steps)->();
        };
}

scenario a_session_without_work_lives_for_one_pass => sub {
    actor 'a';
    first_slice();
};

scenario an_event_keeps_its_sender_alive => sub {
    my $b = actor b => notes('news'), _start => sub { $poe_kernel->alias_set('b') };
    my $a = actor a => begin => sub { $poe_kernel->post($b => 'news') };
    $poe_kernel->post($a => 'begin');
    first_slice();
};

scenario an_event_goes_with_its_sender => sub {
    my $b = actor b => notes(qw(news later)), _start => sub { $poe_kernel->alias_set('b') };
    actor
        a      => _start => sub {
            $poe_kernel->signal($_[SESSION] => 'TERM');
            $poe_kernel->post($b => 'news');
        };
    $poe_kernel->post($b => 'later');
};

scenario an_event_goes_with_its_receiver => sub {
    my $b = actor b => notes('news');
    actor
        a      => _start => sub {
            $poe_kernel->signal($b => 'TERM');
            $poe_kernel->post($b => 'news');
        };
};

scenario an_alias_holds_a_session_until_idleness => sub {
    actor
        server => _start => sub { $poe_kernel->alias_set('server') },
        ask    => sub { $poe_kernel->post($_[SENDER] => answer => 2 * $_[ARG0]) };
    actor
        client => notes('answer'),
        _start => sub { $poe_kernel->post(server => ask => 21) };
};

scenario an_alias_given_up_holds_nobody => sub {
    my $a = actor
        a      => _start => sub { $poe_kernel->alias_set($_) for qw(one two) },
        remove => sub { $poe_kernel->alias_remove($_[ARG0]) };
    step_by_step(
        sub { $poe_kernel->call($a => remove => 'one') },
        sub { $poe_kernel->call($a => remove => 'two') },
        sub { },
    );
};

scenario an_alias_is_of_one_session => sub {
    my $told = sub { note("$_[0]: ", $_[1] ? 'refused' : 'done') };
    actor a => _start => sub {
        $told->(set    => $poe_kernel->alias_set('name'));
        $told->(again  => $poe_kernel->alias_set('name'));
        $told->(remove => $poe_kernel->alias_remove('unknown'));
    };
    actor b => _start => sub {
        $told->(set    => $poe_kernel->alias_set('name'));
        $told->(remove => $poe_kernel->alias_remove('name'));
    };
};

scenario a_reference_holds_a_session_until_it_is_given_back => sub {
    my $a = actor
        a      => notes(),
        _start => sub { $poe_kernel->refcount_increment($_[SESSION]->ID, 'tag') for 1, 2 };
    first_slice();
    actor b => _start => sub {
        note($poe_kernel->refcount_decrement($a, 'tag'));
        $poe_kernel->yield('more');
    }, more => sub { note($poe_kernel->refcount_decrement($a, 'tag')) };
};

scenario each_tag_is_a_reference_of_its_own => sub {
    my $a = actor
        a      => _start => sub { $poe_kernel->refcount_increment($_[SESSION]->ID, $_) for qw(one two) };
    step_by_step(
        sub { $poe_kernel->refcount_decrement($a, 'one') },
        sub { $poe_kernel->refcount_decrement($a, 'two') },
        sub { },
    );
};

scenario a_postback_holds_its_session => sub {
    my $postback;
    actor
        a      => notes('posted'),
        _start => sub { $postback = $_[SESSION]->postback(posted => 1) };
    first_slice();
    $postback->(2);
    slice();
    undef $postback;
    note('nobody has the postback');
};

scenario a_postback_of_the_dead_says_so => sub {
    my $postback;
    my $a = actor
        a      => notes('posted'),
        _start => sub { $postback = $_[SESSION]->postback(posted => 1) };
    $poe_kernel->signal($a => 'TERM');
    run();
    $! = 0;
    note($postback->(2) ? 'refused' : 'said nothing');
};

scenario a_watched_handle_holds_a_session_although_it_is_paused => sub {
    socketpair(my $near, my $far, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
    my $a = actor
        a      => notes('read'),
        _start => sub {
            $poe_kernel->select_read($near => 'read');
            $poe_kernel->select_pause_read($near);
        },
        end => sub { $poe_kernel->select_read($near) };
    first_slice();
    $poe_kernel->call($a => 'end');
};

scenario a_watched_signal_holds_nobody => sub {
    actor
        a      => notes('signal'),
        _start => sub { $poe_kernel->sig(WEATHER => 'signal') };
    first_slice();
};

scenario a_timer_holds_a_session_until_it_is_removed => sub {
    my $a = actor
        a      => notes('timer'),
        _start => sub { $poe_kernel->delay(timer => 3600) },
        end    => sub { $poe_kernel->delay('timer') };
    first_slice();
    $poe_kernel->call($a => 'end');
};

scenario a_child_holds_its_parent => sub {
    actor p => _start => sub {
        actor
            c      => _start => sub { $poe_kernel->alias_set('c') },
            end    => sub { $poe_kernel->alias_remove('c') };
    };
    first_slice();
    $poe_kernel->call(c => 'end');
};

scenario what_is_held_again_within_a_pass_lives_on => sub {
    my $a = actor a => notes('again');
    my $b = actor b => post => sub { $poe_kernel->post($a => 'again') };
    $poe_kernel->post($b => 'post');
    first_slice();
};

scenario the_sessions_handler_may_end_its_last_hold_and_take_another => sub {
    my $a = actor
        a      => notes('late'),
        _start => sub { $poe_kernel->alias_set('a') },
        change => sub {
            $poe_kernel->alias_remove('a');
            $poe_kernel->delay_set(late => 0.01);
        };
    first_slice();
    $poe_kernel->post(a => 'change');
    slice();
    note('changed');
};

scenario run_may_be_called_again_for_new_sessions => sub {
    for my $name (qw(first second)) {
        my $id = actor $name => notes('event'), _start => sub { $poe_kernel->yield('event') };
        note("$name is session $id");
        run();
    }
};

scenario a_session_that_stop_stopped_can_send_nothing => sub {
    my $a = actor
        a      => notes('event'),
        end    => sub {
            $poe_kernel->stop;
            note($poe_kernel->post($_[SESSION] => 'event') ? 'sent' : 'refused');
        };
    $poe_kernel->call($a => 'end');
};

scenario who_was_stopped_cannot_send_to_others_either => sub {
    my $a = actor
        a   => end => sub {
            $poe_kernel->stop;
            my $n = actor n => notes('event');
            note($poe_kernel->post($n => 'event') ? 'sent' : 'refused');
        };
    $poe_kernel->call($a => 'end');
};

scenario idleness_ends_the_leaves_first => sub {
    actor p => _start => sub {
        $poe_kernel->alias_set('p');
        actor c => _start => sub {
            $poe_kernel->alias_set('c');
            actor g => _start => sub { $poe_kernel->alias_set('g') };
        };
    };
};

scenario idleness_comes_again_after_new_work_and_then_for_good => sub {
    my $left = 2;
    actor
        a      => notes('work'),
        _start => sub {
            $poe_kernel->alias_set('a');
            $poe_kernel->sig(IDLE   => 'idle');
            $poe_kernel->sig(ZOMBIE => 'zombie');
        },
        idle   => sub {
            $poe_kernel->sig_handled;
            $poe_kernel->yield('work') if $left--;
        },
        zombie => sub { $poe_kernel->sig_handled };
};

scenario idleness_is_of_the_whole_program => sub {
    actor
        idle   => _start => sub {
            $poe_kernel->alias_set('idle');
            $poe_kernel->sig(IDLE => 'signal');
        },
        signal => sub { };
    actor
        busy   => notes('late'),
        _start => sub { $poe_kernel->delay_set(late => 0.03) };
};

scenario a_turn_in_a_handler_leaves_its_session_alone => sub {
    actor
        a      => notes('after'),
        _start => sub { $poe_kernel->yield('turn') },
        turn   => sub {
            $poe_kernel->run_one_timeslice;
            note('a has turned');
        };
    actor b => ();
};

scenario an_event_lets_go_of_its_session_before_its_handler_runs => sub {
    my $a = actor a => _start => sub { $poe_kernel->refcount_increment($_[SESSION]->ID, 'tag') };
    my $b = actor b => give_back => sub { $poe_kernel->refcount_decrement($a, 'tag') };
    $poe_kernel->post($b => 'give_back');
};

scenario a_reference_is_given_back_once_only => sub {
    my $a = actor
        a      => _start => sub {
            my $id = $_[SESSION]->ID;
            $poe_kernel->refcount_increment($id, 'tag');
            for (1, 2) {
                my $left = $poe_kernel->refcount_decrement($id, 'tag');
                note(defined $left ? "$left left" : 'refused');
            }
        };
    slice();
    $poe_kernel->stop;
};

scenario a_reference_taken_in_idleness_is_work => sub {
    my $idle = 0;
    actor
        a      => _start => sub {
            $poe_kernel->alias_set('a');
            $poe_kernel->sig(IDLE   => 'idle');
            $poe_kernel->sig(ZOMBIE => 'zombie');
            $poe_kernel->sig(USR2   => 'done');
        },
        idle   => sub {
            $poe_kernel->sig_handled;
            return if $idle++;
            $poe_kernel->refcount_increment($_[SESSION]->ID, 'work');
            kill USR2 => $$;
        },
        done   => sub { $poe_kernel->refcount_decrement($_[SESSION]->ID, 'work') },
        zombie => sub { };
};

scenario idleness_is_the_same_in_single_slices => sub {
    actor
        a      => notes('zombie'),
        _start => sub {
            $poe_kernel->alias_set('a');
            $poe_kernel->sig(IDLE   => 'idle');
            $poe_kernel->sig(ZOMBIE => 'zombie');
        },
        idle => sub { $poe_kernel->sig_handled };
    slice() for 1 .. 4;
    note('four slices');
    $poe_kernel->signal($poe_kernel => 'TERM');
};

perform;
