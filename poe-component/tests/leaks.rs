//! What is left when it is over, and what idle connections cost. One test at a time: descriptors and memory are the
//! process's.

mod common;

use std::cell::Cell;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{kernel, port, run, watchdog};
use poe_component::prelude::*;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn resident_octets() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

fn echo(kernel: &Kernel) -> server::Tcp {
    server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .client_input(|cx, line| cx.heap.client.put(line))
        .spawn(kernel)
        .unwrap()
}

/// Runs until as many clients are connected to the server.
fn await_clients(kernel: &Kernel, count: usize) {
    let server = kernel.alias_resolve("server").unwrap();
    kernel.run_while(|| kernel.children(server).len() < count).unwrap();
}

#[test]
fn nothing_is_left_after_a_run() {
    let _watchdog = watchdog();
    let _alone = alone();
    let before = descriptors();
    for _ in 0..3 {
        let (kernel, _) = kernel();
        let server = echo(&kernel);
        let clients = Rc::new(Cell::new(20));
        for _ in 0..20 {
            let clients = Rc::clone(&clients);
            client::Tcp::build()
                .remote_address("127.0.0.1")
                .remote_port(port(&server))
                .connected(|cx| cx.heap.server.put("hello"))
                .server_input(|cx, _| cx.yield_event(client::SHUTDOWN, ()))
                .disconnected(move |cx| {
                    clients.set(clients.get() - 1);
                    if clients.get() == 0 {
                        let _ = cx.post("server", server::SHUTDOWN, ());
                    }
                })
                .spawn(&kernel)
                .unwrap();
        }
        run(&kernel);
        drop(kernel);
        // The test harness may have had one open for a moment before.
        assert!(descriptors() <= before);
    }
}

#[test]
fn a_kernel_that_is_dropped_takes_its_server_and_connections_along() {
    let _watchdog = watchdog();
    let _alone = alone();
    let before = descriptors();
    let alive = Rc::new(());
    let (held, each) = (Rc::clone(&alive), Rc::clone(&alive));
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .client_state(move || Rc::clone(&each))
        .client_input(move |cx, line| {
            let _ = &held;
            cx.heap.client.put(line)
        })
        .spawn(&kernel)
        .unwrap();
    let port = port(&server);
    let clients: Vec<_> =
        (0..10).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port)
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    await_clients(&kernel, 11);
    assert_eq!(Rc::strong_count(&alive), 3 + 11);
    drop(kernel);
    assert_eq!(Rc::strong_count(&alive), 1);
    for client in clients {
        assert_eq!(common::read_all(&client).len(), 0);
    }
    assert_eq!(descriptors(), before);
}

#[test]
fn ten_thousand_connections_come_and_go() {
    let _watchdog = watchdog();
    let _alone = alone();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .alias("server")
        .client_connected(|cx| cx.yield_event(server::SHUTDOWN, ()))
        .client_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    let port = port(&server);
    let before = descriptors();
    let clients = std::thread::spawn(move || {
        for _ in 0..10_000 {
            let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            common::read_all(&stream);
        }
    });
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let watcher = Session::build(())
        .on_start(|cx| cx.yield_event("look", ()))
        .on("look", move |cx, ()| {
            if clients.is_finished() {
                counted.set(descriptors());
                let _ = cx.post("server", server::SHUTDOWN, ());
            } else {
                cx.delay_set("look", std::time::Duration::from_millis(2), ());
            }
        })
        .spawn(&kernel);
    watcher.unwrap();
    run(&kernel);
    assert_eq!(count.get(), before);
}

#[test]
fn idle_connections_are_small() {
    let _watchdog = watchdog();
    let _alone = alone();
    let (kernel, _) = kernel();
    let server = echo(&kernel);
    let port = port(&server);
    let connect = |count: usize| -> Vec<TcpStream> {
        (0..count).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect()
    };
    // The first ones pay for what all share.
    let warm_up = connect(100);
    await_clients(&kernel, 100);
    let limit = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = limit.lines().find(|line| line.starts_with("Max open files"));
    let limit = limit.and_then(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok());
    let count = (limit.unwrap_or(1024) / 2 - 150).min(2000);
    let before = resident_octets();
    let mut clients = Vec::new();
    // In pieces, so that the operating system's queue holds them.
    while clients.len() < count {
        clients.extend(connect(100));
        await_clients(&kernel, 100 + clients.len());
    }
    let each = (resident_octets() - before) / clients.len();
    assert!(each <= 2048, "{each} octets for each of {} connections", clients.len());
    let _ = std::io::Write::write_all(
        &mut std::io::stdout(),
        format!("{each} octets for each of {} connections\n", clients.len()).as_bytes(),
    );
    drop((warm_up, clients));
    kernel.post("server", server::SHUTDOWN, ()).unwrap();
    run(&kernel);
}
