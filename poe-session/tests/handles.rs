//! Watched handles: sockets, files that are always ready, and all that may happen to them in a callback.

mod common;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use common::{OnDrop, Trace, kernel, millis, never, seconds};
use poe_kernel::{EventLoop, Interest, Key, Readiness, Wake, WatchError};
use poe_session::prelude::*;

fn pair() -> (Rc<UnixStream>, Rc<UnixStream>) {
    let (left, right) = UnixStream::pair().unwrap();
    (Rc::new(left), Rc::new(right))
}

fn pair_with_byte() -> (Rc<UnixStream>, Rc<UnixStream>) {
    let (left, right) = pair();
    (&*right).write_all(b"x").unwrap();
    (left, right)
}

type Socket = Ready<UnixStream>;

// Conformance: KRS-01, KRB-30
#[test]
fn masters_and_slaves_ping_pong_pause_resume_and_quit() {
    struct Slave {
        socket: Rc<UnixStream>,
        pongs: Rc<Cell<u32>>,
        mine: u32,
    }
    let kernel = kernel();
    let (pings, pongs) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    for _ in 0..5 {
        let (master, slave) = pair();
        let count = pings.clone();
        Session::build(master)
            .on_start(|cx| cx.select_read(&cx.heap, "input"))
            .on("input", move |cx, ready: Socket| -> HandlerResult {
                let mut bytes = [0; 4];
                (&*ready.handle).read_exact(&mut bytes)?;
                match &bytes {
                    b"ping" => {
                        count.set(count.get() + 1);
                        (&*ready.handle).write_all(b"pong")?;
                    }
                    _ => cx.select_end(&ready.handle, Mode::Read),
                }
                Ok(())
            })
            .spawn(&kernel)
            .unwrap();
        Session::build(Slave { socket: slave, pongs: pongs.clone(), mine: 0 })
            .on_start(|cx| -> HandlerResult {
                cx.select_read(&cx.heap.socket, "input")?;
                (&*cx.heap.socket).write_all(b"ping")?;
                Ok(())
            })
            .on("input", |cx, ready: Socket| -> HandlerResult {
                let mut bytes = [0; 4];
                (&*ready.handle).read_exact(&mut bytes)?;
                assert_eq!(&bytes, b"pong");
                cx.heap.mine += 1;
                cx.heap.pongs.set(cx.heap.pongs.get() + 1);
                if cx.heap.mine == 5 {
                    (&*ready.handle).write_all(b"quit")?;
                    cx.select_end(&ready.handle, Mode::Read);
                } else {
                    assert!(cx.select_pause(&ready.handle, Mode::Read));
                    cx.delay("resume", millis(500), ());
                }
                Ok(())
            })
            .on("resume", |cx, ()| {
                assert!(cx.select_resume(&cx.heap.socket, Mode::Read));
                (&*cx.heap.socket).write_all(b"ping")
            })
            .spawn(&kernel)
            .unwrap();
    }
    kernel.run().unwrap();
    assert_eq!((pings.get(), pongs.get()), (25, 25));
    assert_eq!(common::elapsed(&kernel), 2000);
}

// Conformance: KRS-02
#[test]
fn a_paused_write_watch_is_silent_and_loses_nothing_when_resumed() {
    let kernel = kernel();
    let (ours, _theirs) = pair();
    let writes = Rc::new(Cell::new(0));
    let w = writes.clone();
    Session::build(ours)
        .on_start(|cx| {
            cx.select_write(&cx.heap, "write").unwrap();
            cx.delay("resume", seconds(1), 3_u32);
        })
        .on("write", move |cx, ready: Socket| {
            w.set(w.get() + 1);
            assert!(cx.select_pause(&ready.handle, Mode::Write));
        })
        .on("resume", |cx, left: u32| {
            if left == 0 {
                cx.select_end(&cx.heap, Mode::Write);
            } else {
                cx.select_resume(&cx.heap, Mode::Write);
                cx.delay("resume", seconds(1), left - 1);
            }
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(writes.get(), 4);
}

// Conformance: KRB-31
#[test]
fn a_handle_is_reported_each_turn_until_it_was_read() {
    let kernel = kernel();
    let (ours, _theirs) = pair_with_byte();
    let turns = Rc::new(Cell::new(0));
    let t = turns.clone();
    Session::build(())
        .on_start(move |cx| cx.select_read(&ours, "read"))
        .on("read", move |cx, ready: Socket| {
            assert_eq!(cx.sender(), cx.session());
            assert_eq!(cx.caller().state, None);
            t.set(t.get() + 1);
            if t.get() == 3 {
                let mut byte = [0];
                assert_eq!((&*ready.handle).read(&mut byte).unwrap(), 1);
                let error = (&*ready.handle).read(&mut byte).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                cx.delay("end", seconds(1), ready.handle);
            }
        })
        .on("end", |cx, socket: Rc<UnixStream>| cx.select_end(&socket, Mode::Read))
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(turns.get(), 3);
}

// Conformance: KRB-33
#[test]
fn regular_files_and_dev_null_are_always_ready() {
    let kernel = kernel();
    let path = std::env::temp_dir().join(format!("poe-session-handles-{}", std::process::id()));
    std::fs::write(&path, "content").unwrap();
    let file = Rc::new(File::open(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    let null = Rc::new(File::options().read(true).write(true).open("/dev/null").unwrap());
    let trace = Trace::default();
    let t = trace.clone();
    Session::build(2_u32)
        .on_start(move |cx| {
            cx.kernel.select_with(&file, Mode::Read, "ready", "file").unwrap();
            cx.kernel.select_with(&null, Mode::Write, "ready", "null").unwrap();
            // Watching a paused handle again resumes it.
            cx.select_pause(&null, Mode::Write);
            cx.kernel.select_with(&null, Mode::Write, "ready", "null again").unwrap();
        })
        .on("ready", move |cx, ready: Ready<File, &'static str>| {
            t.log(format!("{} {:?}", ready.args, ready.mode));
            *cx.heap -= 1;
            if *cx.heap == 0 {
                cx.stop().unwrap();
            }
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["file Read", "null again Write"]);
}

#[test]
fn a_paused_file_does_not_spin_and_an_unwatched_one_is_silent() {
    let kernel = kernel();
    let null = Rc::new(File::open("/dev/null").unwrap());
    let n = null.clone();
    let count = Rc::new(Cell::new(0));
    let c = count.clone();
    Session::build(null)
        .on_start(move |cx| cx.select_read(&n, "ready"))
        .on("ready", move |cx, ready: Ready<File>| {
            c.set(c.get() + 1);
            if c.get() == 1 {
                cx.select_pause(&ready.handle, Mode::Read);
                cx.delay("resume", seconds(1), ());
            } else {
                cx.select_end(&ready.handle, Mode::Read);
                cx.delay("end", seconds(1), ());
            }
        })
        .on("resume", |cx, ()| {
            assert_eq!(common::elapsed(cx.kernel), 1000);
            cx.select_resume(&cx.heap, Mode::Read);
        })
        .on("end", |_, ()| {})
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!((count.get(), common::elapsed(&kernel)), (2, 2000));
}

// Conformance: KRB-28
#[test]
fn two_sessions_may_watch_one_descriptor_in_one_mode() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (ours, _theirs) = pair_with_byte();
    for name in ["one", "two"] {
        let (ours, t) = (ours.clone(), trace.clone());
        Session::build(())
            .on_start(move |cx| cx.select_read(&ours, "read"))
            .on("read", move |cx, ready: Socket| {
                t.log(name);
                cx.select_end(&ready.handle, Mode::Read);
            })
            .spawn(&kernel)
            .unwrap();
    }
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["one", "two"]);
}

#[test]
fn the_second_watcher_is_not_called_if_the_first_unwatches_it_or_stops_its_session() {
    for way in ["detach", "stop", "term"] {
        let kernel = kernel();
        let (ours, _theirs) = pair_with_byte();
        let calls = Rc::new(Cell::new(0));
        for _ in 0..2 {
            let (ours, c) = (ours.clone(), calls.clone());
            let id = Session::build(())
                .on_start(move |cx| cx.select_read(&ours, "read"))
                .on("read", move |cx, ready: Socket| {
                    c.set(c.get() + 1);
                    match way {
                        "stop" => cx.stop().unwrap(),
                        "term" => cx.signal(SessionId::KERNEL, "TERM", ()).unwrap(),
                        _ => {
                            let other = if cx.session().number() == 1 { "two" } else { "one" };
                            cx.select_end(&ready.handle, Mode::Read);
                            cx.call::<(), _>(other, "end", ready.handle).unwrap();
                        }
                    }
                })
                .on("end", |cx, handle: Rc<UnixStream>| cx.select_end(&handle, Mode::Read))
                .on("name", |cx, name: &'static str| cx.alias_set(name))
                .spawn(&kernel)
                .unwrap();
            let name = if id.number() == 1 { "one" } else { "two" };
            kernel.call::<(), _>(id, "name", name).unwrap();
        }
        kernel.run().unwrap();
        // A signal is queued: both are called before it.
        assert_eq!(calls.get(), if way == "term" { 2 } else { 1 }, "{way}");
        assert_eq!(Rc::strong_count(&ours), 1);
    }
}

#[test]
fn watching_again_replaces_the_event_and_its_arguments() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (ours, _theirs) = pair_with_byte();
    let (t, o) = (trace.clone(), ours.clone());
    Session::build(())
        .on_start(move |cx| {
            cx.select_read(&o, "old").unwrap();
            let shares = Rc::strong_count(&o);
            cx.kernel.select_with(&o, Mode::Read, "new", 7_u32).unwrap();
            assert_eq!(Rc::strong_count(&o), shares);
        })
        .on("old", never::<_, Socket>)
        .on("new", move |cx, ready: Ready<UnixStream, u32>| {
            t.log(ready.args);
            cx.select_end(&ready.handle, Mode::Read);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["7"]);
}

#[test]
fn select_sets_and_ends_all_modes_at_once() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (ours, _theirs) = pair_with_byte();
    let t = trace.clone();
    Session::build(())
        .on_start(move |cx| {
            let io = Some(Name::new("io"));
            cx.kernel.select(&ours, io, io, io).unwrap();
        })
        .on("io", move |cx, ready: Socket| {
            t.log(format!("{:?}", ready.mode));
            if ready.mode == Mode::Write {
                cx.kernel.select(&ready.handle, None, None, None).unwrap();
            }
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["Read", "Write"]);
}

#[test]
fn a_peer_that_goes_makes_every_watched_mode_ready() {
    let (kernel, trace) = (kernel(), Trace::default());
    let (ours, theirs) = pair();
    let t = trace.clone();
    let theirs = RefCell::new(Some(theirs));
    Session::build(())
        .on_start(move |cx| {
            cx.select_read(&ours, "read").unwrap();
            cx.select_write(&ours, "write").unwrap();
            cx.select_pause(&ours, Mode::Write);
            cx.delay("close", seconds(1), ours.clone());
        })
        .on("close", move |cx, ours: Rc<UnixStream>| {
            theirs.take();
            cx.delay("resume", seconds(1), ours);
        })
        .on("resume", |cx, ours: Rc<UnixStream>| {
            cx.select_resume(&ours, Mode::Write);
        })
        .on("read", move |cx, ready: Socket| {
            assert_eq!((&*ready.handle).read(&mut [0; 9]).unwrap(), 0);
            t.log("end of file");
            cx.select_end(&ready.handle, Mode::Read);
        })
        .on("write", {
            let t = trace.clone();
            move |cx, ready: Socket| {
                t.log("write");
                cx.select_end(&ready.handle, Mode::Write);
            }
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert_eq!(trace.take(), ["end of file", "write"]);
}

#[test]
fn a_paused_watch_of_a_dead_peer_does_not_spin() {
    let kernel = Kernel::new().unwrap();
    let (ours, theirs) = pair();
    drop(theirs);
    let turns = Rc::new(Cell::new(0_u32));
    Session::build(())
        .on_start(move |cx| {
            cx.select_read(&ours, "read").unwrap();
            cx.select_pause(&ours, Mode::Read);
            cx.delay("end", millis(20), ours.clone());
        })
        .on("read", never::<_, Socket>)
        .on("end", |cx, ours: Rc<UnixStream>| cx.select_end(&ours, Mode::Read))
        .spawn(&kernel)
        .unwrap();
    while kernel.run_one_timeslice().unwrap() {
        turns.set(turns.get() + 1);
    }
    assert!(turns.get() < 20, "{} turns", turns.get());
}

#[test]
fn a_handle_its_owner_dropped_stays_open_while_it_is_watched() {
    let kernel = kernel();
    let (ours, theirs) = pair();
    let weak = Rc::downgrade(&ours);
    let theirs2 = theirs.clone();
    Session::build(Some(ours))
        .on_start(|cx| {
            let handle = cx.heap.take().unwrap();
            cx.select_read(&handle, "read").unwrap();
            cx.delay("write", seconds(1), ());
        })
        .on("write", move |_, ()| (&*theirs2).write_all(b"x"))
        .on("read", |cx, ready: Socket| {
            cx.select_end(&ready.handle, Mode::Read);
            (&*ready.handle).read_exact(&mut [0])
        })
        .on_stop({
            let weak = weak.clone();
            move |_| assert!(weak.upgrade().is_none())
        })
        .spawn(&kernel)
        .unwrap();
    assert!(weak.upgrade().is_some());
    kernel.run().unwrap();
    assert!(weak.upgrade().is_none());
    assert_eq!((&*theirs).read(&mut [0]).unwrap(), 0);
}

#[test]
fn another_handle_of_the_batch_may_be_unwatched_or_paused_in_a_callback() {
    for pause in [false, true] {
        let kernel = kernel();
        let (one, _theirs1) = pair_with_byte();
        let (two, _theirs2) = pair_with_byte();
        let handles = Rc::new([one, two]);
        let calls = Rc::new(Cell::new(0));
        let (h, c) = (handles.clone(), calls.clone());
        Session::build(())
            .on_start(move |cx| -> HandlerResult {
                cx.select_read(&h[0], "read")?;
                cx.select_read(&h[1], "read")?;
                Ok(())
            })
            .on("read", {
                let h = handles.clone();
                move |cx, ready: Socket| {
                    c.set(c.get() + 1);
                    let other = h.iter().find(|other| !Rc::ptr_eq(other, &ready.handle)).unwrap();
                    cx.select_end(&ready.handle, Mode::Read);
                    if pause {
                        assert!(cx.select_pause(other, Mode::Read));
                        cx.delay("end", seconds(1), ());
                    } else {
                        cx.select_end(other, Mode::Read);
                    }
                }
            })
            .on("end", {
                let h = handles.clone();
                move |cx, ()| h.iter().for_each(|handle| cx.select_end(handle, Mode::Read))
            })
            .spawn(&kernel)
            .unwrap();
        kernel.run().unwrap();
        assert_eq!(calls.get(), 1);
    }
}

// Conformance: KRU-01, KRB-29, KRB-32
#[test]
fn watching_needs_a_session_and_ending_what_is_not_watched_is_quiet() {
    let kernel = kernel();
    let (ours, _theirs) = pair();
    let error = kernel.select_read(&ours, "read").unwrap_err();
    assert!(matches!(error, WatchError::NoActiveSession(_)));
    assert!(error.to_string().contains("select"), "{error}");
    let named = |refused: Result<(), WatchError>, method: &str| {
        assert!(refused.unwrap_err().to_string().starts_with(&format!("{method} ")));
    };
    named(kernel.select_read(&ours, "read"), "select_read");
    named(kernel.select_write(&ours, "write"), "select_write");
    named(kernel.select_expedite(&ours, "expedite"), "select_expedite");
    named(kernel.select(&ours, Some(Name::new("read")), None, None), "select");
    kernel.select_end(&ours, Mode::Read);
    assert!(!kernel.select_pause(&ours, Mode::Read) && !kernel.select_resume(&ours, Mode::Read));
    assert_eq!(Rc::strong_count(&ours), 1);
    Session::build(())
        .on_start(move |cx| {
            cx.select_end(&ours, Mode::Read);
            cx.select_read(&ours, "read").unwrap();
            assert!(!cx.select_pause(&ours, Mode::Write));
            cx.stop().unwrap();
            assert!(cx.select_write(&ours, "write").is_err());
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn what_a_refused_watch_was_given_may_call_the_kernel_when_it_is_dropped() {
    #[derive(Debug)]
    struct Full;
    impl EventLoop for Full {
        fn name(&self) -> &'static str {
            "full"
        }
        fn add(&mut self, _: Rc<dyn AsFd>, _: Key, _: Interest) -> io::Result<()> {
            Err(io::Error::from_raw_os_error(nix::libc::ENOSPC))
        }
        fn modify(&mut self, _: Key, _: Interest) -> io::Result<()> {
            Ok(())
        }
        fn delete(&mut self, _: Key) -> io::Result<()> {
            Ok(())
        }
        fn wait(&mut self, _: &mut Vec<Readiness>, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }
        fn waker(&self) -> std::sync::Arc<dyn Wake> {
            unreachable!("nobody asks")
        }
    }
    let kernel = Kernel::builder().event_loop(Box::new(Full)).build().unwrap();
    assert_eq!(kernel.event_loop_name(), "full");
    Session::build(())
        .on_start(|cx| {
            let (ours, theirs) = pair();
            let (weak, strong) = (cx.kernel.downgrade(), ours.clone());
            let args = Rc::new(OnDrop::new(move || {
                let kernel = weak.upgrade().unwrap();
                kernel.select_end(&strong, Mode::Read);
                assert!(kernel.select_read(&theirs, "read").is_err());
            }));
            let error = cx.kernel.select_with(&ours, Mode::Read, "read", args).unwrap_err();
            assert!(error.to_string().contains("cannot watch descriptor"), "{error}");
            assert!(matches!(error, WatchError::Os { .. }));
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
}

#[test]
fn urgent_data_is_expedited_after_what_can_be_read() {
    use std::net::{TcpListener, TcpStream};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    nix_send_urgent(&theirs);
    let (kernel, trace) = (kernel(), Trace::default());
    let (ours, t) = (Rc::new(ours), trace.clone());
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            cx.select_expedite(&ours, "io")?;
            cx.select_read(&ours, "io")?;
            Ok(())
        })
        .on("io", move |cx, ready: Ready<TcpStream>| {
            t.log(format!("{:?}", ready.mode));
            cx.select_end(&ready.handle, ready.mode);
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    let mut lines = trace.take();
    lines.sort();
    assert_eq!(lines, ["Expedite", "Read"]);
}

fn nix_send_urgent(stream: &std::net::TcpStream) {
    let mut stream = stream;
    stream.write_all(b"plain").unwrap();
    use nix::sys::socket::{MsgFlags, send};
    assert_eq!(send(stream.as_raw_fd(), b"!", MsgFlags::MSG_OOB).unwrap(), 1);
}

#[test]
fn a_handle_is_blocking_again_after_its_last_watch() {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let is_blocking = |handle: &UnixStream| {
        !OFlag::from_bits_retain(fcntl(handle, FcntlArg::F_GETFL).unwrap())
            .contains(OFlag::O_NONBLOCK)
    };
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let (ours, kernel) = (Rc::new(ours), Kernel::new().unwrap());
    let handle = ours.clone();
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            assert!(is_blocking(&handle));
            cx.select_read(&handle, "read")?;
            cx.select_write(&handle, "write")?;
            cx.select_end(&handle, Mode::Read);
            assert!(!is_blocking(&handle));
            cx.select_end(&handle, Mode::Write);
            assert!(is_blocking(&handle));
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    assert!(is_blocking(&ours));
}

#[test]
fn what_shares_a_file_with_a_handle_is_not_made_blocking_under_its_watch() {
    let is_blocking = |handle: &UnixStream| {
        let flags = nix::fcntl::fcntl(handle, nix::fcntl::FcntlArg::F_GETFL).unwrap();
        !nix::fcntl::OFlag::from_bits_retain(flags).contains(nix::fcntl::OFlag::O_NONBLOCK)
    };
    let kernel = kernel();
    let (ours, theirs) = pair();
    let copy = Rc::new(ours.try_clone().unwrap());
    Session::build(())
        .on_start(move |cx| -> HandlerResult {
            cx.select_read(&ours, "read")?;
            cx.select_write(&copy, "written")?;
            cx.select_end(&ours, Mode::Read);
            assert!(!is_blocking(&copy), "a write to it could hold the whole program");
            cx.select_read(&ours, "read")?;
            cx.select_end(&copy, Mode::Write);
            assert!(!is_blocking(&ours));
            cx.select_end(&ours, Mode::Read);
            assert!(is_blocking(&ours) && is_blocking(&copy));
            Ok(())
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    drop(theirs);
}
