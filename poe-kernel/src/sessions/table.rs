//! The table of sessions: who lives, whose child it is, and what keeps it alive.

use std::cell::Cell;
use std::panic::Location;
use std::rc::Rc;

use super::numbers::Numbers;
use crate::{Dispatch, SessionId};

const NONE: u32 = u32::MAX;

/// A counted reason for a session to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// A queued event or timer to it.
    EventTo,
    /// A queued event from it to another session.
    EventFrom,
    /// An alias.
    Alias,
    /// A watched handle.
    Handle,
    /// A tag of extra references.
    Reference,
    /// A child process that it waits for.
    Process,
}

impl Hold {
    pub(crate) const ALL: [Self; 6] =
        [Self::EventTo, Self::EventFrom, Self::Alias, Self::Handle, Self::Reference, Self::Process];
}

const HOLDS: usize = Hold::ALL.len();

/// A session that nothing held, and the moment it was so.
pub(crate) type Mark = (SessionId, u32);

struct Entry {
    /// `NOBODY` when the place is free, and for the kernel.
    id: SessionId,
    body: Option<Rc<dyn Dispatch>>,
    parent: SessionId,
    first_child: u32,
    last_child: u32,
    next_sibling: u32,
    previous_sibling: u32,
    holds: [u32; HOLDS],
    /// Synchronous events of it on the stack. A queued one holds it by itself.
    running: u32,
    /// When it was last marked for collection; 0 when it is not.
    mark: u32,
    stopping: bool,
    created: &'static Location<'static>,
}

impl Entry {
    fn new(id: SessionId, parent: SessionId, created: &'static Location<'static>) -> Self {
        Self {
            id,
            body: None,
            parent,
            first_child: NONE,
            last_child: NONE,
            next_sibling: NONE,
            previous_sibling: NONE,
            holds: [0; HOLDS],
            running: 0,
            mark: 0,
            stopping: false,
            created,
        }
    }

    #[inline]
    fn hold(&mut self, hold: Hold) {
        self.holds[hold as usize] += 1;
        self.mark = 0;
    }

    fn is_unheld(&self) -> bool {
        self.first_child == NONE && self.holds == [0; HOLDS]
    }
}

/// All sessions of a kernel, the kernel itself in slot 0.
pub(crate) struct Sessions {
    entries: Vec<Entry>,
    free: Vec<u32>,
    live: usize,
    numbers: Numbers,
    /// Sessions that nothing held at some moment, in the order of those moments.
    marks: Vec<Mark>,
    last_mark: u32,
    /// Set whenever there is a new mark.
    unsettled: Rc<Cell<bool>>,
}

impl Sessions {
    pub(crate) fn new(created: &'static Location<'static>, unsettled: Rc<Cell<bool>>) -> Self {
        Self {
            entries: vec![Entry::new(SessionId::NOBODY, SessionId::KERNEL, created)],
            free: Vec::new(),
            live: 0,
            numbers: Numbers::default(),
            marks: Vec::new(),
            last_mark: 0,
            unsettled,
        }
    }

    /// Sessions alive, the kernel not counted.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    #[inline]
    pub(crate) fn is_live(&self, id: SessionId) -> bool {
        self.get(id).is_some()
    }

    #[inline]
    pub(crate) fn body(&self, id: SessionId) -> Option<&Rc<dyn Dispatch>> {
        self.get(id)?.body.as_ref()
    }

    /// The bytes that the table takes.
    pub(crate) fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.free.capacity() * size_of::<u32>()
            + self.marks.capacity() * size_of::<Mark>()
    }

    pub(crate) fn parent(&self, id: SessionId) -> Option<SessionId> {
        self.get(id).map(|entry| entry.parent)
    }

    pub(crate) fn created(&self, id: SessionId) -> Option<&'static Location<'static>> {
        self.get(id).map(|entry| entry.created)
    }

    /// The session with this number. Looks at every session.
    pub(crate) fn by_number(&self, number: u64) -> Option<SessionId> {
        self.iter().find(|id| id.number() == number)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = SessionId> {
        self.entries.iter().filter(|entry| entry.body.is_some()).map(|entry| entry.id)
    }

    /// The children of a session or of the kernel, first created first.
    pub(crate) fn children(&self, id: SessionId) -> impl Iterator<Item = SessionId> {
        let first = self.any(id).map_or(NONE, |entry| entry.first_child);
        std::iter::successors(self.at(first), |child| self.at(child.next_sibling))
            .map(|child| child.id)
    }

    pub(crate) fn first_child(&self, id: SessionId) -> Option<SessionId> {
        self.children(id).next()
    }

    /// Enters a session, held as by an event to it, which the caller is to queue.
    pub(crate) fn insert(
        &mut self,
        body: Rc<dyn Dispatch>,
        parent: SessionId,
        created: &'static Location<'static>,
    ) -> Option<SessionId> {
        let slot = match self.free.pop() {
            Some(slot) => slot as usize,
            None if self.entries.len() > SessionId::MOST => return None,
            None => self.entries.len(),
        };
        let id = self.numbers.give(slot);
        let mut entry = Entry::new(id, parent, created);
        entry.body = Some(body);
        entry.hold(Hold::EventTo);
        if slot == self.entries.len() {
            self.entries.push(entry);
        } else {
            self.entries[slot] = entry;
        }
        self.live += 1;
        self.link(id, parent);
        Some(id)
    }

    /// Takes a stopped session out of the table and gives its children to its parent.
    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Rc<dyn Dispatch>> {
        let parent = self.parent(id)?;
        while let Some(child) = self.first_child(id) {
            self.reparent(child, parent);
        }
        self.unlink(id);
        let slot = id.slot();
        let entry = &mut self.entries[slot];
        entry.id = SessionId::NOBODY;
        entry.mark = 0;
        let body = entry.body.take();
        self.free.push(slot as u32);
        self.live -= 1;
        body
    }

    pub(crate) fn reparent(&mut self, id: SessionId, parent: SessionId) {
        self.unlink(id);
        self.entries[id.slot()].parent = parent;
        self.link(id, parent);
    }

    /// Counts a reason for a session to live; false if there is no such session.
    #[inline]
    pub(crate) fn hold(&mut self, id: SessionId, hold: Hold) -> bool {
        match self.get_mut(id) {
            Some(entry) => {
                entry.hold(hold);
                true
            }
            None => false,
        }
    }

    #[inline]
    pub(crate) fn release(&mut self, id: SessionId, hold: Hold) {
        self.release_as_of(id, hold, usize::MAX);
    }

    /// As `release`, but as though it were done when there were only so many marks.
    #[inline]
    fn release_as_of(&mut self, id: SessionId, hold: Hold, marks: usize) {
        let Some(entry) = self.get_mut(id) else { return };
        let count = &mut entry.holds[hold as usize];
        debug_assert!(*count > 0, "session {id} released {hold:?} once too often");
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.mark_if_unheld_as_of(id, marks);
        }
    }

    /// Ends an event's hold on its two sessions. They are collected as though it had ended before the event's handler ran,
    /// when there were only so many marks.
    #[inline]
    pub(crate) fn release_event(&mut self, to: SessionId, from: SessionId, marks: usize) {
        if from != to {
            self.release_sender(from, marks);
        }
        self.release_receiver(to, marks);
    }

    /// One half of `release_event`, for the sender that is not the receiver.
    #[inline]
    pub(crate) fn release_sender(&mut self, from: SessionId, marks: usize) {
        self.release_as_of(from, Hold::EventFrom, marks);
    }

    /// The other half of `release_event`.
    #[inline]
    pub(crate) fn release_receiver(&mut self, to: SessionId, marks: usize) {
        self.release_as_of(to, Hold::EventTo, marks);
    }

    pub(crate) fn held(&self, id: SessionId, hold: Hold) -> u32 {
        self.get(id).map_or(0, |entry| entry.holds[hold as usize])
    }

    /// Counts an event queued to one session by another or by itself; false if one of them is gone. The kernel counts
    /// none.
    #[inline]
    pub(crate) fn hold_event(&mut self, to: SessionId, from: SessionId) -> bool {
        if to != from {
            return self.hold_both(to, from);
        }
        match self.get_mut(to) {
            Some(entry) => {
                entry.hold(Hold::EventTo);
                true
            }
            None => to.is_kernel(),
        }
    }

    fn hold_both(&mut self, to: SessionId, from: SessionId) -> bool {
        if !(to.is_kernel() || self.is_live(to)) || !(from.is_kernel() || self.is_live(from)) {
            return false;
        }
        self.hold(to, Hold::EventTo);
        self.hold(from, Hold::EventFrom);
        true
    }

    /// Begins a handler: its session is not collected while it runs.
    #[inline]
    pub(crate) fn enter(&mut self, id: SessionId) -> Option<Rc<dyn Dispatch>> {
        let entry = self.entries.get_mut(id.slot())?;
        if entry.id != id {
            return None;
        }
        entry.running += 1;
        entry.body.clone()
    }

    #[inline]
    pub(crate) fn leave(&mut self, id: SessionId) {
        if let Some(entry) = self.get_mut(id) {
            entry.running -= 1;
        }
    }

    /// Begins to stop a session; false when it is stopping already, or gone.
    pub(crate) fn begin_stop(&mut self, id: SessionId) -> bool {
        self.get_mut(id).is_some_and(|entry| !std::mem::replace(&mut entry.stopping, true))
    }

    #[inline]
    pub(crate) fn has_marks(&self) -> bool {
        !self.marks.is_empty()
    }

    /// How many marks there are.
    #[inline]
    pub(crate) fn marks(&self) -> usize {
        self.marks.len()
    }

    /// Takes the marks made so far, in exchange for an empty list.
    pub(crate) fn swap_marks(&mut self, marks: &mut Vec<Mark>) {
        std::mem::swap(&mut self.marks, marks);
    }

    /// Whether a marked session is still to be collected. One whose handler runs stays marked for a later sweep.
    pub(crate) fn is_collectable(&mut self, id: SessionId, mark: u32) -> bool {
        let Some(entry) = self.get(id) else { return false };
        if entry.mark != mark || !entry.is_unheld() {
            return false;
        }
        if entry.running > 0 {
            self.marks.push((id, mark));
            self.unsettled.set(true);
            return false;
        }
        true
    }

    fn mark_if_unheld(&mut self, id: SessionId) {
        self.mark_if_unheld_as_of(id, usize::MAX);
    }

    fn mark_if_unheld_as_of(&mut self, id: SessionId, marks: usize) {
        let mark = self.last_mark.checked_add(1).unwrap_or(1);
        let Some(entry) = self.get_mut(id) else { return };
        if entry.is_unheld() && !entry.stopping {
            entry.mark = mark;
            self.last_mark = mark;
            self.marks.insert(marks.min(self.marks.len()), (id, mark));
            self.unsettled.set(true);
        }
    }

    fn link(&mut self, id: SessionId, parent: SessionId) {
        let slot = id.slot() as u32;
        let Some(above) = self.any_mut(parent) else { return };
        above.mark = 0;
        let last = std::mem::replace(&mut above.last_child, slot);
        if last == NONE {
            above.first_child = slot;
        } else {
            self.entries[last as usize].next_sibling = slot;
        }
        let entry = &mut self.entries[slot as usize];
        entry.previous_sibling = last;
        entry.next_sibling = NONE;
    }

    fn unlink(&mut self, id: SessionId) {
        let entry = &self.entries[id.slot()];
        let (parent, previous, next) = (entry.parent, entry.previous_sibling, entry.next_sibling);
        if previous != NONE {
            self.entries[previous as usize].next_sibling = next;
        }
        if next != NONE {
            self.entries[next as usize].previous_sibling = previous;
        }
        let Some(above) = self.any_mut(parent) else { return };
        if previous == NONE {
            above.first_child = next;
        }
        if next == NONE {
            above.last_child = previous;
        }
        self.mark_if_unheld(parent);
    }

    #[inline]
    fn get(&self, id: SessionId) -> Option<&Entry> {
        let entry = self.entries.get(id.slot())?;
        if entry.id == id { Some(entry) } else { None }
    }

    #[inline]
    fn get_mut(&mut self, id: SessionId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id.slot())?;
        if entry.id == id { Some(entry) } else { None }
    }

    fn any(&self, id: SessionId) -> Option<&Entry> {
        if id.is_kernel() { self.entries.first() } else { self.get(id) }
    }

    fn any_mut(&mut self, id: SessionId) -> Option<&mut Entry> {
        if id.is_kernel() { self.entries.first_mut() } else { self.get_mut(id) }
    }

    fn at(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(slot as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Delivery, Outcome};

    struct Mute;

    impl Dispatch for Mute {
        fn dispatch(&self, _: Delivery<'_>) -> Outcome {
            Ok(())
        }
    }

    fn add(sessions: &mut Sessions, parent: SessionId) -> SessionId {
        sessions.insert(Rc::new(Mute), parent, Location::caller()).unwrap()
    }

    fn children(sessions: &Sessions, id: SessionId) -> Vec<SessionId> {
        sessions.children(id).collect()
    }

    // Conformance: KRB-01, KRB-02, KRB-05, KRB-06, KRB-07
    #[test]
    fn the_tree_links_and_unlinks() {
        let mut sessions = Sessions::new(Location::caller(), Rc::default());
        assert_eq!(sessions.len(), 0);
        let child = add(&mut sessions, SessionId::KERNEL);
        assert_eq!(child.number(), 1);
        assert_eq!(children(&sessions, SessionId::KERNEL), [child]);
        assert_eq!(sessions.parent(child), Some(SessionId::KERNEL));
        let grandchild = add(&mut sessions, child);
        let great = add(&mut sessions, grandchild);
        assert_eq!(sessions.len(), 3);
        assert_eq!(children(&sessions, child), [grandchild]);
        sessions.reparent(grandchild, SessionId::KERNEL);
        assert_eq!(children(&sessions, SessionId::KERNEL), [child, grandchild]);
        assert_eq!(children(&sessions, grandchild), [great]);
        assert!(sessions.remove(child).is_some());
        assert_eq!(children(&sessions, SessionId::KERNEL), [grandchild]);
        assert_eq!(sessions.parent(child), None);
        assert_eq!(children(&sessions, child), []);
    }

    // Conformance: KRB-09
    #[test]
    fn a_stale_id_means_nobody_although_its_slot_is_used_again() {
        let mut sessions = Sessions::new(Location::caller(), Rc::default());
        let first = add(&mut sessions, SessionId::KERNEL);
        sessions.remove(first);
        let second = add(&mut sessions, SessionId::KERNEL);
        assert_eq!(first.slot(), second.slot());
        assert!(!sessions.is_live(first));
        sessions.hold(first, Hold::Alias);
        assert_eq!(sessions.held(second, Hold::Alias), 0);
        assert!(!sessions.begin_stop(first));
        assert!(sessions.begin_stop(second) && !sessions.begin_stop(second));
    }

    #[test]
    fn marks_follow_the_last_release() {
        let mut sessions = Sessions::new(Location::caller(), Rc::default());
        let id = add(&mut sessions, SessionId::KERNEL);
        assert!(!sessions.has_marks(), "held by its birth");
        sessions.release(id, Hold::EventTo);
        sessions.hold(id, Hold::Alias);
        let mut marks = Vec::new();
        sessions.swap_marks(&mut marks);
        assert!(!sessions.is_collectable(id, marks[0].1), "held since it was marked");
        sessions.release(id, Hold::Alias);
        marks.clear();
        sessions.swap_marks(&mut marks);
        assert!(sessions.is_collectable(id, marks[0].1));
    }
}
