//! How names and ids are serialized: as they are printed, and sessions as their numbers.

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
