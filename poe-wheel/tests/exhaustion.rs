//! Out of descriptors. These tests lower a limit of the whole process, and so have one to themselves.

#![cfg(target_os = "linux")]

mod common;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use common::sockets::{Event, factory, port, spawn};
use common::{Log, kernel, run};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use poe_wheel::pipe::{OneWay, PipeKind, TwoWay};

/// One test at a time.
static LIMIT: Mutex<()> = Mutex::new(());

/// Lowers the limit for as long as it lives.
struct Limit(u64, u64);

impl Limit {
    fn lower(to: u64) -> Self {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, to, hard).unwrap();
        Self(soft, hard)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        setrlimit(Resource::RLIMIT_NOFILE, self.0, self.1).unwrap();
    }
}

/// Takes all descriptors that there are.
fn take_all() -> Vec<File> {
    let open = || File::open("/dev/null").ok();
    std::iter::from_fn(open).collect()
}

#[test]
fn clients_wait_for_descriptors_without_spinning_while_others_are_served() {
    let _alone = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    let _limit = Limit::lower(64);
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let hoard = RefCell::new(Vec::new());
    let served = RefCell::new(Vec::new());
    let client = Cell::new(None);
    spawn(&kernel, factory().bind_address("127.0.0.1"), move |cx, event| match event {
        Event::Start => {
            let port = port(cx);
            let (tell, told) = std::sync::mpsc::channel();
            let peer = thread::spawn(move || {
                let mut first = TcpStream::connect(("127.0.0.1", port)).unwrap();
                told.recv().unwrap();
                // The first client is there; for the second one there is a descriptor here, but none to accept it with.
                let mut heard = [0; 4];
                first.read_exact(&mut heard).unwrap();
                first.write_all(b"pong").unwrap();
                first
            });
            client.set(Some((tell, peer)));
        }
        Event::Success(connection) if served.borrow().is_empty() => {
            l.push("first");
            // All descriptors but one, for the second client's end.
            hoard.borrow_mut().extend(take_all());
            hoard.borrow_mut().pop();
            let second = TcpStream::connect(("127.0.0.1", port(cx))).unwrap();
            served.borrow_mut().push((TcpStream::from(connection.socket), Some(second)));
        }
        Event::Failure(error) => {
            l.push(format!("{} {}", error.operation, error.errno()));
            cx.delay("do", Duration::from_millis(250), "serve");
        }
        // Two retries have failed by now, and were not told.
        Event::Do("serve") => {
            let (tell, peer) = client.take().unwrap();
            tell.send(()).unwrap();
            let mut served = served.borrow_mut();
            let stream = &mut served[0].0;
            stream.write_all(b"ping").unwrap();
            let first = peer.join().unwrap();
            let mut heard = [0; 4];
            stream.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"pong");
            drop(first);
            l.push("served");
            hoard.borrow_mut().clear();
        }
        Event::Success(_) => {
            l.push("second");
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    let before = processor_time();
    run(&kernel);
    let exhausted = format!("accept {}", Errno::EMFILE as i32);
    assert_eq!(log.take(), ["first", &exhausted, "served", "second"]);
    // A loop that spun would have used all of a quarter of a second.
    let used = processor_time() - before;
    assert!(used < Duration::from_millis(125), "{used:?}");
}

fn processor_time() -> Duration {
    use nix::sys::time::TimeValLike;
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_THREAD).unwrap();
    let used = usage.user_time() + usage.system_time();
    Duration::from_micros(used.num_microseconds().unsigned_abs())
}

#[test]
fn a_pause_while_out_of_descriptors_can_be_taken_back() {
    let _alone = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    let _limit = Limit::lower(64);
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    let hoard = RefCell::new(Vec::new());
    let client = RefCell::new(None);
    spawn(&kernel, factory().bind_address("127.0.0.1"), move |cx, event| match event {
        Event::Start => {
            hoard.borrow_mut().extend(take_all());
            hoard.borrow_mut().pop();
            *client.borrow_mut() = Some(TcpStream::connect(("127.0.0.1", port(cx))).unwrap());
        }
        Event::Failure(error) => {
            l.push(format!("{} {}", error.operation, error.errno()));
            cx.heap.as_ref().unwrap().pause_accept();
            // The retry falls into the pause.
            cx.delay("do", Duration::from_millis(150), "resume");
        }
        Event::Do(_) => {
            hoard.borrow_mut().clear();
            cx.heap.as_ref().unwrap().resume_accept();
        }
        Event::Success(_) => {
            l.push("client");
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert_eq!(log.take(), [format!("accept {}", Errno::EMFILE as i32), "client".into()]);
}

#[test]
fn a_wheel_dropped_for_the_want_of_descriptors_tries_no_more() {
    let _alone = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    let _limit = Limit::lower(64);
    let kernel = kernel();
    let hoard = RefCell::new(Vec::new());
    let client = RefCell::new(None);
    spawn(&kernel, factory().bind_address("127.0.0.1"), move |cx, event| match event {
        Event::Start => {
            hoard.borrow_mut().extend(take_all());
            hoard.borrow_mut().pop();
            *client.borrow_mut() = Some(TcpStream::connect(("127.0.0.1", port(cx))).unwrap());
        }
        Event::Failure(_) => {
            *cx.heap = None;
            hoard.borrow_mut().clear();
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
}

#[test]
fn pipes_without_descriptors_are_errors_and_leave_none_open() {
    let _alone = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    common::descriptors::count();
    let _limit = Limit::lower(64);
    // From none left to so many that some kinds can be made half.
    for left in 0..4 {
        let mut hoard = take_all();
        hoard.truncate(hoard.len() - left);
        let free = || take_all().len();
        assert_eq!(free(), left);
        for kind in [PipeKind::Pipe, PipeKind::SocketPair, PipeKind::Inet] {
            let needed = [2, 2, 3][kind as usize];
            match OneWay::of(kind) {
                Ok(_) => assert!(left >= needed, "one way, {kind}, with {left}"),
                Err(error) => {
                    assert!(left < needed, "{error} with {left}");
                    assert_eq!((error.kind, error.errno()), (kind, Some(Errno::EMFILE as i32)));
                }
            }
            let needed = [4, 2, 3][kind as usize];
            match TwoWay::of(kind) {
                Ok(_) => assert!(left >= needed, "two way, {kind}, with {left}"),
                Err(error) => {
                    assert!(left < needed, "{error} with {left}");
                    assert_eq!((error.kind, error.errno()), (kind, Some(Errno::EMFILE as i32)));
                }
            }
        }
        assert_eq!(OneWay::new().is_ok(), left >= 2);
        assert_eq!(TwoWay::new().is_ok(), left >= 2);
        assert_eq!(free(), left);
    }
    let error = {
        let _hoard = take_all();
        TwoWay::new().unwrap_err()
    };
    assert!(
        error.to_string().starts_with("cannot make a pipe of kind socketpair: socketpair: "),
        "{error}"
    );
}
