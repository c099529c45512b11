//! What is typed, and who is told of it.

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use poe_session::prelude::*;
use poe_wheel::ratatui::crossterm::event::{Event, KeyCode};
use poe_wheel::ratatui::widgets::Block;
use poe_wheel::{Curses, CursesEvent, IoError, TerminalInput, WheelId};
use proptest::prelude::*;

use crate::common::{Log, kernel, once, pair, run, run_while};
use crate::program::{Act, Program, Typed, shown};

#[test]
fn a_lone_escape_is_known_in_time() {
    let clock = crate::common::builder().virtual_clock(SystemTime::UNIX_EPOCH).build().unwrap();
    let (ours, mut theirs) = pair();
    let program = Program::new(clock, Curses::build_pair(ours.try_clone().unwrap(), ours));
    let kernel = program.kernel.clone();
    for (octets, after) in [(&b"\x1B"[..], 100), (b"\x1B\xC3", 200), (b"\x1B[1;", 300)] {
        theirs.write_all(octets).unwrap();
        let before = program.log.len();
        run_while(&kernel, || program.log.len() == before);
        let time = kernel.time().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(time, Duration::from_millis(after));
    }
    theirs.write_all(b"q").unwrap();
    let rest = ["Alt-[", "1", ";", "q", "stopped"];
    assert_eq!(program.end(), [&["Esc", "unknown \\x1b\\xc3"][..], &rest].concat());
}

#[test]
fn a_sequence_may_come_in_pieces() {
    let (ours, mut theirs) = pair();
    let builder = Curses::build_pair(ours.try_clone().unwrap(), ours);
    let program = Program::new(kernel(), builder.escape_time(Duration::from_secs(3600)));
    for octet in "\x1B[1;5A漢".bytes() {
        theirs.write_all(&[octet]).unwrap();
        program.ask(|_| ());
        program.ask(|_| ());
    }
    theirs.write_all(b"q").unwrap();
    assert_eq!(program.end(), ["Control-Up", "漢", "q", "stopped"]);
}

#[test]
fn what_was_typed_before_is_told_after() {
    let (mut ours, mut theirs) = pair();
    let builder = Curses::build_pair(ours.try_clone().unwrap(), ours.try_clone().unwrap());
    let kernel = kernel();
    let log = Log::default();
    let typed = log.clone();
    let builder = once(builder);
    Session::build(None::<Curses>)
        .on_start(move |cx| {
            *cx.heap = Some(builder().input_event("input").spawn(cx.kernel).unwrap());
        })
        .on("input", move |cx, input: Typed| {
            let wheel = cx.heap.as_ref().unwrap();
            typed.push(shown(&input.record));
            match shown(&input.record).as_str() {
                "s" => {
                    wheel.suspend();
                    cx.yield_event("resume", ());
                }
                "q" => *cx.heap = None,
                _ => assert!(!wheel.is_suspended()),
            }
        })
        .on("resume", |cx, (): ()| cx.heap.as_ref().unwrap().resume())
        .spawn(&kernel)
        .unwrap();
    theirs.write_all(b"asb\x1B").unwrap();
    run_while(&kernel, || log.len() < 2);
    theirs.write_all(b"q").unwrap();
    run(&kernel);
    assert_eq!(log.take(), ["a", "s", "b", "Esc", "q"]);
    drop(kernel);
    theirs.write_all(b"x").unwrap();
    let mut room = [0; 1];
    ours.read_exact(&mut room).unwrap();
    assert_eq!(&room, b"x", "nobody reads it any more");
}

#[test]
fn names_of_events_change() {
    let (ours, mut theirs) = pair();
    let program = Program::new(kernel(), Curses::build_pair(ours.try_clone().unwrap(), ours));
    program.ask(|wheel| wheel.event(CursesEvent::Input, "renamed"));
    theirs.write_all(b"a").unwrap();
    program.until_logged("renamed a");
    program.ask(|wheel| wheel.event_end(CursesEvent::Input));
    theirs.write_all(b"b").unwrap();
    program.ask(|_| ());
    program.ask(|_| ());
    program.ask(|wheel| wheel.event_end(CursesEvent::Error));
    drop(theirs);
    assert_eq!(program.end(), ["stopped"]);
}

#[test]
fn other_peoples_widgets_get_crossterms_events() {
    let key = TerminalInput::Key(KeyCode::Enter.into());
    assert_eq!(Event::try_from(key), Ok(Event::Key(KeyCode::Enter.into())));
    let resize = TerminalInput::Resize { columns: 1, rows: 2 };
    assert_eq!(Event::try_from(resize), Ok(Event::Resize(1, 2)));
    let unknown = TerminalInput::Unknown("x".into());
    assert_eq!(Event::try_from(unknown.clone()), Err(unknown));
}

#[test]
fn nothing_comes_of_a_wheel_that_is_gone() {
    let (ours, mut theirs) = pair();
    theirs.write_all(b"abqcd").unwrap();
    let program = Program::new(kernel(), Curses::build_pair(ours.try_clone().unwrap(), ours));
    assert_eq!(program.end(), ["a", "b", "q", "stopped"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is typed, in whatever pieces, while frames are drawn, sizes change and the wheel is suspended and resumed: it
    /// neither fails nor says anything after its end.
    #[test]
    fn wheels_stand_whatever_is_done(
        acts in prop::collection::vec((0..6_u8, prop::collection::vec(any::<u8>(), 0..12)), 0..20),
        at in 0..40_usize,
    ) {
        let (ours, mut theirs) = pair();
        let kernel = kernel();
        let builder = once(Curses::build_pair(ours.try_clone().unwrap(), ours).size(10, 3));
        let seen = Rc::new(Cell::new(0));
        let counted = Rc::clone(&seen);
        let session = Session::build((None::<Curses>, None::<WheelId>))
            .on_start(move |cx| {
                let wheel = builder().input_event("input").error_event("failed").spawn(cx.kernel);
                cx.heap.0 = Some(wheel.unwrap());
                cx.heap.1 = cx.heap.0.as_ref().map(Curses::id);
            })
            .on("input", move |cx, input: Typed| {
                let wheel = cx.heap.0.as_ref().expect("it has a wheel");
                assert_eq!(cx.heap.1, Some(input.wheel));
                counted.set(counted.get() + 1);
                if counted.get() == at {
                    cx.heap.0 = None;
                } else {
                    wheel.draw(|frame| frame.render_widget("x", frame.area()));
                }
            })
            .on("failed", |cx, _: IoError| cx.heap.0 = None)
            .on("do", |cx, act: Act| cx.heap.0.as_ref().map_or((), act.0))
            .on_default(|_, _| {})
            .spawn(&kernel)
            .unwrap();
        for (act, octets) in acts {
            let _ = theirs.write_all(&octets);
            let [columns, rows] = [0, 1].map(|at| octets.get(at).copied().unwrap_or(3).into());
            let act: Box<dyn FnOnce(&Curses)> = match act {
                0 => Box::new(Curses::suspend),
                1 => Box::new(Curses::resume),
                2 => Box::new(Curses::refresh),
                3 => Box::new(move |wheel| wheel.set_size(columns, rows)),
                _ => Box::new(|wheel| {
                    wheel.draw(|frame| frame.render_widget(Block::bordered(), frame.area()));
                }),
            };
            if kernel.post(session, "do", Act(act)).is_err() {
                break;
            }
            kernel.run_one_timeslice().unwrap();
        }
        drop(theirs);
        run(&kernel);
    }
}
