//! An echo server that, at each `SIGUSR1`, prints what its kernel holds: as a tree, as JSON, and as a graph.

use std::time::Duration;

use poe_component::prelude::*;

fn main() -> examples::Result {
    let address = examples::address(
        "Serves an echo, and at each SIGUSR1 prints what its kernel holds: as a tree, as JSON, and as a graph for \
         Graphviz. Whoever says \"bye\" is let go.",
    )?;
    let kernel = Kernel::builder().profiling(true).build()?;
    let server = server::Tcp::build()
        .address(address.host)
        .port(address.port)
        .alias("echo")
        .client_input(|cx, line: String| {
            if line == "bye" {
                cx.yield_event("shutdown", ());
            } else {
                cx.heap.client.put(line);
            }
        })
        .drain_on(["INT", "TERM"])
        .spawn(&kernel)?;
    Session::build(())
        .on_start(|cx| -> HandlerResult {
            cx.kernel.alias_set("inspector")?;
            // A session that only waits for a signal has nothing to live for; while the server is there, its alias does.
            cx.sig("USR1", "inspect")?;
            cx.yield_event("tick", ());
            Ok(())
        })
        .on("tick", |cx, ()| {
            if cx.kernel.alias_resolve("echo").is_some() {
                cx.delay("tick", Duration::from_secs(1), ());
            }
        })
        .on("inspect", |cx, _: Signal| print(cx.kernel))
        .spawn(&kernel)?;
    examples::listening(server.local_address());
    Ok(kernel.run()?)
}

fn print(kernel: &Kernel) -> HandlerResult {
    let inspection = kernel.inspect();
    examples::say(&format!("{inspection}\n"))?;
    examples::say(&format!("{}\n\n", serde_json::to_string_pretty(&inspection)?))?;
    examples::say(&inspection.to_dot())?;
    Ok(())
}
