//! Streams, case by case.

mod common;

use bytes::Bytes;
use common::chunk;
use poe_filter::{Filter, Stream};

// Conformance: FLN-01, FST-01, FST-02
#[test]
fn all_that_was_added_is_one_record() {
    let parts = ["a", "bc", "def", "ghij", "klmno"];
    let mut filter = Stream::new();
    for part in parts {
        filter.get_one_start(part.into()).unwrap();
    }
    assert_eq!(filter.get_pending(), "abcdefghijklmno");
    assert_eq!(filter.get_one().unwrap().unwrap(), "abcdefghijklmno");
    assert!(filter.get_one().unwrap().is_none());
    assert!(filter.get_pending().is_empty());

    let mut out = Vec::<Bytes>::new();
    for part in parts {
        filter.put(part.into(), &mut out).unwrap();
    }
    assert_eq!(out, parts);
}

// Conformance: FST-03
#[test]
fn one_chunk_passes_unchanged() {
    let mut filter = Stream::new();
    let record = chunk("abcdefghijklmno");
    let mut out = Vec::<Bytes>::new();
    filter.put(record.clone(), &mut out).unwrap();
    assert_eq!(out, [&record]);
    assert_eq!(out[0].as_ptr(), record.as_ptr());
    assert!(filter.get(Bytes::new()).unwrap().is_empty());
    let records = filter.get(record.clone()).unwrap();
    assert_eq!(records[0].as_ptr(), record.as_ptr());
}

#[test]
fn nothing_is_left_at_the_end() {
    let mut filter = Stream::new();
    filter.get("abc".into()).unwrap();
    assert!(filter.finish().unwrap().is_none());
    filter.get_one_start("def".into()).unwrap();
    assert_eq!(filter.finish().unwrap().unwrap(), "def");
    assert!(filter.fresh().get_pending().is_empty());
}
