//! A program begins the same way whichever way it is started.

use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::*;

type Way = fn(&Birth<'_>, &ExecCall<'_>) -> Result<u32, Failed>;

/// By the system's own way where it has that, and by those that others need.
const WAYS: [(&str, Way); 3] = [
    ("as a program is started", |birth, call| {
        vfork::start(birth, call).unwrap_or_else(|| posix_spawn::start(birth, call))
    }),
    ("posix_spawn", posix_spawn::start),
    ("fork", fork::start),
];

const PLAIN: Birth<'_> = Birth {
    group: Group::Parents,
    terminal: None,
    stdio: [None; 3],
    close: None,
    directory: None,
    priority: 0,
    groups: None,
    group_id: None,
    user_id: None,
};

fn strings(words: &[&str]) -> Vec<CString> {
    words.iter().map(|word| CString::new(*word).unwrap()).collect()
}

/// What `/bin/sh` prints of a script, its pid, and how it ends.
fn printed(
    way: Way,
    birth: Birth<'_>,
    script: &str,
    variables: &[&str],
) -> (String, u32, WaitStatus) {
    let (mut reader, writer) = io::pipe().unwrap();
    let (arguments, environment) = (strings(&["sh", "-c", script]), strings(variables));
    let birth = Birth { stdio: [None, Some(writer.as_fd()), None], ..birth };
    let image = Image { path: c"/bin/sh", arguments: &arguments, environment: Some(&environment) };
    let pid = way(&birth, &ExecCall::new(&image)).unwrap();
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    (text, pid, waitpid(Pid::from_raw(pid.cast_signed()), None).unwrap())
}

/// Why a program was not started.
fn refused(way: Way, birth: &Birth<'_>, path: &CStr) -> (&'static str, Option<i32>) {
    let image = Image { path, arguments: &strings(&["it"]), environment: None };
    let (operation, error) = way(birth, &ExecCall::new(&image)).unwrap_err();
    (operation, error.raw_os_error())
}

#[test]
#[cfg_attr(miri, ignore = "Miri starts no programs")]
fn programs_find_the_same() {
    crate::descriptors::count();
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGUSR1);
    blocked.thread_block().unwrap();
    let inherited = io::pipe().unwrap();
    rustix::io::fcntl_setfd(&inherited.0, rustix::io::FdFlags::empty()).unwrap();
    let close = inheritable().unwrap();
    let number = inherited.0.as_raw_fd();
    let script = format!(
        "pwd; echo $WORD; [ -e /dev/fd/{number} ] || echo closed; grep -E '^Sig(Blk|Ign)' /proc/self/status; exit 7"
    );
    for (name, way) in WAYS {
        let birth = Birth { directory: Some(c"/usr"), close: Some(&close), ..PLAIN };
        let variables = ["WORD=hello", "PATH=/usr/bin:/bin"];
        let (text, pid, status) = printed(way, birth, &script, &variables);
        let (text, signals) = text.split_once("SigBlk:\t").unwrap();
        assert_eq!(text, "/usr\nhello\nclosed\n", "{name}");
        let (blocked, ignored) = signals.split_once("\nSigIgn:\t").unwrap();
        let [blocked, ignored] =
            [blocked, ignored].map(|set| u64::from_str_radix(set.trim(), 16).unwrap());
        let pipe = ignored & 1 << (libc::SIGPIPE - 1);
        assert_eq!((blocked, pipe), (0, 0), "{name}");
        assert_eq!(status, WaitStatus::Exited(Pid::from_raw(pid.cast_signed()), 7), "{name}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri starts no programs")]
fn groups_and_sessions_are_those_that_were_asked_for() {
    crate::descriptors::count();
    // Its number, its group, its session.
    let script =
        "read pid name state parent group session rest < /proc/$$/stat; echo $pid $group $session";
    let of = |pid: Option<Pid>| nix::unistd::getsid(pid).unwrap().as_raw();
    let (own_group, own_session) = (nix::unistd::getpgrp().as_raw(), of(None));
    for (name, way) in WAYS {
        let started = |group| {
            let (text, pid, _) = printed(way, Birth { group, ..PLAIN }, script, &[]);
            (pid.cast_signed(), text)
        };
        let (pid, text) = started(Group::Parents);
        assert_eq!(text, format!("{pid} {own_group} {own_session}\n"), "{name}");
        let (pid, text) = started(Group::Own);
        assert_eq!(text, format!("{pid} {pid} {own_session}\n"), "{name}");
        let (pid, text) = started(Group::OwnSession);
        assert_eq!(text, format!("{pid} {pid} {pid}\n"), "{name}");
        let (pid, text) = started(Group::Of(own_group));
        assert_eq!(text, format!("{pid} {own_group} {own_session}\n"), "{name}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri starts no programs")]
fn what_cannot_be_had_is_an_error() {
    crate::descriptors::count();
    for (name, way) in WAYS {
        let missing = refused(way, &PLAIN, c"/no/such/program");
        assert_eq!(missing, ("start", Some(Errno::ENOENT as i32)), "{name}");
        let folder = refused(way, &PLAIN, c"/usr");
        assert_eq!(folder, ("start", Some(Errno::EACCES as i32)), "{name}");
        let directory = Birth { directory: Some(c"/no/such/directory"), ..PLAIN };
        let (operation, errno) = refused(way, &directory, c"/bin/true");
        assert_eq!(errno, Some(Errno::ENOENT as i32), "{name}");
        if name == "fork" {
            assert_eq!(operation, "change the directory of");
        }
        // The first process is no group of this session.
        let group = Birth { group: Group::Of(1), ..PLAIN };
        let (_, errno) = refused(way, &group, c"/bin/true");
        assert_eq!(errno, Some(Errno::EPERM as i32), "{name}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri starts no programs")]
#[expect(clippy::print_stdout, reason = "who runs the tests is told what was left out")]
fn a_child_on_the_memory_of_its_parent_says_what_failed() {
    crate::descriptors::count();
    let directory = Birth { directory: Some(c"/no/such/directory"), ..PLAIN };
    let image = Image { path: c"/bin/true", arguments: &strings(&["true"]), environment: None };
    let Some(started) = vfork::start(&directory, &ExecCall::new(&image)) else {
        return println!("SKIPPED: this system has no such way");
    };
    let (operation, error) = started.unwrap_err();
    assert_eq!(operation, "change the directory of");
    assert_eq!(error.raw_os_error(), Some(Errno::ENOENT as i32));
    let nicer = Birth { priority: 3, ..PLAIN };
    let own = libc::PRIO_PROCESS;
    let (text, ..) = printed(
        |birth, call| vfork::start(birth, call).unwrap(),
        nicer,
        "set -- $(cat /proc/$$/stat); echo ${19}",
        &["PATH=/usr/bin:/bin"],
    );
    // SAFETY: it takes numbers, and only asks.
    let niceness = unsafe { libc::getpriority(own, 0) };
    assert_eq!(text, format!("{}\n", (niceness + 3).min(19)));
    let identity = Birth { group_id: Some(0), ..PLAIN };
    assert!(vfork::start(&identity, &ExecCall::new(&image)).is_none());
}

#[test]
#[cfg_attr(miri, ignore = "Miri starts no programs")]
fn many_threads_start_programs_at_once() {
    crate::descriptors::count();
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                for round in 0..25 {
                    let (_, way) = WAYS[round % WAYS.len()];
                    let script = format!("echo {number} {round}; exit {number}");
                    let (text, pid, status) = printed(way, PLAIN, &script, &[]);
                    assert_eq!(text, format!("{number} {round}\n"));
                    let pid = Pid::from_raw(pid.cast_signed());
                    assert_eq!(status, WaitStatus::Exited(pid, number));
                    assert_eq!(refused(way, &PLAIN, c"/no").1, Some(Errno::ENOENT as i32));
                }
            });
        }
    });
}
