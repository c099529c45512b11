//! Other systems: all through the poller.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};

use crate::event_loop::{Interest, Key, Readiness};

pub(super) struct System {
    events: Events,
}

impl System {
    pub(super) fn new(_: &Poller) -> io::Result<Self> {
        Ok(Self { events: Events::new() })
    }

    pub(super) fn add(
        &self,
        poller: &Poller,
        handle: &dyn AsFd,
        key: Key,
        modes: Interest,
    ) -> io::Result<()> {
        crate::sys::add_to_poller(poller, handle, event(key, modes), PollMode::Level)
    }

    pub(super) fn modify(
        &self,
        poller: &Poller,
        handle: BorrowedFd<'_>,
        key: Key,
        modes: Interest,
    ) -> io::Result<()> {
        poller.modify_with_mode(handle, event(key, modes), PollMode::Level)
    }

    pub(super) fn wait(
        &mut self,
        poller: &Poller,
        ready: &mut Vec<Readiness>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        self.events.clear();
        poller.wait(&mut self.events, timeout)?;
        // A kqueue tells of each direction by itself.
        let mut all: BTreeMap<Key, Interest> = BTreeMap::new();
        for event in self.events.iter() {
            let broken = event.is_interrupt() || event.is_err() == Some(true);
            let modes = all.entry(event.key).or_default();
            modes.read |= broken || event.readable;
            modes.write |= broken || event.writable;
            modes.expedite |= broken || event.is_priority();
        }
        ready.extend(all.into_iter().map(|(key, modes)| Readiness::new(key, modes)));
        Ok(())
    }
}

fn event(key: Key, modes: Interest) -> Event {
    let mut event = Event::new(key, modes.read, modes.write);
    event.set_priority(modes.expedite);
    event
}
