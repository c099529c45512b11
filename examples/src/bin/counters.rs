//! Ten sessions, each of which counts to ten while the others do.

use examples::say;
use poe_component::prelude::*;

struct Counter {
    count: u32,
}

fn main() -> examples::Result {
    examples::no_arguments("Ten sessions count to ten, all at the same time.")?;
    let kernel = Kernel::new()?;
    for _ in 0..10 {
        Session::build(Counter { count: 0 })
            .on_start(|cx| {
                say!("Session {} has started.", cx.session());
                cx.yield_event("increment", ());
            })
            .on("increment", |cx, ()| {
                cx.heap.count += 1;
                say!("Session {} counted to {}.", cx.session(), cx.heap.count);
                if cx.heap.count < 10 {
                    cx.yield_event("increment", ());
                }
            })
            .on_stop(|cx| say!("Session {} has stopped.", cx.session()))
            .spawn(&kernel)?;
    }
    Ok(kernel.run()?)
}
