//! Records that are cut out ahead of those who ask for them: however long the chunks are, whoever exchanges the filter
//! meanwhile or looks at what is pending finds what there would be without.

mod common;

use common::{Octets, Watchdog, check_hand_over, check_splits, chunk, split};
use poe_filter::{Block, IntegerLength, Line};
use proptest::prelude::*;

type Make = fn() -> Box<Octets>;

const LINES: [Make; 6] = [
    || Box::new(Line::new()),
    || Box::new(Line::autodetect()),
    || Box::new(Line::literal("\n").unwrap()),
    || Box::new(Line::literal("\r\n").unwrap()),
    || Box::new(Line::builder().max_length(70).build().unwrap()),
    || Box::new(Line::builder().literal("\n\r\n").max_length(3).build().unwrap()),
];

const BLOCKS: [Make; 6] = [
    || Box::new(Block::new()),
    || Box::new(Block::builder().strict().build().unwrap()),
    || Box::new(Block::builder().max_length(20).build().unwrap()),
    || Box::new(Block::fixed(7).unwrap()),
    || Box::new(Block::builder().length_codec(IntegerLength::U8).build().unwrap()),
    || {
        let builder = Block::builder().length_codec(IntegerLength::U16_BE);
        Box::new(builder.max_length(100).build().unwrap())
    },
];

/// Texts of very different lengths, with all that may end a line between them.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![4 => 0..5_usize, 4 => 50..80_usize, 1 => 100..400_usize];
    let end = prop::sample::select(&["\n", "\r\n", "\r", "\n\r", "\r\r\n", ""][..]);
    let line =
        (length, end).prop_map(|(length, end)| [&vec![b'x'; length], end.as_bytes()].concat());
    prop::collection::vec(line, 0..100).prop_map(|lines| lines.concat())
}

/// Blocks with lengths of several kinds, and now and then what is none.
fn lengths() -> impl Strategy<Value = Vec<u8>> {
    let block = prop_oneof![
        8 => (0..40_usize).prop_map(|length| {
            [length.to_string().as_bytes(), &[0], &vec![b'3'; length]].concat()
        }),
        4 => (0..90_u8).prop_map(|length| [&[length][..], &vec![b'x'; length.into()]].concat()),
        4 => (0..200_u8).prop_map(|length| {
            [&[0, length][..], &vec![b'y'; length.into()]].concat()
        }),
        1 => Just(b"junk".to_vec()),
    ];
    prop::collection::vec(block, 0..100).prop_map(|blocks| blocks.concat())
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..200_usize, 200..3000_usize], 1..20)
}

/// What is pending is always all that is behind the last record; only blocks of one size can be told that of.
fn check_pending(filter: &mut Octets, whole: &[u8], size: usize) -> Result<(), TestCaseError> {
    filter.get_one_start(chunk(whole)).unwrap();
    let mut rest = whole;
    loop {
        prop_assert_eq!(filter.pending_len(), rest.len());
        prop_assert_eq!(&filter.get_pending(), rest);
        let Some(block) = filter.get_one().unwrap() else { return Ok(()) };
        prop_assert_eq!(&block, &rest[..size]);
        rest = &rest[size..];
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_of_long_chunks(input in text(), sizes in sizes(), period in 1..60_usize) {
        let _watchdog = Watchdog::new();
        let chunks = split(&input, &sizes);
        for (index, make) in LINES.into_iter().enumerate() {
            check_splits(make, &chunks)?;
            // A terminator of two octets that comes in two pieces belongs to one filter, not to two.
            if index > 1 && index != 4 {
                check_hand_over(make, &chunks, period)?;
            }
        }
    }

    #[test]
    fn blocks_of_long_chunks(input in lengths(), sizes in sizes(), period in 1..60_usize) {
        let _watchdog = Watchdog::new();
        let chunks = split(&input, &sizes);
        for make in BLOCKS {
            check_splits(make, &chunks)?;
            check_hand_over(make, &chunks, period)?;
        }
    }

    #[test]
    fn what_is_pending(input in lengths(), size in 1..12_usize) {
        check_pending(&mut Block::fixed(size).unwrap(), &input, size)?;
    }
}
