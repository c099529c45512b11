//! What children get of their parent, and what they do not.

#![cfg(target_os = "linux")]

mod common;

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::children::{record, with_events, with_outputs};
use common::{kernel, run};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Uid;
use poe_session::Session;
use poe_wheel::{Conduit, Run, RunBuilder, WheelError};

/// Parameters that need a fork, and change nothing.
fn by_fork(child: RunBuilder) -> RunBuilder {
    child.group(nix::unistd::getegid().as_raw())
}

const WAYS: [fn(RunBuilder) -> RunBuilder; 2] = [std::convert::identity, by_fork];

/// What a child prints, line by line.
fn printed(child: RunBuilder) -> Vec<String> {
    let kernel = kernel();
    let log = record(&kernel, child.stdout_event("out"));
    run(&kernel);
    let lines = log.take();
    lines.iter().filter_map(|line| line.strip_prefix("out ")).map(str::to_owned).collect()
}

/// Runs one of the tests here that are ignored in a process of its own, started by `command`.
fn in_a_process_of_its_own(name: &str, command: &mut Command) {
    if std::env::var_os("POE_ALONE").is_some() {
        return;
    }
    command.args(["--exact", name, "--include-ignored", "--test-threads=1", "--nocapture"]);
    match command.env("POE_ALONE", "1").output() {
        Err(error) => common::skipped(&format!("this program cannot be run so: {error}")),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let complaints = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && text.contains("1 passed"), "{text}\n{complaints}");
        }
    }
}

#[test]
fn no_signal_is_blocked_and_pipe_is_deadly() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGUSR1);
    set.add(Signal::SIGTERM);
    set.thread_block().unwrap();
    for way in WAYS {
        let child = Run::build("grep").program_args(["-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
        let lines = printed(way(child));
        let mask = |name: &str| {
            let line = lines.iter().find_map(|line| line.strip_prefix(name)).unwrap();
            u64::from_str_radix(line.trim_start_matches([':', '\\', 't']), 16).unwrap()
        };
        assert_eq!(mask("SigBlk"), 0, "{lines:?}");
        assert_eq!(mask("SigIgn") & (1 << (Signal::SIGPIPE as u32 - 1)), 0, "{lines:?}");
    }
    assert_eq!(SigSet::thread_get_mask().unwrap(), set, "the parent's are as they were");
    set.thread_unblock().unwrap();
}

#[test]
fn no_descriptor_is_inherited_that_another_thread_opens_meanwhile() {
    let stop = Arc::new(AtomicBool::new(false));
    let s = stop.clone();
    let opener = std::thread::spawn(move || {
        while !s.load(Ordering::Relaxed) {
            // As another library may, so that programs inherit them.
            let ends = std::io::pipe().unwrap();
            let _open = [rustix::io::dup(&ends.0).unwrap(), rustix::io::dup(&ends.1).unwrap()];
        }
    });
    for turn in 0..40 {
        let child = Run::build("ls").program_args(["/proc/self/fd"]).close_on_call(true);
        let lines = printed(WAYS[turn % 2](child));
        // The last is what it reads the folder by.
        assert_eq!(lines, ["0", "1", "2", "3"]);
    }
    stop.store(true, Ordering::Relaxed);
    opener.join().unwrap();
}

#[test]
fn who_ignores_the_end_of_children_is_told_of_it_all_the_same() {
    let mut shell = Command::new("bash");
    shell.args(["-c", "trap '' CHLD; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    in_a_process_of_its_own("children_whose_end_is_ignored", &mut shell);
}

#[test]
#[ignore = "for a process of its own"]
fn children_whose_end_is_ignored() {
    for turn in 0..30 {
        for child in [Run::build("true"), Run::build("sleep").program_args(["0.01"])] {
            let kernel = kernel();
            let log = record(&kernel, with_events(WAYS[turn % 2](child)).no_stdin(true));
            run(&kernel);
            assert_eq!(log.take(), ["start", "close", "exit ?"]);
        }
    }
}

/// As somebody who is not root, where this one is.
fn as_another(name: &str) {
    let mut command = Command::new("/proc/self/exe");
    if Uid::effective().is_root() {
        command.uid(61_235).gid(61_235);
    }
    in_a_process_of_its_own(name, &mut command);
}

#[test]
fn a_directory_that_one_may_not_enter_is_named() {
    as_another("a_closed_directory");
}

#[test]
#[ignore = "for a process of its own"]
fn a_closed_directory() {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("poe-closed-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o600)).unwrap();
    // Who has a group been given is let in, or not, as somebody else.
    for niceness in [0, 1] {
        let (kernel, f) = (kernel(), folder.clone());
        Session::build(())
            .on_start(move |cx| {
                let child = Run::build("true").directory(&f).priority(niceness);
                let error = child.spawn(cx.kernel).unwrap_err();
                let WheelError::Run { operation, target, source } = error else {
                    panic!("{error}")
                };
                assert_eq!((operation, target), ("enter", f.display().to_string()));
                assert_eq!(source.raw_os_error(), Some(Errno::EACCES as i32));
            })
            .spawn(&kernel)
            .unwrap();
        run(&kernel);
    }
    std::fs::remove_dir(folder).unwrap();
}

#[test]
fn groups_are_given_up_by_who_may_and_is_not_root() {
    if !Uid::effective().is_root() {
        return common::skipped("only root may give others its capabilities");
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=61235", "--regid=61235", "--groups=4,20"]);
    command.args(["--inh-caps=+setuid,+setgid", "--ambient-caps=+setuid,+setgid"]);
    command.arg(std::env::current_exe().unwrap());
    in_a_process_of_its_own("groups_of_a_capable_one", &mut command);
    as_another("groups_of_one_who_may_not");
}

#[test]
#[ignore = "for a process of its own"]
fn groups_of_a_capable_one() {
    assert_eq!(printed(Run::build("id").program_args(["-G"])), ["61235 4 20"]);
    let child = Run::build("id").program_args(["-G"]).user(61_236).group(61_237);
    assert_eq!(printed(child), ["61237"]);
}

#[test]
#[ignore = "for a process of its own"]
fn groups_of_one_who_may_not() {
    // Nothing changes by this, and so it is permitted.
    let child = Run::build("id").program_args(["-u"]).user(61_235);
    assert_eq!(printed(child), ["61235"]);
}

#[test]
fn a_group_of_its_own_has_the_number_0_too() {
    let show = "[ \"$(ps -o pgid= -p $$)\" -eq $$ ] && echo own";
    assert_eq!(printed(Run::build_shell(show).process_group(0)), ["own"]);
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| {
            let child = Run::build("true").conduit(Conduit::Pty).process_group(1);
            let error = child.spawn(cx.kernel).unwrap_err();
            assert!(matches!(error, WheelError::Parameters(why) if why.contains("process_group")));
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}

#[test]
fn an_environment_that_is_not_changed_is_the_parents() {
    let mut own: Vec<_> = std::env::vars_os().collect();
    own.retain(|(_, value)| !value.to_string_lossy().contains('\n'));
    for child in [Run::build("env"), Run::build("env").env("POE_ONE", "1")] {
        let lines = printed(child);
        for (name, value) in &own {
            if name == OsStr::new("_") {
                continue;
            }
            let line = format!("{}={}", name.display(), value.display());
            let line = line.as_bytes().escape_ascii().to_string();
            assert!(lines.contains(&line), "no {line} in {lines:?}");
        }
    }
}

#[test]
fn arguments_that_are_too_many_are_an_error() {
    let kernel = kernel();
    Session::build(())
        .on_start(|cx| {
            let much = "x".repeat(100_000);
            for way in WAYS {
                let child = way(Run::build("true").program_args(vec![much.as_str(); 100]));
                let error = with_outputs(child).spawn(cx.kernel).unwrap_err();
                let WheelError::Run { operation, source, .. } = error else { panic!("{error}") };
                assert_eq!(
                    (operation, source.raw_os_error()),
                    ("start", Some(Errno::E2BIG as i32))
                );
            }
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}
