//! What the kernel calls: when there is something to read, when something can be written, when a time has come.

use std::rc::Weak;

use poe_kernel::{Kernel, Mode, Timeout, TimerId, Watch};

use super::Wheel;
use crate::read_line::stroke::Stroke;

/// What the kernel holds while a line is asked for. It lets go of it when the session ends, and so does the terminal.
pub(super) struct Reading {
    pub(super) wheel: Weak<Wheel>,
    pub(super) line: u64,
}

impl Watch for Reading {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        if let Some(wheel) = self.wheel.upgrade()
            && wheel.reading.get()
        {
            wheel.receive(kernel);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(wheel) = self.wheel.upgrade()
            && wheel.reading.get()
            && wheel.line.get() == self.line
        {
            wheel.end();
        }
    }
}

/// Tells a wheel that the terminal takes something again.
pub(super) struct Writing(pub(super) Weak<Wheel>);

impl Watch for Writing {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        if let Some(wheel) = self.0.upgrade() {
            wheel.write();
            wheel.tell_errors(kernel);
            wheel.tell_flushed(kernel);
        }
    }
}

/// Tells a wheel that no more of a key has come.
pub(super) struct Escape(pub(super) Weak<Wheel>);

impl Timeout for Escape {
    fn timed_out(&self, kernel: &Kernel) {
        if let Some(wheel) = self.0.upgrade() {
            wheel.escape_timer.set(TimerId::NONE);
            let mut strokes = wheel.strokes.borrow_mut();
            wheel.decoder.borrow_mut().time_out(|decoded| strokes.extend(Stroke::of(decoded)));
            drop(strokes);
            wheel.work(kernel);
        }
    }
}

/// Tells a wheel that nobody has typed for a while.
pub(super) struct Idle(pub(super) Weak<Wheel>);

impl Timeout for Idle {
    fn timed_out(&self, _: &Kernel) {
        if let Some(wheel) = self.0.upgrade() {
            wheel.idle_timer.set(TimerId::NONE);
            wheel.schedule();
        }
    }
}
