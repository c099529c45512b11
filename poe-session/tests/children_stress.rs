//! Many children that end at any moment while events flow. Alone in its process: it counts descriptors and children.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdin, Command, Stdio};
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::signal::{Signal as Os, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use poe_kernel::{KernelBuilder, LoopKind};
use poe_session::prelude::*;

const CHILDREN: u32 = 500;
const AT_ONCE: usize = 100;

/// Numbers without a pattern, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// How a child is to end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Exit(i32),
    Kill(Os),
}

struct Parent {
    random: Random,
    started: u32,
    running: Vec<(u32, ChildStdin, End)>,
    ends: HashMap<u32, End>,
    told: u32,
    events: u64,
}

impl Parent {
    fn start(cx: &mut Cx<'_, Self>) -> HandlerResult {
        let mut child = Command::new("sh")
            .args(["-c", "read code && exit $code"])
            .stdin(Stdio::piped())
            .spawn()?;
        let (pid, stdin) = (child.id(), child.stdin.take().ok_or("no pipe")?);
        let end = match cx.heap.random.below(3) {
            0 => End::Kill(Os::SIGKILL),
            1 => End::Kill(Os::SIGTERM),
            _ => End::Exit(cx.heap.random.below(256) as i32),
        };
        cx.heap.started += 1;
        cx.heap.ends.insert(pid, end);
        cx.heap.running.push((pid, stdin, end));
        if cx.heap.random.below(4) == 0 {
            // It may have ended before it is asked for.
            Self::end_some(cx)?;
        }
        cx.sig_child(pid, "ended", end)?;
        Ok(())
    }

    fn end_some(cx: &mut Cx<'_, Self>) -> HandlerResult {
        let running = cx.heap.running.len();
        let which = cx.heap.random.below(running);
        let (pid, mut stdin, end) = cx.heap.running.swap_remove(which);
        match end {
            End::Exit(code) => writeln!(stdin, "{code}")?,
            End::Kill(signal) => kill(Pid::from_raw(pid.cast_signed()), signal)?,
        }
        Ok(())
    }

    fn step(cx: &mut Cx<'_, Self>, (): ()) -> HandlerResult {
        cx.heap.events += 1;
        if cx.heap.started < CHILDREN && cx.heap.running.len() < AT_ONCE {
            Self::start(cx)?;
        }
        let may_end = cx.heap.started == CHILDREN || cx.heap.random.below(2) == 0;
        if may_end && !cx.heap.running.is_empty() {
            Self::end_some(cx)?;
        }
        if cx.heap.told < CHILDREN {
            cx.yield_event("step", ());
        }
        Ok(())
    }

    fn ended(cx: &mut Cx<'_, Self>, exit: ChildExit<End>) {
        let status = exit.status.unwrap();
        let end = match status.code() {
            Some(code) => End::Exit(code),
            None => End::Kill(status.signal().and_then(|signal| signal.try_into().ok()).unwrap()),
        };
        assert_eq!(end, exit.args);
        let expected = cx.heap.ends.remove(&exit.pid);
        assert_eq!(expected, Some(end), "told of twice, or never asked for");
        cx.heap.told += 1;
    }
}

fn descriptors() -> Option<usize> {
    fs::read_dir("/proc/self/fd").ok().map(Iterator::count)
}

fn run(builder: KernelBuilder) {
    let kernel = builder.build().unwrap();
    let chld = Rc::new(RefCell::new(0));
    let c = chld.clone();
    let parent = Parent {
        random: Random(u64::from(std::process::id())),
        started: 0,
        running: Vec::new(),
        ends: HashMap::new(),
        told: 0,
        events: 0,
    };
    Session::build(parent)
        .on_start(|cx| cx.yield_event("step", ()))
        .on("step", Parent::step)
        .on("ended", Parent::ended)
        .on_stop(|cx| {
            assert_eq!((cx.heap.started, cx.heap.told), (CHILDREN, CHILDREN));
            assert!(cx.heap.ends.is_empty() && cx.heap.events >= u64::from(CHILDREN));
        })
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.sig("CHLD", "chld")?;
            cx.alias_set("watcher of all")?;
            Ok(())
        })
        .on("chld", move |_, signal: Signal| {
            *c.borrow_mut() += u32::from(signal.child().is_some());
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(*chld.borrow(), CHILDREN);
}

#[test]
fn each_of_many_ends_is_told_once_and_nothing_is_left() {
    for kind in [LoopKind::Polling, LoopKind::Poll, LoopKind::Select] {
        for by_signal in [false, true] {
            // What is opened once for the whole process is opened by a first kernel.
            drop(Kernel::builder().loop_kind(kind).build().unwrap());
            let before = descriptors();
            run(Kernel::builder().loop_kind(kind).use_sigchld(by_signal));
            assert_eq!(descriptors(), before, "{kind:?}, by signal: {by_signal}");
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            assert_eq!(
                waitid(Id::All, flags),
                Err(Errno::ECHILD),
                "no child is left, dead or alive"
            );
        }
    }
}
