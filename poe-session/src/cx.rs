//! What a handler is given: its heap, its kernel, and who sent the event.

use std::cell::RefMut;
use std::fmt;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use poe_kernel::{
    Alarm, AliasError, BlockingError, BlockingRefused, CallError, Caller, ChildExit, Destination,
    DetachError, Envelope, EventFor, Kernel, KernelError, Mode, Name, PostError, Ready,
    RefcountError, SessionId, SessionPoster, Shift, Signal, SignalError, TimerError, TimerId,
    UiDestroy, WatchError,
};

use crate::body::Body;
use crate::postback::{Callback, Postback};
use crate::{Heap, Kind, Plain};

/// The first parameter of every handler (POE: `HEAP`, `KERNEL`, `SESSION`, `SENDER`, `STATE`, `CALLER_…`).
///
/// Its methods are the kernel's, for the session whose handler this is. Those that may run other handlers before they
/// return take the context as `&mut`, because the session lends its heap meanwhile: a session that is called may call
/// back.
#[non_exhaustive]
pub struct Cx<'a, H, K: Kind = Plain> {
    /// The session's heap.
    pub heap: Heap<'a, H>,
    /// The kernel.
    pub kernel: &'a Kernel,
    pub(crate) body: &'a Body<H, K>,
    pub(crate) envelope: &'a Envelope,
}

impl<'a, H: 'static, K: Kind> Cx<'a, H, K> {
    pub(crate) fn new(
        kernel: &'a Kernel,
        body: &'a Body<H, K>,
        heap: RefMut<'a, H>,
        envelope: &'a Envelope,
    ) -> Self {
        Self { heap: Heap::new(heap), kernel, body, envelope }
    }

    /// The session (POE: `SESSION`).
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.envelope.session
    }

    /// Who sent the event: a session, or the kernel (POE: `SENDER`).
    #[must_use]
    pub fn sender(&self) -> SessionId {
        self.envelope.sender
    }

    /// The event being handled (POE: `STATE`).
    #[must_use]
    pub fn event(&self) -> Name {
        self.envelope.event
    }

    /// Where, and during which event, this one was sent (POE: `CALLER_FILE`, `CALLER_LINE`, `CALLER_STATE`).
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.envelope.caller
    }

    /// As [`Kernel::post`].
    ///
    /// # Errors
    ///
    /// [`PostError`] when the destination is not there.
    #[track_caller]
    pub fn post<P: 'static>(
        &self,
        destination: impl Destination,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<(), PostError> {
        self.kernel.post(destination, event, payload)
    }

    /// Sends the session itself an event (POE: `yield`). If it has been stopped in the meantime, nothing happens.
    #[track_caller]
    pub fn yield_event<P: 'static>(&self, event: impl EventFor<P>, payload: P) {
        // The only error is that no handler runs.
        let _ = self.kernel.yield_event(event, payload);
    }

    /// As [`Kernel::call`]; whoever is called may call this session.
    ///
    /// ```
    /// use poe_session::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let kernel = Kernel::new()?;
    /// Session::build(())
    ///     .on_start(|cx| cx.kernel.alias_set("square"))
    ///     .on("ask", |cx, ()| -> HandlerResult<Reply<u32>> {
    ///         let n: u32 = cx.call(cx.sender(), "how many", ())?;
    ///         Ok(Reply(n * n))
    ///     })
    ///     .spawn(&kernel)?;
    /// Session::build(7_u32)
    ///     .on_start(|cx| -> HandlerResult {
    ///         let answer: u32 = cx.call("square", "ask", ())?;
    ///         assert_eq!(answer, 49);
    ///         Ok(())
    ///     })
    ///     .on("how many", |cx, ()| Reply(*cx.heap))
    ///     .spawn(&kernel)?;
    /// kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CallError`] says why there is no answer.
    #[track_caller]
    pub fn call<R: 'static, P: 'static>(
        &mut self,
        destination: impl Destination,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<R, CallError> {
        self.heap.release();
        let result = self.kernel.call(destination, event, payload);
        self.take_heap();
        result
    }

    /// Lends the heap while `f` runs, which may then do anything: call, spawn, run timeslices.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// Session::build(false)
    ///     .on_start(|cx| {
    ///         cx.yield_event("arrive", ());
    ///         while !*cx.heap {
    ///             if !cx.suspend(|kernel| kernel.run_one_timeslice())? {
    ///                 break;
    ///             }
    ///         }
    ///         Ok::<(), KernelError>(())
    ///     })
    ///     .on("arrive", |cx, ()| *cx.heap = true)
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn suspend<R>(&mut self, f: impl FnOnce(&Kernel) -> R) -> R {
        /// Takes the heap back after a panic too, as the handler may catch it.
        struct Lent<'c, 'a, H: 'static, K: Kind>(&'c mut Cx<'a, H, K>);

        impl<H: 'static, K: Kind> Drop for Lent<'_, '_, H, K> {
            fn drop(&mut self) {
                self.0.take_heap();
            }
        }

        self.heap.release();
        f(Lent(self).0.kernel)
    }

    /// As [`Kernel::signal`].
    ///
    /// # Errors
    ///
    /// [`PostError`] when the destination is not there.
    #[track_caller]
    pub fn signal<P: 'static>(
        &self,
        destination: impl Destination,
        signal: impl Into<Name>,
        args: P,
    ) -> Result<(), PostError> {
        self.kernel.signal(destination, signal, args)
    }

    /// As [`Kernel::sig`].
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// Session::build(())
    ///     .on_start(|cx| -> HandlerResult {
    ///         cx.sig("INT", "interrupted")?;
    ///         cx.signal(cx.session(), "INT", ())?;
    ///         Ok(())
    ///     })
    ///     .on("interrupted", |cx, signal: Signal| {
    ///         assert_eq!(signal.name, "INT");
    ///         cx.sig_handled(); // Otherwise the session would be stopped.
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SignalError`] when the operating system will not have the signal caught.
    #[track_caller]
    pub fn sig(
        &self,
        signal: impl Into<Name>,
        event: impl EventFor<Signal>,
    ) -> Result<(), SignalError> {
        self.kernel.sig(signal, event)
    }

    /// As [`Kernel::sig_ignore`].
    pub fn sig_ignore(&self, signal: impl Into<Name>) {
        self.kernel.sig_ignore(signal);
    }

    /// As [`Kernel::has_forked`].
    ///
    /// # Errors
    ///
    /// [`KernelError`] when the kernel cannot go on in this child process.
    pub fn has_forked(&self) -> Result<(), KernelError> {
        self.kernel.has_forked()
    }

    /// As [`Kernel::signal_ui_destroy`].
    pub fn signal_ui_destroy(&self) -> UiDestroy {
        self.kernel.signal_ui_destroy()
    }

    /// As [`Kernel::sig_child`].
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// use std::process::Command;
    ///
    /// Session::build(0_u32)
    ///     .on_start(|cx| -> HandlerResult {
    ///         for name in ["one", "two"] {
    ///             let child = Command::new("sh").args(["-c", "exit 5"]).spawn()?;
    ///             cx.sig_child(child.id(), "ended", name)?;
    ///         }
    ///         Ok(())
    ///     })
    ///     .on("ended", |cx, exit: ChildExit<&str>| {
    ///         assert_eq!(exit.status.and_then(|status| status.code()), Some(5), "{}", exit.args);
    ///         *cx.heap += 1;
    ///     })
    ///     .on_stop(|cx| assert_eq!(*cx.heap, 2))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SignalError::NotAChild`] when this process has no such child, or it was waited for already.
    #[track_caller]
    pub fn sig_child<A: 'static>(
        &self,
        pid: u32,
        event: impl EventFor<ChildExit<A>>,
        args: A,
    ) -> Result<(), SignalError> {
        self.kernel.sig_child(pid, event, args)
    }

    /// As [`Kernel::sig_child_ignore`].
    pub fn sig_child_ignore(&self, pid: u32) {
        self.kernel.sig_child_ignore(pid);
    }

    /// As [`Kernel::sig_handled`].
    pub fn sig_handled(&self) {
        self.kernel.sig_handled();
    }

    /// As [`Kernel::alarm`]. A session that has been stopped gets [`TimerId::NONE`].
    #[track_caller]
    pub fn alarm<P: 'static>(
        &self,
        event: impl EventFor<P>,
        time: SystemTime,
        payload: P,
    ) -> TimerId {
        self.kernel.alarm(event, time, payload).unwrap_or(TimerId::NONE)
    }

    /// As [`Kernel::alarm_set`] (POE: `alarm_add`, `alarm_set`).
    #[track_caller]
    pub fn alarm_set<P: 'static>(
        &self,
        event: impl EventFor<P>,
        time: SystemTime,
        payload: P,
    ) -> TimerId {
        self.kernel.alarm_set(event, time, payload).unwrap_or(TimerId::NONE)
    }

    /// As [`Kernel::delay`]: one timer of this name, put off anew.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::time::Duration;
    ///
    /// Session::build(0_u32)
    ///     .on_start(|cx| cx.yield_event("input", 1_u32))
    ///     .on("input", |cx, n: u32| {
    ///         cx.delay("idle for too long", Duration::from_secs(60), ());
    ///         if n < 5 {
    ///             cx.delay_set("input", Duration::from_secs(50), n + 1);
    ///         }
    ///     })
    ///     .on("idle for too long", |cx, ()| *cx.heap += 1)
    ///     .on_stop(|cx| assert_eq!(*cx.heap, 1))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn delay<P: 'static>(
        &self,
        event: impl EventFor<P>,
        after: Duration,
        payload: P,
    ) -> TimerId {
        self.kernel.delay(event, after, payload).unwrap_or(TimerId::NONE)
    }

    /// As [`Kernel::delay_set`] (POE: `delay_add`, `delay_set`).
    #[track_caller]
    pub fn delay_set<P: 'static>(
        &self,
        event: impl EventFor<P>,
        after: Duration,
        payload: P,
    ) -> TimerId {
        self.kernel.delay_set(event, after, payload).unwrap_or(TimerId::NONE)
    }

    /// As [`Kernel::alarm_clear`].
    pub fn alarm_clear(&self, event: impl Into<Name>) -> Vec<Alarm> {
        self.kernel.alarm_clear(event)
    }

    /// As [`Kernel::alarm_adjust`].
    ///
    /// # Errors
    ///
    /// [`TimerError`] when the timer is gone, or another session's.
    pub fn alarm_adjust(&self, timer: TimerId, shift: Shift) -> Result<SystemTime, TimerError> {
        self.kernel.alarm_adjust(timer, shift)
    }

    /// As [`Kernel::delay_adjust`].
    ///
    /// # Errors
    ///
    /// [`TimerError`] when the timer is gone, or another session's.
    pub fn delay_adjust(&self, timer: TimerId, after: Duration) -> Result<SystemTime, TimerError> {
        self.kernel.delay_adjust(timer, after)
    }

    /// As [`Kernel::alarm_remove`].
    ///
    /// # Errors
    ///
    /// [`TimerError`] when the timer is gone, or another session's.
    pub fn alarm_remove(&self, timer: TimerId) -> Result<Alarm, TimerError> {
        self.kernel.alarm_remove(timer)
    }

    /// As [`Kernel::alarm_remove_all`].
    pub fn alarm_remove_all(&self) -> Vec<Alarm> {
        self.kernel.alarm_remove_all()
    }

    /// As [`Kernel::alias_set`].
    ///
    /// # Errors
    ///
    /// [`AliasError::InUse`] when another session has it.
    #[track_caller]
    pub fn alias_set(&self, alias: impl AsRef<str>) -> Result<(), AliasError> {
        self.kernel.alias_set(alias)
    }

    /// As [`Kernel::alias_remove`].
    ///
    /// # Errors
    ///
    /// [`AliasError`] when this session does not have it.
    pub fn alias_remove(&self, alias: impl AsRef<str>) -> Result<(), AliasError> {
        self.kernel.alias_remove(alias)
    }

    /// As [`Kernel::alias_resolve`].
    #[must_use]
    pub fn alias_resolve(&self, destination: impl Destination) -> Option<SessionId> {
        self.kernel.alias_resolve(destination)
    }

    /// The aliases of this session, sorted (POE: `alias_list`).
    #[must_use]
    pub fn alias_list(&self) -> Vec<String> {
        self.kernel.alias_list(self.session())
    }

    /// As [`Kernel::select_read`].
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use std::rc::Rc;
    ///
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// theirs.write_all(b"hello")?;
    /// drop(theirs);
    /// Session::build(Rc::new(ours))
    ///     .on_start(|cx| cx.select_read(&cx.heap, "readable"))
    ///     .on("readable", |cx, ready: Ready<UnixStream>| -> HandlerResult {
    ///         let mut bytes = [0; 100];
    ///         match (&*ready.handle).read(&mut bytes)? {
    ///             0 => cx.select_end(&ready.handle, Mode::Read),
    ///             count => assert_eq!(&bytes[..count], b"hello"),
    ///         }
    ///         Ok(())
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`WatchError`] when the operating system will not have the handle watched.
    #[track_caller]
    pub fn select_read<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        event: impl EventFor<Ready<T>>,
    ) -> Result<(), WatchError> {
        self.kernel.select_read(handle, event)
    }

    /// As [`Kernel::select_write`].
    ///
    /// # Errors
    ///
    /// [`WatchError`] when the operating system will not have the handle watched.
    #[track_caller]
    pub fn select_write<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        event: impl EventFor<Ready<T>>,
    ) -> Result<(), WatchError> {
        self.kernel.select_write(handle, event)
    }

    /// As [`Kernel::select_expedite`].
    ///
    /// # Errors
    ///
    /// [`WatchError`] when the operating system will not have the handle watched.
    #[track_caller]
    pub fn select_expedite<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        event: impl EventFor<Ready<T>>,
    ) -> Result<(), WatchError> {
        self.kernel.select_expedite(handle, event)
    }

    /// As [`Kernel::select_with`].
    ///
    /// # Errors
    ///
    /// [`WatchError`] when the operating system will not have the handle watched.
    #[track_caller]
    pub fn select_with<T: AsFd + 'static, A: Clone + 'static>(
        &self,
        handle: &Rc<T>,
        mode: Mode,
        event: impl EventFor<Ready<T, A>>,
        args: A,
    ) -> Result<(), WatchError> {
        self.kernel.select_with(handle, mode, event, args)
    }

    /// As [`Kernel::select`].
    ///
    /// # Errors
    ///
    /// [`WatchError`] when the operating system will not have the handle watched.
    #[track_caller]
    pub fn select<T: AsFd + 'static>(
        &self,
        handle: &Rc<T>,
        read: Option<Name>,
        write: Option<Name>,
        expedite: Option<Name>,
    ) -> Result<(), WatchError> {
        self.kernel.select(handle, read, write, expedite)
    }

    /// As [`Kernel::select_end`].
    pub fn select_end<T: AsFd>(&self, handle: &Rc<T>, mode: Mode) {
        self.kernel.select_end(handle, mode);
    }

    /// As [`Kernel::select_pause`].
    pub fn select_pause<T: AsFd>(&self, handle: &Rc<T>, mode: Mode) -> bool {
        self.kernel.select_pause(handle, mode)
    }

    /// As [`Kernel::select_resume`].
    pub fn select_resume<T: AsFd>(&self, handle: &Rc<T>, mode: Mode) -> bool {
        self.kernel.select_resume(handle, mode)
    }

    /// As [`Kernel::refcount_increment`].
    ///
    /// # Errors
    ///
    /// [`RefcountError::NoSession`].
    #[track_caller]
    pub fn refcount_increment(
        &self,
        session: SessionId,
        tag: impl Into<Name>,
    ) -> Result<u32, RefcountError> {
        self.kernel.refcount_increment(session, tag)
    }

    /// As [`Kernel::refcount_decrement`].
    ///
    /// # Errors
    ///
    /// [`RefcountError`] when there is no such session, or nothing to give back.
    pub fn refcount_decrement(
        &self,
        session: SessionId,
        tag: impl Into<Name>,
    ) -> Result<u32, RefcountError> {
        self.kernel.refcount_decrement(session, tag)
    }

    /// As [`Kernel::detach_myself`].
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// Session::build(())
    ///     .on_start(|cx| {
    ///         Session::build(()).on_start(|cx| cx.detach_myself()).spawn(&mut *cx)?;
    ///         assert!(cx.kernel.children(cx.session()).is_empty());
    ///         HandlerResult::Ok(())
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DetachError`] when the session is at the top already.
    #[track_caller]
    pub fn detach_myself(&mut self) -> Result<(), DetachError> {
        self.heap.release();
        let result = self.kernel.detach_myself();
        self.take_heap();
        result
    }

    /// As [`Kernel::detach_child`].
    ///
    /// # Errors
    ///
    /// [`DetachError`] when there is no such child.
    #[track_caller]
    pub fn detach_child(&mut self, child: impl Destination) -> Result<(), DetachError> {
        self.heap.release();
        let result = self.kernel.detach_child(child);
        self.take_heap();
        result
    }

    /// As [`Kernel::stop`].
    #[track_caller]
    pub fn stop(&mut self) {
        self.heap.release();
        self.kernel.stop();
        self.take_heap();
    }

    /// Has another thread do what would hold up this one, and sends this session the result; as [`Kernel::blocking`].
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let kernel = Kernel::new()?;
    /// Session::build(())
    ///     .on_start(|cx| cx.blocking(|| (1..=20_u64).product::<u64>(), "product"))
    ///     .on("product", |_, product: Result<u64, BlockingError>| -> HandlerResult {
    ///         assert_eq!(product?, 2_432_902_008_176_640_000);
    ///         Ok(())
    ///     })
    ///     .spawn(&kernel)?;
    /// kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`BlockingRefused`] gives the work back.
    #[track_caller]
    pub fn blocking<F, T>(
        &self,
        work: F,
        event: impl EventFor<Result<T, BlockingError>>,
    ) -> Result<(), BlockingRefused<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.kernel.blocking(work, event)
    }

    /// As [`Kernel::blocking_wait`].
    ///
    /// # Errors
    ///
    /// [`BlockingRefused`] gives the work back.
    #[track_caller]
    pub fn blocking_wait<F, T>(
        &self,
        work: F,
        event: impl EventFor<Result<T, BlockingError>>,
    ) -> Result<(), BlockingRefused<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.kernel.blocking_wait(work, event)
    }

    /// Something that posts to this session from any thread, and keeps it alive meanwhile; as [`Kernel::poster_for`].
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let kernel = Kernel::new()?;
    /// Session::build(0_u64)
    ///     .on_start(|cx| {
    ///         let poster = cx.poster();
    ///         std::thread::spawn(move || {
    ///             for n in 1..=100_u64 {
    ///                 poster.post("add", n).expect("a kernel that waits for this");
    ///             }
    ///         });
    ///     })
    ///     .on("add", |cx, n: u64| *cx.heap += n)
    ///     .on_stop(|cx| assert_eq!(*cx.heap, 5050))
    ///     .spawn(&kernel)?;
    /// kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn poster(&self) -> SessionPoster {
        self.kernel.poster_for(self.session())
    }

    /// Something that anyone can invoke to post this session an event (POE: `postback`).
    ///
    /// The event carries `(created, invoked)`: what is given here, and what is given then. The postback keeps the session
    /// alive until it is dropped or weakened.
    #[track_caller]
    pub fn postback<C: Clone + 'static, A: 'static>(
        &self,
        event: impl EventFor<(C, A)>,
        created: C,
    ) -> Postback<C, A> {
        Postback::new(self.kernel, self.session(), event.name(), created)
    }

    /// Something that anyone can invoke to call this session (POE: `callback`); as [`Cx::postback`], but the handler runs
    /// at once and its reply comes back.
    #[track_caller]
    pub fn callback<C: Clone + 'static, A: 'static, R: 'static>(
        &self,
        event: impl EventFor<(C, A)>,
        created: C,
    ) -> Callback<C, A, R> {
        Callback::new(self.kernel, self.session(), event.name(), created)
    }

    pub(crate) fn take_heap(&mut self) {
        self.heap = Heap::new(self.body.heap.borrow_mut());
    }
}

impl<H: fmt::Debug, K: Kind> fmt::Debug for Cx<'_, H, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx")
            .field("session", &self.envelope.session)
            .field("sender", &self.envelope.sender)
            .field("event", &self.envelope.event)
            .field("heap", &*self.heap)
            .finish_non_exhaustive()
    }
}
