//! Greets each client, and sends each line back with its letters rotated by thirteen.

use poe_component::prelude::*;

fn main() -> examples::Result {
    let address = examples::address("Sends each line back in ROT13, after a greeting.")?;
    let kernel = Kernel::new()?;
    let server = server::Tcp::build()
        .address(address.host)
        .port(address.port)
        .marks(256 * 1024, 16 * 1024)
        .client_connected(|cx| cx.heap.client.put("Smile from the server!"))
        .client_input(|cx, line| cx.heap.client.put(rot13(&line)))
        .drain_on(["INT", "TERM"])
        .spawn(&kernel)?;
    examples::listening(server.local_address());
    Ok(kernel.run()?)
}

fn rot13(line: &[u8]) -> Vec<u8> {
    let rotate = |&octet: &u8| match octet {
        b'a'..=b'm' | b'A'..=b'M' => octet + 13,
        b'n'..=b'z' | b'N'..=b'Z' => octet - 13,
        other => other,
    };
    line.iter().map(rotate).collect()
}
