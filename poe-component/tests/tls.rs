//! Servers and clients that speak TLS, with each other, with OpenSSL, and with Perl's POE under SSLify.
#![cfg(feature = "tls")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use common::{Log, kernel, peer, port, run, skipped, watchdog, write};
use poe_component::prelude::*;

/// A certificate for `localhost` and its key, in PEM.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn contexts() -> (TlsServer, TlsClient) {
    let (chain, key) = certificate();
    let identity = TlsIdentity::from_pem(&chain, key).unwrap();
    (TlsServer::build().identity(identity).build().unwrap(), client_of(&chain))
}

fn client_of(chain: &str) -> TlsClient {
    TlsClient::build().roots(TlsRoots::new().pem(chain).unwrap()).build().unwrap()
}

/// A server that echoes, and says how its connections begin and end.
fn echo(kernel: &Kernel, tls: TlsServer) -> (server::Tcp, Log) {
    let log = Log::default();
    let (secured, error, ended) = (log.clone(), log.clone(), log.clone());
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_pre_connect(move |_, socket| {
            let secured = secured.clone();
            let tls =
                tls.accept()?.on_handshake(move |tls| secured.add(describe(&tls.handshake())));
            Ok::<_, poe_driver::TlsConfigError>(Driven::new(socket, tls))
        })
        .client_input(|cx, line| cx.heap.client.put(line))
        .client_error(move |_, got| error.add(got.to_string()))
        .client_disconnected(move |_| ended.add("disconnected"))
        .spawn(kernel)
        .unwrap();
    (server, log)
}

fn describe(handshake: &TlsHandshake) -> &'static str {
    match handshake {
        TlsHandshake::Done => "secured",
        TlsHandshake::Failed(_) => "failed",
        _ => "in progress",
    }
}

#[test]
fn a_server_and_a_client_talk_and_part_in_good_order() {
    let _watchdog = watchdog();
    let ((kernel, reports), (ours, theirs)) = (kernel(), contexts());
    let (server, log) = echo(&kernel, ours);
    let l = log.clone();
    let count = std::cell::Cell::new(0);
    client::Tcp::build()
        .remote_address("localhost")
        .remote_port(port(&server))
        .pre_connect(move |_, socket| {
            theirs.connect("localhost").map(|tls| Driven::new(socket, tls))
        })
        .connected(|cx| {
            let status = cx.heap.server.wheel().unwrap().with_driver(|tls: &Tls| tls.handshake());
            assert_eq!(status, Some(TlsHandshake::InProgress));
            cx.heap.server.put("hello")
        })
        .server_input(move |cx, line| {
            assert_eq!(line, "hello");
            count.set(count.get() + 1);
            if count.get() < 20 {
                cx.heap.server.put("hello");
            } else {
                // What is still to be sent is sent, and so is goodbye.
                cx.heap.server.put("the last");
                cx.yield_event(client::SHUTDOWN, ());
            }
        })
        .disconnected(move |cx| {
            l.add("client disconnected");
            cx.post(&server, server::SHUTDOWN, ())
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let expected = ["secured", "client disconnected", "read: end of file", "disconnected"];
    assert!(log.has_in_order(&expected), "{:?}", log.lines());
    assert_eq!(reports.lines(), [""; 0]);
}

#[test]
fn a_server_sends_all_that_is_queued_before_it_says_goodbye() {
    let _watchdog = watchdog();
    let ((kernel, _), (ours, theirs)) = (kernel(), contexts());
    const SIZE: usize = 3_000_000;
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_filter(Stream::new())
        .client_pre_connect(move |_, socket| ours.accept().map(|tls| Driven::new(socket, tls)))
        .client_connected(|cx| {
            // The handshake is still to come.
            cx.heap.client.put(Bytes::from(vec![b'x'; SIZE]));
            cx.yield_event(server::SHUTDOWN, ());
        })
        .client_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    let log = Log::default();
    let (l, port) = (log.clone(), port(&server));
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port)
        .filter(Stream::new())
        .client_state(0)
        .pre_connect(move |_, socket| {
            theirs.connect("localhost").map(|tls| Driven::new(socket, tls))
        })
        .server_input(|cx, chunk| {
            cx.heap.user += chunk.len();
            // It goes on sending.
            cx.heap.server.put("more");
        })
        .server_error(move |cx, error| l.add(format!("{} {error}", cx.heap.user)))
        .disconnected(move |cx| cx.post(&server, server::SHUTDOWN, ()))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.lines(), [format!("{SIZE} read: end of file")]);
}

#[test]
fn handshakes_that_fail_are_told_to_both() {
    let _watchdog = watchdog();
    let ((kernel, _), (ours, _), (_, stranger)) = (kernel(), contexts(), contexts());
    let (server, log) = echo(&kernel, ours);
    let l = log.clone();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .pre_connect(move |_, socket| {
            stranger.connect("localhost").map(|tls| Driven::new(socket, tls))
        })
        .connected(|cx| cx.heap.server.put("secret"))
        .server_input(|_, _| common::never("nobody to talk to"))
        .server_error(move |_, error| l.add(format!("client: {error}")))
        .disconnected(move |cx| cx.post(&server, server::SHUTDOWN, ()))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let lines = log.lines();
    let says = |text: &str| lines.iter().any(|line| line.contains(text));
    assert!(says("client: read: the peer's certificate is not acceptable"), "{lines:?}");
    assert!(says("read: the peer refused"), "{lines:?}");
    assert!(says("failed") && says("disconnected") && !says("secured"), "{lines:?}");
}

#[test]
fn who_speaks_no_tls_ends_his_own_connection_only() {
    let _watchdog = watchdog();
    let ((kernel, _), (ours, _)) = (kernel(), contexts());
    let (server, log) = echo(&kernel, ours);
    let stranger = peer(port(&server), |stream| {
        write(&stream, b"HELO there\r\n");
        let mut buffer = Vec::new();
        let _ = std::io::Read::read_to_end(&mut &stream, &mut buffer);
    });
    let l = log.clone();
    kernel.run_while(|| l.count("disconnected") == 0).unwrap();
    stranger.join().unwrap();
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("does not speak TLS")), "{lines:?}");
    kernel.post(&server, server::SHUTDOWN, ()).unwrap();
    run(&kernel);
}

#[test]
fn a_server_does_not_wait_for_a_handshake_for_ever() {
    let _watchdog = watchdog();
    let (kernel, (ours, _)) = (common::timeless(), contexts());
    let (server, log) = echo(&kernel, ours);
    // One says nothing at all, the other begins, and no more.
    let silent = std::net::TcpStream::connect(("127.0.0.1", port(&server))).unwrap();
    let slow = std::net::TcpStream::connect(("127.0.0.1", port(&server))).unwrap();
    write(&slow, b"\x16\x03\x01\x02");
    kernel.run_while(|| log.count("disconnected") < 2).unwrap();
    let (error, time) = ("handshake: the peer was silent or too slow", kernel.time());
    assert_eq!(log.lines().iter().filter(|line| line.starts_with(error)).count(), 2);
    assert!(time >= std::time::UNIX_EPOCH + Duration::from_secs(30));
    for socket in [silent, slow] {
        assert_eq!(common::read_all(&socket), b"");
    }
    kernel.post(&server, server::SHUTDOWN, ()).unwrap();
    run(&kernel);
}

#[test]
fn a_client_does_not_wait_for_a_handshake_for_ever() {
    let _watchdog = watchdog();
    let (kernel, (_, theirs)) = (common::timeless(), contexts());
    let server = server::Tcp::build()
        .address("127.0.0.1")
        .client_filter(Stream::new())
        .client_input(|_, _| ())
        .spawn(&kernel)
        .unwrap();
    let log = Log::default();
    let (failed, l) = (log.clone(), log.clone());
    client::Tcp::build()
        .handshake_time(Duration::from_secs(7))
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .pre_connect(move |_, socket| {
            theirs.connect("localhost").map(|tls| Driven::new(socket, tls))
        })
        .server_input(|_, _| ())
        .server_error(move |cx, error| {
            assert_eq!((error.operation, error.kind()), ("handshake", Some(ErrorKind::TimedOut)));
            failed.add(format!("{:?}", cx.kernel.time().duration_since(std::time::UNIX_EPOCH)));
        })
        .disconnected(move |cx| {
            l.add("disconnected");
            cx.post(&server, server::SHUTDOWN, ())
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.lines(), ["Ok(7s)", "disconnected"]);
}

#[test]
fn a_handshake_that_is_done_in_time_leaves_the_connection_alone() {
    let _watchdog = watchdog();
    let (kernel, (ours, theirs)) = (common::timeless(), contexts());
    let (server, log) = echo(&kernel, ours);
    let l = log.clone();
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port(&server))
        .pre_connect(move |_, socket| {
            theirs.connect("localhost").map(|tls| Driven::new(socket, tls))
        })
        .connected(|cx| cx.heap.server.put("hello"))
        .server_input(|cx, line| {
            if line == "hello" {
                cx.delay("later", Duration::from_secs(100), ());
            } else {
                cx.yield_event(client::SHUTDOWN, ());
            }
        })
        .state("later", |cx, ()| cx.heap.server.put("still here"))
        .disconnected(move |cx| {
            l.add("client disconnected");
            cx.post(&server, server::SHUTDOWN, ())
        })
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    let expected = ["secured", "client disconnected", "read: end of file", "disconnected"];
    assert_eq!(log.lines(), expected);
}

/// A folder with a certificate and its key, and a program that uses them, which ends with it.
struct Peer {
    folder: PathBuf,
    child: Option<Child>,
    chain: String,
}

impl Peer {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("poe-component-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (chain, key) = certificate();
        fs::write(folder.join("cert.pem"), &chain).unwrap();
        fs::write(folder.join("key.pem"), key).unwrap();
        Self { folder, child: None, chain }
    }

    /// Puts a key of RSA in place, as SSLify knows no other, which `ring` does not make.
    fn use_rsa(&mut self) {
        const CONFIG: &str = "[req]\nprompt=no\ndistinguished_name=dn\nx509_extensions=v3\n[dn]\nCN=localhost\n\
             [v3]\nsubjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n";
        fs::write(self.folder.join("openssl.cnf"), CONFIG).unwrap();
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-config", "openssl.cnf"]);
        command.args(["-keyout", "key.pem", "-out", "cert.pem", "-days", "2"]);
        let output = command.current_dir(&self.folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        self.chain = fs::read_to_string(self.folder.join("cert.pem")).unwrap();
    }

    /// The port that it says it listens at, in the line that begins so.
    fn start(&mut self, command: &mut Command, prefix: &str) -> u16 {
        command.current_dir(&self.folder).env_remove("POE_EVENT_LOOP");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = self.child.insert(command.spawn().unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with(prefix)));
        let line = line.expect("a line with the port").unwrap();
        // Who is not read from any more may not be able to go on.
        std::thread::spawn(move || lines.for_each(drop));
        line.rsplit([' ', ':']).next().unwrap().parse().unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn is_installed(program: &str, arguments: &[&str], package: &str) -> bool {
    let mut command = Command::new(program);
    command.env_remove("POE_EVENT_LOOP");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let installed = command.status().is_ok_and(|status| status.success());
    if !installed {
        skipped(&format!("{program} {} fails; install {package}", arguments.join(" ")));
    }
    installed
}

/// Sends lines to a server, one after the other, and tells what came, and how it ended.
fn talk(port: u16, tls: TlsClient, lines: &'static [&'static str]) -> Vec<String> {
    let (kernel, _) = kernel();
    let log = Log::default();
    let (input, error, ended) = (log.clone(), log.clone(), log.clone());
    client::Tcp::build()
        .remote_address("127.0.0.1")
        .remote_port(port)
        .client_state(lines.iter())
        .pre_connect(move |_, socket| tls.connect("localhost").map(|tls| Driven::new(socket, tls)))
        .connected(|cx| {
            if let Some(line) = cx.heap.user.next() {
                cx.heap.server.put(*line);
            }
        })
        .server_input(move |cx, line| {
            input.add(line.escape_ascii().to_string());
            if let Some(line) = cx.heap.user.next() {
                cx.heap.server.put(*line);
            }
        })
        .server_error(move |_, failure| error.add(failure.to_string()))
        .disconnected(move |_| ended.add("disconnected"))
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    log.lines()
}

#[test]
fn openssl_serves_a_client() {
    let _watchdog = watchdog();
    if !is_installed("openssl", &["version"], "openssl") {
        return;
    }
    for version in ["-tls1_3", "-tls1_2"] {
        let mut peer = Peer::new(&format!("s_server{version}"));
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-rev"]);
        command.args(["-cert", "cert.pem", "-key", "key.pem", version]);
        let port = peer.start(&mut command, "ACCEPT ");
        // It turns lines round, and ends at this one.
        let said = talk(port, client_of(&peer.chain), &["hello", "again", "CLOSE"]);
        assert_eq!(said[..2], ["olleh", "niaga"], "{said:?}");
        assert_eq!(said.last().unwrap(), "disconnected");
    }
}

#[test]
fn perl_with_sslify_serves_a_client() {
    let _watchdog = watchdog();
    let modules = ["-MPOE", "-MPOE::Component::SSLify", "-e", "1"];
    if !is_installed("perl", &modules, "libpoe-component-sslify-perl")
        || !is_installed("openssl", &["version"], "openssl")
    {
        return;
    }
    let mut peer = Peer::new("sslify");
    peer.use_rsa();
    let mut command = Command::new("perl");
    command.arg(format!("{}/tests/perl/sslify-server.pl", env!("CARGO_MANIFEST_DIR")));
    let port = peer.start(command.args(["cert.pem", "key.pem"]), "listening on ");
    let strict = client_of(&peer.chain);
    let said = talk(port, strict, &["hello", "again", "bye"]);
    assert_eq!(said[..3], ["HELLO", "AGAIN", "BYE"], "{said:?}");
    // SSLify leaves without a word.
    assert!(said[3].contains("without close_notify"), "{said:?}");
    let roots = TlsRoots::new().pem(&peer.chain).unwrap();
    let lenient = TlsClient::build().roots(roots).tolerate_truncation().build().unwrap();
    let said = talk(port, lenient, &["bye"]);
    assert_eq!(said, ["BYE", "read: end of file", "disconnected"]);
}
