//! The states of a machine, or of many machines alike.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use poe_kernel::Name;

use super::machine::Machine;
use super::transition::transitions;
use crate::Handlers;
use crate::table::Table;

/// States for machines whose heap is an `H`: each has its own handlers.
///
/// One set serves any number of machines, which each cost no more than their heap and a few words: build it once, clone
/// it freely, and spawn with [`Nfa::with`](crate::Nfa::with).
///
/// A state has a [`Name`]; an enum serves as well, if it can be made into one:
///
/// ```
/// use poe_session::prelude::*;
///
/// enum Light {
///     Off,
///     On,
/// }
///
/// impl From<Light> for Name {
///     fn from(light: Light) -> Self {
///         Self::new(match light {
///             Light::Off => "off",
///             Light::On => "on",
///         })
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let lights: States<u32> = States::new()
///     .state(Light::Off, |state| state.on("switch", |cx, ()| cx.goto_state(Light::On, ())))
///     .state(Light::On, |state| {
///         state
///             .on("switch", |cx, ()| cx.goto_state(Light::Off, ()))
///             .on("leave", |cx, ()| *cx.heap += 1)
///     });
/// let kernel = Kernel::new()?;
/// for _ in 0..100 {
///     Nfa::with(&lights, 0).spawn(&kernel, Light::Off, ())?;
/// }
/// # kernel.run()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct States<H> {
    set: Rc<Set<H>>,
}

struct Set<H> {
    states: HashMap<Name, Handlers<H, Machine>>,
    any: Handlers<H, Machine>,
    transitions: Rc<Table<H, Machine>>,
}

impl<H: 'static> States<H> {
    /// No states.
    pub fn new() -> Self {
        let (states, any) = (HashMap::new(), Handlers::default());
        Self { set: Rc::new(Set { states, any, transitions: Rc::new(transitions()) }) }
    }

    /// Defines a state (POE: `inline_states`, `package_states`, `object_states`): `define` gets its handlers and gives more.
    ///
    /// A state that there is already keeps those it has, but for the events that are given again.
    pub fn state(
        mut self,
        name: impl Into<Name>,
        define: impl FnOnce(Handlers<H, Machine>) -> Handlers<H, Machine>,
    ) -> Self {
        let states = &mut Rc::make_mut(&mut self.set).states;
        let state = states.entry(name.into()).or_default();
        *state = define(std::mem::take(state));
        self
    }

    /// Adds handlers that hold in every state that has none of its own for the event.
    ///
    /// A handler of an event takes precedence over a `_default`, also over that of the state. `leave` may be among them, and
    /// events to enter with.
    pub fn any_state(
        mut self,
        define: impl FnOnce(Handlers<H, Machine>) -> Handlers<H, Machine>,
    ) -> Self {
        let any = &mut Rc::make_mut(&mut self.set).any;
        *any = define(std::mem::take(any));
        self
    }

    /// Has reports show the heap of such a machine as its `Debug` does, as
    /// [`Handlers::show_heap`](crate::Handlers::show_heap).
    pub fn show_heap(self) -> Self
    where
        H: fmt::Debug,
    {
        self.any_state(Handlers::show_heap)
    }

    /// The names of the states, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        let mut names: Vec<Name> = self.set.states.keys().copied().collect();
        names.sort_unstable();
        names
    }
}

impl<H> States<H> {
    pub(super) fn table(&self, state: Name) -> Option<&Rc<Table<H, Machine>>> {
        self.set.states.get(&state).map(|handlers| &handlers.table)
    }

    pub(super) fn any(&self) -> &Rc<Table<H, Machine>> {
        &self.set.any.table
    }

    pub(super) fn transitions(&self) -> &Table<H, Machine> {
        &self.set.transitions
    }
}

impl<H: 'static> Default for States<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H> Clone for States<H> {
    fn clone(&self) -> Self {
        Self { set: Rc::clone(&self.set) }
    }
}

impl<H> Clone for Set<H> {
    fn clone(&self) -> Self {
        let transitions = Rc::clone(&self.transitions);
        Self { states: self.states.clone(), any: self.any.clone(), transitions }
    }
}

impl<H> fmt::Debug for States<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut states: Vec<_> = self.set.states.iter().collect();
        states.sort_unstable_by_key(|(name, _)| **name);
        f.debug_map().entries(states).finish()
    }
}
