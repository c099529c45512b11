//! The encrypting server, against OpenSSL's client and Perl's POE with SSLify.

#[macro_use]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Program, is_installed, perl, run, wait_until};
use nix::sys::signal::Signal;

const SERVER: &str = example!("tls-echo-server");
const CLIENT: &str = example!("tcp-client");

/// A folder with a certificate and its key, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("poe-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let folder = Self(folder);
        folder.renew();
        folder
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn renew(&self) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        // Two of one name would be taken for each other.
        let number = std::time::SystemTime::now();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, format!("{:?}", number.elapsed().unwrap()));
        let key = rcgen::KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        fs::write(self.path("cert.pem"), made.pem()).unwrap();
        fs::write(self.path("key.pem"), key.serialize_pem()).unwrap();
    }

    fn server(&self) -> Command {
        let mut command = Command::new(SERVER);
        command.arg("127.0.0.1:0");
        command.arg("--cert").arg(self.path("cert.pem")).arg("--key").arg(self.path("key.pem"));
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// OpenSSL's client, which ends at the end of its input.
fn s_client(address: impl ToString, arguments: &[&str]) -> Option<Command> {
    if !is_installed("openssl", &["version"], "openssl") {
        return None;
    }
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address.to_string()]).args(arguments);
    Some(command)
}

/// One that trusts this certificate, and prints nothing but what comes.
fn trusting(address: impl ToString, cert: &Path, arguments: &[&str]) -> Option<Program> {
    let mut command = s_client(address, &["-quiet", "-no_ign_eof", "-verify_return_error"])?;
    Some(Program::start(command.arg("-CAfile").arg(cert).args(arguments)))
}

#[test]
fn openssl_talks_to_it() {
    let folder = Folder::new("openssl");
    let (mut server, address) = Program::listening(&mut folder.server());
    server.wait_for_line("advice", |line| {
        line == format!("talk to it with: openssl s_client -quiet -connect {address}")
    });
    for version in ["-tls1_3", "-tls1_2"] {
        let cert = folder.path("cert.pem");
        let Some(mut client) = trusting(address, &cert, &[version]) else { return };
        for text in ["one", "two", &"x".repeat(3000)] {
            client.type_line(text);
            client.wait_for_line("echo", |line| line.trim_end() == text);
        }
        client.end_input();
        assert!(client.wait().status.success());
    }
    server.interrupt().well();
}

#[test]
fn a_certificate_is_made_up_if_none_is_given() {
    let (server, address) = Program::server(SERVER);
    let Some(mut command) = s_client(address, &["-quiet", "-no_ign_eof"]) else { return };
    let mut client = Program::start(&mut command);
    client.type_line("hello");
    client.wait_for_line("echo", |line| line.trim_end() == "hello");
    // It is drained: what is sent has come, and the end is one in good order.
    server.interrupt().well();
    wait_until("end of the client", || (!client.is_running()).then_some(()));
    let ended = client.wait();
    assert!(ended.status.success(), "{ended:?}");
    assert!(!ended.errors.iter().any(|line| line.contains("unexpected eof")), "{ended:?}");
}

#[test]
fn keys_are_changed_on_the_way() {
    let folder = Folder::new("keys");
    let (server, address) = Program::listening(&mut folder.server());
    let Some(mut command) = s_client(address, &["-tls1_3"]) else { return };
    let mut client = Program::start(&mut command);
    client.type_line("before");
    client.wait_for_line("echo", |line| line.trim_end() == "before");
    // A line of this letter has it change its keys, and ask for the same.
    client.type_line("K");
    client.wait_for_error("word of it", |line| line.contains("KEYUPDATE"));
    client.type_line("after");
    client.wait_for_line("echo", |line| line.trim_end() == "after");
    client.end_input();
    assert!(client.wait().status.success());
    server.interrupt().well();
}

#[test]
fn sessions_are_resumed() {
    let folder = Folder::new("sessions");
    let (server, address) = Program::listening(&mut folder.server());
    let session = folder.path("session");
    let session = session.to_str().unwrap();
    for (option, expected) in [("-sess_out", "New"), ("-sess_in", "Reused")] {
        let Some(mut command) = s_client(address, &["-tls1_2", option, session]) else { return };
        let mut client = Program::start(&mut command);
        client.wait_for_line("session", |line| line.starts_with(&format!("{expected}, ")));
        client.type_line("hello");
        client.wait_for_line("echo", |line| line.trim_end() == "hello");
        client.end_input();
        assert!(client.wait().status.success());
    }
    server.interrupt().well();
}

#[test]
fn certificates_are_renewed_at_a_signal() {
    let folder = Folder::new("renewal");
    let (mut server, address) = Program::listening(&mut folder.server());
    let before = folder.path("before.pem");
    fs::copy(folder.path("cert.pem"), &before).unwrap();
    let Some(mut old) = trusting(address, &before, &[]) else { return };
    old.type_line("hello");
    old.wait_for_line("echo", |line| line.trim_end() == "hello");

    folder.renew();
    server.signal(Signal::SIGHUP);
    wait_until("new certificate", || {
        let mut client = trusting(address, &folder.path("cert.pem"), &[]).unwrap();
        client.type_line("hello");
        client.end_input();
        client.wait().status.success().then_some(())
    });
    let refused = trusting(address, &before, &[]).unwrap().wait();
    assert!(!refused.status.success(), "{refused:?}");
    // Who is there stays.
    old.type_line("still here");
    old.wait_for_line("echo", |line| line.trim_end() == "still here");
    old.end_input();
    assert!(old.wait().status.success());

    fs::write(folder.path("key.pem"), "no key").unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_error("complaint", |line| line.contains("key.pem is no PEM of a private key"));
    server.signal(Signal::SIGINT);
    assert!(server.wait().status.success());
}

#[test]
fn our_client_talks_to_it() {
    let folder = Folder::new("client");
    let (mut server, address) = Program::listening(&mut folder.server());
    let client = |cert: &Path| {
        let mut command = Command::new(CLIENT);
        command.arg(address.to_string()).arg("--tls").arg(cert);
        command
    };
    let text = "as it was\r\n".repeat(200_000);
    let output = run(&mut client(&folder.path("cert.pem")), text.clone());
    assert!(output.status.success() && output.stderr.is_empty(), "{:?}", output.status);
    assert!(output.stdout == text.as_bytes(), "{} octets came back", output.stdout.len());

    fs::copy(folder.path("cert.pem"), folder.path("served.pem")).unwrap();
    folder.renew();
    let output = run(&mut client(&folder.path("cert.pem")), "secret");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("certificate is not acceptable"), "{error}");
    assert!(output.stdout.is_empty());
    let error = Program::start(&mut client(Path::new("/dev/null"))).wait().badly();
    assert!(error.contains("/dev/null is no PEM of certificates"), "{error}");
    server.wait_for_error("complaint", |line| line.contains("the peer refused"));
    server.signal(Signal::SIGINT);
    assert!(server.wait().status.success());
}

#[test]
fn perl_with_sslify_talks_to_it() {
    let folder = Folder::new("sslify");
    let (mut server, address) = Program::listening(&mut folder.server());
    if !is_installed(
        "perl",
        &["-MPOE::Component::SSLify", "-e", "1"],
        "libpoe-component-sslify-perl",
    ) {
        return;
    }
    let arguments = [address.ip().to_string(), address.port().to_string(), "100".to_owned()];
    let Some(mut command) = perl("sslify-client.pl", arguments) else { return };
    let ended = Program::start(&mut command).wait().well();
    let mut expected = vec!["connected".to_owned(), "status 1".to_owned()];
    expected.extend((1..=100).map(|n| format!("got Line {n}")));
    expected.push("cipher TLS_AES_256_GCM_SHA384".to_owned());
    expected.push("disconnected".to_owned());
    assert_eq!(ended.output, expected);
    // SSLify leaves without a word.
    server.wait_for_error("complaint", |line| line.contains("without close_notify"));
    server.signal(Signal::SIGINT);
    assert!(server.wait().status.success());
}

#[test]
fn what_it_does_not_understand_is_refused() {
    let refused =
        |arguments: &[&str]| Program::start(Command::new(SERVER).args(arguments)).wait().badly();
    assert!(refused(&["127.0.0.1:0", "--cert", "/dev/null"]).ends_with("--key go together"));
    assert!(refused(&["--key"]).contains("--key needs a file"));
    assert!(refused(&["--cart", "x"]).contains("unexpected argument \"--cart\""));
    let error = refused(&["127.0.0.1:0", "--cert", "/no/such/file", "--key", "/no/such/file"]);
    assert!(error.contains("cannot read /no/such/file"), "{error}");
    let help = run(Command::new(SERVER).arg("--help"), "");
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("[ADDRESS:PORT] [--cert FILE] [--key FILE]"), "{help}");
}

#[test]
fn who_speaks_no_tls_is_sent_away() {
    let (mut server, address) = Program::server(SERVER);
    let mut client = common::connect(address);
    std::io::Write::write_all(&mut client, b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // An alert, or a reset that overtakes it.
    let _ = std::io::Read::read_to_end(&mut client, &mut answer);
    assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    server.wait_for_error("complaint", |line| line.contains("does not speak TLS"));
    server.signal(Signal::SIGTERM);
    assert!(server.wait().status.success());
}
