//! A program, run by a model that keeps everything in one sorted list and counts by looking at all of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use poe_session::prelude::Priority;

use crate::program::{Id, MOST_EVENTS, MOST_SESSIONS, Scripts, Step, TURNS, steps};

pub(crate) fn run_model(scripts: &Scripts) -> Vec<String> {
    let mut model =
        Model { scripts: scripts.clone(), members: vec![Member::default()], ..Model::default() };
    for _ in 0..2 {
        model.spawn(0);
    }
    for _ in 0..TURNS {
        if model.count() == 0 {
            break;
        }
        let stuck = model.turn();
        if stuck && model.count() > 0 {
            model.log.push("stuck".to_owned());
            model.stop_all();
        }
    }
    assert_eq!(model.count(), 0);
    model.log
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Newborn,
    Event,
    Timer { name: u8, number: usize },
    Term,
    Idle,
}

#[derive(Clone, Debug)]
struct Item {
    priority: Priority,
    due: i64,
    sequence: usize,
    to: Id,
    from: Id,
    what: What,
}

#[derive(Clone, Default)]
struct Member {
    live: bool,
    stopping: bool,
    parent: Id,
    children: Vec<Id>,
    tags: HashMap<u8, u32>,
    /// Events to it, events from it to others, aliases and tags.
    holds: usize,
    running: usize,
    mark: usize,
    handled: usize,
}

#[derive(Default)]
struct Model {
    scripts: Scripts,
    log: Vec<String>,
    /// The kernel first.
    members: Vec<Member>,
    items: Vec<Item>,
    aliases: HashMap<u8, Id>,
    marks: Vec<(Id, usize)>,
    last_mark: usize,
    sequence: usize,
    timers: usize,
    posted: Vec<usize>,
    now: i64,
    events: usize,
    in_start: bool,
}

impl Model {
    fn live(&self, id: Id) -> bool {
        self.members.get(id).is_some_and(|member| member.live)
    }

    fn count(&self) -> usize {
        self.members.iter().filter(|member| member.live).count()
    }

    fn hold(&mut self, id: Id) {
        if self.live(id) {
            self.members[id].holds += 1;
            self.members[id].mark = 0;
        }
    }

    fn release(&mut self, id: Id) {
        if self.live(id) {
            self.members[id].holds -= 1;
            self.mark(id);
        }
    }

    fn unheld(&self, id: Id) -> bool {
        self.members[id].holds == 0 && self.members[id].children.is_empty()
    }

    fn mark(&mut self, id: Id) {
        if self.live(id) && self.unheld(id) && !self.members[id].stopping {
            self.last_mark += 1;
            self.members[id].mark = self.last_mark;
            self.marks.push((id, self.last_mark));
        }
    }

    fn push(&mut self, due: i64, to: Id, from: Id, what: What) {
        let from_is_gone = from != 0 && from != to && !self.live(from);
        if (to != 0 && !self.live(to)) || from_is_gone {
            return;
        }
        self.sequence += 1;
        let priority = Priority::Normal;
        self.items.push(Item { priority, due, sequence: self.sequence, to, from, what });
        if from != to {
            self.hold(from);
        }
        self.hold(to);
    }

    /// Ends an event's holds, as though it had been when there were only so many marks: before its handler ran.
    fn let_go(&mut self, item: &Item, marks: usize) {
        let later = self.marks.split_off(marks.min(self.marks.len()));
        self.release(item.to);
        if item.from != item.to {
            self.release(item.from);
        }
        self.marks.extend(later);
    }

    fn spawn(&mut self, parent: Id) {
        let id = self.members.len();
        if id > MOST_SESSIONS {
            return;
        }
        self.members.push(Member { live: true, parent, ..Member::default() });
        self.members[parent].children.push(id);
        self.members[parent].mark = 0;
        self.mark(id);
        self.handle(id, format!("{id} start"), true);
        if self.live(id) {
            self.tell_child(self.members[id].parent, "create", id);
            self.push(self.now, id, id, What::Newborn);
        }
    }

    fn tell_child(&mut self, parent: Id, change: &str, id: Id) {
        if parent != 0 && self.live(parent) {
            self.log.push(format!("{parent} child {change} {id}"));
        }
    }

    fn tell_parent(&mut self, id: Id, old: Id, new: Id) {
        if self.live(id) {
            self.log.push(format!("{id} parent {old} {new}"));
        }
    }

    fn move_to(&mut self, id: Id, parent: Id) {
        let old = self.members[id].parent;
        self.members[old].children.retain(|&child| child != id);
        self.mark(old);
        self.members[id].parent = parent;
        self.members[parent].children.push(id);
        self.members[parent].mark = 0;
    }

    fn below(&self, root: Id) -> Vec<Id> {
        let mut list = if root == 0 { self.members[0].children.clone() } else { vec![root] };
        list.retain(|&id| self.live(id));
        let mut next = 0;
        while let Some(&id) = list.get(next) {
            list.extend(self.members[id].children.iter());
            next += 1;
        }
        list.reverse();
        list
    }

    fn stop_session(&mut self, id: Id) {
        if !self.live(id) || self.members[id].stopping {
            return;
        }
        self.members[id].stopping = true;
        let parent = self.members[id].parent;
        for child in self.members[id].children.clone() {
            self.tell_child(parent, "gain", child);
            self.tell_parent(child, id, parent);
        }
        self.log.push(format!("{id} stop"));
        self.tell_child(self.members[id].parent, "lose", id);
        self.aliases.retain(|_, &mut owner| owner != id);
        self.items.retain(|item| item.to != id || !matches!(item.what, What::Timer { .. }));
        let parent = self.members[id].parent;
        for child in self.members[id].children.clone() {
            self.move_to(child, parent);
        }
        self.members[parent].children.retain(|&child| child != id);
        self.mark(parent);
        self.members[id] = Member { handled: self.members[id].handled, ..Member::default() };
    }

    fn stop_all(&mut self) {
        for id in self.below(0) {
            self.stop_session(id);
        }
        self.collect();
    }

    fn collect(&mut self) {
        while !self.marks.is_empty() {
            let mut stopped = false;
            for (id, mark) in std::mem::take(&mut self.marks).into_iter().rev() {
                if !self.live(id) || self.members[id].mark != mark || !self.unheld(id) {
                    continue;
                }
                if self.members[id].running > 0 {
                    self.marks.push((id, mark));
                } else {
                    self.stop_session(id);
                    stopped = true;
                }
            }
            if !stopped {
                break;
            }
        }
    }

    fn turn(&mut self) -> bool {
        let gone = |model: &Self, id: Id| id != 0 && !model.live(id);
        loop {
            let (stale, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.items)
                .into_iter()
                .partition(|item| gone(self, item.to) || gone(self, item.from));
            self.items = kept;
            if stale.is_empty() {
                break;
            }
            for item in stale {
                self.let_go(&item, self.marks.len());
            }
            self.collect();
        }
        let referred = self.members.iter().any(|member| !member.tags.is_empty());
        if self.items.is_empty() && !referred && self.count() > 0 {
            self.push(self.now, 0, 0, What::Idle);
        }
        let is_timer = |item: &&Item| matches!(item.what, What::Timer { .. });
        let stuck = self.items.is_empty();
        if self.items.iter().all(|item| is_timer(&item)) {
            let next = self.items.iter().map(|item| item.due).min();
            self.now = self.now.max(next.unwrap_or(self.now));
        }
        let limit = self.sequence;
        let mut nothing_due = true;
        while let Some(place) = self.next(limit) {
            self.dispatch_at(place);
            nothing_due = false;
        }
        if nothing_due {
            let low = self.items.iter().position(|item| item.priority == Priority::Low);
            low.into_iter().for_each(|place| self.dispatch_at(place));
        }
        self.collect();
        stuck
    }

    /// Where the item is that comes next in a pass. While there is one of high priority, only timers may go before it.
    fn next(&self, limit: usize) -> Option<usize> {
        let is_high = |item: &Item| item.priority == Priority::High;
        let is_timer = |item: &Item| matches!(item.what, What::Timer { .. });
        let any_high = self.items.iter().any(is_high);
        let may_come = |item: &Item| {
            let in_pass = item.due <= self.now && item.sequence <= limit;
            let is_low = item.priority == Priority::Low;
            is_high(item) || in_pass && !is_low && (is_timer(item) || !any_high)
        };
        let items = self.items.iter().enumerate().filter(|(_, item)| may_come(item));
        items.min_by_key(|(_, item)| (item.due, item.sequence)).map(|(place, _)| place)
    }

    fn dispatch_at(&mut self, place: usize) {
        let item = self.items.remove(place);
        let marks = self.marks.len();
        self.dispatch(&item);
        self.let_go(&item, marks);
    }

    fn dispatch(&mut self, item: &Item) {
        let Item { to, from, what, .. } = *item;
        if from != 0 && !self.live(from) {
            return;
        }
        match what {
            What::Newborn => {}
            What::Event => self.handle(to, format!("{to} event from {from}"), false),
            What::Timer { number, .. } => {
                self.handle(to, format!("{to} timer {number} at {}", self.now), false);
            }
            What::Term | What::Idle => {
                if to == 0 || self.live(to) {
                    for id in self.below(to) {
                        self.stop_session(id);
                    }
                }
            }
        }
    }

    fn handle(&mut self, id: Id, line: String, start: bool) {
        if !self.live(id) {
            return;
        }
        self.log.push(line);
        self.events += 1;
        let handled = self.members[id].handled;
        self.members[id].handled += 1;
        if self.events > MOST_EVENTS {
            return;
        }
        self.members[id].running += 1;
        for step in steps(&self.scripts, id, handled) {
            if self.live(id) {
                self.in_start = start;
                self.step(id, &step);
            }
        }
        if self.live(id) {
            self.members[id].running -= 1;
        }
    }

    fn set_timer(&mut self, id: Id, name: u8, due: i64) {
        let number = self.timers;
        self.timers += 1;
        self.push(due, id, id, What::Timer { name, number });
    }

    /// Takes out the timers of a session that are meant; how many.
    fn remove_timers(&mut self, id: Id, meant: impl Fn(u8, usize) -> bool) -> usize {
        let before = self.items.len();
        self.items.retain(|item| match item.what {
            What::Timer { name, number } => item.to != id || !meant(name, number),
            _ => true,
        });
        let removed = before - self.items.len();
        for _ in 0..removed {
            self.release(id);
        }
        removed
    }

    fn step(&mut self, id: Id, step: &Step) {
        match *step {
            Step::Post(to) if to != 0 => self.push(self.now, to, id, What::Event),
            Step::Post(_) => {}
            Step::PostSet(to) if self.live(to) => {
                self.push(self.now, to, id, What::Event);
                self.posted.push(self.sequence);
            }
            Step::PostSet(_) => {}
            Step::PostWith(to, priority) => {
                let before = self.items.len();
                self.push(self.now, to, id, What::Event);
                if let Some(item) = self.items.get_mut(before) {
                    item.priority = priority;
                    self.posted.push(self.sequence);
                }
            }
            Step::PostRemove(n) => {
                let posted = self.posted.get(n).copied();
                let place = self.items.iter().position(|item| Some(item.sequence) == posted);
                if let Some(place) = place.filter(|&place| self.items[place].from == id) {
                    let item = self.items.remove(place);
                    self.let_go(&item, self.marks.len());
                    self.log.push(format!("{id} took {n} back"));
                }
            }
            Step::Yield => self.push(self.now, id, id, What::Event),
            Step::Delay(name, after) => {
                let last = self.timers;
                self.set_timer(id, name, self.now + after as i64);
                self.remove_timers(id, |of, number| of == name && number < last);
            }
            Step::DelaySet(name, after) => self.set_timer(id, name, self.now + after as i64),
            Step::Past(name, ago) => self.set_timer(id, name, -(ago as i64)),
            Step::Clear(name) => {
                let n = self.remove_timers(id, |of, _| of == name);
                self.log.push(format!("cleared {n}"));
            }
            Step::Remove(n) => {
                let removed = self.remove_timers(id, |_, number| number == n) > 0;
                self.log.push(format!("removed {removed}"));
            }
            Step::Adjust(n, by) => {
                self.sequence += 1;
                let sequence = self.sequence;
                let mine = |item: &&mut Item| {
                    item.to == id && matches!(item.what, What::Timer { number, .. } if number == n)
                };
                let found = self.items.iter_mut().find(mine);
                let moved = found.is_some();
                if let Some(item) = found.filter(|_| by != 0) {
                    (item.due, item.sequence) = (item.due + by, sequence);
                }
                self.log.push(format!("adjusted {moved}"));
            }
            Step::RemoveAll => {
                let n = self.remove_timers(id, |_, _| true);
                self.log.push(format!("removed {n}"));
            }
            Step::Spawn => self.spawn(id),
            Step::DetachMyself => {
                let parent = self.members[id].parent;
                if parent != 0 {
                    if !self.in_start {
                        self.tell_child(parent, "lose", id);
                    }
                    self.tell_parent(id, parent, 0);
                    self.move_to(id, 0);
                }
            }
            Step::DetachChild(child) => {
                if self.live(child) && self.members[child].parent == id {
                    self.tell_child(id, "lose", child);
                    self.tell_parent(child, id, 0);
                    self.move_to(child, 0);
                }
            }
            Step::MoveChild(child, to) => {
                let is_mine = self.live(child) && self.members[child].parent == id;
                let fits = self.live(to) && to != id && !self.below(child).contains(&to);
                if is_mine && fits {
                    self.tell_child(id, "lose", child);
                    self.tell_child(to, "gain", child);
                    self.tell_parent(child, id, to);
                    self.move_to(child, to);
                }
            }
            Step::Increment(of, tag) => {
                if self.live(of) {
                    let count = self.members[of].tags.entry(tag).or_default();
                    *count += 1;
                    if *count == 1 {
                        self.hold(of);
                    }
                }
            }
            Step::Decrement(of, tag) => {
                if self.live(of)
                    && let Some(count) = self.members[of].tags.get_mut(&tag)
                {
                    *count -= 1;
                    if *count == 0 {
                        self.members[of].tags.remove(&tag);
                        self.release(of);
                    }
                }
            }
            Step::Alias(n) => {
                if let Entry::Vacant(entry) = self.aliases.entry(n) {
                    entry.insert(id);
                    self.hold(id);
                }
            }
            Step::Unalias(n) => {
                if self.aliases.get(&n) == Some(&id) {
                    self.aliases.remove(&n);
                    self.release(id);
                }
            }
            Step::Term(of) => {
                if of != 0 {
                    self.push(self.now, of, id, What::Term);
                }
            }
            Step::Stop => self.stop_all(),
        }
    }
}
