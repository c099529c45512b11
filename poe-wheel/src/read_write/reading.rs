//! How a wheel reads, and hands over records.

use std::cell::Cell;
use std::os::fd::AsFd;

use poe_driver::Get;
use poe_filter::FilterError;
use poe_kernel::{Kernel, Name};

use super::part::Side;
use super::wheel::{Wheel, with_buffer};
use crate::{Input, IoCause};

/// Records handled for one readiness, so that a fast peer with short records cannot hold the loop.
const RECORDS_AT_ONCE: usize = 1024;

impl<In: 'static, Out: 'static> Wheel<In, Out> {
    pub(super) fn read(&self, kernel: &Kernel) {
        let state = &self.state;
        let Some(input) = &self.input else { return };
        // While records wait, none are read, so that what a fast peer sends does not pile up, and so that the end of the
        // input does not overtake them.
        while self.may_read() {
            let got = with_buffer(|buffer| self.driver.borrow_mut().get(input.as_fd(), buffer));
            match got {
                Ok(Get::Octets(chunk)) => {
                    if let Some(part) = &self.part {
                        part.count(chunk.len());
                    }
                    let pumping = Pumping::begin(self);
                    let added = self.filters.borrow_mut().get_one_start(chunk);
                    if let Err(error) = added {
                        self.refuse(kernel, error);
                    }
                    self.deliver(kernel);
                    pumping.done();
                }
                Ok(Get::Eof) => return self.end_input(kernel),
                Ok(_) => break,
                Err(error) if self.driver.borrow().is_recoverable(&error) => {
                    self.lose_message(kernel, error);
                }
                Err(error) => {
                    state.peer_ended.set(true);
                    self.stop_input();
                    return self.fail(kernel, Side::Input, "read", IoCause::Os(error));
                }
            }
            if !self.driver.borrow().has_input() {
                break;
            }
        }
        self.go_on_for_driver(kernel);
        if !self.takes_input() && self.driver.borrow().has_input() {
            // For when input is wanted again.
            state.backlog.set(true);
        }
    }

    /// Whether input is wanted and none is left over, or the driver has to read for its own sake.
    #[inline]
    fn may_read(&self) -> bool {
        let state = &self.state;
        if state.pumping.get() {
            false
        } else if state.driver_reads.get() && self.driver.borrow().wants().read {
            !(state.ended.get() || state.input_over.get())
        } else {
            self.takes_input() && !state.backlog.get()
        }
    }

    /// Does something with the filter, which is not asked for records meanwhile, as in a turn within it.
    pub(super) fn guarded<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Before<'a>(&'a Cell<bool>, bool);

        impl Drop for Before<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }

        let before = Before(&self.state.pumping, self.state.pumping.replace(true));
        let result = f();
        drop(before);
        self.go_on();
        result
    }

    pub(super) fn takes_input(&self) -> bool {
        self.wanted().is_some()
    }

    /// The event for records, while any are wanted.
    #[inline]
    fn wanted(&self) -> Option<Name> {
        let state = &self.state;
        if state.ended.get() || state.input_over.get() || state.input_paused.get() {
            None
        } else {
            self.events.get().input
        }
    }

    /// Sends the session the records that were left in the filter.
    pub(super) fn pump(&self, kernel: &Kernel) {
        if !self.state.pumping.get() {
            let pumping = Pumping::begin(self);
            self.deliver(kernel);
            pumping.done();
        }
    }

    /// Sends the session the records that the filter has.
    fn deliver(&self, kernel: &Kernel) {
        let state = &self.state;
        let mut budget = RECORDS_AT_ONCE;
        let mut delivering = kernel.delivering(self.session);
        loop {
            let Some(event) = self.wanted() else {
                state.backlog.set(true);
                break;
            };
            if budget == 0 {
                state.backlog.set(true);
                self.schedule();
                break;
            }
            budget -= 1;
            self.catch_up();
            let record = self.filters.borrow_mut().get_one();
            // The filter itself may have ended the wheel.
            if state.ended.get() {
                break;
            }
            match record {
                Ok(Some(record)) => {
                    delivering.event(event, Input::new(record, self.id));
                }
                Ok(None) => break,
                Err(error) => self.refuse(kernel, error),
            }
        }
    }

    /// Reports what the filter refuses; what it cannot go on after ends the input.
    fn refuse(&self, kernel: &Kernel, error: FilterError) {
        if error.is_fatal() {
            self.stop_input();
        }
        self.fail(kernel, Side::Input, "filter", IoCause::Filter(error));
    }

    fn end_input(&self, kernel: &Kernel) {
        // A turn within the handler below finds the end of the input once more.
        let pumping = Pumping::begin(self);
        while !self.state.ended.get()
            && let Some(event) = self.events.get().partial
        {
            let record = self.filters.borrow_mut().finish();
            // What the filter refuses stays pending, and so is counted below.
            let Ok(Some(record)) = record else { break };
            if !self.state.ended.get() {
                kernel.deliver_event(self.session, event, Input::new(record, self.id));
            }
            self.catch_up();
        }
        pumping.done();
        self.state.peer_ended.set(true);
        self.stop_input();
        let unfinished = self.pending_len();
        self.fail(kernel, Side::Input, "read", IoCause::Eof { unfinished });
    }

    pub(super) fn stop_input(&self) {
        self.state.input_over.set(true);
        if let Some(kernel) = self.kernel.upgrade() {
            self.unwatch(&kernel, &self.state.read_watch);
        }
    }

    pub(super) fn filter_changed(&self, handed_over: Result<(), FilterError>) {
        if let Err(error) = handed_over {
            self.fail_later(Side::Input, "filter", IoCause::Filter(error));
        }
        // Where records are being delivered, up the stack, those of the new filter are next anyhow.
        if !self.state.pumping.get() {
            self.state.backlog.set(true);
            self.go_on();
        }
    }

    /// Has records delivered that were left.
    pub(super) fn go_on(&self) {
        if self.state.backlog.get() {
            self.schedule();
        }
    }
}

/// Records are being delivered. Should the filter panic, so that the session dies or deals with it, this ends the input: what
/// the filter would make of the rest nobody knows, and nobody reads it meanwhile.
struct Pumping<'a, In: 'static, Out: 'static>(&'a Wheel<In, Out>);

impl<'a, In: 'static, Out: 'static> Pumping<'a, In, Out> {
    fn begin(wheel: &'a Wheel<In, Out>) -> Self {
        wheel.state.pumping.set(true);
        Self(wheel)
    }

    fn done(self) {
        self.0.state.pumping.set(false);
        std::mem::forget(self);
    }
}

impl<In: 'static, Out: 'static> Drop for Pumping<'_, In, Out> {
    fn drop(&mut self) {
        self.0.state.pumping.set(false);
        self.0.stop_input();
    }
}
