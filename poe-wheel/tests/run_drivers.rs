//! Drivers for each of a child's streams.

mod common;

use std::io;
use std::os::fd::BorrowedFd;

use common::children::{Event, own, spawn, with_outputs};
use common::{Log, kernel, run};
use poe_driver::{Driver, Get, OutputQueue, ReadBuffer, SysRw};
use poe_wheel::{Run, RunBuilder};

/// Says by its name what it has done.
#[derive(Debug)]
struct Telling {
    inner: SysRw,
    name: &'static str,
    log: Log,
}

fn telling(name: &'static str, log: &Log) -> Telling {
    Telling { inner: SysRw::new(), name, log: log.clone() }
}

impl Driver for Telling {
    fn get(&mut self, handle: BorrowedFd<'_>, buffer: &mut ReadBuffer) -> io::Result<Get> {
        let got = self.inner.get(handle, buffer)?;
        if let Get::Octets(octets) = &got {
            self.log.push(format!("{} reads {}", self.name, octets.escape_ascii()));
        }
        Ok(got)
    }

    fn output(&mut self) -> &mut OutputQueue {
        self.inner.output()
    }

    fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<usize> {
        if self.get_out_octets() > 0 {
            self.log.push(format!("{} writes", self.name));
        }
        self.inner.flush(handle)
    }

    fn get_out_octets(&self) -> usize {
        self.inner.get_out_octets()
    }

    fn get_out_messages_buffered(&self) -> usize {
        self.inner.get_out_messages_buffered()
    }

    fn shutdown_output(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        self.log.push(format!("{} ends", self.name));
        self.inner.shutdown_output(handle)
    }

    fn discard_output(&mut self) -> usize {
        self.inner.discard_output()
    }
}

/// What the drivers of a child say that repeats a line, and then complains.
fn told(drivers: impl FnOnce(RunBuilder, &Log) -> RunBuilder) -> Vec<String> {
    let (kernel, log) = (kernel(), Log::default());
    let child = Run::build_shell("cat; read -r line; echo oh >&2");
    let child = drivers(with_outputs(child).stderr_driver(telling("stderr", &log)), &log);
    spawn(&kernel, child, |cx, event| {
        if let Event::Start = event {
            own(cx).put("line");
            assert_eq!(own(cx).get_driver_out_messages(), 1);
            own(cx).shutdown_stdin();
        }
    });
    run(&kernel);
    let mut told = log.take();
    told.sort();
    told
}

#[test]
fn each_stream_may_have_its_driver() {
    let all = told(|child, log| {
        let child = child.stdio_driver(telling("stdio", log));
        child.stdin_driver(telling("stdin", log)).stdout_driver(telling("stdout", log))
    });
    let expected = ["stderr reads oh\\n", "stdin ends", "stdin writes", "stdout reads line\\n"];
    assert_eq!(all, expected);
}

#[test]
fn the_driver_for_both_serves_what_has_none() {
    let both = told(|child, log| child.stdio_driver(telling("stdio", log)));
    let expected = ["stderr reads oh\\n", "stdio ends", "stdio reads line\\n", "stdio writes"];
    assert_eq!(both, expected);
    let input = told(|child, log| {
        child.stdin_driver(telling("stdin", log)).stdio_driver(telling("stdio", log))
    });
    let expected = ["stderr reads oh\\n", "stdin ends", "stdin writes", "stdio reads line\\n"];
    assert_eq!(input, expected);
    let output = told(|child, log| child.stdout_driver(telling("stdout", log)));
    assert_eq!(output, ["stderr reads oh\\n", "stdout reads line\\n"]);
}
