# Sessions below sessions; the twin of tree.rs.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use POE;
use Stage;

scenario creation_tells_parents_inside_out => sub {
    actor p => _start => sub {
        actor
            m      => _start => sub {
                actor g1 => _start => sub { reply('one') };
                actor g2 => _start => sub { reply('two') };
                reply('both');
            };
        note('p has created m');
    };
};

scenario who_is_called_is_the_parent_of_what_it_creates => sub {
    my $b = actor b => create => sub { actor 'child'; reply('done') };
    actor a => _start => sub { note('a got ', $poe_kernel->call($b => 'create')) };
};

scenario sessions_without_work_stop_last_first => sub {
    actor $_ for 1 .. 4;
};

scenario sessions_stop_in_the_reverse_of_the_order_in_which_they_ended => sub {
    my @ids = map { actor $_ => notes('work') } qw(a b c);
    $poe_kernel->post($ids[$_] => 'work') for 1, 0, 2, 1;
};

scenario a_family_without_work_stops_from_the_leaves_up => sub {
    actor p => _start => sub {
        actor m => _start => sub {
            actor g => _start => sub { actor 'leaf' };
        };
    };
};

scenario a_parent_waits_for_its_children => sub {
    actor p => _start => sub {
        actor
            c      => notes('late'),
            _start => sub { $poe_kernel->delay_set(late => 0.02) },
            _stop  => sub { reply('last words') };
    };
};

scenario what_start_and_stop_return_is_told_to_the_parent => sub {
    actor p => _start => sub {
        actor both    => _start => sub { reply('born') }, _stop => sub { reply('dead') };
        actor neither => ();
        actor one     => _start => sub { reply('here') };
    };
};

scenario one_that_detaches_itself_in_its_start_is_never_heard_of => sub {
    actor p => _start => sub {
        actor
            d      => notes('event'),
            _start => sub {
                $poe_kernel->detach_myself;
                $poe_kernel->yield('event');
            };
        note('p has created d');
    };
};

scenario one_that_detaches_itself_later_is_lost_first => sub {
    actor
        p      => notes('after'),
        _start => sub {
            actor
                d      => notes('event'),
                _start => sub { $poe_kernel->yield('leave') },
                leave  => sub {
                    $poe_kernel->detach_myself;
                    note('d has detached itself');
                    $poe_kernel->yield('event');
                };
            $poe_kernel->yield('after');
        };
};

scenario a_child_may_be_detached_by_its_parent => sub {
    actor
        p      => _start => sub { $poe_kernel->yield('begin') },
        begin  => sub {
            my $d = actor
                d      => notes('event'),
                _start => sub { $poe_kernel->yield('event') };
            $poe_kernel->detach_child($d);
            note('p has detached d');
        };
};

scenario a_child_may_be_detached_when_its_creation_is_told => sub {
    actor
        p      => _start => sub {
            actor d => notes('event'), _start => sub { $poe_kernel->yield('event') };
        },
        _child => sub { $poe_kernel->detach_child($_[ARG1]) if $_[ARG0] eq 'create' };
};

scenario those_below_the_detached_stay_below_it => sub {
    actor
        p      => _start => sub {
            actor
                m      => _start => sub {
                    actor g => notes('event'), _start => sub { $poe_kernel->yield('event') };
                    $poe_kernel->yield('leave');
                },
                leave => sub { $poe_kernel->detach_myself };
        };
};

scenario a_grandchild_may_leave_its_parent_only => sub {
    actor
        p      => _start => sub {
            actor m => _start => sub {
                actor
                    g      => notes('event'),
                    _start => sub {
                        $poe_kernel->alias_set('g');
                        $poe_kernel->yield('leave');
                    },
                    leave  => sub {
                        $poe_kernel->detach_myself;
                        $poe_kernel->yield('event');
                    };
            };
            note($poe_kernel->detach_child('g') ? 'p detached g' : 'p may not detach g');
        };
};

scenario the_top_has_nothing_to_detach_from => sub {
    my $b = actor b => notes();
    actor
        a      => _start => sub {
            note($poe_kernel->detach_myself          ? 'detached' : 'refused');
            note($poe_kernel->detach_child($b)       ? 'detached' : 'refused');
            note($poe_kernel->detach_child('nobody') ? 'detached' : 'refused');
        };
};

scenario an_unhandled_term_stops_a_subtree_leaf_first => sub {
    actor p => _start => sub {
        my $m = actor m => _start => sub {
            actor g => _start => sub { $poe_kernel->alias_set('g') };
        };
        $poe_kernel->signal($m => 'TERM');
    };
};

scenario children_of_the_dead_are_given_to_those_above => sub {
    actor top => _start => sub {
        actor p => _start => sub {
            actor s => _start => sub { $poe_kernel->alias_set('s') };
            actor
                c      => _start => sub { $poe_kernel->yield('fail') },
                fail   => sub { die "oops\n" };
        };
    };
};

scenario a_child_created_in_stop_moves_up_in_silence => sub {
    actor
        top    => _start => sub {
            actor
                a     => _stop => sub {
                    actor n => notes('event'), _start => sub { $poe_kernel->yield('event') };
                };
        };
};

scenario stop_stops_from_the_leaves_up_and_returns => sub {
    my $p = actor
        p      => notes('never'),
        _start => sub {
            actor m => _start => sub {
                actor g => notes('never'), _start => sub { $poe_kernel->delay_set(never => 3600) };
            };
            $poe_kernel->yield('never') for 1, 2;
        },
        end => sub {
            $poe_kernel->stop;
            note('stop has returned');
        };
    $poe_kernel->call($p => 'end');
};

scenario being_told_of_a_child_is_no_more_than_an_event => sub {
    actor
        p      => notes('told'),
        _start => sub { actor 'c' },
        _child => sub { $poe_kernel->yield(told => $_[ARG0]) };
};

scenario a_parent_may_replace_a_child_that_stops => sub {
    my $left = 2;
    my $create = sub {
        actor "c$left" => notes('work'), _start => sub { $poe_kernel->yield('work') };
    };
    actor
        p      => _start => $create,
        _child => sub { $create->() if $_[ARG0] eq 'lose' && --$left };
};

scenario a_stopping_session_can_still_be_called => sub {
    actor
        p      => notes('bye'),
        _start => sub {
            actor
                c      => last_words => sub { reply('farewell') },
                _stop  => sub { $poe_kernel->call(p => 'bye') };
            $poe_kernel->alias_set('p');
        },
        _child => sub {
            note('p heard ', $poe_kernel->call($_[ARG1] => 'last_words')) if $_[ARG0] eq 'lose';
        };
};

scenario what_is_posted_in_stop_goes_with_its_sender => sub {
    actor
        a     => notes('event'),
        _stop => sub {
            my $id = actor n => notes('event');
            $poe_kernel->post($id => 'event');
            note('a has stopped');
        };
};

perform;
