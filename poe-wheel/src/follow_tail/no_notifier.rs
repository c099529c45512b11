//! Where the system does not tell of changes, a wheel polls.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::rc::{Rc, Weak};

use poe_kernel::{Kernel, SessionId};

use crate::WheelId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "nobody tells of any here")]
pub(super) enum Change<'a> {
    Contents,
    Came(&'a OsStr, u32),
    Went(&'a OsStr, u32),
    DirectoryLost,
    Anything,
    Unwatched,
}

pub(super) trait Notified {
    #[allow(dead_code, reason = "nobody calls it here")]
    fn notified(&self, change: Change<'_>);
}

/// There is none.
pub(super) struct Notifier(Infallible);

/// There is none.
pub(super) struct Subscription(#[allow(dead_code, reason = "never is")] Infallible);

impl Notifier {
    pub(super) fn of(_: &Kernel) -> Option<Rc<Self>> {
        None
    }

    pub(super) fn watch(&self, _: &Kernel, _: SessionId, _: WheelId) -> bool {
        match self.0 {}
    }

    pub(super) fn leave(&self, _: &Kernel, _: WheelId) {
        match self.0 {}
    }

    pub(super) fn file(&self, _: BorrowedFd<'_>, _: Weak<dyn Notified>) -> Option<Subscription> {
        match self.0 {}
    }

    pub(super) fn directory(&self, _: &Path, _: Weak<dyn Notified>) -> Option<Subscription> {
        match self.0 {}
    }

    pub(super) fn drain(&self) {
        match self.0 {}
    }
}
