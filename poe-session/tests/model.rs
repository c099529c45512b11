//! Random programs, run by the kernel and by a slow model of it: the same order and the same lives.
//!
//! A program gives each session a list of steps for each event it gets; what a step does is the same in both. The
//! model keeps everything in one sorted list and counts by looking at all of it.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;
use std::time::Duration;

use common::{NoWait, start};
use poe_kernel::Inspection;
use poe_session::prelude::*;
use proptest::prelude::*;

/// Sessions are numbered from 1 as they are created, 0 is the kernel.
type Id = usize;

#[derive(Clone, Debug)]
enum Step {
    /// Posts to the session with this number, if it lives.
    Post(Id),
    Yield,
    /// `delay`: replaces the timers of this name.
    Delay(u8, u64),
    /// `delay_set`; the timer is remembered by number.
    DelaySet(u8, u64),
    /// `alarm_set` for a time that has passed.
    Past(u8, u64),
    Clear(u8),
    /// Removes the timer remembered under this number, whoever it belongs to.
    Remove(usize),
    /// Makes it due this much later (or, if negative, earlier).
    Adjust(usize, i64),
    RemoveAll,
    Spawn,
    DetachMyself,
    DetachChild(Id),
    Increment(Id, u8),
    Decrement(Id, u8),
    Alias(u8),
    Unalias(u8),
    Term(Id),
    Stop,
}

/// What sessions do at each of their events, `_start` first. A session takes the script of its number.
type Scripts = Vec<Vec<Vec<Step>>>;

const NAMES: [&str; 3] = ["t0", "t1", "t2"];
const ALIASES: [&str; 3] = ["a0", "a1", "a2"];
const TAGS: [&str; 2] = ["g0", "g1"];
const MOST_SESSIONS: usize = 12;
const MOST_EVENTS: usize = 400;

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

// ---------------------------------------------------------------------------------------------------------------------
// The kernel

#[derive(Default)]
struct World {
    scripts: Scripts,
    log: Vec<String>,
    ids: HashMap<Id, SessionId>,
    numbers: HashMap<SessionId, Id>,
    timers: Vec<TimerId>,
    events: usize,
}

struct Real {
    id: Id,
    handled: usize,
    world: Rc<RefCell<World>>,
}

impl Real {
    fn spawn(world: &Rc<RefCell<World>>, scope: impl Scope) {
        let id = world.borrow().numbers.len() + 1;
        if id > MOST_SESSIONS {
            return;
        }
        let heap = Self { id, handled: 0, world: world.clone() };
        Session::build(heap)
            .on_start(|cx| {
                let (id, session) = (cx.heap.id, cx.session());
                {
                    let mut world = cx.heap.world.borrow_mut();
                    world.ids.insert(id, session);
                    world.numbers.insert(session, id);
                }
                cx.heap.log(format!("{id} start"));
                Self::act(cx);
            })
            .on("event", |cx, from: Id| {
                cx.heap.log(format!("{} event from {from}", cx.heap.id));
                Self::act(cx);
            })
            .on("t0", Self::timer)
            .on("t1", Self::timer)
            .on("t2", Self::timer)
            .on_child(|cx, child| {
                let of = cx.heap.world.borrow().numbers[&child.session];
                cx.heap.log(format!("{} child {} {of}", cx.heap.id, child.change.as_str()));
            })
            .on_parent(|cx, parent| {
                let number = |id: SessionId| cx.heap.world.borrow().numbers.get(&id).copied();
                let (old, new) = (number(parent.old), number(parent.new));
                let (old, new) = (old.unwrap_or(0), new.unwrap_or(0));
                cx.heap.log(format!("{} parent {old} {new}", cx.heap.id));
            })
            .on_stop(|cx| cx.heap.log(format!("{} stop", cx.heap.id)))
            .spawn(scope)
            .unwrap();
    }

    fn log(&self, line: String) {
        self.world.borrow_mut().log.push(line);
    }

    fn timer(cx: &mut Cx<'_, Self>, number: usize) {
        let now = cx.kernel.time().duration_since(start()).unwrap().as_millis();
        cx.heap.log(format!("{} timer {number} at {now}", cx.heap.id));
        Self::act(cx);
    }

    fn act(cx: &mut Cx<'_, Self>) {
        let world = cx.heap.world.clone();
        let steps = {
            let mut world = world.borrow_mut();
            world.events += 1;
            if world.events > MOST_EVENTS {
                Vec::new()
            } else {
                steps(&world.scripts, cx.heap.id, cx.heap.handled)
            }
        };
        cx.heap.handled += 1;
        for step in steps {
            if cx.kernel.is_live(cx.session()) {
                Self::step(cx, &world, &step);
            }
        }
    }

    fn step(cx: &mut Cx<'_, Self>, world: &Rc<RefCell<World>>, step: &Step) {
        let of = |id: &Id| world.borrow().ids.get(id).copied();
        let timer = |n: &usize| world.borrow().timers.get(*n).copied();
        let next = || world.borrow().timers.len();
        let known = |id| world.borrow_mut().timers.push(id);
        match step {
            Step::Post(to) => {
                if let Some(to) = of(to) {
                    let _ = cx.post(to, "event", cx.heap.id);
                }
            }
            Step::Yield => cx.yield_event("event", cx.heap.id),
            Step::Delay(name, after) => {
                known(cx.delay(NAMES[*name as usize], millis(*after), next()));
            }
            Step::DelaySet(name, after) => {
                known(cx.delay_set(NAMES[*name as usize], millis(*after), next()));
            }
            Step::Past(name, ago) => {
                known(cx.alarm_set(NAMES[*name as usize], start() - millis(*ago), next()));
            }
            Step::Clear(name) => {
                let n = cx.alarm_clear(NAMES[*name as usize]).len();
                cx.heap.log(format!("cleared {n}"));
            }
            Step::Remove(n) => {
                let removed = timer(n).is_some_and(|id| cx.alarm_remove(id).is_ok());
                cx.heap.log(format!("removed {removed}"));
            }
            Step::Adjust(n, by) => {
                let length = millis(by.unsigned_abs());
                let shift = if *by < 0 { Shift::Earlier(length) } else { Shift::Later(length) };
                let moved = timer(n).is_some_and(|id| cx.alarm_adjust(id, shift).is_ok());
                cx.heap.log(format!("adjusted {moved}"));
            }
            Step::RemoveAll => {
                let n = cx.alarm_remove_all().len();
                cx.heap.log(format!("removed {n}"));
            }
            Step::Spawn => Self::spawn(world, cx),
            Step::DetachMyself => {
                let _ = cx.detach_myself();
            }
            Step::DetachChild(child) => {
                if let Some(child) = of(child) {
                    let _ = cx.detach_child(child);
                }
            }
            Step::Increment(id, tag) => {
                if let Some(id) = of(id) {
                    let _ = cx.refcount_increment(id, TAGS[*tag as usize]);
                }
            }
            Step::Decrement(id, tag) => {
                if let Some(id) = of(id) {
                    let _ = cx.refcount_decrement(id, TAGS[*tag as usize]);
                }
            }
            Step::Alias(n) => drop(cx.alias_set(ALIASES[*n as usize])),
            Step::Unalias(n) => drop(cx.alias_remove(ALIASES[*n as usize])),
            Step::Term(id) => {
                if let Some(id) = of(id) {
                    let _ = cx.signal(id, "TERM", ());
                }
            }
            Step::Stop => cx.stop(),
        }
    }
}

fn steps(scripts: &Scripts, id: Id, handled: usize) -> Vec<Step> {
    let script = &scripts[id % scripts.len()];
    script.get(handled).cloned().unwrap_or_default()
}

const TURNS: usize = 3000;

fn run_real(scripts: &Scripts) -> Vec<String> {
    let stuck = Rc::new(Cell::new(false));
    let kernel = Kernel::builder()
        .virtual_clock(start())
        .event_loop(Box::new(NoWait(stuck.clone())))
        .build()
        .unwrap();
    let world = Rc::new(RefCell::new(World { scripts: scripts.clone(), ..World::default() }));
    for _ in 0..2 {
        Real::spawn(&world, &kernel);
    }
    for _ in 0..TURNS {
        let goes_on = kernel.run_one_timeslice().unwrap();
        assert_consistent(&kernel.inspect());
        if stuck.take() && goes_on {
            // Only extra references are left, which nobody will give back.
            world.borrow_mut().log.push("stuck".to_owned());
            kernel.stop();
        }
        if kernel.session_count() == 0 {
            break;
        }
    }
    assert_eq!((kernel.session_count(), kernel.get_event_count()), (0, 0));
    let left = kernel.inspect();
    assert!(left.queue.is_empty() && left.timers.is_empty() && left.signals.is_empty());
    assert_eq!(Rc::strong_count(&world), 1, "a heap outlived its session");
    world.take().log
}

/// What is counted of each session is what can be named, and the tree is one from both ends.
fn assert_consistent(inspection: &Inspection) {
    for info in &inspection.sessions {
        assert_eq!(info.references() as usize, info.reasons.len(), "{info:#?}");
        for &child in &info.children {
            assert_eq!(inspection.session(child).map(|child| child.parent), Some(info.session));
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The model

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
        self.items.push(Item { due, sequence: self.sequence, to, from, what });
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
        loop {
            let due = self.items.iter().enumerate();
            let due = due.filter(|(_, item)| item.due <= self.now && item.sequence <= limit);
            let Some((place, _)) = due.min_by_key(|(_, item)| (item.due, item.sequence)) else {
                break;
            };
            let item = self.items.remove(place);
            let marks = self.marks.len();
            self.dispatch(&item);
            self.let_go(&item, marks);
        }
        self.collect();
        stuck
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

fn run_model(scripts: &Scripts) -> Vec<String> {
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

fn step() -> impl Strategy<Value = Step> {
    let id = || 1..5_usize;
    prop_oneof![
        8 => id().prop_map(Step::Post),
        2 => Just(Step::Yield),
        3 => (0..3_u8, 0..5_u64).prop_map(|(n, t)| Step::Delay(n, t)),
        4 => (0..3_u8, 0..5_u64).prop_map(|(n, t)| Step::DelaySet(n, t)),
        1 => (0..3_u8, 1..3_u64).prop_map(|(n, t)| Step::Past(n, t)),
        1 => (0..3_u8).prop_map(Step::Clear),
        1 => (0..8_usize).prop_map(Step::Remove),
        2 => (0..8_usize, -4..5_i64).prop_map(|(n, t)| Step::Adjust(n, t)),
        1 => Just(Step::RemoveAll),
        3 => Just(Step::Spawn),
        1 => Just(Step::DetachMyself),
        1 => id().prop_map(Step::DetachChild),
        2 => (id(), 0..2_u8).prop_map(|(i, t)| Step::Increment(i, t)),
        2 => (id(), 0..2_u8).prop_map(|(i, t)| Step::Decrement(i, t)),
        1 => (0..3_u8).prop_map(Step::Alias),
        1 => (0..3_u8).prop_map(Step::Unalias),
        4 => id().prop_map(Step::Term),
        1 => prop_oneof![9 => Just(Step::Yield), 1 => Just(Step::Stop)],
    ]
}

fn scripts() -> impl Strategy<Value = Scripts> {
    use proptest::collection::vec;
    vec(vec(vec(step(), 0..7), 1..6), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig {
        // More by PROPTEST_CASES.
        cases: ProptestConfig::default().cases.max(2000),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_program_runs_as_its_model_says(scripts in scripts()) {
        prop_assert_eq!(run_real(&scripts), run_model(&scripts));
    }
}
