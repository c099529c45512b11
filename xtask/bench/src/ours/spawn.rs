//! Running programs.

use std::io;

use poe_session::prelude::*;
use poe_wheel::{Input, Run, RunExit};

use super::{failed, kernel};

struct Runner {
    run: Option<Run>,
    left: u64,
    pipes: bool,
}

/// `/bin/true` so many times, one after the other, with nothing for its streams or a pipe for each.
pub fn run(children: u64, pipes: bool) -> io::Result<()> {
    let kernel = kernel()?;
    Session::build(Runner { run: None, left: children, pipes })
        .on_start(next)
        .on("output", |_, _: Input| Err::<(), _>("true prints nothing"))
        .on("exit", |cx, exit: RunExit| {
            assert!(exit.success());
            next(cx)
        })
        .spawn(&kernel)
        .map_err(failed)?;
    kernel.run().map_err(failed)
}

fn next(cx: &mut Cx<'_, Runner>) -> HandlerResult {
    cx.heap.run = None;
    if cx.heap.left > 0 {
        cx.heap.left -= 1;
        let builder = Run::build("/bin/true").exit_event("exit");
        let builder = if cx.heap.pipes {
            builder.stdout_event("output").stderr_event("output")
        } else {
            builder.no_stdin(true)
        };
        cx.heap.run = Some(builder.spawn(cx.kernel)?);
    }
    Ok(())
}
