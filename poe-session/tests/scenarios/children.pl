# Child processes; the twin of children.rs.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use POE;
use Stage;

my $waits = 'exec sleep 60';

scenario the_end_of_a_child_is_told_with_its_status => sub {
    actor
        a      => notes('ended'),
        _start => sub { $poe_kernel->sig_child(child(first => 'exit 5'), 'ended', 'x') };
};

scenario children_are_told_of_as_they_end => sub {
    my %pid;
    actor
        a      => _start => sub {
            %pid = (first => child(first => 'exit 3'), second => child(second => $waits));
            $poe_kernel->sig_child($pid{$_}, 'ended') for qw(second first);
        },
        ended => sub { kill TERM => $pid{second} if $_[ARG1] == $pid{first} };
};

scenario a_childs_own_event_comes_before_the_signal => sub {
    actor
        a      => notes(qw(chld ended)),
        _start => sub {
            $poe_kernel->sig(CHLD => 'chld');
            $poe_kernel->alias_set('a');
            $poe_kernel->sig_child(child(first => 'exit 0'), 'ended');
        };
};

scenario an_awaited_child_holds_a_session => sub {
    my $pid;
    actor
        a      => notes('ended'),
        _start => sub { $poe_kernel->sig_child($pid = child(first => $waits), 'ended') };
    actor
        b      => _start => sub { $poe_kernel->delay_set(kill => 0.02) },
        kill   => sub { kill TERM => $pid };
};

scenario a_child_no_longer_asked_for_is_not_told_of => sub {
    my $pid;
    actor
        a      => notes('ended'),
        _start => sub {
            $poe_kernel->sig_child($pid = child(first => $waits), 'ended');
            $poe_kernel->yield('forget');
        },
        forget => sub {
            $poe_kernel->sig_child($pid);
            kill TERM => $pid;
        };
};

scenario a_stopped_session_is_not_told_of_a_child => sub {
    my $pid;
    my $a = actor
        a      => notes('ended'),
        _start => sub { $poe_kernel->sig_child($pid = child(first => $waits), 'ended') };
    $poe_kernel->signal($a => 'TERM');
    actor
        b      => notes('ended'),
        _start => sub {
            $poe_kernel->sig_child($pid, 'ended');
            $poe_kernel->yield('kill');
        },
        kill   => sub { kill TERM => $pid };
};

scenario a_child_asked_for_twice_holds_once => sub {
    actor
        a      => notes('old'),
        _start => sub {
            my $pid = child(first => 'exit 0');
            $poe_kernel->sig_child($pid, $_) for qw(old new);
        },
        new => sub { $poe_kernel->call(b => 'work') };
    actor
        b      => notes('late'),
        _start => sub { $poe_kernel->alias_set('b') },
        work   => sub {
            $poe_kernel->alias_remove('b');
            $poe_kernel->delay_set(late => 0.02);
        };
};

scenario what_is_no_child_is_refused => sub {
    actor
        a      => notes('ended'),
        _start => sub {
            $! = 0;
            $poe_kernel->sig_child($$, 'ended');
            note($! ? 'refused' : 'said nothing');
        };
};

scenario a_child_that_ended_before_is_told_of => sub {
    actor
        a      => notes('ended'),
        _start => sub {
            my $id    = $_[SESSION]->ID;
            my $child = child(first => 'exit 4');
            $poe_kernel->refcount_increment($id, 'wait');
            $poe_kernel->sig(CHLD => 'chld');
            $poe_kernel->state(chld => sub {
                $poe_kernel->sig('CHLD');
                $poe_kernel->sig_child($child, 'ended');
                $poe_kernel->refcount_decrement($id, 'wait');
            });
        };
};

perform;
