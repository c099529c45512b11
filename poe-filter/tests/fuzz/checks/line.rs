//! Lines.

use bytes::Bytes;
use poe_filter::{Filter, Line, LineBlock, Lines};

use super::input::Input;
use super::stream::{HandOver, Subject, Told};

pub(super) type Octets = Box<dyn Filter<In = Bytes, Out = Bytes>>;

pub(super) fn tell(record: Bytes, all: &mut Vec<Told>) {
    all.push(Told::Octets(record));
}

const LIMITS: [usize; 5] = [1 << 20, 1, 3, 8, 64];

const LITERALS: [&str; 8] = ["\n", "\r\n", "a", "aab", "abab", "\n\r\n", "\0", "aaa"];

pub(super) fn line(octets: &[u8]) {
    let mut input = Input::new(octets);
    let mode = input.number(LITERALS.len() + 2);
    let max_length = input.pick(&LIMITS);
    let sizes = input.sizes();
    let stream = input.stream();
    let literal = mode.checked_sub(2).map(|index| LITERALS[index]);
    let line = || {
        let builder = Line::builder().max_length(max_length);
        let builder = match (mode, literal) {
            (_, Some(literal)) => builder.literal(literal),
            (1, _) => builder.autodetect(),
            _ => builder,
        };
        builder.build().unwrap()
    };
    let make = || -> Octets { Box::new(line()) };
    // What is detected has up to two octets.
    let unrecognized = literal.map_or(1, |literal| literal.len() - 1);
    // What ends lines is not in what is pending.
    let hand_over = if mode == 1 { HandOver::Same } else { HandOver::Fresh };
    let subject =
        Subject::new(&make, tell).holds_at_most(max_length + unrecognized).can_hand_over(hand_over);
    let lines = subject.check(stream, sizes);
    // Lines are not put with the newline that was detected.
    if mode != 1 {
        subject.check_again(stream, |line| line, &mut *make(), literal.is_some());
    }
    let make = || -> Box<dyn Filter<In = Lines, Out = Bytes>> { Box::new(LineBlock::from(line())) };
    let blocks =
        Subject::new(&make, |lines, all| lines.into_iter().for_each(|line| tell(line, all)))
            .holds_at_most(max_length + unrecognized)
            .can_hand_over(hand_over);
    assert_eq!(blocks.check(stream, sizes), lines);
}

/// Expressions of which no match can grow.
const FIXED: [&str; 6] = ["[xy]", "xy", "x?y", "a.b", "(?:xx|yx)a", "[^a]{2}"];

/// Expressions that match what is there, which may be the beginning of more.
const GROWING: [&str; 9] =
    ["xy.*b", "x+", "xy|xyb", r"x\B", "^ab", "ab$", r"\bx", "(?m)^x+$", "a(?s:.)*x|b{3}"];

pub(super) fn line_regexp(octets: &[u8]) {
    let mut input = Input::new(octets);
    let mode = input.number(FIXED.len() + GROWING.len());
    let max_length = input.pick(&LIMITS);
    let sizes = input.sizes();
    let stream = input.stream();
    let make = |pattern: &str, max_length| -> Octets {
        let builder = Line::builder().input_regexp(pattern).max_length(max_length);
        Box::new(builder.output_literal("xy").build().unwrap())
    };
    match FIXED.get(mode) {
        Some(pattern) => {
            Subject::new(&|| make(pattern, max_length), tell).check(stream, sizes);
        }
        None => {
            let pattern = GROWING[mode - FIXED.len()];
            by_chunk(&mut *make(pattern, 1 << 20), pattern, &sizes.split(stream));
            // Too long a line is forgotten but for its end, in which a match may begin.
            let mut limited = make(pattern, max_length);
            for chunk in stream.chunks(1) {
                limited.get_one_start(Bytes::copy_from_slice(chunk)).unwrap();
                while limited.get_one().transpose().is_some() {}
                assert!(limited.pending_len() <= max_length + 2000);
            }
        }
    }
}

/// The earliest match in what is there ends a line.
fn by_chunk(filter: &mut dyn Filter<In = Bytes, Out = Bytes>, pattern: &str, chunks: &[&[u8]]) {
    let regex = regex::bytes::RegexBuilder::new(pattern).unicode(false).build().unwrap();
    let mut rest = Vec::new();
    for chunk in chunks {
        rest.extend_from_slice(chunk);
        filter.get_one_start(Bytes::copy_from_slice(chunk)).unwrap();
        while let Some(found) = regex.find(&rest) {
            assert_eq!(filter.get_one().unwrap().unwrap(), rest[..found.start()]);
            rest.drain(..found.end());
        }
        assert_eq!(filter.get_one().unwrap(), None);
        assert_eq!(filter.get_pending(), rest);
    }
}
