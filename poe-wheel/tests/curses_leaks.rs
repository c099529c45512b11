//! Wheels that are made, suspended, resumed and dropped leave no descriptor behind. Alone in its program, which it counts in.
#![cfg(all(feature = "curses", target_os = "linux"))]

mod common;

use std::rc::Rc;

use common::kernel;
use common::person::Person;
use poe_session::prelude::*;
use poe_wheel::{Curses, IoError};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn no_descriptor_is_left() {
    let (_person, terminal) = Person::new(20, 4);
    let kernel = kernel();
    let before = descriptors();
    for round in 0..50 {
        let (gone, hung_up) = Person::new(20, 4);
        let handles = if round % 2 == 0 { Rc::clone(&terminal) } else { hung_up };
        Session::build(None::<Curses>)
            .on_start(move |cx| {
                let builder = Curses::build_pair(Rc::clone(&handles), Rc::clone(&handles));
                let wheel = builder.error_event("failed").spawn(cx.kernel).unwrap();
                wheel.draw(|frame| frame.render_widget("frame", frame.area()));
                wheel.suspend();
                wheel.resume();
                if round % 2 == 0 {
                    cx.yield_event("drop", ());
                }
                *cx.heap = Some(wheel);
            })
            .on("drop", |cx, ()| *cx.heap = None)
            .on("failed", |cx, _: IoError| *cx.heap = None)
            .spawn(&kernel)
            .unwrap();
        drop(gone);
        common::run(&kernel);
    }
    assert_eq!(descriptors(), before);
}
