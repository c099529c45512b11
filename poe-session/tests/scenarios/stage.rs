//! What the scenarios are written with, the twin of `Stage.pm`: actors are sessions that note all that happens to them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use poe_session::prelude::*;
use poe_session::{Entry, IntoOutcome, Kind};

/// What the handlers of actors get.
pub(crate) type On<'a> = Cx<'a, ()>;

/// What the handlers of machines get.
pub(crate) type In<'a> = Cx<'a, (), Machine>;

thread_local! {
    static LINES: RefCell<Vec<String>> = RefCell::default();
    static CHILDREN: RefCell<HashMap<u32, &'static str>> = RefCell::default();
    static NAMES: RefCell<HashMap<SessionId, &'static str>> = RefCell::default();
}

/// Plays a scenario, and returns its trace.
pub(crate) fn play(program: fn(&Kernel)) -> Vec<String> {
    LINES.take();
    NAMES.take();
    CHILDREN.take();
    let kernel = Kernel::builder()
        .virtual_clock(UNIX_EPOCH + Duration::from_secs(1_000_000))
        .diagnostics(|_| {})
        .build()
        .expect("no kernel");
    program(&kernel);
    run(&kernel);
    LINES.take()
}

pub(crate) fn note(line: impl Into<String>) {
    LINES.with_borrow_mut(|lines| lines.push(line.into()));
}

pub(crate) fn run(kernel: &Kernel) {
    match kernel.run() {
        Ok(()) => note("run returned"),
        Err(KernelError::Died(death)) => note(format!("run died: {}", death.cause)),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn slice(kernel: &Kernel) {
    kernel.run_one_timeslice().expect("a slice ended in a death");
}

pub(crate) fn fail(message: &str) -> HandlerResult {
    Err(message.into())
}

pub(crate) fn name(session: SessionId) -> &'static str {
    if session.is_kernel() {
        return "K";
    }
    NAMES.with_borrow(|names| names.get(&session).copied().unwrap_or("?"))
}

/// Starts a child process that traces call by a name. It is waited for by the kernel, if a session asks it to.
#[expect(
    clippy::zombie_processes,
    reason = "a child that no session asks for is one that the test is about"
)]
pub(crate) fn child(name: &'static str, script: &str) -> u32 {
    let child = Command::new("sh").args(["-c", script]).spawn().expect("sh does not start");
    CHILDREN.with_borrow_mut(|children| children.insert(child.id(), name));
    child.id()
}

pub(crate) fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A session that notes its events, the predefined ones too.
pub(crate) fn actor(name: &'static str) -> Actor {
    bare(name)
        .on("_stop", |_, ()| {})
        .on("_child", |_, _: Child| {})
        .on("_parent", |_, _: Parent| {})
}

/// A session that notes the events that it has a handler for.
pub(crate) fn bare(name: &'static str) -> Actor {
    Actor { name, session: Session::build(()) }.on_start(|_| {})
}

/// A session to be.
pub(crate) struct Actor {
    name: &'static str,
    session: Session<()>,
}

impl Actor {
    pub(crate) fn on<P: Show + 'static, R: IntoOutcome>(
        mut self,
        event: &'static str,
        handler: impl Fn(&mut On<'_>, P) -> R + 'static,
    ) -> Self {
        let name = self.name;
        self.session = self.session.on(event, move |cx: &mut On<'_>, payload: P| {
            NAMES.with_borrow_mut(|names| names.insert(cx.session(), name));
            note_event(cx, name, event, &payload);
            handler(cx, payload)
        });
        self
    }

    pub(crate) fn on_start<R: IntoOutcome>(
        self,
        handler: impl Fn(&mut On<'_>) -> R + 'static,
    ) -> Self {
        self.on("_start", move |cx, ()| handler(cx))
    }

    pub(crate) fn on_stop<R: IntoOutcome>(
        self,
        handler: impl Fn(&mut On<'_>) -> R + 'static,
    ) -> Self {
        self.on("_stop", move |cx, ()| handler(cx))
    }

    pub(crate) fn on_default<R: IntoOutcome>(
        mut self,
        handler: impl Fn(&mut On<'_>, Unhandled) -> R + 'static,
    ) -> Self {
        let name = self.name;
        self.session = self.session.on_default(move |cx, unhandled| {
            NAMES.with_borrow_mut(|names| names.insert(cx.session(), name));
            note_event(cx, name, "_default", &unhandled);
            handler(cx, unhandled)
        });
        self
    }

    /// Events that carry nothing and are noted, and that is all.
    pub(crate) fn notes<const N: usize>(self, events: [&'static str; N]) -> Self {
        events.into_iter().fold(self, |actor, event| actor.on(event, |_, ()| {}))
    }

    pub(crate) fn enter(self, kernel: &Kernel) -> SessionId {
        self.enter_with(kernel, ())
    }

    pub(crate) fn enter_with<A: 'static>(self, kernel: &Kernel, args: A) -> SessionId {
        self.session.spawn_with(kernel, args).expect("not spawned")
    }

    /// Enters as a child of the session whose handler this is called in.
    pub(crate) fn below<K: Kind>(self, parent: &mut Cx<'_, (), K>) -> SessionId {
        self.below_with(parent, ())
    }

    pub(crate) fn below_with<K: Kind, A: 'static>(
        self,
        parent: &mut Cx<'_, (), K>,
        args: A,
    ) -> SessionId {
        self.session.spawn_with(parent, args).expect("not spawned")
    }
}

/// A state machine that notes its events and the states it gets them in.
pub(crate) fn machine(name: &'static str) -> Automaton {
    Automaton { name, nfa: Nfa::build(()) }
}

/// A machine to be.
pub(crate) struct Automaton {
    name: &'static str,
    nfa: Nfa<()>,
}

impl Automaton {
    pub(crate) fn on<P: Show + 'static, R: IntoOutcome>(
        mut self,
        state: &'static str,
        event: &'static str,
        handler: impl Fn(&mut In<'_>, P) -> R + 'static,
    ) -> Self {
        let name = self.name;
        let noted = move |cx: &mut In<'_>, payload: P| {
            note_in_state(cx, name, event, &payload);
            handler(cx, payload)
        };
        self.nfa = self.nfa.state(state, |handlers| handlers.on(event, noted));
        self
    }

    pub(crate) fn on_default<R: IntoOutcome>(
        mut self,
        state: &'static str,
        handler: impl Fn(&mut In<'_>, Unhandled) -> R + 'static,
    ) -> Self {
        let name = self.name;
        let noted = move |cx: &mut In<'_>, unhandled: Unhandled| {
            note_in_state(cx, name, "_default", &unhandled);
            handler(cx, unhandled)
        };
        self.nfa = self.nfa.state(state, |handlers| handlers.on_default(noted));
        self
    }

    /// Events that carry nothing and are noted in a state, and that is all.
    pub(crate) fn notes<const N: usize>(
        self,
        state: &'static str,
        events: [&'static str; N],
    ) -> Self {
        let with_state = Self { nfa: self.nfa.state(state, |handlers| handlers), ..self };
        events.into_iter().fold(with_state, |machine, event| machine.on(state, event, |_, ()| {}))
    }

    pub(crate) fn immediate(mut self) -> Self {
        self.nfa = self.nfa.option(SessionOption::Immediate, true);
        self
    }

    pub(crate) fn enter(
        self,
        scope: impl Scope,
        state: &'static str,
        entry: impl Entry,
    ) -> SessionId {
        self.nfa.spawn(scope, state, entry).expect("not spawned")
    }
}

/// Has a machine note its deaths and go on.
pub(crate) fn survive(cx: &mut In<'_>) {
    cx.sig("DIE", "survived").expect("DIE is no signal of the system");
    cx.state("survived", |cx, signal: Signal| {
        note(format!("m died in {}", signal.death().expect("no death").event));
        cx.sig_handled();
    });
}

fn note_in_state(cx: &In<'_>, name: &'static str, event: &str, payload: &impl Show) {
    NAMES.with_borrow_mut(|names| names.insert(cx.session(), name));
    note_event(cx, &format!("{name}:{}", cx.current_state()), event, payload);
}

fn note_event<K: Kind>(cx: &Cx<'_, (), K>, who: &str, event: &str, payload: &impl Show) {
    let sender = name(cx.sender());
    let mut line = format!("{who} {event}{} from {sender}", payload.show());
    // The original does not say who asked for a transition.
    let is_transition =
        cx.kernel.active_event().is_some_and(|event| event.as_str().starts_with("poe_nfa_"));
    let is_silent = is_transition || payload.is_of_kernel(event);
    if let (false, Some(state)) = (is_silent, cx.caller().state) {
        line += &format!(" in {state}");
    }
    note(line);
}

/// A payload as a trace has it: its parts, each behind a space.
pub(crate) trait Show {
    fn show(&self) -> String;

    /// Whether the event is one that the kernel sends by itself, in no state.
    fn is_of_kernel(&self, event: &str) -> bool {
        event.starts_with('_')
    }
}

impl Show for () {
    fn show(&self) -> String {
        String::new()
    }
}

impl Show for u32 {
    fn show(&self) -> String {
        format!(" {self}")
    }
}

impl Show for &'static str {
    fn show(&self) -> String {
        format!(" {self}")
    }
}

impl<A: Show, B: Show> Show for (A, B) {
    fn show(&self) -> String {
        self.0.show() + &self.1.show()
    }
}

impl<A: Show> Show for Vec<A> {
    fn show(&self) -> String {
        let parts: String = self.iter().map(Show::show).collect();
        format!(" [{}]", parts.trim_start())
    }
}

impl Show for TimerId {
    fn show(&self) -> String {
        String::new()
    }
}

impl Show for SessionId {
    fn show(&self) -> String {
        format!(" {}", name(*self))
    }
}

impl Show for Child {
    fn show(&self) -> String {
        format!(" {} {}{}", self.change.as_str(), name(self.session), self.value.show())
    }
}

impl Show for Parent {
    fn show(&self) -> String {
        self.old.show() + &self.new.show()
    }
}

impl<A: Show> Show for ChildExit<A> {
    fn show(&self) -> String {
        let name = CHILDREN.with_borrow(|children| children[&self.pid]);
        let status = self.status.expect("nobody else waits for it").into_raw();
        format!(" CHLD {name} {status}{}", self.args.show())
    }

    fn is_of_kernel(&self, _: &str) -> bool {
        true
    }
}

impl Show for Unhandled {
    fn show(&self) -> String {
        let payload = self.payload.show();
        format!(" {} [{}]", self.event, payload.trim_start())
    }

    fn is_of_kernel(&self, _: &str) -> bool {
        self.event.as_str().starts_with('_')
    }
}

impl Show for Signal {
    fn show(&self) -> String {
        let args = if let Some(death) = self.death() {
            let (of, from) = (name(death.session), name(death.sender));
            format!(" {} (in {} of {of} from {from})", death.cause, death.event)
        } else if let Some(args) = self.args::<(u32, u32)>() {
            args.show()
        } else {
            self.args::<&'static str>().map(Show::show).unwrap_or_default()
        };
        format!(" {}{args}", self.name)
    }

    /// A death was sent where the event that failed was.
    fn is_of_kernel(&self, _: &str) -> bool {
        self.death().is_some_and(|death| death.event.as_str().starts_with('_'))
    }
}

impl<T, A: Show> Show for Ready<T, A> {
    fn show(&self) -> String {
        format!(" {:?}{}", self.mode, self.args.show()).to_lowercase()
    }
}

/// The types that scenarios use where any may be.
impl Show for Payload {
    fn show(&self) -> String {
        if let Some(number) = self.downcast_ref::<u32>() {
            number.show()
        } else if let Some(signal) = self.downcast_ref::<Signal>() {
            signal.show()
        } else if let Some(child) = self.downcast_ref::<Child>() {
            child.show()
        } else {
            self.downcast_ref::<&'static str>().map(Show::show).unwrap_or_default()
        }
    }
}
