//! What most users of this crate need: `use poe_filter::prelude::*`.

pub use crate::{
    Block, Filter, FilterError, Grep, IntoRecord, Line, Map, RecordBlock, Sink, Stackable, Stream,
    Transform,
};
