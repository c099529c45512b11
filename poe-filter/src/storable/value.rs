//! A structure of data.

use std::fmt;

use bytes::Bytes;

use super::cells::Tables;
use super::{FreezeError, Id, Limits, Node, ThawError, freeze, thaw};

/// What an image is of: a value, and all that it refers to.
///
/// In Perl, one freezes a reference, and thawing gives another; the reference itself is not in the
/// image. So the root is what that reference refers to: mostly a hash or an array.
///
/// Strings are slices of the image, which is kept as long as the value.
///
/// Values are equal if Perl could not tell them apart, that is, if they freeze to the same image:
/// `1.5` is equal to `"1.5"`, but two references to one array are not equal to references to two.
///
/// ```
/// use poe_filter::storable::Value;
///
/// let value = Value::thaw(&b"\x05\x0b\x02\0\0\0\x02\x08\x81\x0a\x02hi"[..])?; // [1, "hi"]
/// assert_eq!(value.root().len(), 2);
/// assert_eq!(value.root().at(0).unwrap().to_i64(), Some(1));
/// assert_eq!(value.root().at(1).unwrap().to_text().unwrap(), "hi");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Value {
    pub(super) tables: Tables,
    pub(super) root: Id,
}

impl Value {
    /// Reads an image, which costs no more than the default [`Limits`] allow. Storable's `thaw`.
    ///
    /// What follows the value is ignored. An image from a file of `store` or `nstore` will do, too.
    ///
    /// # Errors
    ///
    /// [`ThawError`] if the octets are no image, or one that is refused.
    pub fn thaw(image: impl Into<Bytes>) -> Result<Self, ThawError> {
        Self::thaw_within(image, &Limits::default())
    }

    /// Reads an image within other limits.
    ///
    /// # Errors
    ///
    /// As for [`thaw`](Value::thaw).
    pub fn thaw_within(image: impl Into<Bytes>, limits: &Limits) -> Result<Self, ThawError> {
        thaw::thaw(image.into(), limits)
    }

    /// Writes an image in network order, which any Perl since 5.8 thaws. Storable's `nfreeze`.
    ///
    /// Equal values give equal images.
    ///
    /// ```
    /// use poe_filter::storable::Builder;
    ///
    /// let mut build = Builder::new();
    /// let hello = build.text("hello");
    /// let list = build.array([hello]);
    /// let image = build.finish(list)?.nfreeze()?;
    /// assert_eq!(image, b"\x05\x05\x02\0\0\0\x01\x0a\x05hello");
    /// # Ok::<(), poe_filter::storable::FreezeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FreezeError`] if something is longer than an image can say.
    pub fn nfreeze(&self) -> Result<Vec<u8>, FreezeError> {
        let mut image = Vec::new();
        freeze::nfreeze(self, &mut image)?;
        Ok(image)
    }

    #[cfg(feature = "reference")]
    pub(crate) fn nfreeze_into(&self, image: &mut Vec<u8>) -> Result<(), FreezeError> {
        freeze::nfreeze(self, image)
    }

    /// What the reference that was frozen refers to.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        Node { value: self, id: self.root }
    }

    /// How many scalars, references, arrays and hashes there are, shared ones counted once.
    #[must_use]
    pub fn values(&self) -> usize {
        self.tables.cells.len()
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.nfreeze() == other.nfreeze()
    }
}

/// Tells sizes, as the data may be much, or secret.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value")
            .field("root", &self.root().kind())
            .field("values", &self.values())
            .finish_non_exhaustive()
    }
}
