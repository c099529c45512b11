//! How a machine gets from one state to another.

use std::cell::Cell;

use poe_kernel::{BoxError, Carried, Failure, Name, Payload, ReplyTo, SessionOption};

use super::entry::{Arrival, Entry, ReturnEvent};
use super::error::StateError;
use super::machine::{Course, Machine, StateHandlers, Waiting};
use crate::Cx;
use crate::handlers::erase;
use crate::table::{Handler, Table};

/// The events that transitions wait in the queue as; their names are POE's.
pub(super) const GOTO: &str = "poe_nfa_goto_state";
const CALL: &str = "poe_nfa_push_state";
const RETURN: &str = "poe_nfa_pop_state";
const STOP: &str = "poe_nfa_stop";

pub(super) enum Transition {
    Begin { state: Name, arrival: Arrival },
    Goto { state: Name, arrival: Option<Arrival> },
    Call { return_event: Option<Name>, state: Name, arrival: Option<Arrival> },
    Return { args: Payload },
    Stop,
}

/// The handlers of the events that transitions wait as.
pub(super) fn transitions<H: 'static>() -> Table<H, Machine> {
    let mut table = Table::default();
    for event in [GOTO, CALL, RETURN, STOP] {
        table.insert(
            event.into(),
            erase(|cx: &mut Cx<'_, H, Machine>, transition| cx.make(transition)),
        );
    }
    table
}

/// What only machines can do.
impl<H: 'static> Cx<'_, H, Machine> {
    /// The state that the machine is in (POE: `STATE`, `get_current_state`).
    #[must_use]
    pub fn current_state(&self) -> Name {
        self.course().current.get()
    }

    /// Enters another state, or the same again, when what is queued before has been handled (POE: `goto_state`). With
    /// [`SessionOption::Immediate`] it does so at once.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// Nfa::build(())
    ///     .state("green", |state| {
    ///         state
    ///             .on("begin", |cx, ()| cx.goto_state("yellow", ("shine", 3_u32)))
    ///             .on("leave", |cx, ()| assert_eq!(cx.current_state(), "green"))
    ///     })
    ///     .state("yellow", |state| {
    ///         state.on("shine", |cx, seconds: u32| {
    ///             assert_eq!((cx.current_state().as_str(), seconds), ("yellow", 3));
    ///         })
    ///     })
    ///     .spawn(&kernel, "green", "begin")?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StateError::NoState`] and [`StateError::NoEntry`] for what the machine does not have. What fails later is a death of
    /// the machine; what fails at once is [`StateError::Failed`].
    #[track_caller]
    pub fn goto_state(
        &mut self,
        state: impl Into<Name>,
        entry: impl Entry,
    ) -> Result<(), StateError> {
        let (state, arrival) = (state.into(), entry.into_arrival());
        self.course().entrance(state, arrival.as_ref().map(|arrival| arrival.event))?;
        self.transit(GOTO, Transition::Goto { state, arrival })
    }

    /// As [`goto_state`](Self::goto_state), and the machine comes back to the state that it is in then (POE: `call_state`).
    ///
    /// When the other state does [`return_state`](Self::return_state), this one is entered with `return_event`, or with
    /// nothing if that is `()`. Calls nest.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// Nfa::build(())
    ///     .state("desk", |state| {
    ///         state
    ///             .on("ask", |cx, n: u64| cx.call_state("answer", "abacus", ("multiply", n)))
    ///             .on("answer", |_, product: u64| assert_eq!(product, 3_628_800))
    ///     })
    ///     .state("abacus", |state| {
    ///         state.on("multiply", |cx, n: u64| cx.return_state((1..=n).product::<u64>()))
    ///     })
    ///     .spawn(&kernel, "desk", ("ask", 10_u64))?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`goto_state`](Self::goto_state).
    #[track_caller]
    pub fn call_state(
        &mut self,
        return_event: impl ReturnEvent,
        state: impl Into<Name>,
        entry: impl Entry,
    ) -> Result<(), StateError> {
        let (state, arrival) = (state.into(), entry.into_arrival());
        self.course().entrance(state, arrival.as_ref().map(|arrival| arrival.event))?;
        self.course().wait_for(1);
        let return_event = return_event.into_name();
        self.transit(CALL, Transition::Call { return_event, state, arrival })
    }

    /// Goes back to the state that called this one, which is entered with its return event and these arguments (POE:
    /// `return_state`).
    ///
    /// # Errors
    ///
    /// [`StateError::NotCalled`] if no [`call_state`](Self::call_state) is left to return from, those counted that wait in the
    /// queue. Otherwise as for [`goto_state`](Self::goto_state).
    #[track_caller]
    pub fn return_state<A: 'static>(&mut self, args: A) -> Result<(), StateError> {
        if self.course().depth() == 0 {
            return Err(StateError::NotCalled { state: self.current_state() });
        }
        self.course().wait_for(-1);
        self.transit(RETURN, Transition::Return { args: Payload::new(args) })
    }

    /// Stops the machine when what is queued before has been handled, whatever holds it (POE: `stop` of the machine, not
    /// of the kernel). It gets its `_stop`, and its children go to its parent; what it has queued by then is dropped.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// Nfa::build(())
    ///     .state("waiting", |state| {
    ///         state
    ///             .on("begin", |cx, ()| cx.alias_set("forever"))
    ///             .on("enough", |cx, ()| cx.stop_machine())
    ///     })
    ///     .spawn(&kernel, "waiting", "begin")?;
    /// kernel.post("forever", "enough", ())?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn stop_machine(&self) {
        self.yield_event(STOP, Transition::Stop);
    }

    #[track_caller]
    fn transit(&mut self, event: &'static str, transition: Transition) -> Result<(), StateError> {
        if self.option(SessionOption::Immediate) && !self.course().is_leaving.get() {
            return Ok(self.call::<(), _>(self.session(), event, transition)?);
        }
        self.yield_event(event, transition);
        Ok(())
    }

    /// Handles the event that a transition waits as.
    fn make(&mut self, transition: Transition) -> Result<(), BoxError> {
        if self.course().is_leaving.get() && !matches!(transition, Transition::Stop) {
            // A `leave` handler that runs timeslices: one transition after the other.
            self.yield_event(self.event(), transition);
            return Ok(());
        }
        match transition {
            Transition::Begin { state, arrival } => self.begin(state, arrival),
            Transition::Goto { state, arrival } => {
                let handlers = self.depart(state, arrival.as_ref())?;
                self.enter(state, handlers, arrival)
            }
            Transition::Call { return_event, state, arrival } => {
                self.descend(return_event, state, arrival)
            }
            Transition::Return { args } => self.ascend(args),
            Transition::Stop => {
                let machine = self.session();
                self.suspend(|kernel| kernel.session_stop(machine))?;
                Ok(())
            }
        }
    }

    fn begin(&mut self, state: Name, arrival: Arrival) -> Result<(), BoxError> {
        // With immediate transitions its `_start` may have led it elsewhere.
        if self.current_state() == state { self.arrive(arrival) } else { Ok(()) }
    }

    fn descend(
        &mut self,
        return_event: Option<Name>,
        state: Name,
        arrival: Option<Arrival>,
    ) -> Result<(), BoxError> {
        let caller = Waiting { state: self.current_state(), return_event };
        let waited = Waited { pending: &self.body.part.pending, by: 1 };
        self.course().entrance(caller.state, return_event)?;
        let handlers = self.depart(state, arrival.as_ref())?;
        drop(waited);
        self.course().callers.borrow_mut().push(caller);
        self.enter(state, handlers, arrival)
    }

    fn ascend(&mut self, args: Payload) -> Result<(), BoxError> {
        let waited = Waited { pending: &self.body.part.pending, by: -1 };
        let caller = self.course().callers.borrow().last().copied();
        let Some(Waiting { state, return_event }) = caller else {
            return Err(StateError::NotCalled { state: self.current_state() }.into());
        };
        let arrival = return_event.map(|event| Arrival { event, args });
        let handlers = self.depart(state, arrival.as_ref())?;
        drop(waited);
        self.course().callers.borrow_mut().pop();
        self.enter(state, handlers, arrival)
    }

    /// Looks whether the other state can be entered, and leaves this one.
    fn depart(
        &mut self,
        to: Name,
        arrival: Option<&Arrival>,
    ) -> Result<StateHandlers<H>, BoxError> {
        let handlers = self.course().entrance(to, arrival.map(|arrival| arrival.event))?;
        let _leaving = Leaving::new(&self.body.part.is_leaving);
        let leave = Name::new("leave");
        if let Some(handler) = self.body.find(leave) {
            self.invoke(handler, leave, Payload::default())?;
        }
        Ok(handlers)
    }

    fn enter(
        &mut self,
        state: Name,
        handlers: StateHandlers<H>,
        arrival: Option<Arrival>,
    ) -> Result<(), BoxError> {
        self.course().current.set(state);
        self.body.table.replace(handlers);
        self.kernel.handlers_changed();
        arrival.map_or(Ok(()), |arrival| self.arrive(arrival))
    }

    fn arrive(&mut self, Arrival { event, args }: Arrival) -> Result<(), BoxError> {
        // Its `leave` may have stopped it, or removed what was there for any state.
        if !self.kernel.is_live(self.session()) {
            return Ok(());
        }
        let state = self.current_state();
        let handler = self.body.find(event).ok_or(StateError::NoEntry { state, event })?;
        self.invoke(handler, event, args)
    }

    /// Runs a handler within the event of the transition.
    fn invoke(
        &mut self,
        handler: Handler<H, Machine>,
        event: Name,
        args: Payload,
    ) -> Result<(), BoxError> {
        let (state, sent) = (self.current_state(), args.type_name());
        let mut envelope = *self.envelope;
        (envelope.event, envelope.sender) = (event, envelope.session);
        self.body.trace(self.kernel, &envelope);
        self.heap.release();
        let result = args.with(|args| {
            let heap = self.body.heap.borrow_mut();
            let mut cx = Cx::new(self.kernel, self.body, heap, &envelope);
            handler.run(&mut cx, &mut Carried::from(args), ReplyTo::nobody())
        });
        // If it has replaced itself, its drop may call the machine.
        drop(handler);
        self.take_heap();
        result.map_err(|failure| match *failure {
            Failure::Error(error) => error,
            Failure::WrongPayload { expected } => {
                StateError::WrongArgs { state, event, expected, sent }.into()
            }
            other => other.to_string().into(),
        })
    }

    fn course(&self) -> &Course<H> {
        &self.body.part
    }
}

impl<H> Course<H> {
    /// Counts a call that waits; or a return, for which there will be a caller less.
    fn wait_for(&self, by: isize) {
        self.pending.set(self.pending.get() + by);
    }
}

/// A call or a return that waits no more when this is dropped, be it that it failed.
struct Waited<'a> {
    pending: &'a Cell<isize>,
    by: isize,
}

impl Drop for Waited<'_> {
    fn drop(&mut self) {
        self.pending.set(self.pending.get() - self.by);
    }
}

/// While a `leave` handler runs.
struct Leaving<'a>(&'a Cell<bool>);

impl<'a> Leaving<'a> {
    fn new(is_leaving: &'a Cell<bool>) -> Self {
        is_leaving.set(true);
        Self(is_leaving)
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
