//! Child processes: who asked for which, and how they are told of its end.

use std::fmt;
use std::panic::Location;
use std::process::ExitStatus;
use std::rc::Rc;

use super::claims;
use super::process::{Process, zombie};
use crate::hash::IdMap;
use crate::queue::Kind;
use crate::sessions::table::Hold;
use crate::trace::trace;
use crate::{
    Asserts, Caller, EventFor, Kernel, Mode, Name, NoActiveSession, Payload, SessionId,
    SignalError, Watch, WatchId,
};

/// How a child process ended: the payload of the event that [`Kernel::sig_child`] asks for (POE: `ARG1` and on), and what
/// a [`Signal`](crate::Signal) of name `CHLD` carries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildExit<A = ()> {
    /// The child's process id, which by now may be another's.
    pub pid: u32,
    /// How it ended (POE: `$?`, which [`ExitStatusExt::into_raw`](std::os::unix::process::ExitStatusExt::into_raw) makes of
    /// it). `None` if others waited for it, so that nobody can tell any more.
    pub status: Option<ExitStatus>,
    /// What was given to [`Kernel::sig_child`].
    pub args: A,
}

impl<A> ChildExit<A> {
    /// Whether the child is known to have ended as it should.
    #[must_use]
    pub fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// Something that wants to know how a child process ended: the part of a wheel that the kernel calls.
///
/// It runs with its session active, outside any handler, as a [`Watch`] does, and a panic in it is a death of the session,
/// with the event `_ready`.
pub trait WatchChild {
    /// The child has ended, and was waited for.
    fn child_ended(&self, kernel: &Kernel, exit: ChildExit);
}

/// The children that sessions have asked for.
#[derive(Debug, Default)]
pub(crate) struct Children {
    awaited: IdMap<u32, Awaited>,
    /// Sessions that wait, each counted for every child of its own.
    asked: usize,
    /// Children whose end nothing but `SIGCHLD` tells of.
    by_signal: usize,
    use_sigchld: bool,
}

/// A child that is waited for, by nobody if those who asked have stopped.
#[derive(Debug)]
struct Awaited {
    process: Process,
    watch: Option<WatchId>,
    /// Where it was first asked for.
    first: Caller,
    asked: Vec<Asked>,
}

struct Asked {
    session: SessionId,
    caller: Caller,
    whom: Whom,
}

/// Who is told.
enum Whom {
    /// The session, by an event, whose payload this makes.
    Session(Name, Box<dyn FnOnce(u32, Option<ExitStatus>) -> Payload>),
    Wheel(Rc<dyn WatchChild>),
}

impl Asked {
    fn is_session(&self, session: SessionId) -> bool {
        self.session == session && matches!(self.whom, Whom::Session(..))
    }

    fn is_wheel(&self, target: &Rc<dyn WatchChild>) -> bool {
        matches!(&self.whom, Whom::Wheel(wheel) if Rc::as_ptr(wheel).addr() == Rc::as_ptr(target).addr())
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut asked = f.debug_struct("Asked");
        asked.field("session", &self.session);
        if let Whom::Session(event, _) = &self.whom {
            asked.field("event", event);
        }
        asked.finish()
    }
}

impl Children {
    pub(crate) fn new(use_sigchld: bool) -> Self {
        let mut children = Self::default();
        children.use_sigchld = use_sigchld;
        children
    }

    /// Whether any session waits for a child.
    pub(super) fn is_awaited(&self) -> bool {
        self.asked > 0
    }

    pub(super) fn need_sigchld(&self) -> bool {
        self.by_signal > 0
    }

    /// Who waits for which child, and since where.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, SessionId, Caller)> {
        let awaited = self.awaited.iter();
        awaited.flat_map(|(&pid, child)| {
            child.asked.iter().map(move |one| (pid, one.session, one.caller))
        })
    }

    /// The children of sessions that have stopped since they asked, and where they did.
    pub(crate) fn abandoned(&self) -> impl Iterator<Item = (u32, Caller)> {
        let abandoned = self.awaited.iter().filter(|(_, child)| child.asked.is_empty());
        abandoned.map(|(&pid, child)| (pid, child.first))
    }

    /// Enters who asks; what the same session asked before is given back.
    fn ask(&mut self, pid: u32, asked: Asked) -> Option<Asked> {
        let list = &mut self.awaited.get_mut(&pid)?.asked;
        if matches!(asked.whom, Whom::Session(..))
            && let Some(same) = list.iter_mut().find(|one| one.is_session(asked.session))
        {
            return Some(std::mem::replace(same, asked));
        }
        list.push(asked);
        self.asked += 1;
        None
    }

    /// What somebody asked of a child, and no longer wants to know.
    fn withdraw(&mut self, pid: u32, which: impl Fn(&Asked) -> bool) -> Option<Asked> {
        let list = &mut self.awaited.get_mut(&pid)?.asked;
        let position = list.iter().position(which)?;
        self.asked -= 1;
        Some(list.remove(position))
    }

    fn remove(&mut self, pid: u32) -> Option<Awaited> {
        let child = self.awaited.remove(&pid)?;
        self.asked -= child.asked.len();
        if child.watch.is_none() {
            self.by_signal -= 1;
        }
        Some(child)
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for (&pid, child) in &self.awaited {
            claims::release(pid, &child.process);
        }
    }
}

/// How a child ended, as a person is told.
struct Told(Option<ExitStatus>);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(status) => write!(f, "ended with {status}"),
            None => f.write_str("was waited for by others"),
        }
    }
}

/// A child whose descriptor is watched.
struct Ended(u32);

impl Watch for Ended {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        kernel.look_after(self.0);
    }
}

impl Kernel {
    /// Has the active session sent an event when a child process ends (POE: `sig_child`); its payload is a [`ChildExit`]
    /// with `args` in it.
    ///
    /// From here on the kernel waits for the child, so that nobody else may: a `std::process::Child` is good for its pipes
    /// only. It does not matter whether the child has ended already, as nobody has waited for it then. The session and
    /// the kernel are alive until the event has come, once. Asking again replaces the event; several sessions, and
    /// several kernels of the process, may ask for one child, and each is told. After the events the signal `CHLD` goes
    /// to every session that watches it, with the [`ChildExit`] in it.
    ///
    /// Only children that were asked for are ever waited for, each by its own pid. On Linux each takes a descriptor
    /// (`pidfd`), and its end is an ordinary readiness; elsewhere, or when descriptors run out, they are looked after when
    /// `SIGCHLD` comes. A child whose session has stopped is still waited for, so that it does not stay a zombie.
    ///
    /// ```
    /// # use std::cell::Cell;
    /// # use std::rc::Rc;
    /// # use poe_kernel::{Delivery, Dispatch, Failure, Kernel, Outcome, take};
    /// use std::process::Command;
    /// use poe_kernel::ChildExit;
    ///
    /// # #[derive(Default)]
    /// # struct Parent(Cell<bool>);
    /// impl Dispatch for Parent {
    ///     fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
    ///         let kernel = delivery.kernel;
    ///         match delivery.event.as_str() {
    ///             "_start" => {
    ///                 let child = Command::new("sh").args(["-c", "exit 5"]).spawn();
    ///                 let child = child.map_err(|error| Failure::Error(error.into()))?;
    ///                 let asked = kernel.sig_child(child.id(), "ended", "some work");
    ///                 asked.map_err(|error| Failure::Error(error.into()))?;
    ///             }
    ///             "ended" => {
    ///                 let exit: Option<ChildExit<&str>> = take(delivery.payload);
    ///                 let exit = exit.ok_or(Failure::WrongPayload { expected: "ChildExit" })?;
    ///                 assert_eq!(exit.status.and_then(|status| status.code()), Some(5));
    ///                 assert_eq!(exit.args, "some work");
    /// #               self.0.set(true);
    ///             }
    ///             _ => {}
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// # let parent = Rc::new(Parent::default());
    /// # kernel.session_alloc(parent.clone(), ())?;
    /// # kernel.run()?;
    /// # assert!(parent.0.get());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SignalError::NotAChild`] when this process has no such child: it is somebody else's, or was waited for already
    /// (POE is silent, and the event never comes). [`SignalError`] outside a handler, when the active session has stopped, or when the operating system has
    /// neither a descriptor for the child nor a handler for `SIGCHLD`.
    #[track_caller]
    pub fn sig_child<A: 'static>(
        &self,
        pid: u32,
        event: impl EventFor<ChildExit<A>>,
        args: A,
    ) -> Result<(), SignalError> {
        let (event, session) = (event.name(), self.active_session());
        let caller = Caller::new(self.place(), self.active_event());
        if session.is_kernel() {
            let error = Err(NoActiveSession("sig_child").into());
            return self.returned("sig_child", Asserts::USAGE, error);
        }
        if !self.is_live(session) {
            return self.returned("sig_child", Asserts::USAGE, Err(SignalError::Stopped(session)));
        }
        let report = move |pid, status| Payload::new(ChildExit { pid, status, args });
        let whom = Whom::Session(event, Box::new(report));
        let asked = self.ask_for_child(pid, Asked { session, caller, whom });
        self.returned("sig_child", Asserts::RETVALS, asked)?;
        trace!(
            self,
            SIGNALS, session, "child process {pid} asked for by session {session} as {event:?}"
        );
        Ok(())
    }

    /// No longer has the active session told of a child's end (POE: `sig_child` without an event). If no other session
    /// of this kernel has asked for the child, it is left to others to wait for it. A child that was not asked for is no
    /// error.
    ///
    /// ```
    /// # use std::rc::Rc;
    /// # use poe_kernel::{BoxError, Delivery, Dispatch, Failure, Kernel, Outcome};
    /// # struct Parent;
    /// # impl Parent {
    /// #     fn start(kernel: &Kernel) -> Result<(), BoxError> {
    /// let mut child = std::process::Command::new("true").spawn()?;
    /// kernel.sig_child(child.id(), "ended", ())?;
    /// kernel.sig_child_ignore(child.id());
    /// assert!(child.wait()?.success()); // Nobody else has waited for it.
    /// #         Ok(())
    /// #     }
    /// # }
    /// # impl Dispatch for Parent {
    /// #     fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
    /// #         match delivery.event.as_str() {
    /// #             "_start" => Ok(Self::start(delivery.kernel).map_err(Failure::Error)?),
    /// #             _ => Err(Failure::Unhandled.into()),
    /// #         }
    /// #     }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// # kernel.session_alloc(Rc::new(Parent), ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sig_child_ignore(&self, pid: u32) {
        self.is_misused("sig_child_ignore");
        let session = self.active_session();
        trace!(
            self,
            SIGNALS, session, "child process {pid} no longer asked for by session {session}"
        );
        let (withdrawn, child) = {
            let children = &mut self.inner.signals.borrow_mut().children;
            let withdrawn = children.withdraw(pid, |asked| asked.is_session(session));
            let is_last = withdrawn.is_some() && children.awaited[&pid].asked.is_empty();
            (withdrawn, is_last.then(|| children.remove(pid)).flatten())
        };
        if let Some(child) = child {
            claims::release(pid, &child.process);
            self.end_child_watch(&child);
        }
        if withdrawn.is_some() {
            self.release_process(session, pid, Location::caller());
        }
    }

    /// Has `target` called for a session when a child process ends, instead of sending an event; what wheels are made of.
    ///
    /// As [`Self::sig_child`], but that there may be any number of these for one child and session.
    ///
    /// # Errors
    ///
    /// Those of [`Self::sig_child`].
    #[track_caller]
    pub fn watch_child(
        &self,
        session: SessionId,
        pid: u32,
        target: Rc<dyn WatchChild>,
    ) -> Result<(), SignalError> {
        if session.is_kernel() || !self.is_live(session) {
            return Err(NoActiveSession("watch_child").into());
        }
        let caller = Caller::new(self.place(), self.active_event());
        self.ask_for_child(pid, Asked { session, caller, whom: Whom::Wheel(target) })
    }

    /// Ends a [`Self::watch_child`]. The child is waited for nonetheless, so that it does not stay a zombie. A watch that has
    /// ended already is no error.
    #[track_caller]
    pub fn unwatch_child(&self, pid: u32, target: &Rc<dyn WatchChild>) {
        let withdrawn = {
            let children = &mut self.inner.signals.borrow_mut().children;
            children.withdraw(pid, |asked| asked.is_wheel(target))
        };
        if let Some(asked) = withdrawn {
            self.release_process(asked.session, pid, Location::caller());
        }
    }

    /// Lets go of a session that waits for a child no more.
    fn release_process(&self, session: SessionId, pid: u32, at: &'static Location<'static>) {
        self.inner.sessions.borrow_mut().release(session, Hold::Process);
        trace!(self, REFCNT, session, at at, "- child process {pid} of session {session}");
    }

    /// Withdraws all that a stopped session asked. Its children are waited for nonetheless.
    pub(crate) fn forget_children(&self, session: SessionId) {
        let withdrawn: Vec<Asked> = {
            let children = &mut self.inner.signals.borrow_mut().children;
            let pids = children.iter().filter(|&(_, one, _)| one == session);
            let pids: Vec<u32> = pids.map(|(pid, ..)| pid).collect();
            let withdraw = |pid| children.withdraw(pid, |asked| asked.session == session);
            pids.into_iter().filter_map(withdraw).collect()
        };
        drop(withdrawn);
    }

    /// Waits for none of them any more, because they are those of a parent process.
    pub(crate) fn disown_children(&self) {
        let awaited = std::mem::take(&mut self.inner.signals.borrow_mut().children.awaited);
        {
            let children = &mut self.inner.signals.borrow_mut().children;
            (children.asked, children.by_signal) = (0, 0);
        }
        for (&pid, child) in &awaited {
            self.end_child_watch(child);
            for asked in &child.asked {
                self.release_process(asked.session, pid, asked.caller.location);
            }
        }
    }

    /// `SIGCHLD` has come: looks after the children that only it tells of, and tells those sessions that watch `CHLD` if
    /// some other child has ended.
    pub(super) fn sigchld(&self, chld: Name) {
        if self.inner.signals.borrow().children.need_sigchld() {
            self.look_after_all(|child| child.watch.is_none());
        }
        let is_watched = self.inner.signals.borrow().watches.contains_key(&chld);
        if is_watched && self.has_another_ended() {
            self.signal_all(chld);
        }
    }

    /// Whether a child has ended that this kernel was not asked for. Those that it was are looked after on the way, and so
    /// are not found again.
    fn has_another_ended(&self) -> bool {
        while let Some(one) = zombie() {
            match one.pid {
                Some(pid) if self.awaits_child(pid) => self.look_after(pid),
                Some(_) => return true,
                None => {
                    self.look_after_all(|_| true);
                    return zombie().is_some();
                }
            }
        }
        false
    }

    fn awaits_child(&self, pid: u32) -> bool {
        self.inner.signals.borrow().children.awaited.contains_key(&pid)
    }

    fn look_after_all(&self, which: impl Fn(&Awaited) -> bool) {
        let pids: Vec<u32> = {
            let children = &self.inner.signals.borrow().children;
            let which = children.awaited.iter().filter(|(_, child)| which(child));
            which.map(|(&pid, _)| pid).collect()
        };
        pids.into_iter().for_each(|pid| self.look_after(pid));
    }

    /// Waits for a child, on behalf of one more who wants to know.
    #[track_caller]
    fn ask_for_child(&self, pid: u32, asked: Asked) -> Result<(), SignalError> {
        if !self.awaits_child(pid) {
            self.await_child(pid, asked.caller)?;
        }
        let (session, at) = (asked.session, asked.caller.location);
        let replaced = self.inner.signals.borrow_mut().children.ask(pid, asked);
        if replaced.is_none() {
            self.inner.sessions.borrow_mut().hold(session, Hold::Process);
            trace!(self, REFCNT, session, at at, "+ child process {pid} of session {session}");
        }
        Ok(())
    }

    /// Begins to wait for a child.
    fn await_child(&self, pid: u32, first: Caller) -> Result<(), SignalError> {
        let process = Process::open(pid).map_err(|_| SignalError::NotAChild { pid })?;
        let use_sigchld = self.inner.signals.borrow().children.use_sigchld;
        let watch = match &process.descriptor {
            Some(descriptor) if !use_sigchld => {
                self.watch_internally(descriptor, Rc::new(Ended(pid))).ok()
            }
            _ => None,
        };
        if watch.is_none() {
            self.expect_sigchld()?;
        }
        claims::claim(pid);
        let children = &mut self.inner.signals.borrow_mut().children;
        if watch.is_none() {
            children.by_signal += 1;
        }
        children.awaited.insert(pid, Awaited { process, watch, first, asked: Vec::new() });
        Ok(())
    }

    /// Tells those who asked for a child that it has ended, if it has.
    fn look_after(&self, pid: u32) {
        let process = {
            let children = &self.inner.signals.borrow().children;
            let Some(child) = children.awaited.get(&pid) else { return };
            child.process.clone()
        };
        let status = match claims::wait(pid, &process) {
            Ok(None) => return,
            Ok(status) => status,
            // Somebody else has waited for it.
            Err(_) => None,
        };
        let child = self.inner.signals.borrow_mut().children.remove(pid);
        let Some(child) = child else { return };
        self.end_child_watch(&child);
        let root = SessionId::KERNEL;
        let mut wheels = Vec::new();
        for Asked { session, caller, whom } in child.asked {
            let (at, how) = (caller.location, Told(status));
            match whom {
                Whom::Session(event, report) => {
                    trace!(self, SIGNALS, session, at at, "child process {pid} {how}, told session {session} as {event:?}");
                    self.enqueue(Kind::Post, session, root, event, caller, report(pid, status));
                    self.release_process(session, pid, at);
                }
                Whom::Wheel(target) => {
                    trace!(self, SIGNALS, session, at at, "child process {pid} {how}, told a wheel of session {session}");
                    wheels.push((session, at, target));
                }
            }
        }
        let exit = ChildExit { pid, status, args: () };
        let args = Payload::new(exit.clone());
        self.enqueue(Kind::Signal, root, root, Name::new("CHLD"), self.caller(), args);
        for (session, at, target) in wheels {
            let told = || target.child_ended(self, exit.clone());
            self.run_part(session, self.inner.names.ready, told);
            self.release_process(session, pid, at);
        }
    }

    fn end_child_watch(&self, child: &Awaited) {
        match child.watch {
            Some(watch) => self.unwatch(watch),
            None => self.release_os_signal(Name::new("CHLD")),
        }
    }
}
