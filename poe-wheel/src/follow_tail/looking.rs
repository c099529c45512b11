//! What a wheel does when it looks: what has the name, what is new in the files, what becomes of those that had it.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use poe_filter::FilterError;
use poe_kernel::{Kernel, Name};

use super::generation::{Generation, Got, Kind, Opened, Renew, Source};
use super::start::lose_name;
use super::tail::{self, Identity};
use super::wheel::Wheel;
use crate::read_write::with_buffer;
use crate::{Input, IoCause, IoError};

/// Records handled in one turn, so that a huge file does not hold the loop.
const RECORDS_AT_ONCE: usize = 1024;

/// Octets read in one turn, for filters that make few records of many.
const OCTETS_AT_ONCE: usize = 256 * 1024;

/// Polls for which a file that has lost its name must not grow to be closed: who writes to it may learn of that late.
const QUIET_POLLS: u32 = 3;

/// Times that files are looked for again because they were moved meanwhile.
const TRIES: usize = 16;

/// One look.
struct Look<'a> {
    kernel: &'a Kernel,
    /// It is time for it, whatever was told.
    polled: bool,
    /// Something was new.
    found: bool,
    failed: bool,
    records: usize,
    octets: usize,
}

/// How far a file was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Followed {
    /// To its end.
    ToEnd,
    /// So far for this turn.
    Enough,
    /// The wheel is paused, or has ended.
    Stopped,
}

/// What was found under the name, and what had it.
#[derive(Default)]
struct Found {
    /// Files that had it, and are not open yet.
    before: Vec<Opened>,
    /// What those that cannot be opened are called.
    unseen: Vec<OsString>,
    /// The file that has it.
    identity: Option<Identity>,
    /// The same, if it is not open yet.
    current: Option<Opened>,
    /// One that had it is not where it was moved to.
    is_late: bool,
    failed: Option<(&'static str, io::Error)>,
}

fn is_missing(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(Errno::ENOENT as i32) || code == Some(Errno::ENOTDIR as i32)
}

/// Whether it is not the fault of the file, and so the next one is not to be read before it.
fn is_exhaustion(error: &io::Error) -> bool {
    let codes = [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::EAGAIN];
    codes.iter().any(|code| error.raw_os_error() == Some(*code as i32))
}

impl<In: 'static> Wheel<In> {
    pub(super) fn look(&self, kernel: &Kernel, polled: bool) {
        let state = &self.state;
        if state.looking.get() {
            // This is a turn within a handler, or the filter.
            state.missed.set(true);
            return;
        }
        if self.wanted().is_none() {
            return;
        }
        let mut look = Look {
            kernel,
            polled,
            found: false,
            failed: false,
            records: RECORDS_AT_ONCE,
            octets: OCTETS_AT_ONCE,
        };
        let looking = Looking::begin(self);
        if polled || self.moves.has_news() {
            self.find(&mut look);
        }
        let mut followed = Followed::ToEnd;
        let mut index = 0;
        while followed == Followed::ToEnd && index < self.generations.borrow().len() {
            followed = self.follow(&mut look, index);
            index += 1;
        }
        if polled && followed == Followed::ToEnd {
            self.retire(&look);
        }
        if polled && !look.failed {
            state.failure.set(None);
        }
        looking.done();
        if followed == Followed::Enough || state.missed.replace(false) {
            self.schedule();
        }
        if polled && !look.found && self.wanted().is_some() && !self.is_stream() {
            self.tell_of(kernel, self.events.get().idle);
        }
    }

    /// The event for records, while any are wanted.
    #[inline]
    fn wanted(&self) -> Option<Name> {
        let state = &self.state;
        let stopped = state.ended.get() || state.over.get() || state.paused.get();
        if stopped { None } else { self.events.get().input }
    }

    /// Opens the files that have had the name since, and the one that has it now.
    fn find(&self, look: &mut Look<'_>) {
        let Some(path) = &self.path else { return };
        if self.is_stream() {
            return;
        }
        self.watch_directory();
        self.resume_moved();
        let Some(found) = self.open_all_at_rest(path) else {
            self.state.missed.set(true);
            return;
        };
        if found.is_late && !look.polled {
            // The system has moved a file again and is about to say where.
            return;
        }
        if let Some((operation, error)) = found.failed {
            let is_exhaustion = is_exhaustion(&error);
            self.cannot(look, operation, error);
            if is_exhaustion {
                return;
            }
        } else {
            self.be_missing(found.identity.is_none());
        }
        self.moves.forget_but(found.unseen);
        look.found |= !found.before.is_empty();
        found.before.into_iter().for_each(|opened| self.begin_next(opened));
        if let Some(identity) = found.identity {
            self.make_last(identity);
        }
        if let Some(opened) = found.current {
            self.take_over(look, opened);
        }
    }

    /// None if files are moved too often for that.
    fn open_all_at_rest(&self, path: &Path) -> Option<Found> {
        let mut last = None;
        for _ in 0..TRIES {
            let count = self.moves.count();
            let found = self.open_all(path);
            let Some(notifier) = self.notifier.borrow().clone() else { return Some(found) };
            notifier.drain();
            // What was moved on meanwhile may have been taken for another.
            last = (self.moves.count() == count).then_some(found);
            if last.as_ref().is_some_and(|found| !found.is_late) {
                break;
            }
        }
        last
    }

    fn open_all(&self, path: &Path) -> Found {
        let mut found = Found::default();
        for name in self.moves.away() {
            match Opened::by_name(&path.with_file_name(&name)) {
                Ok(file) => {
                    let is_new = match file.kind {
                        Kind::File(identity) => {
                            !self.has_open(identity)
                                && found.before.iter().all(|before| before.kind != file.kind)
                        }
                        Kind::Fifo | Kind::Stream => false,
                    };
                    if is_new {
                        found.before.push(file);
                    }
                }
                Err(error) if is_missing(&error) => found.is_late = true,
                Err(error) => {
                    found.unseen.push(name);
                    found.failed = Some(("open", error));
                }
            }
        }
        match tail::look_up(path) {
            Ok(identity) if self.has_open(identity) => found.identity = Some(identity),
            Ok(identity) => match Opened::by_name(path) {
                Ok(opened) => {
                    found.identity = Some(identity);
                    found.current = Some(opened);
                }
                Err(error) if is_missing(&error) => {}
                Err(error) => found.failed = Some(("open", error)),
            },
            Err(error) if is_missing(&error) => {}
            Err(error) => found.failed = Some(("stat", error)),
        }
        found
    }

    pub(super) fn has_open(&self, identity: Identity) -> bool {
        self.generations.borrow().iter().any(|generation| generation.is(identity))
    }

    /// Has the file that has the name come last, although it was one of those before.
    fn make_last(&self, identity: Identity) {
        let mut generations = self.generations.borrow_mut();
        let found = generations.iter().rposition(|generation| generation.is(identity));
        if let Some(found) = found
            && found + 1 < generations.len()
        {
            lose_name(&mut generations);
            let last = generations.remove(found);
            generations.extend(last);
        }
    }

    /// Whether no file has the name.
    fn be_missing(&self, is_missing: bool) {
        if !self.state.missing.replace(is_missing) && is_missing {
            lose_name(&mut self.all());
        }
    }

    fn take_over(&self, look: &mut Look<'_>, opened: Opened) {
        let is_stream = match opened.kind {
            Kind::File(identity) if self.has_open(identity) => return self.make_last(identity),
            kind => !matches!(kind, Kind::File(_)),
        };
        look.found = true;
        self.begin_next(opened);
        if is_stream && self.watch_stream(look.kernel).is_err() {
            self.all().pop_back();
            self.cannot(look, "open", Errno::EBADF.into());
        }
    }

    fn cannot(&self, look: &mut Look<'_>, operation: &'static str, error: io::Error) {
        look.failed = true;
        self.fail_once(look.kernel, operation, error);
    }

    /// Delivers what is new in a file.
    fn follow(&self, look: &mut Look<'_>, index: usize) -> Followed {
        let mut was_reset = false;
        loop {
            let followed = self.deliver(look, index);
            if followed != Followed::ToEnd {
                return followed;
            }
            if look.octets == 0 {
                return Followed::Enough;
            }
            let got = with_buffer(|buffer| self.generations.borrow_mut()[index].read(buffer));
            match got {
                Ok(Got::Octets(octets)) => {
                    look.found = true;
                    look.octets = look.octets.saturating_sub(octets.len());
                    self.begin_generation(look, index);
                    let fed = {
                        let generation = &mut self.generations.borrow_mut()[index];
                        generation.quiet = 0;
                        generation.filter.feed(octets)
                    };
                    if let Err(error) = fed {
                        self.refuse(look, error);
                    }
                    if !self.generations.borrow()[index].may_have_more() {
                        return self.deliver(look, index);
                    }
                }
                Ok(Got::Nothing) => {
                    // A file that is empty so far is not gone over to while there is another one.
                    if index == 0 {
                        self.begin_generation(look, index);
                    }
                    if look.polled {
                        self.generations.borrow_mut()[index].quiet += 1;
                    }
                    return Followed::ToEnd;
                }
                // It changes each time that it is read, as those of /proc may.
                Ok(Got::Another) if was_reset => return Followed::ToEnd,
                Ok(Got::Another) => {
                    was_reset = true;
                    look.found = true;
                    self.begin_anew(look, index);
                }
                Ok(Got::Eof) => return self.end_stream(look, index),
                Err(error) if !self.is_stream() => {
                    if error.raw_os_error() == Some(Errno::ESTALE as i32) {
                        // It was removed elsewhere; what has the name is looked for again.
                        let stale = self.all().remove(index);
                        stale.into_iter().for_each(|stale| self.finish(look, stale.filter));
                    }
                    self.cannot(look, "read", error);
                    return Followed::ToEnd;
                }
                Err(error) => {
                    self.stop();
                    let error = IoError::new("read", IoCause::Os(error), self.id);
                    self.fail(look.kernel, error);
                    return Followed::Stopped;
                }
            }
            if self.wanted().is_none() {
                return Followed::Stopped;
            }
        }
    }

    /// Sends the session the records that the filter has.
    fn deliver(&self, look: &mut Look<'_>, index: usize) -> Followed {
        let mut delivering = look.kernel.delivering(self.session);
        loop {
            let Some(event) = self.wanted() else { return Followed::Stopped };
            if look.records == 0 {
                return Followed::Enough;
            }
            let record = self.generations.borrow_mut()[index].decode();
            // The filter itself may have ended the wheel.
            if self.state.ended.get() {
                return Followed::Stopped;
            }
            look.records -= 1;
            match record {
                Ok(Some(record)) => {
                    look.found = true;
                    delivering.event(event, Input::new(record, self.id));
                }
                Ok(None) => return Followed::ToEnd,
                Err(error) => self.refuse(look, error),
            }
        }
    }

    /// Reports what the filter refuses; what it cannot go on after ends the wheel.
    fn refuse(&self, look: &Look<'_>, error: FilterError) {
        if error.is_fatal() {
            self.stop();
        }
        self.fail(look.kernel, IoError::new("filter", IoCause::Filter(error), self.id));
    }

    /// Announces the records of another file.
    fn begin_generation(&self, look: &Look<'_>, index: usize) {
        let begun = std::mem::replace(&mut self.generations.borrow_mut()[index].begun, true);
        if !begun {
            self.tell_of(look.kernel, self.events.get().reset);
        }
    }

    /// The file was truncated: what it holds now is new.
    fn begin_anew(&self, look: &Look<'_>, index: usize) {
        let old = {
            let generation = &mut self.generations.borrow_mut()[index];
            if let Source::File(tail) = &mut generation.source {
                tail.rewind();
            }
            generation.begun = false;
            generation.skips_one = false;
            std::mem::replace(&mut generation.filter, self.filter.another())
        };
        self.finish(look, old);
        self.begin_generation(look, index);
    }

    /// Deals with a record that a file has ended within.
    fn finish(&self, look: &Look<'_>, filter: Box<dyn Renew<In>>) {
        let octets = self.deliver_rest(look, filter);
        if octets > 0 {
            let error = IoError::new("read", IoCause::Unfinished { octets }, self.id);
            self.fail(look.kernel, error);
        }
    }

    /// Sends the session what the filter makes of the rest, if it wants that. How much is left over.
    fn deliver_rest(&self, look: &Look<'_>, mut filter: Box<dyn Renew<In>>) -> usize {
        while !self.state.ended.get()
            && let Some(event) = self.events.get().partial
        {
            // What the filter refuses stays pending, and so is counted below.
            let Ok(Some(record)) = filter.decode_rest() else { break };
            if !self.state.ended.get() {
                look.kernel.deliver_event(self.session, event, Input::new(record, self.id));
            }
        }
        filter.count_pending()
    }

    fn end_stream(&self, look: &Look<'_>, index: usize) -> Followed {
        let is_fifo =
            matches!(self.generations.borrow()[index].source, Source::Stream { is_fifo: true, .. });
        if is_fifo {
            // The next writer may come; until then the pipe says no more than that it has ended.
            self.with_watch(Kernel::pause_watch);
            self.poll_later(look.kernel);
            return Followed::ToEnd;
        }
        self.stop();
        let filter = &mut self.generations.borrow_mut()[index].filter;
        let filter = std::mem::replace(filter, self.filter.another());
        let unfinished = self.deliver_rest(look, filter);
        self.fail(look.kernel, IoError::new("read", IoCause::Eof { unfinished }, self.id));
        Followed::Stopped
    }

    /// Closes files that have lost their name and grow no more.
    fn retire(&self, look: &Look<'_>) {
        while let Some(old) = self.take_quiet() {
            self.remember(&old);
            self.finish(look, old.filter);
        }
    }

    fn take_quiet(&self) -> Option<Generation<In>> {
        let mut generations = self.generations.borrow_mut();
        let last = generations.len().checked_sub(1)?;
        let is_gone = |generation: &Generation<In>| {
            self.path.is_some()
                && self.state.missing.get()
                && generation.tail().is_some_and(tail::Tail::is_deleted)
        };
        let is_over = |(index, generation): (usize, &Generation<In>)| {
            generation.quiet >= QUIET_POLLS && (index < last || is_gone(generation))
        };
        let over = generations.iter().enumerate().position(is_over)?;
        generations.remove(over)
    }
}

/// A look is being taken. Should the filter panic, this ends the wheel: what it would make of the rest nobody knows.
struct Looking<'a, In: 'static>(&'a Wheel<In>);

impl<'a, In: 'static> Looking<'a, In> {
    fn begin(wheel: &'a Wheel<In>) -> Self {
        wheel.state.looking.set(true);
        Self(wheel)
    }

    fn done(self) {
        self.0.state.looking.set(false);
        if self.0.state.ended.get() {
            self.0.end();
        }
        std::mem::forget(self);
    }
}

impl<In: 'static> Drop for Looking<'_, In> {
    fn drop(&mut self) {
        self.0.state.looking.set(false);
        self.0.stop();
    }
}
