//! The end of a wheel: nothing is delivered after, and nothing is left behind.

mod common;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{
    Drops, Event, Log, Token, kernel, once, own, pair, pair_with, read_all, run, run_while, spawn,
    wheel, with_marks,
};
use poe_session::prelude::*;
use poe_wheel::{Input, IoError, Lingering, ReadWrite, WheelError, WheelId};

/// Runs a wheel that is dropped at one of its events, and logs what it says; `common` fails if anything follows.
fn drop_at(what: &'static str) -> Vec<String> {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, mut theirs) = pair();
    theirs.write_all(b"one\ntwo\nthree\n").unwrap();
    let l = log.clone();
    spawn(&kernel, with_marks(wheel(ours), 4, 8), move |cx, event| {
        l.push(&event);
        if matches!(event, Event::Start) {
            own(cx).put("above the high mark");
        }
        if event.to_string() == what {
            *cx.heap = None;
        }
    });
    run(&kernel);
    drop(theirs);
    log.take()
}

#[test]
fn a_wheel_may_be_dropped_by_each_of_its_events() {
    assert_eq!(drop_at("start"), ["start"]);
    assert_eq!(drop_at("high"), ["start", "high"]);
    assert_eq!(drop_at("low"), ["start", "high", "low"]);
    assert_eq!(drop_at("flushed"), ["start", "high", "low", "flushed"]);
    let first = ["start", "high", "low", "flushed", "input one"];
    assert_eq!(drop_at("input one"), first);
    assert_eq!(drop_at("input two"), [&first[..], &["input two"]].concat());
}

#[test]
fn a_wheel_may_be_dropped_by_its_error() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair_with("one\n");
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        if let Event::Error(_) = event {
            own(cx).put("into the void");
            *cx.heap = None;
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input one", "error read 0"]);
    assert_eq!(read_all(theirs), b"");
}

#[test]
fn a_wheel_replaced_by_assignment_leaves_the_new_one_alone() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair();
    let (ours, l) = (Rc::new(ours), log.clone());
    let handle = ours.clone();
    let theirs = RefCell::new(theirs);
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                // The old wheel is dropped after the new one has begun.
                *cx.heap = Some(wheel(handle.clone()).spawn(cx.kernel).unwrap());
                theirs.borrow_mut().write_all(b"one\n").unwrap();
            }
            Event::Input(_) => {
                *cx.heap = Some(wheel(handle.clone()).spawn(cx.kernel).unwrap());
                own(cx).put("echo");
            }
            Event::Flushed => theirs.borrow().shutdown(std::net::Shutdown::Write).unwrap(),
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input one", "flushed", "error read 0"]);
}

#[test]
fn output_that_is_queued_when_the_wheel_goes_is_discarded() {
    let kernel = kernel();
    let (ours, theirs) = pair();
    spawn(&kernel, wheel(ours), |cx, event| {
        if matches!(event, Event::Start) {
            own(cx).put("never sent");
            *cx.heap = None;
        }
    });
    run(&kernel);
    assert_eq!(read_all(theirs), b"");
}

#[test]
fn a_session_that_ends_in_a_second_flush_ends_the_run() {
    let kernel = kernel();
    let (ours, _theirs) = pair();
    let flushes = Cell::new(0);
    spawn(&kernel, wheel(ours), move |cx, event| match event {
        Event::Start => _ = own(cx).put("first"),
        Event::Flushed if flushes.replace(flushes.get() + 1) == 0 => _ = own(cx).put("second"),
        Event::Flushed => *cx.heap = None,
        _ => {}
    });
    run(&kernel);
}

/// A socket that counts its own drops.
struct Counted(UnixStream, #[expect(dead_code, reason = "counts")] Token);

impl AsFd for Counted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[test]
fn a_session_that_stops_drops_its_wheel_with_output_queued() {
    let (kernel, drops) = (kernel(), Drops::default());
    let (ours, mut theirs) = pair();
    let handle = Counted(ours, drops.token());
    spawn(&kernel, wheel(handle), |cx, event| match event {
        Event::Start => {
            own(cx).put(vec![b'x'; 8 << 20]);
            own(cx).flush();
            assert!(own(cx).get_driver_out_octets() > 0);
            cx.yield_event("do", "stop");
        }
        Event::Do(_) => cx.stop().unwrap(),
        _ => {}
    });
    run(&kernel);
    assert_eq!(drops.count(), 1);
    theirs.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_kernel_dropped_with_wheels_at_work_drops_them() {
    let drops = Drops::default();
    let kernel = kernel();
    let peers: Vec<UnixStream> = (0..10)
        .map(|n: u8| {
            let (ours, theirs) = pair();
            let handle = Counted(ours, drops.token());
            spawn(&kernel, with_marks(wheel(handle), 4, 8), move |cx, event| match event {
                // Some idle, some paused, some with output that waits, some with output not looked at yet.
                Event::Start if n.is_multiple_of(2) => _ = own(cx).put(vec![b'x'; 1 << 20]),
                Event::Start if n.is_multiple_of(3) => own(cx).pause_input(),
                _ => {}
            });
            theirs
        })
        .collect();
    let keep_running = Rc::new(Cell::new(true));
    let stop = keep_running.clone();
    Session::build(())
        .on_start(|cx| _ = cx.delay("end", Duration::from_millis(1), ()))
        .on("end", move |cx, ()| {
            stop.set(false);
            cx.delay("end", Duration::from_secs(100), ());
        })
        .spawn(&kernel)
        .unwrap();
    run_while(&kernel, || keep_running.get());
    assert_eq!(drops.count(), 0);
    drop(kernel);
    assert_eq!(drops.count(), 10);
    drop(peers);
}

#[test]
fn a_wheel_outlives_its_kernel_and_does_nothing() {
    let kernel = kernel();
    let (ours, theirs) = pair();
    let kept: Rc<RefCell<Option<ReadWrite>>> = Rc::default();
    let k = kept.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        if matches!(event, Event::Start) {
            *k.borrow_mut() = cx.heap.take();
            cx.delay("do", Duration::from_secs(100), "never");
        }
    });
    drop(kernel);
    let wheel = kept.take().unwrap();
    wheel.put("nobody writes this");
    wheel.pause_input();
    wheel.resume_input();
    wheel.shutdown_output();
    drop(wheel);
    assert_eq!(read_all(theirs), b"");
}

#[test]
fn a_wheel_may_move_to_another_heap_and_still_serves_the_session_it_began_in() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair_with("one\n");
    let make = once(ours);
    let (l, l2) = (log.clone(), log.clone());
    let keeper = Session::build(None::<ReadWrite>)
        .on_start(|cx| cx.alias_set("keeper").unwrap())
        .on("keep", |cx, wheel: ReadWrite| *cx.heap = Some(wheel))
        .on("put", |cx, input: Input| _ = cx.heap.as_ref().unwrap().put(input.record))
        .on("end", move |cx, ()| {
            l2.push("end");
            *cx.heap = None;
            cx.alias_remove("keeper").unwrap();
        })
        .spawn(&kernel)
        .unwrap();
    Session::build(())
        .on_start(move |cx| {
            let wheel = wheel(make()).spawn(cx.kernel).unwrap();
            assert_eq!(wheel.session(), cx.session());
            cx.post(keeper, "keep", wheel).unwrap();
        })
        .on("input", move |cx, input: Input| {
            l.push("input");
            cx.post(keeper, "put", input).unwrap();
        })
        .on("flushed", move |cx, _: WheelId| cx.post(keeper, "end", ()).unwrap())
        .on("error", |_, _: IoError| {})
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.take(), ["input", "end"]);
    assert_eq!(read_all(theirs), b"one\r\n");
}

#[test]
fn a_wheel_whose_session_has_stopped_holds_nothing_and_says_nothing() {
    let kernel = kernel();
    let (ours, theirs) = pair();
    let kept: Rc<RefCell<Option<ReadWrite>>> = Rc::default();
    let (k, k2) = (kept.clone(), kept.clone());
    Session::build(())
        .on_start(|cx| _ = cx.delay("look", Duration::from_millis(1), ()))
        .on("look", move |_, ()| {
            let kept = k2.borrow();
            let wheel = kept.as_ref().unwrap();
            wheel.put(vec![b'x'; 8 << 20]);
            wheel.flush();
            assert_eq!(wheel.get_driver_out_octets(), 0);
            assert!(!wheel.put("x"));
            assert_eq!(wheel.get_driver_out_octets(), 0);
        })
        .spawn(&kernel)
        .unwrap();
    spawn(&kernel, wheel(ours), move |cx, event| {
        if matches!(event, Event::Start) {
            *k.borrow_mut() = cx.heap.take();
            cx.stop().unwrap();
        }
    });
    run(&kernel);
    drop((kept, theirs));
}

// Conformance: WRW-01
#[cfg(target_os = "linux")]
#[test]
fn a_wheel_that_cannot_begin_leaves_nothing_behind() {
    let kernel = kernel();
    let told = Rc::new(Cell::new(false));
    let t = told.clone();
    let (ours, theirs) = pair_with("");
    let ours = Rc::new(ours);
    assert!(matches!(wheel(ours.clone()).spawn(&kernel), Err(WheelError::NoActiveSession(_))));
    let handle = ours.clone();
    Session::build(())
        .on_start(move |cx| {
            // Such a handle can be neither written nor made non-blocking; the other one could.
            const O_PATH: i32 = 0o10_000_000;
            let unusable = File::options().read(true).custom_flags(O_PATH).open("/").unwrap();
            let builder = common::with_events(ReadWrite::build_pair(handle.clone(), unusable));
            t.set(matches!(builder.spawn(cx.kernel), Err(WheelError::Watch(_))));
        })
        .on("error", |_, error: IoError| Err::<(), _>(error))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert!(told.get());
    drop(kernel);
    assert_eq!(Rc::strong_count(&ours), 1);
    drop(theirs);
}

#[test]
fn a_handler_that_panics_takes_its_wheel_along() {
    let (kernel, drops) = (kernel(), Drops::default());
    let (ours, theirs) = pair_with("one\n");
    let l = Log::default();
    let log = l.clone();
    spawn(&kernel, wheel(Counted(ours, drops.token())), move |_, event| {
        l.push(&event);
        assert!(!matches!(event, Event::Input(_)), "a fine record");
    });
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&kernel)));
    assert!(ran.is_err());
    assert_eq!(log.take(), ["start", "input one"]);
    assert_eq!(drops.count(), 1);
    drop(theirs);
}

#[test]
fn a_session_that_is_stopped_by_a_record_gets_none_of_those_read_with_it() {
    for move_away in [false, true] {
        let (kernel, log, drops) = (kernel(), Log::default(), Drops::default());
        let (ours, theirs) = pair_with("one\ntwo\nthree\nfour\n");
        let elsewhere = Rc::new(RefCell::new(None));
        let (l, keep) = (log.clone(), Rc::clone(&elsewhere));
        spawn(&kernel, wheel(Counted(ours, drops.token())), move |cx, event| {
            l.push(&event);
            if event.to_string() == "input two" {
                if move_away {
                    keep.replace(cx.heap.take());
                }
                cx.stop().unwrap();
            }
        });
        run(&kernel);
        assert_eq!(log.take(), ["start", "input one", "input two"]);
        assert_eq!(drops.count(), usize::from(!move_away), "the heap goes with its session");
        drop(elsewhere);
        assert_eq!(drops.count(), 1);
        drop(theirs);
    }
}

#[test]
fn a_session_that_handles_its_death_gets_the_records_after_the_one_it_died_of() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\ntwo\nthree\n");
    let l = log.clone();
    common::session(
        move |cx, event| {
            l.push(&event);
            match event {
                Event::Start => cx.sig("DIE", "died").unwrap(),
                Event::Input(line) => assert_ne!(line, "two", "a fine record"),
                Event::Error(_) => *cx.heap = None,
                _ => {}
            }
        },
        move |cx| wheel(ours.try_clone().unwrap()).spawn(cx.kernel).unwrap(),
    )
    .on("died", |cx, _: Signal| cx.sig_handled())
    .spawn(&kernel)
    .unwrap();
    run(&kernel);
    assert_eq!(log.take(), ["start", "input one", "input two", "input three", "error read 0"]);
}

#[test]
fn the_end_of_file_is_told_once_though_the_last_record_is_handled_in_turns() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\ntw");
    let l = log.clone();
    spawn(&kernel, wheel(ours).partial_event("partial"), move |cx, event| {
        l.push(&event);
        match event {
            Event::Partial(_) => {
                cx.suspend(Kernel::run_one_timeslice).unwrap();
                l.push("handled");
            }
            Event::Error(_) => drop(cx.delay_set("do", Duration::from_millis(50), "end")),
            Event::Do(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    let expected = ["start", "input one", "partial tw", "handled", "error read 0", "end"];
    assert_eq!(log.take(), expected);
}

#[test]
fn a_peer_that_reads_slowly_and_sends_meanwhile_receives_all_there_was_before_the_end() {
    const OCTETS: usize = 2_000_000;
    let kernel = kernel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let ours = listener.accept().unwrap().0;
    let client = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        client.write_all(b"still here\n").unwrap();
        thread::sleep(Duration::from_millis(100));
        read_all(client).len()
    });
    let lingering = Rc::new(RefCell::new(None));
    let keep = lingering.clone();
    spawn(&kernel, wheel(ours), move |cx, event| match event {
        Event::Start => _ = own(cx).put("x".repeat(OCTETS - 2)),
        Event::Flushed => {
            *keep.borrow_mut() = cx.heap.take().unwrap().linger(Duration::from_secs(5))
        }
        _ => {}
    });
    run(&kernel);
    assert_eq!(client.join().unwrap(), OCTETS);
    assert!(lingering.take().unwrap().is_over());
}

/// A TCP connection: our end, and the peer's.
fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, theirs)
}

const NEVER: Duration = Duration::from_secs(1000);

#[test]
fn a_peer_that_has_received_all_and_sends_nothing_is_not_waited_for() {
    const OCTETS: usize = 2_000_000;
    let kernel = kernel();
    let (ours, mut theirs) = tcp();
    let (lingers, wait) = mpsc::channel();
    let reader = thread::spawn(move || {
        wait.recv().unwrap();
        let mut came = vec![0; OCTETS];
        theirs.read_exact(&mut came).unwrap();
        // It does not end its side.
        theirs
    });
    let lingering = Rc::new(RefCell::new(None));
    let keep = lingering.clone();
    spawn(&kernel, wheel(ours), move |cx, event| match event {
        Event::Start => _ = own(cx).put("x".repeat(OCTETS - 2)),
        Event::Flushed => {
            *keep.borrow_mut() = cx.heap.take().unwrap().linger(NEVER);
            lingers.send(()).unwrap();
        }
        _ => {}
    });
    run(&kernel);
    let mut theirs = reader.join().unwrap();
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    assert!(lingering.take().is_none_or(|lingering| lingering.is_over()));
}

#[test]
fn a_peer_whose_input_was_paused_after_its_last_record_is_not_waited_for() {
    let kernel = kernel();
    let (ours, mut theirs) = tcp();
    theirs.write_all(b"quit\n").unwrap();
    let lingering = Rc::new(RefCell::new(None));
    let keep = lingering.clone();
    spawn(&kernel, wheel(ours), move |cx, event| match event {
        Event::Input(_) => {
            own(cx).pause_input();
            own(cx).put("bye");
        }
        Event::Flushed => *keep.borrow_mut() = cx.heap.take().unwrap().linger(NEVER),
        _ => {}
    });
    run(&kernel);
    assert!(lingering.take().is_none_or(|lingering| lingering.is_over()));
    // It has not ended its side.
    assert_eq!(read_all(theirs), b"bye\r\n");
}

/// A wheel that lingers, as its peer has sent something that is not read, and what to do then.
fn lingering(react: impl Fn(&mut Cx<'_, Option<ReadWrite>>, Lingering) + 'static) -> TcpStream {
    let kernel = kernel();
    let (ours, mut theirs) = tcp();
    theirs.write_all(b"one\ntwo\n").unwrap();
    spawn(&kernel, wheel(ours), move |cx, event| {
        if matches!(event, Event::Input(_)) {
            let lingering = cx.heap.take().unwrap().linger(NEVER).unwrap();
            assert!(!lingering.is_over());
            react(cx, lingering);
        }
    });
    run(&kernel);
    theirs
}

#[test]
fn a_lingering_connection_whose_session_has_stopped_is_over_and_closed() {
    let kept = Rc::new(RefCell::new(None));
    let keep = kept.clone();
    let mut theirs = lingering(move |cx, lingering| {
        *keep.borrow_mut() = Some(lingering);
        cx.stop().unwrap();
    });
    assert!(kept.borrow().as_ref().is_some_and(Lingering::is_over));
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    // Nobody is there any more.
    while theirs.write_all(b"three").is_ok() {}
}

#[test]
fn a_lingering_connection_may_be_given_less_time() {
    let kept = Rc::new(RefCell::new(None));
    let keep = kept.clone();
    let theirs = lingering(move |_, lingering| {
        lingering.set_limit(Duration::from_millis(1));
        *keep.borrow_mut() = Some(lingering);
    });
    let lingering = kept.take().unwrap();
    assert!(lingering.is_over());
    lingering.set_limit(NEVER);
    assert!(lingering.is_over());
    drop(theirs);
}
