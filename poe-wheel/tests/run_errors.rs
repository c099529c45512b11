//! Children that cannot be had: each failure is an error of `spawn`, which leaves nothing behind.

#![cfg(target_os = "linux")]

mod common;

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use common::children::{record, with_outputs};
use common::{kernel, run};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use poe_session::prelude::*;
use poe_wheel::{CodeIn, Conduit, Input, Redirect, Run, RunBuilder, WheelError};

/// Descriptors are the process's: these tests take turns.
static ALONE: Mutex<()> = Mutex::new(());

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Why a child was not had: what could not be done, to what, and the error's number.
fn refused(child: RunBuilder) -> (&'static str, String, Option<i32>) {
    let (operation, target, source) = refused_error(child);
    (operation, target, source.raw_os_error())
}

fn refused_error(child: RunBuilder) -> (&'static str, String, io::Error) {
    let kernel = kernel();
    let (child, error) = (Cell::new(Some(child)), std::rc::Rc::new(Cell::new(None)));
    let e = error.clone();
    Session::build(())
        .on_start(move |cx| {
            let before = descriptors();
            let child = with_outputs(child.take().unwrap());
            e.set(Some(child.spawn(cx.kernel).unwrap_err()));
            assert_eq!(descriptors(), before);
        })
        .on_default(common::refuse)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let error = error.take().unwrap();
    let text = error.to_string();
    let WheelError::Run { operation, target, source } = error else { panic!("{error}") };
    assert_eq!(text, format!("cannot {operation} {target}: {source}"));
    (operation, target, source)
}

/// Parameters that need a fork, and change nothing.
fn by_fork(child: RunBuilder) -> RunBuilder {
    child.group(nix::unistd::getegid().as_raw())
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("poe-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_program_that_is_not_there_is_an_error_of_its_own() {
    let _alone = ALONE.lock();
    for name in ["no-such-program", "/no/such/program", ""] {
        for change in [std::convert::identity, by_fork] {
            let (operation, target, errno) = refused(change(Run::build(name)));
            assert_eq!(
                (operation, target.as_str(), errno),
                ("start", name, Some(Errno::ENOENT as i32))
            );
        }
    }
}

#[test]
fn what_the_shell_does_not_find_is_an_exit_status_and_what_is_there_has_its_own() {
    let _alone = ALONE.lock();
    let kernel = kernel();
    for (command, status) in [("exit 0", 0), ("no-such-program", 127)] {
        let log = record(&kernel, with_outputs(Run::build_shell(command)));
        run(&kernel);
        let log = log.take();
        assert_eq!(log.last().unwrap(), &format!("exit exit status: {status}"));
        let complaint =
            log.iter().any(|line| line.starts_with("err ") && line.contains("not found"));
        assert_eq!(complaint, status != 0, "{log:?}");
    }
}

#[test]
fn a_command_is_none_of_the_shells_options() {
    let _alone = ALONE.lock();
    let kernel = kernel();
    let command = Run::build_shell("-x 2>&-; echo \"$0 $1\"").program_args(["-y"]);
    let log = record(&kernel, with_outputs(command));
    run(&kernel);
    assert!(log.take().contains(&"out sh -y".to_owned()));
}

#[test]
fn what_cannot_be_executed_is_an_error() {
    let _alone = ALONE.lock();
    let folder = Folder::new("not-executable");
    let file = |name: &str, text: &str, mode| {
        let path = folder.0.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    for change in [std::convert::identity, by_fork] {
        let cases = [
            (file("plain", "text", 0o644), Errno::EACCES),
            (folder.0.clone(), Errno::EACCES),
            (file("script", "#!/no/such/interpreter\n", 0o755), Errno::ENOENT),
            (file("nonsense", "what is this", 0o755), Errno::ENOEXEC),
            (folder.0.join("plain/below"), Errno::ENOTDIR),
        ];
        for (path, errno) in cases {
            let (operation, _, found) = refused(change(Run::build(&path)));
            assert_eq!((operation, found), ("start", Some(errno as i32)), "{path:?}");
        }
        // Found in the path, and not to be executed.
        let child = Run::build("plain").env("PATH", format!("/nowhere:{}", folder.0.display()));
        assert_eq!(refused(change(child)).2, Some(Errno::EACCES as i32));
    }
}

#[test]
fn what_cannot_be_told_to_a_program_is_an_error() {
    let _alone = ALONE.lock();
    for child in [
        Run::build("tr\0ue"),
        Run::build("true").program_args(["\0"]),
        Run::build("true").env("A", "\0"),
        Run::build("true").env("A=B", "C"),
        Run::build("true").env("", "C"),
        Run::build_shell("\0"),
    ] {
        let (operation, _, error) = refused_error(child);
        assert_eq!((operation, error.kind()), ("start", io::ErrorKind::InvalidInput));
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let _alone = ALONE.lock();
    let child = || Run::build("true");
    assert_eq!(
        refused(child().directory("/no/such")),
        ("enter", "/no/such".into(), Some(Errno::ENOENT as i32))
    );
    assert_eq!(
        refused(child().directory("/dev/null")),
        ("enter", "/dev/null".into(), Some(Errno::ENOTDIR as i32))
    );
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let _alone = ALONE.lock();
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| {
            let before = descriptors();
            for child in [
                Run::build("true").redirect_stdin("/no/such/file"),
                Run::build("true").redirect_stdout("/no/such/file"),
                Run::build("true").redirect_stderr("/no/such/file"),
                Run::build("true").redirect_output("/no/such/file"),
                Run::build("true").redirect_output(Redirect::append("/no/such/file")),
            ] {
                let error = child.spawn(cx.kernel).unwrap_err();
                let text = error.to_string();
                assert!(text.starts_with("cannot open /no/such/file: No such file"), "{text}");
            }
            assert_eq!(descriptors(), before);
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}

#[test]
fn a_fifo_that_nobody_has_open_is_an_error_and_not_waited_for() {
    let _alone = ALONE.lock();
    let folder = Folder::new("run-fifo");
    let fifo = folder.0.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let kernel = kernel();
    let path = fifo.clone();
    Session::build(())
        .on_start(move |cx| {
            let before = descriptors();
            for child in [
                Run::build("true").redirect_stdin(&*path),
                Run::build("true").redirect_stdout(&*path),
                Run::build("true").redirect_stderr(Redirect::append(&path)),
            ] {
                let error = child.spawn(cx.kernel).unwrap_err().to_string();
                let expected = format!("cannot open {}: nobody has the other end", path.display());
                assert!(error.starts_with(&expected), "{error}");
            }
            assert_eq!(descriptors(), before);
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}

#[test]
fn a_fifo_is_read_from_and_written_to_by_who_waits_for_it_as_usual() {
    let _alone = ALONE.lock();
    let folder = Folder::new("run-fifo-open");
    let fifo = folder.0.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let open = || std::fs::File::options().read(true).write(true).open(&fifo).unwrap();
    // Nothing is in it yet, and then something that must stay in it: the child waits for what it reads.
    for early in ["", "early "] {
        let mut both = open();
        both.write_all(early.as_bytes()).unwrap();
        let kernel = kernel();
        let script = "echo ready; read -r line; echo \"$line\"";
        let child = Run::build_shell(script).redirect_stdin(&*fifo).stdout_event("line");
        let (child, both) = (Cell::new(Some(child)), Cell::new(Some(both)));
        let log = common::Log::default();
        let l = log.clone();
        Session::build(None)
            .on_start(move |cx| *cx.heap = child.take().unwrap().spawn(cx.kernel).ok())
            .on("line", move |_, line: Input| {
                l.push(String::from_utf8_lossy(&line.record));
                if let Some(mut both) = both.take() {
                    both.write_all(b"late\n").unwrap();
                }
            })
            .on_default(common::refuse)
            .spawn(&kernel)
            .unwrap();
        run(&kernel);
        assert_eq!(log.take(), ["ready".to_owned(), format!("{early}late")]);
    }
    // What is written waits for room: more than fits is not lost.
    let mut reader = std::fs::File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(&fifo)
        .unwrap();
    let kernel = kernel();
    let child = Run::build_shell("head -c 300000 /dev/zero").redirect_stdout(&*fifo);
    record(&kernel, child);
    let reading = std::thread::spawn(move || {
        let mut octets = 0;
        let mut room = [0; 65536];
        loop {
            match reader.read(&mut room) {
                Ok(0) => return octets,
                Ok(count) => octets += count,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            std::thread::yield_now();
        }
    });
    run(&kernel);
    assert_eq!(reading.join().unwrap(), 300_000);
}

#[test]
fn who_is_not_there_is_named() {
    let _alone = ALONE.lock();
    let (operation, target, _) = refused(Run::build("true").user("no such user"));
    assert_eq!((operation, target.as_str()), ("look up", "user \"no such user\""));
    let (operation, target, _) = refused(Run::build("true").groups(["no such group"]));
    assert_eq!((operation, target.as_str()), ("look up", "group \"no such group\""));
    // The child would be in the group of its parent, which may be root's.
    let (operation, target, source) = refused_error(Run::build("true").user(61_233));
    assert_eq!((operation, target.as_str()), ("look up", "the group of user 61233"));
    assert_eq!(source.to_string(), "it has none; give a group");
}

#[test]
fn descriptors_that_run_out_are_an_error_and_nothing_is_left_behind() {
    let _alone = ALONE.lock();
    let code = || Run::build_code(|_| RUNS.store(true, Ordering::Relaxed)).code_in(CodeIn::Thread);
    for conduit in [Conduit::Pipe, Conduit::SocketPair, Conduit::Inet, Conduit::PtyPipe] {
        run_out(conduit, || Run::build("true"));
        run_out(conduit, || by_fork(Run::build("true")));
        run_out(conduit, code);
        assert!(RUNS.swap(false, Ordering::Relaxed), "it ran in the end");
    }
    run_out(Conduit::Pipe, || Run::build("true").close_on_call(true));
    run_out(Conduit::Pipe, || Run::build("true").redirect_stdin("/dev/null"));
}

/// Whether the code of a thread has run.
static RUNS: AtomicBool = AtomicBool::new(false);

/// Starts children with more and more descriptors, until there are enough.
fn run_out(conduit: Conduit, child: impl Fn() -> RunBuilder + 'static) {
    let before = descriptors();
    let kernel = kernel();
    Session::build(None::<Run>)
        .on_start(move |cx| -> HandlerResult {
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            let used = descriptors();
            let mut refused = 0;
            let mut run = None;
            for limit in 4..used as u64 + 30 {
                let child = with_outputs(child()).conduit(conduit);
                setrlimit(Resource::RLIMIT_NOFILE, limit, hard)?;
                let child = child.spawn(cx.kernel);
                setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
                match child {
                    Ok(child) => {
                        run = Some(child);
                        break;
                    }
                    Err(WheelError::Run { source, .. }) => {
                        assert_eq!(source.raw_os_error(), Some(Errno::EMFILE as i32));
                        refused += 1;
                    }
                    // A handle, or the child, could not be watched.
                    Err(WheelError::Watch(_) | WheelError::Child(_)) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
                until_only(used);
                assert!(!RUNS.load(Ordering::Relaxed), "code that nobody watches runs");
            }
            assert!(refused > 3, "{refused}");
            *cx.heap = Some(run.ok_or("no child at last")?);
            Ok(())
        })
        .on_default(|_, _: Unhandled| {})
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    // The next counts its own from here.
    drop(kernel);
    until_only(before);
}

/// A thread that is told to end closes its own a moment later.
fn until_only(descriptors_there: usize) {
    let _watchdog = common::Watchdog::new();
    while descriptors() != descriptors_there {
        std::thread::yield_now();
    }
}

/// Says that a test is not made, and why.
fn skipped(why: &str) {
    use std::io::Write;
    let _ = writeln!(io::stderr(), "SKIPPED: {why}");
}

/// Runs one of these tests in a process of its own, as a user who may have few processes.
#[test]
fn processes_that_run_out_are_an_error() {
    let _alone = ALONE.lock();
    if std::env::var_os("POE_FEW_PROCESSES").is_some() {
        return;
    }
    let mut test = std::process::Command::new("/proc/self/exe");
    test.args(["--exact", "few_processes", "--include-ignored", "--test-threads=1", "--nocapture"]);
    if nix::unistd::Uid::effective().is_root() {
        // To root the limit does not apply. Nobody else is likely to be this user.
        test.uid(61_234).gid(61_234);
    }
    let output = test.env("POE_FEW_PROCESSES", "1").output();
    match output {
        Err(error) => skipped(&format!("this program cannot be run as another user: {error}")),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let complaints = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && text.contains("1 passed"), "{text}\n{complaints}");
        }
    }
}

#[test]
#[ignore = "for a process of its own, which processes_that_run_out_are_an_error makes"]
fn few_processes() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
    // The threads of this test are there already.
    setrlimit(Resource::RLIMIT_NPROC, 1, hard).unwrap();
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| {
            let before = descriptors();
            for child in [Run::build("/bin/true"), by_fork(Run::build("/bin/true"))] {
                let error = with_outputs(child).spawn(cx.kernel).unwrap_err();
                let WheelError::Run { source, .. } = error else { panic!("{error}") };
                assert_eq!(source.raw_os_error(), Some(Errno::EAGAIN as i32));
            }
            let code = Run::build_code(|_| ()).code_in(CodeIn::Thread).spawn(cx.kernel);
            assert!(matches!(code, Err(WheelError::Run { operation: "start", .. })), "{code:?}");
            assert_eq!(descriptors(), before);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn what_one_may_not_become_is_an_error() {
    let _alone = ALONE.lock();
    if nix::unistd::Uid::effective().is_root() {
        // What root may: see `children_run_as_others`.
        return;
    }
    let (operation, _, errno) = refused(Run::build("true").user(0));
    assert!(operation.starts_with("set the ") && errno == Some(Errno::EPERM as i32), "{operation}");
    let (operation, _, errno) = refused(Run::build("true").priority(-5));
    assert_eq!((operation, errno), ("set the priority of", Some(Errno::EACCES as i32)));
}

#[test]
fn children_run_as_others() {
    let _alone = ALONE.lock();
    if !nix::unistd::Uid::effective().is_root() {
        return skipped("only root may run a child as another user");
    }
    let kernel = kernel();
    let cases: [(RunBuilder, &str); 5] = [
        (Run::build("id").user(61_233).group(7), "uid=61233 gid=7(lp) groups=7(lp)"),
        (
            Run::build("id").user("nobody"),
            "uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)",
        ),
        (Run::build("id").user(65_534).group(7), "uid=65534(nobody) gid=7(lp) groups=7(lp)"),
        (Run::build("id").group("lp"), "uid=0(root) gid=7(lp) groups=7(lp)"),
        (
            Run::build("id").user(65_534).groups([7_u32, 8]),
            "uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup),7(lp),8(mail)",
        ),
    ];
    for (child, expected) in cases {
        let log = record(&kernel, child.stdout_event("out"));
        run(&kernel);
        assert_eq!(log.take()[1..], [format!("out {expected}")]);
    }
    // What the other may not do is an error as what this one may not.
    let folder = Folder::new("closed");
    let program = folder.0.join("program");
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let (operation, _, errno) = refused(Run::build(&program).user("nobody"));
    assert_eq!((operation, errno), ("start", Some(Errno::EACCES as i32)));
}

#[test]
fn children_are_nicer_and_in_groups_and_sessions_of_their_own() {
    let _alone = ALONE.lock();
    let kernel = kernel();
    let ours = nix::unistd::getpgrp().to_string();
    let show = || Run::build_shell("ps -o pid=,pgid=,sid=,ni= -p $$ | xargs").stdout_event("out");
    let printed = |child: RunBuilder| {
        let log = record(&kernel, child);
        run(&kernel);
        let line = log.take().pop().unwrap();
        line["out ".len()..].split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    for change in [std::convert::identity, by_fork] {
        let ids = printed(change(show()));
        assert!(ids[0] == ids[1] && ids[0] != ids[2], "a group of its own: {ids:?}");
        let ids = printed(change(show().no_setpgrp(true)));
        assert_eq!(ids[1], ours);
        let ids = printed(change(show().setsid(true)));
        assert!(ids[0] == ids[1] && ids[0] == ids[2], "a session of its own: {ids:?}");
    }
    let (plain, nicer) = (printed(show())[3].clone(), printed(show().priority(3))[3].clone());
    assert_eq!(plain.parse::<i32>().unwrap() + 3, nicer.parse::<i32>().unwrap());
}

#[test]
fn a_child_may_join_the_group_of_another() {
    let _alone = ALONE.lock();
    let kernel = kernel();
    Session::build((None::<Run>, None::<Run>))
        .on_start(|cx| -> HandlerResult {
            let leader = Run::build("cat").spawn(cx.kernel)?;
            let group = leader.pid().ok_or("no pid")?;
            let second = Run::build_shell("ps -o pgid= -p $$").process_group(group);
            let second = second.stdout_event("group").spawn(cx.kernel)?;
            *cx.heap = (Some(leader), Some(second));
            Ok(())
        })
        .on("group", |cx, input: Input| {
            let leader = cx.heap.0.take().unwrap();
            let group = std::str::from_utf8(&input.record).unwrap().trim().parse().ok();
            assert_eq!(group, leader.pid());
            leader.shutdown_stdin();
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}
