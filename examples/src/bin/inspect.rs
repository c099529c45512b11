//! An echo server that, at each `SIGUSR1`, prints what its kernel holds: as a tree, as JSON, and as a graph. It can be looked
//! at with `top`, too.

use examples::say;
use poe_component::prelude::*;

fn main() -> examples::Result {
    let mut options = examples::Options::new(
        "Serves an echo, and at each SIGUSR1 prints what its kernel holds: as a tree, as JSON, and as a graph for \
         Graphviz. With --top, it shows that at another address to the example top.",
        "[--top ADDRESS:PORT]",
    );
    let top: Option<examples::Address> = options.value("--top")?;
    let address = options.address()?;
    let kernel = Kernel::builder().profiling(true).build()?;
    let server = server::Tcp::build()
        .address(address.host)
        .port(address.port)
        .marks(256 * 1024, 16 * 1024)
        .alias("echo")
        .client_input(|cx, line| cx.heap.client.put(line))
        .drain_on(["INT", "TERM"])
        .spawn(&kernel)?;
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            // A watched signal keeps nobody alive; an alias does for as long as others have something to do.
            cx.kernel.alias_set("inspector")?;
            Ok(cx.sig("USR1", "inspect")?)
        })
        .on("inspect", |cx, _: Signal| print(cx.kernel))
        .spawn(&kernel)?;
    examples::listening(server.local_address());
    if let Some(address) = top {
        examples::top::published(&examples::top::publish(&kernel, &address)?);
    }
    Ok(kernel.run()?)
}

fn print(kernel: &Kernel) -> HandlerResult {
    let inspection = kernel.inspect();
    say!("{inspection}");
    say!("{}\n", serde_json::to_string_pretty(&inspection)?);
    say!("{}", inspection.to_dot());
    Ok(())
}
