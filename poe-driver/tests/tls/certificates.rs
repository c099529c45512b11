//! Whom one trusts, and why not.

use std::time::{Duration, SystemTime};

use poe_driver::{
    CertificateProblem, TlsClient, TlsConfigError, TlsError, TlsHandshake, TlsIdentity, TlsRoots,
    TlsServer,
};

use crate::peers::{Authority, End, connect, settle};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What becomes of a connection to `localhost`.
fn meet(server: &TlsServer, client: &TlsClient) -> (End, End) {
    let mut ends = connect(server, client, "localhost");
    settle(&mut ends);
    ends
}

fn server(identity: TlsIdentity) -> TlsServer {
    TlsServer::build().identity(identity).build().unwrap()
}

fn client(authority: &Authority) -> TlsClient {
    TlsClient::build().roots(authority.roots()).build().unwrap()
}

/// The client refuses this certificate, for this reason, and the server is told.
fn refuses(identity: TlsIdentity, client: &TlsClient, problem: CertificateProblem, why: &str) {
    let (near, far) = meet(&server(identity), client);
    let error = far.failure();
    assert_eq!(error.certificate_problem(), Some(problem), "{error:?}");
    assert!(error.to_string().contains(why), "{error}");
    assert_eq!(far.driver.handshake(), TlsHandshake::Failed(error.clone()));
    assert!(matches!(near.failure(), TlsError::Refused { .. }), "{:?}", near.failure());
}

#[test]
fn certificates_are_checked() {
    let authority = Authority::new();
    let client = client(&authority);
    refuses(
        authority.issue("example.org"),
        &client,
        CertificateProblem::WrongName,
        "not valid for name \"localhost\"; certificate is only valid for",
    );
    refuses(
        Authority::new().issue("localhost"),
        &client,
        CertificateProblem::UnknownIssuer,
        "add its issuer to the roots",
    );
    let expired = authority.issue_with("localhost", |params| {
        params.not_before = (SystemTime::now() - 20 * DAY).into();
        params.not_after = (SystemTime::now() - 10 * DAY).into();
    });
    refuses(expired, &client, CertificateProblem::Expired, "expired");
    let early = authority.issue_with("localhost", |params| {
        params.not_before = (SystemTime::now() + 10 * DAY).into();
    });
    refuses(early, &client, CertificateProblem::NotYetValid, "not valid yet");
    let for_clients = authority.issue_with("localhost", |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    refuses(for_clients, &client, CertificateProblem::WrongPurpose, "");
}

#[test]
fn an_address_can_be_certified() {
    let authority = Authority::new();
    let server = server(authority.issue("127.0.0.1"));
    for (name, is_good) in [("127.0.0.1", true), ("127.0.0.2", false)] {
        let mut ends = connect(&server, &client(&authority), name);
        settle(&mut ends);
        assert_eq!(ends.1.is_done(), is_good, "{:?}", ends.1);
        // Addresses are not told.
        assert_eq!(ends.0.driver.server_name(), None);
    }
}

#[test]
fn a_server_may_want_a_certificate() {
    let (authority, others) = (Authority::new(), Authority::new());
    let require = TlsServer::build()
        .identity(authority.issue("localhost"))
        .require_client_certificate(authority.roots())
        .build()
        .unwrap();
    let ask = TlsServer::build()
        .identity(authority.issue("localhost"))
        .ask_client_certificate(authority.roots())
        .build()
        .unwrap();
    let with =
        |identity| TlsClient::build().roots(authority.roots()).identity(identity).build().unwrap();

    for server in [&require, &ask] {
        let (near, far) = meet(server, &with(authority.issue("somebody")));
        assert!(near.is_done() && far.is_done(), "{near:?} {far:?}");
        assert_eq!(near.driver.peer_certificates().count(), 1);

        let (near, far) = meet(server, &with(others.issue("somebody else")));
        let problem = near.failure().certificate_problem();
        assert_eq!(problem, Some(CertificateProblem::UnknownIssuer));
        assert!(far.failure().to_string().contains("does not trust"), "{}", far.failure());
    }

    let (near, far) = meet(&require, &client(&authority));
    assert_eq!(near.failure(), &TlsError::NoCertificate);
    assert!(far.failure().to_string().contains("wants a certificate"), "{}", far.failure());
    let (near, far) = meet(&ask, &client(&authority));
    assert!(near.is_done() && far.is_done());
    assert_eq!(near.driver.peer_certificates().count(), 0);
}

#[test]
fn application_protocols_have_to_fit() {
    let authority = Authority::new();
    let server = TlsServer::build().identity(authority.issue("localhost")).alpn(["new", "old"]);
    let server = server.build().unwrap();
    let offering = |protocols: &[&str]| {
        let client = TlsClient::build().roots(authority.roots()).alpn(protocols.to_vec());
        meet(&server, &client.build().unwrap())
    };
    assert_eq!(offering(&["old"]).0.driver.alpn(), Some(&b"old"[..]));
    let (near, far) = offering(&["other"]);
    assert_eq!(near.failure(), &TlsError::NoApplicationProtocol);
    assert!(far.failure().to_string().contains("ALPN"), "{}", far.failure());
    let (near, _) = offering(&[]);
    assert!(near.is_done() && near.driver.alpn().is_none());
}

#[test]
fn each_name_has_its_certificate() {
    let authority = Authority::new();
    let server = TlsServer::build()
        .identity(authority.issue("localhost"))
        .identity_for("one.example", authority.issue("one.example"))
        .identity_for("*.Two.example", authority.issue("*.two.example"))
        .build()
        .unwrap();
    let client = client(&authority);
    for (name, is_good) in [
        ("localhost", true),
        ("one.example", true),
        ("ONE.example", true),
        ("a.two.example", true),
        ("two.example", false),
        ("a.b.two.example", false),
    ] {
        let mut ends = connect(&server, &client, name);
        settle(&mut ends);
        assert_eq!(ends.1.is_done(), is_good, "{name}: {:?}", ends.1);
        assert_eq!(ends.0.driver.server_name(), Some(&*name.to_ascii_lowercase()), "{name}");
    }
    server.set_identity_for("two.example", &authority.issue("two.example")).unwrap();
    let mut ends = connect(&server, &client, "two.example");
    settle(&mut ends);
    assert!(ends.1.is_done());

    let silent = TlsClient::build().roots(authority.roots()).without_server_name();
    let mut ends = connect(&server, &silent.build().unwrap(), "localhost");
    settle(&mut ends);
    assert!(ends.1.is_done());
    assert_eq!(ends.0.driver.server_name(), None);
}

#[test]
fn a_certificate_is_changed_while_serving() {
    let authority = Authority::new();
    let server = server(authority.issue("localhost"));
    let client = TlsClient::build().roots(authority.roots()).session_cache(0).build().unwrap();
    let shown = |ends: &(End, End)| ends.1.driver.peer_certificates().next().map(<[u8]>::to_vec);
    let mut before = meet(&server, &client);
    let again = meet(&server, &client);
    assert!(shown(&before).is_some() && shown(&before) == shown(&again));

    server.set_identity(&authority.issue("localhost")).unwrap();
    let after = meet(&server, &client);
    assert!(after.1.is_done() && shown(&before) != shown(&after));
    // Those that there are go on.
    before.0.put(b"still here");
    settle(&mut before);
    assert_eq!(before.1.received, b"still here");

    let (chain, _) = authority.pem_with("localhost", |_| {});
    let (_, key) = authority.pem_with("localhost", |_| {});
    let mismatched = TlsIdentity::from_pem(chain, key).unwrap();
    let error = server.set_identity(&mismatched).unwrap_err();
    assert!(error.to_string().contains("do not go together"), "{error}");
    assert!(matches!(server.reload(), Err(TlsConfigError::NoFiles)));
    assert_eq!(shown(&meet(&server, &client)), shown(&after));
}

#[test]
fn certificates_are_read_from_their_files_again() {
    let folder = std::env::temp_dir().join(format!("poe-tls-reload-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let authority = Authority::new();
    let renew = |name: &str| {
        let (chain, secret) = authority.pem_with(name, |_| {});
        std::fs::write(&cert, chain).unwrap();
        std::fs::write(&key, secret).unwrap();
    };
    renew("localhost");
    let server = server(TlsIdentity::from_pem_files(&cert, &key).unwrap());
    let client = TlsClient::build().roots(authority.roots()).session_cache(0).build().unwrap();
    assert!(meet(&server, &client).1.is_done());

    renew("example.org");
    assert!(meet(&server, &client).1.is_done(), "not before it is told");
    server.reload().unwrap();
    let (_, far) = meet(&server, &client);
    assert_eq!(far.failure().certificate_problem(), Some(CertificateProblem::WrongName));

    renew("localhost");
    server.reload().unwrap();
    // What cannot be used changes nothing.
    std::fs::write(&key, "no key").unwrap();
    let error = server.reload().unwrap_err().to_string();
    assert!(error.contains("key.pem is no PEM of a private key"), "{error}");
    std::fs::remove_file(&cert).unwrap();
    let error = server.reload().unwrap_err().to_string();
    assert!(error.starts_with("cannot read") && error.contains("cert.pem"), "{error}");
    assert!(meet(&server, &client).1.is_done());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn roots_are_needed() {
    let error = TlsClient::build().roots(TlsRoots::new()).build().unwrap_err();
    assert!(matches!(error, TlsConfigError::NoRoots { .. }), "{error}");
    let error = TlsRoots::new().pem("nothing").unwrap_err();
    assert!(error.to_string().contains("is no PEM of certificates"), "{error}");
    assert!(TlsRoots::new().der(*b"nothing").is_err());
    let error = client(&Authority::new()).connect("not a name").unwrap_err();
    assert!(matches!(error, TlsConfigError::ServerName { .. }), "{error}");
}

#[test]
fn identities_come_in_der_too() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = made.signing_key.serialize_der();
    let identity = TlsIdentity::from_der([made.cert.der().to_vec()], key).unwrap();
    let roots = TlsRoots::new().der(made.cert.der().to_vec()).unwrap();
    let client = TlsClient::build().roots(roots).build().unwrap();
    assert!(meet(&server(identity), &client).1.is_done());
    assert!(TlsIdentity::from_der([*b"certificate"], *b"key").is_err());
}
