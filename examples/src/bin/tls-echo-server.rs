//! Sends each line back, encrypted.
//!
//! At the signal HUP it reads its certificate and key again, for the clients that come from then on.

use poe_component::prelude::*;

/// A client is not read from while more than this waits for it, until there is little enough.
const HIGH: usize = 64 * 1024;
const LOW: usize = 4 * 1024;

const PURPOSE: &str = "Sends each line back, encrypted (TLS).";
const OPTIONS: [(&str, &str); 2] = [
    ("--cert", "a certificate, and those that lead from it to a trusted one, in PEM"),
    ("--key", "its private key, in PEM; without both, a certificate is made up"),
];

fn main() -> examples::Result {
    let (address, [cert, key]) = examples::address_and_files(PURPOSE, OPTIONS)?;
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => TlsIdentity::from_pem_files(cert, key)?,
        (None, None) => make_up(&address.host)?,
        _ => return Err(std::io::Error::other("--cert and --key go together").into()),
    };
    let tls = TlsServer::build().identity(identity).build()?;
    let kernel = Kernel::new()?;
    let renewed = tls.clone();
    let server = server::Tcp::build()
        .address(address.host)
        .port(address.port)
        .client_pre_connect(move |_, socket| tls.accept().map(|driver| Driven::new(socket, driver)))
        .marks(HIGH, LOW)
        .client_input(|cx, line| cx.heap.client.put(line))
        .started(|cx| cx.sig("HUP", "renew"))
        .listener_session(move |session| {
            let tls = renewed.clone();
            session.on("renew", move |cx, _: Signal| {
                cx.sig_handled();
                if let Err(error) = tls.reload() {
                    examples::complain!("{error}");
                }
            })
        })
        .drain_on(["INT", "TERM"])
        .spawn(&kernel)?;
    examples::encrypting(server.local_address());
    Ok(kernel.run()?)
}

/// An identity that nobody vouches for but itself.
fn make_up(host: &str) -> examples::Result<TlsIdentity> {
    let names = vec![host.to_owned(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names)?;
    Ok(TlsIdentity::from_pem(made.cert.pem(), made.signing_key.serialize_pem())?)
}
