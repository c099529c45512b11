//! What a handler is given: its heap, its kernel, and who sent the event.

mod aliases;
mod handles;
mod references;
mod signals;
mod timers;
mod tree;

use std::cell::RefMut;
use std::fmt;

use poe_kernel::{
    BlockingError, BlockingRefused, CallError, Caller, Destination, Envelope, EventFor, Kernel,
    Name, PostError, PostId, Priority, SessionId, SessionPoster,
};

use crate::body::Body;
use crate::postback::{Callback, Postback};
use crate::{Heap, Kind, Plain};

/// The first parameter of every handler (POE: `HEAP`, `KERNEL`, `SESSION`, `SENDER`, `STATE`, `CALLER_…`).
///
/// Its methods are the kernel's, for the session whose handler this is. Those that may run other handlers before they
/// return take the context as `&mut`, because the session lends its heap meanwhile: a session that is called may call
/// back.
///
/// While something in the heap is borrowed, of the rest only `cx.kernel` can be used beside it. So what else is needed of
/// the context is taken before; and two fields of a heap are borrowed at once from a plain reference to it:
///
/// ```
/// # use poe_session::prelude::*;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
/// use std::collections::HashMap;
///
/// #[derive(Default)]
/// struct Callers {
///     names: Vec<String>,
///     numbers: HashMap<SessionId, usize>,
/// }
///
/// let register = Session::build(Callers::default())
///     .on("enter", |cx, name: &str| {
///         let sender = cx.sender();
///         let heap = &mut *cx.heap;
///         heap.numbers.entry(sender).or_insert_with(|| {
///             heap.names.push(name.to_owned());
///             heap.names.len()
///         });
///     })
///     .on_stop(|cx| assert_eq!((cx.heap.names.len(), cx.heap.numbers.len()), (1, 1)))
///     .spawn(&kernel)?;
/// kernel.post(register, "enter", "Ada")?;
/// # kernel.run()?;
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
pub struct Cx<'a, H, K: Kind = Plain> {
    /// The session's heap.
    pub heap: Heap<'a, H>,
    /// The kernel.
    pub kernel: &'a Kernel,
    pub(crate) body: &'a Body<H, K>,
    pub(crate) envelope: &'a Envelope,
}

impl<'a, H: 'static, K: Kind> Cx<'a, H, K> {
    pub(crate) fn new(
        kernel: &'a Kernel,
        body: &'a Body<H, K>,
        heap: RefMut<'a, H>,
        envelope: &'a Envelope,
    ) -> Self {
        Self { heap: Heap::new(heap), kernel, body, envelope }
    }

    /// The session (POE: `SESSION`).
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.envelope.session
    }

    /// Who sent the event: a session, or the kernel (POE: `SENDER`).
    #[must_use]
    pub fn sender(&self) -> SessionId {
        self.envelope.sender
    }

    /// The event being handled (POE: `STATE`).
    #[must_use]
    pub fn event(&self) -> Name {
        self.envelope.event
    }

    /// Where, and during which event, this one was sent (POE: `CALLER_FILE`, `CALLER_LINE`, `CALLER_STATE`).
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.envelope.caller
    }

    /// As [`Kernel::post`].
    ///
    /// # Errors
    ///
    /// [`PostError`] when the destination is not there, or too many events wait.
    #[track_caller]
    pub fn post<P: 'static>(
        &self,
        destination: impl Destination,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<(), PostError> {
        self.kernel.post(destination, event, payload)
    }

    /// As [`Kernel::post_set`]; the event can be taken back with [`Kernel::post_remove`].
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// Session::build(())
    ///     .on_start(|cx| -> HandlerResult {
    ///         let draft = cx.post_set(cx.session(), "send", "draft")?;
    ///         cx.kernel.post_remove(draft)?;
    ///         cx.yield_event("send", "final");
    ///         Ok(())
    ///     })
    ///     .on("send", |_, text: &str| assert_eq!(text, "final"))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PostError`] when the destination is not there, or too many events wait.
    #[track_caller]
    pub fn post_set<P: 'static>(
        &self,
        destination: impl Destination,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<PostId, PostError> {
        self.kernel.post_set(destination, event, payload)
    }

    /// As [`Kernel::post_with`]: an event that goes ahead of all others, or waits until nothing else is to do.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// // Counts to a thousand, whenever the program has nothing else to do.
    /// Session::build(0)
    ///     .on_start(|cx| cx.post_with(Priority::Low, cx.session(), "count", ()).map(drop))
    ///     .on("count", |cx, ()| -> HandlerResult {
    ///         *cx.heap += 1;
    ///         if *cx.heap < 1000 {
    ///             cx.post_with(Priority::Low, cx.session(), "count", ())?;
    ///         }
    ///         Ok(())
    ///     })
    ///     .on_stop(|cx| assert_eq!(*cx.heap, 1000))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PostError`] when the destination is not there, or too many events wait.
    #[track_caller]
    pub fn post_with<P: 'static>(
        &self,
        priority: Priority,
        destination: impl Destination,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<PostId, PostError> {
        self.kernel.post_with(priority, destination, event, payload)
    }

    /// Sends the session itself an event (POE: `yield`). If it has been stopped in the meantime, nothing happens.
    #[track_caller]
    pub fn yield_event<P: 'static>(&self, event: impl EventFor<P>, payload: P) {
        // The only error is that no handler runs.
        let _ = self.kernel.yield_event(event, payload);
    }

    /// As [`Kernel::call`]; whoever is called may call this session.
    ///
    /// ```
    /// use poe_session::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let kernel = Kernel::new()?;
    /// Session::build(())
    ///     .on_start(|cx| cx.kernel.alias_set("square"))
    ///     .on("ask", |cx, ()| -> HandlerResult<Reply<u32>> {
    ///         let n: u32 = cx.call(cx.sender(), "how many", ())?;
    ///         Ok(Reply(n * n))
    ///     })
    ///     .spawn(&kernel)?;
    /// Session::build(7_u32)
    ///     .on_start(|cx| -> HandlerResult {
    ///         let answer: u32 = cx.call("square", "ask", ())?;
    ///         assert_eq!(answer, 49);
    ///         Ok(())
    ///     })
    ///     .on("how many", |cx, ()| Reply(*cx.heap))
    ///     .spawn(&kernel)?;
    /// kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CallError`] says why there is no answer.
    #[track_caller]
    #[inline]
    pub fn call<R: 'static, P: 'static>(
        &mut self,
        destination: impl Destination,
        event: impl EventFor<P>,
        payload: P,
    ) -> Result<R, CallError> {
        self.heap.release();
        match self.kernel.call(destination, event, payload) {
            Ok(reply) => {
                self.take_heap();
                Ok(reply)
            }
            Err(error) => Err(self.call_failed(error)),
        }
    }

    /// Takes the heap again, apart from where there is an answer, which needs not be moved about then.
    #[cold]
    fn call_failed(&mut self, error: CallError) -> CallError {
        self.take_heap();
        error
    }

    /// Lends the heap while `f` runs, which may then do anything: call, spawn, run timeslices.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// Session::build(false)
    ///     .on_start(|cx| {
    ///         cx.yield_event("arrive", ());
    ///         while !*cx.heap {
    ///             if !cx.suspend(|kernel| kernel.run_one_timeslice())? {
    ///                 break;
    ///             }
    ///         }
    ///         Ok::<(), KernelError>(())
    ///     })
    ///     .on("arrive", |cx, ()| *cx.heap = true)
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn suspend<R>(&mut self, f: impl FnOnce(&Kernel) -> R) -> R {
        /// Takes the heap back after a panic too, as the handler may catch it.
        struct Lent<'c, 'a, H: 'static, K: Kind>(&'c mut Cx<'a, H, K>);

        impl<H: 'static, K: Kind> Drop for Lent<'_, '_, H, K> {
            fn drop(&mut self) {
                self.0.take_heap();
            }
        }

        self.heap.release();
        f(Lent(self).0.kernel)
    }

    /// Has another thread do what would hold up this one, and sends this session the result; as [`Kernel::blocking`].
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let kernel = Kernel::new()?;
    /// Session::build(())
    ///     .on_start(|cx| cx.blocking(|| (1..=20_u64).product::<u64>(), "product"))
    ///     .on("product", |_, product: Result<u64, BlockingError>| -> HandlerResult {
    ///         assert_eq!(product?, 2_432_902_008_176_640_000);
    ///         Ok(())
    ///     })
    ///     .spawn(&kernel)?;
    /// kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`BlockingRefused`] gives the work back.
    #[track_caller]
    pub fn blocking<F, T>(
        &self,
        work: F,
        event: impl EventFor<Result<T, BlockingError>>,
    ) -> Result<(), BlockingRefused<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.kernel.blocking(work, event)
    }

    /// As [`Kernel::blocking_wait`].
    ///
    /// # Errors
    ///
    /// [`BlockingRefused`] gives the work back.
    #[track_caller]
    pub fn blocking_wait<F, T>(
        &self,
        work: F,
        event: impl EventFor<Result<T, BlockingError>>,
    ) -> Result<(), BlockingRefused<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.kernel.blocking_wait(work, event)
    }

    /// Something that posts to this session from any thread, and keeps it alive meanwhile; as [`Kernel::poster_for`].
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let kernel = Kernel::new()?;
    /// Session::build(0_u64)
    ///     .on_start(|cx| {
    ///         let poster = cx.poster();
    ///         std::thread::spawn(move || {
    ///             for n in 1..=100_u64 {
    ///                 poster.post("add", n).expect("a kernel that waits for this");
    ///             }
    ///         });
    ///     })
    ///     .on("add", |cx, n: u64| *cx.heap += n)
    ///     .on_stop(|cx| assert_eq!(*cx.heap, 5050))
    ///     .spawn(&kernel)?;
    /// kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn poster(&self) -> SessionPoster {
        self.kernel.poster_for(self.session())
    }

    /// Something that anyone can invoke to post this session an event (POE: `postback`).
    ///
    /// The event carries `(created, invoked)`: what is given here, and what is given then. The postback keeps the session
    /// alive until it is dropped or weakened.
    #[track_caller]
    pub fn postback<C: Clone + 'static, A: 'static>(
        &self,
        event: impl EventFor<(C, A)>,
        created: C,
    ) -> Postback<C, A> {
        Postback::new(self.kernel, self.session(), event.name(), created)
    }

    /// Something that anyone can invoke to call this session (POE: `callback`); as [`Cx::postback`], but the handler runs
    /// at once and its reply comes back.
    #[track_caller]
    pub fn callback<C: Clone + 'static, A: 'static, R: 'static>(
        &self,
        event: impl EventFor<(C, A)>,
        created: C,
    ) -> Callback<C, A, R> {
        Callback::new(self.kernel, self.session(), event.name(), created)
    }

    pub(crate) fn take_heap(&mut self) {
        self.heap = Heap::new(self.body.heap.borrow_mut());
    }
}

impl<H: fmt::Debug, K: Kind> fmt::Debug for Cx<'_, H, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx")
            .field("session", &self.envelope.session)
            .field("sender", &self.envelope.sender)
            .field("event", &self.envelope.event)
            .field("heap", &*self.heap)
            .finish_non_exhaustive()
    }
}
