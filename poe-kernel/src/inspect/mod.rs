//! The kernel asked about itself: one snapshot of all it holds.

mod dot;
mod tree;

use std::panic::Location;
use std::time::{Duration, SystemTime};

use crate::hash::IdMap;
use crate::queue::Queued;
use crate::sessions::table::Hold;
use crate::{
    Asserts, EventMeter, Kernel, KernelId, Mode, Name, Priority, Profile, Reason, ReasonCause,
    SessionId, SessionOption, TimerId, Traces,
};

type Place = &'static Location<'static>;

/// All that a kernel holds at one moment, as [`Kernel::inspect`] finds it.
///
/// `Display` prints it as a tree for a person, [`Inspection::to_dot`] as a graph for Graphviz, and with the feature
/// `serde` it can be serialized. It is a copy: the kernel may go on.
///
/// What POE::API::Peek looks up piece by piece is found here so:
///
/// | POE::API::Peek | here |
/// |---|---|
/// | `id`, `which_loop`, `is_kernel_running`, `active_event`, `current_session` | the fields of this struct |
/// | `kernel_memory_size`, `session_memory_size` | [`memory`](Self::memory), [`SessionInfo::memory`] |
/// | `session_list`, `session_count` | [`sessions`](Self::sessions), which does not count the kernel |
/// | `resolve_session_to_ref`, `resolve_session_to_id` | a [`SessionId`] is both; [`Kernel::session_by_number`] |
/// | `get_session_parent`, `get_session_children`, `is_session_child` | [`SessionInfo::parent`], [`children`](SessionInfo::children) |
/// | `get_session_refcount` | [`SessionInfo::references`] |
/// | `session_event_list`, `event_list` | [`SessionInfo::handlers`] |
/// | `session_alias_list`, `session_alias_count`, `resolve_alias` | [`SessionInfo::aliases`], [`Kernel::alias_resolve`] |
/// | `session_id_loggable` | `Display` of a [`SessionInfo`] |
/// | `event_queue`, `event_queue_dump`, `event_count_to`, `event_count_from` | [`queue`](Self::queue), [`timers`](Self::timers), [`SessionInfo::holds`] |
/// | `extref_count`, `get_session_extref_count` | [`SessionInfo::holds`], and by tag in [`reasons`](SessionInfo::reasons) |
/// | `handle_count`, `session_handle_count`, `is_handle_tracked` | [`watches`](Self::watches) |
/// | `session_pid_count` | [`Holds::processes`] |
/// | `signal_watchers`, `signals_watched_by_session`, `is_signal_watched`, `is_signal_watched_by_session` | [`signals`](Self::signals), [`Kernel::signals_watched_by`] |
/// | `get_signal_type` | [`Kernel::signal_class`] |
/// | `get_safe_signals` | none: any name may be watched, and [`Kernel::sig`] fails for what the system will not have caught |
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Inspection {
    /// The kernel's identity.
    pub id: KernelId,
    /// The name of its event loop.
    pub event_loop: &'static str,
    /// The kernel's time.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialize::time"))]
    pub time: SystemTime,
    /// How long the kernel has been there.
    pub age: Duration,
    /// Whether `run` is on the stack.
    pub running: bool,
    /// The session whose handler runs.
    pub active_session: SessionId,
    /// The event that is being handled.
    pub active_event: Option<Name>,
    /// Turns made.
    pub turns: u64,
    /// Events dispatched from the queue in these turns, timers included; calls and ready handles are not.
    pub dispatched: u64,
    /// The traces that are on.
    pub traces: Traces,
    /// The assertions that are on.
    pub asserts: Asserts,
    /// Bytes that the kernel's own tables take, more or less, and those of the [names](Name) of its process, which all
    /// kernels share.
    pub memory: usize,
    /// The sessions: each after its parent, first created first.
    pub sessions: Vec<SessionInfo>,
    /// The events that are queued, in the order in which they will be dispatched.
    pub queue: Vec<QueuedEvent>,
    /// The timers, in the order in which they are due: soonest first, of equals the one that was set first.
    pub timers: Vec<PendingTimer>,
    /// The handles that are watched.
    pub watches: Vec<WatchInfo>,
    /// The signals that are watched.
    pub signals: Vec<SignalInfo>,
    /// What events cost, if that is measured.
    pub profile: Option<Profile>,
}

/// One session of a snapshot; `Display` is its number with its aliases, as `3 (logger, log)`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SessionInfo {
    /// The session.
    pub session: SessionId,
    /// Its parent.
    pub parent: SessionId,
    /// Its children, first created first.
    pub children: Vec<SessionId>,
    /// What kind of session it is: the type of its heap.
    pub type_name: &'static str,
    /// The state that it is in, if it is a machine of states.
    pub state: Option<Name>,
    /// Where it was created.
    #[cfg_attr(feature = "serde", serde(serialize_with = "place"))]
    pub created: Place,
    /// Its aliases, sorted.
    pub aliases: Vec<String>,
    /// The names of the events it has handlers for.
    pub handlers: Vec<Name>,
    /// The options it has on.
    pub options: Vec<SessionOption>,
    /// Why it is alive, counted by cause.
    pub holds: Holds,
    /// Why it is alive: each reason but for the events that are being handled, which [`Holds::handling`] counts.
    pub reasons: Vec<Reason>,
    /// Bytes it takes without what its heap points to.
    pub memory: usize,
    /// What its events cost, if that is measured; what took longest in all comes first.
    pub events: Vec<EventMeter>,
}

impl SessionInfo {
    /// How many references it has in all (POE: the reference count of the session).
    #[must_use]
    pub fn references(&self) -> u32 {
        let Holds { events_to, events_from, aliases, handles, tags, processes, .. } = self.holds;
        let held = events_to + events_from + aliases + handles + tags + processes;
        held + self.children.len() as u32
    }
}

/// What keeps a session alive, counted by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Holds {
    /// Events queued to it, and its timers, those that are being handled among them.
    pub events_to: u32,
    /// Events of its own queued to others, those that are being handled among them.
    pub events_from: u32,
    /// How many of both are being handled: they hold it until their handlers have returned.
    pub handling: u32,
    /// Aliases.
    pub aliases: u32,
    /// Watches of handles.
    pub handles: u32,
    /// Tags of extra references.
    pub tags: u32,
    /// Child processes that it waits for.
    pub processes: u32,
}

/// What an event in the queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum QueuedKind {
    /// An event that somebody posted.
    Post,
    /// A signal.
    Signal,
    /// What keeps a new session alive until the queue has reached it.
    Newborn,
}

/// One event in the queue.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct QueuedEvent {
    /// Its number; no two events of a kernel have the same.
    pub sequence: u64,
    /// What it is.
    pub kind: QueuedKind,
    /// Its priority.
    pub priority: Priority,
    /// Its name.
    pub event: Name,
    /// Who it is for.
    pub session: SessionId,
    /// Who sent it.
    pub sender: SessionId,
    /// The type of its payload.
    pub payload: &'static str,
    /// How long it has waited.
    pub waiting: Duration,
    /// Where it was sent.
    #[cfg_attr(feature = "serde", serde(serialize_with = "place"))]
    pub sent: Place,
}

/// One timer that is set.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PendingTimer {
    /// The timer.
    pub timer: TimerId,
    /// The event it sends.
    pub event: Name,
    /// Whose it is.
    pub session: SessionId,
    /// The type of the event's payload.
    pub payload: &'static str,
    /// When it is due.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialize::time"))]
    pub due: SystemTime,
    /// Where it was set.
    #[cfg_attr(feature = "serde", serde(serialize_with = "place"))]
    pub set: Place,
}

/// One watch of a handle.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WatchInfo {
    /// Whose it is.
    pub session: SessionId,
    /// The handle's descriptor.
    pub descriptor: i32,
    /// What for.
    pub mode: Mode,
    /// Whether it is held back.
    pub paused: bool,
    /// Where it began.
    #[cfg_attr(feature = "serde", serde(serialize_with = "place"))]
    pub since: Place,
}

/// One watch of a signal.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SignalInfo {
    /// The signal's name, without `SIG`.
    pub signal: Name,
    /// Whose watch it is.
    pub session: SessionId,
    /// The event that the signal is sent as.
    pub event: Name,
    /// Where it began.
    #[cfg_attr(feature = "serde", serde(serialize_with = "place"))]
    pub since: Place,
}

impl Kernel {
    /// A snapshot of all that the kernel holds (POE::API::Peek).
    ///
    /// It looks at everything there is; nothing is kept for it meanwhile. It may be taken in a handler.
    ///
    /// ```
    /// # use poe_kernel::{Delivery, Dispatch, Kernel, Outcome};
    /// # struct Mute;
    /// # impl Dispatch for Mute {
    /// #     fn dispatch(&self, _: Delivery<'_>) -> Outcome { Ok(()) }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let kernel = Kernel::new()?;
    /// let session = kernel.session_alloc(std::rc::Rc::new(Mute), ())?;
    /// kernel.refcount_increment(session, "download")?;
    /// kernel.post(session, "progress", 40_u32)?;
    ///
    /// let inspection = kernel.inspect();
    /// let info = inspection.session(session).ok_or("it is alive")?;
    /// assert_eq!((info.holds.tags, info.reasons.len()), (1, 3));
    /// assert_eq!(inspection.queue[1].payload, "u32");
    /// assert!(inspection.to_string().contains("1 references tagged \"download\""));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn inspect(&self) -> Inspection {
        let inner = &*self.inner;
        let mut reasons: IdMap<SessionId, Vec<Reason>> = IdMap::default();
        for reason in self.why_alive(SessionId::KERNEL) {
            reasons.entry(reason.session).or_default().push(reason);
        }
        let sessions = self.below(SessionId::KERNEL);
        Inspection {
            id: self.id().clone(),
            event_loop: self.event_loop_name(),
            time: self.time(),
            age: inner.clock.since(0),
            running: inner.running.get(),
            active_session: self.active_session(),
            active_event: self.active_event(),
            turns: inner.turns.get(),
            dispatched: inner.dispatched.get(),
            traces: self.traces(),
            asserts: self.asserts(),
            memory: self.memory(),
            sessions: sessions
                .into_iter()
                .filter_map(|id| self.inspect_session(id, reasons.remove(&id).unwrap_or_default()))
                .collect(),
            queue: self.inspect_queue(),
            timers: self.inspect_timers(),
            watches: inner.handles.borrow().iter().collect(),
            signals: self.inspect_signals(),
            profile: self.profile(),
        }
    }

    fn inspect_session(&self, session: SessionId, reasons: Vec<Reason>) -> Option<SessionInfo> {
        let (parent, created, body) = {
            let sessions = self.inner.sessions.borrow();
            (sessions.parent(session)?, sessions.created(session)?, sessions.body(session)?.clone())
        };
        let held = |hold| self.inner.sessions.borrow().held(session, hold);
        let (events_to, events_from) =
            (held(Hold::EventTo) + u32::from(self.is_handed_on(session)), held(Hold::EventFrom));
        let of_event = |reason: &&Reason| {
            use ReasonCause::{EventFrom, EventTo, Timer};
            matches!(reason.cause, EventTo { .. } | EventFrom { .. } | Timer { .. })
        };
        let waiting = reasons.iter().filter(of_event).count() as u32;
        // Nothing is borrowed below: what is asked of the session may call the kernel.
        let events = {
            let measurements = self.inner.measurements.borrow();
            measurements.as_ref().map(|all| all.of_session(session)).unwrap_or_default()
        };
        Some(SessionInfo {
            session,
            parent,
            children: self.children(session),
            type_name: body.type_name(),
            state: body.state(),
            created,
            aliases: self.alias_list(session),
            handlers: body.event_names(),
            options: SessionOption::all_on(&*body),
            holds: Holds {
                events_to,
                events_from,
                handling: (events_to + events_from).saturating_sub(waiting),
                aliases: held(Hold::Alias),
                handles: held(Hold::Handle),
                tags: held(Hold::Reference),
                processes: held(Hold::Process),
            },
            reasons,
            memory: size_of_val(&*body),
            events,
        })
    }

    fn inspect_queue(&self) -> Vec<QueuedEvent> {
        let mut events = Vec::new();
        for (priority, queue) in self.inner.queues() {
            let queue = queue.borrow();
            events.extend(queue.iter().map(|event| self.inspect_event(priority, event)));
        }
        events
    }

    fn inspect_event(&self, priority: Priority, event: &Queued) -> QueuedEvent {
        QueuedEvent {
            priority,
            sequence: event.header.sequence,
            kind: event.header.kind.into(),
            event: event.header.event,
            session: event.header.session,
            sender: event.header.sender,
            payload: event.payload.type_name(),
            waiting: self.inner.clock.since(event.header.due),
            sent: event.header.location,
        }
    }

    fn inspect_timers(&self) -> Vec<PendingTimer> {
        let timers = self.inner.timers.borrow();
        let mut pending: Vec<_> = timers.iter().collect();
        pending.sort_unstable_by_key(|timer| (timer.due, timer.sequence));
        let pending = pending.into_iter().map(|timer| PendingTimer {
            timer: timer.id,
            event: timer.event,
            session: timer.session,
            payload: timer.payload,
            due: self.inner.clock.to_wall(timer.due),
            set: timer.caller.location,
        });
        pending.collect()
    }

    fn inspect_signals(&self) -> Vec<SignalInfo> {
        let signals = self.inner.signals.borrow();
        let mut watches: Vec<SignalInfo> = signals
            .iter()
            .map(|(signal, watch)| SignalInfo {
                signal,
                session: watch.session,
                event: watch.event,
                since: watch.since,
            })
            .collect();
        watches.sort_by_key(|watch| (watch.signal, watch.session));
        watches
    }

    fn memory(&self) -> usize {
        let inner = &*self.inner;
        size_of_val(inner)
            + inner.sessions.borrow().memory()
            + inner.queues().map(|(_, queue)| queue.borrow().memory()).iter().sum::<usize>()
            + inner.timers.borrow().memory()
            + inner.handles.borrow().memory()
            + Name::memory()
    }
}

impl Inspection {
    /// What there is to say of a session; `None` if it was not alive.
    #[must_use]
    pub fn session(&self, session: SessionId) -> Option<&SessionInfo> {
        self.sessions.iter().find(|info| info.session == session)
    }
}

/// A line of a program, for those who serialize.
#[cfg(feature = "serde")]
pub(crate) fn place<S: serde::Serializer>(place: &Place, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(place)
}
