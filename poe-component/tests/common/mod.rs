//! What the tests of components have in common.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

#[path = "../../../poe-wheel/tests/common/descriptors.rs"]
pub mod descriptors;

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, UNIX_EPOCH};

use poe_component::prelude::*;
use poe_kernel::KernelBuilder;

/// Longer than anything here takes; only a failure reaches it.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Ends the process should a test hang.
#[must_use]
pub struct Watchdog(#[allow(unused)] Sender<()>);

pub fn watchdog() -> Watchdog {
    let (sender, receiver) = channel::<()>();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || {
        if receiver.recv_timeout(LIMIT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = writeln!(std::io::stderr(), "{name} hangs");
            std::process::abort();
        }
    });
    Watchdog(sender)
}

/// What happened, in order.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn add(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub fn count(&self, line: &str) -> usize {
        self.0.borrow().iter().filter(|entry| *entry == line).count()
    }

    /// Whether these lines are there in this order, others between them or not.
    pub fn has_in_order(&self, wanted: &[&str]) -> bool {
        let lines = self.0.borrow();
        let mut lines = lines.iter();
        wanted.iter().all(|wanted| lines.any(|line| line == wanted))
    }
}

/// A kernel, and what it reports.
pub fn kernel() -> (Kernel, Log) {
    let reports = Log::default();
    let log = reports.clone();
    let kernel = builder().diagnostics(move |what| log.add(what.to_string())).build();
    (kernel.unwrap(), reports)
}

/// A kernel whose time passes when nothing else happens.
pub fn timeless() -> Kernel {
    builder().virtual_clock(UNIX_EPOCH).build().unwrap()
}

/// A kernel to be. What the test has open from here on it must have closed at its end.
fn builder() -> KernelBuilder {
    descriptors::count();
    Kernel::builder()
}

pub fn port(server: &server::Tcp) -> u16 {
    server.local_address().port().unwrap()
}

/// Runs until nothing is left, and checks that nothing is.
pub fn run(kernel: &Kernel) {
    kernel.run().unwrap();
    assert_eq!((kernel.session_count(), kernel.get_event_count()), (0, 0));
}

/// A peer in a thread of its own, that reads and writes as plain programs do.
pub fn peer<T: Send + 'static>(
    port: u16,
    talk: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> JoinHandle<T> {
    thread::spawn(move || {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        talk(stream)
    })
}

/// All that comes until the end of file.
pub fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

pub fn write(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
}

/// Reads one line.
pub fn read_line(mut stream: &TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Fails a test that comes here.
pub fn never(why: &str) {
    panic!("{why}");
}

/// Says that a test was not made, and why.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
