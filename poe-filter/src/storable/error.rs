//! Why an image could not be read or written.

/// Why an image can not be thawed. The input is at fault; nothing of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThawError {
    /// The octets do not begin as an image does.
    #[error("not a Storable image; check that both ends use the same serializer and compression")]
    Alien,

    /// The image is of a major version that is not understood.
    #[error("Storable image of major version {major}, where only 2 is understood")]
    Version {
        /// The major version.
        major: u8,
    },

    /// A native image comes from a machine whose numbers are not understood.
    #[error("native Storable image with unknown {what}; have the peer use nfreeze")]
    Machine {
        /// What is not understood.
        what: &'static str,
    },

    /// The image ends before the value does, or announces more than it has.
    #[error("Storable image ends too early: more announced at octet {offset} than there is")]
    Truncated {
        /// Where the missing part should begin, or is announced.
        offset: usize,
    },

    /// The image has octets that mean nothing where they are.
    #[error("Storable image is corrupt at octet {offset}: {what}")]
    Corrupt {
        /// Where, counted from the start of the image.
        offset: usize,
        /// What is wrong.
        what: &'static str,
    },

    /// The image holds what is not taken from anybody.
    #[error("Storable image holds {what}, which is refused; have the peer send plain data")]
    Refused {
        /// What it is.
        what: &'static str,
    },

    /// A limit is exceeded.
    #[error("Storable image exceeds the limit of {limit} {what}; raise it in Limits if need be")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// Why a value can not be frozen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FreezeError {
    /// A string, an array or a hash is longer than an image can express.
    #[error("a value of length {length} can not be frozen: images have lengths up to 2147483647")]
    TooLong {
        /// Its length, in octets or elements.
        length: usize,
    },
}

/// Why data could not be made a value, or a value data, by `serde`.
#[cfg(feature = "serde")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Storable value does not fit the data: {0}")]
pub struct SerdeError(String);

#[cfg(feature = "serde")]
impl serde::ser::Error for SerdeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

#[cfg(feature = "serde")]
impl serde::de::Error for SerdeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}
