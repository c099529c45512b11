//! Histograms of durations, for what the kernel measures when asked to.

use std::fmt;
use std::time::Duration;

use crate::clock::nanos;

/// How often each length of time occurred, to a quarter of it.
///
/// With the feature `serde` it is serialized with its `count`, `total` and `max`, the quantiles `p50`, `p90` and `p99`, and
/// its `buckets`, of which each says `up_to` what time it counts and its `count`.
///
/// ```
/// use std::time::Duration;
/// use poe_kernel::Histogram;
///
/// let mut times = Histogram::default();
/// for milliseconds in 1..=100 {
///     times.record(Duration::from_millis(milliseconds));
/// }
/// assert_eq!((times.count(), times.max()), (100, Duration::from_millis(100)));
/// let median = times.quantile(0.5).as_secs_f64();
/// assert!((0.050..0.060).contains(&median));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Four for each power of two, in nanoseconds, up to the greatest that occurred.
    buckets: Vec<u32>,
    count: u64,
    total: Duration,
    max: Duration,
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, duration: Duration) {
        let bucket = bucket(nanos(duration).unsigned_abs());
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] = self.buckets[bucket].saturating_add(1);
        self.count += 1;
        self.total = self.total.saturating_add(duration);
        self.max = self.max.max(duration);
    }

    /// Counts all that another has counted.
    pub fn merge(&mut self, other: &Self) {
        let buckets = self.buckets.len().max(other.buckets.len());
        self.buckets.resize(buckets, 0);
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self.count += other.count;
        self.total = self.total.saturating_add(other.total);
        self.max = self.max.max(other.max);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Their mean, zero when there were none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_nanos_u128(self.total.as_nanos() / u128::from(self.count.max(1)))
    }

    /// The time that this share of them (0.5 for the median) did not exceed, or up to a quarter more; zero when there were
    /// none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (share.clamp(0.0, 1.0) * self.count as f64).ceil() as u64;
        let mut below = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            below += u64::from(count);
            if count > 0 && below >= rank {
                return Duration::from_nanos(bound(bucket)).min(self.max);
            }
        }
        self.max
    }

    /// The buckets that are not empty: the longest time that each is for, and how many it counted.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u32)> {
        let buckets = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        buckets.map(|(bucket, &count)| (Duration::from_nanos(bound(bucket)), count))
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count == 0 {
            return f.write_str("none");
        }
        let (median, most) = (self.quantile(0.5), self.quantile(0.99));
        let max = self.max;
        write!(
            f,
            "{} in {:.1?} (50 % {median:.1?}, 99 % {most:.1?}, max {max:.1?})",
            self.count, self.total
        )
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Histogram({self})")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Histogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        #[derive(serde::Serialize)]
        struct Bucket {
            up_to: Duration,
            count: u32,
        }

        let mut histogram = serializer.serialize_struct("Histogram", 7)?;
        histogram.serialize_field("count", &self.count)?;
        histogram.serialize_field("total", &self.total)?;
        histogram.serialize_field("max", &self.max)?;
        for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            histogram.serialize_field(name, &self.quantile(share))?;
        }
        let buckets = self.buckets().map(|(up_to, count)| Bucket { up_to, count });
        histogram.serialize_field("buckets", &buckets.collect::<Vec<_>>())?;
        histogram.end()
    }
}

/// The number of the bucket for so many nanoseconds.
fn bucket(nanos: u64) -> usize {
    if nanos < 4 {
        return nanos as usize;
    }
    let power = nanos.ilog2();
    ((power - 1) * 4) as usize + ((nanos >> (power - 2)) & 3) as usize
}

/// The most nanoseconds that a bucket is for.
fn bound(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64;
    }
    let (power, quarter) = (bucket as u32 / 4 + 1, bucket as u64 % 4);
    ((4 + quarter) << (power - 2)) + ((1 << (power - 2)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_a_bucket_not_a_quarter_wider_than_it() {
        let mut nanos = 0_u64;
        while nanos < u64::MAX / 3 {
            let bucket = bucket(nanos);
            assert!(bound(bucket) >= nanos, "{nanos}");
            assert!(bucket == 0 || bound(bucket - 1) < nanos, "{nanos}");
            assert!(bound(bucket) - nanos <= nanos / 4, "{nanos}");
            nanos += nanos / 7 + 1;
        }
    }

    #[test]
    fn what_is_merged_is_counted_together() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.record(Duration::from_nanos(100));
        other.record(Duration::from_millis(5));
        other.record(Duration::from_secs(4));
        one.merge(&other);
        assert_eq!(one.count(), 3);
        assert_eq!(one.total(), Duration::from_nanos(4_005_000_100));
        assert_eq!(one.max(), Duration::from_secs(4));
        assert_eq!(one.quantile(1.0), Duration::from_secs(4));
        assert_eq!(one.buckets().map(|(_, count)| count).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn an_empty_one_has_no_times() {
        let empty = Histogram::default();
        assert_eq!((empty.mean(), empty.quantile(0.9)), (Duration::ZERO, Duration::ZERO));
        assert_eq!(empty.to_string(), "none");
    }

    #[test]
    fn the_longest_times_have_a_mean() {
        let mut long = Histogram::default();
        long.record(Duration::MAX);
        assert_eq!((long.mean(), long.quantile(f64::NAN)), (Duration::MAX, long.quantile(0.5)));
        long.record(Duration::MAX);
        assert_eq!(long.mean(), Duration::MAX / 2);
    }
}
