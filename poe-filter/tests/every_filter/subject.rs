//! A filter, whatever its records are.

use bytes::Bytes;
use poe_filter::{Filter, FilterError};

/// What all filters do, with records in words.
pub trait Subject {
    fn start(&mut self, chunk: Bytes) -> Result<(), FilterError>;
    fn one(&mut self) -> Result<Option<String>, FilterError>;
    fn finish(&mut self) -> Result<Option<String>, FilterError>;
    fn pending(&self) -> Bytes;
    fn pending_len(&self) -> usize;
    fn take(&mut self) -> Bytes;
    fn fresh(&self) -> Box<dyn Subject>;
}

/// A filter, and how its records are told.
pub struct Told<F: Filter> {
    pub filter: F,
    pub tell: fn(&F::In) -> String,
}

impl<F: Filter + 'static> Subject for Told<F> {
    fn start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.filter.get_one_start(chunk)
    }

    fn one(&mut self) -> Result<Option<String>, FilterError> {
        Ok(self.filter.get_one()?.as_ref().map(self.tell))
    }

    fn finish(&mut self) -> Result<Option<String>, FilterError> {
        Ok(self.filter.finish()?.as_ref().map(self.tell))
    }

    fn pending(&self) -> Bytes {
        self.filter.get_pending()
    }

    fn pending_len(&self) -> usize {
        self.filter.pending_len()
    }

    fn take(&mut self) -> Bytes {
        self.filter.take_pending()
    }

    fn fresh(&self) -> Box<dyn Subject> {
        Box::new(Told { filter: self.filter.fresh(), tell: self.tell })
    }
}

/// What came of some input: records and errors in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Events {
    pub all: Vec<String>,
    /// Nothing comes behind a fatal error.
    is_over: bool,
}

impl Events {
    /// Notes what a filter gave; whether it may be asked again.
    pub fn note(&mut self, got: Result<Option<String>, FilterError>) -> bool {
        match got {
            // Pieces of one body are of no size in particular.
            Ok(Some(told)) => match (told.strip_prefix("Body "), self.all.last_mut()) {
                (Some(piece), Some(last)) if last.starts_with("Body ") => last.push_str(piece),
                _ => self.all.push(told),
            },
            Ok(None) => return false,
            Err(error) => {
                self.is_over = error.is_fatal();
                self.all.push(format!("error {error}"));
            }
        }
        !self.is_over
    }

    /// Notes all that there is.
    pub fn drain(&mut self, subject: &mut dyn Subject) {
        while !self.is_over && self.note(subject.one()) {}
    }

    /// Notes what is left at the end of the input.
    pub fn end(&mut self, subject: &mut dyn Subject) {
        self.drain(subject);
        while !self.is_over && self.note(subject.finish()) {}
    }
}

/// All that comes of these chunks, taken out as they come.
pub fn events(mut subject: Box<dyn Subject>, chunks: &[Vec<u8>]) -> Vec<String> {
    let mut events = Events::default();
    for octets in chunks {
        subject.start(Bytes::copy_from_slice(octets)).unwrap();
        events.drain(&mut *subject);
    }
    events.end(&mut *subject);
    events.all
}
