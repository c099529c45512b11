//! What may be given where a record is wanted.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// Turns what a caller has at hand into a record.
///
/// Any record is one of itself. Where records are octets, text and byte strings of all kinds will
/// do, and what owns its memory is not copied.
///
/// ```
/// use bytes::Bytes;
/// use poe_filter::IntoRecord;
///
/// fn put(record: impl IntoRecord<Bytes>) -> Bytes {
///     record.into_record()
/// }
///
/// assert_eq!(put("text"), "text");
/// assert_eq!(put(format!("{}!", 42)), "42!");
/// assert_eq!(put(b"octets"), "octets");
/// assert_eq!(put(Bytes::from_static(b"shared")), "shared");
/// ```
pub trait IntoRecord<R> {
    /// Gives the record.
    fn into_record(self) -> R;
}

impl<R> IntoRecord<R> for R {
    fn into_record(self) -> R {
        self
    }
}

macro_rules! copied {
    ($($from:ty),* $(,)?) => {$(
        impl IntoRecord<Bytes> for $from {
            fn into_record(self) -> Bytes {
                Bytes::copy_from_slice(self.as_ref())
            }
        }
    )*};
}

macro_rules! moved {
    ($($from:ty),* $(,)?) => {$(
        impl IntoRecord<Bytes> for $from {
            fn into_record(self) -> Bytes {
                Bytes::from(self)
            }
        }
    )*};
}

copied!(&str, &String, &[u8], &Vec<u8>, &BytesMut);
moved!(String, Vec<u8>, Box<[u8]>, BytesMut);

impl<const N: usize> IntoRecord<Bytes> for &[u8; N] {
    fn into_record(self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl<const N: usize> IntoRecord<Bytes> for [u8; N] {
    fn into_record(self) -> Bytes {
        Bytes::copy_from_slice(&self)
    }
}

impl IntoRecord<Bytes> for &Bytes {
    fn into_record(self) -> Bytes {
        self.clone()
    }
}

impl IntoRecord<Bytes> for Cow<'_, str> {
    fn into_record(self) -> Bytes {
        match self {
            Cow::Borrowed(text) => text.into_record(),
            Cow::Owned(text) => text.into_record(),
        }
    }
}

impl IntoRecord<Bytes> for Cow<'_, [u8]> {
    fn into_record(self) -> Bytes {
        match self {
            Cow::Borrowed(octets) => octets.into_record(),
            Cow::Owned(octets) => octets.into_record(),
        }
    }
}

impl IntoRecord<Bytes> for char {
    fn into_record(self) -> Bytes {
        Bytes::copy_from_slice(self.encode_utf8(&mut [0; 4]).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_give_the_same_octets() {
        fn put(record: impl IntoRecord<Bytes>) -> Bytes {
            record.into_record()
        }
        let text = String::from("abc");
        let octets = b"abc".to_vec();
        let mutable = BytesMut::from("abc");
        let expected = Bytes::from_static(b"abc");
        for record in [
            put("abc"),
            put(&text),
            put(text.clone()),
            put(&octets),
            put(octets.as_slice()),
            put(octets.clone()),
            put(octets.clone().into_boxed_slice()),
            put(b"abc"),
            put(*b"abc"),
            put(&expected),
            put(expected.clone()),
            put(BytesMut::from("abc")),
            put(&mutable),
            put(Cow::Borrowed("abc")),
            put(Cow::<str>::Owned(text)),
            put(Cow::Borrowed(octets.as_slice())),
            put(Cow::<[u8]>::Owned(octets.clone())),
        ] {
            assert_eq!(record, expected);
        }
        assert_eq!(put('é'), "é");
    }
}
