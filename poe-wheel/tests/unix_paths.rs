//! The paths of UNIX sockets: taken over, left and removed.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;

use common::sockets::{Event, Place, factory, spawn, spawn_error};
use common::{Log, kernel, run};
use nix::errno::Errno;
use poe_wheel::{Address, Domain, SocketFactory, WheelError};

// Conformance: WAC-09
#[test]
fn a_unix_client_has_no_path_and_the_server_has_one() {
    let place = Place::new("addresses");
    let kernel = kernel();
    let path = place.path();
    let p = path.clone();
    spawn(&kernel, factory().bind_path(&path), move |cx, event| match event {
        Event::Start => {
            let mut client = UnixStream::connect(&p).unwrap();
            client.write_all(b"hello").unwrap();
        }
        Event::Success(connection) => {
            assert_eq!(connection.peer, Address::Unix(None));
            assert_eq!((connection.peer.ip(), connection.peer.port()), (None, None));
            let mut stream = UnixStream::from(connection.socket);
            let mut heard = String::new();
            stream.set_nonblocking(false).unwrap();
            stream.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, "hello");
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    run(&kernel);
    assert!(!path.exists());
}

#[test]
fn a_path_that_nobody_listens_at_any_more_is_taken_over() {
    let place = Place::new("stale");
    drop(UnixListener::bind(place.path()).unwrap());
    assert!(place.path().exists());
    assert!(spawn_error(&factory().bind_path(place.path())).is_none());
    assert!(!place.path().exists());
}

#[test]
fn a_path_is_removed_wherever_the_program_has_gone() {
    let place = Place::new("gone");
    // The other tests here have paths that do not depend on it.
    std::env::set_current_dir(place.path().parent().unwrap()).unwrap();
    let listening = factory().bind_path(place.path().file_name().unwrap()).listen().unwrap();
    std::env::set_current_dir("/").unwrap();
    assert!(place.path().exists());
    drop(listening);
    assert!(!place.path().exists());
}

#[cfg(target_os = "linux")]
#[test]
fn as_many_clients_wait_as_the_queue_is_long() {
    let place = Place::new("queue");
    let address = socket2::SockAddr::unix(place.path()).unwrap();
    for length in [0, 3, 17] {
        let _listening = factory().bind_path(place.path()).listen_queue(length).listen().unwrap();
        let connect = || {
            let client = socket2::Socket::new(address.domain(), socket2::Type::STREAM, None)?;
            client.set_nonblocking(true)?;
            client.connect(&address).map(|()| client)
        };
        let waiting: Vec<_> = std::iter::repeat_with(connect).map_while(Result::ok).collect();
        // It counts one more than it is told.
        assert_eq!(waiting.len(), usize::from(length) + 1);
    }
}

#[test]
fn a_path_that_many_would_take_over_is_had_by_one() {
    const SERVERS: usize = 4;
    let place = Place::new("race");
    for round in 0..200 {
        drop(UnixListener::bind(place.path()).unwrap());
        let (begin, end) = (Barrier::new(SERVERS), Barrier::new(SERVERS));
        let listen = || {
            begin.wait();
            let listening = factory().bind_path(place.path()).listen();
            end.wait();
            let reached = listening.is_ok() && UnixStream::connect(place.path()).is_ok();
            // Whoever has it keeps it until all have tried.
            end.wait();
            (listening.is_ok(), reached)
        };
        let all: Vec<_> = thread::scope(|scope| {
            let all: Vec<_> = (0..SERVERS).map(|_| scope.spawn(listen)).collect();
            all.into_iter().map(|server| server.join().unwrap()).collect()
        });
        let having = all.into_iter().filter(|(has, _)| *has).collect::<Vec<_>>();
        assert_eq!(having, [(true, true)], "in round {round}");
        assert!(!place.path().exists());
    }
}

#[test]
fn a_client_that_would_have_the_path_of_a_server_never_takes_it_before_that_listens() {
    let place = Place::new("client-race");
    let nobody = place.0.join("nobody");
    for round in 0..200 {
        drop(UnixListener::bind(place.path()).unwrap());
        let (begin, end) = (Barrier::new(2), Barrier::new(2));
        let reached = thread::scope(|scope| {
            scope.spawn(|| {
                let client = factory().bind_path(place.path()).remote_path(&nobody);
                begin.wait();
                spawn_error(&client);
                end.wait();
            });
            begin.wait();
            let listening = factory().bind_path(place.path()).listen();
            end.wait();
            listening.map(|_listening| UnixStream::connect(place.path()).is_ok())
        });
        assert!(matches!(reached, Ok(true)), "in round {round}: {reached:?}");
        let _ = fs::remove_file(place.path());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_unix_socket_may_have_a_name_that_is_no_path() {
    let name = format!("\0poe-wheel-{}", std::process::id());
    let (kernel, log) = (kernel(), Log::default());
    let remote = name.clone();
    spawn(&kernel, factory().bind_path(&name), move |cx, event| match event {
        Event::Start => {
            let own = cx.heap.as_ref().unwrap().local_address().unwrap();
            assert_eq!(own.path(), Some(remote.as_ref()));
            assert_eq!(own.to_string(), remote.replace('\0', "@"));
            let again = factory().bind_path(&remote).listen().unwrap_err();
            assert!(again.to_string().contains("in use"), "{again}");
        }
        Event::Success(connection) => {
            assert_eq!(connection.peer, Address::Unix(None));
            *cx.heap = None;
        }
        other => panic!("{other:?}"),
    });
    common::sockets::try_to_connect(&kernel, &log, factory().remote_path(&name));
    run(&kernel);
    assert_eq!(log.take(), ["success"]);
}

#[test]
fn a_path_is_of_the_unix_domain_whether_that_is_said_or_not() {
    let place = Place::new("domain");
    let unix = factory().socket_domain(Domain::Unix);
    for builder in [unix.bind_path(place.path()), factory().bind_path(place.path())] {
        let listening = builder.listen().unwrap();
        assert_eq!(listening.local_address().unwrap().path(), Some(&*place.path()));
    }
}

#[test]
fn a_path_that_is_listened_at_is_refused_and_left() {
    let place = Place::new("live");
    let live = UnixListener::bind(place.path()).unwrap();
    let in_use = |error: Option<WheelError>| match error {
        Some(WheelError::Socket { operation: "bind", source, .. }) => {
            assert_eq!(source.raw_os_error(), Some(Errno::EADDRINUSE as i32));
        }
        other => panic!("{other:?}"),
    };
    in_use(spawn_error(&factory().bind_path(place.path())));
    live.set_nonblocking(true).unwrap();
    UnixStream::connect(place.path()).unwrap();
    drop(live);

    // Neither is something that is no socket.
    fs::remove_file(place.path()).unwrap();
    fs::write(place.path(), "a file").unwrap();
    in_use(spawn_error(&factory().bind_path(place.path())));
    assert_eq!(fs::read_to_string(place.path()).unwrap(), "a file");
}

#[test]
fn a_path_that_is_somebody_elses_by_now_is_left() {
    let place = Place::new("replaced");
    let kernel = kernel();
    let path = place.path();
    spawn(&kernel, factory().bind_path(place.path()), move |cx, event| {
        assert!(matches!(event, Event::Start));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        *cx.heap = None;
    });
    run(&kernel);
    assert_eq!(fs::read_to_string(place.path()).unwrap(), "another");
}

#[test]
fn a_path_that_is_too_long_is_an_error_of_spawn() {
    let long = PathBuf::from("/tmp").join("x".repeat(200));
    match spawn_error(&factory().bind_path(long)) {
        Some(WheelError::Socket { operation: "bind", .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_path_with_a_nul_in_it_is_not_taken_for_what_stands_before() {
    common::descriptors::count();
    let before = std::env::temp_dir().join(format!("poe-nul-{}", std::process::id()));
    let mut path = before.clone().into_os_string();
    path.push("\0rest");
    for path in [path, std::ffi::OsString::new()] {
        let error = SocketFactory::build().bind_path(path).listen().unwrap_err();
        assert!(error.to_string().contains("is no path of a socket"), "{error}");
    }
    assert!(!before.exists());
}
