//! Being told by the system that a file or a directory has changed.
//!
//! All wheels of a kernel share one `inotify` instance, as a user may have few of them. One of the wheels has it watched, and
//! the next one when that has ended. What it tells is a hint: a wheel then looks at the file itself, as it does at each poll.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::rc::{Rc, Weak};

use nix::errno::Errno;
use nix::sys::inotify::{
    AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor as Descriptor,
};
use poe_kernel::{Kernel, KernelId, Mode, SessionId, Watch, WatchId};

use super::network;
use crate::WheelId;

/// Times that events are read at once, each up to 4 KiB of them, so that a busy directory does not hold a wheel.
const READS_AT_ONCE: usize = 16;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// A file has been written to, or truncated.
    Contents,
    /// This name is in the directory now; if it was moved there, by the move of that number.
    Came(&'a OsStr, u32),
    /// This name is no longer in the directory.
    Went(&'a OsStr, u32),
    /// The directory is another's, or nobody's, from now on.
    DirectoryLost,
    /// More has happened than the system could keep.
    Anything,
    /// Who had the notifier watched does so no more.
    Unwatched,
}

/// Who wants to know.
pub(super) trait Notified {
    /// This has happened. To be kept in mind, and dealt with later.
    fn notified(&self, change: Change<'_>);
}

pub(super) struct Notifier {
    inotify: Inotify,
    subscribers: RefCell<HashMap<Descriptor, Vec<Weak<dyn Notified>>>>,
    /// Which wheel has it watched.
    watch: Cell<Option<(WatchId, WheelId)>>,
}

thread_local! {
    static NOTIFIERS: RefCell<Vec<(KernelId, Weak<Notifier>)>> = const { RefCell::new(Vec::new()) };
}

impl Notifier {
    /// The kernel's own, if the system has one for it.
    pub(super) fn of(kernel: &Kernel) -> Option<Rc<Self>> {
        NOTIFIERS.with_borrow_mut(|notifiers| {
            notifiers.retain(|(_, notifier)| notifier.strong_count() > 0);
            let found = notifiers.iter().find(|(id, _)| *id == kernel.id());
            if let Some(notifier) = found.and_then(|(_, notifier)| notifier.upgrade()) {
                return Some(notifier);
            }
            let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?;
            let notifier =
                Rc::new(Self { inotify, subscribers: RefCell::default(), watch: Cell::new(None) });
            notifiers.push((kernel.id(), Rc::downgrade(&notifier)));
            Some(notifier)
        })
    }

    /// Sees to it that the notifier is watched, if need be for this wheel. Whether it is.
    pub(super) fn watch(self: &Rc<Self>, kernel: &Kernel, session: SessionId, id: WheelId) -> bool {
        // It may have gone with the session of a wheel that is still there.
        if self.watch.get().is_none_or(|(watch, _)| !kernel.resume_watch(watch)) {
            let (handle, target) = (Rc::clone(self), Rc::clone(self));
            let watch = kernel.watch(session, handle, Mode::Read, target).ok();
            self.watch.set(watch.map(|watch| (watch, id)));
        }
        self.watch.get().is_some()
    }

    /// A wheel has ended: if it was the one that watched, another one is to.
    pub(super) fn leave(&self, kernel: &Kernel, id: WheelId) {
        if let Some((watch, _)) = self.watch.get().filter(|(_, watcher)| *watcher == id) {
            self.watch.set(None);
            kernel.unwatch(watch);
            let others = self.subscribers.borrow();
            if let Some(other) = others.values().flatten().find_map(Weak::upgrade) {
                other.notified(Change::Unwatched);
            }
        }
    }

    /// Tells of changes to an open file, whatever its name is by now.
    pub(super) fn file(
        self: &Rc<Self>,
        file: BorrowedFd<'_>,
        whom: Weak<dyn Notified>,
    ) -> Option<Subscription> {
        if network::holds_file(file) {
            return None;
        }
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        self.subscribe(Path::new(&path), AddWatchFlags::IN_MODIFY, whom)
    }

    /// Tells of names that come and go in a directory.
    pub(super) fn directory(
        self: &Rc<Self>,
        directory: &Path,
        whom: Weak<dyn Notified>,
    ) -> Option<Subscription> {
        if network::holds_directory(directory) {
            return None;
        }
        let names = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVE | AddWatchFlags::IN_DELETE;
        let itself = AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_ONLYDIR;
        self.subscribe(directory, names | itself, whom)
    }

    /// Passes on what has happened since.
    pub(super) fn drain(&self) {
        for _ in 0..READS_AT_ONCE {
            match self.read() {
                Ok(()) | Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
    }

    fn read(&self) -> nix::Result<()> {
        let events = self.inotify.read_events()?;
        events.iter().for_each(|event| self.pass_on(event));
        Ok(())
    }

    fn subscribe(
        self: &Rc<Self>,
        path: &Path,
        mask: AddWatchFlags,
        whom: Weak<dyn Notified>,
    ) -> Option<Subscription> {
        let descriptor = self.inotify.add_watch(path, mask).ok()?;
        self.subscribers.borrow_mut().entry(descriptor).or_default().push(Weak::clone(&whom));
        Some(Subscription { notifier: Rc::clone(self), descriptor, whom })
    }

    fn pass_on(&self, event: &InotifyEvent) {
        let subscribers = self.subscribers.borrow();
        let tell = |whom: &Weak<dyn Notified>, change| {
            if let Some(whom) = whom.upgrade() {
                whom.notified(change);
            }
        };
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            subscribers.values().flatten().for_each(|whom| tell(whom, Change::Anything));
            return;
        }
        let is = |flags| event.mask.intersects(flags);
        let change = match &event.name {
            Some(name) if is(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO) => {
                Change::Came(name, event.cookie)
            }
            Some(name) => Change::Went(name, event.cookie),
            None if is(AddWatchFlags::IN_MODIFY) => Change::Contents,
            None => Change::DirectoryLost,
        };
        let whom = subscribers.get(&event.wd).into_iter().flatten();
        whom.for_each(|whom| tell(whom, change));
    }
}

impl Watch for Notifier {
    fn ready(&self, _: &Kernel, _: Mode) {
        // If this fails, or does not read all, it is called again.
        let _ = self.read();
    }
}

impl AsFd for Notifier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

/// Ends with its drop.
pub(super) struct Subscription {
    notifier: Rc<Notifier>,
    descriptor: Descriptor,
    whom: Weak<dyn Notified>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut subscribers = self.notifier.subscribers.borrow_mut();
        let Some(all) = subscribers.get_mut(&self.descriptor) else { return };
        if let Some(own) = all.iter().position(|whom| Weak::ptr_eq(whom, &self.whom)) {
            all.swap_remove(own);
        }
        if all.is_empty() {
            subscribers.remove(&self.descriptor);
            // With a deleted file it has ended by itself.
            let _ = self.notifier.inotify.rm_watch(self.descriptor);
        }
    }
}
