//! Servers at names that have to be looked up.

mod common;

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, TcpListener};
use std::rc::Rc;

use common::{Log, kernel, port, run, text, watchdog};
use poe_component::prelude::*;
use poe_kernel::Destination;

/// The records of lines.
type Octets = <Line as Filter>::In;

/// What only the resolver understands, though it needs to ask nobody.
const NAME: &str = "127.1";

/// A server that a handler spawns.
fn spawn_in_handler(
    kernel: &Kernel,
    builder: server::TcpBuilder<(), Octets, Octets, server::Callbacks>,
) -> Result<server::Tcp, ComponentError> {
    let spawned = Rc::new(RefCell::new(None));
    let (builder, s) = (Cell::new(Some(builder)), spawned.clone());
    Session::build(())
        .on_start(move |cx| _ = s.replace(builder.take().map(|builder| builder.spawn(cx))))
        .spawn(kernel)
        .unwrap();
    spawned.take().unwrap()
}

#[test]
fn a_server_that_a_handler_spawns_at_a_name_tells_its_address_and_serves() {
    let _watchdog = watchdog();
    let (kernel, reports) = kernel();
    let log = Log::default();
    let [started, listening, got] = std::array::from_fn(|_| log.clone());
    let server = server::Tcp::build()
        .address(NAME)
        .alias("server")
        .started(move |cx| {
            started.add("started");
            assert!(cx.heap.listener.as_ref().unwrap().local_address().is_err());
        })
        .listening(move |cx, address| {
            listening.add("listening");
            assert_eq!(cx.heap.listener.as_ref().unwrap().local_address().unwrap(), address);
            let got = got.clone();
            client::Tcp::build()
                .remote_address(address.ip().unwrap())
                .remote_port(address.port().unwrap())
                .connected(|cx| cx.heap.server.put("hello"))
                .server_input(move |cx, line| {
                    got.add(text(&line));
                    let _ = cx.post("server", server::SHUTDOWN, ());
                    cx.yield_event(client::SHUTDOWN, ());
                })
                .spawn(cx)
                .unwrap();
        })
        .client_input(|cx, line| cx.heap.client.put(line));
    let server = spawn_in_handler(&kernel, server).unwrap();
    assert_eq!(server.local_address(), &Address::Nobody);
    assert_eq!(server.describe(), "server that does not listen yet");
    run(&kernel);
    assert_eq!(log.lines(), ["started", "listening", "hello"]);
    assert_eq!(server.local_address().ip(), Some(Ipv4Addr::LOCALHOST.into()));
    assert!(server.describe().starts_with("server at 127.0.0.1:"));
    assert!(reports.lines().is_empty());
}

#[test]
fn what_a_server_knows_at_once_it_tells_at_once_and_to_the_callback() {
    let _watchdog = watchdog();
    // Outside of handlers a name is looked up then and there.
    for (address, is_in_handler) in
        [("127.0.0.1", false), ("127.0.0.1", true), ("localhost", true), (NAME, false)]
    {
        let (kernel, _) = kernel();
        let told = Rc::new(RefCell::new(Vec::new()));
        let (started, listening) = (told.clone(), told.clone());
        let server = server::Tcp::build()
            .address(address)
            .started(move |_| started.borrow_mut().push(None))
            .listening(move |cx, address| {
                listening.borrow_mut().push(address.port());
                cx.yield_event(server::SHUTDOWN, ());
            })
            .client_input(|_, _| ());
        let server =
            if is_in_handler { spawn_in_handler(&kernel, server) } else { server.spawn(&kernel) };
        let server = server.unwrap();
        assert_eq!(*told.borrow(), [None, Some(port(&server))]);
        run(&kernel);
        assert_eq!(told.borrow().len(), 2);
    }
}

#[test]
fn a_server_that_is_shut_down_by_then_does_not_listen() {
    let _watchdog = watchdog();
    for address in ["127.0.0.1", NAME] {
        let (kernel, reports) = kernel();
        let server = server::Tcp::build()
            .address(address)
            .alias("server")
            .started(|cx| cx.call::<(), ()>(cx.session(), server::SHUTDOWN, ()))
            .listening(|_, _| common::never("it was shut down"))
            .client_input(|_, _| ());
        spawn_in_handler(&kernel, server).unwrap();
        run(&kernel);
        assert!(reports.lines().is_empty());
    }
}

#[test]
fn a_name_that_cannot_be_listened_at_is_an_error_of_the_server() {
    let _watchdog = watchdog();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = taken.local_addr().unwrap().port();
    for (name, port, operation) in [("no such host", 0, "getaddrinfo"), (NAME, in_use, "bind")] {
        for is_handled in [true, false] {
            let (kernel, reports) = kernel();
            let told = Rc::new(Cell::new(""));
            let of_error = told.clone();
            let mut server = server::Tcp::build()
                .address(name)
                .port(port)
                .alias("server")
                .listening(|_, _| common::never("it cannot"));
            if is_handled {
                server = server.error(move |_, error| {
                    assert!(!error.is_recoverable());
                    of_error.set(error.operation);
                });
            }
            let server = spawn_in_handler(&kernel, server.client_input(|_, _| ())).unwrap();
            run(&kernel);
            assert_eq!(server.local_address(), &Address::Nobody);
            if is_handled {
                assert_eq!(told.get(), operation);
                assert!(reports.lines().is_empty());
            } else {
                let [report] = reports.lines().try_into().unwrap();
                assert!(report.contains(&format!("server got {operation}: ")), "{report}");
            }
        }
    }
}

#[test]
fn what_does_not_go_together_with_a_name_is_an_error_of_spawn() {
    let (kernel, _) = kernel();
    let server = || server::Tcp::build().address("no.name").client_input(|_, _| ());
    let refused = |server| spawn_in_handler(&kernel, server).unwrap_err().to_string();
    let service = refused(server().port("no-such-service"));
    assert!(service.starts_with("cannot resolve \"no.name:no-such-service\""), "{service}");
    assert!(refused(server().path("/no/such")).contains("bind_path excludes"));
    run(&kernel);
}

#[test]
fn a_server_at_a_name_lets_nobody_in_before_it_may() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let log = Log::default();
    let (opened, connected) = (log.clone(), log.clone());
    let client = RefCell::new(None);
    let server = server::Tcp::build()
        .address(NAME)
        .concurrency(0)
        .listening(move |cx, address| {
            let address = (Ipv4Addr::LOCALHOST, address.port().unwrap());
            client.replace(std::net::TcpStream::connect(address).ok());
            cx.delay("open", std::time::Duration::from_millis(5), ());
        })
        .listener_session(move |session| {
            session.on("open", move |cx, ()| {
                opened.add("open");
                cx.yield_event(server::SET_CONCURRENCY, Some(1));
            })
        })
        .client_connected(move |cx| {
            connected.add("connected");
            let _ = cx.post(cx.heap.listener(), server::CUT, ());
        })
        .client_input(|_, _| ());
    spawn_in_handler(&kernel, server).unwrap();
    run(&kernel);
    assert_eq!(log.lines(), ["open", "connected"]);
}
