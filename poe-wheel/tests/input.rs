//! Input: records, the ends of input, refusals of the filter, pauses.

mod common;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use common::{Event, Log, kernel, own, pair, pair_with, read_all, run, spawn, wheel};
use nix::errno::Errno;
use poe_filter::{Block, FilterError, Line};
use poe_wheel::{IoCause, ReadWrite};

/// Logs everything, and ends with the input.
fn logging(log: &Log) -> impl common::React {
    let log = log.clone();
    move |cx, event| {
        log.push(&event);
        if matches!(event, Event::Error(_)) {
            *cx.heap = None;
        }
    }
}

/// What becomes of octets that are followed by the end of the input.
fn input_of(octets: impl AsRef<[u8]>) -> Vec<String> {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with(octets);
    spawn(&kernel, wheel(ours), logging(&log));
    run(&kernel);
    log.take()
}

// Conformance: WRW-04
#[test]
fn lines_come_in_order_and_then_the_end() {
    assert_eq!(
        input_of("one\r\ntwo\n\nfour\r\n"),
        ["start", "input one", "input two", "input ", "input four", "error read 0"]
    );
    assert_eq!(input_of(""), ["start", "error read 0"]);
}

#[test]
fn an_echo_says_all_it_hears_and_is_flushed() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair_with("a\nb\nc\n");
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(line) => assert!(!own(cx).put(line)),
            Event::Flushed => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    // One flush for the three records: what is put in a turn goes out at once.
    assert_eq!(log.take(), ["start", "input a", "input b", "input c", "flushed"]);
    assert_eq!(read_all(theirs), b"a\r\nb\r\nc\r\n");
}

#[test]
fn one_octet_at_a_time_makes_the_same_lines() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair_with("one\r\n\r\nthree\r\n");
    let driver = poe_driver::SysRw::builder().block_size(1).build().unwrap();
    let line = Line::literal("\r\n").unwrap();
    spawn(&kernel, wheel(ours).driver(driver).filter(line), logging(&log));
    run(&kernel);
    drop(theirs);
    assert_eq!(log.take(), ["start", "input one", "input ", "input three", "error read 0"]);
}

#[test]
fn a_terminator_may_be_split_between_two_reads() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, mut theirs) = pair();
    theirs.write_all(b"one\r").unwrap();
    let l = log.clone();
    let line = Line::literal("\r\n").unwrap();
    let theirs = std::cell::RefCell::new(theirs);
    spawn(&kernel, wheel(ours).filter(line), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => cx.yield_event("do", "look"),
            Event::Do(_) if own(cx).get_pending().is_empty() => cx.yield_event("do", "look"),
            Event::Do(_) => {
                assert_eq!(own(cx).get_pending(), "one\r");
                l.take();
                theirs.borrow_mut().write_all(b"\ntwo\r\n").unwrap();
                theirs.borrow().shutdown(Shutdown::Write).unwrap();
            }
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["input one", "input two", "error read 0"]);
}

#[test]
fn a_line_over_the_limit_is_reported_and_the_next_one_comes() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("ok\nmuch too long\nfine\n");
    let l = log.clone();
    let line = Line::builder().max_length(5).build().unwrap();
    spawn(&kernel, wheel(ours).filter(line), move |cx, event| {
        l.push(&event);
        if let Event::Error(error) = event {
            if error.is_eof() {
                *cx.heap = None;
                return;
            }
            assert!(error.is_recoverable());
            assert!(matches!(error.cause, IoCause::Filter(FilterError::LineTooLong { limit: 5 })));
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input ok", "error filter 0", "input fine", "error read 0"]);
}

#[test]
fn a_wheel_dropped_for_a_line_over_the_limit_says_no_more() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("much too long\nfine\n");
    let line = Line::builder().max_length(5).build().unwrap();
    spawn(&kernel, wheel(ours).filter(line), logging(&log));
    run(&kernel);
    assert_eq!(log.take(), ["start", "error filter 0"]);
}

#[test]
fn what_a_filter_cannot_go_on_after_ends_the_input_but_not_the_output() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair_with("1\0a99999999999999999999999\0b1\0c");
    let l = log.clone();
    spawn(&kernel, wheel(ours).filter(Block::new()), move |cx, event| {
        l.push(&event);
        match event {
            Event::Error(error) => {
                assert!(!error.is_recoverable() && !error.is_eof());
                own(cx).put("sorry");
            }
            Event::Flushed => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input a", "error filter 0", "flushed"]);
    assert_eq!(read_all(theirs), b"5\0sorry");
}

#[test]
fn the_end_within_a_record_tells_how_much_of_it_there_was() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\ntw");
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        if let Event::Error(error) = event {
            assert!(matches!(error.cause, IoCause::Eof { unfinished: 2 }));
            assert_eq!(error.to_string(), "read: end of file after 2 octets of a record");
            assert_eq!(own(cx).get_pending(), "tw");
            *cx.heap = None;
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input one", "error read 0"]);
}

#[test]
fn the_end_within_a_record_may_be_a_record_too() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\ntw");
    let l = log.clone();
    spawn(&kernel, wheel(ours).partial_event("partial"), move |cx, event| {
        l.push(&event);
        if let Event::Error(error) = event {
            assert!(matches!(error.cause, IoCause::Eof { unfinished: 0 }));
            *cx.heap = None;
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input one", "partial tw", "error read 0"]);
}

#[test]
fn a_partial_record_that_the_filter_refuses_is_counted() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("3\0abc5\0de");
    let l = log.clone();
    let builder = wheel(ours).filter(Block::new()).partial_event("partial");
    spawn(&kernel, builder, move |cx, event| {
        l.push(&event);
        if let Event::Error(error) = event {
            assert!(matches!(error.cause, IoCause::Eof { unfinished: 4 }));
            *cx.heap = None;
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input abc", "error read 0"]);
}

#[test]
fn a_wheel_dropped_for_a_partial_record_does_not_tell_the_end() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("tw");
    let l = log.clone();
    spawn(&kernel, wheel(ours).partial_event("partial"), move |cx, event| {
        l.push(&event);
        if matches!(event, Event::Partial(_)) {
            *cx.heap = None;
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "partial tw"]);
}

#[test]
fn a_peer_that_resets_is_an_error_with_its_number() {
    let (kernel, log) = (kernel(), Log::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut ours, _) = listener.accept().unwrap();
    // Closing with input unread, or with a linger time of nothing, resets.
    ours.write_all(b"unread").unwrap();
    socket2::SockRef::from(&theirs).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(theirs);
    spawn(&kernel, wheel(ours), logging(&log));
    run(&kernel);
    assert_eq!(log.take(), ["start", &format!("error read {}", Errno::ECONNRESET as i32)]);
}

// Conformance: WRW-08
#[test]
fn output_goes_on_after_the_peer_has_closed_its_half() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair_with("question\n");
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Error(error) => {
                assert!(error.is_eof());
                cx.yield_event("do", "answer");
            }
            Event::Do(_) => _ = own(cx).put("answer"),
            Event::Flushed => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input question", "error read 0", "answer", "flushed"]);
    assert_eq!(read_all(theirs), b"answer\r\n");
}

#[test]
fn input_that_is_shut_down_ends_without_an_event_and_drops_what_was_read() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, mut theirs) = pair();
    theirs.write_all(b"one\ntwo\nthree\n").unwrap();
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(record) if record == "two" => {
                own(cx).shutdown_input();
                own(cx).put("enough");
            }
            Event::Flushed => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input one", "input two", "flushed"]);
    let mut heard = [0; 8];
    theirs.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"enough\r\n");
}

#[test]
fn records_are_kept_back_while_input_is_paused_and_come_once_in_order() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\ntwo\nthree\nfour\n");
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(record) if record != "four" => {
                own(cx).pause_input();
                cx.yield_event("do", "think");
            }
            Event::Do("think") => cx.yield_event("do", "resume"),
            Event::Do("resume") => own(cx).resume_input(),
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(
        log.take(),
        [
            "start",
            "input one",
            "think",
            "resume",
            "input two",
            "think",
            "resume",
            "input three",
            "think",
            "resume",
            "input four",
            "error read 0"
        ]
    );
}

#[test]
fn a_pause_in_the_last_record_keeps_back_the_end_of_the_input() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\n");
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(_) => {
                own(cx).pause_input();
                cx.delay("do", std::time::Duration::from_millis(5), "resume");
            }
            Event::Do(_) => own(cx).resume_input(),
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input one", "resume", "error read 0"]);
}

#[test]
fn a_pause_that_is_taken_back_at_once_changes_nothing() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\ntwo\n");
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start | Event::Input(_) => {
                own(cx).resume_input();
                own(cx).pause_input();
                own(cx).pause_input();
                own(cx).resume_input();
            }
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input one", "input two", "error read 0"]);
}

#[test]
fn handlers_that_run_the_kernel_do_not_let_the_end_overtake_records() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\ntwo\nthree\n");
    let l = log.clone();
    spawn(&kernel, wheel(ours), move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(_) => {
                for _ in 0..3 {
                    cx.suspend(|kernel| kernel.run_one_timeslice().map(drop)).unwrap();
                }
            }
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input one", "input two", "input three", "error read 0"]);
}

#[test]
fn a_regular_file_is_read_to_its_end() {
    let (kernel, log) = (kernel(), Log::default());
    let path = std::env::temp_dir().join(format!("poe-wheel-input-{}", std::process::id()));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file.write_all(b"one\ntwo\n").unwrap();
    file.rewind().unwrap();
    spawn(&kernel, wheel(file), logging(&log));
    run(&kernel);
    assert_eq!(log.take(), ["start", "input one", "input two", "error read 0"]);
}

#[test]
fn a_regular_file_is_written() {
    let (kernel, log) = (kernel(), Log::default());
    let path = std::env::temp_dir().join(format!("poe-wheel-output-{}", std::process::id()));
    let file = File::create_new(&path).unwrap();
    let l = log.clone();
    let builder = ReadWrite::build(file).flushed_event("flushed").error_event("error");
    spawn(&kernel, builder, move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => _ = own(cx).put("kept"),
            _ => *cx.heap = None,
        }
    });
    run(&kernel);
    let written = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(log.take(), ["start", "flushed"]);
    assert_eq!(written, b"kept\r\n");
}

#[test]
fn one_handle_may_be_read_and_another_written() {
    let (kernel, log) = (kernel(), Log::default());
    let (reader, mut sender) = std::io::pipe().unwrap();
    let (receiver, writer) = std::io::pipe().unwrap();
    sender.write_all(b"3\0abc").unwrap();
    drop(sender);
    let l = log.clone();
    let builder = common::with_events(
        ReadWrite::build_pair(reader, writer).input_filter(Block::new()).output_filter(Line::new()),
    );
    spawn(&kernel, builder, move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(record) => _ = own(cx).put(record),
            Event::Flushed => own(cx).shutdown_output(),
            Event::Error(_) => cx.yield_event("do", "end"),
            Event::Do(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input abc", "flushed", "error read 0", "end"]);
    assert_eq!(read_all(receiver), b"abc\r\n");
}

#[test]
fn several_wheels_of_one_session_keep_apart() {
    use poe_session::prelude::*;
    use poe_wheel::{Input, IoError};
    const WHEELS: usize = 10;

    let kernel = kernel();
    let pairs: Vec<_> = (0..WHEELS).map(|n| pair_with(format!("{n}\n"))).collect();
    let (ours, theirs): (Vec<UnixStream>, Vec<UnixStream>) = pairs.into_iter().unzip();
    let ours = common::once(ours);
    Session::build(Vec::<ReadWrite>::new())
        .on_start(move |cx| {
            for handle in ours() {
                let wheel = wheel(handle).spawn(cx.kernel).unwrap();
                cx.heap.push(wheel);
            }
        })
        .on("input", |cx, input: Input| {
            let wheel = cx.heap.iter().find(|wheel| wheel.id() == input.wheel).unwrap();
            wheel.put(input.record);
        })
        .on("flushed", |cx, id: poe_wheel::WheelId| cx.heap.retain(|wheel| wheel.id() != id))
        .on("error", |_, error: IoError| assert!(error.is_eof()))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    for (n, theirs) in theirs.into_iter().enumerate() {
        assert_eq!(read_all(theirs), format!("{n}\r\n").as_bytes());
    }
}
