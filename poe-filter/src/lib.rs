//! Filters: octets to records and back.

#![forbid(unsafe_code)]

mod block;
mod buffer;
mod chunk;
mod error;
mod filter;
mod length_codec;
mod limits;
mod line;
mod newline;
pub mod prelude;
mod record;
#[cfg(feature = "regex")]
mod regexp;
mod sink;
mod stream;

pub use block::{Block, BlockBuilder};
pub use error::{ConfigError, FilterError};
pub use filter::Filter;
pub use length_codec::{DecimalLength, DecodedLength, LengthCodec};
pub(crate) use limits::{DEFAULT_MAX_BUFFER, DEFAULT_MAX_LENGTH, check_limits};
pub use line::{Line, LineBuilder};
pub use record::IntoRecord;
pub use sink::Sink;
pub use stream::Stream;
