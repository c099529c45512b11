//! Lines as many at once as have come: the same lines as one by one, however the input is divided.

mod common;

use bytes::Bytes;
use common::{chunk, split};
use poe_filter::{Filter, FilterError, Line, LineBlock, Lines, RecordBlock};
use proptest::prelude::*;

const LIMITS: [usize; 4] = [1, 3, 70, 100_000];
const LITERALS: [&str; 6] = ["\n", "\r\n", "x", "\n\n", "xyx", "\n\r\n"];

/// What comes of some input: lines and errors, and what is left at its end.
fn all<F: Filter>(
    filter: &mut F,
    chunks: &[Vec<u8>],
    lines: fn(F::In) -> Vec<Bytes>,
) -> Vec<Result<Bytes, String>> {
    let mut told = Vec::new();
    let mut tell = |got: Result<Option<F::In>, FilterError>| match got {
        Ok(None) => false,
        Ok(Some(record)) => {
            told.extend(lines(record).into_iter().map(Ok));
            true
        }
        Err(error) => {
            told.push(Err(error.to_string()));
            true
        }
    };
    for octets in chunks {
        filter.get_one_start(chunk(octets)).unwrap();
        while tell(filter.get_one()) {}
    }
    tell(filter.finish());
    told
}

fn check(make: impl Fn() -> Line, chunks: &[Vec<u8>]) {
    let expected = all(&mut make(), chunks, |line| vec![line]);
    let (mut lent, mut owned) = (LineBlock::from(make()), LineBlock::from(make()));
    assert_eq!(all(&mut lent, chunks, |lines| lines.iter().map(chunk).collect()), expected);
    assert_eq!(all(&mut owned, chunks, |lines| lines.into_iter().collect()), expected);
    assert_eq!((lent.pending_len(), owned.get_pending()), (0, Bytes::new()));

    let mut piled = LineBlock::from(make());
    for octets in chunks {
        piled.get_one_start(chunk(octets)).unwrap();
    }
    assert_eq!(*piled.get_pending(), chunks.concat());
    let rest = [Vec::new()];
    assert_eq!(all(&mut piled, &rest, |lines| lines.into_iter().collect()), expected);
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(&["\n", "\r", "x", "y", "abc", "\r\n"][..]);
    let long = (0..200_usize).prop_map(|length| "l".repeat(length));
    let piece = prop_oneof![8 => piece.prop_map(String::from), 1 => long];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat().into_bytes())
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..5_usize, 1..300_usize], 1..20)
}

proptest! {
    #[test]
    fn the_same_lines_come_as_one_by_one(text in text(), sizes in sizes()) {
        for limit in LIMITS {
            let builder = || Line::builder().max_length(limit);
            check(|| builder().build().unwrap(), &split(&text, &sizes));
            check(|| builder().autodetect().build().unwrap(), &split(&text, &sizes));
            for literal in LITERALS {
                check(|| builder().literal(literal).build().unwrap(), &split(&text, &sizes));
            }
            #[cfg(feature = "regex")]
            check(|| builder().input_regexp("[x\n]").build().unwrap(), &split(&text, &sizes));
        }
    }

    #[test]
    fn filters_exchanged_between_records_lose_and_repeat_nothing(text in text(), sizes in sizes(), period in 1..4_usize) {
        let chunks = split(&text, &sizes);
        let expected = all(&mut Line::literal("\n").unwrap(), &chunks, |line| vec![line]);
        let mut filter: Box<dyn Filter<In = Lines, Out = Bytes>> =
            Box::new(LineBlock::literal("\n").unwrap());
        let (mut told, mut count) = (Vec::new(), 0);
        for octets in &chunks {
            filter.get_one_start(chunk(octets)).unwrap();
            while let Some(lines) = filter.get_one().unwrap() {
                told.extend(lines.into_iter().map(Ok));
                count += 1;
                if count % period == 0 {
                    let mut next = filter.fresh();
                    next.get_one_start(filter.take_pending()).unwrap();
                    filter = next;
                }
            }
        }
        told.extend(filter.finish().unwrap().into_iter().flatten().map(Ok));
        prop_assert_eq!(told, expected);
    }
}

/// The lines of all records that are there.
fn records(filter: &mut LineBlock) -> Vec<Lines> {
    std::iter::from_fn(|| filter.get_one().unwrap()).collect()
}

#[test]
fn all_lines_of_a_chunk_are_one_record_and_no_copy() {
    let mut filter = LineBlock::new();
    let octets = chunk("one\ntwo\r\n\nthree\nfo");
    filter.get_one_start(octets.clone()).unwrap();
    let got = records(&mut filter);
    assert_eq!(format!("{got:?}"), r#"[[b"one"], [b"two", b"", b"three"]]"#);
    let last = got[1].iter().last().unwrap();
    assert!(octets.as_ptr_range().contains(&last.as_ptr()));
    assert_eq!(filter.get_pending(), "fo");

    // What is spread is a record by itself.
    filter.get_one_start(chunk("ur\nfive\nsix\n")).unwrap();
    let got = records(&mut filter);
    assert_eq!(format!("{got:?}"), r#"[[b"four"], [b"five", b"six"]]"#);
    drop(octets);
    assert_eq!(filter.pending_len(), 0);
}

#[test]
fn a_record_of_one_line_may_be_of_an_empty_one() {
    let mut filter = LineBlock::new();
    let got = filter.get(chunk("\n")).unwrap();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].iter().collect::<Vec<_>>(), [b""]);
    assert_eq!(got[0].clone().into_iter().collect::<Vec<_>>(), [""]);
}

#[test]
fn records_are_equal_that_have_the_same_lines() {
    let of = |text: &str| {
        let mut filter = LineBlock::new();
        filter.get_one_start(chunk("first\n")).unwrap();
        filter.get_one_start(chunk(text)).unwrap();
        records(&mut filter).remove(1)
    };
    assert_eq!(of("a\nb\n"), of("a\r\nb\r\n"));
    assert_ne!(of("a\nb\n"), of("a\nc\n"));
    assert_ne!(of("a\nb\n"), of("a\n"));
    assert_ne!(of("a\n"), of("a\n\n"));
}

#[test]
fn a_chunk_is_let_go_with_the_last_record_of_it() {
    let mut filter = LineBlock::new();
    let octets = Bytes::from(b"first\na\nb\n".to_vec());
    filter.get_one_start(octets.clone()).unwrap();
    let got = records(&mut filter);
    assert!(!octets.is_unique());
    drop(got);
    assert!(octets.is_unique());
}

#[test]
fn a_line_that_is_too_long_is_an_error_between_the_records_around_it() {
    let line = Line::builder().literal("\n").max_length(3).build().unwrap();
    let mut filter = LineBlock::from(line);
    filter.get_one_start(chunk("a\nb\nccc\ndddd\ne\nf\n")).unwrap();
    let next = |filter: &mut LineBlock| match filter.get_one() {
        Ok(lines) => format!("{lines:?}"),
        Err(FilterError::LineTooLong { limit }) => format!("longer than {limit}"),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(next(&mut filter), r#"Some([b"a"])"#);
    assert_eq!(next(&mut filter), r#"Some([b"b", b"ccc"])"#);
    assert_eq!(next(&mut filter), "longer than 3");
    assert_eq!(next(&mut filter), r#"Some([b"e", b"f"])"#);
    assert_eq!(next(&mut filter), "None");
}

#[test]
fn it_is_made_of_a_line_that_has_begun() {
    let mut line = Line::literal("\n").unwrap();
    line.get_one_start(chunk("ab\n".repeat(100))).unwrap();
    assert_eq!(line.get_one().unwrap().unwrap(), "ab");
    let mut filter = LineBlock::from(line);
    let lines: Vec<_> = records(&mut filter).into_iter().flatten().collect();
    assert_eq!(lines, vec!["ab"; 99]);
}

#[test]
fn one_that_is_fresh_has_the_parameters_and_nothing_else() {
    let mut filter = LineBlock::literal("; ").unwrap();
    filter.get_one_start(chunk("a; b; c")).unwrap();
    let mut fresh = filter.fresh();
    assert_eq!(
        fresh.get(chunk("x\n; y; ")).unwrap().into_iter().flatten().collect::<Vec<_>>(),
        ["x\n", "y"]
    );
    let mut out = Vec::<u8>::new();
    fresh.put(chunk("z"), &mut out).unwrap();
    assert_eq!(out, b"z; ");
    assert!(LineBlock::literal("").is_err());
}

#[test]
fn layers_stand_on_it() {
    let mut filter = LineBlock::new().then(RecordBlock::new(2).unwrap());
    filter.get_one_start(chunk("a\nb\nc\nd")).unwrap();
    let pair = filter.get_one().unwrap().unwrap();
    assert_eq!(format!("{pair:?}"), r#"[[b"a"], [b"b", b"c"]]"#);
}
