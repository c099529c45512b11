//! How a `FollowTail` wheel is to be.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use nix::errno::Errno;
use poe_driver::Driver;
use poe_filter::{Filter, Line};
use poe_kernel::{EventFor, Kernel, NoActiveSession};

use super::FollowTail;
use super::generation::{Opened, Renew};
use super::position::Position;
use super::start::{Place, Start};
use super::wheel::{Events, Plan, Wheel};
use crate::{Input, IoError, WheelError, WheelId};

/// What is followed.
enum What {
    File(PathBuf),
    Handle(Rc<dyn AsFd>),
}

/// Builds a [`FollowTail`] wheel (POE: the parameters of `POE::Wheel::FollowTail->new`).
#[must_use = "a wheel begins when it is spawned"]
pub struct FollowTailBuilder<In: 'static = Bytes> {
    what: What,
    filter: Box<dyn Renew<In>>,
    driver: Option<Box<dyn Driver>>,
    events: Events,
    interval: Duration,
    polls_only: bool,
    seek: Option<i64>,
    seek_back: Option<i64>,
    position: Option<Position>,
    whole_records: bool,
}

impl FollowTailBuilder {
    pub(super) fn file(path: PathBuf) -> Self {
        Self::new(What::File(path))
    }

    pub(super) fn handle(handle: Rc<dyn AsFd>) -> Self {
        Self::new(What::Handle(handle))
    }

    fn new(what: What) -> Self {
        Self {
            what,
            filter: Box::new(Line::new()),
            driver: None,
            events: Events::default(),
            interval: Duration::from_secs(1),
            polls_only: false,
            seek: None,
            seek_back: None,
            position: None,
            whole_records: false,
        }
    }
}

impl<In: 'static> FollowTailBuilder<In> {
    /// The filter (POE: `Filter`); `Line` if none is given. Each file that takes the place of another gets a fresh one.
    ///
    /// An event for each line costs about as much as it does to read a hundred octets; with [`LineBlock`](poe_filter::LineBlock)
    /// there is one for all lines of a read.
    pub fn filter<F: Filter + 'static>(self, filter: F) -> FollowTailBuilder<F::In> {
        FollowTailBuilder {
            what: self.what,
            filter: Box::new(filter),
            driver: self.driver,
            events: self.events,
            interval: self.interval,
            polls_only: self.polls_only,
            seek: self.seek,
            seek_back: self.seek_back,
            position: self.position,
            whole_records: self.whole_records,
        }
    }

    /// The driver for what is no plain file (POE: `Driver`); `SysRw` if none is given. Plain files are read by the wheel, which
    /// has to know where.
    pub fn driver(mut self, driver: impl Driver + 'static) -> Self {
        self.driver = Some(driver.boxed());
        self
    }

    /// The event for each record (POE: `InputEvent`). It must be given.
    pub fn input_event(mut self, event: impl EventFor<Input<In>>) -> Self {
        self.events.input = Some(event.name());
        self
    }

    /// The event for a record that a file ended within, when it was rotated or truncated there. Without it, such a record is
    /// dropped, and an error event says how much of it there was.
    pub fn partial_event(mut self, event: impl EventFor<Input<In>>) -> Self {
        self.events.partial = Some(event.name());
        self
    }

    /// The event for failures (POE: `ErrorEvent`).
    pub fn error_event(mut self, event: impl EventFor<IoError>) -> Self {
        self.events.error = Some(event.name());
        self
    }

    /// The event that comes before the first record of another file of the name, or of what was written after the file was
    /// truncated (POE: `ResetEvent`).
    pub fn reset_event(mut self, event: impl EventFor<WheelId>) -> Self {
        self.events.reset = Some(event.name());
        self
    }

    /// The event for a poll that found nothing (POE: `IdleEvent`).
    pub fn idle_event(mut self, event: impl EventFor<WheelId>) -> Self {
        self.events.idle = Some(event.name());
        self
    }

    /// How long after a poll the next one comes, a second if not given, a millisecond at least (POE: `PollInterval`). Where the
    /// system tells of changes, they are not waited for that long.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Does not have the system tell of changes: for file systems that others write to, and that the wheel does not know as
    /// such. It knows NFS, SMB, Ceph, FUSE and the like.
    pub fn polls_only(mut self) -> Self {
        self.polls_only = true;
        self
    }

    /// Where to begin, in octets from the start, or, if less than 0, from the end; no further than the file goes (POE:
    /// `Seek`). Without it, and without the following two, a wheel begins with what is written from now on, and with all that
    /// there is in a file that is not there yet.
    pub fn seek(mut self, octets: i64) -> Self {
        self.seek = Some(octets);
        self
    }

    /// Where to begin, in octets from the end, or, if less than 0, from the start (POE: `SeekBack`).
    pub fn seek_back(mut self, octets: i64) -> Self {
        self.seek_back = Some(octets);
        self
    }

    /// Has [`Self::seek`] and [`Self::seek_back`] go to the next beginning of a record: what comes first, if it is not at the
    /// start of the file, is the rest of a record, and is dropped. The filter must be able to tell, as `Line` is.
    pub fn whole_records(mut self) -> Self {
        self.whole_records = true;
        self
    }

    /// Begins behind the last record that another wheel delivered, of this process or of one before. If the file has been moved
    /// to another name in its directory since, the rest of it comes first, though no other has the name yet; then, where such names end in a number that is one
    /// for the last of them, or in a date, the files that were moved after it. If it is not there, or holds something else, the wheel
    /// begins at the start, with a reset event.
    pub fn position(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// Begins; the wheel belongs to the session that is active. A file that is not there, or cannot be opened, is tried again at
    /// each poll.
    ///
    /// # Errors
    ///
    /// [`WheelError::NoActiveSession`] outside a handler; [`WheelError::NoInputEvent`]; [`WheelError::Directory`];
    /// [`WheelError::OnePlace`] when there are several of `seek`, `seek_back` and `position`; [`WheelError::Parameters`] for a name
    /// that is empty; [`WheelError::Watch`] when what is no plain file cannot be watched.
    #[track_caller]
    pub fn spawn(self, kernel: &Kernel) -> Result<FollowTail<In>, WheelError> {
        if kernel.active_session().is_kernel() {
            return Err(NoActiveSession("a FollowTail wheel").into());
        }
        if self.events.input.is_none() {
            return Err(WheelError::NoInputEvent);
        }
        let place = match (self.seek, self.seek_back, self.position) {
            (None, None, None) => Place::Unsaid,
            (Some(octets), None, None) => Place::Seek(octets),
            (None, Some(octets), None) => Place::SeekBack(octets),
            (None, None, Some(position)) => Place::Position(position),
            _ => return Err(WheelError::OnePlace),
        };
        if matches!(&self.what, What::File(path) if path.as_os_str().is_empty()) {
            // No file will ever have it.
            return Err(WheelError::Parameters("a file to follow needs a name; this one is empty"));
        }
        let is_directory = |error: &io::Error| error.raw_os_error() == Some(Errno::EISDIR as i32);
        let (path, opened) = match self.what {
            What::File(path) => match Opened::by_name(&path) {
                Ok(opened) => (Some(path), Some(opened)),
                Err(error) if is_directory(&error) => {
                    return Err(WheelError::Directory { path: Some(path) });
                }
                Err(_) => (Some(path), None),
            },
            What::Handle(handle) => match Opened::by_handle(handle) {
                Ok(opened) => (None, Some(opened)),
                Err(error) if is_directory(&error) => {
                    return Err(WheelError::Directory { path: None });
                }
                Err(source) => return Err(WheelError::Handle { source }),
            },
        };
        let start = Start { place, whole_records: self.whole_records };
        let Self { filter, driver, events, interval, polls_only, .. } = self;
        let plan = Plan { filter, driver, events, interval, polls_only, start };
        let wheel = Wheel::begin(kernel, (path, opened), plan)?;
        Ok(FollowTail { wheel })
    }
}

impl<In: 'static> fmt::Debug for FollowTailBuilder<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match &self.what {
            What::File(path) => Some(path),
            What::Handle(_) => None,
        };
        f.debug_struct("FollowTailBuilder")
            .field("path", &path)
            .field("driver", &self.driver)
            .field("events", &self.events)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
