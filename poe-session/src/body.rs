//! A session as the kernel holds it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use poe_kernel::{
    Asserts, Delivery, Diagnostic, Dispatch, Envelope, EventFor, Failure, Kernel, Name, Outcome,
    ReplyTo, SessionOption,
};

use crate::handlers::{erase, erase_default};
use crate::table::{Handler, Table};
use crate::{Cx, IntoOutcome, Kind, Unhandled};

/// A heap, the handlers of the moment, and what else a kind of session has.
pub struct Body<H, K: Kind> {
    pub(crate) heap: RefCell<H>,
    pub(crate) table: RefCell<Rc<Table<H, K>>>,
    pub(crate) options: Cell<Options>,
    pub(crate) part: K::Part<H>,
}

impl<H: 'static, K: Kind> Dispatch for Body<H, K> {
    fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
        self.trace(delivery.kernel, delivery.envelope);
        // The handler may replace the table that it lies in. To borrow it alone takes fewer steps than to count who else
        // does.
        let table = Rc::clone(&self.table.borrow_mut());
        match table.get(delivery.event) {
            Some(handler) => self.run_handler(handler, delivery),
            None => self.dispatch_elsewhere(&table, delivery),
        }
    }

    fn taker(self: Rc<Self>, event: Name, place: ReplyTo<'_>) {
        if let Some(handler) = self.find(event) {
            handler.taker(self, place);
        }
    }

    fn is_busy(&self) -> bool {
        self.heap.try_borrow_mut().is_err()
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<H>()
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = self.table.borrow().show.or(self.changeable().borrow().show);
        match (show, self.heap.try_borrow()) {
            (Some(show), Ok(heap)) => show(&heap, f),
            _ => f.write_str(self.type_name()),
        }
    }

    fn state(&self) -> Option<Name> {
        K::state(&self.part)
    }

    fn event_names(&self) -> Vec<Name> {
        let mut names: Vec<Name> = self.table.borrow().names().collect();
        names.extend(self.changeable().borrow().names());
        names.sort_unstable();
        names.dedup();
        names
    }

    fn option(&self, option: SessionOption, value: Option<bool>) -> Option<bool> {
        if !K::OPTIONS.contains(&option) {
            return None;
        }
        let mut options = self.options.get();
        let before = options.get(option)?;
        if let Some(value) = value {
            options.set(option, value);
            self.options.set(options);
        }
        Some(before)
    }
}

impl<H: 'static, K: Kind> Body<H, K> {
    pub(crate) fn new(
        kernel: &Kernel,
        heap: H,
        table: Rc<Table<H, K>>,
        mut options: Options,
        part: K::Part<H>,
    ) -> Self {
        options.default |= kernel.asserts().contains(Asserts::STATES);
        let (heap, table) = (RefCell::new(heap), RefCell::new(table));
        Self { heap, table, options: Cell::new(options), part }
    }

    #[inline(always)]
    fn run_handler(&self, handler: &Handler<H, K>, delivery: Delivery<'_>) -> Outcome {
        let Ok(heap) = self.heap.try_borrow_mut() else { return Err(Failure::Busy.into()) };
        let mut cx = Cx::new(delivery.kernel, self, heap, delivery.envelope);
        handler.run(&mut cx, delivery.payload, delivery.reply)
    }

    /// Runs what takes the payload by itself.
    #[inline(always)]
    pub(crate) fn run(
        &self,
        kernel: &Kernel,
        envelope: &Envelope,
        handler: impl FnOnce(&mut Cx<'_, H, K>) -> Outcome,
    ) -> Outcome {
        self.trace(kernel, envelope);
        let Ok(heap) = self.heap.try_borrow_mut() else { return Err(Failure::Busy.into()) };
        handler(&mut Cx::new(kernel, self, heap, envelope))
    }

    #[inline(never)]
    fn dispatch_elsewhere(&self, table: &Table<H, K>, delivery: Delivery<'_>) -> Outcome {
        let event = delivery.event;
        let handler = K::elsewhere(&self.part, event);
        match handler.or_else(|| K::default(&self.part, table, event)) {
            Some(handler) => self.run_handler(&handler, delivery),
            None => Err(self.unhandled(&delivery).into()),
        }
    }

    /// The handler of an event, default ones apart.
    pub(crate) fn find(&self, event: Name) -> Option<Handler<H, K>> {
        let own = self.table.borrow().get(event).cloned();
        own.or_else(|| K::elsewhere(&self.part, event))
    }

    #[inline]
    pub(crate) fn trace(&self, kernel: &Kernel, envelope: &Envelope) {
        if self.options.get().trace {
            report(kernel, envelope);
        }
    }

    fn changeable(&self) -> &RefCell<Rc<Table<H, K>>> {
        K::changeable(self)
    }

    #[cold]
    fn unhandled(&self, delivery: &Delivery<'_>) -> Failure {
        if is_predefined(delivery.event) {
            return Failure::Unhandled;
        }
        // Who waits for an answer is told by an error.
        if self.options.get().default && !delivery.reply.is_awaited() {
            delivery.kernel.report(&Diagnostic::Unhandled {
                session: delivery.session,
                sender: delivery.sender,
                event: delivery.event,
                caller: delivery.caller,
            });
        }
        K::unhandled(&self.part, delivery.event)
    }
}

impl<H, K: Kind> fmt::Debug for Body<H, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("table", &*self.table.borrow())
            .field("options", &self.options.get())
            .finish_non_exhaustive()
    }
}

#[cold]
fn report(kernel: &Kernel, envelope: &Envelope) {
    let &Envelope { session, event, caller, .. } = envelope;
    kernel.report(&Diagnostic::Trace { session, event, caller });
}

/// Events that a session may well leave unhandled.
fn is_predefined(event: Name) -> bool {
    matches!(event.as_str(), "_start" | "_stop" | "_child" | "_parent")
}

impl<H: 'static, K: Kind> Cx<'_, H, K> {
    /// Sets the handler of an event of this session from now on, for events already queued too (POE: `state`).
    ///
    /// A machine has it in every state that has no handler of its own for the event.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// Session::build(Vec::new())
    ///     .on_start(|cx| {
    ///         cx.yield_event("greet", "world");
    ///         cx.state("greet", |cx, whom: &str| cx.heap.push(format!("hello, {whom}")));
    ///     })
    ///     .on_stop(|cx| assert_eq!(*cx.heap, ["hello, world"]))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn state<P: 'static, R: IntoOutcome>(
        &self,
        event: impl EventFor<P>,
        handler: impl Fn(&mut Cx<'_, H, K>, P) -> R + 'static,
    ) {
        let event = event.name();
        // What is replaced is dropped when the table is free again: its drop may call this session.
        let replaced = self.body.changeable().borrow().get(event).cloned();
        Rc::make_mut(&mut self.body.changeable().borrow_mut()).insert(event, erase(handler));
        self.kernel.handlers_changed();
        if replaced.is_some() && self.body.options.get().debug {
            self.kernel.report(&Diagnostic::Redefined { session: self.session(), event });
        }
    }

    /// Sets the default handler of this session; of a machine, for the states that have none.
    pub fn state_default<R: IntoOutcome>(
        &self,
        handler: impl Fn(&mut Cx<'_, H, K>, Unhandled) -> R + 'static,
    ) {
        let handler = Some(erase_default(handler));
        let replaced = {
            let mut table = self.body.changeable().borrow_mut();
            std::mem::replace(&mut Rc::make_mut(&mut table).default, handler)
        };
        self.kernel.handlers_changed();
        drop(replaced);
    }

    /// Removes the handler of an event of this session (POE: `state` without a handler). Whether there was one.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// Session::build(0)
    ///     .on_start(|cx| {
    ///         cx.yield_event("once", ());
    ///         cx.yield_event("once", ());
    ///     })
    ///     .on("once", |cx, ()| {
    ///         *cx.heap += 1;
    ///         assert!(cx.state_remove("once"));
    ///     })
    ///     .option(SessionOption::Default, false) // Nobody is to be told of the second one.
    ///     .on_stop(|cx| assert_eq!(*cx.heap, 1))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn state_remove(&self, event: impl Into<Name>) -> bool {
        let event = event.into();
        let removed = self.body.changeable().borrow().get(event).cloned();
        Rc::make_mut(&mut self.body.changeable().borrow_mut()).remove(event);
        self.kernel.handlers_changed();
        removed.is_some()
    }

    /// Whether an option of this session is on (POE: `option`).
    #[must_use]
    pub fn option(&self, option: SessionOption) -> bool {
        self.body.option(option, None).unwrap_or(false)
    }

    /// Sets an option of this session; what it was (POE: `option`).
    pub fn set_option(&self, option: SessionOption, on: bool) -> bool {
        self.body.option(option, Some(on)).unwrap_or(false)
    }
}

/// A session's options.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) trace: bool,
    pub(crate) debug: bool,
    pub(crate) default: bool,
    pub(crate) immediate: bool,
}

impl Options {
    /// A session that lacks a handler says so; a machine dies of it.
    pub(crate) fn of_session() -> Self {
        Self { default: true, ..Self::default() }
    }

    fn get(self, option: SessionOption) -> Option<bool> {
        match option {
            SessionOption::Trace => Some(self.trace),
            SessionOption::Debug => Some(self.debug),
            SessionOption::Default => Some(self.default),
            SessionOption::Immediate => Some(self.immediate),
            _ => None,
        }
    }

    pub(crate) fn set(&mut self, option: SessionOption, on: bool) {
        match option {
            SessionOption::Trace => self.trace = on,
            SessionOption::Debug => self.debug = on,
            SessionOption::Default => self.default = on,
            SessionOption::Immediate => self.immediate = on,
            _ => {}
        }
    }
}
