//! Filters: octets to records, and back.
//!
//! A [`Filter`] turns the octets that come from somewhere into records, and records into octets that
//! go somewhere. It knows nothing of handles, events or time, and can be used by itself.
//!
//! - [`Line`] makes records of lines, ended by any newline, by given octets, or by a regular
//!   expression; [`LineBlock`] makes one record of all the lines that have come together.
//! - [`Block`] makes records of blocks that have a fixed size, or their length before them.
//! - [`Stream`] passes octets on as they are, and [`Packet`] chunk by chunk, as of datagrams.
//! - `Httpd`, with the feature `http`, makes records of requests, and has responses for output.
//!   `HttpClient` is the other side of it.
//!
//! And as many protocols of today have it:
//!
//! - [`IntegerLength`] and [`VarintLength`] before a [`Block`], [`Line::nul_terminated`], and
//!   [`Netstring`].
//! - `JsonLines`, with the feature `json`, and `WebSocket`, with the feature `websocket`, whose
//!   records are values and messages.
//!
//! Upon these stand layers that turn records into other records, [`Transform`]s:
//!
//! - [`Map`] makes another record of each, and of octets whatever they stand for.
//! - [`Grep`] lets some pass.
//! - [`RecordBlock`] gathers a number of them.
//!
//! [`Filter::then`] puts a layer on a filter, and the two are a filter again; [`Stackable`] is a
//! stack that can change at run time.
//!
//! [`Line`], [`Block`], [`Stream`] and [`Netstring`] have [`Bytes`](bytes::Bytes) for records. Input that holds a whole record is not
//! copied: the record is a slice of it. What a filter serializes goes into a [`Sink`], such as a
//! `Vec<u8>`. Where records are wanted, [`IntoRecord`] takes text and octets of all kinds.
//!
//! # Example
//!
//! A greeting in lines, then blocks: filters are exchanged between two records, and nothing that has
//! been read is lost.
//!
//! ```
//! use poe_filter::prelude::*;
//!
//! fn main() -> Result<(), FilterError> {
//!     let mut sent = Vec::<u8>::new();
//!     Line::new().put("hello, let us talk in blocks".into(), &mut sent)?;
//!     for block in ["one", "", "two\nlines"] {
//!         Block::new().put(block.into_record(), &mut sent)?;
//!     }
//!
//!     // It arrives in pieces of seven octets.
//!     let mut filter: Box<dyn Filter<In = _, Out = _>> = Box::new(Line::new());
//!     let mut records = Vec::new();
//!     for piece in sent.chunks(7) {
//!         filter.get_one_start(piece.into_record())?;
//!         while let Some(record) = filter.get_one()? {
//!             if records.is_empty() {
//!                 let mut block = Block::new();
//!                 block.get_one_start(filter.take_pending())?;
//!                 filter = Box::new(block);
//!             }
//!             records.push(record);
//!         }
//!     }
//!     assert_eq!(records, ["hello, let us talk in blocks", "one", "", "two\nlines"]);
//!     Ok(())
//! }
//! ```
//!
//! # Errors
//!
//! A parameter that makes no sense is a [`ConfigError`], when the filter is built. Input or output
//! that makes none is a [`FilterError`], and [`FilterError::is_fatal`] tells whether the filter can
//! go on. For the filters here:
//!
//! | What happens | Error | What becomes of the input |
//! |---|---|---|
//! | a line longer than `max_length` | [`LineTooLong`](FilterError::LineTooLong) | skipped up to the line's end |
//! | a block longer than `max_length` | [`BlockTooLong`](FilterError::BlockTooLong) | skipped up to the block's end |
//! | no length where one should be | [`Junk`](FilterError::Junk), if the filter is strict | skipped up to the next length |
//! | a length beyond understanding | [`BadLength`](FilterError::BadLength), fatal | stays |
//! | no [`Netstring`] | [`BadLength`](FilterError::BadLength), fatal | stays |
//! | a line that is no value in JSON | [`Record`](FilterError::Record) | consumed |
//! | a WebSocket frame against the protocol | [`Stream`](FilterError::Stream), fatal | stays, or is consumed |
//! | more than `max_buffer` | [`BufferTooLong`](FilterError::BufferTooLong) | stays, and can be parsed |
//! | more input behind that | [`BufferFull`](FilterError::BufferFull), fatal | is refused; what was there stays |
//! | the end of input within a line | none: the rest is a record | consumed |
//! | the end of input within a block | [`Truncated`](FilterError::Truncated), fatal | stays |
//! | the end of input within a block of records | [`Stream`](FilterError::Stream) | stays |
//! | a record that a [`Map`] refuses | [`Record`](FilterError::Record) | consumed |
//! | layers of a [`Stackable`] that do not fit | [`Stream`](FilterError::Stream) | stays |
//!
//! Other filters have [`Record`](FilterError::Record) and [`Stream`](FilterError::Stream) for their
//! own errors.
//!
//! # Memory
//!
//! A filter without input holds no memory for it. One that waits for the rest of a record holds a
//! copy of what is there, not the chunk it came with. A record, however, is a slice of its chunk and
//! keeps all of it: what is to be kept for long had better be copied. That is true also of the
//! records that a [`RecordBlock`] gathers.
//!
//! # Features
//!
//! - `json`: values in JSON, one a line, or as records of `reference`.
//! - `websocket`: WebSocket frames, and with `http` the handshake before them.
//! - `regex`: line terminators that are regular expressions.
//! - `reference`: records that are structures of data, by a filter that is POE's `Reference`.
//! - `zlib`: the same, compressed.
//! - `storable`: structures of data in the format of Perl's Storable.
//! - `serde`: any data in that format.
//! - `msgpack`, `cbor`, `yaml`: other formats for the records of `reference`.
//! - `http`: `Httpd` and `HttpClient`, on the types of the `http` crate.
//!
//! # Differences from POE
//!
//! - Errors are values of the parsing calls. POE throws, which ends the program unless caught.
//! - `get_one` gives one record or none, and none means that input is needed. In POE, an empty list
//!   may also mean that a record was dropped, and leaves the next ones lying.
//! - [`finish`](Filter::finish) is new: POE drops what is unterminated at the end of the input.
//! - [`take_pending`](Filter::take_pending) is new, so that input handed to another filter is not
//!   there twice when the old one is used again. [`get_pending`](Filter::get_pending) is for looking
//!   at, and has the length of a block that is not complete yet, which POE has lost by then.
//! - [`fresh`](Filter::fresh) inherits no state. POE's `clone` inherits an autodetected newline, and
//!   waits for the rest of a block that began in the original.
//! - [`Line`] reports an unterminated line as soon as it is too long, and does not hold it. POE
//!   notices at the terminator, having held up to `MaxBuffer`. With a regular expression that has no
//!   longest match, up to 1 KiB beyond `max_length` is taken for what may be its beginning.
//! - [`Line`] makes one line of CR LF however it arrives. POE's default makes a second, empty one of an LF
//!   that comes in another read than its CR, which a peer that sends octet by octet sees on each line.
//!
//!   Difference: FLN-13 (the LF makes no line)
//! - [`Line`] with a regular expression refuses one that can match nothing, with which POE would
//!   give empty lines for ever. The expression is about octets, in the syntax of the `regex` crate. Any of its
//!   alternatives ends a line. Where POE is given `a|b` as text, and not as `qr`, no `b` does, and one without an `a` behind
//!   it is lost.
//!
//!   Difference: FLN-08 (the expression is given as text; a compiled one would put a type of another crate into
//!   the signature)
//! - A filter that holds more than its `MaxBuffer`, and has said so, takes no more. POE says it again, and takes it.
//! - Autodetection is asked for by name, [`autodetect`](LineBuilder::autodetect); an empty input
//!   literal is an error.
//! - [`Block`] skips a block that is too long. POE reports it, and then delivers it.
//! - [`Block`] finds its way after digits that do not end in a NUL; POE waits for ever. It finds the
//!   block behind junk in the same call. Junk is counted or, if so asked, an error; POE warns.
//! - [`Block`] refuses lengths that no 64-bit number can hold, and unending ones.
//! - `Reference` reports octets that are no length as soon as they are not, and ends there. POE waits
//!   for ever with them, as it does for `12x`.
//!
//!   Difference: FRF-09 (the octets stay pending, with an error)
//! - `Reference` takes YAML as it is specified, where a line of three dots ends a document. POE's YAML
//!   refuses it.
//!
//!   Difference: FRF-11 (the record is well formed)
//! - `Reference` reports an image that is not compressed where one should be. POE makes an undefined
//!   record of it. Records are what the codec is for, and never error messages, as with `NoFatals`.
//!
//!   Difference: FRF-06 (the error is one that is not fatal; no option makes a record of it)
//!   Difference: FRF-05 (there is no such flag, to leave the octets as they are)
//! - `Reference` refuses images longer than 64 MiB unless told otherwise, where POE has `MaxBuffer` alone, of 512 MiB.
//! - A [`LengthCodec`] looks at octets and says what it found; POE's edits the buffer.
//! - [`Grep`], [`Map`] and [`RecordBlock`] are no filters by themselves, but layers that stand on one.
//!   Their functions and sizes can not be left out or be something else, which the compiler sees to.
//!
//!   Difference: FGM-04, FGM-06, FGM-11 (such calls do not compile)
//! - [`RecordBlock`] refuses a size of 0, both at first and when it is changed, where POE ignores the
//!   change. What is no number at all does not compile.
//!
//!   Difference: FRB-03, FRB-04 (refused, with an error or by the compiler)
//! - A record that a layer drops strands none behind it, wherever the layer stands.
//! - A stack takes no more out of its lower layers than its next record needs, and gives back all that
//!   is pending in any of them, as the octets it came from. POE gives back what the last layer holds,
//!   and loses the rest.
//! - [`Stackable`] has what is pending go through the changed stack. POE loses it, or dies. Layers are
//!   checked against their neighbours, an empty stack passes octets on, and what is no layer does not
//!   compile.
//!
//!   Difference: FST-09 (such calls do not compile, or are refused for records that do not fit)
//! - `Httpd` reads chunked bodies, which POE's filter takes for the next request, and requests behind
//!   one without a body, which POE's drops. A method may have a hyphen.
//! - `Httpd` takes a `MaxContent` of 0, which lets no body pass. POE refuses it.
//! - `Httpd` reads no header that POE skips in silence: a malformed one is 400, and so are folded
//!   headers and lengths given twice, which POE reads. Behind an error that leaves the start of the
//!   next request in doubt, it reads nothing more; POE takes what follows for requests.
//! - `Httpd` refuses requests of HTTP/1.1 without `Host`, and any with two, or with one that is no name or address
//!   of a host. POE's looks at none; `HttpdBuilder::host_optional` lets the first pass.
//! - The responses that `Httpd` gives for errors have nothing of the request in them. POE's quote it,
//!   unescaped, as HTML.
//! - `Httpd` adds `Content-Length`, or sends a response in chunks. The status line has the usual reason,
//!   and HTTP/1.1 unless the response has another version.
//!
//!   Difference: FHT-24 (`HTTP/1.1 404 Not Found`, and the length of the body)
//! - `Httpd` passes the octets of headers on, as they are. POE makes Latin-1 of characters.
//!
//!   Difference: FHT-25 (the header is octets, which nothing encodes anew)
//! - One `put` puts one record; for a fixed-size [`Block`], each is passed on as it is.

#![doc(test(attr(deny(warnings))))]

mod block;
mod block_prefix;
mod buffer;
mod chunk;
#[cfg(any(
    all(feature = "serde", feature = "storable"),
    feature = "json",
    feature = "msgpack",
    feature = "cbor",
    feature = "yaml"
))]
mod data_limits;
mod ends;
mod error;
mod filter;
mod filter_layer;
mod grep;
mod held;
#[cfg(feature = "http")]
mod http_client;
#[cfg(feature = "http")]
mod httpd;
mod integer_length;
#[cfg(feature = "json")]
mod json_lines;
mod layer;
mod length_codec;
mod limits;
mod line;
mod line_block;
mod lines;
mod map;
#[cfg(any(
    all(feature = "serde", feature = "storable"),
    feature = "json",
    feature = "msgpack",
    feature = "cbor",
    feature = "yaml"
))]
mod metered;
mod netstring;
mod newline;
mod origin;
mod packet;
pub mod prelude;
mod queue;
mod record;
mod record_block;
#[cfg(feature = "reference")]
pub mod reference;
#[cfg(feature = "regex")]
mod regexp;
#[cfg(feature = "http")]
mod shared;
mod sink;
mod stackable;
#[cfg(feature = "storable")]
pub mod storable;
mod stream;
mod sys;
mod then;
mod transform;
#[cfg(feature = "websocket")]
mod websocket;

pub use block::{Block, BlockBuilder};
#[cfg(any(
    all(feature = "serde", feature = "storable"),
    feature = "json",
    feature = "msgpack",
    feature = "cbor",
    feature = "yaml"
))]
pub use data_limits::{DataLimitError, DataLimits};
pub use error::{ConfigError, FilterError};
#[doc(hidden)]
pub use filter::AsAny;
pub use filter::Filter;
pub use filter_layer::FilterLayer;
pub use grep::Grep;
#[cfg(feature = "http")]
pub use http_client::{HttpClient, HttpClientBuilder, HttpClientRecord, HttpClientRequest};
#[cfg(feature = "http")]
pub use httpd::{
    AnyRequest, HttpProblem, HttpPutError, Httpd, HttpdBuilder, HttpdError, HttpdHeaders,
    HttpdRecord, HttpdRequest, HttpdResponse,
};
pub use integer_length::{IntegerLength, VarintLength};
#[cfg(feature = "json")]
pub use json_lines::JsonLines;
#[doc(hidden)]
pub use layer::kind;
pub use layer::{IntoLayer, Layer};
pub use length_codec::{DecimalLength, DecodedLength, LengthCodec};
pub(crate) use limits::{DEFAULT_MAX_BUFFER, DEFAULT_MAX_LENGTH, check_limits};
pub use line::{Line, LineBuilder};
pub use line_block::LineBlock;
pub use lines::{Lines, LinesIntoIter, LinesIter};
pub use map::Map;
pub use netstring::Netstring;
pub use packet::Packet;
pub use record::IntoRecord;
pub use record_block::RecordBlock;
pub use sink::Sink;
pub use stackable::Stackable;
pub use stream::Stream;
pub use then::Then;
pub use transform::{BoxedTransform, Transform};
#[cfg(feature = "websocket")]
pub use websocket::{CloseReason, WebSocket, WebSocketError, WebSocketMessage};
#[cfg(all(feature = "websocket", feature = "http"))]
pub use websocket::{WebSocketHandshake, WebSocketHandshakeError};
