//! What can go wrong with a file that is followed. Some of this lowers a limit of the whole process, and so it has one to itself.

#![cfg(target_os = "linux")]

mod common;

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::tails::{Directory, Event, append, follow, own, spawn};
use common::{Log, kernel, run};
use nix::errno::Errno;
use nix::sys::inotify::{InitFlags, Inotify};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use poe_wheel::FollowTailBuilder;

/// One test at a time.
static LIMIT: Mutex<()> = Mutex::new(());

/// Lowers the limit of descriptors for as long as it lives.
struct Limit(u64, u64, #[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Limit {
    fn lower(to: u64) -> Self {
        let alone = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, to, hard).unwrap();
        Self(soft, hard, alone)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        setrlimit(Resource::RLIMIT_NOFILE, self.0, self.1).unwrap();
    }
}

/// Takes all descriptors that there are.
fn take_all() -> Vec<File> {
    let open = || File::open("/dev/null").ok();
    std::iter::from_fn(open).collect()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Follows a file which something is the matter with; when that was told and two polls have passed, it is put right, and a
/// line comes.
fn fails_then_recovers(
    builder: FollowTailBuilder,
    expected: String,
    put_right: impl Fn() + 'static,
) {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let idle = Cell::new(0);
    spawn(&kernel, builder.idle_event("idle"), move |cx, event| match event {
        Event::Error(error) => {
            assert!(error.is_recoverable());
            l.push(format!("{} {}", error.operation, error.errno()));
        }
        Event::Idle => {
            idle.set(idle.get() + 1);
            if l.len() > 0 && idle.get() == 3 {
                put_right();
            }
        }
        Event::Input(line) => {
            l.push(line.escape_ascii());
            *cx.heap = None;
        }
        _ => {}
    });
    run(&kernel);
    // Told once, however often it was tried.
    assert_eq!(log.take(), [expected, "line".into()]);
}

fn put(path: &Path) -> impl Fn() + use<> {
    let path = path.to_owned();
    move || {
        let _ = fs::remove_file(&path);
        let _ = fs::remove_dir(&path);
        fs::write(&path, "line\n").unwrap();
    }
}

#[test]
fn what_cannot_be_looked_up_is_told_once_and_tried_again() {
    let _alone = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = Directory::new();
    let path = directory.path("log");
    std::os::unix::fs::symlink(&path, &path).unwrap();
    let expected = format!("stat {}", Errno::ELOOP as i32);
    fails_then_recovers(follow(&path), expected, put(&path));
}

#[test]
fn what_cannot_be_opened_is_told_once_and_tried_again() {
    let _alone = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = Directory::new();
    let path = directory.path("log");
    // A socket is no file that could be opened.
    let _listener = UnixListener::bind(&path).unwrap();
    let expected = format!("open {}", Errno::ENXIO as i32);
    fails_then_recovers(follow(&path), expected, put(&path));
}

#[test]
fn what_may_not_be_read_is_told_once_and_tried_again() {
    let _alone = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = Directory::new();
    let path = directory.file("log", "line\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(&path).is_ok() {
        return common::skipped("permissions are nothing to this user");
    }
    let expected = format!("open {}", Errno::EACCES as i32);
    fails_then_recovers(follow(&path), expected, put(&path));
}

#[test]
fn a_directory_in_the_place_of_the_file_is_told_once() {
    let _alone = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = Directory::new();
    let path = directory.file("log", "");
    let other = path.clone();
    let place = move || {
        fs::remove_file(&other).unwrap();
        fs::create_dir(&other).unwrap();
    };
    place();
    // It was a file when the wheel began.
    let made = Cell::new(false);
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    fs::remove_dir(&path).unwrap();
    append(&path, "");
    let right = put(&path);
    let idle = Cell::new(0);
    spawn(&kernel, follow(&path).idle_event("idle"), move |cx, event| match event {
        Event::Idle if !made.replace(true) => place(),
        Event::Idle => {
            idle.set(idle.get() + 1);
            if l.len() > 0 && idle.get() == 3 {
                right();
            }
        }
        Event::Error(error) => {
            assert!(error.is_recoverable());
            l.push(error);
        }
        Event::Input(line) => {
            l.push(line.escape_ascii());
            *cx.heap = None;
        }
        _ => {}
    });
    run(&kernel);
    assert_eq!(log.take(), ["stat: Is a directory (os error 21)", "line"]);
}

#[test]
fn a_new_file_waits_for_descriptors_while_the_old_one_is_followed() {
    let _limit = Limit::lower(64);
    let directory = Directory::new();
    let path = directory.file("log", "");
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let hoard = RefCell::new(Vec::new());
    let old = RefCell::new(None);
    spawn(&kernel, follow(&path), move |cx, event| match event {
        Event::Start => {
            let file = File::options().append(true).open(&path).unwrap();
            fs::rename(&path, path.with_extension("1")).unwrap();
            append(&path, "new\n");
            hoard.borrow_mut().extend(take_all());
            *old.borrow_mut() = Some(file);
        }
        Event::Error(error) => {
            assert!(error.is_recoverable());
            l.push(format!("{} {}", error.operation, error.errno()));
            std::io::Write::write_all(old.borrow_mut().as_mut().unwrap(), b"old\n").unwrap();
        }
        Event::Input(line) => {
            l.push(line.escape_ascii());
            if line == "old" {
                hoard.borrow_mut().clear();
            } else {
                *cx.heap = None;
            }
        }
        _ => {}
    });
    run(&kernel);
    let exhausted = format!("open {}", Errno::EMFILE as i32);
    assert_eq!(log.take(), [&exhausted, "old", "new"]);
}

/// Follows without the system's help, for which there is no room while it begins.
fn follows_by_polls<T: 'static>(take_room: impl Fn() -> T) {
    let directory = Directory::new();
    let path = directory.file("log", "");
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let held = Cell::new(Some(take_room()));
    spawn(&kernel, follow(&path), move |cx, event| match event {
        Event::Start => {
            assert!(!own(cx).is_notified());
            drop(held.take());
            append(&path, "line\n");
        }
        event => {
            l.push(&event);
            if l.len() == 1 {
                fs::rename(&path, path.with_extension("1")).unwrap();
                append(&path, "next\n");
            } else if l.len() == 3 {
                *cx.heap = None;
            }
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["line", "reset", "next"]);
}

#[test]
fn a_wheel_that_the_system_will_not_tell_of_changes_polls() {
    let _limit = Limit::lower(1024);
    // This user's instances, of which there are 128 as a rule.
    let all = || std::iter::from_fn(|| Inotify::init(InitFlags::IN_CLOEXEC).ok()).take(900);
    if all().count() < 900 {
        follows_by_polls(|| all().collect::<Vec<_>>());
    } else {
        common::skipped("this user may have very many instances of inotify");
    }
}

#[test]
fn a_file_without_a_descriptor_for_notices_is_polled() {
    let _limit = Limit::lower(64);
    follows_by_polls(|| {
        let mut all = take_all();
        // It is for the file.
        all.pop();
        all
    });
}

#[test]
fn wheels_share_what_tells_them_and_leave_nothing_behind() {
    let _alone = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = Directory::new();
    let kernel = kernel();
    let paths: Vec<_> = (0..20).map(|n| directory.file(&format!("log{n}"), "")).collect();
    let before = descriptors();
    let log = Log::default();
    for (number, path) in paths.iter().enumerate() {
        let (l, path, all) = (log.clone(), path.clone(), paths.clone());
        spawn(&kernel, follow(&path), move |cx, event| match event {
            Event::Start => {
                assert!(own(cx).is_notified());
                // A file each, and one for all of them.
                assert_eq!(descriptors() - before, number + 2);
                if number == 19 {
                    all.iter().for_each(|path| append(path, "line\n"));
                }
            }
            Event::Input(line) if line == "line" => {
                l.push(number);
                // Whoever has it watched goes, and the others are told all the same.
                if number % 2 == 0 {
                    *cx.heap = None;
                }
                if l.len() == 20 {
                    all.iter().for_each(|path| append(path, "again\n"));
                }
            }
            Event::Input(_) => *cx.heap = None,
            _ => {}
        });
    }
    run(&kernel);
    assert_eq!(log.len(), 20);
    assert_eq!(descriptors(), before);
}

#[test]
fn a_session_that_ends_leaves_nothing_behind() {
    let _alone = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = Directory::new();
    let path = directory.file("log", "one\n");
    let before = descriptors();
    let kernel = kernel();
    spawn(&kernel, follow(&path).seek(0), move |cx, event| {
        if let Event::Input(_) = event {
            let session = cx.session();
            cx.suspend(|kernel| kernel.session_stop(session)).unwrap();
        }
    });
    run(&kernel);
    drop(kernel);
    assert_eq!(descriptors(), before);
}
