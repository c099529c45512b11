//! Wheels that are made, handed around, changed and dropped at any time, in their own handlers too.
//!
//! The descriptors of the process are counted, and so this has a process to itself.

#![cfg(target_os = "linux")]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use common::{run, with_events, with_marks};
use poe_driver::memory::{Faults, Memory, MemoryPeer};
use poe_filter::{Block, Line};
use poe_session::prelude::*;
use poe_wheel::{Input, IoError, Lingering, ReadWrite, WheelId};
use proptest::prelude::*;

const SESSIONS: usize = 3;

/// What a session does about whatever happens to it, with the wheel it happened to or another one.
#[derive(Clone, Debug)]
enum Deed {
    Make { reads: u64, writes: u64 },
    Drop,
    DropAll,
    Pass { to: usize },
    Put(usize),
    SetFilter,
    WithFilter,
    Pause,
    Resume,
    Flush,
    ShutdownInput,
    ShutdownOutput,
    Linger,
    PeerSends(&'static str),
    PeerEnds,
    PeerResets,
    PeerListens,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => any::<(u64, u64)>().prop_map(|(reads, writes)| Deed::Make { reads, writes }),
        2 => Just(Deed::Drop),
        1 => Just(Deed::DropAll),
        4 => (0..SESSIONS).prop_map(|to| Deed::Pass { to }),
        4 => (1..200_usize).prop_map(Deed::Put),
        2 => Just(Deed::SetFilter),
        1 => Just(Deed::WithFilter),
        1 => Just(Deed::Pause),
        1 => Just(Deed::Resume),
        1 => Just(Deed::Flush),
        1 => Just(Deed::ShutdownInput),
        1 => Just(Deed::ShutdownOutput),
        1 => Just(Deed::Linger),
        16 => prop::sample::select(&["one\n", "two\nthree\n", "\n\n", "5\0block", "un"][..])
            .prop_map(Deed::PeerSends),
        1 => Just(Deed::PeerEnds),
        1 => Just(Deed::PeerResets),
        5 => Just(Deed::PeerListens),
    ]
}

/// What all sessions of a run know.
#[derive(Default)]
struct World {
    deeds: VecDeque<Deed>,
    sessions: Vec<SessionId>,
    /// For whom each wheel that is there was made, and whom it talks with.
    wheels: HashMap<WheelId, (SessionId, MemoryPeer)>,
    events: usize,
}

/// A wheel that says when it is dropped.
struct Kept {
    wheel: Option<ReadWrite>,
    world: Rc<RefCell<World>>,
}

impl Kept {
    fn id(&self) -> WheelId {
        self.wheel.as_ref().unwrap().id()
    }

    /// Without the wheel, of which nothing more may come.
    fn release(mut self) -> ReadWrite {
        self.wheel.take().unwrap()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(wheel) = &self.wheel {
            let gone = self.world.borrow_mut().wheels.remove(&wheel.id());
            assert!(gone.is_some());
        }
    }
}

struct Heap {
    wheels: Vec<Kept>,
    lingering: Vec<Lingering>,
    world: Rc<RefCell<World>>,
}

fn make(cx: &Cx<'_, Heap>, reads: u64, writes: u64) -> Kept {
    let (driver, peer) = Memory::pair().unwrap();
    peer.read_faults(Faults::seeded(reads));
    peer.write_faults(Faults::seeded(writes));
    peer.set_room(100);
    let builder = ReadWrite::build(driver.handle()).driver(driver);
    let builder = with_marks(with_events(builder.filter(Line::literal("\n").unwrap())), 20, 50);
    let wheel = builder.spawn(cx.kernel).unwrap();
    let world = Rc::clone(&cx.heap.world);
    world.borrow_mut().wheels.insert(wheel.id(), (cx.session(), peer));
    Kept { wheel: Some(wheel), world }
}

/// Something has happened, to a wheel perhaps.
fn happens(cx: &mut Cx<'_, Heap>, id: Option<WheelId>) {
    let world = Rc::clone(&cx.heap.world);
    if let Some(id) = id {
        let mut world = world.borrow_mut();
        world.events += 1;
        let (session, _) = world.wheels.get(&id).expect("an event of a wheel that is gone");
        assert_eq!(*session, cx.session(), "an event for another session");
    }
    let deed = world.borrow_mut().deeds.pop_front();
    let Some(deed) = deed else {
        cx.heap.wheels.clear();
        return;
    };
    // Its own wheel, if it is this session that has it, or the one it has had for the longest time.
    let place = id.and_then(|id| cx.heap.wheels.iter().position(|kept| kept.id() == id));
    let place = place.unwrap_or_default();
    if let Deed::Make { reads, writes } = deed {
        let kept = make(cx, reads, writes);
        cx.heap.wheels.push(kept);
        return;
    }
    if place >= cx.heap.wheels.len() {
        return;
    }
    let peer = {
        let id = cx.heap.wheels[place].id();
        world.borrow().wheels[&id].1.clone()
    };
    let wheel = cx.heap.wheels[place].wheel.as_ref().unwrap();
    match deed {
        Deed::Make { .. } => unreachable!(),
        Deed::Drop => drop(cx.heap.wheels.remove(place)),
        Deed::DropAll => cx.heap.wheels.clear(),
        Deed::Pass { to } => {
            let to = world.borrow().sessions[to];
            let kept = cx.heap.wheels.remove(place);
            // A session that has stopped gets nothing, and the wheel is dropped.
            let _ = cx.post(to, "take", kept);
        }
        Deed::Put(octets) => _ = wheel.put(vec![b'x'; octets]),
        Deed::SetFilter => wheel.set_filter(Block::new()),
        Deed::WithFilter => {
            let kept = cx.heap.wheels.remove(place);
            let world = Rc::clone(&kept.world);
            let wheel = kept.release().with_filter(Line::new()).unwrap();
            cx.heap.wheels.push(Kept { wheel: Some(wheel), world });
        }
        Deed::Pause => wheel.pause_input(),
        Deed::Resume => wheel.resume_input(),
        Deed::Flush => wheel.flush(),
        Deed::ShutdownInput => wheel.shutdown_input(),
        Deed::ShutdownOutput => wheel.shutdown_output(),
        Deed::Linger => {
            let kept = cx.heap.wheels.remove(place);
            world.borrow_mut().wheels.remove(&kept.id());
            let lingering = kept.release().linger(Duration::from_secs(10));
            cx.heap.lingering.extend(lingering);
        }
        Deed::PeerSends(octets) => peer.send(octets),
        Deed::PeerEnds => peer.end(),
        Deed::PeerResets => peer.reset(),
        Deed::PeerListens => drop(peer.received()),
    }
}

fn session(world: &Rc<RefCell<World>>) -> Session<Heap> {
    let heap = Heap { wheels: Vec::new(), lingering: Vec::new(), world: Rc::clone(world) };
    Session::build(heap)
        .on_start(|cx| cx.yield_event("tick", ()))
        .on("tick", |cx, ()| {
            happens(cx, None);
            if cx.heap.world.borrow().deeds.is_empty() {
                cx.heap.wheels.clear();
            } else {
                // When nothing else is to be done, for which the clock jumps.
                cx.delay("tick", Duration::from_secs(1), ());
            }
        })
        .on("take", |cx, kept: Kept| {
            if !cx.heap.world.borrow().deeds.is_empty() {
                cx.heap.wheels.push(kept);
            }
        })
        .on("input", |cx, input: Input| happens(cx, Some(input.wheel)))
        .on("error", |cx, error: IoError| happens(cx, Some(error.wheel)))
        .on("flushed", |cx, wheel: WheelId| happens(cx, Some(wheel)))
        .on("high", |cx, wheel: WheelId| happens(cx, Some(wheel)))
        .on("low", |cx, wheel: WheelId| happens(cx, Some(wheel)))
}

fn live(deeds: Vec<Deed>) -> usize {
    let world = Rc::new(RefCell::new(World { deeds: deeds.into(), ..World::default() }));
    let kernel = common::builder()
        .virtual_clock(SystemTime::UNIX_EPOCH)
        .diagnostics(|diagnostic| panic!("{diagnostic}"))
        .build()
        .unwrap();
    for _ in 0..SESSIONS {
        let id = session(&world).spawn(&kernel).unwrap();
        world.borrow_mut().sessions.push(id);
    }
    run(&kernel);
    drop(kernel);
    let world = Rc::into_inner(world).expect("a heap is left").into_inner();
    assert!(world.wheels.is_empty(), "a wheel is left");
    world.events
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn wheels_are_made_passed_and_dropped_anywhere_and_nothing_is_left() {
    let events = Cell::new(0);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&prop::collection::vec(deed(), 1..150), |deeds| {
            let before = descriptors();
            events.set(events.get() + live(deeds));
            prop_assert_eq!(descriptors(), before);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    // It is about wheels that something happens to.
    assert!(events.get() > 500, "{}", events.get());
}
