//! How a wheel writes, and tells of it.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use poe_kernel::Kernel;

use super::part::Side;
use super::wheel::Wheel;
use crate::IoCause;

impl<In: 'static, Out: 'static> Wheel<In, Out> {
    /// Writes what the handle takes.
    pub(super) fn write(&self) {
        let state = &self.state;
        if state.ended.get() || state.output_over.get() {
            return;
        }
        let mut driver = self.driver.borrow_mut();
        let any = driver.get_out_octets() > 0 || driver.get_out_messages_buffered() > 0;
        let output = self.output.borrow();
        let Some(handle) = &*output else { return };
        let flushed = loop {
            match driver.flush(handle.as_fd()) {
                Err(error) if driver.is_recoverable(&error) => self.lose_message_later(error),
                flushed => break flushed,
            }
        };
        match flushed {
            Ok(_) => {
                // It may have to read before it can write what is left.
                let wants = driver.wants();
                drop(driver);
                state.written.set(state.written.get() | any);
                self.await_writable(wants.write);
                if wants.read != state.driver_reads.get()
                    && let Some(kernel) = self.kernel.upgrade()
                {
                    self.go_on_for_driver(&kernel);
                }
            }
            Err(error) => {
                driver.discard_output();
                drop(driver);
                self.give_up_output(error);
            }
        }
    }

    pub(super) fn give_up_output(&self, error: io::Error) {
        for told_no_more in [&self.state.written, &self.state.high, &self.state.high_untold] {
            told_no_more.set(false);
        }
        self.state.closing.set(false);
        self.state.output_over.set(true);
        // The watch keeps the session until it has been told.
        self.await_writable(false);
        self.fail_later(Side::Output, "write", IoCause::Os(error));
    }

    /// Tells the session that the high mark was reached, before what it put is written.
    pub(super) fn tell_high(&self, kernel: &Kernel) {
        if !self.state.ended.get() && self.state.high_untold.replace(false) {
            self.tell(kernel, self.events.get().high);
        }
    }

    /// Tells the session what has become of its output. What a handler puts meanwhile counts.
    pub(super) fn tell_written(&self, kernel: &Kernel) {
        let state = &self.state;
        self.catch_up();
        if !state.ended.get()
            && state.high.get()
            && !state.high_untold.get()
            && self.marks.get().is_none_or(|marks| self.queued() <= marks.low)
        {
            state.high.set(false);
            self.tell(kernel, self.events.get().low);
        }
        if !state.ended.get() && self.is_drained() && state.written.replace(false) {
            self.tell(kernel, self.events.get().flushed);
        }
        if !state.ended.get() && state.closing.get() && self.is_drained() {
            self.end_output(kernel);
        }
    }

    /// Has the driver tell the peer that no more comes, which may take it several writes.
    fn end_output(&self, kernel: &Kernel) {
        let state = &self.state;
        let result = match self.output_handle() {
            Some(handle) if !state.farewell.replace(true) => {
                self.driver.borrow_mut().shutdown_output(handle.as_fd())
            }
            _ => Ok(()),
        };
        let wants = self.driver.borrow().wants();
        if result.is_ok() && (wants.write || wants.read) {
            self.await_writable(wants.write);
            return self.go_on_for_driver(kernel);
        }
        state.closing.set(false);
        self.stop_output();
        if !self.has_one_handle() {
            // A pipe has no other way to tell that no more will come.
            self.output.take();
        }
        if let Err(error) = result {
            self.fail(kernel, Side::Output, "shutdown", IoCause::Os(error));
        }
    }

    /// How many octets are queued, where the driver is not calling.
    fn queued(&self) -> usize {
        self.driver.borrow().get_out_octets()
    }

    /// Whether nothing is queued, not even a message without octets.
    fn is_drained(&self) -> bool {
        let driver = self.driver.borrow();
        driver.get_out_octets() == 0 && driver.get_out_messages_buffered() == 0
    }

    /// Whether input and output are one handle.
    pub(super) fn has_one_handle(&self) -> bool {
        matches!((&self.input, &*self.output.borrow()), (Some(input), Some(output)) if Rc::ptr_eq(input, output))
    }

    /// Waits until the handle takes more, for as long as that is needed.
    pub(super) fn await_writable(&self, needed: bool) {
        if self.state.blocked.replace(needed) != needed {
            let change = if needed { Kernel::resume_watch } else { Kernel::pause_watch };
            self.with_watch(&self.state.write_watch, change);
        }
    }

    pub(super) fn stop_output(&self) {
        self.state.output_over.set(true);
        if let Some(kernel) = self.kernel.upgrade() {
            self.unwatch(&kernel, &self.state.write_watch);
        }
    }
}
