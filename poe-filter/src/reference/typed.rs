//! What codecs of any data have in common.

/// Defines a codec of records of any type that `serde` knows, by a function that freezes and one
/// that thaws, within what a meter allows.
macro_rules! typed_codec {
    ($(#[$doc:meta])* $name:ident, $freeze:path, $thaw:path) => {
        $(#[$doc])*
        pub struct $name<In, Out = In> {
            limits: $crate::DataLimits,
            records: std::marker::PhantomData<fn(Out) -> In>,
        }

        impl<In, Out> $name<In, Out> {
            /// The codec with the default [`DataLimits`](crate::DataLimits).
            #[must_use]
            pub fn new() -> Self {
                Self::within($crate::DataLimits::default())
            }

            /// The codec with other limits for what it reads.
            #[must_use]
            pub fn within(limits: $crate::DataLimits) -> Self {
                Self { limits, records: std::marker::PhantomData }
            }
        }

        impl<In, Out> Default for $name<In, Out> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<In, Out> Clone for $name<In, Out> {
            fn clone(&self) -> Self {
                Self::within(self.limits)
            }
        }

        impl<In, Out> std::fmt::Debug for $name<In, Out> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("limits", &self.limits).finish_non_exhaustive()
            }
        }

        impl<In, Out> $crate::reference::Codec for $name<In, Out>
        where
            In: serde::de::DeserializeOwned + 'static,
            Out: serde::Serialize + 'static,
        {
            type In = In;
            type Out = Out;

            fn freeze(
                &self,
                record: Out,
                image: &mut Vec<u8>,
            ) -> Result<(), $crate::reference::CodecError> {
                Ok($freeze(&record, image)?)
            }

            fn thaw(&self, image: bytes::Bytes) -> Result<In, $crate::reference::CodecError> {
                let meter = $crate::metered::Meter::new(self.limits, image.len());
                $thaw(image, meter)
            }
        }
    };
}

pub(super) use typed_codec;

/// Fails if there is something behind the data.
#[cfg(any(feature = "msgpack", feature = "cbor"))]
pub(super) fn whole<T>(data: T, rest: &[u8]) -> Result<T, super::CodecError> {
    if rest.is_empty() {
        return Ok(data);
    }
    Err(format!("{} octets follow the data; one image is one record", rest.len()).into())
}
