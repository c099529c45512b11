//! No wheel installs a handler of signals, ignores one or blocks one. Alone in its program: a kernel that a session asks for a
//! signal does install one, and so would those of other tests.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::rc::Rc;

use common::children::with_events;
use common::person::Person;
use common::sockets::factory;
use common::tails::{Directory, append, follow};
use common::{Event, builder, kernel, once, own, run};
use poe_session::prelude::*;
use poe_wheel::udp::Datagram;
use poe_wheel::{
    Address, CodeIo, Conduit, Connection, Exception, Input, IoError, ListenAccept, ReadLine, Run,
    RunBuilder, RunExit, SocketFactory, Udp, WheelId,
};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

/// What this process catches and ignores, and what the thread of the kernel blocks.
#[derive(Clone, Debug, PartialEq)]
struct Dispositions {
    ignored: u64,
    caught: u64,
    blocked: u64,
}

impl Dispositions {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            u64::from_str_radix(line.trim(), 16).unwrap()
        };
        Self { ignored: set("SigIgn:"), caught: set("SigCgt:"), blocked: set("SigBlk:") }
    }
}

thread_local! {
    static BEFORE: Dispositions = Dispositions::now();
}

fn look() {
    BEFORE.with(|before| assert_eq!(Dispositions::now(), *before));
}

fn read_write(kernel: &Kernel) {
    let (ours, theirs) = common::pair();
    for (handle, begins) in [(ours, true), (theirs, false)] {
        common::spawn(kernel, common::wheel(handle), move |cx, event| match event {
            Event::Start if begins => _ = own(cx).put("hello"),
            Event::Input(_) | Event::Error(_) => {
                look();
                *cx.heap = None;
            }
            _ => {}
        });
    }
}

/// Names are looked up by a thread of the kernel's.
fn sockets(kernel: &Kernel) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let make = once(listener);
    Session::build(None::<ListenAccept>)
        .on_start(move |cx| *cx.heap = ListenAccept::build(make()).spawn(cx.kernel).ok())
        .on("accept", |cx, _: Connection| *cx.heap = None)
        .spawn(kernel)
        .unwrap();
    Session::build(Vec::<SocketFactory>::new())
        .on_start(move |cx| -> HandlerResult {
            cx.heap.push(factory().bind_address("127.1").spawn(cx.kernel)?);
            let client = factory().remote_address("localhost").remote_port(port);
            cx.heap.push(client.spawn(cx.kernel)?);
            Ok(())
        })
        .on("success", move |cx, _: Connection| {
            look();
            cx.heap.clear();
        })
        .on("failure", |_, error: IoError| Err::<(), _>(error))
        .spawn(kernel)
        .unwrap();
}

fn datagrams(kernel: &Kernel) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (to, make) = (Address::Ip(socket.local_addr().unwrap()), once(socket));
    Session::build(None::<Udp>)
        .on_start(move |cx| -> HandlerResult {
            let wheel = Udp::build(make()).input_event("came").spawn(cx.kernel)?;
            wheel.put("hello", &to)?;
            *cx.heap = Some(wheel);
            Ok(())
        })
        .on("came", move |cx, _: Datagram| {
            look();
            *cx.heap = None;
        })
        .spawn(kernel)
        .unwrap();
}

fn follow_tail(kernel: &Kernel) {
    let directory = Directory::new();
    let path = directory.file("log", "one\n");
    let builder = follow(&path).seek(0);
    common::tails::spawn(kernel, builder, move |cx, event| {
        let _ = &directory;
        if let common::tails::Event::Input(record) = event {
            look();
            if record == "one" {
                append(&path, "two\n");
            } else {
                *cx.heap = None;
            }
        }
    });
}

/// A child ends by itself, and the kernel waits for it by its descriptor.
fn child(kernel: &Kernel, make: impl Fn() -> RunBuilder + 'static, look: fn()) {
    Session::build(None::<Run>)
        .on_start(move |cx| {
            *cx.heap = Some(with_events(make()).stdout_event("out").spawn(cx.kernel).unwrap())
        })
        .on("out", move |_, _: Input| look())
        .on("close", |_, _: WheelId| ())
        .on("exit", move |cx, _: RunExit| {
            look();
            *cx.heap = None;
        })
        .on_default(|_, _: Unhandled| ())
        .spawn(kernel)
        .unwrap();
}

fn children(kernel: &Kernel) {
    if pidfd_open(getpid(), PidfdFlags::empty()).is_err() {
        return common::skipped("no descriptors of processes here: the kernel catches SIGCHLD");
    }
    for conduit in [Conduit::Pipe, Conduit::SocketPair, Conduit::Pty] {
        child(kernel, move || Run::build_shell("echo hello").conduit(conduit), look);
    }
    child(kernel, || Run::build_code(|_: CodeIo| 0), look);
}

fn read_line(kernel: &Kernel) {
    let (person, terminal) = Person::new(20, 4);
    Session::build(None::<ReadLine>)
        .on_start(move |cx| -> HandlerResult {
            let builder = ReadLine::build_pair(Rc::clone(&terminal), Rc::clone(&terminal));
            let wheel = builder.no_init_file().input_event("typed").spawn(cx.kernel)?;
            wheel.get("> ");
            *cx.heap = Some(wheel);
            look();
            person.types("hello\n");
            Ok(())
        })
        .on("typed", move |cx, _: Input<Result<String, Exception>>| {
            look();
            *cx.heap = None;
        })
        .spawn(kernel)
        .unwrap();
}

#[cfg(feature = "curses")]
fn curses(kernel: &Kernel) {
    use poe_wheel::{Curses, TerminalInput};

    let (person, terminal) = Person::new(20, 4);
    Session::build(None::<Curses>)
        .on_start(move |cx| -> HandlerResult {
            let builder = Curses::build_pair(Rc::clone(&terminal), Rc::clone(&terminal));
            let wheel = builder.input_event("typed").spawn(cx.kernel)?;
            wheel.draw(|frame| frame.render_widget("frame", frame.area()));
            *cx.heap = Some(wheel);
            look();
            person.types("q");
            Ok(())
        })
        .on("typed", move |cx, _: Input<TerminalInput>| {
            look();
            *cx.heap = None;
        })
        .spawn(kernel)
        .unwrap();
}

#[test]
fn dispositions_of_signals_are_the_same_before_amid_and_after_every_kind_of_wheel() {
    look();
    let wheels: &[fn(&Kernel)] = &[
        read_write,
        sockets,
        datagrams,
        follow_tail,
        children,
        read_line,
        #[cfg(feature = "curses")]
        curses,
    ];
    for begin in wheels {
        let kernel = kernel();
        begin(&kernel);
        look();
        run(&kernel);
        look();
        drop(kernel);
        look();
    }
    // Where the system has no descriptors of processes, the kernel, and not the wheel, waits for children by this signal.
    let kernel = builder().use_sigchld(true).build().unwrap();
    child(&kernel, || Run::build("true"), || ());
    run(&kernel);
    let child = 1 << (nix::libc::SIGCHLD - 1);
    BEFORE.with(|before| {
        let with_child = Dispositions { caught: before.caught | child, ..before.clone() };
        assert_ne!(with_child, *before);
        assert_eq!(Dispositions::now(), with_child);
    });
}
