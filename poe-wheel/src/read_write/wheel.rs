//! The wheel itself, shared by its owner and the kernel's watches.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use poe_driver::{Driver, Get, ReadBuffer, SysRw};
use poe_filter::{Filter, FilterError};
use poe_kernel::{Flush, Kernel, Mode, Name, SessionId, Watch, WatchError, WatchId, WeakKernel};
use socket2::SockRef;

use super::ReadWriteEvent;
use super::events::{Events, Marks, check_marks};
use super::filters::{Decode, Encode, Filters};
use super::linger::{self, Lingering};
use crate::{Input, IoCause, IoError, WheelError, WheelId};

/// Records handled for one readiness, so that a fast peer with short records cannot hold the loop.
const RECORDS_AT_ONCE: usize = 1024;

thread_local! {
    /// One buffer for all wheels of a thread: an idle connection needs none.
    pub(super) static BUFFER: RefCell<ReadBuffer> = RefCell::new(ReadBuffer::new());
}

pub(super) struct Wheel<In: 'static, Out: 'static> {
    this: Weak<Self>,
    kernel: WeakKernel,
    session: SessionId,
    id: WheelId,
    input: Rc<dyn AsFd>,
    /// None once the output was shut down, if it is not the input's handle too.
    output: RefCell<Option<Rc<dyn AsFd>>>,
    driver: RefCell<Box<dyn Driver>>,
    filters: RefCell<Filters<In, Out>>,
    events: Cell<Events>,
    marks: Cell<Option<Marks>>,
    state: State,
    failures: RefCell<Vec<IoError>>,
}

/// Where the wheel stands.
#[derive(Debug, Default)]
struct State {
    /// The owner has dropped it: nothing is delivered any more.
    ended: Cell<bool>,
    /// It is on the kernel's list of what to flush at the end of the turn.
    scheduled: Cell<bool>,
    read_watch: Cell<Option<WatchId>>,
    write_watch: Cell<Option<WatchId>>,
    input_paused: Cell<bool>,
    /// Nothing more is to be read: end of file, a failure, or shut down.
    input_over: Cell<bool>,
    /// Records are being delivered, up the stack.
    pumping: Cell<bool>,
    /// Records may be left in the filter although none is being delivered.
    backlog: Cell<bool>,
    /// The handle has taken all it would; the write watch tells when it takes more.
    blocked: Cell<bool>,
    /// Nothing more can be written: a failure, or shut down.
    output_over: Cell<bool>,
    /// Shut the output down once nothing is queued.
    closing: Cell<bool>,
    /// Something was written and not yet told.
    written: Cell<bool>,
    /// The high mark was reached, and the low one not since.
    high: Cell<bool>,
    /// Reaching the high mark was not yet told.
    high_untold: Cell<bool>,
}

impl<In: 'static, Out: 'static> Wheel<In, Out> {
    pub(super) fn begin(
        kernel: &Kernel,
        (input, output): (Rc<dyn AsFd>, Rc<dyn AsFd>),
        driver: Box<dyn Driver>,
        filters: Filters<In, Out>,
        events: Events,
        marks: Option<Marks>,
    ) -> Result<Rc<Self>, WheelError> {
        check_marks(marks, &events)?;
        let wheel = Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            kernel: kernel.downgrade(),
            session: kernel.active_session(),
            id: WheelId::allocate(),
            input,
            output: RefCell::new(Some(output)),
            driver: RefCell::new(driver),
            filters: RefCell::new(filters),
            events: Cell::new(events),
            marks: Cell::new(marks),
            state: State::default(),
            failures: RefCell::default(),
        });
        wheel.watch_handles(kernel)?;
        Ok(wheel)
    }

    /// A wheel of other records that goes on where this one stands; this one has ended.
    pub(super) fn succeed<I: 'static, O: 'static>(
        &self,
        mut filter: Box<dyn Filter<In = I, Out = O>>,
    ) -> Result<Rc<Wheel<I, O>>, WheelError> {
        let pending = self.filters.borrow_mut().take_pending();
        let handed_over = if pending.is_empty() { Ok(()) } else { filter.get_one_start(pending) };
        let driver = self.driver.replace(Box::new(SysRw::new()));
        let state = &self.state;
        let successor = Rc::new_cyclic(|this| Wheel {
            this: Weak::clone(this),
            kernel: self.kernel.clone(),
            session: self.session,
            id: self.id,
            input: Rc::clone(&self.input),
            output: RefCell::new(self.output.take()),
            driver: RefCell::new(driver),
            filters: RefCell::new(Filters::Both(filter)),
            events: Cell::new(self.events.get()),
            marks: Cell::new(self.marks.get()),
            state: State {
                input_paused: Cell::new(state.input_paused.get()),
                input_over: Cell::new(state.input_over.get()),
                backlog: Cell::new(true),
                output_over: Cell::new(state.output_over.get()),
                closing: Cell::new(state.closing.get()),
                written: Cell::new(state.written.get()),
                high: Cell::new(state.high.get()),
                high_untold: Cell::new(state.high_untold.get()),
                ..State::default()
            },
            failures: RefCell::new(self.failures.take()),
        });
        self.end();
        if let Some(kernel) = self.kernel.upgrade() {
            successor.watch_handles(&kernel)?;
        }
        if let Err(error) = handed_over {
            successor.fail_later("filter", IoCause::Filter(error));
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

    pub(super) fn input_handle(&self) -> Rc<dyn AsFd> {
        Rc::clone(&self.input)
    }

    pub(super) fn output_handle(&self) -> Option<Rc<dyn AsFd>> {
        self.output.borrow().clone()
    }

    pub(super) fn pending(&self) -> Bytes {
        self.filters.borrow().get_pending()
    }

    pub(super) fn out_octets(&self) -> usize {
        self.driver.borrow().get_out_octets()
    }

    pub(super) fn out_messages(&self) -> usize {
        self.driver.borrow().get_out_messages_buffered()
    }

    pub(super) fn put(&self, record: Out) -> bool {
        let state = &self.state;
        if state.ended.get() || state.output_over.get() || state.closing.get() {
            return false;
        }
        let mut driver = self.driver.borrow_mut();
        let put = self.filters.borrow_mut().put(record, driver.output());
        if let Err(error) = put {
            self.fail_later("filter", IoCause::Filter(error));
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
            } else {
                self.watch_input(&kernel)?;
                self.state.backlog.set(true);
                self.schedule();
            }
        }
        Ok(())
    }

    pub(super) fn set_filter(&self, filter: Box<dyn Filter<In = In, Out = Out>>) {
        let handed_over = self.filters.borrow_mut().replace_both(filter);
        self.filter_changed(handed_over);
    }

    pub(super) fn set_input_filter(&self, filter: Box<dyn Decode<In>>) {
        let handed_over = self.filters.borrow_mut().replace_input(filter);
        self.filter_changed(handed_over);
    }

    pub(super) fn set_output_filter(&self, filter: Box<dyn Encode<Out>>) {
        self.filters.borrow_mut().replace_output(filter);
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
        self.with_watch(&self.state.read_watch, Kernel::pause_watch);
    }

    pub(super) fn resume_input(&self) {
        if self.state.input_paused.replace(false) {
            self.with_watch(&self.state.read_watch, Kernel::resume_watch);
            self.state.backlog.set(true);
            self.schedule();
        }
    }

    pub(super) fn shutdown_input(&self) {
        self.stop_input();
        // Of a handle that is no connected socket, the watch was all there is to end.
        let _ = SockRef::from(&self.input).shutdown(std::net::Shutdown::Read);
    }

    pub(super) fn shutdown_output(&self) {
        if !self.state.output_over.get() {
            self.state.closing.set(true);
            self.schedule();
        }
    }

    pub(super) fn flush_now(&self) {
        if !self.state.blocked.get() {
            self.write();
            self.schedule();
        }
    }

    pub(super) fn linger(&self, limit: Duration) -> Option<Lingering> {
        let state = &self.state;
        let sends_still = !state.input_over.get()
            && (state.backlog.get()
                || !self.pending().is_empty()
                || linger::has_unread(&self.input)
                || linger::has_unsent(&self.input));
        let kernel = self.kernel.upgrade()?;
        if state.ended.get()
            || state.output_over.get()
            || !sends_still
            || self.out_octets() > 0
            || !self.has_one_handle()
        {
            return None;
        }
        let driver = self.driver.replace(Box::new(SysRw::new()));
        self.end();
        linger::linger(&kernel, self.session, Rc::clone(&self.input), driver, limit)
    }

    pub(super) fn end(&self) {
        if !self.state.ended.replace(true)
            && let Some(kernel) = self.kernel.upgrade()
        {
            self.unwatch(&kernel, &self.state.read_watch);
            self.unwatch(&kernel, &self.state.write_watch);
        }
    }

    fn read(&self, kernel: &Kernel) {
        let state = &self.state;
        // While records wait, none are read, so that what a fast peer sends does not pile up, and so that the end of the
        // input does not overtake them.
        while self.takes_input() && !(state.backlog.get() || state.pumping.get()) {
            let got = BUFFER.with(|buffer| {
                self.driver.borrow_mut().get(self.input.as_fd(), &mut buffer.borrow_mut())
            });
            match got {
                Ok(Get::Octets(chunk)) => {
                    let added = self.filters.borrow_mut().get_one_start(chunk);
                    if let Err(error) = added {
                        self.refuse(kernel, error);
                    }
                    self.pump(kernel);
                }
                Ok(Get::Eof) => return self.end_input(kernel),
                Ok(_) => break,
                Err(error) => {
                    self.stop_input();
                    return self.fail(kernel, "read", IoCause::Os(error));
                }
            }
            if !self.driver.borrow().has_input() {
                break;
            }
        }
        if self.driver.borrow().wants().write && !state.blocked.get() {
            self.schedule();
        }
    }

    fn takes_input(&self) -> bool {
        let state = &self.state;
        !(state.ended.get() || state.input_over.get() || state.input_paused.get())
            && self.events.get().input.is_some()
    }

    /// Sends the session the records that the filter has.
    fn pump(&self, kernel: &Kernel) {
        let state = &self.state;
        if state.pumping.replace(true) {
            return;
        }
        let mut budget = RECORDS_AT_ONCE;
        while self.takes_input() {
            let Some(event) = self.events.get().input else { break };
            if budget == 0 {
                state.backlog.set(true);
                self.schedule();
                break;
            }
            budget -= 1;
            let record = self.filters.borrow_mut().get_one();
            match record {
                Ok(Some(record)) => {
                    kernel.deliver_event(self.session, event, Input::new(record, self.id));
                }
                Ok(None) => break,
                Err(error) => self.refuse(kernel, error),
            }
        }
        state.pumping.set(false);
    }

    /// Reports what the filter refuses; what it cannot go on after ends the input.
    fn refuse(&self, kernel: &Kernel, error: FilterError) {
        if error.is_fatal() {
            self.stop_input();
        }
        self.fail(kernel, "filter", IoCause::Filter(error));
    }

    fn end_input(&self, kernel: &Kernel) {
        // A turn within the handler below finds the end of the input once more.
        self.state.pumping.set(true);
        while !self.state.ended.get()
            && let Some(event) = self.events.get().partial
        {
            let record = self.filters.borrow_mut().finish();
            // What the filter refuses stays pending, and so is counted below.
            let Ok(Some(record)) = record else { break };
            kernel.deliver_event(self.session, event, Input::new(record, self.id));
        }
        self.state.pumping.set(false);
        self.stop_input();
        let unfinished = self.pending().len();
        self.fail(kernel, "read", IoCause::Eof { unfinished });
    }

    fn stop_input(&self) {
        self.state.input_over.set(true);
        if let Some(kernel) = self.kernel.upgrade() {
            self.unwatch(&kernel, &self.state.read_watch);
        }
    }

    fn filter_changed(&self, handed_over: Result<(), FilterError>) {
        if let Err(error) = handed_over {
            self.fail_later("filter", IoCause::Filter(error));
        }
        if !self.state.pumping.get() {
            self.state.backlog.set(true);
            self.schedule();
        }
    }

    /// Writes what the handle takes.
    fn write(&self) {
        let state = &self.state;
        if state.ended.get() || state.output_over.get() {
            return;
        }
        let mut driver = self.driver.borrow_mut();
        let any = driver.get_out_octets() > 0;
        let output = self.output.borrow();
        let Some(handle) = &*output else { return };
        match driver.flush(handle.as_fd()) {
            Ok(left) => {
                drop(driver);
                state.written.set(state.written.get() | any);
                self.await_writable(left > 0 || self.driver.borrow().wants().write);
            }
            Err(error) => {
                driver.discard_output();
                drop(driver);
                self.give_up_output(error);
            }
        }
    }

    fn give_up_output(&self, error: io::Error) {
        for told_no_more in [&self.state.written, &self.state.high, &self.state.high_untold] {
            told_no_more.set(false);
        }
        self.state.closing.set(false);
        self.stop_output();
        self.fail_later("write", IoCause::Os(error));
    }

    /// Tells the session that the high mark was reached, before what it put is written.
    fn tell_high(&self, kernel: &Kernel) {
        if !self.state.ended.get() && self.state.high_untold.replace(false) {
            self.tell(kernel, self.events.get().high);
        }
    }

    /// Tells the session what has become of its output. What a handler puts meanwhile counts.
    fn tell_written(&self, kernel: &Kernel) {
        let state = &self.state;
        if !state.ended.get()
            && state.high.get()
            && !state.high_untold.get()
            && self.marks.get().is_none_or(|marks| self.out_octets() <= marks.low)
        {
            state.high.set(false);
            self.tell(kernel, self.events.get().low);
        }
        if !state.ended.get() && self.out_octets() == 0 && state.written.replace(false) {
            self.tell(kernel, self.events.get().flushed);
        }
        if !state.ended.get() && state.closing.get() && self.out_octets() == 0 {
            state.closing.set(false);
            self.stop_output();
            let result = self
                .output_handle()
                .map_or(Ok(()), |handle| self.driver.borrow_mut().shutdown_output(handle.as_fd()));
            if !self.has_one_handle() {
                // A pipe has no other way to tell that no more will come.
                self.output.take();
            }
            if let Err(error) = result {
                self.fail(kernel, "shutdown", IoCause::Os(error));
            }
        }
    }

    /// Whether input and output are one handle.
    fn has_one_handle(&self) -> bool {
        self.output.borrow().as_ref().is_some_and(|output| Rc::ptr_eq(&self.input, output))
    }

    fn tell(&self, kernel: &Kernel, event: Option<Name>) {
        if let Some(event) = event {
            kernel.deliver_event(self.session, event, self.id);
        }
    }

    fn fail(&self, kernel: &Kernel, operation: &'static str, cause: IoCause) {
        if !self.state.ended.get()
            && let Some(event) = self.events.get().error
        {
            let error = IoError::new(operation, cause, self.id);
            kernel.deliver_event(self.session, event, error);
        }
    }

    /// Reports a failure when no handler is running that it would interrupt.
    fn fail_later(&self, operation: &'static str, cause: IoCause) {
        self.failures.borrow_mut().push(IoError::new(operation, cause, self.id));
        self.schedule();
    }

    fn tell_failures(&self, kernel: &Kernel) {
        if self.failures.borrow().is_empty() {
            return;
        }
        for error in self.failures.take() {
            self.fail(kernel, error.operation, error.cause);
        }
    }

    /// Has the kernel flush this at the end of the turn.
    #[inline]
    fn schedule(&self) {
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
        if state.read_watch.get().is_some() || state.input_over.get() {
            return Ok(());
        }
        if self.events.get().input.is_none() {
            return Ok(());
        }
        let watch = self.watch(kernel, &self.input, Mode::Read)?;
        if state.input_paused.get() {
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

    /// Waits until the handle takes more, for as long as that is needed.
    fn await_writable(&self, needed: bool) {
        if self.state.blocked.replace(needed) != needed {
            let change = if needed { Kernel::resume_watch } else { Kernel::pause_watch };
            self.with_watch(&self.state.write_watch, change);
        }
    }

    fn stop_output(&self) {
        self.state.output_over.set(true);
        if let Some(kernel) = self.kernel.upgrade() {
            self.unwatch(&kernel, &self.state.write_watch);
        }
    }

    fn watch(
        &self,
        kernel: &Kernel,
        handle: &Rc<dyn AsFd>,
        mode: Mode,
    ) -> Result<WatchId, WatchError> {
        let Some(this) = self.this.upgrade() else { unreachable!("a wheel in use is there") };
        kernel.watch(self.session, Rc::clone(handle), mode, this)
    }

    fn unwatch(&self, kernel: &Kernel, watch: &Cell<Option<WatchId>>) {
        if let Some(watch) = watch.take() {
            kernel.unwatch(watch);
        }
    }

    fn with_watch(
        &self,
        watch: &Cell<Option<WatchId>>,
        change: impl FnOnce(&Kernel, WatchId) -> bool,
    ) {
        if let (Some(watch), Some(kernel)) = (watch.get(), self.kernel.upgrade())
            && !change(&kernel, watch)
        {
            // It went with the session, which nothing can be told any more.
            self.end();
            self.driver.borrow_mut().discard_output();
        }
    }
}

impl<In: 'static, Out: 'static> Watch for Wheel<In, Out> {
    fn ready(&self, kernel: &Kernel, mode: Mode) {
        if mode == Mode::Read {
            self.read(kernel);
        } else {
            self.tell_high(kernel);
            self.write();
            self.tell_failures(kernel);
            self.tell_written(kernel);
        }
    }
}

impl<In: 'static, Out: 'static> Flush for Wheel<In, Out> {
    fn flush(&self, kernel: &Kernel) {
        let state = &self.state;
        state.scheduled.set(false);
        self.tell_failures(kernel);
        if state.backlog.replace(false) {
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
                &self.driver.try_borrow().map_or(0, |driver| driver.get_out_octets()),
            )
            .finish_non_exhaustive()
    }
}
