//! What the programs do alike: lines are answered in reverse, by something that works beside the kernel.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use crate::common::{Program, connect, read_line, reset, run};

pub(crate) fn all(path: &str) {
    has_help(path);
    answers(path);
    answers_many_at_a_time(path);
    outlives_a_client(path);
    waits(path);
    says_what_is_wrong(path);
}

fn has_help(path: &str) {
    let output = run(Command::new(path).arg("--help"), "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("\nUsage: in-"), "{text}");
}

fn answers(path: &str) {
    let (server, address) = Program::server(path);
    let mut client = BufReader::new(connect(address));
    for (line, answer) in [("hello", "olleh"), ("", ""), ("a b", "b a")] {
        assert_eq!(ask(&mut client, line), answer);
    }
    drop(client);
    server.interrupt().well();
}

fn answers_many_at_a_time(path: &str) {
    const CLIENTS: usize = 100;
    let (server, address) = Program::server(path);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| BufReader::new(connect(address))).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        // Two at once: each thinks about its own.
        write!(client.get_mut(), "{n}a\n{n}b\n").unwrap();
    }
    for (n, client) in clients.iter_mut().enumerate() {
        for letter in ['a', 'b'] {
            let expected: String = format!("{n}{letter}").chars().rev().collect();
            assert_eq!(read_line(client), expected);
        }
    }
    drop(clients);
    server.interrupt().well();
}

fn outlives_a_client(path: &str) {
    let (server, address) = Program::server(path);
    let mut gone = connect(address);
    gone.write_all(b"nobody waits for this\n").unwrap();
    reset(gone);
    let mut client = BufReader::new(connect(address));
    assert_eq!(ask(&mut client, "still there"), "ereht llits");
    server.interrupt().well();
}

/// It waits for its answers to be thought of, and its processor does not.
fn waits(path: &str) {
    let (server, address) = Program::server(path);
    let mut client = BufReader::new(connect(address));
    let begun = Instant::now();
    for _ in 0..25 {
        assert_eq!(ask(&mut client, "slow"), "wols");
    }
    let (took, used) = (begun.elapsed(), server.processor_time());
    assert!(used < took / 2, "{used:?} of {took:?}");
    drop(client);
    server.interrupt().well();
}

fn says_what_is_wrong(path: &str) {
    let error = Program::start(Command::new(path).arg("nonsense")).wait().badly();
    assert!(error.contains("is no address"), "{error}");
}

fn ask(client: &mut BufReader<TcpStream>, line: &str) -> String {
    client.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    read_line(client)
}
