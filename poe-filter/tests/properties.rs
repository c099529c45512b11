//! What holds for any input, however it is divided.

mod common;

use bytes::Bytes;
use common::{Octets, check_hand_over, check_splits, chunk, chunks, octets, put, records_to_end};
use poe_filter::{
    Block, DecodedLength, Filter, FilterError, FilterLayer, Grep, IntegerLength, LengthCodec, Line,
    Map, Netstring, RecordBlock, Sink, Stackable, Stream, VarintLength,
};
use proptest::prelude::*;

/// Two octets; an `x` before them is junk, and a `y` beyond understanding.
#[derive(Debug, Clone)]
struct Pair;

impl LengthCodec for Pair {
    fn encode(&self, length: usize, sink: &mut dyn Sink) -> Result<(), FilterError> {
        let length = u16::try_from(length).map_err(FilterError::record)?;
        sink.put_slice(&length.to_be_bytes());
        Ok(())
    }

    fn decode(&self, octets: &[u8]) -> DecodedLength {
        match octets {
            [b'x', ..] => DecodedLength::Junk { octets: 1 },
            [b'y', ..] => DecodedLength::Bad { reason: "it is a y" },
            [_] => DecodedLength::NeedMore,
            [_, low, ..] => DecodedLength::Length { prefix: 2, length: u64::from(*low % 16) },
            [] => DecodedLength::NeedMore,
        }
    }

    fn clone_box(&self) -> Box<dyn LengthCodec> {
        Box::new(self.clone())
    }
}

fn literal(terminator: &str, max_length: usize) -> Box<Octets> {
    Box::new(Line::builder().literal(terminator).max_length(max_length).build().unwrap())
}

/// What a filter is to give for lines that end with this, written without regard to speed.
fn lines(input: &[u8], terminator: &[u8], max_length: usize) -> Vec<Result<Bytes, &'static str>> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < input.len() {
        if input[at..].starts_with(terminator) {
            lines.push(&input[start..at]);
            at += terminator.len();
            start = at;
        } else {
            at += 1;
        }
    }
    if start < input.len() {
        lines.push(&input[start..]);
    }
    let limit =
        |line: &[u8]| if line.len() > max_length { Err("line too long") } else { Ok(chunk(line)) };
    lines.into_iter().map(limit).collect()
}

fn without(octets: &[u8], unwanted: u8) -> Vec<u8> {
    octets.iter().copied().filter(|octet| *octet != unwanted).collect()
}

/// What ends the first line, if it is to end all of them.
fn first_newline(input: &[u8]) -> &'static [u8] {
    let first = input.iter().position(|octet| matches!(octet, b'\r' | b'\n'));
    match first.map(|first| (input[first], input.get(first + 1))) {
        Some((b'\r', Some(b'\n'))) => b"\r\n",
        Some((b'\n', Some(b'\r'))) => b"\n\r",
        Some((b'\r', _)) => b"\r",
        _ => b"\n",
    }
}

/// The items of blocks with a mark at the end of each block, so that a stack of them is of octets.
fn joined(block: Vec<Bytes>) -> Bytes {
    [block.join(&b','), b"|".to_vec()].concat().into()
}

fn parted(record: Bytes) -> Vec<Bytes> {
    let items = record.strip_suffix(b"|").unwrap_or(&record);
    items.split(|octet| *octet == b',').map(chunk).collect()
}

fn wanted(line: &Bytes) -> bool {
    !line.contains(&b'b')
}

/// Lines by threes, but for some: put together by the compiler, at run time, and of several stacks.
fn stacks() -> [fn() -> Box<Octets>; 3] {
    [
        || {
            let lines = Line::literal("\n").unwrap().then(Grep::both(wanted));
            Box::new(lines.then(RecordBlock::new(3).unwrap()).then(Map::new(joined, parted)))
        },
        || {
            let mut stack: Stackable = Stackable::new();
            stack.push(Line::literal("\n").unwrap()).unwrap();
            stack.push(Grep::both(wanted)).unwrap();
            stack.push(RecordBlock::<Bytes>::new(3).unwrap()).unwrap();
            stack.push(Map::new(joined, parted)).unwrap();
            Box::new(stack)
        },
        || {
            let mut stack: Stackable = Stackable::new();
            stack.push(Line::literal("\n").unwrap().then(Grep::both(wanted))).unwrap();
            let upper = stack.then(RecordBlock::new(3).unwrap());
            Box::new(upper.then(Map::new(joined, parted)))
        },
    ]
}

fn newline() -> Line {
    Line::literal("\n").unwrap()
}

fn threes() -> RecordBlock<Bytes> {
    RecordBlock::new(3).unwrap()
}

/// Lines in blocks, which may end anywhere.
fn nested() -> [fn() -> Box<Octets>; 3] {
    [
        || Box::new(Block::new().then(FilterLayer::new(newline()))),
        || {
            let mut stack: Stackable = Stackable::new();
            stack.push(Block::new()).unwrap();
            stack.push(newline()).unwrap();
            Box::new(stack)
        },
        || {
            let mut stack: Stackable = Stackable::new();
            stack.push(Block::new()).unwrap();
            Box::new(stack.then(FilterLayer::new(newline())))
        },
    ]
}

/// The same by threes.
fn gathered() -> [fn() -> Box<Octets>; 3] {
    [
        || {
            let lines = Block::new().then(FilterLayer::new(newline())).then(Grep::both(wanted));
            Box::new(lines.then(threes()).then(Map::new(joined, parted)))
        },
        || {
            let mut stack: Stackable = Stackable::new();
            stack.push(Block::new()).unwrap();
            stack.push(newline()).unwrap();
            stack.push(Grep::both(wanted)).unwrap();
            stack.push(threes()).unwrap();
            stack.push(Map::new(joined, parted)).unwrap();
            Box::new(stack)
        },
        || {
            let mut stack = Stackable::<Vec<Bytes>, Vec<Bytes>>::new();
            stack.push(Block::new().then(FilterLayer::new(newline()))).unwrap();
            stack.push(threes()).unwrap();
            Box::new(stack.then(Map::new(joined, parted)))
        },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn literal_lines(
        input in chunks(b"ab\r\n", 80),
        terminator in prop::sample::select(&["a", "\r\n", "aab", "abab", "\n\r\n"][..]),
        max_length in 1..20_usize,
    ) {
        check_splits(|| literal(terminator, max_length), &input)?;
        let model = lines(&input.concat(), terminator.as_bytes(), max_length);
        prop_assert_eq!(records_to_end(&mut *literal(terminator, max_length), &input), model);
    }

    #[test]
    fn autodetected_lines(input in chunks(b"ab\r\n", 80), max_length in 1..20_usize) {
        let make = || -> Box<Octets> {
            Box::new(Line::builder().autodetect().max_length(max_length).build().unwrap())
        };
        check_splits(make, &input)?;
        let whole = input.concat();
        let model = lines(&whole, first_newline(&whole), max_length);
        prop_assert_eq!(records_to_end(&mut *make(), &input), model);
    }

    #[test]
    fn default_lines(input in chunks(b"ab\r\n", 80), max_length in 1..20_usize) {
        let make = || -> Box<Octets> {
            Box::new(Line::builder().max_length(max_length).build().unwrap())
        };
        check_splits(make, &input)?;
        let mut model = Vec::new();
        let mut line = Vec::new();
        let mut end = |line: &mut Vec<u8>| {
            let line = std::mem::take(line);
            model.push(if line.len() > max_length { Err("line too long") } else { Ok(chunk(line)) });
        };
        let whole = input.concat();
        let mut rest = &whole[..];
        while let [octet, behind @ ..] = rest {
            rest = match (octet, behind) {
                (b'\r', [b'\n', behind @ ..]) | (b'\n', [b'\r', behind @ ..]) => {
                    end(&mut line);
                    behind
                }
                (b'\r' | b'\n', _) => {
                    end(&mut line);
                    behind
                }
                _ => {
                    line.push(*octet);
                    behind
                }
            };
        }
        if !line.is_empty() {
            end(&mut line);
        }
        prop_assert_eq!(records_to_end(&mut *make(), &input), model);
    }

    #[cfg(feature = "regex")]
    #[test]
    fn regexp_lines(
        input in chunks(b"abxy", 80),
        pattern in prop::sample::select(&["[xy]", "xy", "x?y", "a.b", "(?:xx|yx)a"][..]),
        max_length in 1..20_usize,
    ) {
        check_splits(
            || {
                let builder = Line::builder().input_regexp(pattern).max_length(max_length);
                Box::new(builder.build().unwrap())
            },
            &input,
        )?;
    }

    /// An expression whose match depends on what follows is matched with what is there.
    #[cfg(feature = "regex")]
    #[test]
    fn regexp_lines_by_chunk(
        input in chunks(b"abxy", 80),
        pattern in prop::sample::select(&["xy.*b", "x+", "xy|xyb", r"x\B", r"^ab", "ab$", "[xy]"][..]),
    ) {
        let regex = regex::bytes::RegexBuilder::new(pattern).unicode(false).build().unwrap();
        let mut model = Vec::new();
        let mut rest = Vec::new();
        for octets in &input {
            rest.extend_from_slice(octets);
            while let Some(found) = regex.find(&rest) {
                model.push(Ok(chunk(&rest[..found.start()])));
                rest.drain(..found.end());
            }
        }
        if !rest.is_empty() {
            model.push(Ok(chunk(rest)));
        }
        let mut filter = Line::builder().input_regexp(pattern).build().unwrap();
        prop_assert_eq!(records_to_end(&mut filter, &input), model);
    }

    #[test]
    fn fixed_blocks(input in chunks(b"ab", 80), size in 1..12_usize) {
        check_splits(|| Box::new(Block::fixed(size).unwrap()), &input)?;
        let whole = input.concat();
        let mut blocks = records_to_end(&mut Block::fixed(size).unwrap(), &input);
        if !whole.len().is_multiple_of(size) {
            prop_assert_eq!(blocks.pop(), Some(Err("truncated")));
        }
        let model: Vec<_> = whole.chunks_exact(size).map(|block| Ok(chunk(block))).collect();
        prop_assert_eq!(blocks, model);
    }

    #[test]
    fn decimal_blocks(input in chunks(b"0123\0\0\0ab", 120), max_length in 1..40_usize) {
        for strict in [false, true] {
            let make = || -> Box<Octets> {
                let builder = Block::builder().max_length(max_length);
                let builder = if strict { builder.strict() } else { builder };
                Box::new(builder.build().unwrap())
            };
            check_splits(make, &input)?;
        }
    }

    #[test]
    fn custom_blocks(input in chunks(b"\0\x01\x02\x03\x0b\x0cxy", 120), max_length in 1..16_usize) {
        check_splits(
            || {
                let builder = Block::builder().length_codec(Pair).max_length(max_length);
                Box::new(builder.build().unwrap())
            },
            &input,
        )?;
    }

    #[test]
    fn integer_lengths(input in chunks(b"\0\0\x01\x02\x05\x80\xff", 120), max_length in 1..16_usize) {
        use IntegerLength as Length;
        for codec in [Length::U8, Length::U16_BE, Length::U16_LE, Length::U32_BE, Length::U64_LE] {
            check_splits(
                || {
                    let builder = Block::builder().length_codec(codec).max_length(max_length);
                    Box::new(builder.build().unwrap())
                },
                &input,
            )?;
        }
        check_splits(
            || {
                let builder = Block::builder().length_codec(VarintLength).max_length(max_length);
                Box::new(builder.build().unwrap())
            },
            &input,
        )?;
    }

    #[test]
    fn netstrings(
        records in prop::collection::vec(octets(b"0123:,a", 8), 0..8),
        noise in octets(b"0123:,,a", 20),
        sizes in prop::collection::vec(1..9_usize, 1..20),
        period in 1..5_usize,
    ) {
        let records: Vec<_> = records.iter().map(chunk).collect();
        let mut raw = put(&mut Netstring::new(), &records);
        raw.extend(noise);
        let pieces = common::split(&raw, &sizes);
        check_splits(|| Box::new(Netstring::with_max_length(5).unwrap()), &pieces)?;
        check_hand_over(|| Box::new(Netstring::new()), &pieces, period)?;
    }

    #[test]
    fn streams(input in chunks(b"ab", 80)) {
        let records = records_to_end(&mut Stream::new(), &input);
        let octets: Vec<_> = records.into_iter().flat_map(Result::unwrap).collect();
        prop_assert_eq!(octets, input.concat());
    }

    #[test]
    fn what_is_put_is_got(
        records in prop::collection::vec(octets(b"abc\r0\0,", 12), 0..12),
        sizes in prop::collection::vec(1..9_usize, 1..20),
    ) {
        let records: Vec<_> = records.iter().map(chunk).collect();
        let filters: [Box<Octets>; 6] = [
            Box::new(Line::literal("\n").unwrap()),
            Box::new(Line::literal("END").unwrap()),
            Box::new(Netstring::new()),
            Box::new(Block::builder().length_codec(VarintLength).build().unwrap()),
            Box::new(Block::new()),
            Box::new(Block::builder().length_codec(Pair).build().unwrap()),
        ];
        for mut filter in filters {
            let raw = put(&mut *filter, &records);
            let got = records_to_end(&mut *filter, &common::split(&raw, &sizes));
            let got: Vec<_> = got.into_iter().map(Result::unwrap).collect();
            prop_assert_eq!(&got, &records);
        }
    }

    #[test]
    fn hand_over(input in chunks(b"ab\r\n0123\0", 80), period in 1..5_usize) {
        check_hand_over(|| Box::new(Line::literal("\r\n").unwrap()), &input, period)?;
        // A terminator of two octets that comes in two pieces belongs to one filter, not to two.
        let single: Vec<Vec<u8>> = input.iter().map(|octets| without(octets, b'\r')).collect();
        check_hand_over(|| Box::new(Line::new()), &single, period)?;
        check_hand_over(|| Box::new(Block::new()), &input, period)?;
        check_hand_over(|| Box::new(Block::fixed(3).unwrap()), &input, period)?;
    }

    /// One protocol ends within a chunk, and another begins.
    #[test]
    fn hand_over_to_another_filter(
        first in octets(b"ab\n", 30),
        block in octets(b"ab\n0\0", 30),
        rest in octets(b"ab\n", 30),
        sizes in prop::collection::vec(1..50_usize, 1..20),
    ) {
        let header = [&first[..], b"\nblock\n"].concat();
        let mut input = header.clone();
        Block::new().put(chunk(&block), &mut input).unwrap();
        input.extend_from_slice(&rest);

        let mut filter: Box<Octets> = literal("\n", 100);
        let mut got = Vec::new();
        for octets in common::split(&input, &sizes) {
            filter.get_one_start(octets.into()).unwrap();
            while let Some(record) = filter.get_one().unwrap() {
                let next: Option<Box<Octets>> = match got.last().map(|last: &Bytes| &last[..]) {
                    _ if record == "block" => Some(Box::new(Block::new())),
                    Some(b"block") => Some(Box::new(Stream::new())),
                    _ => None,
                };
                got.push(record);
                if let Some(mut next) = next {
                    next.get_one_start(filter.take_pending()).unwrap();
                    filter = next;
                }
            }
        }
        let lines = header.split(|octet| *octet == b'\n').count() - 1;
        prop_assert_eq!(&got[lines - 1], "block");
        prop_assert_eq!(&got[lines], &block);
        prop_assert_eq!(got[lines + 1..].concat(), rest);
    }

    #[test]
    fn stacks_of_filters(input in chunks(b"ab,\n\n", 80), period in 1..5_usize) {
        let _watchdog = common::Watchdog::new();
        let whole = input.concat();
        let mut lines: Vec<_> = lines(&whole, b"\n", 100).into_iter().map(Result::unwrap).collect();
        lines.retain(wanted);
        let mut model: Vec<_> =
            lines.chunks_exact(3).map(|block| Ok(joined(block.to_vec()))).collect();
        if !lines.len().is_multiple_of(3) {
            model.push(Err("stream"));
        }
        for make in stacks() {
            check_splits(make, &input)?;
            prop_assert_eq!(&records_to_end(&mut *make(), &input), &model);
            check_hand_over(make, &input, period)?;
        }
    }

    /// A layer is taken off and put on again while input is pending, at either end.
    #[test]
    fn stacks_that_change(
        input in chunks(b"ab\n\n", 80),
        turns in prop::collection::vec(0..4_u8, 1..10),
    ) {
        let _watchdog = common::Watchdog::new();
        let expected = records_to_end(&mut *stacks()[1](), &input);
        let mut stack: Stackable = Stackable::new();
        stack.push(Line::literal("\n").unwrap()).unwrap();
        stack.push(Grep::both(wanted)).unwrap();
        stack.push(RecordBlock::<Bytes>::new(3).unwrap()).unwrap();
        stack.push(Map::new(joined, parted)).unwrap();
        let mut got = Vec::new();
        for (octets, turn) in input.iter().zip(turns.iter().cycle()) {
            stack.get_one_start(chunk(octets)).unwrap();
            match turn {
                0 => {
                    let first = stack.shift().unwrap();
                    stack.unshift(first).unwrap();
                }
                1 => {
                    let (last, before) = (stack.pop().unwrap(), stack.pop().unwrap());
                    stack.push(before).unwrap();
                    stack.push(last).unwrap();
                }
                2 => got.extend(stack.get_one().unwrap().map(Ok)),
                _ => common::drain(&mut stack, &mut got),
            }
            prop_assert_eq!(stack.pending_len(), stack.get_pending().len());
        }
        got.extend(records_to_end(&mut stack, &[]));
        prop_assert_eq!(got, expected);
    }

    /// A layer is put next to the wire and taken off again while input is pending: filters go on where they are.
    #[test]
    fn filters_that_stay(
        input in chunks(b"ab\r\n\r\n0123\0", 80),
        turns in prop::collection::vec(0..4_u8, 1..10),
    ) {
        let _watchdog = common::Watchdog::new();
        let make: [fn() -> Box<Octets>; 6] = [
            || Box::new(Line::new()),
            || Box::new(Line::builder().autodetect().build().unwrap()),
            || literal("\r\n", 2),
            || Box::new(Block::builder().max_length(3).build().unwrap()),
            || Box::new(Block::builder().max_length(3).strict().build().unwrap()),
            || Box::new(Line::new().then(Grep::both(wanted))),
        ];
        for make in make {
            let mut alone = make();
            let mut expected = Vec::new();
            let mut stack: Stackable = Stackable::new();
            stack.push(make()).unwrap();
            let mut got = Vec::new();
            for (octets, turn) in input.iter().zip(turns.iter().cycle()) {
                alone.get_one_start(chunk(octets)).unwrap();
                stack.get_one_start(chunk(octets)).unwrap();
                match turn {
                    0 => stack.unshift(Stream::new()).unwrap(),
                    1 if stack.filter_types().len() > 1 => drop(stack.shift()),
                    2 => got.extend(stack.get_one().transpose().map(|told| told.map_err(|error| error.to_string()))),
                    _ => {
                        while let Some(told) = stack.get_one().transpose() {
                            got.push(told.map_err(|error| error.to_string()));
                            prop_assert!(got.len() < common::MANY, "records without end");
                        }
                    }
                }
                prop_assert_eq!(stack.pending_len(), stack.get_pending().len());
            }
            for (filter, told) in [(&mut *alone, &mut expected), (&mut stack as &mut Octets, &mut got)] {
                while let Some(record) = filter.get_one().transpose() {
                    told.push(record.map_err(|error| error.to_string()));
                    prop_assert!(told.len() < common::MANY, "records without end");
                }
            }
            prop_assert_eq!(&got, &expected);
            prop_assert_eq!(stack.take_pending(), alone.take_pending());
        }
    }

    /// Filters on filters: the lower one's records are the upper one's chunks. They can be exchanged behind each line,
    /// also if that is in the midst of a block.
    #[test]
    fn nested_filters(
        input in chunks(b"ab\n\n", 80),
        sizes in prop::collection::vec(1..9_usize, 1..20),
        period in 1..5_usize,
    ) {
        let _watchdog = common::Watchdog::new();
        let whole = input.concat();
        let blocks: Vec<Bytes> = input.iter().map(chunk).collect();
        let wire = put(&mut Block::new(), &blocks);
        let pieces = common::split(&wire, &sizes);
        for make in nested() {
            check_splits(make, &pieces)?;
            prop_assert_eq!(records_to_end(&mut *make(), &pieces), lines(&whole, b"\n", 100));
            check_hand_over(make, &pieces, period)?;
        }
        for make in gathered() {
            check_splits(make, &pieces)?;
            check_hand_over(make, &pieces, period)?;
        }
        // What one stack leaves, another goes on with.
        let expected = lines(&whole, b"\n", 100);
        let mut got = Vec::new();
        let mut pending = Bytes::new();
        for (make, octets) in nested().iter().cycle().zip(&pieces) {
            let mut filter = make();
            filter.get_one_start([&pending[..], octets].concat().into()).unwrap();
            for _ in 0..period {
                got.extend(filter.get_one().unwrap().map(Ok));
            }
            pending = filter.take_pending();
        }
        got.extend(records_to_end(&mut *nested()[0](), &[pending.to_vec()]));
        prop_assert_eq!(got, expected);
    }
}
