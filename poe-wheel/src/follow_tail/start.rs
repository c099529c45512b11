//! Where a wheel begins.

use std::cell::RefMut;
use std::collections::VecDeque;
use std::io;
use std::path::Path;

use poe_kernel::Kernel;

use super::generation::{Generation, Kind, Opened, Source};
use super::position::Position;
use super::rotated;
use super::tail::{Identity, Tail};
use super::wheel::Wheel;
use crate::WheelError;
use crate::read_write::with_buffer;

/// How far before the end a wheel looks for the beginning of an unfinished record.
const LOOK_BACK: u64 = 4096;

/// Files that are known again although they were closed.
const CLOSED: usize = 16;

/// Where in its first file a wheel begins.
#[derive(Clone, Debug, Default)]
pub(super) struct Start {
    pub(super) place: Place,
    /// Not in the middle of a record.
    pub(super) whole_records: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Place {
    /// With what is written from now on; with all that there is, in a file that is not there yet.
    #[default]
    Unsaid,
    /// So far from the start, or, if less than 0, from the end.
    Seek(i64),
    /// So far from the end, or, if less than 0, from the start.
    SeekBack(i64),
    /// Where another wheel ended.
    Position(Position),
}

impl Place {
    fn offset(&self, len: u64) -> u64 {
        match *self {
            Self::Seek(offset @ 0..) => len.min(offset.unsigned_abs()),
            Self::SeekBack(offset @ ..0) => len.min(offset.unsigned_abs()),
            Self::Seek(back) | Self::SeekBack(back) => len.saturating_sub(back.unsigned_abs()),
            Self::Unsaid | Self::Position(_) => 0,
        }
    }
}

impl<In: 'static> Wheel<In> {
    /// Begins with what is there already. What cannot be opened is left to the first look, which reports it.
    pub(super) fn open_first(
        &self,
        kernel: &Kernel,
        opened: Option<Opened>,
    ) -> Result<(), WheelError> {
        self.watch_directory();
        let Some(opened) = opened else {
            self.resume_moved();
            return Ok(());
        };
        let start = self.start.take().unwrap_or_default();
        self.begin_with(opened, start, true);
        if self.is_stream() {
            self.watch_stream(kernel)?;
        }
        Ok(())
    }

    /// Adds the first file.
    fn begin_with(&self, opened: Opened, start: Start, was_there: bool) {
        let Kind::File(identity) = opened.kind else {
            return self.add(self.stream(opened, was_there));
        };
        if let Place::Position(position) = &start.place {
            return self.resume(opened, identity, position);
        }
        let mut generation = self.tail(&opened, identity, was_there);
        // What cannot be read is found out by the first look.
        let _ = self.seek(&mut generation, &start, was_there);
        self.add(generation);
    }

    /// Adds a file that has the name, or had it for a moment.
    pub(super) fn begin_next(&self, opened: Opened) {
        match self.start.take() {
            Some(start) => self.begin_with(opened, start, false),
            None => self.add_next(opened),
        }
    }

    /// Goes on where another wheel ended, if that file was moved, though none may have the name yet.
    pub(super) fn resume_moved(&self) {
        let start = self.start.take();
        match &start {
            Some(Start { place: Place::Position(position), .. }) if self.resume_in(position) => {}
            _ => _ = self.start.replace(start),
        }
    }

    fn add_next(&self, opened: Opened) {
        let generation = match opened.kind {
            Kind::File(identity) => {
                let mut generation = self.tail(&opened, identity, false);
                self.recall(&mut generation);
                generation
            }
            Kind::Fifo | Kind::Stream => self.stream(opened, false),
        };
        self.add(generation);
    }

    /// Keeps in mind how far a file was read that is about to be closed, for it may get its name back.
    pub(super) fn remember(&self, old: &Generation<In>) {
        let place = old.tail().filter(|tail| !tail.is_deleted()).map(|tail| tail.position(0));
        if let Some(Ok(place)) = place {
            let mut closed = self.closed.borrow_mut();
            closed.truncate(CLOSED - 1);
            closed.push_front(place);
        }
    }

    /// Goes on in a file that had the name before.
    fn recall(&self, generation: &mut Generation<In>) {
        let mut closed = self.closed.borrow_mut();
        if let Some(known) = closed.iter().position(|place| resumes(generation, place)) {
            closed.remove(known);
        }
    }

    fn add(&self, generation: Generation<In>) {
        let mut all = self.all();
        lose_name(&mut all);
        all.push_back(generation);
    }

    pub(super) fn all(&self) -> RefMut<'_, VecDeque<Generation<In>>> {
        self.generations.borrow_mut()
    }

    fn stream(&self, opened: Opened, begun: bool) -> Generation<In> {
        let (driver, is_fifo) = (self.take_driver(), opened.kind == Kind::Fifo);
        self.generation(Source::Stream { handle: opened.handle, driver, is_fifo }, begun)
    }

    fn tail(&self, opened: &Opened, identity: Identity, begun: bool) -> Generation<In> {
        let tail = Tail::new(std::rc::Rc::clone(&opened.handle), identity);
        self.generation(Source::File(tail), begun)
    }

    fn seek(
        &self,
        generation: &mut Generation<In>,
        start: &Start,
        was_there: bool,
    ) -> io::Result<()> {
        let Source::File(tail) = &mut generation.source else { return Ok(()) };
        let len = tail.len()?;
        if !matches!(start.place, Place::Unsaid) {
            let offset = start.place.offset(len);
            generation.skips_one = start.whole_records && offset > 0;
            return tail.seek(offset - u64::from(generation.skips_one));
        }
        if !was_there {
            return Ok(());
        }
        tail.seek(len.saturating_sub(LOOK_BACK))?;
        with_buffer(|buffer| generation.skip(buffer))
    }

    /// Goes on where another wheel ended: in the file that has the name, or, if that was moved meanwhile, in the one beside
    /// it, and then in those that were moved after it.
    fn resume(&self, opened: Opened, identity: Identity, position: &Position) {
        let mut generation = self.tail(&opened, identity, false);
        if resumes(&mut generation, position) {
            generation.begun = true;
        } else {
            self.resume_in(position);
        }
        if !self.has_open(identity) {
            self.add(generation);
        }
    }

    /// Adds the file that a place is in, if it is beside the name, and those that were moved after it.
    fn resume_in(&self, position: &Position) -> bool {
        let Some(path) = &self.path else { return false };
        let mut moved = rotated::since(path, position.inode()).into_iter();
        let Some(mut first) = moved.next().and_then(|first| self.open_plain(&first)) else {
            return false;
        };
        let is_there = resumes(&mut first, position);
        if is_there {
            first.begun = true;
            self.add(first);
            moved.filter_map(|next| self.open_plain(&next)).for_each(|next| self.add(next));
        }
        is_there
    }

    fn open_plain(&self, path: &Path) -> Option<Generation<In>> {
        let opened = Opened::by_name(path).ok()?;
        match opened.kind {
            Kind::File(identity) => Some(self.tail(&opened, identity, false)),
            Kind::Fifo | Kind::Stream => None,
        }
    }
}

/// The last file is about to be none that has the name: who writes to it may learn of that late.
pub(super) fn lose_name<In>(all: &mut VecDeque<Generation<In>>) {
    if let Some(last) = all.back_mut() {
        last.quiet = 0;
    }
}

fn resumes<In>(generation: &mut Generation<In>, position: &Position) -> bool {
    match &mut generation.source {
        Source::File(tail) if tail.identity.inode == position.inode() => {
            tail.resume(position).unwrap_or(false)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_clipped_to_the_file() {
        let place = |place: Place| place.offset(9);
        assert_eq!([0, 3, 9, 100].map(|n| place(Place::Seek(n))), [0, 3, 9, 9]);
        assert_eq!([-3, -9, -100, i64::MIN].map(|n| place(Place::Seek(n))), [6, 0, 0, 0]);
        assert_eq!([0, 6, 100, i64::MAX].map(|n| place(Place::SeekBack(n))), [9, 3, 0, 0]);
        assert_eq!([-3, -100].map(|n| place(Place::SeekBack(n))), [3, 9]);
    }
}
