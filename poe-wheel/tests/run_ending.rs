//! How children end, by themselves and by signals, and what they leave behind.

mod common;

use std::cell::Cell;
use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::children::{Event, own, record, spawn, with_events, with_outputs};
use common::{Log, kernel, run};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use poe_session::prelude::*;
use poe_wheel::{CodeIn, CodeIo, KillError, Run, RunBuilder, RunExit};

const A_WHILE: Duration = Duration::from_secs(15);
const SOON: Duration = Duration::from_millis(20);

fn pid_of(record: &[u8]) -> Pid {
    Pid::from_raw(std::str::from_utf8(record).unwrap().trim().parse().unwrap())
}

/// Whether a process, of anybody, is there and no zombie.
fn is_there(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

/// Waits for the end of what has let go of its files.
fn until_gone(pid: Pid) {
    let _watchdog = common::Watchdog::new();
    while is_there(pid) {
        std::thread::yield_now();
    }
}

/// Whether a child of this process has ended and been waited for.
fn is_reaped(pid: u32) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    waitid(Id::Pid(Pid::from_raw(pid.cast_signed())), flags).is_err()
}

// Conformance: WRN-07
#[test]
fn a_child_is_killed_by_its_pid() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let child =
        with_outputs(Run::build_shell("echo out init; read -r word; echo $$; read -r word"));
    spawn(&kernel, child, move |cx, event| {
        l.push(&event);
        match event {
            Event::Stdout(record) if record == "out init" => _ = own(cx).put("pid"),
            Event::Stdout(record) => {
                assert_eq!(pid_of(&record).as_raw().cast_unsigned(), own(cx).pid().unwrap());
                own(cx).kill("TERM").unwrap();
            }
            Event::Exit(exit) => {
                assert_eq!(exit.pid, own(cx).pid());
                assert_eq!(exit.status.and_then(|status| status.signal()), Some(15));
                assert_eq!(own(cx).status(), exit.status);
                assert!(!exit.success() && is_reaped(exit.pid.unwrap()));
                for signal in ["TERM", "0"] {
                    let error = own(cx).kill(signal).unwrap_err();
                    assert!(matches!(error, KillError::Ended), "{error}");
                }
            }
            _ => {}
        }
    });
    run(&kernel);
    let log = log.take();
    assert_eq!(log[1], "out out init");
    assert_eq!(log[log.len() - 2..], ["close", "exit signal: 15 (SIGTERM)"]);
}

#[test]
fn signals_have_names_and_numbers() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, with_events(Run::build("cat")), move |cx, event| {
        l.push(&event);
        let Event::Start = event else { return };
        for nonsense in ["NONSENSE", "SIG15", "-15", "999"] {
            let error = own(cx).kill(nonsense).unwrap_err();
            assert!(matches!(&error, KillError::NoSuchSignal(name) if name == nonsense), "{error}");
        }
        own(cx).kill("0").unwrap();
        own(cx).kill_group("0").unwrap();
        own(cx).kill("SIGURG").unwrap();
        own(cx).kill("15").unwrap();
    });
    run(&kernel);
    assert_eq!(log.take().last().unwrap(), "exit signal: 15 (SIGTERM)");
}

#[test]
fn a_child_that_does_not_obey_is_killed_after_a_while() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let child = with_events(Run::build_shell(
        "trap 'echo no' TERM; echo ready; while :; do sleep 0.01; done",
    ));
    spawn(&kernel, child.stdout_event("out"), move |cx, event| match &event {
        Event::Stdout(record) if record == "ready" => own(cx).terminate(10 * SOON).unwrap(),
        _ => l.push(&event),
    });
    run(&kernel);
    let log = log.take();
    assert!(log.iter().any(|line| line == "out no"), "{log:?}");
    assert!(log.iter().any(|line| line == "exit signal: 9 (SIGKILL)"), "{log:?}");
}

#[test]
fn a_child_that_obeys_is_not_waited_for() {
    let kernel = kernel();
    let begun = Instant::now();
    let child = with_events(Run::build_shell(
        "trap 'exit 4' TERM; echo ready; while :; do sleep 0.01; done",
    ));
    let log = Log::default();
    let l = log.clone();
    spawn(&kernel, child.stdout_event("out"), move |cx, event| {
        match event {
            // The second replaces the first.
            Event::Stdout(_) => {
                own(cx).terminate(A_WHILE).unwrap();
                own(cx).terminate(2 * A_WHILE).unwrap();
            }
            event => l.push(event),
        }
    });
    run(&kernel);
    assert_eq!(log.take().last().unwrap(), "exit exit status: 4");
    assert!(begun.elapsed() < A_WHILE, "the session waited for the time to be up");
}

/// What ignores `TERM`, and says so.
const DEAF: &str = "trap '' TERM; echo ready; while :; do sleep 0.01; done";

/// Its wheel is dropped at once.
fn terminated_and_dropped(child: RunBuilder, group: bool) -> Pid {
    let kernel = kernel();
    let pid = Rc::new(Cell::new(Pid::from_raw(0)));
    let p = pid.clone();
    spawn(&kernel, child.stdout_event("out"), move |cx, event| {
        let Event::Stdout(_) = event else { return };
        let run = cx.heap.take().unwrap();
        p.set(Pid::from_raw(run.pid().unwrap().cast_signed()));
        if group { run.terminate_group(SOON) } else { run.terminate(SOON) }.unwrap();
    });
    run(&kernel);
    pid.get()
}

#[test]
fn a_child_without_a_wheel_is_killed_when_its_time_is_up() {
    for group in [false, true] {
        let pid = terminated_and_dropped(Run::build_shell(DEAF), group);
        assert!(!is_there(pid) && is_reaped(pid.as_raw().cast_unsigned()));
    }
    let begun = Instant::now();
    terminated_and_dropped(Run::build_shell("echo ready; exec sleep 1000"), false);
    assert!(begun.elapsed() < A_WHILE);
}

#[test]
fn a_child_that_is_stopped_goes_on_to_end() {
    let kernel = kernel();
    let child = with_outputs(Run::build_shell("echo ready; read -r word; echo never"));
    let log = Log::default();
    let l = log.clone();
    spawn(&kernel, child, move |cx, event| match event {
        Event::Stdout(_) => {
            let pid = own(cx).pid().unwrap();
            own(cx).kill("STOP").unwrap();
            let pid = Id::Pid(Pid::from_raw(pid.cast_signed()));
            waitid(pid, WaitPidFlag::WSTOPPED).unwrap();
            assert!(own(cx).is_running());
            own(cx).terminate(A_WHILE).unwrap();
        }
        event => l.push(event),
    });
    run(&kernel);
    assert_eq!(log.take().last().unwrap(), "exit signal: 15 (SIGTERM)");
}

/// A shell, and what it has started, both of which ignore `TERM` if it is to be so.
fn family(trap: &str) -> String {
    format!("{trap}; (while :; do sleep 0.01; done) & echo $!; wait")
}

#[test]
fn a_group_ends_with_all_that_are_in_it() {
    for (trap, expected) in
        [(":", "exit signal: 15 (SIGTERM)"), ("trap '' TERM", "exit signal: 9 (SIGKILL)")]
    {
        let (kernel, log) = (kernel(), Log::default());
        let l = log.clone();
        let pid = Rc::new(Cell::new(Pid::from_raw(0)));
        let p = pid.clone();
        let child = with_events(Run::build_shell(family(trap))).stdout_event("out");
        spawn(&kernel, child, move |cx, event| match event {
            Event::Stdout(record) => {
                p.set(pid_of(&record));
                own(cx).terminate_group(5 * SOON).unwrap();
            }
            event => l.push(event),
        });
        run(&kernel);
        // Who of them ends first is nobody's to say.
        let mut log = log.take();
        log.sort_unstable();
        assert_eq!(log, ["close", "error read 0 STDOUT", expected, "start"]);
        until_gone(pid.get());
    }
}

#[test]
fn a_group_that_is_to_end_ends_at_once_with_a_wheel_that_kills() {
    let kernel = kernel();
    let pid = Rc::new(Cell::new(Pid::from_raw(0)));
    let p = pid.clone();
    let child = with_events(Run::build_shell(family("trap '' TERM"))).stdout_event("out");
    spawn(&kernel, child.kill_on_drop(true), move |cx, event| {
        if let Event::Stdout(record) = event {
            p.set(pid_of(&record));
            own(cx).terminate_group(Duration::from_secs(1000)).unwrap();
            *cx.heap = None;
        }
    });
    run(&kernel);
    until_gone(pid.get());
}

#[test]
fn what_is_left_of_a_group_is_killed_though_its_leader_has_ended() {
    // The leader obeys at once; the other one has the output open until it is killed.
    let all: &[_] = &["start", "exit signal: 15 (SIGTERM)", "error read 0 STDOUT", "close"];
    for (is_kept, expected) in [(true, all), (false, &all[..1])] {
        let (kernel, log) = (kernel(), Log::default());
        let l = log.clone();
        let script =
            "(trap '' TERM; echo $(sh -c 'echo $PPID'); while :; do sleep 0.01; done) & wait";
        let pid = Rc::new(Cell::new(Pid::from_raw(0)));
        let p = pid.clone();
        let child = with_events(Run::build_shell(script)).stdout_event("out");
        spawn(&kernel, child, move |cx, event| match event {
            Event::Stdout(record) => {
                p.set(pid_of(&record));
                own(cx).terminate_group(10 * SOON).unwrap();
                if !is_kept {
                    *cx.heap = None;
                }
            }
            event => l.push(event),
        });
        run(&kernel);
        assert_eq!(log.take(), expected);
        until_gone(pid.get());
    }
}

#[test]
fn a_group_is_not_waited_for_longer_than_there_are_any_left() {
    let kernel = kernel();
    let begun = Instant::now();
    // The leader obeys; the other one does when its input has ended, and goes to a group of its own as it does: who reaps it
    // may take long over it.
    let script = "exec 3<&0; (trap '' TERM; echo ready; read -r _ <&3; exec setsid true) & wait";
    let child = with_events(Run::build_shell(script)).stdout_event("out");
    let log = Log::default();
    let l = log.clone();
    spawn(&kernel, child, move |cx, event| match event {
        Event::Stdout(_) => own(cx).terminate_group(A_WHILE).unwrap(),
        event => {
            if let Event::Exit(_) = event {
                own(cx).shutdown_stdin();
            }
            l.push(event);
        }
    });
    run(&kernel);
    assert_eq!(log.take().first().unwrap(), "start");
    assert!(begun.elapsed() < A_WHILE, "the session waited for the time to be up");
}

#[test]
fn a_child_in_its_parents_group_cannot_have_that_killed() {
    let kernel = kernel();
    spawn(&kernel, with_events(Run::build("cat")).no_setpgrp(true), |cx, event| {
        let Event::Start = event else { return };
        let error = own(cx).kill_group("TERM").unwrap_err();
        assert!(matches!(error, KillError::NoGroup), "{error}");
        own(cx).shutdown_stdin();
    });
    run(&kernel);
}

#[test]
fn what_others_keep_open_holds_back_the_close_and_not_the_exit() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let pid = Cell::new(Pid::from_raw(0));
    let child = with_events(Run::build_shell("sleep 60 & echo $!; echo last")).stdout_event("out");
    spawn(&kernel, child, move |_, event| {
        match &event {
            Event::Stdout(record) if record != "last" => return pid.set(pid_of(record)),
            Event::Exit(_) => kill(pid.get(), Signal::SIGKILL).unwrap(),
            _ => {}
        }
        l.push(event);
    });
    run(&kernel);
    let end = ["exit exit status: 0", "error read 0 STDOUT", "close"];
    assert_eq!(log.take(), [&["start", "out last"][..], &end[..]].concat());
}

#[test]
fn others_may_keep_outputs_open_for_a_while_only_if_that_is_asked_for() {
    for (delay, end) in
        [(SOON, ["close", "exit exit status: 0"]), (20 * SOON, ["exit exit status: 0", "close"])]
    {
        let (kernel, log) = (kernel(), Log::default());
        let l = log.clone();
        let pid = Rc::new(Cell::new(Pid::from_raw(0)));
        let p = pid.clone();
        let child = with_outputs(Run::build_shell("sleep 60 & echo $!; echo last"));
        spawn(&kernel, child.close_delay(delay), move |_, event| {
            match &event {
                Event::Stdout(record) if record != "last" => return p.set(pid_of(record)),
                _ => {}
            }
            l.push(event);
        });
        run(&kernel);
        assert_eq!(log.take(), [&["start", "out last"][..], &end[..]].concat());
        assert!(is_there(pid.get()), "it was nobody's to kill");
        kill(pid.get(), Signal::SIGKILL).unwrap();
    }
}

#[test]
fn outputs_that_are_closed_on_others_have_given_what_the_child_wrote() {
    let kernel = kernel();
    let lines = Rc::new(Cell::new(0));
    let l = lines.clone();
    let pid = Rc::new(Cell::new(None));
    let p = pid.clone();
    let child =
        with_events(Run::build_shell("yes no & echo $!; sleep 0.05; seq 100000 100999; exit"));
    let child = child.stdout_event("out").close_delay(Duration::ZERO);
    spawn(&kernel, child, move |_, event| {
        if let Event::Stdout(record) = event {
            match &record[..] {
                b"no" => {}
                _ if p.get().is_none() => p.set(Some(pid_of(&record))),
                number if number.starts_with(b"100") => l.set(l.get() + 1),
                // Where two write at once, records are mixed.
                _ => {}
            }
        }
    });
    run(&kernel);
    // What others write afterwards is not read, and so they end.
    assert!(lines.get() > 900, "{} lines", lines.get());
    let _ = kill(pid.get().unwrap(), Signal::SIGKILL);
}

#[test]
fn others_that_go_on_printing_do_not_hold_back_the_exit() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let pid = Cell::new(Pid::from_raw(0));
    let child = with_events(Run::build_shell("yes & echo pid $!; exit 6")).stdout_event("out");
    spawn(&kernel, child, move |cx, event| match &event {
        Event::Stdout(record) => {
            if let Some(number) = record.strip_prefix(b"pid ") {
                pid.set(pid_of(number));
            }
        }
        Event::Exit(_) => {
            l.push(&event);
            kill(pid.get(), Signal::SIGKILL).unwrap();
            *cx.heap = None;
        }
        _ => {}
    });
    run(&kernel);
    assert_eq!(log.take(), ["exit exit status: 6"]);
}

#[test]
fn a_child_that_closes_its_input_makes_writing_fail() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let child =
        with_events(Run::build_shell("exec <&-; echo closed; sleep 60")).stdout_event("out");
    spawn(&kernel, child.stdin_event("stdin"), move |cx, event| {
        if !matches!(event, Event::Stdin) {
            l.push(&event);
        }
        match event {
            // A child of another thread that has not executed its program yet has the pipe open for a moment.
            Event::Stdout(_) | Event::Stdin => _ = own(cx).put("lost"),
            Event::Error(error) if error.operation == "write" => {
                assert!(!own(cx).put("dropped"));
                own(cx).kill_group("KILL").unwrap();
            }
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take()[..3], ["start", "out closed", "error write 32 STDIN"]);
}

#[test]
fn a_child_that_never_reads_fills_the_queue_and_the_marks_say_so() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    // It reads when it is told to by another way.
    let (gate, open) = std::io::pipe().unwrap();
    rustix::io::fcntl_setfd(&gate, rustix::io::FdFlags::empty()).unwrap();
    let script = format!("read -r go </dev/fd/{}; wc -c", std::os::fd::AsRawFd::as_raw_fd(&gate));
    let child = with_events(Run::build_shell(script)).stdout_event("out");
    let child = child.low_mark(1000).high_mark(100_000).low_event("low").high_event("high");
    let total = Rc::new(Cell::new(0));
    let t = total.clone();
    spawn(&kernel, child, move |cx, event| {
        match &event {
            Event::Start => {
                // More than a pipe holds: the rest waits here.
                loop {
                    t.set(t.get() + 1024);
                    if own(cx).put("x".repeat(1023)) {
                        break;
                    }
                }
                assert!(own(cx).get_driver_out_octets() >= 100_000);
            }
            Event::High => {
                use std::io::Write;
                (&open).write_all(b"go\n").unwrap();
            }
            Event::Low => own(cx).shutdown_stdin(),
            _ => {}
        }
        if !matches!(event, Event::Start) {
            l.push(event);
        }
    });
    run(&kernel);
    drop(gate);
    let count = format!("out {}", total.get());
    let end = ["error read 0 STDOUT", "close", "exit exit status: 0"];
    assert_eq!(log.take(), [&["high", "low", &count][..], &end[..]].concat());
}

#[test]
fn a_wheel_that_is_dropped_leaves_its_child_alone_and_the_kernel_waits_for_it() {
    let kernel = kernel();
    let pid = Rc::new(Cell::new(0));
    let p = pid.clone();
    spawn(&kernel, with_outputs(Run::build_shell("read -r word; exit 9")), move |cx, event| {
        match event {
            Event::Start => {
                p.set(own(cx).pid().unwrap());
                // It reads the end of its input, and nobody is told of its own.
                *cx.heap = None;
                cx.delay("do", SOON, "look");
            }
            Event::Do(_) if !is_reaped(p.get()) => _ = cx.delay("do", SOON, "look"),
            Event::Do(_) => {}
            event => panic!("{event}"),
        }
    });
    run(&kernel);
    assert!(is_reaped(pid.get()));
}

#[test]
fn a_wheel_may_be_dropped_by_any_of_its_events() {
    for last in ["start", "stdin", "out a", "err b", "error read 0", "close", "exit exit status: 0"]
    {
        let (kernel, log) = (kernel(), Log::default());
        let l = log.clone();
        let child = with_outputs(Run::build_shell("read -r word; echo a; echo a; echo b >&2"));
        spawn(&kernel, child.stdin_event("stdin"), move |cx, event| {
            if let Event::Start = event {
                own(cx).put("go on");
            }
            let line = event.to_string();
            l.push(&line);
            if line.starts_with(last) {
                *cx.heap = None;
            }
        });
        run(&kernel);
        let log = log.take();
        assert!(log.last().unwrap().starts_with(last), "{log:?}");
    }
}

#[test]
fn a_child_ends_with_its_wheel_if_that_is_asked_for() {
    let kernel = kernel();
    let pid = Rc::new(Cell::new(0));
    let p = pid.clone();
    spawn(
        &kernel,
        with_events(Run::build("sleep").program_args(["60"])).kill_on_drop(true),
        move |cx, event| {
            assert!(matches!(event, Event::Start), "{event}");
            p.set(own(cx).pid().unwrap());
            *cx.heap = None;
        },
    );
    run(&kernel);
    // The session was alive until then.
    assert!(is_reaped(pid.get()));
}

#[test]
fn a_child_that_others_waited_for_has_no_status() {
    let kernel = kernel();
    let log = Log::default();
    let l = log.clone();
    spawn(&kernel, with_events(Run::build_shell("exit 3")), move |cx, event| {
        if let Event::Start = event {
            let pid = Pid::from_raw(own(cx).pid().unwrap().cast_signed());
            nix::sys::wait::waitpid(pid, None).unwrap();
            let error = own(cx).kill("TERM").unwrap_err();
            assert!(matches!(error, KillError::Ended), "its pid may be another's: {error}");
        }
        l.push(event);
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "close", "exit ?"]);
}

#[test]
fn sessions_may_ask_for_the_child_as_well() {
    let kernel = kernel();
    let told = Rc::new(Cell::new(0));
    let t = told.clone();
    let u = told.clone();
    Session::build(None::<Run>)
        .on_start(|cx| -> HandlerResult {
            let run = Run::build_shell("exit 3").exit_event("exit").spawn(cx.kernel)?;
            cx.sig_child(run.pid().ok_or("no pid")?, "child", ())?;
            *cx.heap = Some(run);
            Ok(())
        })
        .on("exit", move |_, exit: RunExit| {
            assert_eq!(exit.status.and_then(|status| status.code()), Some(3));
            t.set(t.get() + 1);
        })
        .on("child", move |_, exit: ChildExit| {
            assert_eq!(exit.status.and_then(|status| status.code()), Some(3));
            u.set(u.get() + 10);
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(told.get(), 11);
}

#[test]
fn children_are_told_of_by_the_signal_where_there_are_no_descriptors_of_processes() {
    let kernel = common::builder().use_sigchld(true).build().unwrap();
    let log = record(&kernel, with_outputs(Run::build_shell("echo one; exit 2")));
    run(&kernel);
    assert_eq!(log.take().last().unwrap(), "exit exit status: 2");
}

#[test]
fn code_in_a_thread_ends_with_a_status_and_takes_no_signals() {
    type Code = fn(CodeIo) -> Result<u8, String>;
    let cases: [(Code, &str, i32); 4] = [
        (|_| Ok(0), "", 0),
        (|_| Ok(7), "", 7),
        (|_| Err("what went wrong".to_owned()), "err what went wrong", 255),
        (|_| std::panic::resume_unwind(Box::new("on purpose")), "err panicked: on purpose", 255),
    ];
    for (code, complaint, status) in cases {
        let (kernel, log) = (kernel(), Log::default());
        let l = log.clone();
        let child = with_outputs(Run::build_code(code).code_in(CodeIn::Thread));
        spawn(&kernel, child, move |cx, event| match event {
            Event::Start => {
                assert_eq!(own(cx).pid(), None);
                let error = own(cx).kill("TERM").unwrap_err();
                assert!(matches!(error, KillError::Thread | KillError::Ended), "{error}");
            }
            Event::Stderr(_) => l.push(event),
            Event::Exit(exit) => l.push(exit.status.unwrap().code().unwrap()),
            _ => {}
        });
        run(&kernel);
        let expected: Vec<String> = [complaint.to_owned(), status.to_string()]
            .into_iter()
            .filter(|line| !line.is_empty())
            .collect();
        assert_eq!(log.take(), expected);
    }
}

#[test]
fn code_in_a_thread_whose_wheel_is_dropped_learns_it_from_its_streams() {
    let (tell, told) = std::sync::mpsc::channel();
    let code = move |io: CodeIo| {
        use std::io::{Read, Write};
        let (mut stdin, mut stdout) = (io.stdin, io.stdout);
        let mut text = String::new();
        let read = stdin.read_to_string(&mut text).map(|_| text);
        let written = stdout.write_all(b"x").map_err(|error| error.kind());
        tell.send((read.unwrap(), written.unwrap_err())).unwrap();
    };
    let kernel = kernel();
    spawn(&kernel, with_outputs(Run::build_code(code).code_in(CodeIn::Thread)), |cx, _| {
        *cx.heap = None
    });
    run(&kernel);
    let seen = told.recv_timeout(A_WHILE).unwrap();
    assert_eq!(seen, (String::new(), std::io::ErrorKind::BrokenPipe));
}

#[test]
fn a_wheel_serves_the_session_it_began_in_wherever_it_is_kept() {
    let (kernel, log) = (kernel(), Log::default());
    let kept = Rc::new(std::cell::RefCell::new(None));
    let k = kept.clone();
    let l = log.clone();
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            let run = Run::build_shell("echo one")
                .stdout_event("out")
                .exit_event("exit")
                .spawn(cx.kernel)?;
            assert_eq!(run.session(), cx.session());
            *k.borrow_mut() = Some(run);
            Ok(())
        })
        .on("out", move |_, input: poe_wheel::Input| l.push(input.record.escape_ascii()))
        .on("exit", |_, _: RunExit| {})
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.take(), ["one"]);
    // Dropped when its session is long gone, and the kernel has nothing to do with it.
    drop(kept.take());
}

#[test]
fn a_session_that_stops_hears_no_more_of_its_child() {
    let kernel = common::builder().diagnostics(|_| {}).build().unwrap();
    let kept = Rc::new(std::cell::RefCell::new(None));
    let k = kept.clone();
    let session = Session::build(())
        .on_start(move |cx| -> HandlerResult {
            let run =
                Run::build_shell("read -r word; echo one").stdout_event("out").exit_event("exit");
            *k.borrow_mut() = Some(run.spawn(cx.kernel)?);
            Ok(())
        })
        .on_default(common::refuse)
        .spawn(&kernel)
        .unwrap();
    let pid = kept.borrow().as_ref().unwrap().pid().unwrap();
    // Another session keeps the kernel going until the child is waited for.
    Session::build(())
        .on_start(|cx| cx.yield_event("look", ()))
        .on("look", move |cx, ()| {
            if !is_reaped(pid) {
                cx.delay("look", SOON, ());
            }
        })
        .spawn(&kernel)
        .unwrap();
    kernel.session_stop(session).unwrap();
    let wheel = kept.take().unwrap();
    wheel.put("nobody listens");
    wheel.kill("KILL").unwrap();
    run(&kernel);
    assert!(matches!(wheel.kill("KILL").unwrap_err(), KillError::Ended));
    drop(wheel);
}
