//! Children whose wheels are dropped, replaced, passed on and asked for anything by any of their events, at random: nothing is
//! left of them, and nothing comes of a wheel that is gone.

#![cfg(target_os = "linux")]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use common::{kernel, run};
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use poe_filter::Stream;
use poe_session::prelude::*;
use poe_wheel::{CodeIn, Conduit, Input, IoError, Run, RunEvent, RunExit, WheelId};

const CHILDREN: u32 = 250;

/// What both sessions share.
struct World {
    random: Cell<u64>,
    left: Cell<u32>,
    /// What each wheel has told, which is there until it is dropped.
    told: RefCell<HashMap<WheelId, Told>>,
}

#[derive(Default)]
struct Told {
    closed: bool,
    exited: bool,
}

impl World {
    /// One of so many.
    fn one_of(&self, count: u64) -> u64 {
        let next = self.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.random.set(next);
        (next >> 33) % count
    }
}

struct Heap {
    world: Rc<World>,
    wheels: Vec<Run>,
    other: &'static str,
}

impl Heap {
    fn drop_one(&mut self, index: usize) {
        let run = self.wheels.swap_remove(index);
        self.world.told.borrow_mut().remove(&run.id());
        drop(run);
    }
}

/// A child that may end at once, talk, wait for the end of its input, or have others that outlive it.
fn begin(cx: &mut Cx<'_, Heap>) -> HandlerResult {
    let world = Rc::clone(&cx.heap.world);
    if world.left.get() == 0 {
        return Ok(());
    }
    world.left.set(world.left.get() - 1);
    let child = match world.one_of(7) {
        0 => Run::build("true"),
        1 => Run::build("cat"),
        2 => Run::build_shell("echo out; echo err >&2; read -r line; echo \"$line\""),
        3 => Run::build_shell("seq 3000; exit 3"),
        4 => Run::build_shell("(sleep 0.2; echo late) & echo soon"),
        5 => Run::build_shell("exec <&- >&- 2>&-; sleep 0.05"),
        _ => Run::build_code(|mut io| _ = std::io::copy(&mut io.stdin, &mut io.stdout))
            .code_in(CodeIn::Thread),
    };
    let conduit = match world.one_of(5) {
        0 => Conduit::SocketPair,
        1 => Conduit::Inet,
        2 => Conduit::PtyPipe,
        _ => Conduit::Pipe,
    };
    let child = child.conduit(conduit).stdin_event("stdin").error_event("error");
    let child = child.stdout_event("out").stderr_event("out").stdout_partial_event("out");
    let child = child.close_event("close").exit_event("exit").kill_on_drop(world.one_of(2) == 0);
    let run = child.close_delay(Duration::from_millis(world.one_of(300))).spawn(cx.kernel)?;
    world.told.borrow_mut().insert(run.id(), Told::default());
    cx.heap.wheels.push(run);
    Ok(())
}

/// Does something with some wheel.
fn act(cx: &mut Cx<'_, Heap>) -> HandlerResult {
    let world = Rc::clone(&cx.heap.world);
    let count = cx.heap.wheels.len();
    if count == 0 {
        return begin(cx);
    }
    let index = world.one_of(count as u64) as usize;
    let run = &cx.heap.wheels[index];
    match world.one_of(16) {
        0 => cx.heap.drop_one(index),
        1 => {
            // Replaced.
            begin(cx)?;
            if cx.heap.wheels.len() > count {
                cx.heap.drop_one(index);
            }
        }
        2 => {
            let run = cx.heap.wheels.swap_remove(index);
            let other = cx.heap.other;
            cx.post(other, "take", run)?;
        }
        3 => begin(cx)?,
        4 => _ = run.put("some words"),
        5 => run.shutdown_stdin(),
        6 => run.pause_stdout(),
        7 | 8 => run.resume_stdout(),
        9 => _ = run.kill("TERM"),
        10 => _ = run.terminate(Duration::from_millis(5)),
        11 => _ = run.terminate_group(Duration::from_millis(5)),
        12 => run.set_stdout_filter(Stream::new()),
        13 => run.event_end(RunEvent::Stdout),
        14 => _ = run.event(RunEvent::Stdout, "out"),
        _ => {}
    }
    Ok(())
}

/// An event of a wheel, of which nothing may come any more if it is gone.
fn tell(cx: &mut Cx<'_, Heap>, wheel: WheelId, told: impl FnOnce(&mut Told)) -> HandlerResult {
    let world = Rc::clone(&cx.heap.world);
    told(world.told.borrow_mut().get_mut(&wheel).ok_or("a wheel that is gone")?);
    act(cx)
}

fn member(kernel: &Kernel, world: &Rc<World>, own: &'static str, other: &'static str) {
    Session::build(Heap { world: Rc::clone(world), wheels: Vec::new(), other })
        .on_start(move |cx| -> HandlerResult {
            cx.alias_set(own)?;
            cx.delay("tick", Duration::from_millis(1), ());
            Ok(())
        })
        .on("tick", move |cx, ()| -> HandlerResult {
            act(cx)?;
            let world = Rc::clone(&cx.heap.world);
            // In the end, each is let go of.
            if world.left.get() == 0 && !cx.heap.wheels.is_empty() {
                cx.heap.drop_one(0);
            }
            if world.left.get() > 0 || !world.told.borrow().is_empty() {
                cx.delay("tick", Duration::from_millis(1), ());
            } else {
                cx.alias_remove(own)?;
            }
            Ok(())
        })
        .on("take", |cx, run: Run| cx.heap.wheels.push(run))
        .on("stdin", |cx, wheel: WheelId| {
            tell(cx, wheel, |told| assert!(!told.exited || !told.closed))
        })
        .on("out", |cx, input: Input| tell(cx, input.wheel, |told| assert!(!told.closed)))
        .on("error", |cx, error: IoError| {
            let is_of_outputs = error.operation == "read";
            tell(cx, error.wheel, |told| assert!(!is_of_outputs || !told.closed))
        })
        .on("close", |cx, wheel: WheelId| {
            tell(cx, wheel, |told| assert!(!std::mem::replace(&mut told.closed, true)))
        })
        .on("exit", |cx, exit: RunExit| {
            tell(cx, exit.wheel, |told| assert!(!std::mem::replace(&mut told.exited, true)))
        })
        .spawn(kernel)
        .unwrap();
}

#[test]
fn whatever_is_done_with_wheels_in_their_own_handlers() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    for seed in 0..4 {
        let before = descriptors();
        let kernel = kernel();
        let world = Rc::new(World {
            random: Cell::new(seed),
            left: Cell::new(CHILDREN / 4),
            told: RefCell::default(),
        });
        member(&kernel, &world, "one", "two");
        member(&kernel, &world, "two", "one");
        // Until all of them have been waited for.
        let w = world.clone();
        Session::build(())
            .on_start(|cx| cx.yield_event("look", ()))
            .on("look", move |cx, ()| {
                let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
                if w.left.get() > 0 || waitid(Id::All, flags) != Err(Errno::ECHILD) {
                    cx.delay("look", Duration::from_millis(5), ());
                }
            })
            .spawn(&kernel)
            .unwrap();
        run(&kernel);
        drop(kernel);
        // Threads close theirs when they find that nobody is there.
        let _watchdog = common::Watchdog::new();
        while descriptors() > before {
            std::thread::yield_now();
        }
    }
}
