//! Following a file.

use std::hint::black_box;
use std::io;
use std::path::Path;

use poe_filter::{LineBlock, Lines};
use poe_session::prelude::*;
use poe_wheel::{FollowTail, Input};

use super::{failed, kernel};

struct Log<In: 'static> {
    wheel: Option<FollowTail<In>>,
    lines: u64,
    octets: usize,
}

/// A file of so many lines, from its start: an event for each line.
pub fn lines(path: &Path, lines: u64) -> io::Result<()> {
    let kernel = kernel()?;
    let path = path.to_owned();
    Session::build(Log { wheel: None, lines: 0, octets: 0 })
        .on_start(move |cx| -> HandlerResult {
            let builder = FollowTail::build(&path).seek(0).input_event("line");
            cx.heap.wheel = Some(builder.spawn(cx.kernel)?);
            Ok(())
        })
        .on("line", move |cx, line: Input| {
            cx.heap.octets += line.record.len();
            cx.heap.lines += 1;
            if cx.heap.lines == lines {
                cx.heap.wheel = None;
            }
        })
        .spawn(&kernel)
        .map_err(failed)?;
    kernel.run().map_err(failed)
}

/// The same: an event for all lines of a read.
pub fn line_blocks(path: &Path, lines: u64) -> io::Result<()> {
    let kernel = kernel()?;
    let path = path.to_owned();
    Session::build(Log { wheel: None, lines: 0, octets: 0 })
        .on_start(move |cx| -> HandlerResult {
            let builder = FollowTail::build(&path).seek(0).filter(LineBlock::new());
            cx.heap.wheel = Some(builder.input_event("lines").spawn(cx.kernel)?);
            Ok(())
        })
        .on("lines", move |cx, input: Input<Lines>| {
            for line in &input.record {
                cx.heap.octets += black_box(line).len();
                cx.heap.lines += 1;
            }
            if cx.heap.lines == lines {
                cx.heap.wheel = None;
            }
        })
        .spawn(&kernel)
        .map_err(failed)?;
    kernel.run().map_err(failed)
}
