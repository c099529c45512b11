//! As `lives`, for the wheels that have a terminal: several want the same one, people type whatever they like and hang up, and
//! the wheels are made, handed around and dropped at any time, in their own handlers too.
//!
//! The descriptors of the process are counted, and so this has a process to itself.

#![cfg(target_os = "linux")]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::rc::Rc;
use std::time::Duration;

use common::person::Person;
use common::run;
use poe_session::prelude::*;
#[cfg(feature = "curses")]
use poe_wheel::{Curses, TerminalInput, ratatui::widgets::Paragraph};
use poe_wheel::{Exception, Input, IoError, PutMode, ReadLine, WheelId};
use proptest::prelude::*;
use rustix::termios::{LocalModes, tcgetattr};

const SESSIONS: usize = 3;
const TERMINALS: usize = 2;

/// How long it takes until no more of a key comes, and until nobody is typing.
const SOON: Duration = Duration::from_millis(1);

/// What a session does about whatever happens to it, with the wheel it happened to or another one.
#[derive(Clone, Debug)]
enum Deed {
    Lines { at: usize, put_mode: PutMode },
    Screen { at: usize },
    Drop,
    DropAll,
    Pass { to: usize },
    Get,
    Put,
    Refresh,
    Suspend,
    Resume,
    Type { at: usize, keys: &'static [u8] },
    Resize { at: usize, columns: u16 },
    HangUp { at: usize },
}

fn deed() -> impl Strategy<Value = Deed> {
    const KEYS: [&[u8]; 16] = [
        b"word ",
        b"line\r",
        b"one\rtwo\rthree\r",
        b"\x1B",
        b"[A",
        b"\x1B[1;5",
        b"\x1Bd",
        b"\x04",
        b"\x03",
        b"\x12o",
        b"\x1B[200~pasted\r",
        b"\x1B[201~",
        b"\x1B[<0;1;1M",
        b"\x18\x12",
        b"\xE6\xFF",
        b"\t\t",
    ];
    let modes = [PutMode::Immediate, PutMode::Idle, PutMode::After];
    let at = || 0..TERMINALS;
    prop_oneof![
        4 => (at(), prop::sample::select(modes.to_vec()))
            .prop_map(|(at, put_mode)| Deed::Lines { at, put_mode }),
        4 => at().prop_map(|at| Deed::Screen { at }),
        2 => Just(Deed::Drop),
        1 => Just(Deed::DropAll),
        3 => (0..SESSIONS).prop_map(|to| Deed::Pass { to }),
        2 => Just(Deed::Get),
        3 => Just(Deed::Put),
        1 => Just(Deed::Refresh),
        1 => Just(Deed::Suspend),
        1 => Just(Deed::Resume),
        12 => (at(), prop::sample::select(KEYS.to_vec()))
            .prop_map(|(at, keys)| Deed::Type { at, keys }),
        1 => (at(), 1u16..40).prop_map(|(at, columns)| Deed::Resize { at, columns }),
        1 => at().prop_map(|at| Deed::HangUp { at }),
    ]
}

/// What all sessions of a run know.
struct World {
    deeds: VecDeque<Deed>,
    sessions: Vec<SessionId>,
    /// For whom each wheel that is there was made.
    wheels: HashMap<WheelId, SessionId>,
    terminals: Vec<(Rc<Person>, Rc<File>)>,
    events: usize,
}

impl World {
    fn terminal(&self, at: usize) -> Rc<File> {
        Rc::clone(&self.terminals[at].1)
    }
}

enum Wheel {
    Lines(ReadLine),
    #[cfg(feature = "curses")]
    Screen(Curses),
}

impl Wheel {
    fn id(&self) -> WheelId {
        match self {
            Self::Lines(wheel) => wheel.id(),
            #[cfg(feature = "curses")]
            Self::Screen(wheel) => wheel.id(),
        }
    }

    fn put(&self) {
        match self {
            Self::Lines(wheel) => wheel.put("it was put"),
            #[cfg(feature = "curses")]
            Self::Screen(wheel) => {
                wheel.draw(|frame| frame.render_widget(Paragraph::new("drawn"), frame.area()));
            }
        }
    }

    fn refresh(&self) {
        match self {
            Self::Lines(wheel) => wheel.refresh(),
            #[cfg(feature = "curses")]
            Self::Screen(wheel) => wheel.refresh(),
        }
    }

    fn get(&self) {
        match self {
            Self::Lines(wheel) => wheel.get("> "),
            #[cfg(feature = "curses")]
            Self::Screen(_) => {}
        }
    }

    fn suspend(&self, is_suspended: bool) {
        match self {
            #[cfg(feature = "curses")]
            Self::Screen(wheel) if is_suspended => wheel.suspend(),
            #[cfg(feature = "curses")]
            Self::Screen(wheel) => wheel.resume(),
            Self::Lines(_) => _ = is_suspended,
        }
    }
}

/// A wheel that says when it is dropped.
struct Kept {
    wheel: Wheel,
    world: Rc<RefCell<World>>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        let gone = self.world.borrow_mut().wheels.remove(&self.wheel.id());
        assert!(gone.is_some());
    }
}

struct Heap {
    wheels: Vec<Kept>,
    world: Rc<RefCell<World>>,
}

fn lines(cx: &Cx<'_, Heap>, terminal: Rc<File>, put_mode: PutMode) -> Wheel {
    let builder = ReadLine::build_pair(Rc::clone(&terminal), terminal).no_init_file();
    let builder = builder.put_mode(put_mode).idle_time(SOON).escape_time(SOON);
    let builder = builder.input_event("typed").error_event("failed").flushed_event("flushed");
    let wheel = builder.spawn(cx.kernel).unwrap();
    wheel.get("> ");
    Wheel::Lines(wheel)
}

/// None if another wheel has the terminal.
#[cfg(feature = "curses")]
fn screen(cx: &Cx<'_, Heap>, terminal: Rc<File>) -> Option<Wheel> {
    let builder = Curses::build_pair(Rc::clone(&terminal), terminal).escape_time(SOON);
    let wheel = builder.input_event("pressed").error_event("failed").spawn(cx.kernel);
    wheel.ok().map(Wheel::Screen)
}

#[cfg(not(feature = "curses"))]
fn screen(_: &Cx<'_, Heap>, _: Rc<File>) -> Option<Wheel> {
    None
}

fn keep(cx: &mut Cx<'_, Heap>, wheel: Wheel) {
    let world = Rc::clone(&cx.heap.world);
    world.borrow_mut().wheels.insert(wheel.id(), cx.session());
    cx.heap.wheels.push(Kept { wheel, world });
}

/// Something has happened, to a wheel perhaps.
fn happens(cx: &mut Cx<'_, Heap>, id: Option<WheelId>) {
    let world = Rc::clone(&cx.heap.world);
    if let Some(id) = id {
        let mut world = world.borrow_mut();
        world.events += 1;
        let session = world.wheels.get(&id).expect("an event of a wheel that is gone");
        assert_eq!(*session, cx.session(), "an event for another session");
    }
    let deed = world.borrow_mut().deeds.pop_front();
    let Some(deed) = deed else {
        cx.heap.wheels.clear();
        return;
    };
    // Its own wheel, if it is this session that has it, or the one it has had for the longest time.
    let place = id.and_then(|id| cx.heap.wheels.iter().position(|kept| kept.wheel.id() == id));
    let place = place.unwrap_or_default();
    let wheel = cx.heap.wheels.get(place).map(|kept| &kept.wheel);
    match deed {
        Deed::Lines { at, put_mode } => {
            let wheel = lines(cx, world.borrow().terminal(at), put_mode);
            keep(cx, wheel);
        }
        Deed::Screen { at } => {
            let terminal = world.borrow().terminal(at);
            screen(cx, terminal).into_iter().for_each(|wheel| keep(cx, wheel));
        }
        Deed::Drop if wheel.is_some() => drop(cx.heap.wheels.remove(place)),
        Deed::DropAll => cx.heap.wheels.clear(),
        Deed::Pass { to } if wheel.is_some() => {
            let to = world.borrow().sessions[to];
            let kept = cx.heap.wheels.remove(place);
            // A session that has stopped gets nothing, and the wheel is dropped.
            let _ = cx.post(to, "take", kept);
        }
        Deed::Get => wheel.into_iter().for_each(Wheel::get),
        Deed::Put => wheel.into_iter().for_each(Wheel::put),
        Deed::Refresh => wheel.into_iter().for_each(Wheel::refresh),
        Deed::Suspend => wheel.into_iter().for_each(|wheel| wheel.suspend(true)),
        Deed::Resume => wheel.into_iter().for_each(|wheel| wheel.suspend(false)),
        Deed::Type { at, keys } => world.borrow().terminals[at].0.types_octets(keys),
        Deed::Resize { at, columns } => world.borrow().terminals[at].0.resize(columns, 5),
        Deed::HangUp { at } => world.borrow_mut().terminals[at] = Person::new(20, 5),
        Deed::Drop | Deed::Pass { .. } => {}
    }
}

fn session(world: &Rc<RefCell<World>>) -> Session<Heap> {
    let session = Session::build(Heap { wheels: Vec::new(), world: Rc::clone(world) })
        .on_start(|cx| cx.yield_event("tick", ()))
        .on("tick", |cx, ()| {
            happens(cx, None);
            let world = cx.heap.world.borrow();
            // Who does not look keeps wheels waiting that give the terminal back.
            world.terminals.iter().for_each(|(person, _)| _ = person.sees());
            let is_over = world.deeds.is_empty();
            drop(world);
            if is_over {
                cx.heap.wheels.clear();
            } else {
                cx.delay("tick", Duration::from_millis(1), ());
            }
        })
        .on("take", |cx, kept: Kept| {
            if !cx.heap.world.borrow().deeds.is_empty() {
                cx.heap.wheels.push(kept);
            }
        })
        .on("typed", |cx, input: Input<Result<String, Exception>>| {
            happens(cx, Some(input.wheel));
            // It may have been dropped, or be another's.
            let kept = cx.heap.wheels.iter().find(|kept| kept.wheel.id() == input.wheel);
            kept.into_iter().for_each(|kept| kept.wheel.get());
        })
        .on("failed", |cx, error: IoError| happens(cx, Some(error.wheel)))
        .on("flushed", |cx, wheel: WheelId| happens(cx, Some(wheel)));
    #[cfg(feature = "curses")]
    let session =
        session.on("pressed", |cx, input: Input<TerminalInput>| happens(cx, Some(input.wheel)));
    session
}

/// How many events wheels had.
fn live(kernel: &Kernel, deeds: Vec<Deed>) -> usize {
    let world = Rc::new(RefCell::new(World {
        deeds: deeds.into(),
        sessions: Vec::new(),
        wheels: HashMap::new(),
        terminals: (0..TERMINALS).map(|_| Person::new(20, 5)).collect(),
        events: 0,
    }));
    for _ in 0..SESSIONS {
        let id = session(&world).spawn(kernel).unwrap();
        world.borrow_mut().sessions.push(id);
    }
    run(kernel);
    let world = Rc::into_inner(world).expect("a heap is left").into_inner();
    assert!(world.wheels.is_empty(), "a wheel is left");
    for (_, terminal) in &world.terminals {
        let modes = tcgetattr(terminal).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
    }
    world.events
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn wheels_are_made_passed_and_dropped_anywhere_and_nothing_is_left() {
    let events = Cell::new(0);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(50) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let kernel = common::kernel();
    runner
        .run(&prop::collection::vec(deed(), 1..150), |deeds| {
            let before = descriptors();
            events.set(events.get() + live(&kernel, deeds));
            prop_assert_eq!(descriptors(), before);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    // It is about wheels that something happens to.
    assert!(events.get() > 500, "{events:?}");
}
