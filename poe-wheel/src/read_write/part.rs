//! A `ReadWrite` wheel that is part of another wheel, as one for a program's standard output is of `Run`.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use poe_kernel::{Kernel, Name};

use super::wheel::Wheel;
use super::{ReadWrite, ReadWriteEvent};
use crate::{RunStream, WheelError, WheelId};

/// What a wheel is part of: its events carry the whole wheel's identity, and its errors the stream.
#[derive(Clone)]
pub(crate) struct Part {
    id: WheelId,
    /// The stream it reads; what it writes to is standard input.
    reads: RunStream,
    whole: Weak<dyn Whole>,
    octets: Cell<u64>,
}

/// A wheel that has parts.
pub(crate) trait Whole {
    /// A part has read, or written, and told what there was to tell.
    fn part_moved(&self, kernel: &Kernel);
}

/// Which way the octets go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Input,
    Output,
}

impl Part {
    pub(crate) fn new(id: WheelId, reads: RunStream, whole: Weak<dyn Whole>) -> Self {
        Self { id, reads, whole, octets: Cell::new(0) }
    }

    /// Counts what was read.
    pub(super) fn count(&self, octets: usize) {
        self.octets.set(self.octets.get() + octets as u64);
    }

    pub(super) fn id(&self) -> WheelId {
        self.id
    }

    pub(super) fn stream(&self, side: Side) -> RunStream {
        match side {
            Side::Input => self.reads,
            Side::Output => RunStream::Stdin,
        }
    }
}

impl<In: 'static, Out: 'static> Wheel<In, Out> {
    #[inline]
    pub(super) fn tell_whole(&self, kernel: &Kernel) {
        if let Some(part) = &self.part
            && let Some(whole) = part.whole.upgrade()
        {
            whole.part_moved(kernel);
        }
    }
}

/// What the whole asks of its parts.
impl<In: 'static, Out: 'static> ReadWrite<In, Out> {
    /// Ends it as a drop does.
    pub(crate) fn end(&self) {
        self.wheel.end();
    }

    /// Reads no more, and tells of no end.
    pub(crate) fn stop_input(&self) {
        self.wheel.stop_input();
    }

    pub(crate) fn rename(
        &self,
        event: ReadWriteEvent,
        name: Option<Name>,
    ) -> Result<(), WheelError> {
        self.wheel.rename(event, name)
    }

    pub(crate) fn input_handle(&self) -> Option<Rc<dyn AsFd>> {
        self.wheel.input_handle()
    }

    pub(crate) fn has_input_handle(&self) -> bool {
        self.wheel.input_handle().is_some()
    }

    pub(crate) fn is_input_over(&self) -> bool {
        self.wheel.state.input_over.get()
    }

    /// Whether somebody is to be told of input.
    pub(crate) fn is_input_wanted(&self) -> bool {
        self.wheel.events.get().input.is_some()
    }

    /// How many octets have come so far, those counted that are there and have not been read.
    pub(crate) fn octets_by_now(&self) -> u64 {
        let unread = self.wheel.input_handle().map(rustix::io::ioctl_fionread);
        self.octets_read() + unread.and_then(Result::ok).unwrap_or(0)
    }

    /// Whether so many octets have been read, or all there are, and what they make has been told as far as it is wanted.
    pub(crate) fn has_told(&self, octets: u64) -> bool {
        let (wheel, state) = (&self.wheel, &self.wheel.state);
        let Some(input) = wheel.input_handle() else { return true };
        if state.ended.get()
            || state.input_over.get()
            || state.input_paused.get()
            || !self.is_input_wanted()
        {
            return true;
        }
        let is_there = || {
            let mut handles = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
            poll(&mut handles, PollTimeout::ZERO).is_ok_and(|n| n > 0)
        };
        !state.backlog.get() && (self.octets_read() >= octets || !is_there())
    }

    fn octets_read(&self) -> u64 {
        self.wheel.part.as_ref().map_or(0, |part| part.octets.get())
    }
}
