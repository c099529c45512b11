//! Everything goes wrong that can: reads and writes that are short, block, are interrupted, stall and fail, at any octet.

mod common;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use common::{Event, Log, kernel, own, run, spawn, wheel, with_marks};
use nix::errno::Errno;
use poe_driver::memory::{Fault, Faults, Memory, MemoryPeer};
use poe_filter::{Line, Stream};
use poe_session::prelude::*;
use poe_wheel::{ReadWrite, ReadWriteBuilder};
use proptest::prelude::*;

const LINES: &str = "one\n\nthree\nfourth line\n";

/// A wheel of lines over memory, and its peer.
fn lines() -> (ReadWriteBuilder, MemoryPeer) {
    let (driver, peer) = Memory::pair().unwrap();
    let builder = wheel(driver.handle()).driver(driver).partial_event("partial");
    (builder.filter(Line::literal("\n").unwrap()), peer)
}

/// Echoes until the input ends, and then what is left has gone.
fn echo(builder: ReadWriteBuilder) -> Vec<String> {
    let (kernel, log) = (kernel(), Log::default());
    let (l, is_over) = (log.clone(), Cell::new(false));
    spawn(&kernel, builder, move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(line) | Event::Partial(line) => _ = own(cx).put(line),
            Event::Error(error) if error.operation == "read" => {
                is_over.set(true);
                own(cx).put("over");
            }
            // It can not be written to, and so there is nobody to listen to.
            Event::Error(_) => *cx.heap = None,
            Event::Flushed if is_over.get() => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    log.take()
}

/// What it logs, but for how often all had gone in between.
fn events(log: &[String]) -> Vec<&str> {
    log.iter().map(String::as_str).filter(|line| *line != "flushed").collect()
}

/// What it logs of the first so many octets of the lines.
fn inputs(octets: usize, ends: &[&str]) -> Vec<String> {
    let mut events = vec!["start".to_owned()];
    let mut lines: Vec<_> = LINES[..octets].split('\n').collect();
    let rest = lines.pop().unwrap();
    events.extend(lines.iter().map(|line| format!("input {line}")));
    if ends == ["error read 0"] && !rest.is_empty() {
        events.push(format!("partial {rest}"));
    }
    events.extend(ends.iter().map(|end| (*end).to_owned()));
    events
}

#[test]
fn what_passes_by_at_any_octet_changes_nothing() {
    for place in 0..=LINES.len() as u64 {
        for fault in [Fault::WouldBlock, Fault::Interrupted, Fault::Short(1)] {
            let (builder, peer) = lines();
            peer.read_faults(Faults::none().at(place, fault));
            peer.write_faults(Faults::none().at(place, fault));
            peer.send(LINES);
            peer.end();
            let log = echo(builder);
            assert_eq!(
                events(&log),
                inputs(LINES.len(), &["error read 0"]),
                "{fault:?} at {place}"
            );
            assert_eq!(peer.received(), format!("{LINES}over\n"));
        }
    }
}

#[test]
fn octet_by_octet_and_never_at_once() {
    let octets = || Faults::repeated([Fault::WouldBlock, Fault::Interrupted, Fault::Short(1)]);
    let (builder, peer) = lines();
    peer.read_faults(octets());
    peer.write_faults(octets());
    peer.send(LINES);
    peer.end();
    let log = echo(builder);
    assert_eq!(events(&log), inputs(LINES.len(), &["error read 0"]));
    assert_eq!(peer.received(), format!("{LINES}over\n"));
}

#[test]
fn an_input_that_ends_at_any_octet_gives_what_there_was() {
    for place in 0..=LINES.len() {
        let (builder, peer) = lines();
        peer.send(&LINES.as_bytes()[..place]);
        peer.end();
        assert_eq!(events(&echo(builder)), inputs(place, &["error read 0"]), "{place}");
        let rest = LINES[..place].rsplit('\n').next().unwrap();
        let end = if rest.is_empty() { "over\n" } else { "\nover\n" };
        assert_eq!(peer.received(), format!("{}{end}", &LINES[..place]));
    }
}

#[test]
fn a_reset_at_any_octet_of_the_input_is_told_once() {
    let reset = format!("error read {}", Errno::ECONNRESET as i32);
    let broken = format!("error write {}", Errno::EPIPE as i32);
    for place in 0..=LINES.len() {
        let (builder, peer) = lines();
        peer.read_faults(Faults::none().at(place as u64, Fault::Reset));
        peer.send(LINES);
        let log = echo(builder);
        assert_eq!(events(&log), inputs(place, &[&reset, &broken]), "{place}");
    }
}

#[test]
fn a_failure_at_any_octet_of_the_output_is_told_once() {
    for fault in [Fault::Reset, Fault::Eof, Fault::Error(Errno::EIO as i32)] {
        let failure = match fault {
            Fault::Reset => Errno::ECONNRESET,
            Fault::Eof => Errno::EPIPE,
            _ => Errno::EIO,
        };
        let failure = format!("error write {}", failure as i32);
        for place in 0..LINES.len() {
            let (builder, peer) = lines();
            peer.write_faults(Faults::none().at(place as u64, fault));
            // Line by line, so that something was written before.
            for line in LINES.split_inclusive('\n') {
                peer.send(line);
            }
            let log = echo(builder);
            assert_eq!(events(&log).last().unwrap(), &failure, "{fault:?} at {place}");
            assert_eq!(log.iter().filter(|line| line.starts_with("error")).count(), 1);
            assert_eq!(peer.received(), LINES.as_bytes()[..place]);
        }
    }
}

#[test]
fn a_delay_costs_no_time_and_no_turns() {
    let kernel = common::builder().virtual_clock(SystemTime::UNIX_EPOCH).build().unwrap();
    let (builder, peer) = lines();
    peer.read_faults(Faults::none().at(2, Fault::Stall));
    peer.write_faults(Faults::none().at(2, Fault::Stall));
    peer.send(LINES);
    let (log, p) = (Log::default(), peer.clone());
    let (l, delays) = (log.clone(), Cell::new(0));
    spawn(&kernel, builder, move |cx, event| {
        l.push(&event);
        match event {
            Event::Start => _ = cx.delay("do", Duration::from_secs(3600), "go on"),
            Event::Do(_) => {
                p.go_on();
                if delays.replace(delays.get() + 1) == 0 {
                    cx.delay("do", Duration::from_secs(3600), "go on");
                }
            }
            Event::Input(line) => _ = own(cx).put(line),
            Event::Flushed => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    let mut expected = inputs(LINES.len(), &["go on", "flushed"]);
    expected.insert(1, "go on".to_owned());
    assert_eq!(log.take(), expected);
    assert_eq!(peer.received(), LINES);
}

#[test]
fn a_write_that_stalls_for_ever_does_not_hold_up_the_rest() {
    let (builder, peer) = lines();
    peer.write_faults(Faults::none().at(1, Fault::Stall));
    for line in LINES.split_inclusive('\n') {
        peer.send(line);
    }
    let (kernel, log) = (kernel(), Log::default());
    let (l, p) = (log.clone(), peer.clone());
    spawn(&kernel, builder, move |cx, event| {
        l.push(&event);
        match event {
            Event::Input(line) => {
                own(cx).put(line);
                if p.unread_len() == 0 {
                    p.end();
                }
            }
            Event::Error(_) => *cx.heap = None,
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(log.take(), inputs(LINES.len(), &["error read 0"]));
    assert_eq!(peer.received(), "o");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_echo_under_any_seed_loses_nothing_and_keeps_its_marks(
        sends in prop::collection::vec("[ab\n]{1,30}", 0..12),
        (reads, writes) in any::<(u64, u64)>(),
        room in 1..60_usize,
    ) {
        let text = sends.concat();
        let (builder, peer) = lines();
        peer.read_faults(Faults::seeded(reads));
        peer.write_faults(Faults::seeded(writes));
        for octets in sends {
            peer.send(octets);
        }
        peer.end();
        peer.set_room(room);
        let (kernel, log) = (kernel(), Log::default());
        let (l, p) = (log.clone(), peer.clone());
        let heard = Rc::new(std::cell::RefCell::new(Vec::new()));
        let h = heard.clone();
        spawn(&kernel, with_marks(builder, 3, 10), move |cx, event| {
            l.push(&event);
            match event {
                Event::Start => cx.yield_event("do", "listen"),
                Event::Input(line) | Event::Partial(line) => {
                    let was_high = own(cx).get_driver_out_octets() >= 10;
                    let is_high = own(cx).put(line);
                    assert!(is_high || !was_high);
                }
                Event::High => own(cx).pause_input(),
                Event::Low => own(cx).resume_input(),
                Event::Error(error) => {
                    assert!(error.is_eof(), "{error}");
                    own(cx).shutdown_output();
                }
                Event::Do(_) => {
                    h.borrow_mut().extend_from_slice(&p.received());
                    if p.is_shut_down() {
                        *cx.heap = None;
                    } else {
                        cx.yield_event("do", "listen");
                    }
                }
                Event::Flushed => {}
            }
        });
        run(&kernel);
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let heard = String::from_utf8(heard.take()).unwrap();
        prop_assert_eq!(heard, format!("{text}{end}"));
        let log = log.take();
        let marks: Vec<_> = log.iter().filter(|line| *line == "high" || *line == "low").collect();
        prop_assert!(marks.chunks(2).all(|pair| pair == ["high", "low"]), "{:?}", log);
        prop_assert_eq!(log.iter().filter(|line| line.starts_with("error")).count(), 1);
    }
}

/// A proxy between a source that never waits and a sink that reads little at a time: what is on its way is limited by the
/// marks, however much goes through.
#[test]
fn a_slow_reader_holds_memory_flat() {
    const TOTAL: usize = 32 << 20;
    const PIECE: usize = 64 << 10;
    const HIGH: usize = 256 << 10;
    let kernel = kernel();
    let (source, sender) = Memory::pair().unwrap();
    let (sink, receiver) = Memory::pair().unwrap();
    receiver.set_room(20_000);
    let piece = bytes::Bytes::from(vec![b'x'; PIECE]);
    let (sent, received, most) =
        (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (s, r, m) = (sent.clone(), received.clone(), most.clone());
    let before = Rc::new(Cell::new(None));
    let resident_before = before.clone();

    struct Proxy {
        source: ReadWrite,
        sink: ReadWrite,
    }

    Session::build(None::<Proxy>)
        .on_start({
            let handles = common::once((source, sink));
            move |cx| {
                let (source, sink) = handles();
                let from = ReadWrite::build(source.handle()).driver(source).filter(Stream::new());
                let from = from.input_event("input").spawn(cx.kernel).unwrap();
                let to = ReadWrite::build(sink.handle()).driver(sink).filter(Stream::new());
                let to = with_marks(to, HIGH / 2, HIGH).spawn(cx.kernel).unwrap();
                *cx.heap = Some(Proxy { source: from, sink: to });
                cx.yield_event("tick", ());
            }
        })
        .on("input", move |cx, input: poe_wheel::Input| {
            let Some(proxy) = cx.heap.as_ref() else { return };
            if proxy.sink.put(input.record) {
                proxy.source.pause_input();
            }
            m.set(m.get().max(proxy.sink.get_driver_out_octets()));
        })
        .on("low", |cx, _: poe_wheel::WheelId| {
            if let Some(proxy) = cx.heap.as_ref() {
                proxy.source.resume_input();
            }
        })
        .on("high", |_, _: poe_wheel::WheelId| {})
        .on("tick", move |cx, ()| {
            // The source always has something more.
            while sender.unread_len() < 4 * PIECE {
                sender.send(piece.clone());
                s.set(s.get() + PIECE);
            }
            r.set(r.get() + receiver.received().len());
            if before.get().is_none() && r.get() > TOTAL / 8 {
                before.set(Some(resident()));
            }
            if r.get() < TOTAL {
                cx.yield_event("tick", ());
            } else {
                *cx.heap = None;
            }
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    // One read more than the mark may be queued, and the source is no further ahead than that and its own queue.
    assert!((HIGH..=HIGH + PIECE).contains(&most.get()), "{}", most.get());
    let under_way = sent.get() - received.get();
    assert!(under_way <= HIGH + PIECE + 5 * PIECE + 20_000, "{under_way}");
    let grown = resident().saturating_sub(resident_before.get().unwrap());
    assert!(grown < 16 << 20, "{grown}");
}

/// How much memory the process has, where that can be told.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.map_or(0, |pages: usize| pages * 4096)
}
