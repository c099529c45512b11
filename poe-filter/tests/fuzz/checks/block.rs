//! Blocks, and what else has its length before it.

use poe_filter::{Block, IntegerLength, Netstring, VarintLength};

use super::input::Input;
use super::line::{Octets, tell};
use super::stream::Subject;

const LIMITS: [usize; 4] = [1 << 20, 1, 5, 40];

const INTEGERS: [IntegerLength; 7] = [
    IntegerLength::U8,
    IntegerLength::U16_BE,
    IntegerLength::U16_LE,
    IntegerLength::U32_BE,
    IntegerLength::U32_LE,
    IntegerLength::U64_BE,
    IntegerLength::U64_LE,
];

const FIXED: [usize; 3] = [1, 3, 7];

pub(super) fn block(octets: &[u8]) {
    let mut input = Input::new(octets);
    let mode = input.number(3 + INTEGERS.len() + FIXED.len());
    let max_length = input.pick(&LIMITS);
    let sizes = input.sizes();
    let stream = input.stream();
    let make = || -> Octets {
        let limited = || Block::builder().max_length(max_length);
        let block = match mode {
            0 => limited(),
            1 => limited().strict(),
            2 => limited().length_codec(VarintLength),
            3..10 => limited().length_codec(INTEGERS[mode - 3]),
            _ => Block::builder().block_size(FIXED[mode - 10]),
        };
        Box::new(block.build().unwrap())
    };
    let subject = Subject::new(&make, tell).holds_at_most(max_length.max(7) + 32);
    subject.check(stream, sizes);
    subject.check_again(stream, |block| block, &mut *make(), mode > 2);
}

pub(super) fn netstring(octets: &[u8]) {
    let mut input = Input::new(octets);
    let max_length = input.pick(&LIMITS);
    let sizes = input.sizes();
    let stream = input.stream();
    let make = || -> Octets { Box::new(Netstring::with_max_length(max_length).unwrap()) };
    let subject = Subject::new(&make, tell).holds_at_most(max_length + 22);
    subject.check(stream, sizes);
    subject.check_again(stream, |record| record, &mut *make(), true);
}
