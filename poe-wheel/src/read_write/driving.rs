//! What a wheel does for a driver that has more to do than to read and write: it may have to read in order to write, says
//! goodbye, and takes the place of another one.

use std::any::Any;
use std::io;
use std::os::fd::AsFd;

use poe_driver::{Driver, Wants};
use poe_kernel::{Kernel, Mode, WatchError};

use super::part::Side;
use super::wheel::Wheel;
use crate::{IoCause, WheelError};

impl<In: 'static, Out: 'static> Wheel<In, Out> {
    /// Has what the driver waits for waited for.
    #[inline]
    pub(super) fn see_to_driver(&self, kernel: &Kernel) -> Result<(), WatchError> {
        // One that is calling is seen to when it has returned.
        let Ok(driver) = self.driver.try_borrow() else { return Ok(()) };
        let wants = driver.wants();
        drop(driver);
        if wants.write && !self.state.blocked.get() {
            self.schedule();
        }
        if wants.read == self.state.driver_reads.get() {
            return Ok(());
        }
        self.read_for_driver(kernel, wants.read)
    }

    /// The same while the wheel runs, where a failure is an event.
    #[inline]
    pub(super) fn go_on_for_driver(&self, kernel: &Kernel) {
        if let Err(error) = self.see_to_driver(kernel) {
            self.fail_later(Side::Input, "read", IoCause::Os(io::Error::other(error)));
        }
    }

    /// Reads for the driver's sake, or no more, where the session does not want input.
    #[cold]
    fn read_for_driver(&self, kernel: &Kernel, is_needed: bool) -> Result<(), WatchError> {
        let state = &self.state;
        state.driver_reads.set(is_needed);
        if self.takes_input() || state.ended.get() || state.input_over.get() {
            return Ok(());
        }
        match state.read_watch.get() {
            Some(_) if is_needed => self.with_watch(&state.read_watch, Kernel::resume_watch),
            None if is_needed => {
                let Some(input) = &self.input else { return Ok(()) };
                state.read_watch.set(Some(self.watch(kernel, input, Mode::Read)?));
            }
            Some(_) if self.events.get().input.is_some() => {
                self.with_watch(&state.read_watch, Kernel::pause_watch);
            }
            _ => self.unwatch(kernel, &state.read_watch),
        }
        Ok(())
    }

    /// Lets the driver end its protocol in good order, as the handle is about to be closed.
    pub(super) fn say_goodbye(&self) {
        if !self.state.output_over.get()
            && let Ok(mut driver) = self.driver.try_borrow_mut()
            && let Some(handle) = &*self.output.borrow()
        {
            // It is closed even if that fails.
            let _ = driver.close(handle.as_fd());
        }
    }

    pub(super) fn driver_wants(&self) -> Wants {
        self.driver.try_borrow().map_or_else(|_| Wants::default(), |driver| driver.wants())
    }

    pub(super) fn with_driver<D: Driver, R>(&self, f: impl FnOnce(&D) -> R) -> Option<R> {
        let driver = self.driver.try_borrow().ok()?;
        let any: &dyn Any = &**driver;
        any.downcast_ref().map(f)
    }

    pub(super) fn set_driver(&self, mut driver: Box<dyn Driver>) -> Result<(), WheelError> {
        self.catch_up();
        if self.is_busy() {
            return Err(WheelError::Busy);
        }
        let input = self.guarded(|| self.filters.borrow_mut().take_pending());
        let taken = driver.take_over(&mut **self.driver.borrow_mut(), input);
        if let Err(input) = taken {
            if !input.is_empty() {
                self.guarded(|| self.filters.borrow_mut().get_one_start(input)).ok();
            }
            return Err(WheelError::Driver);
        }
        let _replaced = self.driver.replace(driver);
        if self.driver.borrow().has_input() {
            self.state.backlog.set(true);
        }
        self.schedule();
        if let Some(kernel) = self.kernel.upgrade() {
            self.see_to_driver(&kernel)?;
        }
        Ok(())
    }
}
