//! Filters and drivers that call the wheel that is calling them.

mod common;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use common::{Log, kernel, once, pair, pair_with, read_all, run};
use poe_driver::{Driver, Get, OutputQueue, ReadBuffer, SysRw};
use poe_filter::{Filter, FilterError, Line, Sink, Stream};
use poe_session::prelude::*;
use poe_wheel::{Input, IoError, ReadWrite, WheelError, WheelId};

/// Where the wheel is, for all who want to call it.
type Slot = Rc<RefCell<Option<ReadWrite>>>;

/// Does something in each of its methods, and in its drop; a filter of lines, or a driver.
#[derive(Clone)]
struct Nosy<T> {
    inner: T,
    act: Rc<dyn Fn(&'static str)>,
}

impl<T> fmt::Debug for Nosy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nosy")
    }
}

impl<T> Drop for Nosy<T> {
    fn drop(&mut self) {
        (self.act)("drop");
    }
}

impl Filter for Nosy<Line> {
    type In = Bytes;
    type Out = Bytes;

    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        (self.act)("get_one_start");
        self.inner.get_one_start(chunk)
    }

    fn get_one(&mut self) -> Result<Option<Bytes>, FilterError> {
        (self.act)("get_one");
        self.inner.get_one()
    }

    fn finish(&mut self) -> Result<Option<Bytes>, FilterError> {
        (self.act)("finish");
        self.inner.finish()
    }

    fn put(&mut self, record: Bytes, sink: &mut dyn Sink) -> Result<(), FilterError> {
        (self.act)("put");
        self.inner.put(record, sink)
    }

    fn get_pending(&self) -> Bytes {
        (self.act)("get_pending");
        self.inner.get_pending()
    }

    fn take_pending(&mut self) -> Bytes {
        (self.act)("take_pending");
        self.inner.take_pending()
    }

    fn fresh(&self) -> Box<dyn Filter<In = Bytes, Out = Bytes>> {
        self.inner.fresh()
    }
}

impl Driver for Nosy<SysRw> {
    fn get(&mut self, handle: BorrowedFd<'_>, buffer: &mut ReadBuffer) -> io::Result<Get> {
        (self.act)("get");
        self.inner.get(handle, buffer)
    }

    fn output(&mut self) -> &mut OutputQueue {
        self.inner.output()
    }

    fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<usize> {
        (self.act)("flush");
        self.inner.flush(handle)
    }

    fn get_out_octets(&self) -> usize {
        self.inner.get_out_octets()
    }

    fn get_out_messages_buffered(&self) -> usize {
        self.inner.get_out_messages_buffered()
    }

    fn shutdown_output(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        (self.act)("shutdown_output");
        self.inner.shutdown_output(handle)
    }

    fn discard_output(&mut self) -> usize {
        (self.act)("discard_output");
        self.inner.discard_output()
    }
}

fn nosy<T>(inner: T, act: &Rc<dyn Fn(&'static str)>) -> Nosy<T> {
    Nosy { inner, act: Rc::clone(act) }
}

/// A session that echoes lines with a wheel in a slot, and ends with the input.
fn echo(
    kernel: &Kernel,
    ours: UnixStream,
    slot: &Slot,
    log: &Log,
    act: impl Fn(&'static str) + 'static,
) {
    let act: Rc<dyn Fn(&'static str)> = Rc::new(act);
    let ours = once(ours);
    let (of_start, of_input, of_error) = (slot.clone(), slot.clone(), slot.clone());
    let (l, m, n) = (log.clone(), log.clone(), log.clone());
    Session::build(())
        .on_start(move |cx| {
            let wheel = ReadWrite::build(ours())
                .driver(nosy(SysRw::new(), &act))
                .filter(nosy(Line::literal("\n").unwrap(), &act))
                .input_event("input")
                .partial_event("input")
                .error_event("error")
                .flushed_event("flushed")
                .spawn(cx.kernel)
                .unwrap();
            *of_start.borrow_mut() = Some(wheel);
        })
        .on("input", move |_, input: Input| {
            l.push(format!("input {}", input.record.escape_ascii()));
            if let Some(wheel) = &*of_input.borrow() {
                wheel.put(input.record);
            }
        })
        .on("flushed", move |_, _: WheelId| m.push("flushed"))
        .on("error", move |_, error: IoError| {
            n.push(format!("error {} {}", error.operation, error.errno()));
            let wheel = of_error.take();
            if let Some(wheel) = &wheel {
                wheel.flush();
            }
        })
        .spawn(kernel)
        .unwrap();
}

/// All that can be asked of a wheel without an end to it.
fn ask_everything(wheel: &ReadWrite) {
    let _ = (wheel.id(), wheel.session(), format!("{wheel:?}"));
    let _ = (wheel.get_pending(), wheel.get_driver_out_octets(), wheel.get_driver_out_messages());
    let _ = (wheel.set_high_mark(10), wheel.get_input_handle(), wheel.get_output_handle());
    wheel.pause_input();
    wheel.resume_input();
    wheel.flush();
}

#[test]
fn a_filter_or_driver_may_ask_everything_of_its_wheel_anywhere() {
    let (kernel, log, slot) = (kernel(), Log::default(), Slot::default());
    let (ours, theirs) = pair_with("one\ntwo\nrest");
    let (asked, wheel) = (Rc::new(RefCell::new(Vec::new())), slot.clone());
    let a = asked.clone();
    echo(&kernel, ours, &slot, &log, move |place| {
        if let Ok(wheel) = wheel.try_borrow()
            && let Some(wheel) = &*wheel
        {
            ask_everything(wheel);
            a.borrow_mut().push(place);
        }
    });
    run(&kernel);
    let inputs = ["input one", "input two", "input rest"];
    assert_eq!(
        log.take().into_iter().filter(|l| l.starts_with("input")).collect::<Vec<_>>(),
        inputs
    );
    assert_eq!(read_all(theirs), b"one\ntwo\nrest\n");
    for place in ["get_one_start", "get_one", "finish", "put", "get_pending", "get", "flush"] {
        assert!(asked.borrow().contains(&place), "{place}: {:?}", asked.borrow());
    }
}

#[test]
fn what_a_filter_or_driver_puts_goes_behind_what_is_being_put_and_before_what_comes_after() {
    for place in ["get_one_start", "get_one", "put", "get", "flush"] {
        let (kernel, log, slot) = (kernel(), Log::default(), Slot::default());
        let (ours, theirs) = pair_with("one\ntwo\n");
        let (wheel, times) = (slot.clone(), Cell::new(0));
        echo(&kernel, ours, &slot, &log, move |called| {
            if called == place && times.replace(times.get() + 1) == 0 {
                let wheel = wheel.borrow();
                assert!(!wheel.as_ref().unwrap().put("asked"));
                assert!(!wheel.as_ref().unwrap().put("again"));
            }
        });
        run(&kernel);
        let expected = match place {
            "put" => "one\nasked\nagain\ntwo\n",
            "flush" => "one\ntwo\nasked\nagain\n",
            _ => "asked\nagain\none\ntwo\n",
        };
        assert_eq!(String::from_utf8(read_all(theirs)).unwrap(), expected, "in {place}");
    }
}

#[test]
fn a_filter_that_puts_a_record_for_each_that_it_is_given_holds_no_turn() {
    let (kernel, log, slot) = (kernel(), Log::default(), Slot::default());
    let (ours, mut theirs) = pair();
    let (wheel, times) = (slot.clone(), Cell::new(0));
    echo(&kernel, ours, &slot, &log, move |called| {
        if called == "put" && times.replace(times.get() + 1) < 100 {
            wheel.borrow().as_ref().unwrap().put("more");
        }
    });
    theirs.write_all(b"one\n").unwrap();
    let reader = std::thread::spawn(move || {
        let mut came = vec![0; 4 + 100 * 5];
        io::Read::read_exact(&mut theirs, &mut came).unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        came
    });
    run(&kernel);
    assert_eq!(reader.join().unwrap(), format!("one\n{}", "more\n".repeat(100)).as_bytes());
}

#[test]
fn a_filter_may_have_itself_replaced_and_what_is_pending_goes_on() {
    for place in ["get_one_start", "get_one", "put"] {
        for input_only in [false, true] {
            let (kernel, log, slot) = (kernel(), Log::default(), Slot::default());
            let (ours, theirs) = pair_with("one\ntwo!three!");
            let (wheel, done) = (slot.clone(), Cell::new(false));
            echo(&kernel, ours, &slot, &log, move |called| {
                if called == place && !done.replace(true) {
                    let wheel = wheel.borrow();
                    let wheel = wheel.as_ref().unwrap();
                    let exclaimed = Line::literal("!").unwrap();
                    if input_only {
                        wheel.set_input_filter(exclaimed);
                        wheel.set_output_filter(Stream::new());
                    } else {
                        wheel.set_filter(exclaimed);
                    }
                }
            });
            run(&kernel);
            let inputs: &[&str] = match place {
                "get_one_start" => &["input one\\ntwo", "input three"],
                _ => &["input one", "input two", "input three"],
            };
            let came: Vec<_> = log.take().into_iter().filter(|l| l.starts_with("input")).collect();
            assert_eq!(came, inputs, "in {place}");
            drop(theirs);
        }
    }
}

#[test]
fn a_filter_may_use_the_wheel_when_it_is_dropped() {
    let (kernel, log, slot) = (kernel(), Log::default(), Slot::default());
    let (ours, theirs) = pair_with("one\n");
    let (wheel, dropped) = (slot.clone(), Rc::new(Cell::new(0)));
    let d = dropped.clone();
    echo(&kernel, ours, &slot, &log, move |called| {
        let Ok(wheel) = wheel.try_borrow() else { return };
        let Some(wheel) = &*wheel else { return };
        match called {
            "put" => wheel.set_output_filter(Line::literal("!").unwrap()),
            "get_one" if d.get() == 0 => {
                // The first replaces one half of the filter, the second and third both.
                wheel.set_filter(Line::literal("\n").unwrap());
            }
            "drop" => {
                ask_everything(wheel);
                wheel.put("good bye");
                d.set(d.get() + 1);
            }
            _ => {}
        }
    });
    run(&kernel);
    assert_eq!(dropped.get(), 1);
    assert_eq!(log.take().first().map(String::as_str), Some("input one"));
    assert_eq!(read_all(theirs), b"good bye\none\n");
}

#[test]
fn a_filter_or_driver_may_drop_its_wheel_and_nothing_comes_any_more() {
    for place in ["get_one_start", "get_one", "put", "get", "flush", "finish"] {
        let (kernel, log, slot) = (kernel(), Log::default(), Slot::default());
        let (ours, theirs) = pair_with("one\ntwo\nrest");
        let wheel = slot.clone();
        echo(&kernel, ours, &slot, &log, move |called| {
            if called == place
                && let Ok(mut wheel) = wheel.try_borrow_mut()
            {
                *wheel = None;
            }
        });
        run(&kernel);
        let expected: &[&str] = match place {
            "finish" => &["input one", "input two"],
            "flush" => &["input one", "input two"],
            "put" => &["input one", "input two", "input rest", "error read 0"],
            _ => &[],
        };
        let came: Vec<_> = log.take().into_iter().filter(|line| line != "flushed").collect();
        assert_eq!(came, expected, "in {place}");
        drop(theirs);
    }
}

#[test]
fn what_would_take_the_wheel_away_from_its_filter_is_refused() {
    let (kernel, log, slot) = (kernel(), Log::default(), Slot::default());
    let (ours, theirs) = pair_with("one\n");
    let (wheel, told) = (slot.clone(), Rc::new(RefCell::new(None)));
    let t = told.clone();
    echo(&kernel, ours, &slot, &log, move |called| {
        if called == "get_one"
            && let Some(wheel) = wheel.take()
        {
            *t.borrow_mut() = Some(wheel.with_filter(Stream::new()).map(drop));
        }
    });
    run(&kernel);
    assert!(matches!(told.take(), Some(Err(WheelError::Busy))));
    assert_eq!(read_all(theirs), b"");
}

#[test]
fn a_wheel_that_its_filter_lets_linger_ends_as_if_dropped() {
    for place in ["get_one", "get"] {
        let (kernel, log, slot) = (kernel(), Log::default(), Slot::default());
        let (ours, theirs) = pair_with("one\n");
        let wheel = slot.clone();
        echo(&kernel, ours, &slot, &log, move |called| {
            if called == place
                && let Some(wheel) = wheel.take()
            {
                assert!(wheel.linger(Duration::from_secs(10)).is_none());
            }
        });
        run(&kernel);
        assert_eq!(log.take(), [""; 0]);
        assert_eq!(read_all(theirs), b"");
    }
}

#[test]
fn a_filter_or_driver_may_have_the_kernel_take_a_turn() {
    for place in ["get_one_start", "get_one", "put", "get", "flush", "finish"] {
        let (kernel, log, slot) = (kernel(), Log::default(), Slot::default());
        // Another wheel, so that its reads meet those of the first.
        let (others, theirs_too) = pair_with("x\ny\n");
        let (other_log, other) = (Log::default(), Slot::default());
        echo(&kernel, others, &other, &other_log, |_| ());
        let (ours, theirs) = pair_with("one\ntwo\nrest");
        let (weak, done) = (kernel.downgrade(), Cell::new(false));
        echo(&kernel, ours, &slot, &log, move |called| {
            if called == place
                && !done.replace(true)
                && let Some(kernel) = weak.upgrade()
            {
                let turned = kernel.run_one_timeslice();
                // What a handler puts is put while it has its heap.
                assert_eq!(turned.is_err(), called == "put", "{turned:?}");
            }
        });
        run(&kernel);
        assert_eq!(read_all(theirs), b"one\ntwo\nrest\n", "in {place}");
        assert_eq!(read_all(theirs_too), b"x\ny\n", "in {place}");
    }
}

#[test]
fn a_connection_lingers_through_a_turn_within_a_driver_that_reads() {
    let (kernel, log, slot) = (kernel(), Log::default(), Slot::default());
    let (lingers, peer) = pair();
    (&peer).write_all(b"unread").unwrap();
    let lingers = once(lingers);
    Session::build(None)
        .on_start(move |cx| {
            let wheel = ReadWrite::build(lingers()).spawn(cx.kernel).unwrap();
            *cx.heap = wheel.linger(Duration::from_secs(10));
            assert!(cx.heap.is_some());
        })
        .spawn(&kernel)
        .unwrap();
    let (ours, theirs) = pair_with("one\n");
    let (weak, done) = (kernel.downgrade(), Cell::new(false));
    echo(&kernel, ours, &slot, &log, move |called| {
        if called == "get"
            && !done.replace(true)
            && let Some(kernel) = weak.upgrade()
        {
            (&peer).write_all(b"more").unwrap();
            peer.shutdown(Shutdown::Both).unwrap();
            kernel.run_one_timeslice().unwrap();
        }
    });
    run(&kernel);
    assert_eq!(read_all(theirs), b"one\n");
}

#[test]
fn a_filter_that_panics_ends_the_input_of_a_wheel_whose_session_goes_on() {
    for place in ["get_one_start", "get_one", "finish"] {
        let (kernel, log, slot) = (kernel(), Log::default(), Slot::default());
        let (ours, mut theirs) = pair_with("one\ntwo");
        let ours = once(ours);
        let (s, l) = (slot.clone(), log.clone());
        let act: Rc<dyn Fn(&'static str)> = Rc::new(move |called| assert!(called != place, "oh"));
        Session::build(())
            .on_start(move |cx| {
                cx.sig("DIE", "died").unwrap();
                let builder = ReadWrite::build(ours())
                    .input_filter(nosy(Line::literal("\n").unwrap(), &act))
                    .input_event("input")
                    .partial_event("input");
                *s.borrow_mut() = Some(builder.spawn(cx.kernel).unwrap());
            })
            .on("input", |_, _: Input| ())
            .on("died", move |cx, _: Signal| {
                cx.sig_handled();
                l.push("died");
                // Time enough for what should not come.
                cx.delay("end", Duration::from_millis(20), ());
            })
            .on("end", move |_, ()| {
                let wheel = slot.take().unwrap();
                wheel.put("still there");
                wheel.shutdown_output();
                *slot.borrow_mut() = Some(wheel);
            })
            .spawn(&kernel)
            .unwrap();
        run(&kernel);
        assert_eq!(log.take(), ["died"], "in {place}");
        let mut came = [0; 13];
        io::Read::read_exact(&mut theirs, &mut came).unwrap();
        assert_eq!(&came, b"still there\r\n");
    }
}
