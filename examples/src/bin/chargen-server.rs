//! The character generator of RFC 864: lines without end, as fast as the client takes them, and no faster.

use bytes::Bytes;
use poe_component::prelude::*;

const WIDTH: usize = 72;
const FIRST: u8 = b' ';
const LAST: u8 = b'~';

type Client<'a> = Cx<'a, server::Connection<Bytes>>;

fn main() -> examples::Result {
    let address = examples::address("Sends lines of characters without end (RFC 864).")?;
    let kernel = Kernel::new()?;
    let ring: Bytes = (FIRST..=LAST).cycle().take(COUNT + WIDTH - 1).collect();
    let server = server::Tcp::build()
        .address(address.host)
        .port(address.port)
        // What a client sends is thrown away as it comes, be it lines or not.
        .client_input_filter(Stream::new())
        .client_state(move || ring.clone())
        .client_connected(generate)
        .client_flushed(generate)
        .client_input(|_, _| ())
        // A client that has had enough just goes, which is worth no word.
        .client_error(|_, _| ())
        .drain_on(["INT", "TERM"])
        .spawn(&kernel)?;
    examples::listening(server.local_address());
    Ok(kernel.run()?)
}

/// How many lines there are before the first comes again.
const COUNT: usize = (LAST - FIRST) as usize + 1;

/// Sends each line once. The next ones are sent when these have gone, so no more than these ever wait.
fn generate(cx: &mut Client<'_>) {
    if cx.heap.shutdown {
        return;
    }
    let ring = &cx.heap.user;
    for start in 0..COUNT {
        cx.heap.client.put(ring.slice(start..start + WIDTH));
    }
}
