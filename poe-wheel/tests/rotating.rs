//! Files that are moved away, truncated, removed, replaced, and come back.

mod common;

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::path::Path;
use std::rc::Rc;

use common::tails::{Directory, Event, append, follow, own, spawn, with_events};
use common::{Log, kernel, run};
use poe_wheel::{FollowTail, FollowTailBuilder, IoCause};

/// What is done to a file, and what is to be seen of it before the next thing is done.
type Step<'a> = (Box<dyn Fn(&Path) + 'a>, &'a [&'a str]);

fn step<'a>(seen: &'a [&'a str], act: impl Fn(&Path) + 'a) -> Step<'a> {
    (Box::new(act), seen)
}

/// Takes the steps, with the system's help and without, and with a handle if that makes no difference.
fn steps(old: &str, steps: Vec<Step<'static>>) {
    let steps = Rc::new(steps);
    for polls_only in [false, true] {
        let directory = Directory::new();
        let path = directory.file("log", old);
        let builder = follow(&path).seek(0);
        take(if polls_only { builder.polls_only() } else { builder }, &path, &steps);
    }
}

fn take(builder: FollowTailBuilder, path: &Path, steps: &Rc<Vec<Step<'static>>>) {
    let (kernel, log) = (kernel(), Log::default());
    let (path, steps) = (path.to_owned(), Rc::clone(steps));
    let (l, next) = (log.clone(), Cell::new(0));
    let expected = RefCell::new(Vec::new());
    let s = Rc::clone(&steps);
    spawn(&kernel, builder.partial_event("partial"), move |cx, event| {
        if !matches!(event, Event::Start) {
            l.push(&event);
            let wanted = expected.borrow_mut().pop();
            assert_eq!(wanted, Some(event.to_string()), "after {:?}", l.take());
        }
        while expected.borrow().is_empty() {
            let Some((act, seen)) = s.get(next.get()) else { return *cx.heap = None };
            next.set(next.get() + 1);
            act(&path);
            expected.replace(seen.iter().rev().map(ToString::to_string).collect());
        }
    });
    run(&kernel);
    assert!(log.len() > 0);
}

fn moved(path: &Path, suffix: &str) {
    fs::rename(path, path.with_extension(suffix)).unwrap();
}

#[test]
fn a_file_that_is_moved_away_is_read_to_its_end_and_then_its_successor() {
    steps(
        "old 1\n",
        vec![
            step(&["old 1"], |_| {}),
            step(&["old 2", "old 3", "reset", "new 1"], |path| {
                append(path, "old 2\n");
                moved(path, "1");
                append(path.with_extension("1"), "old 3\n");
                append(path, "new 1\n");
            }),
            step(&["new 2", "reset", "newer"], |path| {
                append(path, "new 2\n");
                moved(path, "2");
                append(path, "newer\n");
            }),
        ],
    );
}

#[test]
fn who_learns_late_that_a_file_was_moved_is_heard_all_the_same() {
    steps(
        "",
        vec![
            step(&["late 1"], |path| {
                moved(path, "1");
                append(path.with_extension("1"), "late 1\n");
            }),
            // There is a new one, but it is empty.
            step(&["late 2"], |path| {
                append(path, "");
                append(path.with_extension("1"), "late 2\n");
            }),
            step(&["reset", "new"], |path| append(path, "new\n")),
            step(&["very late"], |path| append(path.with_extension("1"), "very late\n")),
        ],
    );
}

#[test]
// Conformance: WFT-08
fn a_truncated_file_is_begun_with_anew_whatever_its_length() {
    let write = |text: &'static str| {
        move |path: &Path| {
            // In place, as `>` does it in a shell.
            fs::write(path, text).unwrap();
        }
    };
    steps(
        "first\n",
        vec![
            step(&["first"], |_| {}),
            step(&["reset"], write("")),
            step(&["again"], |path| append(path, "again\n")),
            step(&["reset", "a"], write("a\n")),
            step(&["reset", "b"], write("b\n")),
            step(&["reset", "longer", "and longer"], write("longer\nand longer\n")),
        ],
    );
}

#[test]
fn a_handle_is_begun_with_anew_too() {
    let directory = Directory::new();
    let path = directory.file("log", "first\n");
    let builder = with_events(FollowTail::build_handle(File::open(&path).unwrap())).seek(0);
    let all = vec![
        step(&["first"], |_| {}),
        step(&["reset", "other"], |path: &Path| fs::write(path, "other\n").unwrap()),
    ];
    take(builder, &path, &Rc::new(all));
}

#[test]
fn what_a_file_ended_within_is_not_joined_with_the_next() {
    steps(
        "x\npart",
        vec![
            step(&["x"], |_| {}),
            step(&["partial part", "reset", "n1"], |path| {
                fs::write(path, "n1\n").unwrap();
            }),
            step(&["reset", "n2", "partial rest"], |path| {
                append(path, "rest");
                moved(path, "1");
                append(path, "n2\n");
            }),
        ],
    );
}

#[test]
fn what_a_file_ended_within_is_told_if_it_is_not_wanted() {
    let directory = Directory::new();
    let path = directory.file("log", "part");
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, follow(&path).seek(0).idle_event("idle"), move |cx, event| match event {
        Event::Idle if l.len() == 0 => {
            l.push("idle");
            fs::write(&path, "new\n").unwrap();
        }
        Event::Start | Event::Idle => {}
        event => {
            if let Event::Error(error) = &event {
                assert!(matches!(error.cause, IoCause::Unfinished { octets: 4 }));
                assert!(error.is_recoverable() && !error.is_eof() && error.errno() == 0);
            }
            let is_last = matches!(event, Event::Input(_));
            l.push(event);
            if is_last {
                *cx.heap = None;
            }
        }
    });
    run(&kernel);
    let error = "error read: the file has ended after 4 octets of a record";
    // The first poll finds the part, which is something.
    assert_eq!(log.take(), ["idle", error, "reset", "new"]);
}

#[test]
fn a_file_may_come_late_go_and_come_back() {
    for polls_only in [false, true] {
        let directory = Directory::new();
        let path = directory.path("log");
        let builder = if polls_only { follow(&path).polls_only() } else { follow(&path) };
        let all: Vec<Step<'static>> = vec![
            step(&["reset", "first"], |path| append(path, "first\n")),
            // Deleted, but not closed by who writes to it.
            step(&["last words", "reset", "second"], |path| {
                let mut file = File::options().append(true).open(path).unwrap();
                fs::remove_file(path).unwrap();
                std::io::Write::write_all(&mut file, b"last words\n").unwrap();
                append(path, "second\n");
            }),
            // Back under its name it is what it was.
            step(&["third"], |path| {
                moved(path, "away");
                fs::rename(path.with_extension("away"), path).unwrap();
                append(path, "third\n");
            }),
            step(&["fourth"], |path| {
                moved(path, "away");
                append(path.with_extension("away"), "fourth\n");
            }),
            step(&["fifth"], |path| {
                fs::rename(path.with_extension("away"), path).unwrap();
                append(path, "fifth\n");
            }),
            // Its directory may go with it.
            step(&["reset", "sixth"], |path| {
                let parent = path.parent().unwrap();
                fs::rename(parent, parent.with_extension("away")).unwrap();
                fs::create_dir(parent).unwrap();
                append(path, "sixth\n");
                fs::remove_dir_all(parent.with_extension("away")).unwrap();
            }),
            step(&["seventh"], |path| append(path, "seventh\n")),
        ];
        take(builder, &path, &Rc::new(all));
    }
}

#[test]
fn a_place_is_applied_to_a_file_that_comes_late() {
    let directory = Directory::new();
    let path = directory.path("log");
    let text = "one\ntwo\nthree\n";
    let come = || {
        vec![step(&["reset", "two", "three"], move |path: &Path| {
            // At once, as a file that is moved to its name is there at once.
            fs::write(path.with_extension("new"), text).unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        })]
    };
    take(follow(&path).seek(4), &path, &Rc::new(come()));
    fs::remove_file(&path).unwrap();
    take(
        follow(&path).seek_back(7).whole_records(),
        &path,
        &Rc::new(vec![step(&["reset", "three"], move |path: &Path| {
            fs::write(path.with_extension("new"), text).unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        })]),
    );
}

#[test]
fn links_to_a_file_are_no_change() {
    steps(
        "one\n",
        vec![
            step(&["one"], |_| {}),
            step(&["two"], |path| {
                fs::hard_link(path, path.with_extension("link")).unwrap();
                append(path, "two\n");
            }),
            step(&["three"], |path| {
                fs::remove_file(path.with_extension("link")).unwrap();
                append(path, "three\n");
            }),
        ],
    );
}

#[test]
fn a_name_may_be_a_link_that_leads_elsewhere_later() {
    let directory = Directory::new();
    let path = directory.path("log");
    let link = |path: &Path, to: &str, text: &str| {
        fs::write(path.with_extension(to), text).unwrap();
        std::os::unix::fs::symlink(path.with_extension(to), path.with_extension("link")).unwrap();
        fs::rename(path.with_extension("link"), path).unwrap();
    };
    link(&path, "a", "one\n");
    let all: Vec<Step<'static>> = vec![
        step(&["one"], |_| {}),
        step(&["two", "reset", "three"], move |path| {
            append(path, "two\n");
            link(path, "b", "three\n");
        }),
        step(&["four"], |path| append(path, "four\n")),
    ];
    take(follow(&path).seek(0), &path, &Rc::new(all));
}

#[test]
fn files_that_had_the_name_for_a_moment_are_read_where_the_system_tells_of_them() {
    let directory = Directory::new();
    let path = directory.file("log", "0\n");
    let many: Vec<Step<'static>> = vec![
        step(&["0"], |_| {}),
        step(&["1", "reset", "2", "reset", "3", "reset", "4", "5"], |path| {
            // As logrotate does it, and nobody has a look in between.
            for number in 1..4 {
                append(path, &format!("{number}\n"));
                for age in (1..number).rev() {
                    let (from, to) = (age.to_string(), (age + 1).to_string());
                    fs::rename(path.with_extension(from), path.with_extension(to)).unwrap();
                }
                moved(path, "1");
            }
            append(path, "4\n5\n");
        }),
    ];
    take(follow(&path).seek(0), &path, &Rc::new(many));
}

#[test]
fn what_a_file_ended_within_is_told_though_a_fifo_has_its_name() {
    let fifo = |path: &Path| {
        fs::remove_file(path).unwrap();
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    };
    let all = vec![
        step(&["one"], |_| {}),
        step(&["partial un"], fifo),
        step(&["reset", "two"], |path| append(path, "two\n")),
    ];
    steps("one\nun", all);
}

#[test]
fn a_poll_comes_where_nothing_else_does() {
    // Nothing tells of a directory that is not there.
    let directory = Directory::new();
    let path = directory.path("folder").join("log");
    let all: Vec<Step<'static>> = vec![
        step(&["reset", "one"], |path| {
            fs::create_dir(path.parent().unwrap()).unwrap();
            append(path, "one\n");
        }),
        step(&["two"], |path| append(path, "two\n")),
    ];
    take(follow(&path), &path, &Rc::new(all));
}

#[cfg(target_os = "linux")]
#[test]
fn more_may_happen_than_the_system_can_tell() {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    if limit > 100_000 {
        return common::skipped("the system keeps very many notices");
    }
    let directory = Directory::new();
    let path = directory.file("log", "");
    let all: Vec<Step<'static>> = vec![
        step(&["one"], |path| append(path, "one\n")),
        step(&["reset", "two"], move |path| {
            for _ in 0..limit {
                File::create(path.with_extension("x")).unwrap();
                fs::remove_file(path.with_extension("x")).unwrap();
            }
            moved(path, "1");
            append(path, "two\n");
        }),
        step(&["three"], |path| append(path, "three\n")),
    ];
    // No poll is to find it instead.
    let builder = follow(&path).poll_interval(std::time::Duration::from_secs(1000));
    take(builder, &path, &Rc::new(all));
}

/// Follows until some lines have come, and gives the place then.
fn follow_for(
    builder: FollowTailBuilder,
    lines: usize,
) -> (Vec<String>, Option<poe_wheel::Position>) {
    let (kernel, log) = (kernel(), Log::default());
    let place = Rc::new(RefCell::new(None));
    let (l, p) = (log.clone(), place.clone());
    spawn(&kernel, builder, move |cx, event| {
        if !matches!(event, Event::Start) {
            l.push(event);
        }
        if l.len() == lines {
            *p.borrow_mut() = own(cx).position().unwrap();
            *cx.heap = None;
        }
    });
    run(&kernel);
    (log.take(), place.take())
}

#[test]
fn another_wheel_goes_on_where_one_ended() {
    let directory = Directory::new();
    let path = directory.file("log", "one\ntwo\nthree\nfour\n");
    let (seen, place) = follow_for(follow(&path).seek(0), 2);
    assert_eq!(seen, ["one", "two"]);
    let place = place.unwrap();
    assert_eq!(place.offset(), 8);
    let go_on = |lines| follow_for(follow(&path).position(place.clone()), lines);
    assert_eq!(go_on(2).0, ["three", "four"]);

    // The file is moved, and another one is in its place.
    moved(&path, "1");
    append(path.with_extension("1"), "five\n");
    append(&path, "six\n");
    let (seen, last) = go_on(5);
    assert_eq!(seen, ["three", "four", "five", "reset", "six"]);
    assert_eq!(last.unwrap().offset(), 4);

    // The file of the place is gone.
    fs::remove_file(path.with_extension("1")).unwrap();
    assert_eq!(go_on(2).0, ["reset", "six"]);
}

#[test]
fn a_file_that_was_moved_is_gone_on_with_though_none_has_its_name_yet() {
    let directory = Directory::new();
    let path = directory.file("log", "one\ntwo\n");
    let (_, place) = follow_for(follow(&path).seek(0), 1);
    moved(&path, "1");
    // Nor is it read again when others have come and gone.
    let all: Vec<Step<'static>> = vec![
        step(&["two"], |_| {}),
        step(&["reset", "three"], |path| {
            fs::rename(path.with_extension("1"), path.with_extension("2")).unwrap();
            append(path, "three\n");
        }),
        step(&["reset", "four"], |path| {
            moved(path, "1");
            append(path, "four\n");
        }),
    ];
    take(follow(&path).position(place.unwrap()), &path, &Rc::new(all));
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_is_one_in_the_first_of_the_files_that_come_late() {
    let directory = Directory::new();
    let path = directory.path("log");
    let late = |path: &Path| {
        append(path, "one\ntwo\n");
        moved(path, "1");
        append(path, "three\n");
    };
    let all: Vec<Step<'static>> = vec![step(&["reset", "two", "reset", "three"], late)];
    take(follow(&path).seek(4), &path, &Rc::new(all));

    // So is one of a file that is not there any more.
    let directory = Directory::new();
    let path = directory.file("log", "zero\n");
    let (_, place) = follow_for(follow(&path).seek(0), 1);
    fs::remove_file(&path).unwrap();
    let all: Vec<Step<'static>> = vec![step(&["reset", "one", "two", "reset", "three"], late)];
    take(follow(&path).position(place.unwrap()), &path, &Rc::new(all));
}

#[test]
fn all_files_since_a_place_are_read() {
    use std::time::{Duration, SystemTime};

    let begin = SystemTime::now() - Duration::from_secs(100_000);
    for (suffixes, unrelated) in [
        (["4", "3", "2"], ["5", "1.gz", "20261122"]),
        (["20261120", "20261121", "20261122"], ["20261119", "20261121.gz", "1"]),
    ] {
        let directory = Directory::new();
        let path = directory.file("log", "one\ntwo\n");
        let (_, place) = follow_for(follow(&path).seek(0), 1);
        let write = |suffix: &str, text: &str, hour: u32| {
            let path = path.with_extension(suffix);
            append(&path, text);
            let file = File::options().append(true).open(&path).unwrap();
            file.set_modified(begin + hour * Duration::from_secs(3600)).unwrap();
        };
        moved(&path, suffixes[0]);
        write(suffixes[0], "three\n", 10);
        write(suffixes[1], "four\n", 11);
        write(suffixes[2], "five\n", 12);
        unrelated.iter().for_each(|suffix| write(suffix, "never\n", 13));
        append(&path, "six\n");
        let (seen, _) = follow_for(follow(&path).position(place.unwrap()), 8);
        let expected = ["two", "three", "reset", "four", "reset", "five", "reset", "six"];
        assert_eq!(seen, expected, "{suffixes:?}");
    }
}

#[test]
fn a_file_that_was_not_written_to_since_a_place_is_not_after_it() {
    let directory = Directory::new();
    // Here the greater number is the later one.
    let path = directory.file("log.1", "never\n").with_extension("");
    let hour = std::time::Duration::from_secs(3600);
    let old = File::options().append(true).open(path.with_extension("1")).unwrap();
    old.set_modified(std::time::SystemTime::now() - hour).unwrap();
    append(&path, "one\ntwo\n");
    let (_, place) = follow_for(follow(&path).seek(0), 1);
    moved(&path, "2");
    append(&path, "three\n");
    let (seen, _) = follow_for(follow(&path).position(place.unwrap()), 3);
    assert_eq!(seen, ["two", "reset", "three"]);
}

#[test]
fn a_place_in_other_contents_is_none() {
    let directory = Directory::new();
    let path = directory.file("log", "one\ntwo\nthree\n");
    let place = follow_for(follow(&path).seek(0), 2).1.unwrap();
    for text in ["ONE\ntwo\nthree\n", "a\n"] {
        // The same inode.
        fs::write(&path, text).unwrap();
        let first = text.lines().next().unwrap();
        assert_eq!(follow_for(follow(&path).position(place.clone()), 2).0, ["reset", first]);
    }
    // And a file that comes late.
    fs::remove_file(&path).unwrap();
    let late: Vec<Step<'static>> = vec![step(&["reset", "one"], |path| append(path, "one\n"))];
    take(follow(&path).position(place), &path, &Rc::new(late));
}

#[cfg(feature = "serde")]
#[test]
fn a_place_can_be_stored() {
    let directory = Directory::new();
    let path = directory.file("log", "one\ntwo\n");
    let place = follow_for(follow(&path).seek(0), 1).1.unwrap();
    let stored = serde_json::to_string(&place).unwrap();
    let place: poe_wheel::Position = serde_json::from_str(&stored).unwrap();
    assert_eq!(follow_for(follow(&path).position(place), 1).0, ["two"]);
}

#[test]
fn old_files_are_closed_after_a_while() {
    let directory = Directory::new();
    let path = directory.file("log", "0\n");
    let (kernel, lines) = (kernel(), Cell::new(0));
    let folder = path.parent().unwrap().to_owned();
    let ours = move || {
        let links = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
        targets.filter(|target| target.starts_with(&folder)).count()
    };
    spawn(&kernel, follow(&path).seek(0).idle_event("idle"), move |cx, event| match event {
        Event::Input(_) if lines.get() < 5 => {
            lines.set(lines.get() + 1);
            moved(&path, &lines.get().to_string());
            append(&path, &format!("{}\n", lines.get()));
        }
        Event::Idle if lines.get() == 5 && ours() == 1 => {
            fs::remove_file(&path).unwrap();
            lines.set(6);
        }
        Event::Idle if lines.get() == 6 && ours() == 0 => *cx.heap = None,
        _ => {}
    });
    run(&kernel);
}

#[test]
fn a_file_is_heard_after_its_name_has_gone_however_long_it_was_quiet_before() {
    let directory = Directory::new();
    let path = directory.file("log", "one\n");
    let (kernel, log) = (kernel(), Log::default());
    let (l, idle, file) = (log.clone(), Cell::new(0), RefCell::new(None));
    spawn(&kernel, follow(&path).seek(0).idle_event("idle"), move |cx, event| match event {
        Event::Idle => {
            idle.set(idle.get() + 1);
            if idle.get() == 8 {
                *file.borrow_mut() = Some(File::options().append(true).open(&path).unwrap());
                moved(&path, "1");
                append(&path, "two\n");
            } else if idle.get() == 10 {
                // The writer has not learnt of it before.
                append(path.with_extension("1"), "late\n");
            }
        }
        Event::Input(line) => {
            l.push(line.escape_ascii());
            if line == "late" {
                *cx.heap = None;
            }
        }
        _ => {}
    });
    run(&kernel);
    assert_eq!(log.take(), ["one", "two", "late"]);
}

#[test]
fn a_file_that_cannot_be_opened_does_not_keep_from_the_next() {
    let directory = Directory::new();
    let path = directory.path("log");
    // A socket is no file that could be opened.
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let steps: Vec<Step<'static>> = vec![
        step(&["error open: No such device or address (os error 6)"], |_| {}),
        step(&["reset", "one"], |path| {
            moved(path, "1");
            append(path, "one\n");
        }),
        step(&["two", "reset", "three"], |path| {
            append(path, "two\n");
            moved(path, "2");
            append(path, "three\n");
        }),
    ];
    take(follow(&path), &path, &Rc::new(steps));
    drop(listener);
}

#[test]
fn a_file_that_gets_its_name_back_is_gone_on_with() {
    let directory = Directory::new();
    let path = directory.file("log", "one\n");
    let (kernel, log) = (kernel(), Log::default());
    let (l, idle) = (log.clone(), Cell::new(0));
    spawn(&kernel, follow(&path).seek(0).idle_event("idle"), move |cx, event| match event {
        Event::Idle => {
            idle.set(idle.get() + 1);
            if idle.get() == 10 {
                // The first one was closed long ago.
                moved(&path, "2");
                fs::rename(path.with_extension("1"), &path).unwrap();
                append(&path, "three\n");
            }
        }
        Event::Input(line) => {
            l.push(line.escape_ascii());
            if line == "one" {
                moved(&path, "1");
                append(&path, "two\n");
            } else if line == "three" {
                *cx.heap = None;
            }
        }
        _ => {}
    });
    run(&kernel);
    assert_eq!(log.take(), ["one", "two", "three"]);
}

#[test]
fn a_directory_may_be_replaced_however_that_is_done() {
    let replace: [fn(&Path); 3] = [
        // It goes, and comes back.
        |folder| {
            fs::remove_dir_all(folder).unwrap();
            fs::create_dir(folder).unwrap();
        },
        // It is moved away.
        |folder| {
            fs::rename(folder, folder.with_extension("old")).unwrap();
            fs::create_dir(folder).unwrap();
        },
        // One above it is.
        |folder| {
            let above = folder.parent().unwrap();
            fs::rename(above, above.with_extension("old")).unwrap();
            fs::create_dir_all(folder).unwrap();
        },
    ];
    for replace in replace {
        let directory = Directory::new();
        let folder = directory.path("above").join("folder");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("log");
        append(&path, "one\n");
        let steps: Vec<Step<'static>> = vec![
            step(&["one"], |_| {}),
            step(&["reset", "two"], move |path| {
                replace(path.parent().unwrap());
                append(path, "two\n");
            }),
            // The system tells of this directory from then on, and this file has its name for a moment only.
            step(&["three", "reset", "four", "reset", "five"], |path| {
                append(path, "three\n");
                moved(path, "1");
                append(path, "four\n");
                fs::rename(path.with_extension("1"), path.with_extension("2")).unwrap();
                moved(path, "1");
                append(path, "five\n");
            }),
        ];
        take(follow(&path).seek(0), &path, &Rc::new(steps));
    }
}
