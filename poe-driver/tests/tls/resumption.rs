//! Sessions that are resumed.

use poe_driver::{TlsClient, TlsServer};

use crate::peers::{connect, pair_of, settle};

/// Whether the second connection resumes the session of the first, as both ends see it.
fn resumes(server: &TlsServer, client: &TlsClient) -> (bool, bool) {
    let mut last = (false, false);
    for text in ["first", "second"] {
        let mut ends = connect(server, client, "localhost");
        ends.1.put(text.as_bytes());
        settle(&mut ends);
        assert_eq!(ends.0.received, text.as_bytes());
        last = (ends.0.driver.is_resumed(), ends.1.driver.is_resumed());
        assert!(text == "second" || last == (false, false));
        // Who it was is known nevertheless.
        assert_eq!(ends.1.driver.peer_certificates().count(), 1);
    }
    last
}

#[test]
fn sessions_are_resumed() {
    let (server, client) = pair_of(|server, client| (server, client));
    assert_eq!(resumes(&server, &client), (true, true));
    let (server, client) =
        pair_of(|server, client| (server.session_cache(10), client.session_cache(10)));
    assert_eq!(resumes(&server, &client), (true, true));
}

#[test]
fn sessions_are_forgotten_if_so_asked() {
    let (server, client) = pair_of(|server, client| (server.session_cache(0), client));
    assert_eq!(resumes(&server, &client), (false, false));
    let (server, client) = pair_of(|server, client| (server, client.session_cache(0)));
    assert_eq!(resumes(&server, &client), (false, false));
}

#[test]
fn sessions_are_those_of_one_client() {
    let (server, client) = pair_of(|server, client| (server, client));
    assert_eq!(resumes(&server, &client.clone()), (true, true));
    let (other, _) = pair_of(|server, client| (server, client));
    let mut ends = connect(&other, &client, "localhost");
    settle(&mut ends);
    // A server that does not know the session makes a new one, and is not trusted here.
    assert!(ends.1.failure().certificate_problem().is_some());
}
