//! Ten thousand children: no zombie, and no descriptor, is left.

#![cfg(target_os = "linux")]

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::kernel;
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use poe_session::prelude::*;
use poe_wheel::{Run, RunExit};

const CHILDREN: u32 = 10_000;
const AT_ONCE: usize = 8;

#[derive(Default)]
struct Heap {
    left: u32,
    running: std::collections::HashMap<poe_wheel::WheelId, Run>,
}

/// Keeps some children running, with all three streams; every third is dropped before its end.
fn start_more(cx: &mut Cx<'_, Heap>) -> HandlerResult {
    while cx.heap.left > 0 && cx.heap.running.len() < AT_ONCE {
        cx.heap.left -= 1;
        let run = Run::build("/bin/true")
            .stdout_event("out")
            .stderr_event("err")
            .exit_event("exit")
            .spawn(cx.kernel)?;
        if cx.heap.left.is_multiple_of(3) {
            drop(run);
        } else {
            cx.heap.running.insert(run.id(), run);
        }
    }
    Ok(())
}

#[test]
fn nothing_is_left_of_ten_thousand_children() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let kernel = kernel();
    let before = descriptors();
    let exits = Rc::new(Cell::new(0));
    let e = exits.clone();
    // In a session each, so that the others' ends are waited for as well.
    Session::build(Heap { left: CHILDREN, ..Heap::default() })
        .on_start(start_more)
        .on_default(common::refuse)
        .on("exit", move |cx, exit: RunExit| {
            assert!(exit.success());
            e.set(e.get() + 1);
            cx.heap.running.remove(&exit.wheel);
            start_more(cx)
        })
        .spawn(&kernel)
        .unwrap();
    // Those that were dropped last are waited for by the kernel.
    Session::build(())
        .on_start(|cx| cx.yield_event("look", ()))
        .on("look", |cx, ()| {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
            if waitid(Id::All, flags) != Err(Errno::ECHILD) {
                cx.delay("look", std::time::Duration::from_millis(20), ());
            }
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(exits.get(), CHILDREN - CHILDREN.div_ceil(3));
    drop(kernel);
    // The kernel's own have gone, too.
    assert!(descriptors() < before, "{} of {before}", descriptors());
}
