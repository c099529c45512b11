//! Which timers a session has, by name.

use crate::hash::IdMap;
use crate::{Name, SessionId};

const NONE: u32 = u32::MAX;

/// The timers of one session and name.
#[derive(Debug)]
struct Group {
    session: SessionId,
    event: Name,
    pending: usize,
    /// The slots of those set. Some may be gone, or have come back and be here twice: they are left out when they are most,
    /// so that to remove a timer need not find it here.
    members: Vec<u32>,
    /// The other groups of the session.
    previous: u32,
    next: u32,
}

/// The groups that have a pending timer.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    free: Vec<u32>,
    by_name: IdMap<(SessionId, Name), u32>,
    /// The group last found by name: who sets one timer often sets another like it.
    last: u32,
    /// The first group of the session in each slot.
    by_session: Vec<u32>,
}

impl Groups {
    #[inline]
    pub(super) fn find(&self, session: SessionId, event: Name) -> Option<u32> {
        if let Some(group) = self.groups.get(self.last as usize)
            && (group.session, group.event) == (session, event)
            && group.pending > 0
        {
            return Some(self.last);
        }
        self.by_name.get(&(session, event)).copied()
    }

    #[inline]
    pub(super) fn find_or_add(&mut self, session: SessionId, event: Name) -> u32 {
        match self.find(session, event) {
            Some(group) => {
                self.last = group;
                group
            }
            None => self.add_group(session, event),
        }
    }

    #[inline]
    pub(super) fn session(&self, group: u32) -> SessionId {
        self.groups[group as usize].session
    }

    #[inline]
    pub(super) fn event(&self, group: u32) -> Name {
        self.groups[group as usize].event
    }

    /// The slots of a group's timers, some of them twice, and some that are no longer.
    pub(super) fn members(&self, group: u32) -> &[u32] {
        &self.groups[group as usize].members
    }

    pub(super) fn of_session(&self, session: SessionId) -> impl Iterator<Item = u32> {
        let first = self.by_session.get(session.slot()).copied().filter(|&group| group != NONE);
        std::iter::successors(first, |&group| {
            Some(self.groups[group as usize].next).filter(|&next| next != NONE)
        })
    }

    #[inline]
    pub(super) fn add(&mut self, group: u32, slot: u32) {
        let group = &mut self.groups[group as usize];
        group.members.push(slot);
        group.pending += 1;
    }

    /// The only timer of a group that has just one.
    pub(super) fn only(&self, group: u32, is_member: impl Fn(u32) -> bool) -> Option<u32> {
        let group = &self.groups[group as usize];
        if group.pending > 1 {
            return None;
        }
        group.members.iter().copied().find(|&slot| is_member(slot))
    }

    /// Counts a timer that is gone.
    #[inline]
    pub(super) fn remove_one(&mut self, index: u32, is_member: impl Fn(u32) -> bool) {
        const FEW: usize = 16;
        let group = &mut self.groups[index as usize];
        group.pending -= 1;
        if group.pending == 0 {
            self.remove_group(index);
        } else if group.members.len() > 2 * group.pending + FEW {
            group.members.retain(|&slot| is_member(slot));
            if group.members.len() > group.pending {
                group.members.sort_unstable();
                group.members.dedup();
            }
        }
    }

    #[cold]
    fn add_group(&mut self, session: SessionId, event: Name) -> u32 {
        if self.by_session.len() <= session.slot() {
            self.by_session.resize(session.slot() + 1, NONE);
        }
        let index = self.free.pop().unwrap_or(self.groups.len() as u32);
        let next = std::mem::replace(&mut self.by_session[session.slot()], index);
        if next != NONE {
            self.groups[next as usize].previous = index;
        }
        if let Some(group) = self.groups.get_mut(index as usize) {
            // One that was used before, and keeps its memory.
            (group.session, group.event, group.previous, group.next) = (session, event, NONE, next);
        } else {
            let members = Vec::with_capacity(1);
            self.groups.push(Group { session, event, pending: 0, members, previous: NONE, next });
        }
        self.by_name.insert((session, event), index);
        index
    }

    fn remove_group(&mut self, index: u32) {
        const KEPT: usize = 64;
        let group = &mut self.groups[index as usize];
        group.members.clear();
        group.members.shrink_to(KEPT);
        let (session, event) = (group.session, group.event);
        let (previous, next) = (group.previous, group.next);
        if next != NONE {
            self.groups[next as usize].previous = previous;
        }
        match previous {
            NONE => self.by_session[session.slot()] = next,
            _ => self.groups[previous as usize].next = next,
        }
        self.by_name.remove(&(session, event));
        self.free.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_forgets_those_that_are_gone_and_then_itself() {
        let mut groups = Groups::default();
        let session = SessionId::new(0, 1, 1);
        let (name, other) = (Name::new("groups-test"), Name::new("groups-test-2"));
        let kept = groups.find_or_add(session, other);
        groups.add(kept, 1000);
        let group = groups.find_or_add(session, name);
        for slot in 0..100 {
            groups.add(group, slot);
        }
        for gone in 0..99 {
            groups.remove_one(group, |slot| slot > gone);
            assert!(groups.members(group).len() <= 2 * (99 - gone as usize) + 16);
        }
        assert_eq!(groups.only(group, |slot| slot == 99), Some(99));
        assert_eq!(groups.of_session(session).collect::<Vec<_>>(), [group, kept]);
        groups.remove_one(group, |_| false);
        assert_eq!(groups.find(session, name), None);
        assert_eq!(groups.of_session(session).collect::<Vec<_>>(), [kept]);
        assert_eq!(groups.find_or_add(session, name), group, "its place is used again");
    }

    #[test]
    fn a_slot_that_comes_back_again_and_again_is_kept_once() {
        let mut groups = Groups::default();
        let group = groups.find_or_add(SessionId::new(0, 1, 1), Name::new("groups-test"));
        groups.add(group, 0);
        for _ in 0..1000 {
            groups.add(group, 1);
            groups.remove_one(group, |_| true);
            assert!(groups.members(group).len() <= 2 + 16);
        }
    }
}
