//! Watched handles: the `select` methods for sessions, and the watches beneath wheels.

mod ready;
pub(crate) mod table;

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

pub use self::ready::Ready;
use self::ready::Selected;
pub use self::table::WatchId;
use self::table::Watcher;
use crate::sessions::table::Hold;
use crate::trace::trace;
use crate::{
    Asserts, EventFor, Kernel, Mode, Name, NoActiveSession, Readiness, SessionId, WatchError,
};

/// Something that wants to know when a handle is ready: the part of a wheel that the kernel calls.
///
/// It runs with its session active, outside any handler, and sends the session events with
/// [`Kernel::deliver_event`]. It may end its own watch or any other, and be dropped while it runs. A panic in it is a
/// death of the session, with the event `_ready`.
pub trait Watch {
    /// The handle is ready.
    fn ready(&self, kernel: &Kernel, mode: Mode);
}

impl Kernel {
    /// Has the active session sent an event whenever the handle can be read (POE: `select_read`).
    ///
    /// The payload is a [`Ready`]. The event comes once a turn for as long as the handle is ready, the end of file and
    /// errors included, and goes ahead of queued events. The kernel keeps a share of the handle until the watch ends,
    /// so that its descriptor cannot be closed meanwhile, and keeps the handle in non-blocking mode until its last watch
    /// ends, and that of every other descriptor of the same file. Watching again replaces the event and resumes a paused
    /// watch. Several sessions may watch one handle; each gets its event.
    ///
    /// # Errors
    ///
    /// [`WatchError`] outside a handler, or when the operating system will not have the handle watched.
    #[track_caller]
    pub fn select_read<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        event: impl EventFor<Ready<T>>,
    ) -> Result<(), WatchError> {
        self.select_mode("select_read", handle, Mode::Read, event.name(), ())
    }

    /// As [`Kernel::select_read`], for a handle that can be written (POE: `select_write`).
    ///
    /// # Errors
    ///
    /// As for [`Kernel::select_read`].
    #[track_caller]
    pub fn select_write<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        event: impl EventFor<Ready<T>>,
    ) -> Result<(), WatchError> {
        self.select_mode("select_write", handle, Mode::Write, event.name(), ())
    }

    /// As [`Kernel::select_read`], for a handle that has urgent data (POE: `select_expedite`).
    ///
    /// # Errors
    ///
    /// As for [`Kernel::select_read`].
    #[track_caller]
    pub fn select_expedite<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        event: impl EventFor<Ready<T>>,
    ) -> Result<(), WatchError> {
        self.select_mode("select_expedite", handle, Mode::Expedite, event.name(), ())
    }

    /// As `select_read` and its kin, with something for the event to carry (POE: the further arguments of
    /// `select_read`).
    ///
    /// # Errors
    ///
    /// As for [`Kernel::select_read`].
    #[track_caller]
    pub fn select_with<T: AsFd + 'static, A: Clone + 'static>(
        &self,
        handle: &Rc<T>,
        mode: Mode,
        event: impl EventFor<Ready<T, A>>,
        args: A,
    ) -> Result<(), WatchError> {
        self.select_mode("select_with", handle, mode, event.name(), args)
    }

    /// Sets or ends all three watches of a handle at once (POE: `select`); `None` ends one.
    ///
    /// # Errors
    ///
    /// As for [`Kernel::select_read`]; watches set before the one that failed stay.
    #[track_caller]
    pub fn select<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        read: Option<Name>,
        write: Option<Name>,
        expedite: Option<Name>,
    ) -> Result<(), WatchError> {
        for (mode, event) in Mode::ALL.into_iter().zip([read, write, expedite]) {
            match event {
                Some(event) => self.select_mode("select", handle, mode, event, ())?,
                None => self.select_end(handle, mode),
            }
        }
        Ok(())
    }

    /// Ends the active session's watch of a handle in one mode (POE: `select_read` and its kin without an event). A
    /// handle that is not watched is no error.
    #[track_caller]
    pub fn select_end<T: AsFd>(&self, handle: &Rc<T>, mode: Mode) {
        self.is_misused("select_end");
        let watcher = Watcher::Select(self.active_session());
        let descriptor = handle.as_fd().as_raw_fd();
        let handles = self.inner.handles.borrow();
        let slot = handles.slot_of(descriptor);
        let id = slot.and_then(|slot| handles.find(slot, watcher, mode));
        drop(handles);
        if let Some(id) = id {
            self.unwatch(id);
        }
    }

    /// Holds back a handle's events in one mode, of every session that watches it (POE: `select_pause_read`,
    /// `select_pause_write`); a paused watch still keeps its session alive. False when nobody watches.
    #[track_caller]
    pub fn select_pause<T: AsFd>(&self, handle: &Rc<T>, mode: Mode) -> bool {
        self.is_misused("select_pause");
        self.set_paused(handle.as_fd().as_raw_fd(), mode, true)
    }

    /// Lets a handle's events through again (POE: `select_resume_read`, `select_resume_write`). False when nobody
    /// watches.
    #[track_caller]
    pub fn select_resume<T: AsFd>(&self, handle: &Rc<T>, mode: Mode) -> bool {
        self.is_misused("select_resume");
        self.set_paused(handle.as_fd().as_raw_fd(), mode, false)
    }

    /// Begins a watch for a session that calls `target` instead of sending an event; what wheels are made of.
    ///
    /// Unlike `select_read` there may be any number of these for one handle, mode and session.
    ///
    /// # Errors
    ///
    /// [`WatchError`] when there is no such session, or the operating system will not have the handle watched.
    #[track_caller]
    pub fn watch(
        &self,
        session: SessionId,
        handle: Rc<dyn AsFd>,
        mode: Mode,
        target: Rc<dyn Watch>,
    ) -> Result<WatchId, WatchError> {
        self.begin_watch(handle, Watcher::Wheel(session), mode, target)
    }

    /// Ends a watch. One that has ended already is no error.
    #[track_caller]
    pub fn unwatch(&self, id: WatchId) {
        let removed = {
            let mut event_loop = self.inner.event_loop.borrow_mut();
            self.inner.handles.borrow_mut().remove(&mut **event_loop, id)
        };
        if let Some((descriptor, waiting, entry)) = removed {
            let (session, mode) = (waiting.watcher.session(), waiting.mode);
            self.inner.sessions.borrow_mut().release(session, Hold::Handle);
            trace!(self, FILES, session, "watch ({mode:?}) for session {session} ended");
            trace!(
                self,
                REFCNT,
                session,
                "- watch of descriptor {descriptor} ({mode:?}) of session {session}"
            );
            drop((waiting, entry));
        }
    }

    /// Holds back a watch, which still keeps its session alive. False when it has ended.
    pub fn pause_watch(&self, id: WatchId) -> bool {
        self.inner.handles.borrow_mut().set_paused(id, true)
    }

    /// Lets a watch through again. False when it has ended.
    pub fn resume_watch(&self, id: WatchId) -> bool {
        self.inner.handles.borrow_mut().set_paused(id, false)
    }

    /// A watch for the kernel's own purposes, which keeps nobody alive.
    pub(crate) fn watch_internally<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        target: Rc<dyn Watch>,
    ) -> Result<WatchId, WatchError> {
        self.begin_watch(handle.clone(), Watcher::Kernel, Mode::Read, target)
    }

    /// Calls the watchers of the handles that are ready: all that can be read, then written, then expedited.
    pub(crate) fn dispatch_ready(&self, ready: &[Readiness]) {
        for mode in Mode::ALL {
            let mut any = false;
            for readiness in ready.iter().filter(|readiness| readiness.modes.contains(mode)) {
                any = true;
                self.call_watchers(*readiness, mode);
            }
            if any {
                self.collect_between_passes();
            }
        }
    }

    /// Ends all watches of a session; what comes back is to be dropped with it.
    pub(crate) fn forget_handles(&self, session: SessionId) {
        if self.inner.handles.borrow().is_watching() {
            let watches = self.inner.handles.borrow().of(session);
            for id in watches {
                self.unwatch(id);
            }
        }
    }

    fn call_watchers(&self, ready: Readiness, mode: Mode) {
        let until = self.inner.handles.borrow().last_number();
        let mut after = 0;
        loop {
            let next = self.inner.handles.borrow().next_waiting(ready.key, mode, after, until);
            let Some((number, session, target)) = next else { break };
            after = number;
            trace!(self, FILES, session, "descriptor ready ({mode:?}) for session {session}");
            self.run_part(session, self.inner.names.ready, || target.ready(self, mode));
        }
    }

    #[track_caller]
    fn select_mode<T: AsFd + 'static, A: Clone + 'static>(
        &self,
        method: &'static str,
        handle: &Rc<T>,
        mode: Mode,
        event: Name,
        args: A,
    ) -> Result<(), WatchError> {
        let session = self.active_session();
        if session.is_kernel() {
            let error = Err(NoActiveSession(method).into());
            return self.returned(method, Asserts::USAGE, error);
        }
        let watcher = Watcher::Select(session);
        let target = Rc::new(Selected { session, event, handle: Rc::clone(handle), args });
        let descriptor = handle.as_fd().as_raw_fd();
        let mut handles = self.inner.handles.borrow_mut();
        let slot = handles.slot_of(descriptor);
        if let Some(id) = slot.and_then(|slot| handles.find(slot, watcher, mode)) {
            let old = handles.retarget(id, target);
            drop(handles);
            drop(old);
            trace!(self, FILES, session, "descriptor {descriptor} watched anew ({mode:?})");
            return Ok(());
        }
        drop(handles);
        let begun = self.begin_watch(handle.clone(), watcher, mode, target).map(drop);
        self.returned("select", Asserts::FILES, begun)
    }

    #[track_caller]
    fn begin_watch(
        &self,
        handle: Rc<dyn AsFd>,
        watcher: Watcher,
        mode: Mode,
        target: Rc<dyn Watch>,
    ) -> Result<WatchId, WatchError> {
        let since = self.place();
        let descriptor = handle.as_fd().as_raw_fd();
        let failed =
            |operation| move |source: io::Error| WatchError::Os { operation, descriptor, source };
        if watcher != Watcher::Kernel && !self.is_live(watcher.session()) {
            return Err(NoActiveSession("a watch").into());
        }
        let was_blocking = set_nonblocking(&handle).map_err(failed("make non-blocking"))?;
        // What is refused is dropped after the borrows below: its drop may call the kernel.
        let _shares = (Rc::clone(&handle), Rc::clone(&target));
        let mut event_loop = self.inner.event_loop.borrow_mut();
        let mut handles = self.inner.handles.borrow_mut();
        let id = handles
            .insert(&mut **event_loop, handle, descriptor, (watcher, mode), target, since)
            .map_err(failed("watch"))?;
        if was_blocking {
            handles.set_was_blocking(id);
        }
        drop((event_loop, handles));
        let session = watcher.session();
        self.inner.sessions.borrow_mut().hold(session, Hold::Handle);
        trace!(
            self,
            FILES, session, at since, "descriptor {descriptor} watched ({mode:?}) for session {session}"
        );
        trace!(
            self,
            REFCNT, session, at since, "+ watch of descriptor {descriptor} ({mode:?}) of session {session}"
        );
        Ok(id)
    }

    #[track_caller]
    fn set_paused(&self, descriptor: i32, mode: Mode, paused: bool) -> bool {
        let word = if paused { "paused" } else { "resumed" };
        trace!(self, FILES, self.active_session(), "descriptor {descriptor} {word} ({mode:?})");
        let mut handles = self.inner.handles.borrow_mut();
        let slot = handles.slot_of(descriptor);
        slot.is_some_and(|slot| handles.set_all_paused(slot, mode, paused))
    }
}

/// Whether the handle was blocking.
pub(crate) fn set_nonblocking(handle: &impl AsFd) -> io::Result<bool> {
    let flags = OFlag::from_bits_retain(fcntl(handle, FcntlArg::F_GETFL)?);
    if flags.contains(OFlag::O_NONBLOCK) {
        return Ok(false);
    }
    fcntl(handle, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(true)
}
