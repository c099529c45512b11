//! The limits that filters have in common.

use crate::ConfigError;

/// The longest record unless told otherwise: 64 MiB. POE's `MaxLength`.
pub(crate) const DEFAULT_MAX_LENGTH: usize = 64 * 1024 * 1024;

/// The most unparsed input unless told otherwise: 512 MiB. POE's `MaxBuffer`.
pub(crate) const DEFAULT_MAX_BUFFER: usize = 512 * 1024 * 1024;

/// Refuses limits that are nothing, or a buffer that can not hold the `needed` octets of the longest
/// record.
pub(crate) fn check_limits(
    max_length: usize,
    max_buffer: usize,
    needed: usize,
) -> Result<(), ConfigError> {
    for (parameter, limit) in [("max_length", max_length), ("max_buffer", max_buffer)] {
        if limit == 0 {
            return Err(ConfigError::Zero { parameter });
        }
    }
    if max_buffer < needed {
        return Err(ConfigError::BufferTooSmall { max_buffer, needed });
    }
    Ok(())
}
