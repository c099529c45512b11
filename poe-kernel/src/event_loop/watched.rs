//! What the loops on `poll(2)` and `select(2)` have in common: a list of handles, and a pipe to be woken by.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use super::{Interest, Key, Wake};
use crate::hash::IdMap;

/// As long as a wait may be: not all systems know more, and nobody sees that it ends early.
pub(super) const LONGEST: Duration = Duration::from_secs(1 << 24);

/// A handle, by the key that the kernel knows it by.
pub(super) struct Watched {
    pub(super) key: Key,
    pub(super) handle: Rc<dyn AsFd>,
    pub(super) modes: Interest,
}

/// All handles of a loop, one beside the other, because every wait goes through all of them.
#[derive(Default)]
pub(super) struct WatchedList {
    list: Vec<Watched>,
    places: IdMap<Key, usize>,
}

impl WatchedList {
    pub(super) fn add(
        &mut self,
        handle: Rc<dyn AsFd>,
        key: Key,
        modes: Interest,
    ) -> io::Result<()> {
        if self.places.contains_key(&key) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.places.insert(key, self.list.len());
        self.list.push(Watched { key, handle, modes });
        Ok(())
    }

    pub(super) fn modify(&mut self, key: Key, modes: Interest) -> io::Result<()> {
        let place = *self.places.get(&key).ok_or(io::ErrorKind::NotFound)?;
        self.list[place].modes = modes;
        Ok(())
    }

    pub(super) fn delete(&mut self, key: Key) -> io::Result<()> {
        let place = self.places.remove(&key).ok_or(io::ErrorKind::NotFound)?;
        self.list.swap_remove(place);
        if let Some(moved) = self.list.get(place) {
            self.places.insert(moved.key, place);
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Watched> {
        self.list.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}

/// A pipe whose reading end a wait includes.
#[derive(Debug)]
pub(super) struct WakePipe {
    reader: UnixStream,
    writer: Arc<UnixStream>,
    waker: Arc<WakeWriter>,
}

/// The other end, if the loop still has it: of another pipe in a child process.
#[derive(Debug)]
struct WakeWriter(RwLock<Weak<UnixStream>>);

impl Wake for WakeWriter {
    fn wake(&self) {
        let writer = self.0.read().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(writer) = writer {
            // A pipe that is full wakes as well as one with another octet.
            let _ = (&*writer).write(&[0]);
        }
    }
}

impl WakePipe {
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        let writer = Arc::new(writer);
        let waker = Arc::new(WakeWriter(RwLock::new(Arc::downgrade(&writer))));
        Ok(Self { reader, writer, waker })
    }

    /// Puts another pipe in the place of this one, whose wakers then write there.
    pub(super) fn replace(&mut self, by: Self) -> io::Result<()> {
        // Held by a thread that is not in this process, it could be waited for in vain.
        let woken = self.waker.0.try_write();
        *woken.map_err(|_| io::ErrorKind::WouldBlock)? = Arc::downgrade(&by.writer);
        (self.reader, self.writer) = (by.reader, by.writer);
        Ok(())
    }

    pub(super) fn reader(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    pub(super) fn drain(&self) {
        let mut octets = [0; 64];
        while matches!((&self.reader).read(&mut octets), Ok(1..)) {}
    }

    pub(super) fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.waker) as Arc<dyn Wake>
    }
}
