//! What a component does for each of its connections.

use std::fmt;
use std::rc::Rc;

use poe_kernel::{EventFor, SessionOption};
use poe_session::{Cx, HandlerResult, Handlers, IntoOutcome, Session};
use poe_wheel::{Input, IoError, Socket, WheelId};

use super::ending::{self, Party, events};
use super::reports::Reports;
use super::{Driven, IntoDriven, Plan};
use crate::ComponentError;
use crate::callback::{Callback, call, callback, finish};
use crate::maker::for_maker;

type PreConnect<H> = Rc<dyn Fn(&mut Cx<'_, H>, Socket) -> Option<Driven>>;
type Customize<H> = Rc<dyn Fn(Session<H>) -> Session<H>>;

/// The wheels of connections, and the callbacks that these call.
pub(crate) struct Talk<H: Party> {
    pub(crate) plan: Plan<H::In, H::Out>,
    pre_connect: Option<PreConnect<H>>,
    pub(crate) connected: Option<Callback<H, ()>>,
    pub(crate) disconnected: Option<Callback<H, ()>>,
    pub(crate) error: Option<Callback<H, IoError>>,
    pub(crate) flushed: Option<Callback<H, ()>>,
    low: Option<Callback<H, ()>>,
    pub(super) reports: Reports,
    pub(crate) has_input: bool,
    handlers: Handlers<H>,
    session: Option<Customize<H>>,
}

impl<H: Party> Talk<H> {
    pub(crate) fn new(plan: Plan<H::In, H::Out>) -> Self {
        Self {
            plan,
            pre_connect: None,
            connected: None,
            disconnected: None,
            error: None,
            flushed: None,
            low: None,
            reports: Reports::default(),
            has_input: false,
            handlers: Handlers::new(),
            session: None,
        }
    }

    /// Whether any callback or state has been given.
    pub(crate) fn is_empty(&self) -> bool {
        self.pre_connect.is_none()
            && self.connected.is_none()
            && self.disconnected.is_none()
            && self.error.is_none()
            && self.flushed.is_none()
            && self.low.is_none()
            && self.session.is_none()
            && self.handlers.is_empty()
    }

    pub(crate) fn on_pre_connect<D: IntoDriven>(
        &mut self,
        f: impl Fn(&mut Cx<'_, H>, Socket) -> D + 'static,
    ) {
        self.pre_connect = Some(Rc::new(move |cx, socket| f(cx, socket).into_driven()));
    }

    pub(crate) fn on_input<R: IntoOutcome>(
        &mut self,
        f: impl Fn(&mut Cx<'_, H>, H::In) -> R + 'static,
    ) {
        self.has_input = true;
        self.on_record(events::INPUT, f);
    }

    pub(crate) fn on_partial<R: IntoOutcome>(
        &mut self,
        f: impl Fn(&mut Cx<'_, H>, H::In) -> R + 'static,
    ) {
        self.plan.needs().has_partial = true;
        self.on_record(events::PARTIAL, f);
    }

    pub(crate) fn on_high<R: IntoOutcome>(&mut self, f: impl Fn(&mut Cx<'_, H>) -> R + 'static) {
        self.plan.needs().has_high = true;
        self.handle(|handlers| handlers.on(events::HIGH, move |cx, _: WheelId| finish(f(cx))));
    }

    pub(crate) fn on_low<R: IntoOutcome>(&mut self, f: impl Fn(&mut Cx<'_, H>) -> R + 'static) {
        self.plan.needs().has_low = true;
        self.low = Some(callback(move |cx, ()| f(cx)));
    }

    pub(crate) fn state<P: 'static, R: IntoOutcome>(
        &mut self,
        event: impl EventFor<P>,
        f: impl Fn(&mut Cx<'_, H>, P) -> R + 'static,
    ) {
        self.handle(|handlers| handlers.on(event, f));
    }

    pub(crate) fn option(&mut self, option: SessionOption, on: bool) {
        self.customize(move |session| session.option(option, on));
    }

    pub(crate) fn customize(&mut self, f: impl Fn(Session<H>) -> Session<H> + 'static) {
        let before = self.session.take();
        self.session = Some(Rc::new(move |session| match &before {
            Some(before) => f(before(session)),
            None => f(session),
        }));
    }

    /// Refuses states of names that are the component's own, and marks by halves.
    pub(crate) fn check(&self, own: &[&'static str]) -> Result<(), ComponentError> {
        let own = own.iter().copied().find(|&event| self.handlers.handles(event));
        // These are there if the component's own callbacks are.
        let of_wheel =
            [events::ERROR, events::FLUSHED, events::LOW, events::OVER, events::SLOW, events::CUT];
        let of_wheel = of_wheel.into_iter().find(|&event| self.handlers.handles(event));
        match own.or(of_wheel) {
            Some(event) => Err(ComponentError::Reserved { event }),
            None => self.plan.check(),
        }
    }

    /// The sessions of connections, with the handlers of the component besides the user's.
    pub(crate) fn sessions(
        mut self,
        complete: impl FnOnce(Handlers<H>, &Rc<Self>) -> Handlers<H>,
    ) -> Sessions<H> {
        let users = std::mem::take(&mut self.handlers);
        let customize = self.session.take();
        let talk = Rc::new(self);
        let has_shutdown = users.handles(SHUTDOWN);
        let of = || Rc::clone(&talk);
        let (error, flush, over, shutdown) = (of(), of(), of(), of());
        let (low, slow, late, cut) = (of(), of(), of(), of());
        let mut handlers = users
            .on(events::ERROR, move |cx, failure: IoError| ending::fail(cx, failure, &error))
            .on(events::FLUSHED, move |cx, _: WheelId| ending::flushed(cx, &flush))
            .on(events::LOW, move |cx, _: WheelId| {
                cx.heap.link().catch_up();
                call(cx, low.low.as_ref(), ())
            })
            .on(events::SLOW, move |cx, wheel| ending::end_handshake(cx, wheel, &slow))
            .on(events::CUT, move |cx, ()| ending::cut(cx, &late))
            .on(events::OVER, move |cx, wheel: WheelId| {
                if !ending::is_current(cx, wheel) {
                    return Ok(());
                }
                if has_shutdown {
                    cx.yield_event(SHUTDOWN, ());
                    return Ok(());
                }
                ending::shut_down(cx, &over)
            });
        handlers = complete(handlers, &talk);
        if !handlers.handles(SHUTDOWN) {
            handlers = handlers.on(SHUTDOWN, move |cx, ()| ending::shut_down(cx, &shutdown));
        }
        if !handlers.handles(CUT) {
            handlers = handlers.on(CUT, move |cx, ()| ending::cut(cx, &cut));
        }
        Sessions { handlers, customize }
    }

    /// Makes the wheel of a connection, unless it is refused; whether there is one.
    pub(crate) fn begin(&self, cx: &mut Cx<'_, H>, socket: Socket) -> bool {
        let driven = match &self.pre_connect {
            Some(pre_connect) => pre_connect(cx, socket),
            None => Some(socket.into()),
        };
        let (kernel, session) = (cx.kernel, cx.session());
        let spawn = |driven| for_maker(kernel, session, || self.plan.spawn(kernel, driven));
        match driven.map(spawn) {
            Some(Ok(wheel)) => {
                cx.heap.link().set(wheel, self.plan.keeps_pace());
                ending::limit_handshake(cx, self.plan.handshake_time());
                true
            }
            Some(Err(error)) => {
                let message = format!("{} has no wheel: {error}", cx.heap.describe());
                ending::report(cx, &message);
                false
            }
            None => false,
        }
    }

    fn on_record<R: IntoOutcome>(
        &mut self,
        event: &'static str,
        f: impl Fn(&mut Cx<'_, H>, H::In) -> R + 'static,
    ) {
        self.handle(|handlers| {
            handlers.on(event, move |cx, input: Input<H::In>| -> HandlerResult {
                if *cx.heap.flags().shutdown { Ok(()) } else { finish(f(cx, input.record)) }
            })
        });
    }

    fn handle(&mut self, change: impl FnOnce(Handlers<H>) -> Handlers<H>) {
        self.handlers = change(std::mem::take(&mut self.handlers));
    }
}

/// A connection's event to shut down, the same in both components.
pub(super) const SHUTDOWN: &str = "shutdown";

/// A connection's event to end at once, the same in both components.
const CUT: &str = "cut";

impl<H: Party> fmt::Debug for Talk<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk")
            .field("plan", &self.plan)
            .field("handlers", &self.handlers)
            .finish_non_exhaustive()
    }
}

/// The sessions of connections to be.
pub(crate) struct Sessions<H> {
    handlers: Handlers<H>,
    customize: Option<Customize<H>>,
}

impl<H: 'static> Sessions<H> {
    pub(crate) fn session(&self, heap: H) -> Session<H> {
        let session = Session::with(&self.handlers, heap);
        match &self.customize {
            Some(customize) => customize(session),
            None => session,
        }
    }
}
