//! The driver `Tls` and OpenSSL: protocols agreed on, certificates by name and of clients, and sessions that are resumed.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use common::{Event, Log, Watchdog, kernel, own, run, skipped, spawn, wheel};
use poe_driver::{Tls, TlsClient, TlsError, TlsIdentity, TlsRoots, TlsServer};
use poe_wheel::IoCause;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// An authority and what it has issued, in files for OpenSSL; removed at the end.
struct Folder {
    path: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Folder {
    /// `None`, saying so, without OpenSSL.
    fn new() -> Option<Self> {
        let probe = Command::new("openssl").arg("version").output();
        if !probe.is_ok_and(|output| output.status.success()) {
            skipped("openssl version fails; install openssl");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("poe-openssl-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "the authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(path.join("ca.pem"), authority.pem()).unwrap();
        Some(Self { path, authority })
    }

    fn roots(&self) -> TlsRoots {
        TlsRoots::new().pem(self.authority.pem()).unwrap()
    }

    /// For a host or a person, also as `NAME.pem` and `NAME.key`.
    fn issue(&self, name: &str) -> TlsIdentity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.authority).unwrap().pem();
        fs::write(self.path.join(format!("{name}.pem")), &chain).unwrap();
        fs::write(self.path.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        TlsIdentity::from_pem(chain, key.serialize_pem()).unwrap()
    }

    fn openssl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(&self.path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// What a connection of ours knew once a record had come, or why there was none.
fn tell(tls: &Tls) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    format!(
        "{} {} {} {}",
        tls.alpn().map_or("-".to_owned(), text),
        tls.server_name().unwrap_or("-"),
        // OpenSSL sends that of its authority along.
        tls.peer_certificates().count().min(1),
        if tls.is_resumed() { "resumed" } else { "new" },
    )
}

/// Sends a client a word when it has said one; what is known of it, or why it failed, and all that OpenSSL printed.
fn serve(folder: &Folder, server: &TlsServer, arguments: &[&str]) -> (String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let all = [&["s_client", "-connect", &address, "-CAfile", "ca.pem"], arguments].concat();
    let mut child = folder.openssl(&all).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let socket = listener.accept().unwrap().0;
    socket.set_nonblocking(true).unwrap();
    let client = thread::spawn(move || {
        // One that was refused need not read it.
        let _ = stdin.write_all(b"hello\n");
        let mut printed = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while let Some(Ok(line)) = lines.next() {
            printed += &format!("{line}\n");
            // The end of its input is the end of the conversation.
            if line.contains("welcome") {
                break;
            }
        }
        drop(stdin);
        lines.map_while(Result::ok).for_each(|line| printed += &format!("{line}\n"));
        child.wait().unwrap();
        printed
    });
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(&kernel, wheel(socket).driver(server.accept().unwrap()), move |cx, event| match event {
        Event::Input(record) => {
            assert_eq!(record, "hello");
            l.push(own(cx).with_driver(tell).unwrap());
            own(cx).put("welcome");
        }
        Event::Error(error) => {
            if let IoCause::Os(error) = &error.cause {
                l.push(TlsError::of(error).unwrap());
            }
            *cx.heap = None;
        }
        _ => {}
    });
    run(&kernel);
    (log.take().join(", "), client.join().unwrap())
}

#[test]
fn a_client_agrees_on_a_protocol_and_is_shown_the_certificate_of_the_name() {
    let Some(folder) = Folder::new() else { return };
    let server = TlsServer::build()
        .identity(folder.issue("one.example"))
        .identity_for("two.example", folder.issue("two.example"))
        .alpn(["new", "old"])
        .build()
        .unwrap();
    for version in ["-tls1_3", "-tls1_2"] {
        for (arguments, told, subject, alpn) in [
            (
                &["-servername", "two.example", "-alpn", "old,older"][..],
                "old two.example 0 new",
                "two.example",
                "ALPN protocol: old",
            ),
            (
                &["-servername", "else.example", "-alpn", "new,old"],
                "new else.example 0 new",
                "one.example",
                "ALPN protocol: new",
            ),
            (&["-noservername"], "- - 0 new", "one.example", "No ALPN negotiated"),
        ] {
            let (ours, theirs) = serve(&folder, &server, &[&[version], arguments].concat());
            assert_eq!(ours, told, "{theirs}");
            let subject = format!("subject=CN = {subject}");
            assert!(theirs.lines().any(|line| line.trim_end() == subject), "{theirs}");
            assert!(theirs.contains(alpn), "{theirs}");
            assert!(theirs.contains("Verify return code: 0 (ok)"), "{theirs}");
        }
        let (ours, theirs) = serve(&folder, &server, &[version, "-alpn", "other"]);
        assert_eq!(ours, TlsError::NoApplicationProtocol.to_string(), "{theirs}");
    }
}

#[test]
fn a_client_shows_a_certificate_or_is_refused() {
    let Some(folder) = Folder::new() else { return };
    let server = TlsServer::build()
        .identity(folder.issue("localhost"))
        .require_client_certificate(folder.roots())
        .build()
        .unwrap();
    folder.issue("somebody");
    let others = Folder::new().unwrap();
    others.issue("stranger");
    let theirs = others.path.join("stranger");
    let [certificate, key] = ["pem", "key"].map(|end| format!("{}.{end}", theirs.display()));
    for version in ["-tls1_3", "-tls1_2"] {
        let known = [version, "-cert", "somebody.pem", "-key", "somebody.key"];
        let (ours, theirs) = serve(&folder, &server, &known);
        assert_eq!(ours, "- - 1 new", "{theirs}");
        assert!(theirs.contains("welcome"), "{theirs}");
        let (ours, theirs) = serve(&folder, &server, &[version]);
        assert_eq!(ours, TlsError::NoCertificate.to_string(), "{theirs}");
        let unknown = [version, "-cert", &certificate, "-key", &key];
        let (ours, theirs) = serve(&folder, &server, &unknown);
        assert!(ours.contains("certificate"), "{ours}");
        assert!(!theirs.contains("welcome"), "{theirs}");
    }
}

#[test]
fn a_client_comes_back_with_its_session() {
    let Some(folder) = Folder::new() else { return };
    let server = TlsServer::build().identity(folder.issue("localhost")).build().unwrap();
    for version in ["-tls1_3", "-tls1_2"] {
        let (ours, theirs) = serve(&folder, &server, &[version, "-sess_out", "session"]);
        assert_eq!(ours, "- - 0 new", "{theirs}");
        assert!(theirs.contains("New, TLSv1."), "{theirs}");
        let (ours, theirs) = serve(&folder, &server, &[version, "-sess_in", "session"]);
        assert_eq!(ours, "- - 0 resumed", "{theirs}");
        assert!(theirs.contains("Reused, TLSv1."), "{theirs}");
    }
}

/// OpenSSL's server, which turns round each line, and ends a connection at the line `CLOSE`.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn new(folder: &Folder, arguments: &[&str]) -> Self {
        let all = [&["s_server", "-accept", "127.0.0.1:0", "-rev"], arguments].concat();
        let mut child = folder.openssl(&all).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.starts_with("ACCEPT")));
        // Who is not read from any more may not be able to go on.
        thread::spawn(move || lines.for_each(drop));
        let port = line.unwrap().rsplit(':').next().unwrap().parse().unwrap();
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says a word to a server; what is known of it when that has come back, or why it failed.
fn visit(server: &Server, client: &TlsClient, name: &str) -> String {
    let socket = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    socket.set_nonblocking(true).unwrap();
    let (kernel, log) = (kernel(), Log::default());
    let l = log.clone();
    spawn(
        &kernel,
        wheel(socket).driver(client.connect(name).unwrap()),
        move |cx, event| match event {
            Event::Start => _ = own(cx).put("hello"),
            Event::Input(record) => {
                assert_eq!(record, "olleh");
                l.push(own(cx).with_driver(tell).unwrap());
                own(cx).put("CLOSE");
            }
            Event::Error(error) => {
                if let IoCause::Os(error) = &error.cause {
                    l.push(TlsError::of(error).unwrap());
                }
                *cx.heap = None;
            }
            _ => {}
        },
    );
    run(&kernel);
    log.take().join(", ")
}

#[test]
fn a_server_chooses_protocol_and_certificate() {
    let _watchdog = Watchdog::new();
    let Some(folder) = Folder::new() else { return };
    folder.issue("one.example");
    folder.issue("two.example");
    for version in ["-tls1_3", "-tls1_2"] {
        let one = ["-cert", "one.example.pem", "-key", "one.example.key"];
        let two = ["-cert2", "two.example.pem", "-key2", "two.example.key"];
        let choice = [version, "-servername", "two.example", "-alpn", "new,old"];
        let server = Server::new(&folder, &[&choice[..], &one, &two].concat());
        let client = |protocols: &[&str]| {
            let client = TlsClient::build().roots(folder.roots()).alpn(protocols.to_vec());
            client.build().unwrap()
        };
        assert_eq!(
            visit(&server, &client(&["old", "new"]), "one.example"),
            "new one.example 1 new"
        );
        assert_eq!(visit(&server, &client(&["old"]), "one.example"), "old one.example 1 new");
        // For the second name it knows of no protocols.
        assert_eq!(visit(&server, &client(&["old"]), "two.example"), "- two.example 1 new");
        // It has but two.
        let refused = visit(&server, &client(&[]), "three.example");
        assert!(refused.contains("three.example"), "{refused}");
    }
}

#[test]
fn a_server_wants_a_certificate() {
    let _watchdog = Watchdog::new();
    let Some(folder) = Folder::new() else { return };
    folder.issue("localhost");
    for version in ["-tls1_3", "-tls1_2"] {
        let own = ["-cert", "localhost.pem", "-key", "localhost.key"];
        let wants = [version, "-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"];
        let server = Server::new(&folder, &[&wants[..], &own].concat());
        let client = || TlsClient::build().roots(folder.roots());
        let known = client().identity(folder.issue("somebody")).build().unwrap();
        assert_eq!(visit(&server, &known, "localhost"), "- localhost 1 new");
        let unknown = visit(&server, &client().build().unwrap(), "localhost");
        assert!(unknown.contains("wants a certificate"), "{unknown}");
    }
}

#[test]
fn a_session_is_resumed_by_a_server() {
    let _watchdog = Watchdog::new();
    let Some(folder) = Folder::new() else { return };
    folder.issue("localhost");
    for version in ["-tls1_3", "-tls1_2"] {
        let own = [version, "-cert", "localhost.pem", "-key", "localhost.key"];
        let server = Server::new(&folder, &own);
        let client = TlsClient::build().roots(folder.roots()).build().unwrap();
        assert_eq!(visit(&server, &client, "localhost"), "- localhost 1 new", "{version}");
        assert_eq!(visit(&server, &client, "localhost"), "- localhost 1 resumed", "{version}");
    }
}
