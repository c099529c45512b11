//! What can go wrong while a driver is built.

/// Why a driver could not be built: the caller's parameters make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The block size is 0, so that nothing could ever be read.
    #[error("block size must exceed 0")]
    BlockSizeZero,
    /// Datagrams may have 0 octets at most, so that nothing could be told by them.
    #[error("max datagram must exceed 0")]
    MaxDatagramZero,
}
