#!/usr/bin/env perl
# Perl's Storable and POE's Reference on the images of standard input, one a line, in hexadecimal.
#
# Prints for each image the nanoseconds of thaw, nfreeze, and of get and put with compression, each the least of
# several turns; a dash for each of the last two where POE is not installed.
use strict;
use warnings;

use Storable qw(nfreeze thaw);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $has_poe = eval { require POE::Filter::Reference; 1 };
my $turns   = 5;
my $budget  = 0.02;

sub least {
    my $work = shift;
    my $count = 1;
    my $best;
    for (1 .. $turns) {
        while (1) {
            my $started = clock_gettime(CLOCK_MONOTONIC);
            $work->() for 1 .. $count;
            my $took = clock_gettime(CLOCK_MONOTONIC) - $started;
            if ($took < $budget) { $count *= 2; next }
            my $each = 1e9 * $took / $count;
            $best = $each if !defined $best || $each < $best;
            last;
        }
    }
    return sprintf '%.1f', $best;
}

while (my $line = <STDIN>) {
    chomp $line;
    my $image = pack 'H*', $line;
    my $data  = thaw($image);
    my @each  = (least(sub { my $thawed = thaw($image) }), least(sub { my $frozen = nfreeze($data) }));
    if ($has_poe) {
        my $filter = POE::Filter::Reference->new(Compression => 1);
        my $frame = join '', @{ $filter->put([$data]) };
        push @each, least(sub { my $records = $filter->get([$frame]) });
        push @each, least(sub { my $frames = $filter->put([$data]) });
    }
    else {
        push @each, '-', '-';
    }
    print "@each\n";
}
