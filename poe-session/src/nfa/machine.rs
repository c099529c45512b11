//! Where a machine is: its state, and those it will return to.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use poe_kernel::{Failure, Name, SessionOption};

use super::error::StateError;
use super::states::States;
use crate::body::Body;
use crate::kind::Behaviour;
use crate::table::{Handler, Table};

/// The kind of session that an [`Nfa`](crate::Nfa) is: its handlers are those of the state it is in.
#[derive(Clone, Copy, Debug)]
pub enum Machine {}

/// What a machine has besides heap, handlers and options.
#[derive(Debug)]
pub struct Course<H> {
    states: States<H>,
    /// The handlers of any state; the machine may change its own copy.
    any: RefCell<StateHandlers<H>>,
    pub(super) current: Cell<Name>,
    pub(super) callers: RefCell<Vec<Waiting>>,
    /// How many callers more there will be when the transitions that wait have been made.
    pub(super) pending: Cell<isize>,
    pub(super) is_leaving: Cell<bool>,
}

/// The handlers of one state.
pub(super) type StateHandlers<H> = Rc<Table<H, Machine>>;

/// A state that called another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) state: Name,
    pub(super) return_event: Option<Name>,
}

impl<H> Course<H> {
    pub(super) fn new(states: States<H>, state: Name) -> Self {
        Self {
            any: RefCell::new(Rc::clone(states.any())),
            states,
            current: Cell::new(state),
            callers: RefCell::default(),
            pending: Cell::new(0),
            is_leaving: Cell::new(false),
        }
    }

    /// How many callers there will be when the transitions that wait have been made.
    pub(super) fn depth(&self) -> usize {
        self.callers.borrow().len().saturating_add_signed(self.pending.get())
    }

    /// The handlers of a state that can be entered with this event.
    pub(super) fn entrance(
        &self,
        state: Name,
        event: Option<Name>,
    ) -> Result<StateHandlers<H>, StateError> {
        let table = self.states.table(state).ok_or(StateError::NoState { state })?;
        match event {
            Some(event) if table.get(event).or(self.any.borrow().get(event)).is_none() => {
                Err(StateError::NoEntry { state, event })
            }
            _ => Ok(Rc::clone(table)),
        }
    }
}

impl Behaviour for Machine {
    const OPTIONS: &'static [SessionOption] = &SessionOption::ALL;

    type Part<H> = Course<H>;

    fn changeable<H>(body: &Body<H, Self>) -> &RefCell<Rc<Table<H, Self>>> {
        &body.part.any
    }

    fn elsewhere<H>(course: &Course<H>, event: Name) -> Option<Handler<H, Self>> {
        let any = course.any.borrow();
        any.get(event).or_else(|| course.states.transitions().get(event)).cloned()
    }

    fn default<H>(
        course: &Course<H>,
        state: &Table<H, Self>,
        event: Name,
    ) -> Option<Handler<H, Self>> {
        // A default handler is there for what comes in a state; these two are of the machine.
        if matches!(event.as_str(), "_start" | "_stop") {
            return None;
        }
        state.default.clone().or_else(|| course.any.borrow().default.clone())
    }

    fn unhandled<H>(course: &Course<H>, event: Name) -> Failure {
        let state = course.current.get();
        Failure::Error(StateError::Unexpected { state, event }.into())
    }

    fn state<H>(course: &Course<H>) -> Option<Name> {
        Some(course.current.get())
    }
}
