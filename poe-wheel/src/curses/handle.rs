//! Handles of a terminal that do not block.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::read_line::terminal;

/// A handle on which nothing waits.
///
/// Whether a handle blocks is no property of it, but of all that were made of one `open`: the shell and whatever else is on the
/// terminal has it too, and would get errors that it does not expect. So a terminal is opened anew. What cannot be is changed,
/// and changed back when this goes.
pub(super) struct Unblocked {
    given: Rc<dyn AsFd>,
    own: Option<Rc<File>>,
    flags: Option<OFlags>,
}

impl Unblocked {
    pub(super) fn new(given: Rc<dyn AsFd>) -> io::Result<Self> {
        let flags = fcntl_getfl(given.as_fd())?;
        if flags.contains(OFlags::NONBLOCK) {
            return Ok(Self { given, own: None, flags: None });
        }
        if let Some(own) = terminal::open(&*given) {
            return Ok(Self { given, own: Some(Rc::new(own)), flags: None });
        }
        fcntl_setfl(given.as_fd(), flags | OFlags::NONBLOCK)?;
        Ok(Self { given, own: None, flags: Some(flags) })
    }

    /// What to read, write and watch.
    pub(super) fn handle(&self) -> Rc<dyn AsFd> {
        match &self.own {
            Some(own) => Rc::<File>::clone(own),
            None => Rc::clone(&self.given),
        }
    }
}

impl Drop for Unblocked {
    fn drop(&mut self) {
        if let Some(flags) = self.flags {
            let _ = fcntl_setfl(self.given.as_fd(), flags);
        }
    }
}
