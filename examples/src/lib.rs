//! What the examples share: their address, their help, their first line of output.

#![expect(clippy::print_stdout, reason = "these are programs for people")]

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};

const DEFAULT: &str = "127.0.0.1:12345";

/// The address that a server is to listen at, or a client to connect to: the first argument, or `127.0.0.1:12345`.
/// `None` when the user asked for help, and got it.
///
/// # Errors
///
/// What the user is to be told: the argument is no address, or there are too many.
pub fn address(program: &str, purpose: &str) -> Result<Option<SocketAddr>, String> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| DEFAULT.to_owned());
    if address == "--help" || address == "-h" {
        println!(
            "{purpose}\n\nUsage: {program} [ADDRESS:PORT]\n\nThe address is {DEFAULT} if none is given."
        );
        return Ok(None);
    }
    if let Some(extra) = arguments.next() {
        return Err(format!(
            "unexpected argument {extra:?}; {program} takes one address, see --help"
        ));
    }
    let unusable = |error| format!("{address:?} is no address ({error}); write it as {DEFAULT}");
    let resolved = address.to_socket_addrs().map_err(unusable)?.next();
    resolved.map(Some).ok_or_else(|| format!("{address:?} is the name of no host"))
}

/// Says where a server listens, and how to talk to it.
pub fn listening(address: &poe_component::prelude::Address) {
    println!("listening on {address}");
    if let (Some(ip), Some(port)) = (address.ip(), address.port()) {
        println!("talk to it with: nc {ip} {port}");
    }
    // Whoever reads this through a pipe waits for it.
    let _ = std::io::stdout().flush();
}
