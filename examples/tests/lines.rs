//! The servers that answer each line: `echo-server`, `select-server` and `rot13-server`.

#[macro_use]
mod common;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;

use common::{Program, connect, nc, perl, read_all, read_line, reset, run, wait_until};
use nix::sys::signal::Signal;

const ECHO: &str = example!("echo-server");
const SELECT: &str = example!("select-server");
const ROT13: &str = example!("rot13-server");

/// Runs a test on each server that sends back what it gets.
fn on_echo_servers(test: impl Fn(&mut Program, SocketAddr)) {
    for path in [ECHO, SELECT] {
        let (mut server, address) = Program::server(path);
        test(&mut server, address);
        server.interrupt().well();
    }
}

/// A client that shows that the server has seen everything sent before: the system hands over what is sent on the
/// loopback at once, and the server takes a turn with each client.
struct Barrier(BufReader<TcpStream>);

impl Barrier {
    fn new(address: SocketAddr) -> Self {
        Self(BufReader::new(connect(address)))
    }

    fn pass(&mut self) {
        for _ in 0..2 {
            self.0.get_mut().write_all(b"here\n").unwrap();
            assert_eq!(read_line(&mut self.0), "here");
        }
    }
}

fn many_lines(count: usize) -> String {
    (0..count).fold(String::new(), |mut lines, n| {
        writeln!(lines, "line {n} of {count}, and some more to read").unwrap();
        lines
    })
}

fn unix(output: &[u8]) -> String {
    String::from_utf8_lossy(output).replace("\r\n", "\n")
}

#[test]
fn netcat_gets_all_its_answers() {
    on_echo_servers(|_, address| {
        let Some(mut nc) = nc(address) else { return };
        let lines = many_lines(50_000);
        let output = run(&mut nc, lines.clone());
        assert!(output.status.success(), "{:?}", output.status);
        assert!(unix(&output.stdout) == lines, "{} octets came back", output.stdout.len());
    });
}

#[test]
fn netcat_is_greeted_and_rotated() {
    let (server, address) = Program::server(ROT13);
    let Some(mut nc) = nc(address) else { return };
    let output = run(&mut nc, "Hello, World!\nUryyb, 13\n");
    assert_eq!(unix(&output.stdout), "Smile from the server!\nUryyb, Jbeyq!\nHello, 13\n");
    server.interrupt().well();
}

#[test]
fn perl_clients_are_answered() {
    on_echo_servers(|_, address| {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let Some(mut client) = perl("client.pl", [&host, &port, "0", "100"]) else { return };
        let output = run(&mut client, "");
        let mut expected = String::from("connected\n");
        (1..=100).for_each(|n| writeln!(expected, "got Line {n}").unwrap());
        // The original tells of its own shutdown as of any.
        expected += "disconnected\n";
        assert_eq!(unix(&output.stdout), expected, "{}", unix(&output.stderr));
    });
}

#[test]
fn a_perl_client_is_greeted_and_rotated() {
    let (server, address) = Program::server(ROT13);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let Some(mut client) = perl("client.pl", [&host, &port, "1", "2"]) else { return };
    let output = run(&mut client, "");
    let expected = "connected\ngot Smile from the server!\ngot Yvar 1\ngot Yvar 2\ndisconnected\n";
    assert_eq!(unix(&output.stdout), expected, "{}", unix(&output.stderr));
    server.interrupt().well();
}

#[test]
fn lines_may_come_one_octet_at_a_time() {
    on_echo_servers(|_, address| {
        let mut barrier = Barrier::new(address);
        let mut client = connect(address);
        for octet in b"one\n\ntwo\n" {
            client.write_all(&[*octet]).unwrap();
            barrier.pass();
        }
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&mut client), "one\n\ntwo\n");
    });
}

#[test]
fn a_terminator_may_come_in_two_pieces() {
    on_echo_servers(|_, address| {
        let mut barrier = Barrier::new(address);
        let mut client = connect(address);
        client.write_all(b"one\r").unwrap();
        barrier.pass();
        client.write_all(b"\ntwo\r\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&mut client), "one\ntwo\n");
    });
}

#[test]
fn a_client_that_has_said_everything_gets_all_its_answers() {
    on_echo_servers(|_, address| {
        let lines = many_lines(2_000);
        let mut client = connect(address);
        client.write_all(lines.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert!(read_all(&mut client) == lines);
    });
}

#[test]
fn clients_that_reset_hurt_nobody() {
    for path in [ECHO, SELECT] {
        let (server, address) = Program::server(path);
        let mut barrier = Barrier::new(address);
        barrier.pass();
        let before = server.descriptors();
        for beginning in [&b""[..], b"half a li", b"a line\n"] {
            let mut client = connect(address);
            client.write_all(beginning).unwrap();
            barrier.pass();
            reset(client);
            barrier.pass();
        }
        wait_until("closed connections", || (server.descriptors() == before).then_some(()));
        barrier.pass();
        // It may have complained of answers that it could not give.
        assert_eq!(server.interrupt().status.code(), Some(0));
    }
}

#[test]
fn a_client_that_resets_with_answers_unread_hurts_nobody() {
    for path in [ECHO, SELECT] {
        let (server, address) = Program::server(path);
        let mut barrier = Barrier::new(address);
        barrier.pass();
        let before = server.descriptors();
        let mut client = connect(address);
        fill(&mut client, &mut barrier, 16 * 1024 * 1024);
        reset(client);
        wait_until("closed connections", || (server.descriptors() == before).then_some(()));
        barrier.pass();
        assert_eq!(server.interrupt().status.code(), Some(0));
    }
}

/// Sends lines until the server takes no more, or this much; how much it was.
fn fill(client: &mut TcpStream, barrier: &mut Barrier, most: usize) -> usize {
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    client.set_nonblocking(true).unwrap();
    let (mut sent, mut refused) = (0, 0);
    while sent < most && refused < 3 {
        match client.write(&line[sent % line.len()..]) {
            Ok(count) => {
                sent += count;
                refused = 0;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                barrier.pass();
                refused += 1;
            }
            Err(error) => panic!("{error} after {sent} octets"),
        }
    }
    client.set_nonblocking(false).unwrap();
    sent
}

#[test]
fn who_does_not_read_is_not_read_from_and_costs_no_memory() {
    on_echo_servers(|server, address| {
        let mut barrier = Barrier::new(address);
        barrier.pass();
        let before = server.resident();
        let mut client = connect(address);
        let most = 256 * 1024 * 1024;
        let sent = fill(&mut client, &mut barrier, most);
        assert!(sent < most, "the server took {sent} octets");
        let growth = server.resident().saturating_sub(before);
        assert!(growth < 2048, "{growth} KiB for a client that sent {sent} octets");
        // All of it is answered, if late.
        let mut writer = client.try_clone().unwrap();
        let rest = std::thread::spawn(move || {
            let unfinished = sent % 1024;
            writer.write_all(&[&vec![b'x'; 1023 - unfinished][..], b"\n"].concat()).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut came = Vec::new();
        client.read_to_end(&mut came).unwrap();
        rest.join().unwrap();
        // A line ends in one octet or in two.
        let came = came.split_inclusive(|&octet| octet == b'\n');
        let lines = came.inspect(|line| {
            let line = line.strip_suffix(b"\n").unwrap();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            assert!(line.len() == 1023 && line.iter().all(|&x| x == b'x'));
        });
        assert_eq!(lines.count(), sent / 1024 + 1);
    });
}

#[test]
fn a_line_over_the_limit_ends_its_connection_alone() {
    for (path, limit) in [(SELECT, 64 * 1024), (ECHO, 64 * 1024 * 1024)] {
        let (mut server, address) = Program::server(path);
        let mut barrier = Barrier::new(address);
        let mut client = BufReader::new(connect(address));
        client.get_mut().write_all(b"fine\n").unwrap();
        assert_eq!(read_line(&mut client), "fine");
        // It may hang up before it has everything.
        let _ = client.get_mut().write_all(&vec![b'x'; limit + 1024 * 1024]);
        let end = client.fill_buf().map(<[u8]>::len).map_err(|error| error.kind());
        assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
        server.wait_for_error("complaint", |line| line.contains(&format!("{limit} octets")));
        barrier.pass();
        assert_eq!(server.interrupt().status.code(), Some(0));
    }
}

#[test]
fn the_select_server_goes_on_when_nobody_hears_its_complaint() {
    let unheard = std::io::pipe().unwrap().1;
    let mut command = Command::new(SELECT);
    command.arg("127.0.0.1:0").stdout(std::process::Stdio::piped()).stderr(unheard);
    let mut server = command.spawn().unwrap();
    let mut printed = BufReader::new(server.stdout.take().unwrap());
    let address = read_line(&mut printed).rsplit(' ').next().unwrap().parse().unwrap();
    let mut barrier = Barrier::new(address);
    let mut client = connect(address);
    // It may hang up before it has everything.
    let _ = client.write_all(&vec![b'x'; 1024 * 1024]);
    let end = client.read(&mut [0]).map_err(|error| error.kind());
    barrier.pass();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    on_echo_servers(|server, address| {
        let mut barrier = Barrier::new(address);
        barrier.pass();
        let (mut before, descriptors) = (0, server.descriptors());
        for batch in 0..100 {
            let mut clients: Vec<TcpStream> = (0..100).map(|_| connect(address)).collect();
            for client in &mut clients {
                client.write_all(b"hello\n").unwrap();
            }
            for (n, client) in clients.into_iter().enumerate() {
                let mut client = BufReader::new(client);
                assert_eq!(read_line(&mut client), "hello");
                if n % 2 == 0 {
                    reset(client.into_inner());
                }
            }
            if batch == 20 {
                before = server.resident();
            }
        }
        wait_until("closed connections", || (server.descriptors() == descriptors).then_some(()));
        barrier.pass();
        let growth = server.resident().saturating_sub(before);
        assert!(growth < 1024, "{growth} KiB for 8,000 connections that are gone");
    });
}

#[test]
fn signals_end_servers_when_their_clients_are_answered() {
    for path in [ECHO, SELECT, ROT13] {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let (server, address) = Program::server(path);
            let mut client = BufReader::new(connect(address));
            client.get_mut().write_all(b"123\n").unwrap();
            while read_line(&mut client) != "123" {}
            server.signal(signal);
            assert_eq!(read_all(&mut client), "");
            server.wait().well();
            TcpStream::connect(address).expect_err("a server that has ended");
        }
    }
}

#[test]
fn what_is_unsent_at_a_signal_is_sent() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (server, address) = Program::server(ECHO);
        let mut barrier = Barrier::new(address);
        let mut client = connect(address);
        // More than the system keeps for a client that does not read: the rest waits in the server.
        let sent = fill(&mut client, &mut barrier, usize::MAX);
        server.signal(signal);
        wait_until("closed listener", || TcpStream::connect(address).err());
        let came = read_all(&mut client);
        // What the system takes of what waits ends anywhere.
        assert!(came.len() > 64 * 1024 && came.ends_with("x\n"), "{} octets came", came.len());
        assert!(came.lines().all(|line| line.len() == 1023) && came.lines().count() < sent / 1024);
        server.wait().well();
    }
}

#[test]
fn what_is_unsent_at_a_signal_is_sent_to_a_client_that_goes_on_sending() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (server, address) = Program::server(SELECT);
        let mut barrier = Barrier::new(address);
        let mut client = connect(address);
        fill(&mut client, &mut barrier, usize::MAX);
        server.signal(signal);
        wait_until("closed listener", || TcpStream::connect(address).err());
        // The server reads this only to throw it away, whether it had stopped reading for the answers that wait or not.
        client.write_all(&vec![b'y'; 16 * 1024 * 1024]).unwrap();
        let came = read_all(&mut client);
        drop(client);
        assert!(came.len() > 64 * 1024 && came.ends_with("x\n"), "{} octets came", came.len());
        assert!(came.lines().all(|line| line.len() == 1023));
        server.wait().well();
    }
}

#[test]
fn servers_without_descriptors_say_so_and_go_on() {
    for path in [ECHO, SELECT] {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 32; exec \"$0\" 127.0.0.1:0", path]);
        let (mut server, address) = Program::listening(&mut command);
        let mut clients: Vec<_> = (0..40).map(|_| BufReader::new(connect(address))).collect();
        for client in &mut clients {
            client.get_mut().write_all(b"hello\n").unwrap();
        }
        server.wait_for_error("complaint", |line| line.contains("Too many open files"));
        let (mut served, mut waiting) = (clients, Vec::new());
        waiting.extend(served.drain(served.len() - 12..));
        let (first, last) = (&mut served[0], &mut waiting[11]);
        assert_eq!(read_line(first), "hello");

        // Who waits gets nothing for a while, in which the server does nothing.
        let before = server.processor_time();
        let a_while = std::time::Duration::from_millis(700);
        last.get_mut().set_read_timeout(Some(a_while)).unwrap();
        let answer = last.fill_buf().map(<[u8]>::len).map_err(|error| error.kind());
        assert!(matches!(answer, Err(ErrorKind::WouldBlock)), "{answer:?}");
        let used = server.processor_time() - before;
        assert!(used < a_while / 4, "{used:?} of {a_while:?} spent on waiting");
        assert_eq!(server.errors_so_far().len(), 1, "{:?}", server.errors_so_far());

        // Who is in goes on being served, and when they leave the others are.
        first.get_mut().write_all(b"again\n").unwrap();
        assert_eq!(read_line(first), "again");
        drop(served);
        last.get_mut().set_read_timeout(Some(common::DEADLINE)).unwrap();
        for client in &mut waiting {
            assert_eq!(read_line(client), "hello");
        }
        drop(waiting);
        let ended = server.interrupt();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    }
}
