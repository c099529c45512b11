//! Perl's `Storable`: structures of data as octets, as `nfreeze` and `freeze` write them.
//!
//! [`Value::thaw`] reads an image into a [`Value`], which holds what Perl can express: `undef`,
//! octets and text, numbers, arrays, hashes, references that share or form a cycle, blessed objects.
//! A [`Node`] is one value in it, to look at. A [`Builder`] makes a [`Value`], and
//! [`Value::nfreeze`] writes the image that Perl thaws.
//!
//! ```
//! use poe_filter::storable::{Builder, Value};
//!
//! // nfreeze({ name => "Pulse", load => [1, 2.5] })
//! let mut build = Builder::new();
//! let name = build.text("Pulse");
//! let load = [build.integer(1), build.double(2.5)];
//! let load = build.array(load);
//! let hash = build.hash([("name", name), ("load", load)]);
//! let image = build.finish(hash)?.nfreeze()?;
//!
//! let value = Value::thaw(image)?;
//! assert_eq!(value.root().get("name").unwrap().to_text().unwrap(), "Pulse");
//! assert_eq!(value.root().get("load").unwrap().at(1).unwrap().to_f64(), Some(2.5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `serde`, `to_value` and `from_value` turn any data into a [`Value`] and back.
//!
//! # Images
//!
//! Read are network images (`nfreeze`, `nstore`) and native ones (`freeze`, `store`) of major
//! version 2, which is all since 2000, of any byte order, with integers of four or eight octets and
//! doubles of eight; Perl reads native images of its own kind only. Written are network images that
//! say to be of minor version 5, as they need no later one.
//!
//! Code references, tied variables, globs, objects with `STORABLE_freeze` hooks and pieces larger
//! than 2 GiB are refused: they mean nothing without their Perl program, or are attacks on it.
//! Reading an image runs no code and loads no class.
//!
//! # What Perl and we write differently
//!
//! - A double is written with the digits that make it the same double again. Perl writes 15 digits,
//!   and has `0.3` arrive for `0.1 + 0.2`. Both write a whole one as an integer, and so -0.0 as 0.
//! - Keys are always in order, as with `$Storable::canonical`.
//! - Text that is ASCII is written as octets, as are keys that are Latin-1; to Perl these are equal.
//! - The elements of arrays that do not exist are `undef`. The restrictions of hashes are dropped, as
//!   are the source texts of v-strings. References to objects that overload operators are plain
//!   references; Perl, given such an image, would load the class.
//!
//! # Hostile images
//!
//! Memory is linear in the length of an image, at most 128 octets for each of its octets and mostly a few, as a count that
//! its image can not contain is refused before memory is reserved. The stack does not grow with nesting. [`Limits`]
//! bound both.

mod builder;
mod cells;
#[cfg(feature = "serde")]
mod de;
mod error;
mod freeze;
mod header;
mod key;
mod limits;
mod node;
mod number;
#[cfg(feature = "serde")]
mod ser;
mod tag;
mod thaw;
mod value;

pub use builder::{Builder, Id};
#[cfg(all(feature = "serde", feature = "reference"))]
pub(crate) use de::read_value;
#[cfg(feature = "serde")]
pub use de::{from_value, from_value_within};
#[cfg(feature = "serde")]
pub use error::SerdeError;
pub use error::{FreezeError, ThawError};
pub use key::Key;
pub use limits::Limits;
pub use node::{Kind, Node};
#[cfg(feature = "serde")]
pub use ser::to_value;
pub use value::Value;
