//! What a filter or a driver asks of the wheel that is calling it.
//!
//! They are in use then, and so is what they would change. It is done as soon as they have returned, in the order in which it
//! was asked for.

use super::filters::{Both, Decode, Encode};
use super::wheel::Wheel;

/// Something to be done when neither the filter nor the driver is in use.
pub(super) enum Later<In: 'static, Out: 'static> {
    Put(Out),
    Filter(Box<dyn Both<In, Out>>),
    InputFilter(Box<dyn Decode<In>>),
    OutputFilter(Box<dyn Encode<Out>>),
    /// What is at the end of a turn anyhow.
    Flush,
}

impl<In: 'static, Out: 'static> Wheel<In, Out> {
    /// Whether the filter or the driver is calling, up the stack.
    pub(super) fn is_busy(&self) -> bool {
        self.filters.try_borrow_mut().is_err() || self.driver.try_borrow_mut().is_err()
    }

    #[cold]
    #[inline(never)]
    pub(super) fn do_later(&self, what: Later<In, Out>) {
        self.later.borrow_mut().push(what);
        self.state.has_later.set(true);
    }

    /// Does what was asked for while it could not be done.
    #[inline]
    pub(super) fn catch_up(&self) {
        if self.state.has_later.get() {
            self.do_now();
        }
    }

    #[cold]
    fn do_now(&self) {
        if self.is_busy() {
            return;
        }
        self.state.has_later.set(false);
        for what in self.later.take() {
            match what {
                Later::Put(record) => {
                    // It was put before the output was to be shut down.
                    let closing = self.state.closing.replace(false);
                    self.put(record);
                    self.state.closing.set(closing);
                }
                Later::Filter(filter) => self.set_filter_now(filter),
                Later::InputFilter(filter) => self.set_input_filter_now(filter),
                Later::OutputFilter(filter) => self.set_output_filter_now(filter),
                Later::Flush => {}
            }
        }
        // For the end of the turn, and for what was asked for again meanwhile: a filter that always asks is not to hold it.
        self.schedule();
    }
}
