//! The character generator: its pattern, its patience, its end.

#[macro_use]
mod common;

use std::io::{BufReader, Read};
use std::net::TcpStream;
use std::time::Instant;

use common::{DEADLINE, Program, connect, nc, read_all, read_line, run, wait_until};
use nix::sys::signal::Signal;

const SERVER: &str = example!("chargen-server");

/// The lines of one round, 95 characters moving by one: RFC 864.
fn round() -> Vec<String> {
    let character = |n: usize| char::from(b' ' + u8::try_from(n % 95).unwrap());
    (0..95).map(|start| (start..start + 72).map(character).collect()).collect()
}

/// Whether these are whole rounds and nothing else.
#[track_caller]
fn assert_rounds(text: &str) {
    let round = round();
    let lines: Vec<&str> = text.lines().collect();
    assert!(!lines.is_empty() && text.ends_with('\n'), "ends with {:?}", lines.last());
    assert_eq!(lines.len() % round.len(), 0, "ends with {:?}", lines.last());
    assert!(lines.iter().enumerate().all(|(n, line)| *line == round[n % round.len()]));
}

#[test]
fn lines_move_on_by_one_character() {
    let (server, address) = Program::server(SERVER);
    let mut client = BufReader::new(connect(address));
    for expected in round().iter().cycle().take(1000) {
        assert_eq!(&read_line(&mut client), expected);
    }
    drop(client);
    server.interrupt().well();
}

#[test]
fn netcat_gets_whole_rounds() {
    let (server, address) = Program::server(SERVER);
    let Some(mut nc) = nc(address) else { return };
    let output = run(&mut nc, "ignored");
    assert_rounds(&String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n"));
    server.interrupt().well();
}

#[test]
fn clients_that_do_not_read_cost_no_memory() {
    let (server, address) = Program::server(SERVER);
    let mut reader = connect(address);
    let mut read = |octets: usize| {
        let mut buffer = vec![0; 64 * 1024];
        for _ in 0..octets / buffer.len() {
            reader.read_exact(&mut buffer).unwrap();
        }
    };
    let idle: Vec<TcpStream> = (0..50).map(|_| connect(address)).collect();
    read(4 * 1024 * 1024);
    let before = server.resident();
    read(64 * 1024 * 1024);
    let growth = server.resident().saturating_sub(before);
    assert!(growth < 512, "{growth} KiB while 50 clients did not read and one read 64 MiB");
    drop(idle);
    drop(reader);
    server.interrupt().well();
}

#[test]
fn what_waits_at_a_signal_is_sent() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (server, address) = Program::server(SERVER);
        let mut client = connect(address);
        let mut busy = connect(address);
        // When the busy one has got so much, the other's buffers are full.
        busy.read_exact(&mut vec![0; 32 * 1024 * 1024]).unwrap();
        server.signal(signal);
        wait_until("closed listener", || TcpStream::connect(address).err());
        assert_rounds(&read_all(&mut client));
        drop(busy);
        server.wait().well();
    }
}

#[test]
fn a_second_signal_waits_for_nobody() {
    let (server, address) = Program::server(SERVER);
    let client = connect(address);
    let mut busy = connect(address);
    busy.read_exact(&mut vec![0; 32 * 1024 * 1024]).unwrap();
    drop(busy);
    server.signal(Signal::SIGINT);
    wait_until("closed listener", || TcpStream::connect(address).err());
    let begun = Instant::now();
    server.signal(Signal::SIGINT);
    server.wait().well();
    assert!(begun.elapsed() < DEADLINE / 10, "{:?}", begun.elapsed());
    drop(client);
}
