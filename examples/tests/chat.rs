//! The chat room: who hears what, and what a guest can not do.

#[macro_use]
mod common;

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use common::{Program, connect, nc, perl, read_all, read_line, reset, run};

const SERVER: &str = example!("chat-server");

/// A guest's connection.
struct Guest(BufReader<TcpStream>);

impl Guest {
    fn join(address: SocketAddr, nick: &str) -> Self {
        let mut guest = Self(BufReader::new(connect(address)));
        assert_eq!(guest.hear(), format!("* welcome, {nick}; say /nick NAME or /quit"));
        guest
    }

    fn say(&mut self, line: &str) {
        writeln!(self.0.get_mut(), "{line}").unwrap();
    }

    fn hear(&mut self) -> String {
        read_line(&mut self.0)
    }

    #[track_caller]
    fn expect(&mut self, line: &str) {
        assert_eq!(self.hear(), line);
    }
}

/// A server with two guests, both in the room.
fn two_guests() -> (Program, SocketAddr, Guest, Guest) {
    let (server, address) = Program::server(SERVER);
    let mut one = Guest::join(address, "guest1");
    let two = Guest::join(address, "guest2");
    one.expect("* guest2 has joined");
    (server, address, one, two)
}

#[test]
fn guests_hear_one_another() {
    let (server, address, mut one, mut two) = two_guests();
    one.say("hello");
    two.expect("<guest1> hello");
    two.say("/nick Bob");
    two.expect("* you are now Bob");
    one.expect("* guest2 is now Bob");
    two.say("hello yourself");
    one.expect("<Bob> hello yourself");
    let mut three = Guest::join(address, "guest2");
    one.expect("* guest2 has joined");
    two.expect("* guest2 has joined");
    three.say("/quit");
    three.expect("");
    for guest in [&mut one, &mut two] {
        guest.expect("* guest2 has left");
    }
    reset(two.0.into_inner());
    one.expect("* Bob has left");
    // Its line has no end, and so is none.
    let mut four = connect(address);
    one.expect("* guest2 has joined");
    four.write_all(b"unfinished").unwrap();
    four.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut four), "* welcome, guest2; say /nick NAME or /quit\n");
    one.expect("* guest2 has left");
    server.interrupt().well();
    one.expect("");
}

#[test]
fn nicks_are_plain_and_nobody_elses() {
    let (server, _, mut one, mut two) = two_guests();
    for bad in ["", " ", "a b", "a\u{1b}[31m!", "caf\u{e9}", "abcdefghijklmnopqrstu"] {
        one.say(&format!("/nick {bad}"));
        one.expect("* a nick is 1 to 20 letters, digits, _ and -");
    }
    for taken in ["guest1", "guest2"] {
        one.say(&format!("/nick {taken}"));
        one.expect(&format!("* {taken} is taken"));
    }
    one.say("/dance");
    one.expect("* no command /dance; there are /nick and /quit");
    // What is left after control characters is what was meant.
    one.say("\u{7}bell\u{1b}[2J\u{0}");
    two.expect("<guest1> bell[2J");
    one.say("\u{7}/nick\u{7} a_b-3");
    one.expect("* you are now a_b-3");
    two.expect("* guest1 is now a_b-3");
    server.interrupt().well();
}

#[test]
fn terminators_may_come_in_two_pieces() {
    let (server, _, mut one, mut two) = two_guests();
    for piece in ["first\r\n", "sec", "ond\r"] {
        one.0.get_mut().write_all(piece.as_bytes()).unwrap();
    }
    two.expect("<guest1> first");
    one.0.get_mut().write_all(b"\nthird\r\n").unwrap();
    two.expect("<guest1> second");
    two.expect("<guest1> third");
    server.interrupt().well();
}

#[test]
fn a_line_over_the_limit_ends_its_connection_alone() {
    let (mut server, _, mut one, mut two) = two_guests();
    let long = "x".repeat(1000);
    one.say(&long);
    two.expect(&format!("<guest1> {long}"));
    // It may hang up before it has everything.
    let _ = one.0.get_mut().write_all(&[b'x'; 100_000]);
    let end = one.0.fill_buf().map(<[u8]>::len).map_err(|error| error.kind());
    assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    server.wait_for_error("complaint", |line| line.contains("filter"));
    two.expect("* guest1 has left");
    two.say("still here");
    drop(two);
    assert_eq!(server.interrupt().status.code(), Some(0));
}

#[test]
fn a_guest_who_does_not_read_misses_lines_and_costs_no_memory() {
    const LINES: usize = 40_000;
    let (server, _, mut talker, mut sleeper) = two_guests();
    let line = "x".repeat(500);
    let mut before = 0;
    for round in 0..LINES / 1000 {
        (0..1000).for_each(|_| talker.say(&line));
        // The answer shows that all of it was heard.
        talker.say("/nick");
        talker.expect("* a nick is 1 to 20 letters, digits, _ and -");
        if round == 1 {
            before = server.resident();
        }
    }
    let growth = server.resident().saturating_sub(before);
    assert!(growth < 1024, "{growth} KiB for a guest who does not read 20 MB");
    let (mut heard, mut missed) = (0, 0);
    while heard + missed < LINES {
        let line = sleeper.hear();
        match line.strip_prefix("* you missed ").and_then(|rest| rest.strip_suffix(" lines")) {
            Some(count) => missed += count.parse::<usize>().unwrap(),
            None => {
                assert!(line.starts_with("<guest1> xxx"), "{line:?}");
                heard += 1;
            }
        }
    }
    assert!(missed > 0 && heard + missed == LINES, "{heard} heard, {missed} missed");
    talker.say("good morning");
    sleeper.expect("<guest1> good morning");
    server.interrupt().well();
}

#[test]
fn netcat_can_chat() {
    let (server, _, mut one, two) = two_guests();
    drop(two);
    one.expect("* guest2 has left");
    let Some(mut nc) = nc(one.0.get_ref().peer_addr().unwrap()) else { return };
    let output = run(&mut nc, "/nick cat\nmeow\n/quit\nnobody hears this\n");
    let heard = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
    assert_eq!(heard, "* welcome, guest2; say /nick NAME or /quit\n* you are now cat\n");
    for line in ["* guest2 has joined", "* guest2 is now cat", "<cat> meow", "* cat has left"] {
        one.expect(line);
    }
    server.interrupt().well();
}

#[test]
fn a_perl_client_can_chat() {
    let (server, address) = Program::server(SERVER);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let arguments = [&host, &port, "/nick camel", "/quit"];
    let Some(mut client) = perl("events.pl", arguments) else { return };
    let output = run(&mut client, "");
    let events = String::from_utf8(output.stdout).unwrap();
    let expected = "started\nconnected\nflushed\ngot * welcome, guest1; say /nick NAME or /quit\n\
        got * you are now camel\nerror: read 0\ndisconnected\n";
    // The greeting may come before the client's own words have gone.
    let mut sorted: Vec<_> = events.lines().filter(|line| *line != "flushed").collect();
    sorted.insert(2, "flushed");
    assert_eq!(sorted.join("\n") + "\n", expected, "{events}");
    server.interrupt().well();
}
