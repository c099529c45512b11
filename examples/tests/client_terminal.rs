//! The client at a terminal: keys go in, and an emulator reads the screen.

#[macro_use]
mod common;
mod terminal;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{is_installed, read_all, read_line, wait_until};
use nix::sys::signal::Signal;
use terminal::Terminal;

const CLIENT: &str = example!("tcp-client");

const SIZE: (u16, u16) = (40, 12);

/// A client at a terminal, and its server's end of the connection.
fn client(options: &[&str]) -> Option<(Terminal, BufReader<TcpStream>)> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let terminal = Terminal::start(SIZE, CLIENT, [&[&address[..]], options].concat())?;
    let (server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(common::DEADLINE)).unwrap();
    terminal.until_seen(">");
    Some((terminal, BufReader::new(server)))
}

/// Sends something as the server does.
fn say(server: &BufReader<TcpStream>, text: impl AsRef<[u8]>) {
    server.get_ref().write_all(text.as_ref()).unwrap();
}

#[test]
fn lines_are_edited_and_answers_are_above_them() {
    let Some((mut terminal, mut server)) = client(&[]) else { return };
    terminal.types("helo\x02l\r");
    assert_eq!(read_line(&mut server), "hello");
    terminal.types("half a");
    terminal.until_seen("> hello\n> half a");
    say(&server, "one\r\ntwo\n");
    terminal.until_seen("> hello\none\ntwo\n> half a");
    // What has no line end is a prompt.
    say(&server, "name: ");
    terminal.until_seen("> hello\none\ntwo\nname: half a");
    terminal.types(" line\r");
    assert_eq!(read_line(&mut server), "half a line");
    terminal.until_seen("> hello\none\ntwo\nname: half a line\n>");
    terminal.types("\x1B[A\x1B[A\r");
    assert_eq!(read_line(&mut server), "hello");
    terminal.types("\x04");
    assert_eq!(read_all(&mut server), "");
    say(&server, "last words");
    server.get_ref().shutdown(Shutdown::Both).unwrap();
    assert!(terminal.wait().success());
    terminal.until_sees(|seen| seen.ends_with("> hello\n> ^D\nlast words"));
    assert!(terminal.is_restored());
}

#[test]
fn that_the_connection_is_lost_is_told_below_the_line_and_the_terminal_restored() {
    let Some((mut terminal, server)) = client(&[]) else { return };
    terminal.types("half");
    terminal.until_seen("> half");
    let server = server.into_inner();
    socket2::SockRef::from(&server).set_linger(Some(Duration::ZERO)).unwrap();
    drop(server);
    assert_eq!(terminal.wait().code(), Some(1));
    terminal.until_sees(|seen| seen.contains("> half\nError: lost 127.0.0.1:"));
    assert!(terminal.is_restored());
}

#[test]
fn control_c_leaves_the_line_and_then_the_program() {
    let Some((mut terminal, mut server)) = client(&[]) else { return };
    terminal.types("nothing\x03");
    terminal.until_seen("> nothing^C\n>");
    terminal.types("something\r");
    assert_eq!(read_line(&mut server), "something");
    terminal.types("\x03");
    assert_eq!(read_all(&mut server), "");
    drop(server);
    assert!(terminal.wait().success());
    terminal.until_seen("> nothing^C\n> something\n> ^C");
    assert!(terminal.is_restored());
}

#[test]
fn the_end_of_the_server_is_the_end_and_so_are_signals() {
    let Some((mut terminal, server)) = client(&[]) else { return };
    terminal.types("unfinished");
    terminal.until_seen("> unfinished");
    assert!(!terminal.is_restored());
    say(&server, "bye\n");
    drop(server);
    assert!(terminal.wait().success());
    terminal.until_seen("bye\n> unfinished");
    assert!(terminal.is_restored());

    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let Some((mut terminal, mut server)) = client(&[]) else { return };
        terminal.signal(signal);
        assert!(terminal.wait().success() && terminal.is_restored(), "{signal}");
        assert_eq!(read_all(&mut server), "");
    }
}

#[test]
fn lines_are_remembered_in_a_file() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("client-history-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    let options = ["--history", path.to_str().unwrap()];
    for (typed, expected) in
        [("one\rtwo\rtwo\r\r", "one\ntwo\n"), ("\x10\x10\r", "one\ntwo\none\n")]
    {
        let Some((mut terminal, mut server)) = client(&options) else { return };
        terminal.types(typed);
        terminal.types("\x03");
        read_all(&mut server);
        drop(server);
        assert!(terminal.wait().success());
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }
    fs::remove_file(&path).unwrap();

    let folder = env!("CARGO_TARGET_TMPDIR");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let options = [&address[..], "--history", folder];
    let Some(mut terminal) = Terminal::start((200, 12), CLIENT, options) else { return };
    assert_eq!(terminal.wait().code(), Some(1));
    terminal.until_sees(|seen| seen.contains("Error: cannot read the history in "));
    assert!(terminal.is_restored());
}

#[test]
fn the_line_is_drawn_anew_when_the_size_changes() {
    let Some((mut terminal, _server)) = client(&[]) else { return };
    terminal.types("0123456789abcdefghij");
    terminal.until_seen("> 0123456789abcdefghij");
    terminal.resize(12, 10);
    terminal.until_seen("> 0123456789\nabcdefghij");
    terminal.types("\x15\x03");
    terminal.wait();
}

#[test]
fn what_a_server_sends_does_nothing_to_the_terminal() {
    let Some((mut terminal, server)) = client(&[]) else { return };
    terminal.types("line");
    say(&server, "a\x1B[2Jb\x07\x1B[31mred\x1B[m\tx\u{9B}1Ay\n");
    terminal.until_seen("a^[[2Jb^Gred    x^[1Ay\n> line");
    terminal.types("\x15\x03");
    terminal.wait();
}

#[test]
fn a_terminal_that_takes_nothing_keeps_the_server_waiting() {
    let Some((terminal, server)) = client(&[]) else { return };
    terminal.look(false);
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    // Until the client is gone.
    let sender = std::thread::spawn(move || {
        let lines = [b"x".repeat(79), b"\n".to_vec()].concat().repeat(100);
        while server.get_ref().write_all(&lines).is_ok() {
            counted.fetch_add(lines.len(), Ordering::Relaxed);
        }
    });
    let resident = || {
        let status = fs::read_to_string(format!("/proc/{}/statm", terminal.pid())).unwrap();
        status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4
    };
    let rests = || {
        let before = sent.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(200));
        before > 0 && sent.load(Ordering::Relaxed) == before
    };
    wait_until("rest", || rests().then_some(()));
    assert!(resident() < 16 * 1024, "{} KiB resident", resident());
    let before = sent.load(Ordering::Relaxed);
    terminal.look(true);
    wait_until("more", || (sent.load(Ordering::Relaxed) > before + 1024 * 1024).then_some(()));
    assert!(resident() < 16 * 1024, "{} KiB resident", resident());
    drop(terminal);
    sender.join().unwrap();
}

#[test]
fn it_is_stopped_and_goes_on() {
    if !is_installed("bash", &["--version"], "bash") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let Some(terminal) =
        Terminal::start(SIZE, "bash", ["--norc", "--noprofile", "--noediting", "-i"])
    else {
        return;
    };
    terminal.types("PS1='$ '; clear\n");
    terminal.until_seen("$");
    terminal.types(&format!("{CLIENT} {address}; echo ended\n"));
    let (server, _) = listener.accept().unwrap();
    terminal.until_sees(|seen| seen.ends_with("\n>"));
    terminal.types("half a");
    terminal.until_sees(|seen| seen.ends_with("\n> half a"));
    terminal.types("\x1A");
    terminal.until_sees(|seen| seen.contains("Stopped") && seen.ends_with('$'));
    assert!(terminal.is_restored());
    terminal.types("clear; fg >/dev/null; echo over\n");
    terminal.until_seen("> half a");
    terminal.types(" line\r");
    let mut server = BufReader::new(server);
    let mut line = String::new();
    server.read_line(&mut line).unwrap();
    assert_eq!(line, "half a line\n");
    terminal.types("\x04");
    drop(server);
    terminal.until_sees(|seen| seen.contains("over"));
}
