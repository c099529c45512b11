//! The keys of hashes.

use std::borrow::Cow;
use std::cmp::Ordering;

/// The key of a pair in a hash: text, held as Latin-1 or as UTF-8.
///
/// Keys are equal and ordered by their characters, however these are held, as in Perl.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    pub(super) octets: &'a [u8],
    pub(super) wide: bool,
}

impl<'a> Key<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { octets: text.as_bytes(), wide: true }
    }

    /// The key as text. Perl allows characters that are not Unicode; these are replaced.
    ///
    /// ```
    /// use poe_filter::storable::Value;
    ///
    /// let image = b"\x05\x0b\x03\0\0\0\x01\x08\x81\0\0\0\x01\xe9"; // nfreeze({ "\xe9" => 1 })
    /// let value = Value::thaw(&image[..])?;
    /// let (key, _) = value.root().pairs().next().unwrap();
    /// assert_eq!(key.to_text(), "é");
    /// assert_eq!(key.octets(), b"\xe9");
    /// # Ok::<(), poe_filter::storable::ThawError>(())
    /// ```
    #[must_use]
    pub fn to_text(self) -> Cow<'a, str> {
        if self.wide { String::from_utf8_lossy(self.octets) } else { latin_1(self.octets) }
    }

    /// The octets of the key as they are in the image: Latin-1, or UTF-8 if that can not express it.
    #[must_use]
    pub fn octets(self) -> &'a [u8] {
        self.octets
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key<'_> {}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Both encodings keep the order of characters.
        match (self.wide, other.wide) {
            (true, false) => order_mixed(other.octets, self.octets).reverse(),
            (false, true) => order_mixed(self.octets, other.octets),
            _ => self.octets.cmp(other.octets),
        }
    }
}

/// Compares Latin-1 to UTF-8 by encoding it on the way.
fn order_mixed(latin: &[u8], utf8: &[u8]) -> Ordering {
    let encoded = latin.iter().flat_map(|octet| {
        let (octets, len) = match octet {
            0..0x80 => ([*octet, 0], 1),
            _ => ([0xc0 | octet >> 6, 0x80 | octet & 0x3f], 2),
        };
        octets.into_iter().take(len)
    });
    encoded.cmp(utf8.iter().copied())
}

/// Octets as the characters of these numbers, which is what they are in Perl.
pub(super) fn latin_1(octets: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(octets) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(octets.iter().copied().map(char::from).collect()),
    }
}
