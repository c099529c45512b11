//! Code in a process of its own. A copy of a process with several threads would not be sound, and the usual tests run in
//! threads: these run one after the other, in a program without any.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "code that prints is what this is about"
)]

mod common;

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;

use common::children::{Event, own, record, spawn, with_events, with_outputs};
use common::{Log, descriptors};
use poe_session::prelude::*;
use poe_wheel::{CodeIn, CodeIo, Conduit, Run, RunBuilder, RunExit, WheelError};

fn main() {
    // What `cargo test` and its like ask of a program of tests.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    if !cfg!(target_os = "linux") {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: this system does not say how many threads there are"
        );
        return;
    }
    let tests: [(&str, fn()); 11] = [
        ("code talks over each conduit", talks),
        ("what code prints comes from its own standard streams", prints),
        ("code ends with a status", ends),
        ("code is ended by signals, which the kernel's handlers are not for", is_killed),
        ("a signal that comes at once is the code's too", is_killed_at_once),
        ("it has no share of what other wheels have", leaves_others_alone),
        ("its input ends though the copy had the other end, too", input_ends),
        ("code begins with no files but its streams, if that is asked for", lets_go),
        ("code has what is asked for a process", surroundings),
        ("what the parent has not printed yet is printed once", printed_once),
        ("where there are threads, code runs in one, or not at all", threads),
    ];
    for (name, test) in tests {
        println!("test {name}");
        // Where one hangs, this ends the process; a thread that looks on would be one too many.
        nix::unistd::alarm::set(60);
        descriptors::counted(test);
        nix::unistd::alarm::cancel();
    }
}

fn kernel() -> Kernel {
    common::kernel()
}

fn code<R: poe_wheel::IntoExitCode>(code: impl FnOnce(CodeIo) -> R + Send + 'static) -> RunBuilder {
    Run::build_code(code).code_in(CodeIn::Process)
}

fn logged(child: RunBuilder) -> Vec<String> {
    let kernel = kernel();
    let log = record(&kernel, child);
    kernel.run().unwrap();
    log.take()
}

fn has(log: &[String], line: &str) -> bool {
    log.iter().any(|logged| logged == line)
}

fn obedient(io: CodeIo) -> std::io::Result<()> {
    let CodeIo { stdin, mut stdout, mut stderr, args, .. } = io;
    for line in BufReader::new(stdin).lines() {
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("out", text) => writeln!(stdout, "{text} {}", args[0].display())?,
            ("err", text) => writeln!(stderr, "{text}")?,
            ("pid", _) => writeln!(stdout, "{}", std::process::id())?,
            _ => return writeln!(stdout, "bye"),
        }
    }
    Ok(())
}

// Conformance: WRN-02, WRN-04, WRN-07
fn talks() {
    for conduit in [Conduit::Pipe, Conduit::SocketPair, Conduit::Inet, Conduit::PtyPipe] {
        let (kernel, log) = (kernel(), Log::default());
        let l = log.clone();
        let child = with_outputs(code(obedient)).conduit(conduit).program_args(["one"]);
        spawn(&kernel, child.stdin_event("stdin"), move |cx, event| {
            l.push(&event);
            match event {
                Event::Start => _ = own(cx).put("out hello"),
                Event::Stdout(record) if record.starts_with(b"hello") => {
                    _ = own(cx).put("err hello")
                }
                Event::Stderr(_) => _ = own(cx).put("pid"),
                Event::Stdout(record) if record != "bye" => {
                    assert_eq!(record, own(cx).pid().unwrap().to_string());
                    assert_ne!(own(cx).pid(), Some(std::process::id()));
                    own(cx).put("bye");
                }
                _ => {}
            }
        });
        kernel.run().unwrap();
        let log = log.take();
        for line in ["out hello one", "err hello", "out bye", "error read 0 STDOUT", "close"] {
            assert!(has(&log, line), "{conduit:?}: no {line} in {log:?}");
        }
        assert_eq!(log.last().unwrap(), "exit exit status: 0");
    }
}

fn prints() {
    let log = logged(with_outputs(code(|_| {
        println!("printed");
        eprintln!("complained");
        print!("not ended");
    })));
    for line in ["out printed", "err complained", "part out not ended"] {
        assert!(has(&log, line), "no {line} in {log:?}");
    }
}

fn ends() {
    let status = |child: RunBuilder| logged(with_events(child)).pop().unwrap();
    assert_eq!(status(code(|_| ())), "exit exit status: 0");
    assert_eq!(status(code(|_| 7)), "exit exit status: 7");
    let log = logged(with_outputs(code(|_| Err::<(), _>("what went wrong"))));
    assert!(has(&log, "err what went wrong") && has(&log, "exit exit status: 255"), "{log:?}");
    let log = logged(with_outputs(code(|_| {
        if true {
            panic!("on purpose")
        }
    })));
    assert!(log.iter().any(|line| line.starts_with("err on purpose")), "{log:?}");
    assert!(has(&log, "exit exit status: 255"), "{log:?}");
    // Nothing of the parent's happens a second time: no drop, no rest of `main`.
    struct Loud;
    impl Drop for Loud {
        fn drop(&mut self) {
            println!("dropped in {}", std::process::id());
        }
    }
    let loud = Loud;
    let log = logged(with_outputs(code(|_| ())));
    assert!(!log.iter().any(|line| line.contains("dropped")), "{log:?}");
    std::mem::forget(loud);
}

fn is_killed() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    Session::build(())
        .on_start(|cx| cx.sig("TERM", "term"))
        .on("term", |_, _: Signal| -> HandlerResult { Err("it was sent to the child".into()) })
        .spawn(&kernel)
        .unwrap();
    let child = code(|mut io| {
        let _ = writeln!(io.stdout, "ready");
        let _ = io.stdin.read_to_end(&mut Vec::new());
    });
    spawn(&kernel, with_outputs(child), move |cx, event| match event {
        Event::Stdout(_) => own(cx).kill("TERM").unwrap(),
        Event::Exit(exit) => {
            assert_eq!(exit.status.and_then(|status| status.signal()), Some(15));
            l.push("ended");
        }
        _ => {}
    });
    kernel.run().unwrap();
    assert_eq!(log.take(), ["ended"]);
}

/// The parent's handlers are not the code's, from its beginning on.
fn is_killed_at_once() {
    let kernel = kernel();
    Session::build((None::<Run>, 0))
        .on_start(|cx| -> HandlerResult {
            cx.sig("TERM", "term")?;
            cx.yield_event("next", ());
            Ok(())
        })
        .on("term", |_, _: Signal| -> HandlerResult { Err("it was sent to the child".into()) })
        .on("next", |cx, ()| -> HandlerResult {
            cx.heap.1 += 1;
            if cx.heap.1 > 300 {
                cx.sig_ignore("TERM");
                return Ok(());
            }
            let child = code(|mut io| _ = io.stdin.read_to_end(&mut Vec::new()));
            let child = child.exit_event("exit").spawn(cx.kernel)?;
            child.kill("TERM")?;
            cx.heap.0 = Some(child);
            Ok(())
        })
        .on("exit", |cx, exit: RunExit| {
            assert_eq!(exit.status.and_then(|status| status.signal()), Some(15));
            cx.yield_event("next", ());
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

/// What is shut down of another child's streams ends there, though a copy of this process lives on.
fn leaves_others_alone() {
    let kernel = kernel();
    Session::build(Vec::new())
        .on_start(|cx| -> HandlerResult {
            let cat = Run::build("cat").stdout_event("out").exit_event("cat").spawn(cx.kernel)?;
            let copy = code(|mut io| {
                let _ = writeln!(io.stdout, "ready");
                let _ = io.stdin.read_to_end(&mut Vec::new());
            });
            let copy = copy.stdout_event("ready").exit_event("copy").spawn(cx.kernel)?;
            cx.heap.extend([cat, copy]);
            Ok(())
        })
        .on("out", |_, _: poe_wheel::Input| {})
        .on("ready", |cx, _: poe_wheel::Input| cx.heap[0].shutdown_stdin())
        .on("cat", |cx, _: RunExit| {
            assert!(cx.heap[1].is_running());
            cx.heap[1].shutdown_stdin();
        })
        .on("copy", |cx, _: RunExit| assert!(!cx.heap[0].is_running()))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

fn input_ends() {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let child = code(|mut io| {
        let mut text = String::new();
        let _ = io.stdin.read_to_string(&mut text);
        let _ = writeln!(io.stdout, "{}", text.len());
    });
    spawn(&kernel, with_outputs(child), move |cx, event| match event {
        Event::Start => {
            own(cx).put("hello");
            own(cx).shutdown_stdin();
        }
        event => l.push(event),
    });
    kernel.run().unwrap();
    assert!(has(&log.take(), "out 6"));
}

fn lets_go() {
    let open = |mut io: CodeIo| {
        let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets = links.filter_map(|link| std::fs::read_link(link.path()).ok());
        let kept = targets.filter(|target| target.ends_with("some-file")).count();
        let _ = writeln!(io.stdout, "{kept}");
    };
    let path = std::env::temp_dir().join(format!("poe-{}-some-file", std::process::id()));
    let folder = path.with_extension("d");
    std::fs::create_dir_all(&folder).unwrap();
    let file = std::fs::File::create(folder.join("some-file")).unwrap();
    for (close, expected) in [(false, "out 1"), (true, "out 0")] {
        let log = logged(with_outputs(code(open).close_on_call(close)));
        assert!(has(&log, expected), "{log:?}");
    }
    drop(file);
    std::fs::remove_dir_all(folder).unwrap();
}

fn surroundings() {
    let child = code(|mut io| {
        let id = std::process::id();
        let group = nix::unistd::getpgrp().as_raw().cast_unsigned();
        let here = std::env::current_dir().unwrap();
        let _ = writeln!(io.stdout, "{} {}", id == group, here.display());
    });
    let log = logged(with_outputs(child.directory("/usr").priority(1)));
    assert!(has(&log, "out true /usr"), "{log:?}");
    let error = {
        let kernel = kernel();
        let refused = Rc::new(Cell::new(None));
        let r = refused.clone();
        Session::build(())
            .on_start(move |cx| {
                let child = code(|_| ()).user("no such user").spawn(cx.kernel);
                r.set(child.err());
            })
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        refused.take().unwrap()
    };
    assert!(matches!(error, WheelError::Run { operation: "look up", .. }), "{error}");
    let terminal = code(|mut io| {
        let _ =
            writeln!(io.stdout, "{}", nix::unistd::getsid(None) == Ok(nix::unistd::Pid::this()));
        let _ =
            std::fs::File::options().write(true).open("/dev/tty").unwrap().write_all(b"there\n");
    });
    let log = logged(with_events(terminal).conduit(Conduit::Pty).stdout_event("out"));
    assert!(has(&log, "out true") && has(&log, "out there"), "{log:?}");
}

fn printed_once() {
    // In a copy, so that it has a standard output to look at, which it copies in turn.
    let child = code(|_| {
        print!("once ");
        let kernel = kernel();
        record(&kernel, code(|_| println!("twice")));
        kernel.run().unwrap();
    });
    let log = logged(with_outputs(child));
    assert!(has(&log, "out once twice"), "{log:?}");
}

fn threads() {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || stopped.recv());
    let kernel = kernel();
    let pids = Rc::new(Cell::new(None));
    let p = pids.clone();
    Session::build(Vec::new())
        .on_start(move |cx| -> HandlerResult {
            let error = code(|_| ()).spawn(cx.kernel).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with("cannot fork for code: the process has several threads"),
                "{text}"
            );
            let error = Run::build_code(|_| ()).directory("/usr").spawn(cx.kernel).unwrap_err();
            assert!(matches!(error, WheelError::Parameters(_)), "{error}");
            let either = Run::build_code(|_| ()).spawn(cx.kernel)?;
            p.set(Some(either.pid()));
            cx.heap.push(either);
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(pids.take(), Some(None), "a thread has no pid");
    drop(stop);
    let _ = thread.join().unwrap();

    let kernel = common::kernel();
    let p = pids.clone();
    Session::build(Vec::new())
        .on_start(move |cx| -> HandlerResult {
            // Of a thread that has been joined the system may know a moment longer.
            let child = loop {
                let child = Run::build_code(|_| ()).exit_event("exit").spawn(cx.kernel)?;
                if child.pid().is_some() {
                    break child;
                }
                cx.heap.push(child);
            };
            p.set(Some(child.pid()));
            cx.heap.push(child);
            Ok(())
        })
        .on("exit", |_, _: RunExit| {})
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert!(pids.take().flatten().is_some());
}
