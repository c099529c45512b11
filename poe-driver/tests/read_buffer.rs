//! The shared read buffer.

use std::io;

use bytes::Bytes;
use poe_driver::ReadBuffer;
use proptest::prelude::*;

/// Reads `count` octets of this value.
fn read(buffer: &mut ReadBuffer, count: usize, value: u8) -> Bytes {
    let fill = |space: &mut [u8]| {
        let count = count.min(space.len());
        space[..count].fill(value);
        Ok(count)
    };
    buffer.read(usize::MAX, fill).unwrap()
}

#[test]
fn small_reads_share_memory() {
    let mut buffer = ReadBuffer::new();
    // That what is read is kept shows with the second read.
    let _kept = read(&mut buffer, 10, 1);
    let first = read(&mut buffer, 10, 2);
    let second = read(&mut buffer, 10, 3);
    assert_eq!(first.as_ptr().wrapping_add(10), second.as_ptr());
}

#[test]
fn what_did_not_last_leaves_its_place_to_the_next() {
    let mut buffer = ReadBuffer::new();
    let first = read(&mut buffer, 10, 1).as_ptr();
    assert_eq!(read(&mut buffer, 10, 2).as_ptr(), first);
}

#[test]
fn memory_that_came_back_is_used_again() {
    for count in [100, 60_000, 64 * 1024] {
        let mut buffer = ReadBuffer::new();
        let start = read(&mut buffer, count, 1).as_ptr();
        let near = (0..10_000).all(|_| {
            let at = read(&mut buffer, count, 2).as_ptr();
            (start..start.wrapping_add(64 * 1024)).contains(&at)
        });
        assert!(near, "{count}");
    }
}

#[test]
fn a_read_of_nothing_is_empty() {
    let mut buffer = ReadBuffer::new();
    assert!(buffer.read(10, |_| Ok(0)).unwrap().is_empty());
    let error = buffer.read(10, |_| Err(io::Error::from(io::ErrorKind::WouldBlock))).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(read(&mut buffer, 3, 7), [7; 3][..]);
}

#[test]
fn a_read_is_limited() {
    let mut buffer = ReadBuffer::new();
    let mut offered = 0;
    let look = |space: &mut [u8]| {
        offered = space.len();
        Ok(0)
    };
    buffer.read(24, look).unwrap();
    assert_eq!(offered, 24);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What was read stays as it is, however many reads come after it.
    #[test]
    fn slices_do_not_change(
        reads in prop::collection::vec((1..300_usize, 1..8_usize), 1..60),
        size in 1..512_usize,
    ) {
        let mut buffer = ReadBuffer::with_size(size);
        let mut held: Vec<(Bytes, u8, usize)> = Vec::new();
        for (at, (count, lifetime)) in reads.into_iter().enumerate() {
            let value = at as u8;
            let octets = read(&mut buffer, count, value);
            prop_assert!(octets.len() >= count.min(size.div_ceil(2)));
            held.push((octets, value, at + lifetime));
            for (octets, value, _) in &held {
                prop_assert!(octets.iter().all(|octet| octet == value));
            }
            held.retain(|(.., until)| *until > at);
        }
    }
}
