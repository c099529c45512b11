//! What holds for any filter and any stream.

use std::fmt::Debug;

use bytes::Bytes;
use poe_filter::{Filter, FilterError};

use super::input::Sizes;

/// What a filter made of its input, in a form that can be compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    Octets(Bytes),
    Text(String),
    /// A piece of something that may be divided in any way.
    Piece(Vec<u8>),
    Error(String),
    Fatal(String),
}

impl Told {
    pub(super) fn debug(record: impl Debug) -> Self {
        Self::Text(format!("{record:?}"))
    }

    fn error(error: &FilterError) -> Self {
        if error.is_fatal() {
            Self::Fatal(error.to_string())
        } else {
            Self::Error(error.to_string())
        }
    }
}

/// Adds a piece to the one before it.
pub(super) fn tell_piece(piece: &[u8], all: &mut Vec<Told>) {
    match all.last_mut() {
        Some(Told::Piece(before)) => before.extend_from_slice(piece),
        _ => all.push(Told::Piece(piece.to_vec())),
    }
}

type Tell<I> = fn(I, &mut Vec<Told>);

/// Who can go on with what is pending in a filter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum HandOver {
    /// Nobody who gets no more than that.
    Nobody,
    /// The same filter.
    Same,
    /// Another of the same making.
    Fresh,
}

/// A filter, and what it promises.
pub(super) struct Subject<'a, I, O> {
    make: &'a dyn Fn() -> Box<dyn Filter<In = I, Out = O>>,
    tell: Tell<I>,
    is_end: bool,
    bound: usize,
    hand_over: HandOver,
}

impl<'a, I: 'static, O: 'static> Subject<'a, I, O> {
    pub(super) fn new(
        make: &'a dyn Fn() -> Box<dyn Filter<In = I, Out = O>>,
        tell: Tell<I>,
    ) -> Self {
        Self { make, tell, is_end: true, bound: usize::MAX, hand_over: HandOver::Fresh }
    }

    /// What is pending need not be the end of the stream as it was.
    pub(super) fn gives_out_of_order(mut self) -> Self {
        self.is_end = false;
        self
    }

    /// No more than this is pending when more input is asked for.
    pub(super) fn holds_at_most(mut self, octets: usize) -> Self {
        self.bound = octets;
        self
    }

    pub(super) fn can_hand_over(mut self, to: HandOver) -> Self {
        self.hand_over = to;
        self
    }

    /// Checks that nothing depends on how the stream is divided, and that nothing gets lost.
    pub(super) fn check(&self, stream: &[u8], sizes: Sizes) -> Vec<Told> {
        let chunks = sizes.split(stream);
        let expected = self.run(&[stream], true);
        assert_eq!(self.run(&chunks, true), expected, "in chunks");
        let single: Vec<_> = stream.chunks(1).collect();
        assert_eq!(self.run(&single, false), expected, "one by one");
        assert_eq!(self.all_first(&chunks), expected, "all added first");
        assert_eq!(self.piled_up(&chunks), expected, "piled up");
        match self.hand_over {
            HandOver::Nobody => {}
            HandOver::Same => self.handed_over(stream, &expected, |mut filter| {
                let pending = filter.take_pending();
                assert_eq!(filter.pending_len(), 0);
                (pending, filter)
            }),
            HandOver::Fresh => self.handed_over(stream, &expected, |mut filter| {
                let next = filter.fresh();
                let pending = filter.take_pending();
                assert_empty(&mut *filter);
                (pending, next)
            }),
        }
        expected
    }

    /// Checks that what is put is got, for all records of a stream. With `exactly`, all octets
    /// are those of the stream.
    pub(super) fn check_again(
        &self,
        stream: &[u8],
        again: impl Fn(I) -> O,
        sender: &mut dyn Filter<In = I, Out = O>,
        exactly: bool,
    ) {
        let mut filter = (self.make)();
        _ = filter.get_one_start(Bytes::copy_from_slice(stream));
        let (mut told, mut out) = (Vec::new(), Vec::<u8>::new());
        let mut another = (self.make)();
        _ = another.get_one_start(Bytes::copy_from_slice(stream));
        let mut failed = false;
        loop {
            let (one, other) = (filter.get_one(), another.get_one());
            match (one, other) {
                (Ok(Some(record)), Ok(Some(same))) => {
                    (self.tell)(record, &mut told);
                    sender.put(again(same), &mut out).unwrap();
                }
                (Err(error), _) => {
                    failed = true;
                    if error.is_fatal() {
                        break;
                    }
                }
                _ => break,
            }
        }
        let mut receiver = (self.make)();
        let got = receiver.get(out.clone().into()).unwrap();
        let mut told_again = Vec::new();
        got.into_iter().for_each(|record| (self.tell)(record, &mut told_again));
        assert_eq!(told_again, told, "put and got");
        assert_eq!(receiver.finish().map(|record| record.is_none()).ok(), Some(true));
        if exactly && !failed {
            out.extend_from_slice(&filter.get_pending());
            assert_eq!(out.escape_ascii().to_string(), stream.escape_ascii().to_string());
        }
    }

    /// Adds each chunk and takes out all there is. If told to, looks at what is pending then.
    fn run(&self, chunks: &[&[u8]], looks: bool) -> Vec<Told> {
        let mut filter = (self.make)();
        let mut told = Vec::new();
        let mut fed = Vec::new();
        for chunk in chunks {
            _ = filter.get_one_start(Bytes::copy_from_slice(chunk));
            fed.extend_from_slice(chunk);
            if !self.drain(&mut *filter, &mut told) {
                return told;
            }
            // The parts of a packet are longer than it was, if they are written as packets.
            let more = if self.is_end { 0 } else { 32 };
            assert!(filter.pending_len() <= (fed.len() + more).min(self.bound));
            if !looks {
                continue;
            }
            let pending = filter.get_pending();
            assert_eq!(filter.pending_len(), pending.len());
            assert!(!self.is_end || fed.ends_with(&pending), "{:?}", pending);
        }
        self.finish(&mut *filter, &mut told);
        told
    }

    fn all_first(&self, chunks: &[&[u8]]) -> Vec<Told> {
        let mut filter = (self.make)();
        for chunk in chunks {
            _ = filter.get_one_start(Bytes::copy_from_slice(chunk));
        }
        assert_eq!(filter.get_pending(), chunks.concat());
        let mut told = Vec::new();
        if self.drain(&mut *filter, &mut told) {
            self.finish(&mut *filter, &mut told);
        }
        told
    }

    /// One record is taken for each chunk.
    fn piled_up(&self, chunks: &[&[u8]]) -> Vec<Told> {
        let mut filter = (self.make)();
        let mut told = Vec::new();
        for chunk in chunks {
            _ = filter.get_one_start(Bytes::copy_from_slice(chunk));
            assert_eq!(filter.pending_len(), filter.get_pending().len());
            match filter.get_one() {
                Ok(Some(record)) => (self.tell)(record, &mut told),
                Ok(None) => {}
                Err(error) => {
                    told.push(Told::error(&error));
                    if error.is_fatal() {
                        return told;
                    }
                }
            }
        }
        if self.drain(&mut *filter, &mut told) {
            self.finish(&mut *filter, &mut told);
        }
        told
    }

    /// After each record, what is pending is taken, and added to a filter.
    fn handed_over(
        &self,
        stream: &[u8],
        expected: &[Told],
        hand_over: impl Fn(
            Box<dyn Filter<In = I, Out = O>>,
        ) -> (Bytes, Box<dyn Filter<In = I, Out = O>>),
    ) {
        let mut filter = (self.make)();
        _ = filter.get_one_start(Bytes::copy_from_slice(stream));
        let mut told = Vec::new();
        loop {
            match filter.get_one() {
                Ok(Some(record)) => (self.tell)(record, &mut told),
                Ok(None) => break,
                Err(error) => told.push(Told::error(&error)),
            }
            if let Some(Told::Error(_) | Told::Fatal(_)) = told.last() {
                // What comes after an error is for the other checks.
                assert!(expected.starts_with(&told), "handed over: {told:?}, not {expected:?}");
                return;
            }
            let before = filter.get_pending();
            let (pending, mut next) = hand_over(filter);
            assert_eq!(pending, before);
            _ = next.get_one_start(pending);
            filter = next;
        }
        self.finish(&mut *filter, &mut told);
        assert_eq!(told, expected, "handed over");
    }

    /// Takes out all there is; whether the stream can go on.
    fn drain(&self, filter: &mut dyn Filter<In = I, Out = O>, told: &mut Vec<Told>) -> bool {
        loop {
            match filter.get_one() {
                Ok(Some(record)) => (self.tell)(record, told),
                Ok(None) => return true,
                Err(error) => {
                    told.push(Told::error(&error));
                    if error.is_fatal() {
                        return false;
                    }
                }
            }
        }
    }

    fn finish(&self, filter: &mut dyn Filter<In = I, Out = O>, told: &mut Vec<Told>) {
        loop {
            match filter.finish() {
                Ok(Some(record)) => (self.tell)(record, told),
                Ok(None) => return,
                Err(error) => {
                    told.push(Told::error(&error));
                    if error.is_fatal() {
                        return;
                    }
                }
            }
        }
    }
}

/// Nothing is left behind when what is pending was taken.
fn assert_empty<I: 'static, O: 'static>(filter: &mut dyn Filter<In = I, Out = O>) {
    assert_eq!((filter.pending_len(), filter.get_pending()), (0, Bytes::new()));
    assert!(matches!(filter.get_one(), Ok(None)));
    assert!(matches!(filter.finish(), Ok(None)));
}
