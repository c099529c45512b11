//! UNIX and IPv6, and what is known of the peer.

mod common;

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::rc::Rc;

use common::{Log, kernel, run, text, watchdog};
use poe_component::prelude::*;

fn rot13(line: &[u8]) -> Vec<u8> {
    let turn = |byte: u8| match byte {
        b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
        b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
        _ => byte,
    };
    line.iter().map(|&byte| turn(byte)).collect()
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("poe-component-{}-{name}", std::process::id()))
}

// Conformance: CMP-14
#[test]
fn a_unix_server_that_is_shut_down_at_once_leaves_nothing() {
    let _watchdog = watchdog();
    let (kernel, reports) = kernel();
    let path = path("at-once");
    server::Tcp::build()
        .path(&path)
        .alias("server")
        .client_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    assert!(path.exists());
    kernel.post("server", server::SHUTDOWN, ()).unwrap();
    run(&kernel);
    assert!(reports.lines().is_empty());
    assert!(!path.exists());
}

// Conformance: WAC-08
#[test]
fn a_unix_client_and_server_talk() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let path = path("talk");
    let log = Log::default();
    let (puts, flushes) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (put, flush) = (Rc::clone(&puts), Rc::clone(&flushes));
    let (children, errors) = (log.clone(), log.clone());
    let server = server::Tcp::build()
        .path(&path)
        .alias("server")
        .client_connected(|cx| {
            assert_eq!((cx.heap.remote_ip(), cx.heap.remote_port()), (None, None));
            assert_eq!(cx.heap.remote_addr.to_string(), "LOCAL");
        })
        .client_input(move |cx, line| {
            put.set(put.get() + 1);
            cx.heap.client.put(rot13(&line))
        })
        .client_flushed(move |_| flush.set(flush.get() + 1))
        .client_error(move |_, error| errors.add(format!("{}/{}", error.operation, error.errno())))
        .listener_session(move |session| {
            session.on_child(move |cx, child| {
                children.add(format!("{:?} {}", child.change, child.session));
                if child.change == Change::Stop {
                    cx.yield_event(server::SHUTDOWN, ());
                }
            })
        })
        .spawn(&kernel)
        .unwrap();
    assert_eq!(server.local_address().path(), Some(path.as_path()));
    let expected = path.clone();
    client::Tcp::build()
        .remote_path(&path)
        .connected(move |cx| {
            assert_eq!(cx.heap.remote_addr.as_ref().and_then(Address::path), Some(&*expected));
            assert_eq!((cx.heap.remote_ip(), cx.heap.remote_port()), (None, None));
            cx.heap.server.put("1: this is a test")
        })
        .server_input(|cx, line| {
            if line.starts_with(b"1") {
                cx.heap.server.put([b"2: ", &line[..]].concat());
            } else {
                assert_eq!(text(&line), "2: 1: this is a test");
                cx.yield_event(client::SHUTDOWN, ());
            }
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let lines = log.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[1], "read/0");
    assert_eq!(lines[0].replace("Create", "Stop"), lines[2]);
    assert_eq!((puts.get(), flushes.get()), (2, 2));
    assert!(!path.exists());
}

// Conformance: WAC-10
#[test]
fn a_client_and_server_talk_over_ipv6() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .address("::1")
        .domain(Domain::Inet6)
        .alias("server")
        .client_connected(|cx| {
            assert_eq!(cx.heap.remote_ip(), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
            assert!(cx.heap.remote_port().is_some_and(|port| port != 0));
        })
        .client_input(|cx, line| cx.heap.client.put(rot13(&line)))
        .client_disconnected(|cx| cx.post("server", server::SHUTDOWN, ()))
        .spawn(&kernel);
    let server = match server {
        Ok(server) => server,
        Err(error) => return common::skipped(&format!("no IPv6 here: {error}")),
    };
    let port = common::port(&server);
    let (puts, flushes) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (put, flush) = (Rc::clone(&puts), Rc::clone(&flushes));
    client::Tcp::build()
        .remote_address("::1")
        .remote_port(port)
        .bind_address("::1")
        .bind_port(0)
        .connected(move |cx| {
            assert_eq!(cx.heap.remote_ip(), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
            assert_eq!(cx.heap.remote_port(), Some(port));
            cx.heap.server.put("1: this is a test")
        })
        .server_flushed(move |_| flush.set(flush.get() + 1))
        .server_input(move |cx, line| {
            put.set(put.get() + 1);
            if line.starts_with(b"1") {
                cx.heap.server.put([b"2: ", &line[..]].concat());
            } else {
                assert!(text(&line).ends_with("this is a test"));
                cx.yield_event(client::SHUTDOWN, ());
            }
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!((puts.get(), flushes.get()), (2, 2));
}

#[test]
fn a_server_on_all_addresses_takes_both_names_of_one() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let server = server::Tcp::build()
        .alias("server")
        .client_connected(|cx| {
            assert_eq!(cx.heap.remote_ip(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
            let _ = cx.post("server", server::SHUTDOWN, ());
            cx.yield_event(server::SHUTDOWN, ());
        })
        .client_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    client::Tcp::build()
        .remote_address("localhost")
        .domain(Domain::Inet)
        .remote_port(common::port(&server))
        .server_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
}

#[test]
fn a_client_moves_between_a_path_and_a_port() {
    let _watchdog = watchdog();
    let (kernel, _) = kernel();
    let path = path("moves");
    let hello = |kernel: &Kernel, builder: server::TcpBuilder<()>, name: &'static str| {
        builder
            .alias(name)
            .client_connected(move |cx| {
                let _ = cx.post(name, server::SHUTDOWN, ());
                cx.heap.client.put(name)
            })
            .client_input(|_, _| ())
            .spawn(kernel)
            .unwrap()
    };
    hello(&kernel, server::Tcp::build().path(&path), "unix");
    let tcp = hello(&kernel, server::Tcp::build().address("127.0.0.1"), "tcp");
    let remote = client::Remote::new("127.0.0.1", common::port(&tcp));
    let log = Log::default();
    let told = log.clone();
    client::Tcp::build()
        .remote_path(&path)
        .server_input(move |cx, name| {
            told.add(text(&name));
            if name == "unix" {
                cx.yield_event(client::CONNECT, remote.clone());
            } else {
                cx.yield_event(client::SHUTDOWN, ());
            }
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.lines(), ["unix", "tcp"]);
}
