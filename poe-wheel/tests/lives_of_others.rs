//! As `lives`, for the wheels that make sockets, send datagrams, follow files and run programs: they are made, handed around and
//! dropped at any time, in their own handlers too.
//!
//! The descriptors of the process are counted, and so this has a process to itself.

#![cfg(target_os = "linux")]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use common::run;
use common::tails::{Directory, append};
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use poe_session::prelude::*;
use poe_wheel::udp::Datagram;
use poe_wheel::{
    Address, CodeIn, Conduit, Connection, FollowTail, Input, IoError, ListenAccept, Run,
    RunBuilder, RunExit, SocketFactory, SocketFactoryBuilder, SocketType, Udp, WheelId,
};
use proptest::prelude::*;

const SESSIONS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tcp,
    Unix,
    Accept,
    /// To the server that was made last, which may be gone.
    ConnectTcp,
    ConnectUnix,
    /// By name, which somebody has to look up.
    ConnectByName,
    HandOver,
    Udp,
    File,
    Handle,
    /// By the shell, with its streams on conduits of a kind.
    Program(&'static str, Conduit),
    /// One that is killed with its wheel.
    Doomed,
    Thread,
}

/// What a session does about whatever happens to it, with the wheel it happened to or another one.
#[derive(Clone, Debug)]
enum Deed {
    Make(Kind),
    Drop,
    DropAll,
    Pass {
        to: usize,
    },
    Pause,
    Resume,
    Put,
    Append(&'static str),
    Rotate,
    Truncate,
    Remove,
    /// No more input for a child.
    End,
    Kill,
    Terminate,
}

fn deed() -> impl Strategy<Value = Deed> {
    use Kind::{
        Accept, ConnectByName, ConnectTcp, ConnectUnix, Doomed, File, HandOver, Handle, Program,
        Tcp, Thread, Unix,
    };
    let kinds = [
        Tcp,
        Unix,
        Accept,
        ConnectTcp,
        ConnectTcp,
        ConnectTcp,
        ConnectUnix,
        ConnectUnix,
        ConnectByName,
        HandOver,
        Kind::Udp,
        File,
        File,
        Handle,
        Program("echo out; echo err >&2; read -r line; echo \"$line\"", Conduit::Pipe),
        Program("cat; exit 3", Conduit::SocketPair),
        Program("exec <&- >&- 2>&-", Conduit::Inet),
        Program("echo words; cat", Conduit::PtyPipe),
        Doomed,
        Thread,
    ];
    prop_oneof![
        8 => prop::sample::select(kinds.to_vec()).prop_map(Deed::Make),
        2 => Just(Deed::Drop),
        1 => Just(Deed::DropAll),
        3 => (0..SESSIONS).prop_map(|to| Deed::Pass { to }),
        1 => Just(Deed::Pause),
        1 => Just(Deed::Resume),
        3 => Just(Deed::Put),
        4 => prop::sample::select(&["line\n", "two\nlines\n", "hal", "f\n"][..]).prop_map(Deed::Append),
        1 => Just(Deed::Rotate),
        1 => Just(Deed::Truncate),
        1 => Just(Deed::Remove),
        2 => Just(Deed::End),
        1 => Just(Deed::Kill),
        1 => Just(Deed::Terminate),
    ]
}

/// What all sessions of a run know.
struct World {
    deeds: VecDeque<Deed>,
    sessions: Vec<SessionId>,
    /// For whom each wheel that is there was made.
    wheels: HashMap<WheelId, SessionId>,
    /// Where the last server listens.
    server: Address,
    /// Where the last datagram socket is.
    receiver: Address,
    /// Of children: those whose outputs are over, and those that have ended.
    closed: HashSet<WheelId>,
    exited: HashSet<WheelId>,
    directory: Directory,
    made: u32,
    events: usize,
}

impl World {
    fn log(&self) -> PathBuf {
        self.directory.path("log")
    }

    fn new_path(&mut self, name: &str) -> PathBuf {
        self.made += 1;
        self.directory.path(&format!("{name}.{}", self.made))
    }
}

enum Wheel {
    Sockets(SocketFactory),
    Accept(ListenAccept),
    Udp(Udp),
    Tail(FollowTail),
    Run(Run),
}

impl Wheel {
    fn id(&self) -> WheelId {
        match self {
            Self::Sockets(wheel) => wheel.id(),
            Self::Accept(wheel) => wheel.id(),
            Self::Udp(wheel) => wheel.id(),
            Self::Tail(wheel) => wheel.id(),
            Self::Run(wheel) => wheel.id(),
        }
    }

    fn pause(&self) {
        match self {
            Self::Sockets(wheel) => wheel.pause_accept(),
            Self::Accept(wheel) => wheel.pause_accept(),
            Self::Udp(wheel) => wheel.pause_input(),
            Self::Tail(wheel) => wheel.pause_input(),
            Self::Run(wheel) => wheel.pause_stdout(),
        }
    }

    fn resume(&self) {
        match self {
            Self::Sockets(wheel) => wheel.resume_accept(),
            Self::Accept(wheel) => wheel.resume_accept(),
            Self::Udp(wheel) => wheel.resume_input(),
            Self::Tail(wheel) => wheel.resume_input(),
            Self::Run(wheel) => wheel.resume_stdout(),
        }
    }
}

/// A wheel that says when it is dropped.
struct Kept {
    wheel: Wheel,
    world: Rc<RefCell<World>>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        let gone = self.world.borrow_mut().wheels.remove(&self.wheel.id());
        assert!(gone.is_some());
    }
}

struct Heap {
    wheels: Vec<Kept>,
    world: Rc<RefCell<World>>,
}

fn make(cx: &Cx<'_, Heap>, kind: Kind) -> Wheel {
    let mut world = cx.heap.world.borrow_mut();
    let sockets = |builder: SocketFactoryBuilder| {
        let builder = builder.success_event("success").failure_event("error");
        Wheel::Sockets(builder.spawn(cx.kernel).unwrap())
    };
    let local = || SocketFactory::build().bind_address("127.0.0.1");
    let port = world.server.port().unwrap_or(1);
    let tail = |builder: poe_wheel::FollowTailBuilder| {
        let builder = builder.seek(0).input_event("input").partial_event("input");
        let builder = builder.reset_event("told").idle_event("told").error_event("error");
        let builder = builder.poll_interval(Duration::from_millis(2));
        Wheel::Tail(builder.spawn(cx.kernel).unwrap())
    };
    match kind {
        Kind::Tcp => {
            let wheel = local().spawn(cx.kernel).unwrap();
            world.server = wheel.local_address().unwrap();
            wheel.failure_event("error");
            Wheel::Sockets(wheel)
        }
        Kind::Unix => {
            let path = world.new_path("socket");
            world.server = Address::Unix(Some(path.clone()));
            sockets(SocketFactory::build().bind_path(path))
        }
        Kind::Accept => {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            world.server = Address::Ip(listener.local_addr().unwrap());
            let builder = ListenAccept::build(listener).accept_event("success");
            Wheel::Accept(builder.error_event("error").spawn(cx.kernel).unwrap())
        }
        Kind::ConnectTcp => {
            sockets(SocketFactory::build().remote_address("127.0.0.1").remote_port(port))
        }
        Kind::ConnectByName => {
            sockets(SocketFactory::build().remote_address("localhost").remote_port(port))
        }
        Kind::ConnectUnix => {
            let path = world.server.path().map_or("/no/such/path".into(), PathBuf::from);
            sockets(SocketFactory::build().remote_path(path))
        }
        Kind::HandOver => sockets(local().socket_type(SocketType::Datagram)),
        Kind::Udp => {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            world.receiver = Address::Ip(socket.local_addr().unwrap());
            let builder = Udp::build(socket).input_event("datagram").flushed_event("told");
            Wheel::Udp(builder.error_event("error").spawn(cx.kernel).unwrap())
        }
        Kind::Program(command, conduit) => child(cx, Run::build_shell(command).conduit(conduit)),
        Kind::Doomed => child(cx, Run::build("sleep").program_args(["1000"]).kill_on_drop(true)),
        Kind::Thread => {
            let copy = Run::build_code(|mut io| _ = std::io::copy(&mut io.stdin, &mut io.stdout));
            child(cx, copy.code_in(CodeIn::Thread))
        }
        Kind::File => tail(FollowTail::build(world.log())),
        Kind::Handle => {
            append(world.log(), "");
            tail(FollowTail::build_handle(fs::File::open(world.log()).unwrap()))
        }
    }
}

fn child(cx: &Cx<'_, Heap>, builder: RunBuilder) -> Wheel {
    let builder = builder.stdin_event("told").stdout_event("input").stderr_event("input");
    let builder = builder.stdout_partial_event("input").error_event("error");
    let builder = builder.close_event("closed").exit_event("exited");
    Wheel::Run(builder.spawn(cx.kernel).unwrap())
}

/// Something has happened, to a wheel perhaps.
fn happens(cx: &mut Cx<'_, Heap>, id: Option<WheelId>) {
    let world = Rc::clone(&cx.heap.world);
    if let Some(id) = id {
        let mut world = world.borrow_mut();
        world.events += 1;
        let session = world.wheels.get(&id).expect("an event of a wheel that is gone");
        assert_eq!(*session, cx.session(), "an event for another session");
    }
    let deed = world.borrow_mut().deeds.pop_front();
    let Some(deed) = deed else {
        cx.heap.wheels.clear();
        return;
    };
    // Its own wheel, if it is this session that has it, or the one it has had for the longest time.
    let place = id.and_then(|id| cx.heap.wheels.iter().position(|kept| kept.wheel.id() == id));
    let place = place.unwrap_or_default();
    let wheel = cx.heap.wheels.get(place).map(|kept| &kept.wheel);
    let log = world.borrow().log();
    match deed {
        Deed::Make(kind) => {
            let wheel = make(cx, kind);
            world.borrow_mut().wheels.insert(wheel.id(), cx.session());
            cx.heap.wheels.push(Kept { wheel, world });
        }
        Deed::Drop if wheel.is_some() => drop(cx.heap.wheels.remove(place)),
        Deed::DropAll => cx.heap.wheels.clear(),
        Deed::Pass { to } if wheel.is_some() => {
            let to = world.borrow().sessions[to];
            let kept = cx.heap.wheels.remove(place);
            // A session that has stopped gets nothing, and the wheel is dropped.
            let _ = cx.post(to, "take", kept);
        }
        Deed::Pause => wheel.into_iter().for_each(Wheel::pause),
        Deed::Resume => wheel.into_iter().for_each(Wheel::resume),
        Deed::Put => {
            let receiver = world.borrow().receiver.clone();
            match wheel {
                Some(Wheel::Udp(wheel)) => wheel.put("datagram", &receiver).unwrap(),
                Some(Wheel::Run(wheel)) => _ = wheel.put("some words"),
                _ => {}
            }
        }
        Deed::Append(text) => append(log, text),
        Deed::Rotate => {
            append(&log, "");
            let other = world.borrow_mut().new_path("log");
            fs::rename(&log, other).unwrap();
        }
        Deed::Truncate => fs::write(log, "new\n").unwrap(),
        Deed::Remove => drop(fs::remove_file(log)),
        Deed::End | Deed::Kill | Deed::Terminate => {
            if let Some(Wheel::Run(wheel)) = wheel {
                // It may have ended, or be a thread.
                match deed {
                    Deed::End => wheel.shutdown_stdin(),
                    Deed::Kill => _ = wheel.kill("TERM"),
                    _ => _ = wheel.terminate_group(Duration::from_millis(5)),
                }
            }
        }
        Deed::Drop | Deed::Pass { .. } => {}
    }
}

/// The outputs of a child are over, or it has ended; each is told of once.
fn ends(cx: &mut Cx<'_, Heap>, id: WheelId, which: fn(&mut World) -> &mut HashSet<WheelId>) {
    assert!(which(&mut cx.heap.world.borrow_mut()).insert(id), "told of twice");
    happens(cx, Some(id));
}

fn session(world: &Rc<RefCell<World>>) -> Session<Heap> {
    Session::build(Heap { wheels: Vec::new(), world: Rc::clone(world) })
        .on_start(|cx| cx.yield_event("tick", ()))
        .on("tick", |cx, ()| {
            happens(cx, None);
            if cx.heap.world.borrow().deeds.is_empty() {
                cx.heap.wheels.clear();
            } else {
                cx.delay("tick", Duration::from_millis(1), ());
            }
        })
        .on("take", |cx, kept: Kept| {
            if !cx.heap.world.borrow().deeds.is_empty() {
                cx.heap.wheels.push(kept);
            }
        })
        .on("success", |cx, connection: Connection| happens(cx, Some(connection.wheel)))
        .on("error", |cx, error: IoError| happens(cx, Some(error.wheel)))
        .on("input", |cx, input: Input| {
            assert!(!cx.heap.world.borrow().closed.contains(&input.wheel), "input after its end");
            happens(cx, Some(input.wheel));
        })
        .on("closed", |cx, wheel: WheelId| ends(cx, wheel, |world| &mut world.closed))
        .on("exited", |cx, exit: RunExit| ends(cx, exit.wheel, |world| &mut world.exited))
        .on("datagram", |cx, datagram: Datagram| happens(cx, Some(datagram.wheel)))
        .on("told", |cx, wheel: WheelId| happens(cx, Some(wheel)))
}

/// How many events wheels had, and how many children were told to have ended.
fn live(kernel: &Kernel, deeds: Vec<Deed>) -> (usize, usize) {
    let world = Rc::new(RefCell::new(World {
        deeds: deeds.into(),
        sessions: Vec::new(),
        wheels: HashMap::new(),
        server: Address::Nobody,
        receiver: Address::Nobody,
        closed: HashSet::new(),
        exited: HashSet::new(),
        directory: Directory::new(),
        made: 0,
        events: 0,
    }));
    for _ in 0..SESSIONS {
        let id = session(&world).spawn(kernel).unwrap();
        world.borrow_mut().sessions.push(id);
    }
    run(kernel);
    wait_for_children(kernel);
    let world = Rc::into_inner(world).expect("a heap is left").into_inner();
    assert!(world.wheels.is_empty(), "a wheel is left");
    let entries = fs::read_dir(world.log().parent().unwrap()).unwrap().flatten();
    let is_socket =
        |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("socket");
    assert_eq!(entries.filter(is_socket).count(), 0, "a path is left");
    (world.events, world.exited.len())
}

/// Children whose wheels are gone are waited for by the kernel.
fn wait_for_children(kernel: &Kernel) {
    Session::build(())
        .on_start(|cx| cx.yield_event("look", ()))
        .on("look", |cx, ()| {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
            if waitid(Id::All, flags) != Err(Errno::ECHILD) {
                cx.delay("look", Duration::from_millis(1), ());
            }
        })
        .spawn(kernel)
        .unwrap();
    run(kernel);
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn wheels_are_made_passed_and_dropped_anywhere_and_nothing_is_left() {
    let (events, exits) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let kernel = common::kernel();
    runner
        .run(&prop::collection::vec(deed(), 1..150), |deeds| {
            let before = descriptors();
            let (more, ended) = live(&kernel, deeds);
            events.set(events.get() + more);
            exits.set(exits.get() + ended);
            // Threads close theirs when they find that nobody is there.
            let _watchdog = common::Watchdog::new();
            while descriptors() > before {
                std::thread::yield_now();
            }
            prop_assert_eq!(descriptors(), before);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    // It is about wheels that something happens to.
    assert!(events.get() > 500 && exits.get() > 20, "{events:?} {exits:?}");
}
