# Signals; the twin of signals.rs.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use POE;
use Stage;

# Actors, each below the one before, that watch a signal and have an alias to live on.
sub chain {
    my ($signal, $names, %handlers) = @_;
    my ($name, @below) = @$names;
    actor
        $name  => notes('signal'),
        _start => sub {
            $poe_kernel->alias_set($name);
            $poe_kernel->sig($signal => 'signal');
            chain($signal, \@below, %handlers) if @below;
        },
        %handlers;
}

scenario a_signal_goes_from_the_leaves_up => sub {
    chain(WEATHER => [qw(a b c)]);
    $poe_kernel->signal($poe_kernel => WEATHER => 1, 2);
};

scenario a_signal_reaches_only_those_below => sub {
    chain(WEATHER => [qw(a b c)]);
    chain(WEATHER => ['other']);
    $poe_kernel->signal(b => WEATHER => 'sunny');
    $poe_kernel->signal(a => TERM    => ());
    slice();
    $poe_kernel->signal(other => 'WEATHER');
};

scenario a_signal_is_queued_as_events_are => sub {
    actor
        a      => notes(qw(before signal after)),
        _start => sub {
            $poe_kernel->sig(WEATHER => 'signal');
            $poe_kernel->yield('before');
            $poe_kernel->signal($_[SESSION] => 'WEATHER');
            $poe_kernel->yield('after');
        };
};

scenario an_unhandled_terminal_signal_stops_when_all_were_told => sub {
    chain(INT => [qw(a b c)]);
    $poe_kernel->signal(a => 'INT');
};

scenario one_that_handles_a_signal_saves_all => sub {
    chain(TERM => [qw(a b c)], signal => sub { $poe_kernel->sig_handled if name($_[SESSION]) eq 'b' });
    $poe_kernel->signal(a => 'TERM');
    slice();
    note('all live');
};

scenario a_signal_may_be_handled_in_a_call => sub {
    my $helper = actor
        helper => _start => sub { $poe_kernel->alias_set('helper') },
        help   => sub { $poe_kernel->sig_handled };
    chain(TERM => ['a'], signal => sub { $poe_kernel->call(helper => 'help') });
    $poe_kernel->signal(a => 'TERM');
    slice();
    note('the slice has ended');
    $poe_kernel->signal(helper => 'TERM');
};

scenario a_signal_cannot_be_handled_later => sub {
    chain(
        TERM   => ['a'],
        signal => sub { $poe_kernel->yield('later') },
        later  => sub { $poe_kernel->sig_handled },
    );
    $poe_kernel->signal(a => 'TERM');
    slice();
    note('the slice has ended');
};

scenario what_handlers_of_a_deadly_signal_post_goes_with_them => sub {
    actor
        b      => notes('event'),
        _start => sub {
            $poe_kernel->delay_set(event => 0.02);
            $poe_kernel->alias_set('b');
        };
    chain(TERM => ['a'], signal => sub { $poe_kernel->post(b => 'event') });
    $poe_kernel->signal(a => 'TERM');
};

scenario a_non_maskable_signal_cannot_be_handled => sub {
    chain($_ => [lc], signal => sub { $poe_kernel->sig_handled }) for qw(UIDESTROY ZOMBIE);
    $poe_kernel->signal(uidestroy => 'UIDESTROY');
    $poe_kernel->signal(zombie    => 'ZOMBIE');
    slice();
    note('both are dead');
};

scenario a_benign_signal_harms_nobody => sub {
    chain(WEATHER => ['a'], end => sub { $poe_kernel->alias_remove('a') });
    $poe_kernel->signal(a => 'NEWS');
    $poe_kernel->signal(a => 'USR1');
    $poe_kernel->signal($poe_kernel => 'CHLD');
    slice();
    $poe_kernel->post(a => 'end');
};

scenario a_signal_that_nobody_watches_is_not_for_the_default_handler => sub {
    my $a = actor a => _default => sub { };
    $poe_kernel->signal($a => 'WEATHER');
    $poe_kernel->post($a => 'event');
};

scenario a_watched_signal_without_a_handler_is_for_the_default_handler => sub {
    my $a = actor
        a        => _start => sub { $poe_kernel->sig(WEATHER => 'signal') },
        _default => sub { };
    $poe_kernel->signal($a => WEATHER => 'sunny');
};

scenario a_watch_is_one_by_signal_and_session => sub {
    actor
        a      => notes(qw(old new)),
        _start => sub {
            $poe_kernel->sig(WEATHER => 'old');
            $poe_kernel->sig(WEATHER => 'new');
            $poe_kernel->sig(NEWS    => 'old');
            $poe_kernel->sig('NEWS');
            $poe_kernel->signal($_[SESSION] => 'WEATHER');
            $poe_kernel->signal($_[SESSION] => 'NEWS');
        };
};

scenario a_watch_that_ends_in_the_walk_does_so_after_it => sub {
    actor
        p      => notes('signal'),
        forget => sub { $poe_kernel->sig('WEATHER') },
        _start => sub {
            $poe_kernel->alias_set('p');
            $poe_kernel->sig(WEATHER => 'signal');
            actor
                c      => _start => sub {
                    $poe_kernel->alias_set('c');
                    $poe_kernel->sig(WEATHER => 'signal');
                },
                signal => sub { $poe_kernel->call(p => 'forget') };
        };
    for my $n (1, 2) {
        $poe_kernel->signal($poe_kernel => 'WEATHER');
        slice();
        note("signal $n");
    }
};

scenario a_signal_sent_by_a_handler_of_one_comes_next => sub {
    my $again = sub { $poe_kernel->signal(a => WEATHER => 'again') unless $_[ARG1] };
    chain(WEATHER => [qw(a b)], signal => $again);
    $poe_kernel->signal(b => 'WEATHER');
};

scenario a_terminal_signal_to_the_kernel_ends_the_run => sub {
    chain(HUP => [qw(a b c)]);
    $poe_kernel->signal($poe_kernel => 'HUP');
    $poe_kernel->post(c => 'too_late');
};

scenario a_handled_terminal_signal_to_the_kernel_does_not => sub {
    chain(QUIT => [qw(a b)], signal => sub { $poe_kernel->sig_handled }, work => sub { });
    $poe_kernel->signal($poe_kernel => 'QUIT');
    $poe_kernel->post(b => 'work');
};

scenario a_signal_of_the_system_is_for_everyone => sub {
    my ($hold, $signal) = (
        sub {
            $poe_kernel->refcount_increment($_[SESSION]->ID, 'wait');
            $poe_kernel->sig(USR1 => 'signal');
        },
        sub { $poe_kernel->refcount_decrement($_[SESSION]->ID, 'wait') },
    );
    actor
        p      => signal => $signal,
        kill   => sub { kill USR1 => $$ },
        _start => sub {
            $hold->(@_);
            actor c => _start => $hold, signal => $signal;
            $poe_kernel->yield('kill');
        };
};

scenario idle_sent_by_hand_is_a_terminal_signal => sub {
    chain(IDLE => [qw(a b)]);
    $poe_kernel->signal(b => 'IDLE');
    slice();
    note('b is dead');
};

scenario stop_in_a_signals_handler_ends_all_at_once => sub {
    chain(WEATHER => [qw(a b c)], signal => sub { $poe_kernel->stop if name($_[SESSION]) eq 'b' });
    $poe_kernel->signal($poe_kernel => 'WEATHER');
};

perform;
