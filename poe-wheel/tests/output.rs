//! Output: flushing, failures of writing, shutting down.

mod common;

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::thread;

use bytes::Bytes;
use common::{Event, Log, kernel, own, pair, read_all, run, spawn, wheel};
use nix::errno::Errno;
use poe_filter::{Filter, FilterError, Sink, Stream};
use poe_wheel::ReadWrite;

// Conformance: WRW-08
#[test]
fn two_lines_are_six_octets_two_messages_and_one_flush() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair();
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                let wheel = own(cx);
                wheel.put("x");
                wheel.put("y");
                assert_eq!(wheel.get_driver_out_octets(), 6);
                assert_eq!(wheel.get_driver_out_messages(), 2);
            }
            Event::Flushed => {
                assert_eq!(own(cx).get_driver_out_octets(), 0);
                assert_eq!(own(cx).get_driver_out_messages(), 0);
                let mut heard = [0; 6];
                (&theirs).read_exact(&mut heard).unwrap();
                assert_eq!(&heard, b"x\r\ny\r\n");
                theirs.shutdown(Shutdown::Both).unwrap();
            }
            Event::Error(error) => {
                assert_eq!((error.operation, error.errno()), ("read", 0));
                *cx.heap = None;
            }
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "flushed", "error read 0"]);
}

// Conformance: WRW-06
#[test]
fn a_wheel_dropped_when_flushed_has_lost_nothing() {
    let kernel = kernel();
    let (ours, theirs) = pair();
    spawn(&kernel, wheel(ours), |cx, event| match event {
        Event::Start => _ = own(cx).put("done"),
        Event::Flushed => *cx.heap = None,
        _ => {}
    });
    run(&kernel);
    assert_eq!(read_all(theirs), b"done\r\n");
}

#[test]
fn nothing_put_is_nothing_flushed() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair();
    let l = log.clone();
    spawn(&kernel, wheel(ours).filter(Stream::new()), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                own(cx).put("");
                own(cx).flush();
                cx.delay("do", std::time::Duration::from_millis(5), "end");
            }
            _ => *cx.heap = None,
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "end"]);
}

#[test]
fn flush_writes_at_once_and_tells_later() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair();
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                own(cx).put("now");
                own(cx).flush();
                assert_eq!(own(cx).get_driver_out_octets(), 0);
                let mut heard = [0; 5];
                (&theirs).read_exact(&mut heard).unwrap();
                assert_eq!(&heard, b"now\r\n");
                l.push("written");
            }
            _ => *cx.heap = None,
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "written", "flushed"]);
}

#[test]
fn each_flush_may_put_more() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair();
    let left = Cell::new(5);
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        if left.get() == 0 {
            *cx.heap = None;
        } else {
            own(cx).put(left.replace(left.get() - 1).to_string());
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "flushed", "flushed", "flushed", "flushed", "flushed"]);
    assert_eq!(read_all(theirs), b"5\r\n4\r\n3\r\n2\r\n1\r\n");
}

#[test]
fn a_write_that_fails_is_told_once_and_later_output_is_dropped() {
    let (kernel, log) = (kernel(), Log::default());
    let (reader, _sender) = std::io::pipe().unwrap();
    let (receiver, writer) = std::io::pipe().unwrap();
    drop(receiver);
    let l = log.clone();
    let builder = common::with_marks(ReadWrite::build_pair(reader, writer), 4, 8);
    spawn(&kernel, common::with_events(builder), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => _ = own(cx).put("a long line, above the mark"),
            Event::Error(error) => {
                assert_eq!(error.kind(), Some(std::io::ErrorKind::BrokenPipe));
                for _ in 0..1000 {
                    assert!(!own(cx).put("into the void"));
                }
                assert_eq!(own(cx).get_driver_out_octets(), 0);
                assert_eq!(own(cx).get_driver_out_messages(), 0);
                own(cx).flush();
                own(cx).shutdown_output();
                cx.delay("do", std::time::Duration::from_millis(5), "end");
            }
            Event::Do(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    let failed = format!("error write {}", Errno::EPIPE as i32);
    // Neither Low nor Flushed follows: what was queued has not gone.
    assert_eq!(log.take(), ["start", "high", &failed, "end"]);
}

#[test]
fn a_peer_that_goes_while_output_waits_is_an_error() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair();
    let theirs = Cell::new(Some(theirs));
    let l = log.clone();
    let builder =
        ReadWrite::build(ours).filter(Stream::new()).error_event("error").flushed_event("flushed");
    spawn(&kernel, builder, move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                own(cx).put(vec![b'x'; 4 << 20]);
                own(cx).flush();
                assert!(own(cx).get_driver_out_octets() > 0);
                cx.yield_event("do", "hang up");
            }
            Event::Do(_) => drop(theirs.take()),
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    let log = log.take();
    assert_eq!(log[..2], ["start", "hang up"]);
    let [epipe, reset] =
        [Errno::EPIPE, Errno::ECONNRESET].map(|e| format!("error write {}", e as i32));
    assert!(log.len() == 3 && (log[2] == epipe || log[2] == reset), "{log:?}");
}

#[test]
fn output_is_shut_down_when_all_of_it_has_gone() {
    const OCTETS: usize = 8 << 20;
    let (kernel, log) = (kernel(), Log::default());
    let (ours, mut theirs) = pair();
    let pattern: Bytes = (0..OCTETS).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
    let sent = pattern.clone();
    // Reads slowly, answers what it has heard, and closes.
    let peer = thread::spawn(move || {
        let (mut heard, mut piece) = (Vec::with_capacity(OCTETS), [0; 10_000]);
        loop {
            match theirs.read(&mut piece).unwrap() {
                0 => break,
                count => heard.extend_from_slice(&piece[..count]),
            }
            thread::yield_now();
        }
        theirs.write_all(b"thanks").unwrap();
        heard
    });
    let l = log.clone();
    spawn(&kernel, wheel(ours).filter(Stream::new()), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                own(cx).put(sent.slice(..OCTETS / 2));
                own(cx).put(sent.slice(OCTETS / 2..));
                own(cx).shutdown_output();
                // Too late: it is dropped.
                assert!(!own(cx).put("more"));
                own(cx).shutdown_output();
            }
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert!(peer.join().unwrap() == pattern);
    assert_eq!(log.take(), ["start", "flushed", "input thanks", "error read 0"]);
}

#[test]
fn shutting_down_output_that_is_empty_is_seen_by_the_peer() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair();
    let l = log.clone();
    let peer = thread::spawn(move || read_all(theirs));
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => own(cx).shutdown_output(),
            _ => *cx.heap = None,
        }
    });
    run(&kernel);
    assert_eq!(peer.join().unwrap(), b"");
    assert_eq!(log.take(), ["start", "error read 0"]);
}

#[test]
fn a_session_ends_when_both_directions_have() {
    let kernel = kernel();
    let (ours, theirs) = common::pair_with("bye\n");
    let stopped = Rc::new(Cell::new(false));
    let s = stopped.clone();
    // Keeps its wheel for as long as it lives.
    common::session(
        |cx, event| {
            if let Event::Error(_) = event {
                own(cx).put("bye");
                own(cx).shutdown_output();
            }
        },
        {
            let ours = common::once(ours);
            move |cx| wheel(ours()).spawn(cx.kernel).unwrap()
        },
    )
    .on_stop(move |cx| {
        assert!(cx.heap.is_some());
        s.set(true);
    })
    .spawn(&kernel)
    .unwrap();
    run(&kernel);
    assert!(stopped.get());
    assert_eq!(read_all(theirs), b"bye\r\n");
}

/// Refuses records that begin with a digit.
#[derive(Debug, Default)]
struct NoDigits(Stream);

impl Filter for NoDigits {
    type In = Bytes;
    type Out = Bytes;

    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        self.0.get_one_start(chunk)
    }

    fn get_one(&mut self) -> Result<Option<Bytes>, FilterError> {
        self.0.get_one()
    }

    fn finish(&mut self) -> Result<Option<Bytes>, FilterError> {
        self.0.finish()
    }

    fn put(&mut self, record: Bytes, sink: &mut dyn Sink) -> Result<(), FilterError> {
        match record.first() {
            Some(first) if first.is_ascii_digit() => Err(FilterError::record("a digit")),
            _ => self.0.put(record, sink),
        }
    }

    fn get_pending(&self) -> Bytes {
        self.0.get_pending()
    }

    fn take_pending(&mut self) -> Bytes {
        self.0.take_pending()
    }

    fn fresh(&self) -> Box<dyn Filter<In = Bytes, Out = Bytes>> {
        Box::new(Self::default())
    }
}

#[test]
fn a_record_that_cannot_be_serialized_is_an_error_and_the_others_go_out() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair();
    let l = log.clone();
    spawn(&kernel, wheel(ours).filter(NoDigits::default()), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => ["a", "1", "b", "2"].into_iter().for_each(|text| {
                own(cx).put(text);
            }),
            Event::Error(error) => {
                assert!(error.is_recoverable());
                assert_eq!(error.to_string(), "filter: record is unusable: a digit");
            }
            Event::Flushed => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "error filter 0", "error filter 0", "flushed"]);
    assert_eq!(read_all(theirs), b"ab");
}

#[test]
fn a_pipe_whose_output_is_shut_down_ends_when_all_has_gone_though_the_wheel_goes_on() {
    const OCTETS: usize = 1 << 20;
    let (kernel, log) = (kernel(), Log::default());
    let ((ours, mut theirs), (reader, writer)) = (pair(), std::io::pipe().unwrap());
    let reader = thread::spawn(move || {
        let octets = read_all(reader).len();
        theirs.write_all(b"got it\n").unwrap();
        octets
    });
    let l = log.clone();
    let builder = common::with_events(ReadWrite::build_pair(ours, writer));
    spawn(&kernel, builder, move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => {
                own(cx).put("x".repeat(OCTETS - 2));
                own(cx).shutdown_output();
                assert!(own(cx).get_output_handle().is_some());
            }
            Event::Input(_) => {
                assert!(own(cx).get_output_handle().is_none());
                assert!(!own(cx).put("too late"));
                own(cx).flush();
                own(cx).shutdown_output();
            }
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(reader.join().unwrap(), OCTETS);
    assert_eq!(log.take(), ["start", "flushed", "input got it", "error read 0"]);
}

#[test]
fn a_write_that_fails_is_told_though_the_session_had_nothing_else() {
    for at_once in [false, true] {
        let (ours, theirs) = pair();
        drop(theirs);
        let (kernel, log) = (kernel(), Log::default());
        let l = log.clone();
        let builder = ReadWrite::build(ours).error_event("error").flushed_event("flushed");
        spawn(&kernel, builder, move |cx, event| {
            l.push(&event);
            if let Event::Start = event {
                own(cx).put("lost");
                if at_once {
                    own(cx).flush();
                }
            }
        });
        run(&kernel);
        assert_eq!(
            log.take(),
            ["start".to_owned(), format!("error write {}", Errno::EPIPE as i32)]
        );
    }
}
