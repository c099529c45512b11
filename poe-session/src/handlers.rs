//! The handlers of a session, or of many sessions alike.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use poe_kernel::{
    Carried, Child, EventFor, Failure, Name, Outcome, Parent, Payload, ReplyTo, Taker,
};

use crate::body::Body;
use crate::table::{Handle, Handler, Table};
use crate::{Cx, IntoOutcome, Kind, Plain};

/// An event that had no handler of its own, as the default handler gets it (POE: `ARG0` and `ARG1` of `_default`).
#[derive(Debug)]
#[non_exhaustive]
pub struct Unhandled {
    /// The event's name.
    pub event: Name,
    /// What it carried; posting a `Payload` posts the value in it.
    pub payload: Payload,
}

/// Event handlers for sessions whose heap is an `H`, or for one state of machines with such a heap.
///
/// One table serves any number of sessions, which each cost no more than their heap: build it once, clone it freely,
/// and spawn with [`Session::with`](crate::Session::with). A session that changes its handlers gets a table of its
/// own.
///
/// ```
/// use poe_session::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handlers = Handlers::new()
///     .on_start(|cx| cx.yield_event("count", ()))
///     .on("count", |cx: &mut Cx<'_, u32>, ()| *cx.heap += 1);
/// let kernel = Kernel::new()?;
/// for n in 0..1000 {
///     Session::with(&handlers, n).spawn(&kernel)?;
/// }
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Handlers<H, K: Kind = Plain> {
    pub(crate) table: Rc<Table<H, K>>,
}

impl<H: 'static> Handlers<H> {
    /// No handlers.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<H: 'static, K: Kind> Handlers<H, K> {
    /// Handles an event (POE: `inline_states`, `package_states`). The last handler given for a name is the one.
    ///
    /// The handler is a closure, a function, or a method of the heap's type; its second parameter is the event's
    /// payload. An event that carries another type is an error of the session it is sent to.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// #[derive(Default)]
    /// struct Account {
    ///     balance: u32,
    /// }
    ///
    /// impl Account {
    ///     fn pay_in(cx: &mut Cx<'_, Self>, amount: u32) {
    ///         cx.heap.balance += amount;
    ///     }
    /// }
    ///
    /// const PAY_OUT: Event<u32> = Event::new("pay out");
    ///
    /// let handlers = Handlers::new()
    ///     .on("pay in", Account::pay_in)
    ///     .on(PAY_OUT, |cx, amount| -> HandlerResult<Reply<u32>> {
    ///         cx.heap.balance = cx.heap.balance.checked_sub(amount).ok_or("too much")?;
    ///         Ok(Reply(cx.heap.balance))
    ///     });
    /// let account = Session::with(&handlers, Account::default()).spawn(&kernel)?;
    /// kernel.call::<(), _>(account, "pay in", 10_u32)?;
    /// assert_eq!(kernel.call::<u32, _>(account, PAY_OUT, 3)?, 7);
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on<P: 'static, R: IntoOutcome>(
        mut self,
        event: impl EventFor<P>,
        handler: impl Fn(&mut Cx<'_, H, K>, P) -> R + 'static,
    ) -> Self {
        self.table_mut().insert(event.name(), erase(handler));
        self
    }

    /// Handles an event with a method of an object that is not the heap (POE: `object_states`).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    ///
    /// #[derive(Default)]
    /// struct Log(RefCell<Vec<String>>);
    ///
    /// impl Log {
    ///     fn line(&self, cx: &mut Cx<'_, ()>, line: &str) {
    ///         self.0.borrow_mut().push(format!("session {}: {line}", cx.session()));
    ///     }
    /// }
    ///
    /// let log = Rc::new(Log::default());
    /// for _ in 0..2 {
    ///     let session = Session::build(()).object(&log, "log", Log::line).spawn(&kernel)?;
    ///     kernel.post(session, "log", "hello")?;
    /// }
    /// kernel.run()?;
    /// assert_eq!(*log.0.borrow(), ["session 1: hello", "session 2: hello"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn object<T: 'static, P: 'static, R: IntoOutcome>(
        self,
        object: &Rc<T>,
        event: impl EventFor<P>,
        method: impl Fn(&T, &mut Cx<'_, H, K>, P) -> R + 'static,
    ) -> Self {
        let object = Rc::clone(object);
        self.on(event, move |cx, payload| method(&object, cx, payload))
    }

    /// Handles `_start`, whatever the session was given as arguments. To have them, handle `"_start"` by [`Self::on`].
    pub fn on_start<R: IntoOutcome>(
        self,
        handler: impl Fn(&mut Cx<'_, H, K>) -> R + 'static,
    ) -> Self {
        self.on_any("_start", handler)
    }

    /// Handles `_stop`. What this posts vanishes with the session, whomever it is to, as in POE; what it calls is heard.
    pub fn on_stop<R: IntoOutcome>(
        self,
        handler: impl Fn(&mut Cx<'_, H, K>) -> R + 'static,
    ) -> Self {
        self.on_any("_stop", handler)
    }

    /// Handles `_child`: a child was created, gained, or lost.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// Session::build(Vec::new())
    ///     .on_start(|cx| -> HandlerResult {
    ///         Session::build(())
    ///             .on_start(|_| Reply("born"))
    ///             .on_stop(|_| Reply("gone"))
    ///             .spawn(cx)?;
    ///         Ok(())
    ///     })
    ///     .on_child(|cx, child| {
    ///         let value = child.value.downcast_ref().copied().unwrap_or("nothing said");
    ///         cx.heap.push((child.change, value));
    ///     })
    ///     .on_stop(|cx| assert_eq!(*cx.heap, [(Change::Create, "born"), (Change::Stop, "gone")]))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_child<R: IntoOutcome>(
        self,
        handler: impl Fn(&mut Cx<'_, H, K>, Child) -> R + 'static,
    ) -> Self {
        self.on("_child", handler)
    }

    /// Handles `_parent`: the session has another parent.
    pub fn on_parent<R: IntoOutcome>(
        self,
        handler: impl Fn(&mut Cx<'_, H, K>, Parent) -> R + 'static,
    ) -> Self {
        self.on("_parent", handler)
    }

    /// Handles every event that has no handler of its own (POE: `_default`), `_stop`, `_child` and `_parent` among them; of a
    /// machine not `_start` and `_stop`.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// let inner = Session::build(0).on("add", |cx, n: i32| *cx.heap += n).spawn(&kernel)?;
    /// // Passes on what it does not know.
    /// let outer = Session::build(())
    ///     .on_start(|_| ())
    ///     .on_stop(|_| ())
    ///     .on_default(move |cx, unhandled| cx.post(inner, unhandled.event, unhandled.payload))
    ///     .spawn(&kernel)?;
    /// kernel.post(outer, "add", 5)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_default<R: IntoOutcome>(
        mut self,
        handler: impl Fn(&mut Cx<'_, H, K>, Unhandled) -> R + 'static,
    ) -> Self {
        self.table_mut().default = Some(erase_default(handler));
        self
    }

    /// Has reports show the heap as its `Debug` does: of a session that is freed, with
    /// [`Traces::DESTROY`](poe_kernel::Traces::DESTROY) on (POE dumps the heap there). Without this they name its type.
    pub fn show_heap(mut self) -> Self
    where
        H: fmt::Debug,
    {
        self.table_mut().show = Some(H::fmt);
        self
    }

    /// Forgets the handler of an event.
    pub fn remove(mut self, event: impl Into<Name>) -> Self {
        self.table_mut().remove(event.into());
        self
    }

    /// Whether an event has a handler of its own.
    #[must_use]
    pub fn handles(&self, event: impl Into<Name>) -> bool {
        self.table.get(event.into()).is_some()
    }

    /// Whether there is no handler at all, not even a default one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    fn on_any<R: IntoOutcome>(
        mut self,
        event: &'static str,
        handler: impl Fn(&mut Cx<'_, H, K>) -> R + 'static,
    ) -> Self {
        let handler = Handler::new(move |cx, _, reply| handler(cx).into_outcome(reply));
        self.table_mut().insert(Name::new(event), handler);
        self
    }

    fn table_mut(&mut self) -> &mut Table<H, K> {
        Rc::make_mut(&mut self.table)
    }
}

impl<H, K: Kind> Default for Handlers<H, K> {
    fn default() -> Self {
        Self { table: Rc::new(Table::default()) }
    }
}

impl<H, K: Kind> Clone for Handlers<H, K> {
    fn clone(&self) -> Self {
        Self { table: Rc::clone(&self.table) }
    }
}

impl<H, K: Kind> fmt::Debug for Handlers<H, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.table, f)
    }
}

/// Hides the type of a handler's payload, to be found again when an event comes.
pub(crate) fn erase<H: 'static, K: Kind, P: 'static, R: IntoOutcome>(
    handler: impl Fn(&mut Cx<'_, H, K>, P) -> R + 'static,
) -> Handler<H, K> {
    let handler = move |cx: &mut Cx<'_, H, K>, payload: P, reply: ReplyTo<'_>| {
        handler(cx, payload).into_outcome(reply)
    };
    Handler::of(Typed(Rc::new(handler), PhantomData))
}

/// A handler whose payload is a `P`; what takes many events has a share of it.
struct Typed<F, P>(Rc<F>, PhantomData<fn(P)>);

impl<H, K, P, F> Handle<H, K> for Typed<F, P>
where
    H: 'static,
    K: Kind,
    P: 'static,
    F: Fn(&mut Cx<'_, H, K>, P, ReplyTo<'_>) -> Outcome + 'static,
{
    #[inline]
    fn run(&self, cx: &mut Cx<'_, H, K>, payload: &mut Carried<'_>, reply: ReplyTo<'_>) -> Outcome {
        match payload.take::<P>() {
            Some(payload) => (self.0)(cx, payload, reply),
            None => wrong_payload(type_name::<P>()),
        }
    }

    fn taker(&self, session: Rc<Body<H, K>>, place: ReplyTo<'_>) {
        let handler = Rc::clone(&self.0);
        let taker = Taker::new(move |kernel, envelope, payload: P| {
            session.run(kernel, envelope, |cx| handler(cx, payload, ReplyTo::nobody()))
        });
        // Who asks for another type has none.
        let _ = place.put(taker);
    }
}

#[cold]
fn wrong_payload(expected: &'static str) -> Outcome {
    Err(Failure::WrongPayload { expected }.into())
}

pub(crate) fn erase_default<H: 'static, K: Kind, R: IntoOutcome>(
    handler: impl Fn(&mut Cx<'_, H, K>, Unhandled) -> R + 'static,
) -> Handler<H, K> {
    Handler::new(move |cx, payload, reply| {
        let unhandled = Unhandled { event: cx.event(), payload: payload.take_payload() };
        handler(cx, unhandled).into_outcome(reply)
    })
}
