//! The wheel itself, shared by its owner and the kernel's watches.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use poe_driver::{Driver, ReadBuffer, SysRw};
use poe_kernel::{
    Flush, Kernel, Mode, Name, Place, SessionId, Watch, WatchError, WatchId, WeakKernel,
};
use socket2::SockRef;

use super::ReadWriteEvent;
use super::events::{Events, Marks, check_marks};
use super::filters::{Both, Decode, Encode, Filters};
use super::later::Later;
use super::linger::{self, Lingering};
use super::part::{Part, Side};
use crate::{IoCause, IoError, WheelError, WheelId};

thread_local! {
    /// One buffer for all wheels of a thread: an idle connection needs none.
    static BUFFER: RefCell<ReadBuffer> = RefCell::new(ReadBuffer::new());
}

/// Lends that buffer, or another one to who comes while it is in use: in a turn that the kernel takes within a driver.
#[inline]
pub(crate) fn with_buffer<R>(use_it: impl FnOnce(&mut ReadBuffer) -> R) -> R {
    BUFFER.with(|buffer| match buffer.try_borrow_mut() {
        Ok(mut buffer) => use_it(&mut buffer),
        Err(_) => use_it(&mut ReadBuffer::new()),
    })
}

/// What is read from, and what is written to.
pub(super) type Handles = (Option<Rc<dyn AsFd>>, Option<Rc<dyn AsFd>>);

pub(super) struct Wheel<In: 'static, Out: 'static> {
    pub(super) this: Weak<Self>,
    pub(super) kernel: WeakKernel,
    pub(super) session: SessionId,
    /// The line that made it.
    since: Place,
    pub(super) id: WheelId,
    /// None where there is nothing to read from, as of a part.
    pub(super) input: Option<Rc<dyn AsFd>>,
    /// None once the output was shut down, if it is not the input's handle too.
    pub(super) output: RefCell<Option<Rc<dyn AsFd>>>,
    pub(super) driver: RefCell<Box<dyn Driver>>,
    pub(super) filters: RefCell<Filters<In, Out>>,
    pub(super) events: Cell<Events>,
    pub(super) marks: Cell<Option<Marks>>,
    pub(super) state: State,
    failures: RefCell<Vec<IoError>>,
    pub(super) later: RefCell<Vec<Later<In, Out>>>,
    pub(super) part: Option<Part>,
}

/// Where the wheel stands.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The owner has dropped it: nothing is delivered any more.
    pub(super) ended: Cell<bool>,
    /// It is on the kernel's list of what to flush at the end of the turn.
    pub(super) scheduled: Cell<bool>,
    pub(super) read_watch: Cell<Option<WatchId>>,
    pub(super) write_watch: Cell<Option<WatchId>>,
    pub(super) input_paused: Cell<bool>,
    /// Nothing more is to be read: end of file, a failure, or shut down.
    pub(super) input_over: Cell<bool>,
    /// The peer sends no more: end of file, or a failure.
    pub(super) peer_ended: Cell<bool>,
    /// Records are being delivered, up the stack.
    pub(super) pumping: Cell<bool>,
    /// Records may be left in the filter although none is being delivered: there were too many, or they were not wanted.
    pub(super) backlog: Cell<bool>,
    /// The handle has taken all it would; the write watch tells when it takes more.
    pub(super) blocked: Cell<bool>,
    /// Nothing more can be written: a failure, or shut down.
    pub(super) output_over: Cell<bool>,
    /// Shut the output down once nothing is queued.
    pub(super) closing: Cell<bool>,
    /// The driver has been told to, and may not have done it yet.
    pub(super) farewell: Cell<bool>,
    /// The driver has to read before it can write, whoever wants input.
    pub(super) driver_reads: Cell<bool>,
    /// Something was written and not yet told.
    pub(super) written: Cell<bool>,
    /// The high mark was reached, and the low one not since.
    pub(super) high: Cell<bool>,
    /// Reaching the high mark was not yet told.
    pub(super) high_untold: Cell<bool>,
    /// A filter or a driver that was calling has asked for something.
    pub(super) has_later: Cell<bool>,
}

impl<In: 'static, Out: 'static> Wheel<In, Out> {
    #[track_caller]
    pub(super) fn begin(
        kernel: &Kernel,
        (input, output): Handles,
        driver: Box<dyn Driver>,
        filters: Filters<In, Out>,
        (events, marks): (Events, Option<Marks>),
        part: Option<Part>,
    ) -> Result<Rc<Self>, WheelError> {
        check_marks(marks, &events)?;
        let state = State::default();
        state.input_over.set(input.is_none());
        state.output_over.set(output.is_none());
        let since = kernel.place();
        let wheel = Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            kernel: kernel.downgrade(),
            session: kernel.active_session(),
            since,
            id: part.as_ref().map_or_else(WheelId::allocate, Part::id),
            input,
            output: RefCell::new(output),
            driver: RefCell::new(driver),
            filters: RefCell::new(filters),
            events: Cell::new(events),
            marks: Cell::new(marks),
            state,
            failures: RefCell::default(),
            later: RefCell::default(),
            part,
        });
        wheel.watch_handles(kernel)?;
        wheel.see_to_driver(kernel)?;
        Ok(wheel)
    }

    /// A wheel of other records that goes on where this one stands; this one has ended.
    pub(super) fn succeed<I: 'static, O: 'static>(
        &self,
        mut filter: Box<dyn Both<I, O>>,
    ) -> Result<Rc<Wheel<I, O>>, WheelError> {
        self.catch_up();
        if self.is_busy() {
            return Err(WheelError::Busy);
        }
        let pending = self.filters.borrow_mut().take_pending();
        let handed_over = if pending.is_empty() { Ok(()) } else { filter.feed(pending) };
        let driver = self.driver.replace(Box::new(SysRw::new()));
        let state = &self.state;
        let successor = Rc::new_cyclic(|this| Wheel {
            this: Weak::clone(this),
            kernel: self.kernel.clone(),
            session: self.session,
            since: self.since,
            id: self.id,
            input: self.input.clone(),
            output: RefCell::new(self.output.take()),
            driver: RefCell::new(driver),
            filters: RefCell::new(Filters::Both(filter)),
            events: Cell::new(self.events.get()),
            marks: Cell::new(self.marks.get()),
            state: State {
                input_paused: Cell::new(state.input_paused.get()),
                input_over: Cell::new(state.input_over.get()),
                peer_ended: Cell::new(state.peer_ended.get()),
                backlog: Cell::new(true),
                output_over: Cell::new(state.output_over.get()),
                closing: Cell::new(state.closing.get()),
                farewell: Cell::new(state.farewell.get()),
                written: Cell::new(state.written.get()),
                high: Cell::new(state.high.get()),
                high_untold: Cell::new(state.high_untold.get()),
                ..State::default()
            },
            failures: RefCell::new(self.failures.take()),
            later: RefCell::default(),
            part: self.part.clone(),
        });
        self.end();
        if let Some(kernel) = self.kernel.upgrade() {
            successor.watch_handles(&kernel)?;
            successor.see_to_driver(&kernel)?;
        }
        if let Err(error) = handed_over {
            successor.fail_later(Side::Input, "filter", IoCause::Filter(error));
        }
        successor.schedule();
        Ok(successor)
    }

    pub(super) fn id(&self) -> WheelId {
        self.id
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    pub(super) fn input_handle(&self) -> Option<Rc<dyn AsFd>> {
        self.input.clone()
    }

    pub(super) fn output_handle(&self) -> Option<Rc<dyn AsFd>> {
        self.output.borrow().clone()
    }

    pub(super) fn pending(&self) -> Bytes {
        self.catch_up();
        self.guarded(|| match self.filters.try_borrow_mut() {
            Ok(filters) => filters.get_pending(),
            Err(_) => Bytes::new(),
        })
    }

    /// How many octets are pending, of which no copy is made.
    pub(super) fn pending_len(&self) -> usize {
        self.catch_up();
        self.guarded(|| self.filters.try_borrow_mut().map_or(0, |filters| filters.pending_len()))
    }

    pub(super) fn out_octets(&self) -> usize {
        self.catch_up();
        self.driver.try_borrow_mut().map_or(0, |driver| driver.get_out_octets())
    }

    pub(super) fn out_messages(&self) -> usize {
        self.catch_up();
        self.driver.try_borrow_mut().map_or(0, |driver| driver.get_out_messages_buffered())
    }

    pub(super) fn put(&self, record: Out) -> bool {
        let state = &self.state;
        if state.ended.get() || state.output_over.get() || state.closing.get() {
            return false;
        }
        self.catch_up();
        let (Ok(mut driver), Ok(mut filters)) =
            (self.driver.try_borrow_mut(), self.filters.try_borrow_mut())
        else {
            self.do_later(Later::Put(record));
            return state.high.get();
        };
        let put = filters.put(record, driver.output());
        drop(filters);
        if let Err(error) = put {
            self.fail_later(Side::Output, "filter", IoCause::Filter(error));
            return state.high.get();
        }
        if !state.blocked.get() {
            self.schedule();
        }
        let Some(marks) = self.marks.get() else { return false };
        let is_high = driver.get_out_octets() >= marks.high;
        if is_high && !state.high.replace(true) {
            state.high_untold.set(true);
            self.schedule();
        }
        is_high
    }

    pub(super) fn rename(
        &self,
        event: ReadWriteEvent,
        name: Option<Name>,
    ) -> Result<(), WheelError> {
        let marked = match event {
            ReadWriteEvent::High => Some("high_event"),
            ReadWriteEvent::Low => Some("low_event"),
            _ => None,
        };
        if let Some(event) = marked
            && name.is_some()
            && self.marks.get().is_none()
        {
            return Err(WheelError::NoMarks { event });
        }
        let mut events = self.events.get();
        let place = match event {
            ReadWriteEvent::Input => &mut events.input,
            ReadWriteEvent::Partial => &mut events.partial,
            ReadWriteEvent::Error => &mut events.error,
            ReadWriteEvent::Flushed => &mut events.flushed,
            ReadWriteEvent::High => &mut events.high,
            ReadWriteEvent::Low => &mut events.low,
        };
        *place = name;
        self.events.set(events);
        if event == ReadWriteEvent::Input
            && let Some(kernel) = self.kernel.upgrade()
        {
            if name.is_none() {
                self.unwatch(&kernel, &self.state.read_watch);
                self.state.driver_reads.set(false);
                self.see_to_driver(&kernel)?;
            } else {
                self.watch_input(&kernel)?;
                self.go_on();
            }
        }
        Ok(())
    }

    pub(super) fn set_filter(&self, filter: Box<dyn Both<In, Out>>) {
        self.catch_up();
        if self.is_busy() {
            return self.do_later(Later::Filter(filter));
        }
        self.set_filter_now(filter);
    }

    pub(super) fn set_filter_now(&self, filter: Box<dyn Both<In, Out>>) {
        // What is replaced is dropped when nothing is in use: it may call this wheel.
        let (handed_over, _replaced) =
            self.guarded(|| self.filters.borrow_mut().replace_both(filter));
        self.filter_changed(handed_over);
    }

    pub(super) fn set_input_filter(&self, filter: Box<dyn Decode<In>>) {
        self.catch_up();
        if self.is_busy() {
            return self.do_later(Later::InputFilter(filter));
        }
        self.set_input_filter_now(filter);
    }

    pub(super) fn set_input_filter_now(&self, filter: Box<dyn Decode<In>>) {
        let (handed_over, _replaced) =
            self.guarded(|| self.filters.borrow_mut().replace_input(filter));
        self.filter_changed(handed_over);
    }

    pub(super) fn set_output_filter(&self, filter: Box<dyn Encode<Out>>) {
        self.catch_up();
        if self.is_busy() {
            return self.do_later(Later::OutputFilter(filter));
        }
        self.set_output_filter_now(filter);
    }

    pub(super) fn set_output_filter_now(&self, filter: Box<dyn Encode<Out>>) {
        let _replaced = self.filters.borrow_mut().replace_output(filter);
    }

    /// Changes the filter that `find` finds.
    pub(super) fn with_filter_mut<F, R>(
        &self,
        find: impl FnOnce(&mut Filters<In, Out>) -> Option<&mut F>,
        f: impl FnOnce(&mut F) -> R,
    ) -> Result<R, WheelError> {
        self.catch_up();
        if self.is_busy() {
            return Err(WheelError::Busy);
        }
        let result = self.guarded(|| find(&mut self.filters.borrow_mut()).map(f));
        self.filter_changed(Ok(()));
        self.catch_up();
        result.ok_or(WheelError::OtherFilter { wanted: std::any::type_name::<F>() })
    }

    pub(super) fn set_marks(&self, low: Option<usize>, high: Option<usize>) -> bool {
        let Some(marks) = self.marks.get() else { return false };
        let marks = Marks::new(low.unwrap_or(marks.low), high.unwrap_or(marks.high));
        let Ok(marks) = marks else { return false };
        self.marks.set(Some(marks));
        if self.out_octets() >= marks.high && !self.state.high.replace(true) {
            self.state.high_untold.set(true);
        }
        self.schedule();
        true
    }

    pub(super) fn pause_input(&self) {
        self.state.input_paused.set(true);
        if !self.state.driver_reads.get() {
            self.with_watch(&self.state.read_watch, Kernel::pause_watch);
        }
    }

    pub(super) fn resume_input(&self) {
        if self.state.input_paused.replace(false) {
            self.with_watch(&self.state.read_watch, Kernel::resume_watch);
            self.go_on();
        }
    }

    pub(super) fn shutdown_input(&self) {
        self.stop_input();
        // Of a handle that is no connected socket, the watch was all there is to end.
        if let Some(input) = &self.input {
            let _ = SockRef::from(input).shutdown(std::net::Shutdown::Read);
        }
    }

    pub(super) fn shutdown_output(&self) {
        if !self.state.output_over.get() {
            self.state.closing.set(true);
            self.schedule();
        }
    }

    pub(super) fn flush_now(&self) {
        self.catch_up();
        if self.is_busy() {
            // At the end of the turn, then.
            return self.schedule();
        }
        if !self.state.blocked.get() {
            self.write();
            self.schedule();
        }
    }

    pub(super) fn linger(&self, limit: Duration) -> Option<Lingering> {
        let (state, input) = (&self.state, self.input.as_ref()?);
        if !state.ended.get() {
            self.say_goodbye();
        }
        let is_sending = self.driver.try_borrow().is_ok_and(|driver| driver.has_input())
            || self.pending_len() > 0
            || linger::has_unread(input);
        let may_send = !state.peer_ended.get();
        let kernel = self.kernel.upgrade()?;
        if state.ended.get()
            || state.output_over.get()
            || !(may_send && (is_sending || linger::has_unsent(input)))
            || self.is_busy()
            || self.out_octets() > 0
            || !self.has_one_handle()
            || limit.is_zero()
        {
            return None;
        }
        let driver = self.driver.replace(Box::new(SysRw::new()));
        self.end();
        kernel.made_at(self.since, || {
            linger::linger(&kernel, self.session, input, driver, (is_sending, limit))
        })
    }

    pub(super) fn end(&self) {
        if self.state.ended.replace(true) {
            return;
        }
        self.say_goodbye();
        if let Some(kernel) = self.kernel.upgrade() {
            self.unwatch(&kernel, &self.state.read_watch);
            self.unwatch(&kernel, &self.state.write_watch);
        }
    }

    pub(super) fn tell(&self, kernel: &Kernel, event: Option<Name>) {
        if let Some(event) = event {
            kernel.deliver_event(self.session, event, self.id);
        }
    }

    pub(super) fn fail(
        &self,
        kernel: &Kernel,
        side: Side,
        operation: &'static str,
        cause: IoCause,
    ) {
        self.report(kernel, self.failure(side, operation, cause));
    }

    fn failure(&self, side: Side, operation: &'static str, cause: IoCause) -> IoError {
        let mut error = IoError::new(operation, cause, self.id);
        error.stream = self.part.as_ref().map(|part| part.stream(side));
        error
    }

    fn report(&self, kernel: &Kernel, error: IoError) {
        if !self.state.ended.get()
            && let Some(event) = self.events.get().error
        {
            kernel.deliver_event(self.session, event, error);
        }
    }

    /// Reports that the driver has lost a message, and goes on.
    pub(super) fn lose_message(&self, kernel: &Kernel, error: io::Error) {
        self.report(kernel, self.lost(Side::Input, "read", error));
    }

    /// The same when no handler is running that it would interrupt.
    pub(super) fn lose_message_later(&self, error: io::Error) {
        self.failures.borrow_mut().push(self.lost(Side::Output, "write", error));
        self.schedule();
    }

    fn lost(&self, side: Side, operation: &'static str, error: io::Error) -> IoError {
        self.failure(side, operation, IoCause::Os(error)).tried_again()
    }

    /// Reports a failure when no handler is running that it would interrupt.
    pub(super) fn fail_later(&self, side: Side, operation: &'static str, cause: IoCause) {
        self.failures.borrow_mut().push(self.failure(side, operation, cause));
        self.schedule();
    }

    pub(super) fn tell_failures(&self, kernel: &Kernel) {
        if self.failures.borrow().is_empty() {
            return;
        }
        for error in self.failures.take() {
            self.report(kernel, error);
        }
        if self.state.output_over.get() {
            self.stop_output();
        }
    }

    /// Has the kernel flush this at the end of the turn.
    #[inline]
    pub(super) fn schedule(&self) {
        if !self.state.scheduled.get() {
            self.flush_later();
        }
    }

    fn flush_later(&self) {
        if !self.state.ended.get()
            && let Some(kernel) = self.kernel.upgrade()
        {
            self.state.scheduled.set(true);
            let this: Weak<dyn Flush> = self.this.clone();
            kernel.flush_later(self.session, this);
        }
    }

    /// Begins both watches, or none.
    fn watch_handles(&self, kernel: &Kernel) -> Result<(), WatchError> {
        let watched = self.watch_input(kernel).and_then(|()| self.watch_output(kernel));
        if watched.is_err() {
            self.end();
        }
        watched
    }

    fn watch_input(&self, kernel: &Kernel) -> Result<(), WatchError> {
        let state = &self.state;
        if state.ended.get() || state.input_over.get() || state.read_watch.get().is_some() {
            return Ok(());
        }
        if self.events.get().input.is_none() {
            return Ok(());
        }
        let Some(input) = &self.input else { return Ok(()) };
        let watch = self.watch(kernel, input, Mode::Read)?;
        if state.input_paused.get() && !state.driver_reads.get() {
            kernel.pause_watch(watch);
        }
        state.read_watch.set(Some(watch));
        Ok(())
    }

    /// The write watch is paused until the handle has taken all it would; it keeps the session alive for as long as
    /// there can be output.
    fn watch_output(&self, kernel: &Kernel) -> Result<(), WatchError> {
        if !self.state.output_over.get()
            && let Some(output) = self.output_handle()
        {
            let watch = self.watch(kernel, &output, Mode::Write)?;
            kernel.pause_watch(watch);
            self.state.write_watch.set(Some(watch));
        }
        Ok(())
    }

    pub(super) fn watch(
        &self,
        kernel: &Kernel,
        handle: &Rc<dyn AsFd>,
        mode: Mode,
    ) -> Result<WatchId, WatchError> {
        let Some(this) = self.this.upgrade() else { unreachable!("a wheel in use is there") };
        kernel.made_at(self.since, || kernel.watch(self.session, Rc::clone(handle), mode, this))
    }

    pub(super) fn unwatch(&self, kernel: &Kernel, watch: &Cell<Option<WatchId>>) {
        if let Some(watch) = watch.take() {
            kernel.unwatch(watch);
        }
    }

    pub(super) fn with_watch(
        &self,
        watch: &Cell<Option<WatchId>>,
        change: impl FnOnce(&Kernel, WatchId) -> bool,
    ) {
        if let (Some(watch), Some(kernel)) = (watch.get(), self.kernel.upgrade())
            && !change(&kernel, watch)
        {
            // It went with the session, which nothing can be told any more.
            self.end();
            if let Ok(mut driver) = self.driver.try_borrow_mut() {
                driver.discard_output();
            }
        }
    }
}

impl<In: 'static, Out: 'static> Watch for Wheel<In, Out> {
    fn ready(&self, kernel: &Kernel, mode: Mode) {
        if self.driver.try_borrow_mut().is_err() {
            // This is a turn within the driver, or the filter that puts into it. It comes again.
            return;
        }
        if mode == Mode::Read {
            self.read(kernel);
            self.catch_up();
        } else {
            self.tell_high(kernel);
            self.write();
            self.tell_failures(kernel);
            self.tell_written(kernel);
        }
        self.tell_whole(kernel);
    }
}

impl<In: 'static, Out: 'static> Flush for Wheel<In, Out> {
    fn flush(&self, kernel: &Kernel) {
        let state = &self.state;
        state.scheduled.set(false);
        if self.driver.try_borrow_mut().is_err() {
            return self.do_later(Later::Flush);
        }
        self.tell_failures(kernel);
        if !state.pumping.get() && state.backlog.replace(false) {
            self.pump(kernel);
            if self.driver.borrow().has_input() {
                // No readiness will announce what the driver holds.
                self.read(kernel);
            }
        }
        self.tell_high(kernel);
        if !state.blocked.get() {
            self.write();
            self.tell_failures(kernel);
        }
        self.tell_written(kernel);
        self.tell_whole(kernel);
    }
}

impl<In: 'static, Out: 'static> fmt::Debug for Wheel<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadWrite")
            .field("id", &self.id)
            .field("session", &self.session)
            .field("events", &self.events.get())
            .field(
                "out_octets",
                &self.driver.try_borrow_mut().map_or(0, |driver| driver.get_out_octets()),
            )
            .finish_non_exhaustive()
    }
}
