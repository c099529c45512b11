//! One of the files that have had the name, or what is no file: where it is read, and the filter for it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat};
use poe_driver::{Driver, Get, ReadBuffer};
use poe_filter::{Filter, FilterError};

use super::notifier::Subscription;
use super::tail::{Grown, Identity, Tail};
use crate::read_write::Decode;

/// A filter of which each file has one of its own.
pub(super) trait Renew<In>: Decode<In> {
    fn another(&self) -> Box<dyn Renew<In>>;
}

impl<F: Filter> Renew<F::In> for F {
    fn another(&self) -> Box<dyn Renew<F::In>> {
        Box::new(self.fresh())
    }
}

/// A handle, and what kind of thing it is of.
pub(super) struct Opened {
    pub(super) handle: Rc<dyn AsFd>,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A plain file, which is polled.
    File(Identity),
    /// A pipe with a name, opened by it: writers may come and go.
    Fifo,
    /// Anything else that can be waited for.
    Stream,
}

impl Opened {
    /// What has this name. Nothing waits, be there nobody at the other end.
    pub(super) fn by_name(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
        let file = options.open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(Errno::EISDIR.into());
        }
        if metadata.is_file() {
            let kind = Kind::File(Identity::of(&metadata));
            return Ok(Self { handle: Rc::new(file), kind });
        }
        if !metadata.file_type().is_fifo() {
            return Ok(Self { handle: Rc::new(file), kind: Kind::Stream });
        }
        // With a writer of its own, the pipe never ends.
        let both = options.write(true).open(path);
        Ok(Self { handle: Rc::new(both.unwrap_or(file)), kind: Kind::Fifo })
    }

    /// A handle that was opened elsewhere.
    pub(super) fn by_handle(handle: Rc<dyn AsFd>) -> io::Result<Self> {
        let stat = fstat(&handle)?;
        let kind = stat.st_mode & SFlag::S_IFMT.bits();
        if kind == SFlag::S_IFDIR.bits() {
            Err(Errno::EISDIR.into())
        } else if kind == SFlag::S_IFREG.bits() {
            Ok(Self { handle, kind: Kind::File(Identity::of_stat(&stat)) })
        } else {
            Ok(Self { handle, kind: Kind::Stream })
        }
    }
}

pub(super) enum Source {
    File(Tail),
    Stream { handle: Rc<dyn AsFd>, driver: Box<dyn Driver>, is_fifo: bool },
}

/// What was read.
pub(super) enum Got {
    Octets(Bytes),
    /// Nothing is there now.
    Nothing,
    /// The file is another one now, although it is the same inode.
    Another,
    /// Nothing comes ever again.
    Eof,
}

pub(super) struct Generation<In: 'static> {
    pub(super) source: Source,
    pub(super) filter: Box<dyn Renew<In>>,
    /// Its first record was announced, or needs no announcement.
    pub(super) begun: bool,
    /// It began in the middle of a record, which is none.
    pub(super) skips_one: bool,
    /// Polls since something was last read.
    pub(super) quiet: u32,
    pub(super) subscription: Option<Subscription>,
}

impl<In: 'static> Generation<In> {
    pub(super) fn new(source: Source, filter: Box<dyn Renew<In>>, begun: bool) -> Self {
        Self { source, filter, begun, skips_one: false, quiet: 0, subscription: None }
    }

    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::File(tail) => tail.handle().as_fd(),
            Source::Stream { handle, .. } => handle.as_fd(),
        }
    }

    pub(super) fn tail(&self) -> Option<&Tail> {
        match &self.source {
            Source::File(tail) => Some(tail),
            Source::Stream { .. } => None,
        }
    }

    pub(super) fn is(&self, identity: Identity) -> bool {
        self.tail().is_some_and(|tail| tail.identity == identity)
    }

    /// Reads once.
    pub(super) fn read(&mut self, buffer: &mut ReadBuffer) -> io::Result<Got> {
        match &mut self.source {
            Source::File(tail) => Ok(match tail.read(buffer)? {
                Grown::By(octets) => Got::Octets(octets),
                Grown::Not => Got::Nothing,
                Grown::IsAnother => Got::Another,
            }),
            Source::Stream { handle, driver, .. } => {
                Ok(match driver.get(handle.as_fd(), buffer)? {
                    Get::Octets(octets) => Got::Octets(octets),
                    Get::Eof => Got::Eof,
                    _ => Got::Nothing,
                })
            }
        }
    }

    /// Whether more can be had at once, as far as is known.
    pub(super) fn may_have_more(&self) -> bool {
        match &self.source {
            Source::File(_) => true,
            Source::Stream { driver, .. } => driver.has_input(),
        }
    }

    /// The next record, if it is complete.
    #[inline]
    pub(super) fn decode(&mut self) -> Result<Option<In>, FilterError> {
        if self.skips_one && !matches!(self.filter.decode(), Ok(None)) {
            self.skips_one = false;
        }
        if self.skips_one { Ok(None) } else { self.filter.decode() }
    }

    /// Reads once, and forgets all records of that which are complete.
    pub(super) fn skip(&mut self, buffer: &mut ReadBuffer) -> io::Result<()> {
        let Got::Octets(octets) = self.read(buffer)? else { return Ok(()) };
        let mut skipped = self.filter.feed(octets).map(|()| true);
        loop {
            match skipped {
                Ok(false) => return Ok(()),
                // It began within a record, which need not make sense.
                Err(error) if error.is_fatal() => {
                    self.filter = self.filter.another();
                    return Ok(());
                }
                Ok(true) | Err(_) => {}
            }
            skipped = self.filter.decode().map(|record| record.is_some());
        }
    }
}
