//! Drivers that do not do as one would like.

mod common;

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use bytes::Bytes;
use common::{Event, Log, kernel, own, pair, pair_with, read_all, run, spawn, wheel, with_marks};
use poe_driver::{Driver, Get, OutputQueue, ReadBuffer, SysRw};
use poe_filter::Stream;
use poe_wheel::ReadWrite;
use proptest::prelude::*;

/// What a faulty driver does at its next read or write.
#[derive(Clone, Debug)]
enum Fault {
    /// Moves so many octets.
    Short(usize),
    /// Moves none for now.
    Block,
    /// Fails with this error for ever.
    Fail(i32),
}

/// A `SysRw` that does as it is told, over and over; without a fault it does as asked.
#[derive(Debug, Default)]
struct Faulty {
    inner: SysRw,
    held: Bytes,
    out: OutputQueue,
    reads: Vec<Fault>,
    writes: Vec<Fault>,
    calls: Rc<RefCell<[usize; 3]>>,
    next: [usize; 2],
}

impl Faulty {
    fn next(faults: &[Fault], next: &mut usize) -> Fault {
        let fault = faults.get(*next % faults.len().max(1)).cloned();
        *next += 1;
        fault.unwrap_or(Fault::Short(usize::MAX))
    }
}

impl Driver for Faulty {
    fn get(&mut self, handle: BorrowedFd<'_>, buffer: &mut ReadBuffer) -> io::Result<Get> {
        self.calls.borrow_mut()[0] += 1;
        let count = match Self::next(&self.reads, &mut self.next[0]) {
            Fault::Short(count) => count,
            Fault::Block => return Ok(Get::Nothing),
            Fault::Fail(errno) => return Err(io::Error::from_raw_os_error(errno)),
        };
        if self.held.is_empty() {
            match self.inner.get(handle, buffer)? {
                Get::Octets(octets) => self.held = octets,
                other => return Ok(other),
            }
        }
        Ok(Get::Octets(self.held.split_to(count.min(self.held.len()))))
    }

    fn output(&mut self) -> &mut OutputQueue {
        self.calls.borrow_mut()[1] += 1;
        &mut self.out
    }

    fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<usize> {
        self.calls.borrow_mut()[2] += 1;
        let count = match Self::next(&self.writes, &mut self.next[1]) {
            Fault::Short(count) => count,
            Fault::Block => 0,
            Fault::Fail(errno) => return Err(io::Error::from_raw_os_error(errno)),
        };
        self.out.consume(|octets| {
            let octets = &octets[..count.min(octets.len())];
            self.inner.put(octets.to_vec().into());
            Ok(octets.len())
        })?;
        let left = self.inner.flush(handle)?;
        Ok(self.out.octets() + left)
    }

    fn get_out_octets(&self) -> usize {
        self.out.octets() + self.inner.get_out_octets()
    }

    fn get_out_messages_buffered(&self) -> usize {
        usize::from(self.get_out_octets() > 0)
    }

    fn has_input(&self) -> bool {
        !self.held.is_empty()
    }

    fn shutdown_output(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        self.inner.shutdown_output(handle)
    }

    fn discard_output(&mut self) -> usize {
        let octets = self.get_out_octets();
        self.out.clear();
        self.inner.discard_output();
        octets
    }
}

/// Faults that let some octets through in the end.
fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![Just(Fault::Block), (1_usize..5).prop_map(Fault::Short)];
    prop::collection::vec(fault, 0..8).prop_map(|mut faults| {
        faults.push(Fault::Short(1));
        faults
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn an_echo_through_a_faulty_driver_loses_nothing(
        lines in prop::collection::vec("[a-z]{0,12}", 0..12),
        reads in faults(),
        writes in faults(),
    ) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let (kernel, log) = (kernel(), Log::default());
        let (ours, theirs) = pair_with(&text);
        // Many writes of one octet fill a socket soon.
        let peer = std::thread::spawn(move || read_all(theirs));
        let driver = Faulty { reads, writes, ..Faulty::default() };
        let filter = poe_filter::Line::literal("\n").unwrap();
        let l = log.clone();
        let builder = with_marks(wheel(ours).driver(driver).filter(filter), 3, 10);
        spawn(&kernel, builder, move |cx, event| {
            l.push(&event);
            match event {
                Event::Input(line) => _ = own(cx).put(line),
                Event::Error(error) => {
                    assert!(error.is_eof(), "{error}");
                    own(cx).put("end");
                    own(cx).shutdown_output();
                    cx.yield_event("do", "wait");
                }
                Event::Do(_) if own(cx).get_driver_out_octets() > 0 => cx.yield_event("do", "wait"),
                Event::Do(_) => *cx.heap = None,
                _ => {}
            }
        });
        run(&kernel);
        prop_assert_eq!(String::from_utf8(peer.join().unwrap()).unwrap(), format!("{text}end\n"));
        let log = log.take();
        let inputs: Vec<_> = log.iter().filter_map(|line| line.strip_prefix("input ")).collect();
        prop_assert_eq!(inputs, lines);
        let marks: Vec<_> = log.iter().filter(|line| *line == "high" || *line == "low").collect();
        for pair in marks.chunks(2) {
            prop_assert_eq!(pair[0], "high");
            prop_assert!(pair.len() == 1 || pair[1] == "low");
        }
    }
}

#[test]
fn a_read_that_fails_leaves_the_output_as_it_is() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, theirs) = pair_with("one\ntwo\n");
    let driver =
        Faulty { reads: vec![Fault::Short(4), Fault::Fail(libc_eio())], ..Faulty::default() };
    let l = log.clone();
    spawn(&kernel, wheel(ours).driver(driver), move |cx, event| {
        l.push(&event);
        match event {
            Event::Error(_) => _ = own(cx).put("still here"),
            Event::Flushed => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    let failed = format!("error read {}", libc_eio());
    assert_eq!(log.take(), ["start", "input one", &failed, "flushed"]);
    assert_eq!(read_all(theirs), b"still here\r\n");
}

#[test]
fn a_write_that_fails_leaves_the_input_as_it_is() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("one\n");
    let driver =
        Faulty { writes: vec![Fault::Short(2), Fault::Fail(libc_eio())], ..Faulty::default() };
    let l = log.clone();
    spawn(&kernel, wheel(ours).driver(driver), move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => _ = own(cx).put("some"),
            Event::Error(error) if error.is_eof() => *cx.heap = None,
            Event::Error(error) => {
                assert_eq!((error.operation, error.errno()), ("write", libc_eio()));
                l.take();
            }
            _ => {}
        }
    });
    run(&kernel);
    let log = log.take();
    assert_eq!(log.last().unwrap(), "error read 0");
    assert!(!log.contains(&"flushed".to_owned()), "{log:?}");
}

fn libc_eio() -> i32 {
    nix::errno::Errno::EIO as i32
}

#[test]
fn input_that_a_driver_holds_is_read_after_a_pause_and_a_full_turn() {
    // Nothing announces what the driver holds: the peer sends no more, and does not close.
    let (kernel, log) = (kernel(), Log::default());
    let (ours, mut theirs) = pair();
    let mut text = String::new();
    for n in 0..3000 {
        text.push_str(&format!("{n}\n"));
    }
    io::Write::write_all(&mut theirs, text.as_bytes()).unwrap();
    let l = log.clone();
    let driver = Faulty { reads: vec![Fault::Short(6000)], ..Faulty::default() };
    spawn(&kernel, wheel(ours).driver(driver), move |cx, event| match event {
        Event::Input(record) => {
            l.push(record.escape_ascii());
            match &record[..] {
                b"10" | b"2000" => {
                    own(cx).pause_input();
                    cx.yield_event("do", "resume");
                }
                b"2999" => *cx.heap = None,
                _ => {}
            }
        }
        Event::Do(_) => own(cx).resume_input(),
        _ => {}
    });
    run(&kernel);
    let expected: Vec<_> = (0..3000).map(|n| n.to_string()).collect();
    assert_eq!(log.take(), expected);
}

// Conformance: WRW-03
#[test]
fn a_wheel_uses_the_driver_it_was_given_and_lines_by_default() {
    let kernel = kernel();
    let (ours, theirs) = pair_with("one\n");
    let driver = Faulty::default();
    let calls = driver.calls.clone();
    let heard = Rc::new(Cell::new(false));
    let h = heard.clone();
    let builder = common::with_events(ReadWrite::build(ours).driver(driver));
    spawn(&kernel, builder, move |cx, event| match event {
        Event::Input(record) => {
            h.set(record == "one");
            own(cx).put("two");
        }
        Event::Flushed => *cx.heap = None,
        _ => {}
    });
    run(&kernel);
    assert!(heard.get());
    assert_eq!(read_all(theirs), b"two\r\n");
    let [gets, puts, flushes] = *calls.borrow();
    assert!(gets >= 1 && puts == 1 && flushes >= 1, "{gets} {puts} {flushes}");
}

#[test]
fn the_size_of_a_read_may_be_chosen() {
    let (kernel, log) = (kernel(), Log::default());
    let (ours, _theirs) = pair_with("abcdefgh");
    let driver = SysRw::builder().block_size(3).build().unwrap();
    let l = log.clone();
    spawn(&kernel, wheel(ours).driver(driver).filter(Stream::new()), move |cx, event| {
        l.push(&event);
        if matches!(event, Event::Error(_)) {
            *cx.heap = None;
        }
    });
    run(&kernel);
    assert_eq!(log.take(), ["start", "input abc", "input def", "input gh", "error read 0"]);
}
