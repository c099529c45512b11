//! Servers and clients that are drained by a signal.

mod common;

use std::cell::Cell;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::{kernel, peer, port, read_all, run, text, watchdog, write};
use poe_component::prelude::*;

/// Sends this process a signal.
fn kill(signal: &str) {
    let process = std::process::id().to_string();
    assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
}

#[test]
fn a_signal_drains_the_server_and_stops_nobody() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .drain_on(["USR1", "USR2"])
        .client_input(|cx, line| {
            cx.heap.client.put(line);
            kill("-USR1");
        })
        .stopped(|cx| assert_eq!(cx.heap.connections, 0))
        .spawn(&kernel)
        .unwrap();
    let client = peer(port(&server), |stream| {
        write(&stream, b"hello\n");
        text(&read_all(&stream))
    });
    run(&kernel);
    assert_eq!(client.join().unwrap(), "hello\r\n");
}

/// A listener whose clients are served by a thread each.
fn listen<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, thread::spawn(move || serve(listener.accept().unwrap().0)))
}

#[test]
fn a_signal_drains_a_client_for_good() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let octets = 8 << 20;
    let (port, server) = listen(|stream| read_all(&stream).len());
    let ends = Rc::new(Cell::new(0));
    let told = Rc::clone(&ends);
    client::Tcp::build()
        .drain_on(["WINCH"])
        .remote_address("127.0.0.1")
        .remote_port(port)
        .filter(Stream::new())
        .alias("client")
        .connected(move |cx| {
            cx.heap.server.put(vec![b'x'; octets]);
            kill("-WINCH");
        })
        .disconnected(move |cx| {
            told.set(told.get() + 1);
            // None of these counts any more.
            cx.delay(client::RECONNECT, Duration::from_secs(1000), ());
            cx.yield_event(client::RECONNECT, ());
        })
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(server.join().unwrap(), octets);
    assert_eq!(ends.get(), 1);
}

#[test]
fn a_client_that_cannot_be_drained_is_cut_when_the_time_is_over_or_at_a_second_signal() {
    let _watchdog = watchdog();
    for is_patient in [false, true] {
        let (kernel, _) = kernel();
        let (release, held) = channel::<()>();
        let (port, server) = listen(move |stream| {
            // Reads nothing.
            let _ = held.recv();
            drop(stream);
        });
        let time = if is_patient { Duration::from_secs(1000) } else { Duration::from_millis(50) };
        client::Tcp::build()
            .remote_address("127.0.0.1")
            .remote_port(port)
            .drain_on(["URG"])
            .drain_time(time)
            .connected(move |cx| {
                cx.heap.server.put(vec![b'x'; 32 << 20]);
                kill("-URG");
                if is_patient {
                    cx.delay("again", Duration::from_millis(50), ());
                }
            })
            .state("again", |_, ()| kill("-URG"))
            .server_input(|_, _| ())
            .spawn(&kernel)
            .unwrap();
        run(&kernel);
        drop(release);
        server.join().unwrap();
    }
}
