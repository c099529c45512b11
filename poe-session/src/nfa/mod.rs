//! State machines: sessions whose handlers depend on the state that they are in.

mod entry;
mod error;
mod machine;
mod states;
mod transition;

use std::fmt;
use std::rc::Rc;

use poe_kernel::{Name, SessionId, SessionOption};

pub use self::entry::{Entry, ReturnEvent};
pub use self::error::{NfaError, StateError};
use self::machine::Course;
pub use self::machine::Machine;
pub use self::states::States;
use self::transition::{GOTO, Transition};
use crate::body::{Body, Options};
use crate::{Handlers, Scope, Suspended};

/// A state machine to be: its heap, its states and its options (POE: `POE::NFA->spawn`).
///
/// A machine is a session that is in one of its states at a time, and has the handlers of that one. Its contexts,
/// `Cx<'_, H, Machine>`, can do what all can, and [`goto_state`](crate::Cx::goto_state),
/// [`call_state`](crate::Cx::call_state), [`return_state`](crate::Cx::return_state),
/// [`stop_machine`](crate::Cx::stop_machine) and [`current_state`](crate::Cx::current_state) besides. What POE calls the
/// run state is the heap.
///
/// A turnstile, which a coin unlocks and a push locks:
///
/// ```
/// use poe_session::prelude::*;
///
/// #[derive(Default)]
/// struct Turnstile {
///     coins: u32,
///     people: u32,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// Nfa::build(Turnstile::default())
///     .state("locked", |state| {
///         state
///             .on("install", |cx, ()| cx.alias_set("turnstile"))
///             .on("push", |_, ()| Reply("locked: insert a coin"))
///             .on("coin", |cx, ()| {
///                 cx.heap.coins += 1;
///                 cx.goto_state("unlocked", ())
///             })
///     })
///     .state("unlocked", |state| {
///         state
///             .on("coin", |cx, ()| cx.heap.coins += 1)
///             .on("push", |cx, ()| {
///                 cx.heap.people += 1;
///                 cx.goto_state("locked", ())
///             })
///     })
///     .any_state(|state| {
///         state.on_stop(|cx| assert_eq!((cx.heap.coins, cx.heap.people), (1, 1)))
///     })
///     .spawn(&kernel, "locked", "install")?;
///
/// Session::build(())
///     .on_start(|cx| -> HandlerResult {
///         let answer: &str = cx.call("turnstile", "push", ())?;
///         assert_eq!(answer, "locked: insert a coin");
///         cx.post("turnstile", "coin", ())?;
///         cx.yield_event("walk", ());
///         Ok(())
///     })
///     .on("walk", |cx, ()| cx.post("turnstile", "push", ()))
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
///
/// # States and events
///
/// An event is for the handler that the current state has for it; else for that of [`any_state`](Self::any_state) or of
/// [`Cx::state`](crate::Cx::state); else for the state's `_default`, or that of any state, but not `_start` and `_stop`. An
/// event that has none of these is a [`StateError::Unexpected`], of which the machine dies, unless it is `_start`, `_stop`, `_child` or `_parent`. The
/// state is looked up when the event is dispatched, not when it is sent.
///
/// # When a machine changes its state
///
/// A transition waits in the queue, behind what was sent before: a handler that yields `early`, goes to another state and
/// yields `late` gets the one in the old state and the other in the new one. With [`SessionOption::Immediate`] it is made
/// before `goto_state` returns. The first state is entered before `spawn` returns.
///
/// It is made in this order: the `leave` handler of the old state, if there is one; the change; the event that the new state
/// is entered with, if one was given. If `leave` fails, the machine stays where it is. While it runs, other transitions
/// wait, immediate ones too. All this is within one event, `poe_nfa_goto_state`; `leave` and the event of entry have the
/// machine as their sender, and their caller is whoever asked for the transition.
///
/// Transitions that are asked for in one handler are made one after the other. Immediate ones are calls: states that go on
/// at once from where they are entered nest, and have to come to an end.
#[must_use = "a machine begins when it is spawned"]
pub struct Nfa<H> {
    heap: H,
    states: States<H>,
    options: Options,
}

impl<H: 'static> Nfa<H> {
    /// A machine with this heap (POE: `runstate`) and no states yet.
    pub fn build(heap: H) -> Self {
        Self { heap, states: States::new(), options: Options::default() }
    }

    /// A machine with this heap that shares its states with others.
    pub fn with(states: &States<H>, heap: H) -> Self {
        Self { heap, states: states.clone(), options: Options::default() }
    }

    /// As [`States::state`].
    pub fn state(
        mut self,
        name: impl Into<Name>,
        define: impl FnOnce(Handlers<H, Machine>) -> Handlers<H, Machine>,
    ) -> Self {
        self.states = self.states.state(name, define);
        self
    }

    /// As [`States::any_state`].
    pub fn any_state(
        mut self,
        define: impl FnOnce(Handlers<H, Machine>) -> Handlers<H, Machine>,
    ) -> Self {
        self.states = self.states.any_state(define);
        self
    }

    /// As [`States::show_heap`].
    pub fn show_heap(mut self) -> Self
    where
        H: fmt::Debug,
    {
        self.states = self.states.show_heap();
        self
    }

    /// Sets an option (POE: `options`).
    pub fn option(mut self, option: SessionOption, on: bool) -> Self {
        self.options.set(option, on);
        self
    }

    /// Creates the machine as a child of the active session and has it enter its first state (POE: `spawn`, and the first
    /// `goto_state`).
    ///
    /// It is in that state from the beginning: `_start` is for its handlers, then the parent gets `_child`, and then the
    /// entry is made. Outside a handler pass `&kernel`; in a handler pass `cx`, so that its own session can be told. What
    /// fails in a handler of the machine meanwhile is a death of the machine, and no error of this.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// Nfa::build(0_u32)
    ///     .state("counting", |state| {
    ///         state.on("begin", |cx, n: u32| *cx.heap = n).on_stop(|cx| assert_eq!(*cx.heap, 7))
    ///     })
    ///     .spawn(&kernel, "counting", ("begin", 7_u32))?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NfaError::State`]: there is no such state, or it has no handler for the event; nothing has happened.
    /// [`NfaError::Spawn`]: as for [`Session::spawn`](crate::Session::spawn).
    #[track_caller]
    pub fn spawn(
        self,
        scope: impl Scope,
        state: impl Into<Name>,
        entry: impl Entry,
    ) -> Result<SessionId, NfaError> {
        let (state, entry) = (state.into(), entry.into_arrival());
        let course = Course::new(self.states, state);
        let table = course.entrance(state, entry.as_ref().map(|arrival| arrival.event))?;
        let mut suspended = scope.suspend();
        let kernel = suspended.kernel();
        let body = Body::new(kernel, self.heap, table, self.options, course);
        let spawned = kernel.session_alloc(Rc::new(body), ());
        if let (Ok(machine), Some(arrival)) = (&spawned, entry)
            && kernel.is_live(*machine)
        {
            // A failure is the machine's, and has been raised there.
            let begin = Transition::Begin { state, arrival };
            let _ = kernel.call::<(), _>(*machine, GOTO, begin);
        }
        suspended.resume();
        Ok(spawned?)
    }
}

impl<H: fmt::Debug> fmt::Debug for Nfa<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nfa")
            .field("heap", &self.heap)
            .field("states", &self.states)
            .field("options", &self.options)
            .finish()
    }
}
