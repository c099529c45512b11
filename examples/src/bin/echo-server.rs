//! Sends each line back.

use poe_component::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(address) = examples::address("echo-server", "Sends each line back to who sent it.")?
    else {
        return Ok(());
    };
    let kernel = Kernel::new()?;
    let server = server::Tcp::build()
        .address(address.ip())
        .port(address.port())
        .client_input(|cx, line| cx.heap.client.put(line))
        .drain_on(["INT", "TERM"])
        .spawn(&kernel)?;
    examples::listening(server.local_address());
    Ok(kernel.run()?)
}
