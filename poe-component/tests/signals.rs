//! A server that is drained by a signal.

mod common;

use std::process::Command;

use common::{kernel, peer, port, read_all, run, text, watchdog, write};
use poe_component::prelude::*;

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
            let process = std::process::id().to_string();
            assert!(Command::new("kill").args(["-USR1", &process]).status().unwrap().success());
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
