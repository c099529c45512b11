//! Files that grow: where a wheel begins, what it reads, and what it says.

mod common;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use common::tails::{Directory, Event, append, follow, own, spawn, with_events};
use common::{Log, kernel, once, run};
use poe_driver::{Driver, SysRw};
use poe_filter::{Block, Line, LineBlock, Lines, RecordBlock};
use poe_session::prelude::*;
use poe_wheel::{FollowTail, FollowTailBuilder, FollowTailEvent, Input, WheelError, WheelId};

/// What comes of a file up to the first idle poll.
fn read(builder: FollowTailBuilder) -> Vec<String> {
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(
        &kernel,
        builder.idle_event("idle").partial_event("partial"),
        move |cx, event| match event {
            Event::Idle => *cx.heap = None,
            Event::Start => {}
            event => l.push(event),
        },
    );
    run(&kernel);
    log.take()
}

#[test]
// Conformance: WFT-09
fn a_wheel_begins_where_it_is_told_to() {
    let directory = Directory::new();
    let path = directory.file("log", "l1\nl2\nl3\n");
    let all = ["l1", "l2", "l3"];
    assert_eq!(read(follow(&path)), [""; 0]);
    assert_eq!(read(follow(&path).seek(0)), all);
    assert_eq!(read(follow(&path).seek(3)), ["l2", "l3"]);
    assert_eq!(read(follow(&path).seek_back(6)), ["l2", "l3"]);
    assert_eq!(read(follow(&path).seek_back(5)), ["2", "l3"]);
    assert_eq!(read(follow(&path).seek_back(100)), all);
    assert_eq!(read(follow(&path).seek(-6)), ["l2", "l3"]);
    assert_eq!(read(follow(&path).seek_back(-3)), ["l2", "l3"]);
    assert_eq!(read(follow(&path).seek_back(0)), [""; 0]);
    assert_eq!(read(follow(&path).seek(100)), [""; 0]);
    let handle = |path| with_events(FollowTail::build_handle(File::open(path).unwrap()));
    assert_eq!(read(handle(&path)), [""; 0]);
    assert_eq!(read(handle(&path).seek(3)), ["l2", "l3"]);
}

#[test]
fn a_file_may_be_longer_than_four_gibibytes() {
    const HOLE: i64 = 5 << 30;
    let directory = Directory::new();
    let path = directory.file("log", "");
    let file = File::options().append(true).open(&path).unwrap();
    file.set_len(HOLE as u64).unwrap();
    append(&path, "one\ntwo\n");
    assert_eq!(read(follow(&path).seek(HOLE)), ["one", "two"]);
    assert_eq!(read(follow(&path).seek_back(4)), ["two"]);
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, follow(&path), move |cx, event| match event {
        Event::Start => append(&path, "three\n"),
        Event::Input(line) => {
            assert_eq!(line, "three");
            l.push(own(cx).tell().unwrap());
            *cx.heap = None;
        }
        _ => {}
    });
    run(&kernel);
    assert_eq!(log.take(), [(HOLE + 14).to_string()]);
}

#[test]
fn a_wheel_can_begin_with_whole_records() {
    let directory = Directory::new();
    let path = directory.file("log", "one\ntwo\nthree\n");
    let from = |octets| read(follow(&path).seek(octets).whole_records());
    assert_eq!(from(0), ["one", "two", "three"]);
    assert_eq!(from(1), ["two", "three"]);
    assert_eq!(from(3), ["two", "three"]);
    assert_eq!(from(4), ["two", "three"]);
    assert_eq!(from(5), ["three"]);
    assert_eq!(from(13), [""; 0]);
    assert_eq!(read(follow(&path).seek_back(6).whole_records()), ["three"]);
    assert_eq!(read(follow(&path).seek_back(7).whole_records()), ["three"]);
}

#[test]
fn all_lines_of_a_read_may_come_in_one_event() {
    let directory = Directory::new();
    let path = directory.file("log", &format!("rest of one\n{}un", "a line\n".repeat(500)));
    let (kernel, log) = (kernel(), Log::default());
    let (l, p) = (log.clone(), path.clone());
    let builder = once(FollowTail::build(&path).filter(LineBlock::new()));
    Session::build(None::<FollowTail<Lines>>)
        .on_start(move |cx| {
            let builder = builder().seek(3).whole_records().input_event("lines");
            *cx.heap = Some(builder.idle_event("idle").spawn(cx.kernel).unwrap());
        })
        .on("lines", move |cx, input: Input<Lines>| {
            let lines: Vec<_> = input.record.iter().collect();
            l.push(format!("{} {}", lines.len(), String::from_utf8_lossy(lines[0])));
            if lines[0] == b"unfinished" {
                assert_eq!(cx.heap.as_ref().unwrap().tell(), Some(12 + 7 * 500 + 11));
                *cx.heap = None;
            }
        })
        .on("idle", move |_, _: WheelId| append(&p, "finished\n"))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.take(), ["500 a line", "1 unfinished"]);
}

#[test]
// Conformance: WFT-04
fn what_is_there_is_old_and_what_comes_is_new() {
    let directory = Directory::new();
    let path = directory.file("log", "old line!another!");
    let (kernel, log) = (kernel(), Log::default());
    let (l, p) = (log.clone(), path.clone());
    let line = Line::literal("!").unwrap();
    spawn(
        &kernel,
        with_events(FollowTail::build(&path).filter(line)),
        move |cx, event| match event {
            Event::Start => append(&p, "new line!"),
            Event::Do(what) => l.push(what),
            event => {
                l.push(event);
                cx.yield_event("do", "end");
                *cx.heap = None;
            }
        },
    );
    run(&kernel);
    assert_eq!(log.take(), ["new line", "end"]);
}

#[test]
fn a_record_that_was_begun_before_comes_whole() {
    let directory = Directory::new();
    for old in ["", "old\n", &"x\n".repeat(10_000)] {
        let path = directory.file("log", &format!("{old}incompl"));
        let (kernel, log) = (kernel(), Log::default());
        let l = log.clone();
        spawn(&kernel, follow(&path), move |cx, event| match event {
            Event::Start => append(&path, "ete\nmore\n"),
            event => {
                l.push(event);
                if l.len() == 2 {
                    *cx.heap = None;
                }
            }
        });
        run(&kernel);
        assert_eq!(log.take(), ["incomplete", "more"]);
    }
}

#[test]
// Conformance: WFT-10
fn a_handle_is_followed_wherever_it_stands() {
    let directory = Directory::new();
    let path = directory.file("log", "old\n");
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let handle = File::open(&path).unwrap();
    spawn(&kernel, with_events(FollowTail::build_handle(handle)), move |cx, event| match event {
        Event::Start => append(&path, "one\n"),
        Event::Input(line) if line == "one" => {
            // Its name is nothing to a handle.
            std::fs::rename(&path, path.with_extension("1")).unwrap();
            append(path.with_extension("1"), "two\n");
        }
        event => {
            l.push(event);
            *cx.heap = None;
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["two"]);
}

#[test]
// Conformance: WFT-01
fn a_socket_is_followed_in_blocks() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    for _ in 0..5 {
        theirs.write_all(&[b'x'; 32]).unwrap();
    }
    theirs.write_all(b"the end, for now").unwrap();
    let builder = with_events(FollowTail::build_handle(ours))
        .filter(Block::fixed(16).unwrap())
        .driver(SysRw::builder().block_size(24).build().unwrap());
    let l = log.clone();
    spawn(&kernel, builder, move |cx, event| match event {
        Event::Start => assert_eq!(own(cx).tell(), None),
        event => {
            let is_last = matches!(&event, Event::Input(block) if block == "the end, for now");
            l.push(event);
            if is_last {
                *cx.heap = None;
            }
        }
    });
    run(&kernel);
    let log = log.take();
    assert_eq!(log.len(), 11, "{log:?}");
    assert!(log[..10].iter().all(|block| *block == "x".repeat(16)), "{log:?}");
    drop(theirs);
}

#[test]
fn the_end_of_a_stream_is_told_with_what_was_left_of_a_record() {
    for with_partial in [false, true] {
        let (kernel, log) = (kernel(), Log::default());
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"line\nrest").unwrap();
        drop(theirs);
        let mut builder = with_events(FollowTail::build_handle(ours));
        if with_partial {
            builder = builder.partial_event("partial");
        }
        let l = log.clone();
        // The wheel is kept: its end does not hold the session.
        spawn(&kernel, builder, move |_, event| l.push(event));
        run(&kernel);
        let end: &[&str] = if with_partial {
            &["partial rest", "error read: end of file"]
        } else {
            &["error read: end of file after 4 octets of a record"]
        };
        let expected: Vec<&str> = ["start", "line"].iter().chain(end).copied().collect();
        assert_eq!(log.take(), expected);
    }
}

#[test]
fn pipes_and_terminals_are_read_as_they_come() {
    let (kernel, log) = (kernel(), Log::default());
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"from a pipe\n").unwrap();
    let l = log.clone();
    spawn(&kernel, with_events(FollowTail::build_handle(reader)), move |cx, event| {
        l.push(&event);
        if let Event::Input(_) = event {
            assert!(!own(cx).is_notified());
            *cx.heap = None;
        }
    });
    let pty = nix::pty::openpty(None, None).unwrap();
    nix::unistd::write(&pty.master, b"typed\n").unwrap();
    let name = nix::unistd::ttyname(&pty.slave).unwrap();
    let (l, master) = (log.clone(), RefCell::new(Some(pty.master)));
    drop(pty.slave);
    spawn(&kernel, follow(name), move |cx, event| match event {
        Event::Start => {}
        Event::Input(line) => {
            l.push(line.escape_ascii());
            drop(master.take());
        }
        event => {
            l.push(event.to_string().split(':').next().unwrap());
            *cx.heap = None;
        }
    });
    run(&kernel);
    let mut log = log.take();
    log.sort();
    assert_eq!(log, ["error read", "from a pipe", "start", "typed"]);
}

#[test]
fn a_fifo_by_name_does_not_end_with_its_writers() {
    let directory = Directory::new();
    let path = directory.path("fifo");
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    // It is not there yet.
    spawn(&kernel, follow(&path).idle_event("idle"), move |cx, event| match event {
        Event::Start => {}
        Event::Idle => {
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
            own(cx).event(FollowTailEvent::Idle, "other");
            append_when_read(&path, "first\n");
        }
        Event::Reset => l.push(event),
        Event::Input(line) if line == "first" => append_when_read(&path, "second\n"),
        event => {
            l.push(event);
            *cx.heap = None;
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["reset", "second"]);
}

/// Writes to a pipe once somebody reads it, and closes it.
fn append_when_read(path: &std::path::Path, text: &'static str) {
    let path = path.to_owned();
    std::thread::spawn(move || append(path, text));
}

#[test]
// Conformance: WFT-03
fn events_come_under_their_present_names() {
    let directory = Directory::new();
    let path = directory.file("log", "");
    let (kernel, log) =
        (common::builder().virtual_clock(UNIX_EPOCH).build().unwrap(), Log::default());
    let wheel = Rc::new(RefCell::new(None::<FollowTail>));
    let say = |what: &'static str| {
        let l = log.clone();
        move |_: &mut Cx<'_, ()>, _: WheelId| l.push(what)
    };
    let (w, l, p) = (wheel.clone(), log.clone(), path.clone());
    let act = move |cx: &mut Cx<'_, ()>, step: u32| {
        let guard = w.borrow();
        let own = guard.as_ref().unwrap();
        match step {
            0 => own.event_end(FollowTailEvent::Idle),
            1 => own.event(FollowTailEvent::Idle, "still"),
            2 => {
                own.event(FollowTailEvent::Input, "line");
                append(&p, "line\n");
            }
            _ => {
                drop(guard);
                drop(w.take());
                return;
            }
        }
        l.push(format!("step {step}"));
        cx.delay("act", std::time::Duration::from_millis(25), step + 1);
    };
    let (w, l) = (wheel.clone(), log.clone());
    Session::build(())
        .on_start(move |cx| {
            let builder = follow(&path).polls_only().idle_event("idle");
            *w.borrow_mut() = Some(builder.spawn(cx.kernel).unwrap());
            cx.delay("act", std::time::Duration::from_millis(25), 0_u32);
        })
        .on("idle", say("idle"))
        .on("still", say("still idle"))
        .on("line", move |_, input: Input| l.push(input.record.escape_ascii()))
        .on("act", act)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let mut log = log.take();
    log.dedup();
    let expected = ["idle", "step 0", "step 1", "still idle", "step 2", "line", "still idle"];
    assert_eq!(log, expected);
}

#[test]
fn the_place_is_behind_what_was_delivered() {
    let directory = Directory::new();
    let path = directory.file("log", "one\ntwo\nthree\nunfin");
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, follow(&path).seek(0), move |cx, event| match event {
        Event::Start => assert_eq!(own(cx).tell(), Some(0)),
        event => {
            l.push(format!("{event} {:?}", own(cx).tell()));
            assert_eq!(own(cx).position().unwrap().map(|place| place.offset()), own(cx).tell());
            if own(cx).tell() == Some(14) {
                *cx.heap = None;
            }
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["one Some(4)", "two Some(8)", "three Some(14)"]);
}

#[test]
fn any_filter_serves() {
    let directory = Directory::new();
    let path = directory.file("log", "a\nb\nc\nd\ne\n");
    let kernel = kernel();
    let pairs = poe_filter::Filter::then(Line::new(), RecordBlock::new(2).unwrap());
    let builder = once(FollowTail::build(path).filter(pairs).seek(0).input_event("pair"));
    let seen = Rc::new(RefCell::new(Vec::new()));
    let s = seen.clone();
    Session::build(None)
        .on_start(move |cx| *cx.heap = Some(builder().spawn(cx.kernel).unwrap()))
        .on("pair", move |cx, input: Input<Vec<bytes::Bytes>>| {
            s.borrow_mut().push(input.record);
            let wheel: &FollowTail<_> = cx.heap.as_ref().unwrap();
            // What a layer has gathered is not delivered.
            assert_eq!(wheel.tell(), Some(4 * s.borrow().len() as u64));
            if s.borrow().len() == 2 {
                *cx.heap = None;
            }
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(*seen.borrow(), [["a", "b"], ["c", "d"]]);
}

#[test]
fn mistakes_are_errors_of_spawn() {
    let directory = Directory::new();
    let path = directory.file("log", "");
    let kernel = kernel();
    assert!(matches!(follow(&path).spawn(&kernel), Err(WheelError::NoActiveSession(_))));
    let folder = path.parent().unwrap().to_owned();
    Session::build(())
        .on_start(move |cx| {
            let error = FollowTail::build(&path).spawn(cx.kernel).unwrap_err();
            assert!(matches!(error, WheelError::NoInputEvent), "{error}");
            let error = follow(&path).seek(1).seek_back(1).spawn(cx.kernel).unwrap_err();
            assert!(matches!(error, WheelError::OnePlace), "{error}");
            let error = follow("").spawn(cx.kernel).unwrap_err();
            assert_eq!(error.to_string(), "a file to follow needs a name; this one is empty");
            let error = follow(&folder).spawn(cx.kernel).unwrap_err();
            assert!(error.to_string().ends_with(": it is a directory"), "{error}");
            let handle = File::open(&folder).unwrap();
            let error = with_events(FollowTail::build_handle(handle)).spawn(cx.kernel).unwrap_err();
            assert_eq!(error.to_string(), "cannot follow a handle: it is a directory");
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}

#[test]
fn a_huge_file_does_not_hold_the_loop() {
    let directory = Directory::new();
    let path = directory.file("log", &"some line\n".repeat(100_000));
    // The file is looked at once before a turn's events and once after them, and the timer that polls it is never due.
    let kernel = common::builder().virtual_clock(UNIX_EPOCH).build().unwrap();
    let (lines, most, turns) = (Cell::new(0), Cell::new(0), Rc::new(Cell::new(0)));
    let total = Cell::new(0);
    let t = turns.clone();
    spawn(&kernel, follow(path).seek(0), move |cx, event| match event {
        Event::Start => cx.yield_event("do", "turn"),
        Event::Do(_) if cx.heap.is_some() => {
            t.set(t.get() + 1);
            most.set(most.get().max(lines.take()));
            cx.yield_event("do", "turn");
        }
        Event::Input(_) => {
            lines.set(lines.get() + 1);
            total.set(total.get() + 1);
            if total.get() == 100_000 {
                assert!(most.get() <= 2 * 1024, "{}", most.get());
                *cx.heap = None;
            }
        }
        _ => {}
    });
    run(&kernel);
    assert!(turns.get() > 90, "{}", turns.get());
}

#[test]
fn a_pause_keeps_back_what_was_read_already() {
    let directory = Directory::new();
    let path = directory.file("log", "one\ntwo\nthree\n");
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, follow(path).seek(0), move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(line) if line == "one" => {
                own(cx).pause_input();
                cx.delay("do", common::tails::POLL * 3, "resume");
            }
            Event::Do(_) => own(cx).resume_input(),
            Event::Input(line) if line == "three" => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "one", "resume", "two", "three"]);
}

#[test]
fn a_driver_that_is_given_is_used_for_streams_only() {
    #[derive(Debug)]
    struct Refuses(SysRw);
    impl Driver for Refuses {
        fn get(
            &mut self,
            _: std::os::fd::BorrowedFd<'_>,
            _: &mut poe_driver::ReadBuffer,
        ) -> std::io::Result<poe_driver::Get> {
            Err(std::io::ErrorKind::PermissionDenied.into())
        }
        fn output(&mut self) -> &mut poe_driver::OutputQueue {
            self.0.output()
        }
        fn flush(&mut self, handle: std::os::fd::BorrowedFd<'_>) -> std::io::Result<usize> {
            self.0.flush(handle)
        }
        fn get_out_octets(&self) -> usize {
            0
        }
        fn get_out_messages_buffered(&self) -> usize {
            0
        }
        fn shutdown_output(&mut self, _: std::os::fd::BorrowedFd<'_>) -> std::io::Result<()> {
            Ok(())
        }
        fn discard_output(&mut self) -> usize {
            0
        }
    }
    let directory = Directory::new();
    let path = directory.file("log", "line\n");
    assert_eq!(read(follow(path).seek(0).driver(Refuses(SysRw::new()))), ["line"]);

    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let l = log.clone();
    let builder = with_events(FollowTail::build_handle(ours)).driver(Refuses(SysRw::new()));
    spawn(&kernel, builder, move |_, event| {
        if let Event::Error(error) = event {
            assert!(!error.is_recoverable() && error.operation == "read");
            l.push("refused");
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["refused"]);
}
