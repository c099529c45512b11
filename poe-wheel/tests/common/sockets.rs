//! Sessions that have one socket wheel.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use poe_session::prelude::*;
use poe_wheel::{Connection, IoError, SocketFactory, SocketFactoryBuilder, WheelError};

use super::{Log, kernel, run};

/// What a socket wheel says.
#[derive(Debug)]
pub enum Event {
    Start,
    Success(Connection),
    Failure(IoError),
    Do(&'static str),
}

pub type Heap = Option<SocketFactory>;

/// A wheel with the events that `spawn` handles.
pub fn factory() -> SocketFactoryBuilder {
    SocketFactory::build().success_event("success").failure_event("failure")
}

/// A session whose heap is that wheel, and that passes on all its events.
pub fn spawn(
    kernel: &Kernel,
    builder: SocketFactoryBuilder,
    react: impl Fn(&mut Cx<'_, Heap>, Event) + 'static,
) -> SessionId {
    let react = Rc::new(react);
    let [r0, r1, r2, r3] = std::array::from_fn(|_| Rc::clone(&react));
    let builder = Cell::new(Some(builder));
    Session::build(None)
        .on_start(move |cx| {
            let wheel = builder.take().unwrap().spawn(cx.kernel).unwrap();
            *cx.heap = Some(wheel);
            r0(cx, Event::Start);
        })
        .on("success", move |cx, connection: Connection| {
            assert_eq!(cx.heap.as_ref().map(SocketFactory::id), Some(connection.wheel));
            r1(cx, Event::Success(connection));
        })
        .on("failure", move |cx, error: IoError| {
            assert_eq!(cx.heap.as_ref().map(SocketFactory::id), Some(error.wheel));
            r2(cx, Event::Failure(error));
        })
        .on("do", move |cx, what: &'static str| r3(cx, Event::Do(what)))
        .spawn(kernel)
        .unwrap()
}

/// The port that a listening wheel of a session has.
pub fn port(cx: &Cx<'_, Heap>) -> u16 {
    cx.heap.as_ref().unwrap().local_address().unwrap().port().unwrap()
}

/// Connects once, and logs how that went: `success`, or the operation that failed and its number.
pub fn try_to_connect(kernel: &Kernel, log: &Log, builder: SocketFactoryBuilder) {
    let log = log.clone();
    spawn(kernel, builder, move |cx, event| {
        match event {
            Event::Success(_) => log.push("success"),
            Event::Failure(error) => log.push(format!("{} {}", error.operation, error.errno())),
            _ => return,
        }
        *cx.heap = None;
    });
}

/// What spawning a wheel says in a session.
pub fn spawn_error(builder: &SocketFactoryBuilder) -> Option<WheelError> {
    let kernel = kernel();
    let error: Rc<RefCell<Option<WheelError>>> = Rc::default();
    let (e, builder) = (error.clone(), builder.clone());
    Session::build(())
        .on_start(move |cx| *e.borrow_mut() = builder.clone().spawn(cx.kernel).err())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    error.take()
}

/// A path in a folder of its own, which is removed at the end.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("poe-wheel-{}-{name}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub fn path(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
