//! How the lengths before a block's octets are read and written.

use std::any::Any;

use crate::{DecimalLength, DecodedLength, FilterError, IntegerLength, LengthCodec, Sink};

/// Any codec. Those that nearly everybody has are called directly: cutting off a small block costs little more than a
/// call through a table.
#[derive(Debug, Default)]
pub(crate) enum BlockPrefix {
    #[default]
    Decimal,
    Integer(IntegerLength),
    Other(Box<dyn LengthCodec>),
}

impl BlockPrefix {
    pub(crate) fn new(codec: impl LengthCodec + 'static) -> Self {
        let any: &dyn Any = &codec;
        if any.is::<DecimalLength>() {
            Self::Decimal
        } else if let Some(integer) = any.downcast_ref() {
            Self::Integer(*integer)
        } else {
            Self::Other(Box::new(codec))
        }
    }

    pub(crate) fn encode(&self, length: usize, sink: &mut dyn Sink) -> Result<(), FilterError> {
        match self {
            Self::Decimal => DecimalLength.encode(length, sink),
            Self::Integer(codec) => codec.encode(length, sink),
            Self::Other(codec) => codec.encode(length, sink),
        }
    }

    #[inline]
    pub(crate) fn decode(&self, octets: &[u8]) -> DecodedLength {
        match self {
            Self::Decimal => DecimalLength.decode(octets),
            Self::Integer(codec) => codec.decode(octets),
            Self::Other(codec) => codec.decode(octets),
        }
    }

    /// At least one.
    pub(crate) fn max_prefix(&self) -> usize {
        let octets = match self {
            Self::Decimal => DecimalLength.max_prefix(),
            Self::Integer(codec) => codec.max_prefix(),
            Self::Other(codec) => codec.max_prefix(),
        };
        octets.max(1)
    }
}

impl Clone for BlockPrefix {
    fn clone(&self) -> Self {
        match self {
            Self::Decimal => Self::Decimal,
            Self::Integer(codec) => Self::Integer(*codec),
            Self::Other(codec) => Self::Other(codec.clone_box()),
        }
    }
}
