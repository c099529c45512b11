//! The watched handles: one entry a descriptor, one watcher for each who waits and each mode.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::panic::Location;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{dev_t, ino_t};
use nix::sys::stat::{SFlag, fstat};

use crate::hash::IdMap;
use crate::{EventLoop, Interest, Key, Mode, Readiness, SessionId, Watch, WatchInfo};

/// Names one watcher of one handle; refused once the watch has ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WatchId {
    pub(super) slot: u32,
    pub(super) number: u64,
}

impl fmt::Debug for WatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WatchId({})", self.number)
    }
}

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watcher {
    /// A session, by `select_read` and its kin: one a session, handle and mode.
    Select(SessionId),
    /// Something that works for a session, as a wheel does.
    Wheel(SessionId),
    /// The kernel itself; it keeps nobody alive.
    Kernel,
}

impl Watcher {
    pub(crate) fn session(self) -> SessionId {
        match self {
            Self::Select(session) | Self::Wheel(session) => session,
            Self::Kernel => SessionId::KERNEL,
        }
    }
}

pub(super) struct Waiting {
    number: u64,
    pub(super) watcher: Watcher,
    pub(super) mode: Mode,
    pub(super) target: Rc<dyn Watch>,
    paused: bool,
    /// Its place in the list of its session's watches.
    listed: usize,
    pub(super) since: &'static Location<'static>,
}

pub(super) struct Entry {
    handle: Rc<dyn AsFd>,
    pub(super) descriptor: RawFd,
    generation: u32,
    pub(super) waiting: Vec<Waiting>,
    /// What the loop was last told.
    told: Interest,
    /// The loop cannot wait for it, because it is always ready.
    always_ready: bool,
    dirty: bool,
    file: Option<FileId>,
}

/// What several descriptors may be of, whose mode is that of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum FileId {
    Inode(dev_t, ino_t),
    /// One end of a pipe: both have one inode, and each its own mode.
    End(dev_t, ino_t, OFlag),
    /// A timer, a counter or the like: all of them have one inode.
    Anonymous(RawFd),
}

impl FileId {
    fn of(handle: &impl AsFd) -> nix::Result<Self> {
        let stat = fstat(handle)?;
        let (device, inode) = (stat.st_dev, stat.st_ino);
        let kind = stat.st_mode & SFlag::S_IFMT.bits();
        Ok(if kind == SFlag::S_IFIFO.bits() {
            let flags = OFlag::from_bits_retain(fcntl(handle, FcntlArg::F_GETFL)?);
            Self::End(device, inode, flags & OFlag::O_ACCMODE)
        } else if kind == 0 {
            Self::Anonymous(handle.as_fd().as_raw_fd())
        } else {
            Self::Inode(device, inode)
        })
    }
}

#[derive(Debug, Default)]
struct File {
    /// How many entries are of it.
    entries: usize,
    /// It was made non-blocking, which is to be undone: others may share it.
    was_blocking: bool,
}

impl Entry {
    fn wanted(&self) -> Interest {
        let mut modes = Interest::default();
        for waiting in self.waiting.iter().filter(|waiting| !waiting.paused) {
            modes.insert(waiting.mode);
        }
        modes
    }
}

/// All watched handles of a kernel.
#[derive(Default)]
pub(crate) struct Handles {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_descriptor: IdMap<RawFd, u32>,
    by_session: IdMap<SessionId, Vec<WatchId>>,
    files: IdMap<FileId, File>,
    dirty: Vec<u32>,
    always_ready: Vec<u32>,
    last_number: u64,
    last_generation: u32,
    /// Watchers that keep the kernel from being idle.
    watching: usize,
}

const HALF: u32 = usize::BITS / 2;

impl Handles {
    /// Its watches are numbered far from those of other kernels.
    pub(crate) fn of_kernel(sequence: u32) -> Self {
        const MOST: u32 = 40;
        Self { last_number: u64::from(sequence) << MOST, ..Self::default() }
    }

    pub(crate) fn is_watching(&self) -> bool {
        self.watching > 0
    }

    /// How many watches there are, the kernel's own not counted.
    pub(crate) fn watch_count(&self) -> usize {
        self.watching
    }

    /// Every watch but the kernel's own.
    pub(crate) fn iter(&self) -> impl Iterator<Item = WatchInfo> {
        self.entries.iter().flatten().flat_map(|entry| {
            let sessions = entry.waiting.iter().filter(|one| one.watcher != Watcher::Kernel);
            sessions.map(|one| WatchInfo {
                session: one.watcher.session(),
                descriptor: entry.descriptor,
                mode: one.mode,
                paused: one.paused,
                since: one.since,
            })
        })
    }

    /// The bytes that the table takes.
    pub(crate) fn memory(&self) -> usize {
        let watchers: usize =
            self.entries.iter().flatten().map(|entry| entry.waiting.capacity()).sum();
        self.entries.capacity() * size_of::<Option<Entry>>()
            + (watchers + self.watching) * (size_of::<Waiting>() + size_of::<WatchId>())
    }

    pub(super) fn slot_of(&self, descriptor: RawFd) -> Option<u32> {
        self.by_descriptor.get(&descriptor).copied()
    }

    /// The watcher of that kind, handle and mode, if there is one.
    pub(super) fn find(&self, slot: u32, watcher: Watcher, mode: Mode) -> Option<WatchId> {
        let mut waiting = self.entry(slot)?.waiting.iter();
        let found = waiting.find(|waiting| waiting.watcher == watcher && waiting.mode == mode)?;
        Some(WatchId { slot, number: found.number })
    }

    /// Gives a watcher another target and resumes it.
    pub(super) fn retarget(&mut self, id: WatchId, target: Rc<dyn Watch>) -> Option<Rc<dyn Watch>> {
        let waiting = self.waiting_mut(id)?;
        let old = std::mem::replace(&mut waiting.target, target);
        self.set_paused(id, false);
        Some(old)
    }

    /// Enters a watcher, and its handle with the loop if it is the handle's first.
    pub(super) fn insert(
        &mut self,
        event_loop: &mut dyn EventLoop,
        handle: Rc<dyn AsFd>,
        descriptor: RawFd,
        (watcher, mode): (Watcher, Mode),
        target: Rc<dyn Watch>,
        since: &'static Location<'static>,
    ) -> io::Result<WatchId> {
        let slot = match self.slot_of(descriptor) {
            Some(slot) => slot,
            None => self.add(event_loop, handle, descriptor, mode)?,
        };
        self.last_number += 1;
        let number = self.last_number;
        let id = WatchId { slot, number };
        let listed = self.list(watcher, id);
        if let Some(entry) = self.entry_mut(slot) {
            let waiting = Waiting { number, watcher, mode, target, paused: false, listed, since };
            entry.waiting.push(waiting);
        }
        self.touch(slot);
        Ok(id)
    }

    /// Has a handle block again with the end of its last watch.
    pub(super) fn set_was_blocking(&mut self, id: WatchId) {
        let file = self.entry(id.slot).and_then(|entry| entry.file);
        if let Some(file) = file.and_then(|file| self.files.get_mut(&file)) {
            file.was_blocking = true;
        }
    }

    /// Ends a watch. What comes back is to be dropped where its drop may call the kernel.
    pub(super) fn remove(
        &mut self,
        event_loop: &mut dyn EventLoop,
        id: WatchId,
    ) -> Option<(RawFd, Waiting, Option<Entry>)> {
        let entry = self.entry_mut(id.slot)?;
        let descriptor = entry.descriptor;
        let position = entry.waiting.iter().position(|waiting| waiting.number == id.number)?;
        let waiting = entry.waiting.remove(position);
        let is_last = entry.waiting.is_empty();
        self.unlist(&waiting);
        if !is_last {
            self.touch(id.slot);
            return Some((descriptor, waiting, None));
        }
        let entry = self.entries[id.slot as usize].take()?;
        self.by_descriptor.remove(&entry.descriptor);
        if entry.file.is_some_and(|file| self.leave_file(file)) {
            // Of a handle that refuses this, nobody can expect it.
            let _ = set_blocking(&entry.handle);
        }
        self.free.push(id.slot);
        if entry.always_ready {
            self.always_ready.retain(|&slot| slot != id.slot);
        } else if !entry.told.is_empty() {
            // Nothing can be done about a failure, and nothing need be: the handle is closed when its last share goes.
            let _ = event_loop.delete(key(id.slot, entry.generation));
        }
        Some((descriptor, waiting, Some(entry)))
    }

    pub(super) fn of(&self, session: SessionId) -> Vec<WatchId> {
        self.by_session.get(&session).cloned().unwrap_or_default()
    }

    /// Pauses or resumes one watcher; false when it is gone.
    pub(super) fn set_paused(&mut self, id: WatchId, paused: bool) -> bool {
        let Some(waiting) = self.waiting_mut(id) else { return false };
        if std::mem::replace(&mut waiting.paused, paused) != paused {
            self.touch(id.slot);
        }
        true
    }

    /// Pauses or resumes all watchers of a handle in one mode; false when there is none.
    pub(super) fn set_all_paused(&mut self, slot: u32, mode: Mode, paused: bool) -> bool {
        let Some(entry) = self.entry_mut(slot) else { return false };
        let mut any = false;
        for waiting in entry.waiting.iter_mut().filter(|waiting| waiting.mode == mode) {
            waiting.paused = paused;
            any = true;
        }
        self.touch(slot);
        any
    }

    /// Tells the loop what has changed since it was last told.
    pub(crate) fn tell(&mut self, event_loop: &mut dyn EventLoop) -> io::Result<()> {
        while let Some(slot) = self.dirty.pop() {
            let Some(entry) = self.entry_mut(slot) else { continue };
            entry.dirty = false;
            let wanted = entry.wanted();
            if entry.always_ready || wanted == entry.told {
                continue;
            }
            let key = key(slot, entry.generation);
            if wanted.is_empty() {
                // Set to none it would be reported for ever once its peer hangs up.
                event_loop.delete(key)?;
            } else if entry.told.is_empty() {
                event_loop.add(Rc::clone(&entry.handle), key, wanted)?;
            } else {
                event_loop.modify(key, wanted)?;
            }
            entry.told = wanted;
        }
        Ok(())
    }

    /// Forgets what the loop was told, which was another process's, so that it is told all of it again; and what is to
    /// block again, as it is not for this process to say when.
    pub(crate) fn has_forked(&mut self) {
        for slot in 0..self.entries.len() as u32 {
            if let Some(entry) = self.entry_mut(slot) {
                entry.told = Interest::default();
                self.touch(slot);
            }
        }
        self.files.values_mut().for_each(|file| file.was_blocking = false);
    }

    /// Lists the handles that are ready without the loop, if any has a watcher that is not paused.
    pub(crate) fn always_ready(&self, ready: &mut Vec<Readiness>) {
        for &slot in &self.always_ready {
            let Some(entry) = self.entry(slot) else { continue };
            let modes = Interest { expedite: false, ..entry.wanted() };
            if !modes.is_empty() {
                ready.push(Readiness::new(key(slot, entry.generation), modes));
            }
        }
    }

    /// The next watcher of a ready handle after the one numbered `after`, of those there were when `until` was last.
    pub(super) fn next_waiting(
        &self,
        ready: Key,
        mode: Mode,
        after: u64,
        until: u64,
    ) -> Option<(u64, SessionId, Rc<dyn Watch>)> {
        let (slot, generation) = (ready & (usize::MAX >> HALF), ready >> HALF);
        let entry = self.entry(slot as u32)?;
        if entry.generation as usize != generation {
            return None;
        }
        let mut waiting = entry.waiting.iter();
        let next = waiting.find(|waiting| {
            waiting.mode == mode
                && !waiting.paused
                && waiting.number > after
                && waiting.number <= until
        })?;
        Some((next.number, next.watcher.session(), Rc::clone(&next.target)))
    }

    pub(super) fn last_number(&self) -> u64 {
        self.last_number
    }

    fn add(
        &mut self,
        event_loop: &mut dyn EventLoop,
        handle: Rc<dyn AsFd>,
        descriptor: RawFd,
        mode: Mode,
    ) -> io::Result<u32> {
        self.last_generation = (self.last_generation + 1) & ((1 << (HALF - 1)) - 1);
        let slot = self.free.last().copied().unwrap_or(self.entries.len() as u32);
        let mut told = Interest::default();
        told.insert(mode);
        let always_ready =
            match event_loop.add(Rc::clone(&handle), key(slot, self.last_generation), told) {
                Ok(()) => false,
                Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => true,
                Err(error) => return Err(error),
            };
        // What does not say what it is, is not given its mode back.
        let file = FileId::of(&handle).ok();
        if let Some(file) = file {
            self.files.entry(file).or_default().entries += 1;
        }
        let entry = Entry {
            handle,
            descriptor,
            generation: self.last_generation,
            waiting: Vec::new(),
            told,
            always_ready,
            dirty: false,
            file,
        };
        if self.free.pop().is_some() {
            self.entries[slot as usize] = Some(entry);
        } else {
            self.entries.push(Some(entry));
        }
        self.by_descriptor.insert(descriptor, slot);
        if always_ready {
            self.always_ready.push(slot);
        }
        Ok(slot)
    }

    /// Whether this was the last entry of a file that is to block again.
    fn leave_file(&mut self, id: FileId) -> bool {
        let Some(file) = self.files.get_mut(&id) else { return false };
        file.entries -= 1;
        file.entries == 0 && self.files.remove(&id).is_some_and(|file| file.was_blocking)
    }

    /// Enters a watch in the list of its session; its place there.
    fn list(&mut self, watcher: Watcher, id: WatchId) -> usize {
        if watcher == Watcher::Kernel {
            return 0;
        }
        self.watching += 1;
        let ids = self.by_session.entry(watcher.session()).or_default();
        ids.push(id);
        ids.len() - 1
    }

    fn unlist(&mut self, waiting: &Waiting) {
        if waiting.watcher == Watcher::Kernel {
            return;
        }
        self.watching -= 1;
        let session = waiting.watcher.session();
        let Some(ids) = self.by_session.get_mut(&session) else { return };
        ids.swap_remove(waiting.listed);
        let moved = ids.get(waiting.listed).copied();
        if ids.is_empty() {
            self.by_session.remove(&session);
        }
        if let Some(moved) = moved.and_then(|id| self.waiting_mut(id)) {
            moved.listed = waiting.listed;
        }
    }

    fn touch(&mut self, slot: u32) {
        if let Some(entry) = self.entry_mut(slot)
            && !std::mem::replace(&mut entry.dirty, true)
        {
            self.dirty.push(slot);
        }
    }

    fn entry(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(slot as usize)?.as_ref()
    }

    fn entry_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)?.as_mut()
    }

    fn waiting_mut(&mut self, id: WatchId) -> Option<&mut Waiting> {
        let mut waiting = self.entry_mut(id.slot)?.waiting.iter_mut();
        waiting.find(|waiting| waiting.number == id.number)
    }
}

fn key(slot: u32, generation: u32) -> Key {
    (generation as usize) << HALF | slot as usize
}

fn set_blocking(handle: &impl AsFd) -> nix::Result<i32> {
    let flags = OFlag::from_bits_retain(fcntl(handle, FcntlArg::F_GETFL)?);
    fcntl(handle, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))
}
