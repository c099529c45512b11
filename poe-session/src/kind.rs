//! The kinds of session.

use std::cell::RefCell;
use std::rc::Rc;

use poe_kernel::{Failure, Name, SessionOption};

use crate::body::Body;
use crate::table::{Handler, Table};

/// A kind of session, which says what a [`Cx`](crate::Cx) can do besides what all can: [`Plain`] or
/// [`Machine`](crate::Machine).
///
/// A handler that leaves it open serves sessions and machines alike:
///
/// ```
/// use poe_session::Kind;
/// use poe_session::prelude::*;
///
/// fn count<K: Kind>(cx: &mut Cx<'_, u32, K>, n: u32) {
///     *cx.heap += n;
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// let session = Session::build(0).on("count", count).spawn(&kernel)?;
/// let machine = Nfa::build(0)
///     .state("counting", |state| state.on("count", count))
///     .spawn(&kernel, "counting", ())?;
/// kernel.post(session, "count", 1_u32)?;
/// kernel.post(machine, "count", 1_u32)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
pub trait Kind: Behaviour {}

impl<K: Behaviour> Kind for K {}

/// Sessions that have the same handlers all the time, but for those that they change by themselves.
#[derive(Clone, Copy, Debug)]
pub enum Plain {}

/// Where kinds differ. It cannot be named elsewhere.
pub trait Behaviour: Sized + 'static {
    /// The options there are.
    const OPTIONS: &'static [SessionOption];

    /// What a session has besides its heap, its handlers and its options.
    type Part<H>;

    /// The handlers that a session changes by itself.
    fn changeable<H>(body: &Body<H, Self>) -> &RefCell<Rc<Table<H, Self>>>;

    /// The handler of an event that has none among those of the moment.
    fn elsewhere<H>(part: &Self::Part<H>, event: Name) -> Option<Handler<H, Self>>;

    /// The default handler for an event, `table` being the handlers of the moment.
    fn default<H>(
        part: &Self::Part<H>,
        table: &Table<H, Self>,
        event: Name,
    ) -> Option<Handler<H, Self>>;

    /// What it means that an event has no handler at all.
    fn unhandled<H>(part: &Self::Part<H>, event: Name) -> Failure;

    /// The state that a machine is in.
    fn state<H>(part: &Self::Part<H>) -> Option<Name>;
}

impl Behaviour for Plain {
    const OPTIONS: &'static [SessionOption] =
        &[SessionOption::Trace, SessionOption::Debug, SessionOption::Default];

    type Part<H> = ();

    fn changeable<H>(body: &Body<H, Self>) -> &RefCell<Rc<Table<H, Self>>> {
        &body.table
    }

    #[inline]
    fn elsewhere<H>((): &(), _: Name) -> Option<Handler<H, Self>> {
        None
    }

    #[inline]
    fn default<H>((): &(), table: &Table<H, Self>, _: Name) -> Option<Handler<H, Self>> {
        table.default.clone()
    }

    fn unhandled<H>((): &(), _: Name) -> Failure {
        Failure::Unhandled
    }

    fn state<H>((): &()) -> Option<Name> {
        None
    }
}
