//! Programs as children: what goes to them, what comes of them, and in which order.

mod common;

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::rc::Rc;

use bytes::Bytes;
use common::children::{Event, Heap, own, record, session, spawn, with_events, with_outputs};
use common::{Log, kernel, run, run_while};
use poe_filter::{Block, Line, Map, Stackable, Stream};
use poe_session::prelude::*;
use poe_wheel::{
    CodeIn, CodeIo, Conduit, Input, Redirect, Run, RunBuilder, RunEvent, WheelError, WheelId,
};

/// A child that does as it is told, line by line.
const OBEDIENT: &str = r#"
    flag=0
    echo "out init"
    while read -r order text; do
        case "$order" in
            out) echo "out$PPID: $text" ;;
            err) echo "err$PPID: $text" >&2 ;;
            pid) echo "pid $$" ;;
            args) echo "args $*" ;;
            flag) flag=$text ;;
            bye) echo bye; exit 0 ;;
        esac
    done
    echo "got eof $flag"
"#;

fn obedient() -> RunBuilder {
    Run::build_shell(OBEDIENT)
}

/// The same in Rust.
fn obedient_code(io: CodeIo) -> std::io::Result<()> {
    use std::io::{BufRead, BufReader};
    let CodeIo { stdin, mut stdout, mut stderr, args, .. } = io;
    let parent = std::process::id();
    writeln!(stdout, "out init")?;
    for line in BufReader::new(stdin).lines() {
        let line = line?;
        let (order, text) = line.split_once(' ').unwrap_or((&line, ""));
        match order {
            "out" => writeln!(stdout, "out{parent}: {text}")?,
            "err" => writeln!(stderr, "err{parent}: {text}")?,
            "args" => {
                let args: Vec<_> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
                writeln!(stdout, "args {}", args.join(" "))?;
            }
            "bye" => return writeln!(stdout, "bye"),
            _ => {}
        }
    }
    Ok(())
}

/// Both kinds of children.
fn children() -> Vec<(&'static str, RunBuilder)> {
    let code = Run::build_code(obedient_code).code_in(CodeIn::Thread);
    vec![("program", obedient()), ("code", code)]
}

// Conformance: WRN-02, WRN-05
#[test]
fn a_child_reads_and_prints_over_each_conduit() {
    let conduits = [Conduit::Pipe, Conduit::SocketPair, Conduit::Inet, Conduit::PtyPipe];
    for conduit in conduits {
        for (kind, child) in children() {
            let (kernel, log) = (kernel(), Log::default());
            let l = log.clone();
            let child = with_outputs(child).stdin_event("stdin").conduit(conduit);
            spawn(&kernel, child, move |cx, event| {
                l.push(&event);
                match event {
                    Event::Stdout(record) if record == "out init" => {
                        _ = own(cx).put("out test-out!")
                    }
                    Event::Stdout(record) if record.starts_with(b"out") => {
                        own(cx).put("err test-err!");
                    }
                    Event::Stderr(_) => _ = own(cx).put("bye!\nbye"),
                    Event::Close => {
                        assert_eq!(own(cx).get_driver_out_octets(), 0);
                        assert_eq!(own(cx).get_driver_out_messages(), 0);
                    }
                    _ => {}
                }
            });
            run(&kernel);
            let pid = std::process::id();
            let log = log.take();
            let count = |line: &str| log.iter().filter(|logged| *logged == line).count();
            assert_eq!(count("stdin"), 3, "{conduit:?} {kind}: {log:?}");
            let told: Vec<&String> = log.iter().filter(|line| *line != "stdin").collect();
            let (out, err) =
                (format!("out out{pid}: test-out!"), format!("err err{pid}: test-err!"));
            assert_eq!(told[..4], ["start", "out out init", &out, &err], "{conduit:?} {kind}");
            // The outputs end in any order; what is told of that comes before all else.
            let mut rest: Vec<_> = told[4..7].iter().map(|line| line.as_str()).collect();
            assert!(
                rest.iter().position(|line| *line == "out bye")
                    < rest.iter().position(|line| *line == "error read 0 STDOUT")
            );
            rest.sort_unstable();
            assert_eq!(
                rest,
                ["error read 0 STDERR", "error read 0 STDOUT", "out bye"],
                "{conduit:?} {kind}"
            );
            assert_eq!(told[7..], ["close", "exit exit status: 0"], "{conduit:?} {kind}");
        }
    }
}

// Conformance: WRN-16
#[test]
fn records_then_the_ends_of_the_streams_then_close_then_exit() {
    for _ in 0..20 {
        let kernel = kernel();
        let log = record(&kernel, with_outputs(Run::build_shell("echo one; echo two >&2; exit 3")));
        run(&kernel);
        let log = log.take();
        let place = |line: &str| log.iter().position(|logged| logged == line).unwrap();
        assert_eq!(log.len(), 7, "{log:?}");
        assert!(place("out one") < place("error read 0 STDOUT"), "{log:?}");
        assert!(place("err two") < place("error read 0 STDERR"), "{log:?}");
        assert_eq!(log[5..], ["close", "exit exit status: 3"], "{log:?}");
    }
}

// Conformance: WRN-04
#[test]
fn names_given_later_are_the_ones_used_and_arguments_reach_the_child() {
    for (kind, child) in children() {
        let (kernel, log) = (kernel(), Log::default());
        let l = log.clone();
        let react = move |cx: &mut Cx<'_, Heap>, event: Event| {
            l.push(&event);
            match event {
                Event::Start => {
                    let names = [
                        (RunEvent::Stdin, "stdin"),
                        (RunEvent::Stdout, "out"),
                        (RunEvent::Stderr, "err"),
                        (RunEvent::Error, "error"),
                        (RunEvent::Close, "close"),
                        (RunEvent::Exit, "exit"),
                    ];
                    for (event, name) in names {
                        own(cx).event(event, name).unwrap();
                    }
                    own(cx).put("args");
                    own(cx).put("err now");
                }
                Event::Stderr(_) => _ = own(cx).put("bye"),
                _ => {}
            }
        };
        let child = Cell::new(Some(child));
        session(react, move |cx| {
            let child = child.take().unwrap().program_args(["one", "t wo"]);
            let child = child.stdin_event("wrong stdin").stdout_event("wrong out");
            let child = child.stderr_event("wrong err").error_event("wrong error");
            child.close_event("wrong close").exit_event("wrong exit").spawn(cx.kernel).unwrap()
        })
        .on_default(common::refuse)
        .spawn(&kernel)
        .unwrap();
        run(&kernel);
        let log = log.take();
        for line in ["stdin", "out args one t wo", "error read 0 STDERR", "close"] {
            assert!(log.iter().any(|logged| logged == line), "{kind}: no {line} in {log:?}");
        }
        assert_eq!(log.last().unwrap(), "exit exit status: 0");
    }
}

#[test]
fn events_that_were_ended_do_not_come_and_are_not_waited_for() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let child = with_outputs(Run::build_shell("echo out; echo err >&2"));
    spawn(&kernel, child, move |cx, event| {
        l.push(&event);
        if let Event::Start = event {
            own(cx).event_end(RunEvent::Stdout);
            own(cx).event_end(RunEvent::Error);
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "err err", "close", "exit exit status: 0"]);
}

#[test]
fn an_event_that_is_named_again_when_all_is_over_has_nothing_read() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, with_outputs(Run::build_shell("echo out")), move |cx, event| {
        match event {
            Event::Start => own(cx).event_end(RunEvent::Stdout),
            Event::Exit(_) => _ = cx.delay("do", std::time::Duration::ZERO, "look"),
            Event::Do(_) => own(cx).event(RunEvent::Stdout, "out").unwrap(),
            _ => {}
        }
        l.push(event);
    });
    run(&kernel);
    let log = log.take();
    assert_eq!(log[log.len() - 3..], ["close", "exit exit status: 0", "look"]);
}

#[test]
fn events_of_streams_that_there_are_not_are_refused() {
    let kernel = kernel();
    let child = with_events(Run::build("true")).no_stdin(true).stdout_event("out");
    spawn(&kernel, child, |cx, event| {
        let Event::Start = event else { return };
        for event in [RunEvent::Stdin, RunEvent::Stderr, RunEvent::StderrPartial, RunEvent::High] {
            let error = own(cx).event(event, "x").unwrap_err();
            assert!(matches!(error, WheelError::NoStream { .. }), "{event:?}: {error}");
        }
        own(cx).event(RunEvent::Stdout, "out").unwrap();
        assert!(!own(cx).put("nobody reads this"));
    });
    run(&kernel);
}

// Conformance: WRN-08
#[test]
fn standard_input_ends_after_what_was_queued_and_what_is_put_later_is_dropped() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, with_outputs(obedient()), move |cx, event| {
        if let Event::Stdout(record) = &event {
            l.push(&event);
            if record == "out init" {
                own(cx).put("flag 1");
                own(cx).shutdown_stdin();
                own(cx).put("flag 2");
            }
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["out out init", "out got eof 1"]);
}

#[test]
fn what_was_put_before_the_shutdown_arrives_though_it_does_not_fit_a_pipe() {
    let kernel = kernel();
    let count = Rc::new(Cell::new(0));
    let c = count.clone();
    let child = with_events(Run::build("cat")).stdout_event("out");
    spawn(&kernel, child, move |cx, event| match event {
        Event::Start => {
            for _ in 0..50_000 {
                own(cx).put("twenty octets a line");
            }
            own(cx).shutdown_stdin();
            assert!(own(cx).get_stdin_handle().is_some(), "it is queued still");
        }
        Event::Stdout(_) => c.set(c.get() + 1),
        Event::Close => assert!(own(cx).get_stdin_handle().is_none(), "it was shut down"),
        _ => {}
    });
    run(&kernel);
    assert_eq!(count.get(), 50_000);
}

// Conformance: WRN-09
#[test]
fn streams_are_redirected_to_pipes_and_files() {
    let (kernel, log) = (kernel(), Log::default());
    let (from, mut feed) = std::io::pipe().unwrap();
    let (mut result, to) = std::io::pipe().unwrap();
    feed.write_all(b"PARENT:\n").unwrap();
    drop(feed);
    let script = "printf CHILD:; read -r line; printf %s \"$line\" >&2; printf DONE:";
    let child = Run::build_shell(script).redirect_output(to).redirect_stdin(from);
    let l = log.clone();
    spawn(&kernel, with_events(child), move |cx, event| {
        l.push(&event);
        let handles = [own(cx).get_stdin_handle(), own(cx).get_stdout_handle()];
        assert!(handles.iter().all(Option::is_none) && own(cx).get_stderr_handle().is_none());
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "close", "exit exit status: 0"]);
    let mut text = String::new();
    result.read_to_string(&mut text).unwrap();
    assert_eq!(text, "CHILD:PARENT:DONE:");
}

#[test]
fn files_are_read_made_emptied_and_added_to() {
    let folder = std::env::temp_dir().join(format!("poe-run-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name);
    std::fs::write(path("in"), "some text\n").unwrap();
    std::fs::write(path("out"), "what was there before, and is longer\n").unwrap();
    std::fs::write(path("err"), "first\n").unwrap();
    let child = Run::build_shell("cat; echo second >&2")
        .redirect_stdin(path("in"))
        .redirect_stdout(path("out"))
        .redirect_stderr(Redirect::append(path("err")));
    let kernel = kernel();
    record(&kernel, child);
    run(&kernel);
    assert_eq!(std::fs::read_to_string(path("out")).unwrap(), "some text\n");
    assert_eq!(std::fs::read_to_string(path("err")).unwrap(), "first\nsecond\n");
    std::fs::remove_dir_all(folder).unwrap();
}

// Conformance: WRN-10
#[test]
fn handles_are_those_of_streams_that_have_events() {
    let kernel = kernel();
    spawn(&kernel, Run::build("true"), |cx, _| {
        assert!(own(cx).get_stdin_handle().is_some());
        assert!(own(cx).get_stdout_handle().is_none() && own(cx).get_stderr_handle().is_none());
    });
    spawn(&kernel, Run::build("true").no_stdin(true), |cx, _| {
        assert!(own(cx).get_stdin_handle().is_none());
        assert!(own(cx).get_stdout_handle().is_none() && own(cx).get_stderr_handle().is_none());
    });
    run(&kernel);
}

#[test]
fn a_child_without_outputs_is_closed_when_it_ends() {
    let kernel = kernel();
    let log = record(&kernel, with_events(Run::build_shell("exit 7")));
    run(&kernel);
    assert_eq!(log.take(), ["start", "close", "exit exit status: 7"]);
}

#[test]
fn a_line_without_an_end_comes_as_such_or_is_counted() {
    let kernel = kernel();
    let script = "printf 'one\ntw'; printf thr >&2";
    let log = record(&kernel, with_outputs(Run::build_shell(script)).no_stdin(true));
    run(&kernel);
    let log = log.take();
    for line in ["out one", "part out tw", "part err thr"] {
        assert!(log.iter().any(|logged| logged == line), "no {line} in {log:?}");
    }
    let child = with_events(Run::build_shell(script)).stdout_event("out");
    let unfinished = Rc::new(Cell::new(0));
    let u = unfinished.clone();
    spawn(&kernel, child.redirect_stderr(Redirect::null()), move |_, event| {
        if let Event::Error(error) = event {
            let poe_wheel::IoCause::Eof { unfinished } = error.cause else { panic!("{error}") };
            assert!(error.to_string().starts_with("STDOUT: read: end of file"), "{error}");
            u.set(unfinished);
        }
    });
    run(&kernel);
    assert_eq!(unfinished.get(), 2);
}

// Conformance: WRN-01
#[test]
fn contradictions_are_refused() {
    type Builder = fn(RunBuilder) -> RunBuilder;
    let wrong: [(&str, Builder); 11] = [
        ("stdout_event", |child| child.stdout_event("x").redirect_stdout("/dev/null")),
        ("stdout_event", |child| child.stdout_event("x").redirect_output("/dev/null")),
        ("stderr_event", |child| child.stderr_event("x").redirect_stderr("/dev/null")),
        ("stdin_event", |child| child.stdin_event("x").redirect_stdin("/dev/null")),
        ("stdin_event", |child| child.stdin_event("x").no_stdin(true)),
        ("redirect_stdin", |child| child.redirect_stdin("/dev/null").no_stdin(true)),
        ("redirect_output", |child| {
            child.redirect_stdout("/dev/null").redirect_output("/dev/null")
        }),
        ("pseudo-terminal", |child| child.conduit(Conduit::Pty).redirect_output("/dev/null")),
        ("pseudo-terminal", |child| child.conduit(Conduit::PtyPipe).no_stdin(true)),
        ("pseudo-terminal", |child| child.conduit(Conduit::Pty).stderr_event("x")),
        ("winsize", |child| child.winsize(poe_wheel::Winsize::new(1, 1))),
    ];
    let kernel = kernel();
    Session::build(())
        .on_start(move |cx| {
            for (word, make) in wrong {
                let error = make(Run::build("true")).spawn(cx.kernel).unwrap_err();
                assert!(matches!(error, WheelError::Parameters(_)), "{error}");
                assert!(error.to_string().contains(word), "{error}");
            }
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let error = Run::build("true").spawn(&kernel).unwrap_err();
    assert!(matches!(error, WheelError::NoActiveSession(_)), "{error}");
}

#[test]
fn each_stream_has_a_filter_of_its_own() {
    #[derive(Default)]
    struct Heard(Option<Run>, Vec<u8>, Vec<Vec<u8>>);

    let kernel = kernel();
    Session::build(Heard::default())
        .on_start(|cx| -> HandlerResult {
            let wheel = Run::build_shell("cat; printf 3:abc >&2")
                .stdin_filter(Block::new())
                .stdout_filter(Stream::new())
                .stderr_filter(Block::builder().block_size(5).build()?)
                .stdout_event("out")
                .stderr_event("err")
                .close_event("close")
                .spawn(cx.kernel)?;
            wheel.put("hello");
            wheel.shutdown_stdin();
            cx.heap.0 = Some(wheel);
            Ok(())
        })
        .on("out", |cx, input: Input| cx.heap.1.extend_from_slice(&input.record))
        .on("err", |cx, input: Input| cx.heap.2.push(input.record.to_vec()))
        .on("close", |cx, _: WheelId| {
            assert_eq!(cx.heap.1, b"5\0hello");
            assert_eq!(cx.heap.2, [b"3:abc".to_vec()]);
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}

#[test]
fn filters_change_while_the_child_runs_and_pending_input_moves_to_the_new_one() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let child = with_outputs(Run::build_shell("printf 'one\n3|abc'; cat; echo 'x|y' >&2"));
    spawn(&kernel, child, move |cx, event| match &event {
        Event::Stdout(record) => {
            l.push(&event);
            let wheel = own(cx);
            if record == "one" {
                wheel.set_stdout_filter(Line::literal("|").unwrap());
                wheel.set_stderr_filter(Line::literal("|").unwrap());
                wheel.set_stdin_filter(Stream::new());
            } else if record == "3" {
                wheel.put("d|e|");
                wheel.shutdown_stdin();
            }
        }
        Event::Stderr(_) => l.push(&event),
        _ => {}
    });
    run(&kernel);
    assert_eq!(log.take(), ["out one", "out 3", "out abcd", "out e", "err x"]);
}

/// A stack of lines.
fn lines() -> Stackable {
    let mut stack: Stackable = Stackable::new();
    stack.push(Line::literal("\n").unwrap()).unwrap();
    stack
}

#[test]
fn filters_are_changed_where_they_are_while_the_child_runs() {
    let upper = || {
        let upper = |record: Bytes| Bytes::from(record.to_ascii_uppercase());
        Map::new(upper, |record: Bytes| Bytes::from([&record[..], b"?"].concat()))
    };
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let child = with_outputs(Run::build_shell("printf 'one\ntwo\n'; cat; echo err >&2"))
        .stdin_filter(lines())
        .stdout_filter(lines())
        .stderr_filter(lines());
    spawn(&kernel, child, move |cx, event| match &event {
        Event::Stdout(record) => {
            l.push(&event);
            let wheel = own(cx);
            if record == "one" {
                let push = |stack: &mut Stackable| stack.push(upper()).unwrap();
                wheel.with_stdout_filter_mut(push).unwrap();
                wheel.with_stderr_filter_mut(push).unwrap();
                wheel.with_stdin_filter_mut(push).unwrap();
                let error = wheel.with_stdin_filter_mut(|_: &mut Line| ()).unwrap_err();
                assert!(matches!(error, WheelError::OtherFilter { .. }), "{error}");
                wheel.put("three");
                wheel.shutdown_stdin();
            }
        }
        Event::Stderr(_) => l.push(&event),
        _ => {}
    });
    run(&kernel);
    let told = log.take();
    let (err, out): (Vec<_>, Vec<_>) = told.iter().partition(|line| line.starts_with("err"));
    assert_eq!(out, ["out one", "out TWO", "out THREE?"]);
    assert_eq!(err, ["err ERR"]);

    Session::build(None::<Run>)
        .on_start(|cx| -> HandlerResult {
            let wheel = Run::build("true").close_event("close").spawn(cx.kernel)?;
            let error = wheel.with_stderr_filter_mut(|_: &mut Line| ()).unwrap_err();
            assert!(matches!(error, WheelError::NoStream { stream: "standard error" }), "{error}");
            *cx.heap = Some(wheel);
            Ok(())
        })
        .on("close", |cx, _: WheelId| *cx.heap = None)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}

#[test]
fn outputs_that_are_paused_are_kept_back_and_the_close_event_waits_for_them() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let child = with_outputs(Run::build_shell("echo one; echo two; echo err >&2"));
    spawn(&kernel, child, move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                own(cx).pause_stdout();
                own(cx).pause_stderr();
                own(cx).resume_stderr();
            }
            Event::Exit(_) => own(cx).resume_stdout(),
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(
        log.take(),
        [
            "start",
            "err err",
            "error read 0 STDERR",
            "exit exit status: 0",
            "out one",
            "out two",
            "error read 0 STDOUT",
            "close"
        ]
    );
}

#[test]
fn arguments_are_passed_as_they_are() {
    let kernel = kernel();
    let args = ["$HOME", "two words", "'", "", "*"];
    for child in [
        Run::build("printf").program_args(["[%s]\n"]).program_args(args),
        Run::build_shell("printf '[%s]\n' \"$@\"").program_args(args),
    ] {
        let log = record(&kernel, child.stdout_event("out"));
        run(&kernel);
        assert_eq!(log.take()[1..], args.map(|arg| format!("out [{}]", arg.replace('\'', "\\'"))));
    }
}

#[test]
fn a_child_has_the_directory_and_environment_it_is_given() {
    let kernel = kernel();
    let script = "pwd; echo $ONE; echo ${HOME-none}; echo $0";
    let child = Run::build_shell(script).directory("/usr").env("ONE", "1").env_remove("HOME");
    let log = record(&kernel, child.stdout_event("out"));
    run(&kernel);
    assert_eq!(log.take()[1..], ["out /usr", "out 1", "out none", "out sh"]);

    let child =
        Run::build("env").env("GONE", "1").env_clear().env("ONE", "1").env("PATH", "/usr/bin:/bin");
    let log = record(&kernel, child.stdout_event("out"));
    run(&kernel);
    assert_eq!(log.take()[1..], ["out ONE=1", "out PATH=/usr/bin:/bin"]);
}

#[test]
fn a_program_is_looked_for_in_the_path_of_the_child_from_its_directory() {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("poe-path-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    let program = folder.join("bin/only-here");
    std::fs::write(&program, "#!/bin/sh\necho here\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let kernel = kernel();
    for child in [
        Run::build("only-here").env("PATH", folder.join("bin")),
        Run::build("only-here").env("PATH", "/nowhere:bin").directory(&folder),
        Run::build("only-here").env("PATH", "").directory(folder.join("bin")),
        Run::build("./bin/only-here").directory(&folder),
        Run::build(&program),
    ] {
        let log = record(&kernel, child.stdout_event("out"));
        run(&kernel);
        assert_eq!(log.take()[1..], ["out here"]);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn handles_of_the_wheel_are_not_the_childs() {
    let kernel = kernel();
    let (reader, _writer) = std::io::pipe().unwrap();
    // What another library has opened so that programs inherit it.
    rustix::io::fcntl_setfd(&reader, rustix::io::FdFlags::empty()).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&reader.as_fd());
    let script = format!("[ -e /dev/fd/{number} ] && echo open || echo closed");
    for (close, expected) in [(false, "out open"), (true, "out closed")] {
        for by_fork in [false, true] {
            let mut child = Run::build_shell(&script).close_on_call(close);
            if by_fork {
                child = child.group(nix::unistd::getegid().as_raw());
            }
            let log = record(&kernel, child.stdout_event("out"));
            run(&kernel);
            assert_eq!(log.take()[1..], [expected], "by fork: {by_fork}");
        }
    }
}

#[test]
fn a_child_is_not_waited_for_by_run_while() {
    let kernel = kernel();
    let done = Rc::new(Cell::new(false));
    let d = done.clone();
    spawn(&kernel, with_events(Run::build("cat")), move |cx, event| match event {
        Event::Start => cx.yield_event("do", "done"),
        Event::Do(_) => d.set(true),
        _ => {}
    });
    run_while(&kernel, || !done.get());
}

#[test]
fn many_children_at_once_are_kept_apart() {
    let kernel = kernel();
    let seen = Rc::new(Cell::new(0_u32));
    for number in 0..50 {
        let s = seen.clone();
        let child = Run::build_shell("cat; exit $1").program_args([number.to_string()]);
        spawn(&kernel, with_events(child).stdout_event("out"), move |cx, event| match event {
            Event::Start => {
                own(cx).put(format!("child {number}"));
                own(cx).shutdown_stdin();
            }
            Event::Stdout(record) => assert_eq!(record, format!("child {number}")),
            Event::Exit(exit) => {
                assert_eq!(exit.status.and_then(|status| status.code()), Some(number));
                s.set(s.get() + 1);
            }
            _ => {}
        });
    }
    run(&kernel);
    assert_eq!(seen.get(), 50);
}
