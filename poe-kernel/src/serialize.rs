//! How names and ids are serialized: as they are printed, and sessions as their numbers.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::{Asserts, KernelId, Name, SessionId, TimerId, Traces};

macro_rules! as_printed {
    ($($type:ty),*) => {
        $(impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        })*
    };
}

as_printed!(Asserts, KernelId, Name, TimerId, Traces);

/// As its number; the kernel is 0.
impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.number())
    }
}

/// As `serde` does it, and before the epoch too: seconds, which are negative then, and the nanoseconds after them.
pub(crate) fn time<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    const SECOND: i128 = 1_000_000_000;
    let nanos = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos().cast_signed(),
        Err(before) => -before.duration().as_nanos().cast_signed(),
    };
    let mut fields = serializer.serialize_struct("SystemTime", 2)?;
    fields.serialize_field("secs_since_epoch", &((nanos.div_euclid(SECOND)) as i64))?;
    fields.serialize_field("nanos_since_epoch", &(nanos.rem_euclid(SECOND) as u32))?;
    fields.end()
}
