//! Sessions that have one socket wheel.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc;

use poe_session::prelude::*;
use poe_wheel::{Connection, IoError, Listening, SocketFactory, SocketFactoryBuilder, WheelError};

use super::{Log, builder, kernel, run};

/// What a socket wheel says.
#[derive(Debug)]
pub enum Event {
    Start,
    Success(Connection),
    Failure(IoError),
    Listening(Listening),
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
    let [r0, r1, r2, r3, r4] = std::array::from_fn(|_| Rc::clone(&react));
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
        .on("listening", move |cx, listening: Listening| {
            assert_eq!(cx.heap.as_ref().map(SocketFactory::id), Some(listening.wheel));
            r4(cx, Event::Listening(listening));
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

/// A kernel with one thread for blocking work, which is busy until the sender is dropped.
pub fn kernel_with_a_busy_thread(queue: usize) -> (Kernel, mpsc::Sender<()>) {
    let kernel = builder().blocking_threads(1).blocking_queue(queue).build().unwrap();
    let (let_go, held) = mpsc::channel::<()>();
    let held = Cell::new(Some(held));
    Session::build(())
        .on_start(move |cx| {
            let held = held.take().unwrap();
            cx.blocking(move || held.recv().unwrap_err(), "let go").unwrap();
        })
        .on("let go", |_, _: Result<mpsc::RecvError, BlockingError>| ())
        .spawn(&kernel)
        .unwrap();
    (kernel, let_go)
}

/// A path in a folder of its own, which is removed at the end.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        super::descriptors::count();
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
