//! What the tests of all filters share.

#![allow(dead_code, unreachable_pub)]

use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use poe_filter::{Filter, FilterError};
use proptest::prelude::*;

/// A filter of octets, whatever it is.
pub type Octets = dyn Filter<In = Bytes, Out = Bytes>;

/// Turns what a test has at hand into a chunk of its own.
pub fn chunk(octets: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(octets.as_ref())
}

/// All that a filter gives for these chunks, errors by name.
pub fn records(filter: &mut Octets, chunks: &[Vec<u8>]) -> Vec<Result<Bytes, &'static str>> {
    let mut records = Vec::new();
    for octets in chunks {
        filter.get_one_start(chunk(octets)).unwrap();
        drain(filter, &mut records);
    }
    records
}

/// The same, and what it gives at the end of the input.
pub fn records_to_end(filter: &mut Octets, chunks: &[Vec<u8>]) -> Vec<Result<Bytes, &'static str>> {
    let mut records = records(filter, chunks);
    drain(filter, &mut records);
    loop {
        assert!(records.len() < MANY, "records without end");
        match filter.finish() {
            Ok(Some(record)) => records.push(Ok(record)),
            Ok(None) => break,
            Err(error) => {
                records.push(Err(name(&error)));
                if error.is_fatal() {
                    break;
                }
            }
        }
    }
    without_repetitions(&mut records);
    records
}

/// A fatal error is repeated for as long as somebody asks.
fn without_repetitions(records: &mut Vec<Result<Bytes, &'static str>>) {
    records.dedup_by(|one, other| one == other && matches!(one, Err("bad length" | "stream")));
}

/// More than the records of any test, so that a filter that gives records without end fails.
pub const MANY: usize = 1 << 16;

/// Ends the process when it lives for too long: a filter that does not return runs no code that could fail.
pub struct Watchdog(Option<mpsc::Sender<()>>);

impl Watchdog {
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        let name = thread::current().name().unwrap_or("?").to_owned();
        thread::spawn(move || {
            if receiver.recv_timeout(Duration::from_secs(120)) == Err(RecvTimeoutError::Timeout) {
                let _ = writeln!(std::io::stderr(), "{name} takes too long");
                std::process::abort();
            }
        });
        Self(Some(sender))
    }
}

/// Takes out all that is there.
pub fn drain(filter: &mut Octets, records: &mut Vec<Result<Bytes, &'static str>>) {
    loop {
        assert!(records.len() < MANY, "records without end");
        match filter.get_one() {
            Ok(Some(record)) => records.push(Ok(record)),
            Ok(None) => return,
            Err(error) => {
                records.push(Err(name(&error)));
                if error.is_fatal() {
                    return;
                }
            }
        }
    }
}

/// What an error is called here.
pub fn name(error: &FilterError) -> &'static str {
    match error {
        FilterError::LineTooLong { .. } => "line too long",
        FilterError::BlockTooLong { .. } => "block too long",
        FilterError::BufferTooLong { .. } => "buffer too long",
        FilterError::Junk => "junk",
        FilterError::BadLength { .. } => "bad length",
        FilterError::Truncated { .. } => "truncated",
        FilterError::Stream(_) => "stream",
        _ => "other",
    }
}

/// What a filter makes of these records.
pub fn put(filter: &mut Octets, records: &[Bytes]) -> Vec<u8> {
    let mut out = Vec::<u8>::new();
    for record in records {
        filter.put(record.clone(), &mut out).unwrap();
    }
    out
}

/// Octets out of a few, so that what is special comes often.
pub fn octets(alphabet: &'static [u8], length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(alphabet), 0..length)
}

/// Octets out of a few, in chunks, none of which is empty.
pub fn chunks(alphabet: &'static [u8], length: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    (octets(alphabet, length), prop::collection::vec(1..9_usize, 1..20))
        .prop_map(|(octets, sizes)| split(&octets, &sizes))
}

/// Cuts octets into chunks of these sizes, over and over.
pub fn split(octets: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = octets;
    let mut chunks = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (front, back) = rest.split_at((*size).min(rest.len()));
        chunks.push(front.to_vec());
        rest = back;
    }
    chunks
}

/// Feeds the same octets to filters of the same making as one chunk, as these chunks, as chunks that
/// are all added before the first record is asked for, and one by one. All must give the same.
pub fn check_splits(
    make: impl Fn() -> Box<Octets>,
    chunks: &[Vec<u8>],
) -> Result<(), TestCaseError> {
    let whole = chunks.concat();
    let expected = records_to_end(&mut *make(), std::slice::from_ref(&whole));
    prop_assert_eq!(&records_to_end(&mut *make(), chunks), &expected, "in chunks");
    let single: Vec<_> = whole.iter().map(|octet| vec![*octet]).collect();
    prop_assert_eq!(&records_to_end(&mut *make(), &single), &expected, "one by one");

    let mut filter = make();
    for octets in chunks {
        filter.get_one_start(chunk(octets)).unwrap();
    }
    prop_assert_eq!(&filter.get_pending(), &whole);
    prop_assert_eq!(&records_to_end(&mut *filter, &[]), &expected, "all added first");

    let mut filter = make();
    let mut all = Vec::new();
    for octets in chunks {
        // One record for each chunk, so that chunks pile up.
        filter.get_one_start(chunk(octets)).unwrap();
        match filter.get_one() {
            Ok(Some(record)) => all.push(Ok(record)),
            Ok(None) => {}
            Err(error) => all.push(Err(name(&error))),
        }
    }
    drain(&mut *filter, &mut all);
    all.extend(records_to_end(&mut *filter, &[]));
    without_repetitions(&mut all);
    prop_assert_eq!(&all, &expected, "piled up");
    Ok(())
}

/// Hands what is pending over to another filter of the same making after every `period` records.
/// Nothing may be lost or repeated.
pub fn check_hand_over(
    make: impl Fn() -> Box<Octets>,
    chunks: &[Vec<u8>],
    period: usize,
) -> Result<(), TestCaseError> {
    let expected = records_to_end(&mut *make(), chunks);
    let mut filter = make();
    let mut all = Vec::new();
    for octets in chunks {
        filter.get_one_start(chunk(octets)).unwrap();
        loop {
            // What comes after an error is for other tests.
            let Ok(record) = filter.get_one() else { return Ok(()) };
            if (all.len() + 1).is_multiple_of(period) {
                let pending = filter.get_pending();
                let mut next = filter.fresh();
                next.get_one_start(filter.take_pending()).unwrap();
                prop_assert_eq!(next.get_pending(), pending);
                prop_assert!(filter.get_pending().is_empty());
                prop_assert!(filter.get_one().unwrap().is_none());
                filter = next;
            }
            match record {
                Some(record) => all.push(Ok(record)),
                None => break,
            }
        }
    }
    all.extend(records_to_end(&mut *filter, &[]));
    prop_assert_eq!(all, expected);
    Ok(())
}
