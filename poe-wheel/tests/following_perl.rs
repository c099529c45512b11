//! The same files, followed by Perl's POE.

mod common;

use std::cell::RefCell;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use common::tails::{Directory, Event, append, follow, spawn};
use common::{Log, kernel, run};
use poe_wheel::FollowTailBuilder;

const TEXT: &str = "l1\nl2\nl3\n";

const PLACES: [&str; 10] = [
    "none",
    "Seek=0",
    "Seek=3",
    "SeekBack=6",
    "SeekBack=5",
    "SeekBack=100",
    "SeekBack=-3",
    "Seek=-6",
    "Seek=100",
    "SeekBack=0",
];

type Act = Box<dyn Fn(&Path)>;

/// What comes, with something done at each idle poll.
fn ours(builder: FollowTailBuilder, path: &Path, acts: Vec<Act>) -> String {
    let (kernel, log) = (kernel(), Log::default());
    let (l, path) = (log.clone(), path.to_owned());
    let acts = RefCell::new(acts.into_iter());
    spawn(&kernel, builder.idle_event("idle"), move |cx, event| match event {
        Event::Start => {}
        Event::Idle => match acts.borrow_mut().next() {
            Some(act) => act(&path),
            None => *cx.heap = None,
        },
        event => {
            l.push(event);
        }
    });
    run(&kernel);
    log.take().iter().fold(String::new(), |text, line| text + " " + line)
}

#[test]
// Conformance: WFT-08, WFT-09
fn perls_poe_sees_the_same() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/perl/follow_tail.pl");
    let mut perl = Command::new("perl");
    perl.args(["-MPOE", "-e", "1"]).env_remove("POE_EVENT_LOOP");
    if !perl.output().is_ok_and(|output| output.status.success()) {
        return common::skipped("Perl's POE is not installed (libpoe-perl)");
    }
    let directory = Directory::new();
    let theirs = directory.file("theirs", TEXT);
    let mut command = Command::new("perl");
    command.arg(script).arg(&theirs).args(PLACES).env_remove("POE_EVENT_LOOP");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let path = directory.file("ours", TEXT);
    let mut expected = String::new();
    for place in PLACES {
        let builder = match place.split_once('=') {
            Some(("Seek", octets)) => follow(&path).seek(octets.parse().unwrap()),
            Some((_, octets)) => follow(&path).seek_back(octets.parse().unwrap()),
            None => follow(&path),
        };
        writeln!(expected, "{place}:{}", ours(builder, &path, vec![])).unwrap();
    }
    let acts: Vec<Act> = vec![
        Box::new(|path| append(path, "l4\n")),
        Box::new(|path| {
            append(path, "l5\n");
            fs::rename(path, path.with_extension("1")).unwrap();
            append(path, "n1\n");
        }),
        Box::new(|path| File::options().write(true).open(path).unwrap().set_len(0).unwrap()),
        Box::new(|path| append(path, "t1\n")),
    ];
    writeln!(expected, "rotated:{}", ours(follow(&path), &path, acts)).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
