//! The runner of jobs: what it runs, how many at a time, what it says, and how it is ended.

#[macro_use]
mod common;

use std::cell::RefCell;
use std::process::{Command, Stdio};
use std::rc::Rc;

use common::{Program, run, wait_until};
use nix::sys::signal::Signal;
use poe_component::prelude::*;

const RUNNER: &str = example!("job-runner");

/// What it prints and complains of, line by line in order of the alphabet, and its exit status.
fn runs(arguments: &[&str], jobs: &str) -> (Vec<String>, Vec<String>, Option<i32>) {
    let output = run(Command::new(RUNNER).args(arguments), jobs);
    let lines = |text: Vec<u8>| {
        let mut lines: Vec<String> =
            String::from_utf8(text).unwrap().lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    (lines(output.stdout), lines(output.stderr), output.status.code())
}

#[test]
fn it_has_help_and_refuses_what_it_does_not_understand() {
    for option in ["--help", "-h"] {
        let output = run(Command::new(RUNNER).arg(option), "");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && text.contains("\nUsage: job-runner [-j N] [FILE]"),
            "{text}"
        );
    }
    for (arguments, complaint) in [
        (&["one", "two"][..], "Error: unexpected argument \"two\"; see --help"),
        (&["-j"], "Error: -j takes a number of commands, 1 or more; see --help"),
        (&["-jobs"], "Error: -j takes a number of commands, 1 or more; see --help"),
        (&["-j", "0"], "Error: -j takes a number of commands, 1 or more; see --help"),
        (&["--bar"], "Error: unexpected argument \"--bar\"; see --help"),
        (&["/no/such/file"], "Error: /no/such/file: No such file or directory (os error 2)"),
    ] {
        assert_eq!(Program::start(Command::new(RUNNER).args(arguments)).wait().badly(), complaint);
    }
}

#[test]
fn commands_are_run_and_what_they_print_has_their_line_before_it() {
    let jobs = "echo one; echo two\n\n# nothing\n  printf three; echo four >&2\n";
    let (output, complaints, status) = runs(&[], jobs);
    let summary = "2 commands, 2 succeeded, 0 failed";
    assert_eq!(output, ["1: one", "1: two", summary, "4: three"]);
    assert_eq!(complaints, ["4: four"]);
    assert_eq!(status, Some(0));
    // A last line may lack its end, and they may come from a file.
    let path = std::env::temp_dir().join(format!("job-runner-{}", std::process::id()));
    std::fs::write(&path, "echo one").unwrap();
    let (output, ..) = runs(&[path.to_str().unwrap()], "");
    std::fs::remove_file(path).unwrap();
    assert_eq!(output, ["1 commands, 1 succeeded, 0 failed", "1: one"]);
    assert_eq!(runs(&[], "").0, ["0 commands, 0 succeeded, 0 failed"]);
}

#[test]
fn a_command_that_fails_is_told_and_is_the_exit_status() {
    let (output, complaints, status) =
        runs(&["-j", "2"], "exit 3\ntrue\nkill -9 $$\nno-such-program 2>&-\n");
    assert_eq!(output, ["4 commands, 1 succeeded, 3 failed"]);
    let expected = [
        "1: exit status: 3: exit 3",
        "3: signal: 9 (SIGKILL): kill -9 $$",
        "4: exit status: 127: no-such-program 2>&-",
    ];
    assert_eq!((&complaints[..], status), (&expected.map(str::to_owned)[..], Some(1)));
}

#[test]
fn the_exit_status_is_that_of_the_commands_though_nobody_reads_what_is_printed() {
    for (jobs, expected) in [("true", 0), ("echo one; exit 3", 1)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let path = std::env::temp_dir().join(format!("job-runner-unread-{}", std::process::id()));
        std::fs::write(&path, jobs).unwrap();
        let output = Command::new(RUNNER).arg(&path).stdout(writer).output().unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(output.status.code(), Some(expected), "{output:?}");
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(RUNNER).stdin(Stdio::null()).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.starts_with(b"cannot print: "), "{output:?}");
}

#[test]
fn no_more_run_at_a_time_than_it_is_told() {
    // Each says how many there are, by the files that they make.
    let folder = std::env::temp_dir().join(format!("job-runner-{}-at-once", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let job = format!("cd {}; touch $$; ls | wc -l; sleep 0.02; rm $$\n", folder.display());
    for (options, at_once, jobs) in [(&["-j", "1"][..], 1, 5), (&["-j3"], 3, 20)] {
        let (output, ..) = runs(options, &job.repeat(jobs));
        let counts: Vec<usize> =
            output.iter().filter_map(|line| line.split_once(": ")?.1.parse().ok()).collect();
        assert_eq!(counts.len(), jobs);
        assert!(counts.iter().all(|count| (1..=at_once).contains(count)), "{counts:?}");
    }
    std::fs::remove_dir(folder).unwrap();
}

#[test]
fn commands_begin_as_they_are_read_and_many_may_wait() {
    let mut program = Program::start(Command::new(RUNNER).args(["-j", "2"]));
    program.type_line("echo one");
    program.wait_for_line("the first", |line| line == "1: one");
    program.type_line("echo two");
    program.wait_for_line("the second", |line| line == "2: two");
    program.wait().well();
    let (output, ..) = runs(&["-j", "2"], &"true\n".repeat(1500));
    assert_eq!(output, ["1500 commands, 1500 succeeded, 0 failed"]);
}

#[test]
fn commands_do_not_read_what_is_for_the_runner() {
    let (output, ..) = runs(&["-j", "1"], "cat\necho one\n");
    assert_eq!(output, ["2 commands, 2 succeeded, 0 failed", "2: one"]);
}

#[test]
fn a_signal_ends_the_commands_and_starts_no_more() {
    for (trap, signal, signals) in [
        ("exit 5", Signal::SIGINT, 1),
        ("exit 5", Signal::SIGHUP, 1),
        ("echo no", Signal::SIGINT, 2),
    ] {
        let mut program = Program::start(Command::new(RUNNER).args(["-j", "1"]));
        program.type_line(&format!("trap '{trap}' TERM; echo $$; while :; do sleep 0.01; done"));
        program.type_line("echo never");
        let line = program.wait_for_line("pid", |line| line.starts_with("1: "));
        let pid: u32 = line["1: ".len()..].parse().unwrap();
        program.signal(signal);
        if signals == 2 {
            program.wait_for_line("refusal", |line| line == "1: no");
            program.signal(signal);
        }
        let ended = program.wait();
        assert_eq!(ended.status.code(), Some(130), "{ended:?}");
        assert_eq!(ended.output.last().unwrap(), "1 commands, 0 succeeded, 1 failed");
        assert!(!ended.output.iter().any(|line| line.contains("never")), "{ended:?}");
        wait_until("end of the command", || {
            (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
        });
    }
}

/// Runs it on a terminal, and gives all octets that it prints there.
fn on_a_terminal(jobs: &'static str) -> String {
    let screen = Rc::new(RefCell::new(Vec::new()));
    let s = screen.clone();
    let kernel = Kernel::new().unwrap();
    Session::build(None::<Run>)
        .on_start(move |cx| -> HandlerResult {
            let script = format!("printf '{jobs}' | {RUNNER} -j 1");
            let run = Run::build_shell(script)
                .conduit(Conduit::Pty)
                .stdout_filter(Stream::new())
                .stdout_event("screen")
                .exit_event("ended")
                .spawn(cx.kernel)?;
            *cx.heap = Some(run);
            Ok(())
        })
        .on("screen", move |_, input: Input| s.borrow_mut().extend_from_slice(&input.record))
        .on("ended", |cx, _: RunExit| *cx.heap = None)
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    String::from_utf8(screen.take()).unwrap()
}

#[test]
fn a_terminal_has_a_bar_below_the_output() {
    let screen = on_a_terminal("echo one\\nfalse\\n");
    // Each thing that is printed takes the bar's place, and the bar goes below it.
    assert!(screen.contains("\r\x1b[K1: one\n"), "{screen:?}");
    assert!(screen.contains("\r\x1b[K2: exit status: 1: false\n"), "{screen:?}");
    let full = format!("\r\x1b[K\x1b[?7l[{}] 2/2, 1 failed\x1b[?7h", "#".repeat(30));
    assert!(screen.contains(&full), "{screen:?}");
    assert!(screen.ends_with("\r\x1b[K2 commands, 1 succeeded, 1 failed\n"), "{screen:?}");
    // Elsewhere there is none.
    assert!(!runs(&[], "false\n").1.concat().contains('\x1b'));
}
