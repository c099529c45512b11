//! Sends each line back.

use poe_component::prelude::*;

fn main() -> examples::Result {
    let address = examples::address("Sends each line back to who sent it.")?;
    let kernel = Kernel::new()?;
    let server = server::Tcp::build()
        .address(address.host)
        .port(address.port)
        .marks(256 * 1024, 16 * 1024)
        .client_input(|cx, line| cx.heap.client.put(line))
        .drain_on(["INT", "TERM"])
        .spawn(&kernel)?;
    examples::listening(server.local_address());
    Ok(kernel.run()?)
}
