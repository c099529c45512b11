//! What children print last, and what is typed last to them.

mod common;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use common::children::{Event, own, spawn, with_events};
use common::{Log, kernel, run};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use poe_filter::{Line, Stream};
use poe_wheel::{Conduit, Run, RunBuilder};

/// Waits until a child has ended; the kernel learns of it later.
fn until_ended(pid: u32) {
    let pid = Id::Pid(Pid::from_raw(pid.cast_signed()));
    waitid(pid, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
}

/// More records than are handled in many turns, all of them there when the child ends.
#[test]
fn all_of_it_comes_before_the_exit_however_many_records_it_is() {
    const RECORDS: usize = 150_000;
    for delay in [None, Some(Duration::ZERO)] {
        let kernel = kernel();
        let records = Rc::new(Cell::new(0));
        let r = records.clone();
        let child = Run::build("head").program_args(["-c", &RECORDS.to_string(), "/dev/zero"]);
        let child = child.stdout_filter(Line::literal("\0").unwrap()).conduit(Conduit::SocketPair);
        let child = with_events(child).stdout_event("out");
        let child = if let Some(delay) = delay { child.close_delay(delay) } else { child };
        spawn(&kernel, child, move |cx, event| match event {
            Event::Stdout(_) => {
                if r.get() == 0 {
                    until_ended(own(cx).pid().unwrap());
                }
                r.set(r.get() + 1);
            }
            Event::Exit(_) => assert_eq!(r.get(), RECORDS, "{delay:?}"),
            _ => {}
        });
        run(&kernel);
        assert_eq!(records.get(), RECORDS, "{delay:?}");
    }
}

/// A shell command on a terminal that is read by lines, and calls when it is there.
fn by_lines(command: &str) -> RunBuilder {
    let command = format!("stty sane -echo; echo ready; {command}");
    with_events(Run::build_shell(command)).conduit(Conduit::Pty).stdout_event("out")
}

#[test]
fn a_line_that_has_no_end_is_no_hindrance_to_the_end_of_a_terminals_input() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(
        &kernel,
        by_lines("cat; echo; echo end").stdin_filter(Stream::new()),
        move |cx, event| {
            if let Event::Stdout(record) = &event {
                l.push(&event);
                if record == "ready\r" {
                    own(cx).put("no newline");
                    own(cx).shutdown_stdin();
                }
            }
        },
    );
    run(&kernel);
    assert_eq!(log.take(), ["out ready\\r", "out no newline\\r", "out end\\r"]);
}

#[test]
fn a_terminal_that_is_full_is_told_the_end_when_there_is_room() {
    for lines in [100, 2_047, 2_048, 2_049, 6_000, 10_000] {
        let (kernel, log) = (kernel(), Log::default());
        let l = log.clone();
        spawn(&kernel, by_lines("sleep 0.1; wc -c"), move |cx, event| match &event {
            Event::Stdout(record) if record == "ready\r" => {
                for _ in 0..lines {
                    own(cx).put("x");
                }
                own(cx).shutdown_stdin();
            }
            Event::Start => {}
            event => l.push(event),
        });
        run(&kernel);
        let count = format!("out {}\\r", 2 * lines);
        let end = ["error read 0 STDOUT", "close", "exit exit status: 0"];
        assert_eq!(log.take(), [&[count.as_str()][..], &end[..]].concat());
    }
}
