//! What all the programs have in common: their help, their address, and how they say what is wrong.

#[macro_use]
mod common;

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use common::{Program, connect, run, skipped};

const SERVERS: [&str; 5] = [
    example!("echo-server"),
    example!("rot13-server"),
    example!("chat-server"),
    example!("chargen-server"),
    example!("select-server"),
];
const CLIENT: &str = example!("tcp-client");
const COUNTERS: &str = example!("counters");

fn all() -> impl Iterator<Item = &'static str> {
    SERVERS.into_iter().chain([CLIENT, COUNTERS])
}

#[test]
fn all_have_help() {
    for (path, option) in all().zip(["--help", "-h"].into_iter().cycle()) {
        let output = run(Command::new(path).arg(option), "");
        let text = String::from_utf8(output.stdout).unwrap();
        let name = path.rsplit('/').next().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{path}");
        assert!(text.contains(&format!("\nUsage: {name}")), "{text}");
        assert_eq!(text.contains("127.0.0.1:12345"), path != COUNTERS, "{text}");
    }
}

#[test]
fn all_refuse_what_they_do_not_understand() {
    for path in all() {
        let arguments = if path == COUNTERS { vec!["extra"] } else { vec!["127.0.0.1:0", "extra"] };
        let error = Program::start(Command::new(path).args(arguments)).wait().badly();
        assert_eq!(error, "Error: unexpected argument \"extra\"; see --help");
    }
    for path in SERVERS.into_iter().chain([CLIENT]) {
        for address in ["nonsense", "127.0.0.1:70000", "::1"] {
            let error = Program::start(Command::new(path).arg(address)).wait().badly();
            assert!(error.contains("is no address; write it as"), "{path}: {error}");
        }
    }
}

#[test]
fn an_address_in_use_is_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for path in SERVERS {
        let error = Program::start(Command::new(path).arg(&address)).wait().badly();
        assert!(error.contains(&address) && error.contains("Address already in use"), "{error}");
    }
}

#[test]
fn a_host_that_is_not_there_is_reported() {
    for path in SERVERS.into_iter().chain([CLIENT]) {
        let error = Program::start(Command::new(path).arg("no.such.host.invalid:1")).wait().badly();
        assert!(error.contains("no.such.host.invalid"), "{path}: {error}");
    }
}

#[test]
fn all_servers_listen_on_ipv6() {
    if let Err(error) = TcpListener::bind("[::1]:0") {
        return skipped(&format!("no IPv6 here, as binding to ::1 says: {error}"));
    }
    for path in SERVERS {
        let (server, address) = Program::listening(Command::new(path).arg("[::1]:0"));
        assert!(matches!(address, SocketAddr::V6(_)), "{address}");
        let client = connect(address);
        server.interrupt().well();
        drop(client);
    }
}

#[test]
fn servers_say_how_to_talk_to_them() {
    for path in SERVERS {
        let (mut server, address) = Program::server(path);
        let expected = format!("nc {} {}", address.ip(), address.port());
        server.wait_for_line("advice", |line| line.ends_with(&expected));
        server.interrupt().well();
    }
}
