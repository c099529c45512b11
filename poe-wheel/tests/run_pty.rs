//! Children on pseudo-terminals.

mod common;

use std::cell::Cell;

use common::children::{Event, own, record, spawn, with_events};
use common::{Log, kernel, run};
use poe_wheel::{CodeIn, CodeIo, Conduit, Run, RunBuilder, WheelError, Winsize};

/// A shell command on a terminal.
fn on_a_terminal(command: &str) -> RunBuilder {
    with_events(Run::build_shell(command)).conduit(Conduit::Pty).stdout_event("out")
}

/// What a child on a terminal prints.
fn printed(child: RunBuilder) -> Vec<String> {
    let kernel = kernel();
    let log = record(&kernel, child);
    run(&kernel);
    let lines = log.take();
    lines.iter().filter_map(|line| line.strip_prefix("out ")).map(str::to_owned).collect()
}

// Conformance: WRN-03, WRN-13
#[test]
fn all_that_a_child_prints_comes_as_output() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let script = "while read -r word; do case $word in
        out) echo out;; err) echo err >&2;; bye) echo bye; exit;; esac; done";
    spawn(&kernel, on_a_terminal(script).stdin_event("stdin"), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => _ = own(cx).put("out"),
            Event::Stdout(record) if record == "out" => _ = own(cx).put("err"),
            Event::Stdout(record) if record == "err" => _ = own(cx).put("bye"),
            Event::Close => assert_eq!(own(cx).get_driver_out_octets(), 0),
            _ => {}
        }
    });
    run(&kernel);
    // The end of a terminal is one, and no input/output error.
    let end = ["error read 0 STDOUT", "close", "exit exit status: 0"];
    let talk = ["start", "stdin", "out out", "stdin", "out err", "stdin", "out bye"];
    assert_eq!(log.take(), [&talk[..], &end[..]].concat());
}

#[test]
fn the_terminal_controls_a_session_of_the_childs_own() {
    let script = "tty -s && echo terminal; echo there > /dev/tty; \
                  ps -o pid=,sid=,pgid=,tpgid= -p $$ | xargs echo";
    let lines = printed(on_a_terminal(script));
    assert_eq!(lines[..2], ["terminal", "there"]);
    let ids: Vec<&str> = lines[2].split(' ').collect();
    assert!(ids.len() == 4 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

// Conformance: WRN-11
#[test]
fn a_terminal_has_the_size_it_is_given() {
    let lines = printed(on_a_terminal("stty size").winsize(Winsize::new(85, 29)));
    assert_eq!(lines, ["85 29"]);
    // Pixels, too: rows, columns, width, height.
    let size = Winsize::new(85, 29).pixels(100, 200);
    let kernel = kernel();
    let seen = std::rc::Rc::new(Cell::new(None));
    let s = seen.clone();
    spawn(&kernel, on_a_terminal("read -r word").winsize(size), move |cx, event| {
        if let Event::Start = event {
            let terminal = own(cx).get_stdout_handle().unwrap();
            let size = rustix::termios::tcgetwinsize(&terminal).unwrap();
            s.set(Some((size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel)));
            own(cx).put("go on");
        }
    });
    run(&kernel);
    assert_eq!(seen.get(), Some((85, 29, 100, 200)));
}

#[test]
fn a_terminal_is_resized_and_the_child_told() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let script = "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.01; done";
    spawn(&kernel, on_a_terminal(script).winsize(Winsize::new(10, 20)), move |cx, event| {
        if let Event::Stdout(record) = &event {
            l.push(&event);
            if record == "10 20" {
                own(cx).set_winsize(Winsize::new(30, 40)).unwrap();
            }
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["out 10 20", "out 30 40"]);
}

#[test]
fn what_is_no_terminal_has_no_size() {
    let kernel = kernel();
    spawn(&kernel, Run::build("true"), |cx, _| {
        let error = own(cx).set_winsize(Winsize::new(1, 1)).unwrap_err();
        assert!(matches!(error, WheelError::NoStream { .. }), "{error}");
    });
    run(&kernel);
}

#[test]
fn a_terminal_passes_octets_on_as_they_are_until_the_child_changes_that() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    // By lines it knows an end of input, which is typed.
    let child = on_a_terminal("echo raw; stty sane -echo; cat; echo end");
    spawn(&kernel, child, move |cx, event| {
        if let Event::Stdout(record) = &event {
            l.push(&event);
            if record == "raw" {
                cx.delay("do", std::time::Duration::from_millis(1), "look");
            }
        }
        if let Event::Do(_) = event {
            use rustix::termios::{LocalModes, tcgetattr};
            let modes = tcgetattr(own(cx).get_stdout_handle().unwrap()).unwrap();
            if modes.local_modes.contains(LocalModes::ICANON) {
                own(cx).put("hello");
                own(cx).shutdown_stdin();
            } else {
                cx.delay("do", std::time::Duration::from_millis(1), "look");
            }
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["out raw", "out hello\\r", "out end\\r"]);
}

#[test]
fn all_that_is_printed_last_comes_before_the_exit() {
    let kernel = kernel();
    let lines = std::rc::Rc::new(Cell::new(0));
    let l = lines.clone();
    spawn(&kernel, on_a_terminal("seq 20000"), move |_, event| match event {
        Event::Stdout(_) => l.set(l.get() + 1),
        Event::Close | Event::Exit(_) => assert_eq!(l.get(), 20_000),
        _ => {}
    });
    run(&kernel);
    assert_eq!(lines.get(), 20_000);
}

#[test]
fn a_terminal_that_others_have_open_is_not_waited_for_long() {
    let kernel = kernel();
    let child = on_a_terminal("trap '' HUP; sleep 60 & echo $!");
    let (pid, log) = (Cell::new(0), Log::default());
    let l = log.clone();
    spawn(&kernel, child, move |_, event| match &event {
        Event::Stdout(record) => pid.set(std::str::from_utf8(record).unwrap().parse().unwrap()),
        event => {
            l.push(event);
            if let Event::Exit(_) = event {
                let left = nix::unistd::Pid::from_raw(pid.get());
                nix::sys::signal::kill(left, nix::sys::signal::Signal::SIGKILL).unwrap();
            }
        }
    });
    run(&kernel);
    // The end of a terminal is one, and no input/output error.
    assert_eq!(log.take(), ["start", "exit exit status: 0", "error read 0 STDOUT", "close"]);
}

#[test]
fn complaints_have_a_pipe_of_their_own_beside_a_terminal() {
    let kernel = kernel();
    let script = "tty -s && [ ! -t 2 ] && echo out; echo err >&2";
    let child = with_events(Run::build_shell(script)).conduit(Conduit::PtyPipe);
    let log = record(&kernel, child.stdout_event("out").stderr_event("err"));
    run(&kernel);
    let log = log.take();
    assert!(["out out", "err err"].iter().all(|line| log.iter().any(|l| l == line)), "{log:?}");
}

#[test]
fn code_in_a_thread_has_the_terminal_for_its_streams() {
    use std::io::{BufRead, BufReader, Write};
    let code = |mut io: CodeIo| -> std::io::Result<()> {
        let mut line = String::new();
        BufReader::new(io.stdin).read_line(&mut line)?;
        write!(io.stdout, "{} {line}", rustix::termios::isatty(&io.stderr))?;
        writeln!(io.stderr, "complaint")
    };
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let child = Run::build_code(code).code_in(CodeIn::Thread).conduit(Conduit::Pty);
    spawn(&kernel, with_events(child).stdout_event("out"), move |cx, event| {
        l.push(&event);
        if let Event::Start = event {
            own(cx).put("hello");
        }
    });
    run(&kernel);
    let end = ["error read 0 STDOUT", "close", "exit exit status: 0"];
    let talk = ["start", "out true hello", "out complaint"];
    assert_eq!(log.take(), [&talk[..], &end[..]].concat());
}
