//! The client, against servers of ours and of Perl's POE.

#[macro_use]
mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Program, perl, run, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CLIENT: &str = example!("tcp-client");
const SELECT: &str = example!("select-server");

/// A server that is a few lines of Perl.
fn perl_server() -> Option<(Program, String)> {
    let (server, address) = Program::listening(&mut perl("server.pl", [""; 0])?);
    Some((server, address.to_string()))
}

fn client(address: &str) -> Program {
    Program::start(Command::new(CLIENT).arg(address))
}

#[test]
fn it_talks_to_perl_until_its_input_ends() {
    let Some((mut server, address)) = perl_server() else { return };
    let mut client = client(&address);
    client.wait_for_line("greeting", |line| line == "hello from perl\r");
    client.type_line("one");
    client.wait_for_line("answer", |line| line == "ONE\r");
    client.type_line("two");
    client.end_input();
    let ended = client.wait().well();
    assert_eq!(ended.output, ["hello from perl\r", "ONE\r", "TWO\r"]);
    server.wait_for_line("disconnection", |line| line == "disconnected");
}

#[test]
fn it_ends_when_perl_hangs_up() {
    let Some((_server, address)) = perl_server() else { return };
    let mut client = client(&address);
    client.type_line("bye");
    client.wait_for_line("answer", |line| line == "BYE\r");
    let begun = std::time::Instant::now();
    // Its input is still open.
    wait_until("end of the client", || (!client.is_running()).then_some(()));
    assert!(begun.elapsed() < common::DEADLINE);
    client.wait().well();
}

#[test]
fn its_input_may_be_a_file_a_pipe_or_nothing() {
    let (server, address) = Program::server(SELECT);
    let address = address.to_string();
    let text = "one\ntwo\n".repeat(100);

    let output = run(Command::new(CLIENT).arg(&address), text.clone());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), text);

    let path = std::env::temp_dir().join(format!("tcp-client-{}", std::process::id()));
    let (input, output) = (path.with_extension("in"), path.with_extension("out"));
    std::fs::write(&input, &text).unwrap();
    let status = Command::new(CLIENT)
        .arg(&address)
        .stdin(File::open(&input).unwrap())
        .stdout(File::create(&output).unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(std::fs::read_to_string(&output).unwrap(), text);
    std::fs::remove_file(input).unwrap();
    std::fs::remove_file(output).unwrap();

    let mut nothing = Command::new(CLIENT);
    nothing.arg(&address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = nothing.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    server.interrupt().well();
}

#[test]
fn files_come_through_unharmed() {
    let (server, address) = Program::server(SELECT);
    let mut octets: Vec<u8> =
        (0..8 * 1024 * 1024_u32).map(|n| n.wrapping_mul(n).to_le_bytes()[1]).collect();
    octets.push(b'\n');
    // No line may be longer than the server takes.
    octets.iter_mut().step_by(4096).for_each(|octet| *octet = b'\n');
    let output = run(Command::new(CLIENT).arg(address.to_string()), octets.clone());
    assert!(output.stdout == octets, "{} octets came back", output.stdout.len());
    server.interrupt().well();
}

#[test]
fn it_takes_no_more_than_is_taken_from_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut client = Command::new(CLIENT)
        .arg(&address)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let sent = 64 * 1024 * 1024;
    let sender = std::thread::spawn(move || {
        for _ in 0..sent / 4096 {
            server.write_all(&[b'x'; 4096]).unwrap();
        }
        server.shutdown(Shutdown::Both).unwrap();
    });
    let mut most = 0;
    let mut came = 0;
    let mut output = client.stdout.take().unwrap();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = output.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        came += count;
        let status = std::fs::read_to_string(format!("/proc/{}/statm", client.id())).unwrap();
        let pages = status.split(' ').nth(1).unwrap().parse().unwrap_or(0);
        most = std::cmp::max(most, pages * 4);
    }
    sender.join().unwrap();
    assert!(client.wait().unwrap().success());
    assert_eq!(came, sent);
    assert!(most < 16 * 1024, "{most} KiB resident");
}

#[test]
fn a_refused_connection_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = client(&address).wait().badly();
    assert!(error.starts_with(&format!("Error: cannot connect to {address}: ")), "{error}");
    assert!(error.contains("Connection refused"), "{error}");
}

#[test]
fn signals_end_it_when_all_is_sent() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = client(&listener.local_addr().unwrap().to_string());
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"hello\n").unwrap();
        client.wait_for_line("greeting", |line| line == "hello");
        client.signal(signal);
        wait_until("end of the client", || (!client.is_running()).then_some(()));
        client.wait().well();
        assert_eq!(common::read_all(&mut server), "");
    }
}

#[test]
fn a_second_signal_waits_for_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // It has more to send than the system keeps for a server that does not read.
    let mut client = Command::new(CLIENT)
        .arg(&address)
        .stdin(File::open("/dev/zero").unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(client.id().try_into().unwrap());
    let (mut server, _) = listener.accept().unwrap();
    server.read_exact(&mut [0; 1024]).unwrap();
    kill(pid, Signal::SIGINT).unwrap();
    // Those that come at once may be taken for the same.
    let status = wait_until("end of the client", || {
        kill(pid, Signal::SIGINT).unwrap();
        client.try_wait().unwrap()
    });
    // Unless the system took all there was to send when it heard of the first.
    assert!(status.signal() == Some(Signal::SIGINT as i32) || status.success(), "{status}");
}

#[test]
fn it_ends_when_nobody_reads_what_it_prints() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Command::new(CLIENT)
        .arg(listener.local_addr().unwrap().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut server, _) = listener.accept().unwrap();
    drop(client.stdout.take());
    // Until the client is gone.
    while server.write_all(b"hello\n").is_ok() {}
    assert!(client.wait().unwrap().success());
}

#[test]
fn it_says_so_when_the_connection_is_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = client(&address.to_string());
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"hello\n").unwrap();
    client.wait_for_line("greeting", |line| line == "hello");
    socket2::SockRef::from(&server).set_linger(Some(Duration::ZERO)).unwrap();
    drop(server);
    let complaint = format!("Error: lost {address}: read: Connection reset by peer (os error 104)");
    assert_eq!(client.wait().badly(), complaint);
}

#[test]
fn it_says_so_when_what_came_cannot_be_printed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Command::new(CLIENT)
        .arg(listener.local_addr().unwrap().to_string())
        .stdin(Stdio::piped())
        .stdout(File::options().write(true).open("/dev/full").unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"hello\n").unwrap();
    let ended = client.wait_with_output().unwrap();
    let error = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && error.contains("cannot print: No space left"), "{error}");
}
