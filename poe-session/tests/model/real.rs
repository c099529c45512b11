//! A program, run by the kernel.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use poe_kernel::{EventLoop, Inspection, Interest, Key, Readiness, Wake};
use poe_session::prelude::*;

use crate::common::{NoWait, start};
use crate::program::{
    ALIASES, Id, MOST_EVENTS, MOST_SESSIONS, NAMES, Scripts, Step, TAGS, TURNS, steps,
};

#[derive(Default)]
struct World {
    scripts: Scripts,
    log: Vec<String>,
    ids: HashMap<Id, SessionId>,
    numbers: HashMap<SessionId, Id>,
    timers: Vec<TimerId>,
    posted: Vec<PostId>,
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
            Step::PostSet(to) => {
                if let Some(Ok(id)) = of(to).map(|to| cx.post_set(to, "event", cx.heap.id)) {
                    world.borrow_mut().posted.push(id);
                }
            }
            Step::PostWith(to, priority) => {
                let sent = of(to).map(|to| cx.post_with(*priority, to, "event", cx.heap.id));
                if let Some(Ok(id)) = sent {
                    world.borrow_mut().posted.push(id);
                }
            }
            Step::PostRemove(n) => {
                let posted = world.borrow().posted.get(*n).copied();
                if posted.is_some_and(|posted| cx.kernel.post_remove(posted).is_ok()) {
                    cx.heap.log(format!("{} took {n} back", cx.heap.id));
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
            Step::MoveChild(child, to) => {
                if let (Some(child), Some(to)) = (of(child), of(to)) {
                    let _ = cx.move_child(child, to);
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
            Step::Stop => cx.stop().unwrap(),
        }
    }
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn world(scripts: &Scripts) -> Rc<RefCell<World>> {
    Rc::new(RefCell::new(World { scripts: scripts.clone(), ..World::default() }))
}

/// A program, run by single timeslices.
pub(crate) fn run_real(scripts: &Scripts) -> Vec<String> {
    let stuck = Rc::new(Cell::new(false));
    let kernel = Kernel::builder()
        .virtual_clock(start())
        .event_loop(Box::new(NoWait(stuck.clone())))
        .build()
        .unwrap();
    let world = world(scripts);
    for _ in 0..2 {
        Real::spawn(&world, &kernel);
    }
    for _ in 0..TURNS {
        let goes_on = kernel.run_one_timeslice().unwrap();
        assert_consistent(&kernel.inspect());
        if stuck.take() && goes_on {
            // Only extra references are left, which nobody will give back.
            world.borrow_mut().log.push("stuck".to_owned());
            kernel.stop().unwrap();
        }
        if kernel.session_count() == 0 {
            break;
        }
    }
    end(&kernel, world)
}

/// The same in one run, among so many other events that the kernel looks at its handles in the middle of passes.
pub(crate) fn run_among_others(scripts: &Scripts, others: &[u16]) -> Vec<String> {
    let kernel = Kernel::builder()
        .virtual_clock(start())
        .event_loop(Box::new(FailsIfStuck(NoWait::default())))
        .build()
        .unwrap();
    let world = world(scripts);
    Real::spawn(&world, &kernel);
    let others = others.to_vec();
    Session::build(others)
        .on_start(|cx| {
            cx.alias_set("others").unwrap();
            for (millisecond, &count) in cx.heap.iter().enumerate() {
                cx.delay_set("burst", millis(millisecond as u64), (8_u8, count));
            }
        })
        .on("burst", |cx, (times, count): (u8, u16)| {
            (0..count).for_each(|_| cx.yield_event("nothing", ()));
            if times > 1 {
                cx.yield_event("burst", (times - 1, count));
            }
        })
        .on("nothing", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    Real::spawn(&world, &kernel);
    let result = kernel.run();
    if result.is_err() {
        assert!(matches!(result, Err(KernelError::EventLoop { .. })), "{result:?}");
        // Only extra references are left, which nobody will give back.
        world.borrow_mut().log.push("stuck".to_owned());
        kernel.stop().unwrap();
        kernel.run().unwrap();
    }
    end(&kernel, world)
}

fn end(kernel: &Kernel, world: Rc<RefCell<World>>) -> Vec<String> {
    assert_eq!((kernel.session_count(), kernel.get_event_count()), (0, 0));
    let left = kernel.inspect();
    assert!(left.queue.is_empty() && left.timers.is_empty() && left.signals.is_empty());
    assert_eq!(Rc::strong_count(&world), 1, "a heap outlived its session");
    world.take().log
}

/// An event loop that never waits, and fails when it would have waited for ever.
#[derive(Debug)]
struct FailsIfStuck(NoWait);

impl EventLoop for FailsIfStuck {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn add(&mut self, _: Rc<dyn AsFd>, _: Key, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn modify(&mut self, _: Key, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn delete(&mut self, _: Key) -> io::Result<()> {
        Ok(())
    }

    fn wait(&mut self, _: &mut Vec<Readiness>, timeout: Option<Duration>) -> io::Result<()> {
        timeout.map(drop).ok_or_else(|| io::Error::other("stuck"))
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.0.waker()
    }
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
