//! What stands before the value in an image.

use super::ThawError;

/// The first octets of what is written: network order, major version 2, minor version 5.
pub(super) const NETWORK: [u8; 2] = [0x05, 0x05];

/// How numbers are written in an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Whether lengths have their most significant octet first.
    pub(super) big_lengths: bool,
    /// Whether integers and doubles do.
    pub(super) big_numbers: bool,
    /// How many octets an integer has: 4 or 8.
    pub(super) integer: usize,
}

/// Reads the header, and tells how long it is.
pub(super) fn read(image: &[u8]) -> Result<(Layout, usize), ThawError> {
    // What `store` writes to files is an image with this before it.
    let magic = if image.starts_with(b"pst0") { 4 } else { 0 };
    let [first, minor, rest @ ..] = &image[magic..] else { return Err(ThawError::Alien) };
    match first >> 1 {
        2 => {}
        // Text, or what is compressed, is no version that was or will be.
        major @ (0 | 1 | 3..8) => return Err(ThawError::Version { major }),
        _ => return Err(ThawError::Alien),
    }
    if first & 1 == 1 {
        // Perl reads such numbers in the order of the machine that it runs on.
        let big_numbers = cfg!(target_endian = "big");
        return Ok((Layout { big_lengths: true, big_numbers, integer: 8 }, magic + 2));
    }
    // The size of doubles came with minor version 2.
    let sizes = if *minor >= 2 { 4 } else { 3 };
    let machine = |what| ThawError::Machine { what };
    let truncated = ThawError::Truncated { offset: image.len() };
    let (len, rest) = rest.split_first().ok_or(truncated.clone())?;
    let (order, rest) = rest.split_at_checked(usize::from(*len)).ok_or(truncated.clone())?;
    let (big, integer) = match order {
        b"12345678" => (false, 8),
        b"87654321" => (true, 8),
        b"1234" => (false, 4),
        b"4321" => (true, 4),
        _ => return Err(machine("byte order")),
    };
    let sizes_are = rest.get(..sizes).ok_or(truncated)?;
    if sizes_are[0] != 4 {
        return Err(machine("size of int"));
    }
    if sizes_are.get(3).is_some_and(|double| *double != 8) {
        return Err(machine("size of doubles"));
    }
    let layout = Layout { big_lengths: big, big_numbers: big, integer };
    Ok((layout, magic + 3 + order.len() + sizes))
}
