//! Sessions: a heap and its handlers.

use std::fmt;
use std::rc::Rc;

use poe_kernel::{Child, EventFor, Parent, SessionId, SessionOption, SpawnError};

use crate::body::{Body, Options};
use crate::{Cx, Handlers, IntoOutcome, Scope, Suspended, Unhandled};

/// A session to be: its heap, its handlers and its options (POE: `POE::Session->create`).
///
/// ```
/// use poe_session::prelude::*;
///
/// struct Counter { count: u32 }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// Session::build(Counter { count: 0 })
///     .on_start(|cx| cx.yield_event("increment", ()))
///     .on("increment", |cx, ()| {
///         cx.heap.count += 1;
///         if cx.heap.count < 10 {
///             cx.yield_event("increment", ());
///         }
///     })
///     .on_stop(|cx| assert_eq!(cx.heap.count, 10))
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a session begins when it is spawned"]
pub struct Session<H> {
    heap: H,
    handlers: Handlers<H>,
    options: Options,
}

impl<H: 'static> Session<H> {
    /// A session with this heap and no handlers yet.
    pub fn build(heap: H) -> Self {
        Self { heap, handlers: Handlers::new(), options: Options::of_session() }
    }

    /// A session with this heap that shares its handlers with others.
    pub fn with(handlers: &Handlers<H>, heap: H) -> Self {
        Self { heap, handlers: handlers.clone(), options: Options::of_session() }
    }

    /// As [`Handlers::on`].
    pub fn on<P: 'static, R: IntoOutcome>(
        mut self,
        event: impl EventFor<P>,
        handler: impl Fn(&mut Cx<'_, H>, P) -> R + 'static,
    ) -> Self {
        self.handlers = self.handlers.on(event, handler);
        self
    }

    /// As [`Handlers::object`].
    pub fn object<T: 'static, P: 'static, R: IntoOutcome>(
        mut self,
        object: &Rc<T>,
        event: impl EventFor<P>,
        method: impl Fn(&T, &mut Cx<'_, H>, P) -> R + 'static,
    ) -> Self {
        self.handlers = self.handlers.object(object, event, method);
        self
    }

    /// As [`Handlers::on_start`].
    pub fn on_start<R: IntoOutcome>(
        mut self,
        handler: impl Fn(&mut Cx<'_, H>) -> R + 'static,
    ) -> Self {
        self.handlers = self.handlers.on_start(handler);
        self
    }

    /// As [`Handlers::on_stop`].
    pub fn on_stop<R: IntoOutcome>(
        mut self,
        handler: impl Fn(&mut Cx<'_, H>) -> R + 'static,
    ) -> Self {
        self.handlers = self.handlers.on_stop(handler);
        self
    }

    /// As [`Handlers::on_child`].
    pub fn on_child<R: IntoOutcome>(
        mut self,
        handler: impl Fn(&mut Cx<'_, H>, Child) -> R + 'static,
    ) -> Self {
        self.handlers = self.handlers.on_child(handler);
        self
    }

    /// As [`Handlers::on_parent`].
    pub fn on_parent<R: IntoOutcome>(
        mut self,
        handler: impl Fn(&mut Cx<'_, H>, Parent) -> R + 'static,
    ) -> Self {
        self.handlers = self.handlers.on_parent(handler);
        self
    }

    /// As [`Handlers::on_default`].
    pub fn on_default<R: IntoOutcome>(
        mut self,
        handler: impl Fn(&mut Cx<'_, H>, Unhandled) -> R + 'static,
    ) -> Self {
        self.handlers = self.handlers.on_default(handler);
        self
    }

    /// As [`Handlers::show_heap`].
    ///
    /// ```
    /// # use std::cell::RefCell;
    /// # use std::rc::Rc;
    /// use poe_kernel::Traces;
    /// use poe_session::prelude::*;
    ///
    /// #[derive(Debug)]
    /// struct Counter { count: u32 }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let lines = Rc::new(RefCell::new(Vec::new()));
    /// # let taken = Rc::clone(&lines);
    /// let kernel = Kernel::builder()
    ///     .traces(Traces::DESTROY)
    /// #   .diagnostics(move |diagnostic| taken.borrow_mut().push(diagnostic.to_string()))
    ///     .build()?;
    /// Session::build(Counter { count: 3 }).show_heap().spawn(&kernel)?;
    /// kernel.run()?; // It says that the session is dropped with the heap `Counter { count: 3 }`.
    /// # assert!(lines.borrow()[0].contains("with the heap Counter { count: 3 }"), "{lines:?}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn show_heap(mut self) -> Self
    where
        H: fmt::Debug,
    {
        self.handlers = self.handlers.show_heap();
        self
    }

    /// Sets an option (POE: `options`).
    pub fn option(mut self, option: SessionOption, on: bool) -> Self {
        self.options.set(option, on);
        self
    }

    /// Creates the session as a child of the active one: its `_start` runs, then the parent's `_child`, then this
    /// returns. Outside a handler pass `&kernel`; in a handler pass `cx`, so that its own session can be told.
    ///
    /// # Errors
    ///
    /// [`SpawnError`]: the parent's heap is held by a handler that passed its kernel instead of its `cx`, or there are
    /// too many sessions.
    #[track_caller]
    pub fn spawn(self, scope: impl Scope) -> Result<SessionId, SpawnError> {
        self.spawn_with(scope, ())
    }

    /// As [`Session::spawn`], with arguments for `_start` (POE: `args`).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// Session::build(0_u32)
    ///     .on("_start", |cx, (a, b): (u32, u32)| *cx.heap = a + b)
    ///     .on_stop(|cx| assert_eq!(*cx.heap, 5))
    ///     .spawn_with(&kernel, (2_u32, 3_u32))?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Session::spawn`].
    #[track_caller]
    pub fn spawn_with<A: 'static>(
        self,
        scope: impl Scope,
        args: A,
    ) -> Result<SessionId, SpawnError> {
        // A closure would lose the place this was called from.
        let mut suspended = scope.suspend();
        let kernel = suspended.kernel();
        let body = Body::new(kernel, self.heap, self.handlers.table, self.options, ());
        let result = kernel.session_alloc(Rc::new(body), args);
        suspended.resume();
        result
    }
}

impl<H: fmt::Debug> fmt::Debug for Session<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("heap", &self.heap)
            .field("handlers", &self.handlers)
            .field("options", &self.options)
            .finish()
    }
}
