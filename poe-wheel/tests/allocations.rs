//! No copy of payload between the read and the handler: a record lies in the read buffer, and costs no allocation of its own.

#[path = "common/descriptors.rs"]
#[allow(unreachable_pub, reason = "a module of all tests")]
mod descriptors;
#[path = "../../poe-filter/tests/allocations/sys.rs"]
mod sys;

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use bytes::Bytes;
use poe_driver::{Driver, Get, OutputQueue, ReadBuffer, SysRw};
use poe_filter::{Block, Filter, Line, Stream};
use poe_kernel::LoopKind;
use poe_session::prelude::*;
use poe_wheel::{Input, ReadWrite};
use sys::tally;

const RECORDS: usize = 500;

/// Shows where the octets of the last read are.
#[derive(Debug, Default)]
struct Shown {
    inner: SysRw,
    read: Rc<RefCell<Range<usize>>>,
}

impl Driver for Shown {
    fn get(&mut self, handle: BorrowedFd<'_>, buffer: &mut ReadBuffer) -> io::Result<Get> {
        let got = self.inner.get(handle, buffer)?;
        if let Get::Octets(octets) = &got {
            *self.read.borrow_mut() = place(octets);
        }
        Ok(got)
    }

    fn output(&mut self) -> &mut OutputQueue {
        self.inner.output()
    }

    fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<usize> {
        self.inner.flush(handle)
    }

    fn get_out_octets(&self) -> usize {
        self.inner.get_out_octets()
    }

    fn get_out_messages_buffered(&self) -> usize {
        self.inner.get_out_messages_buffered()
    }

    fn shutdown_output(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        self.inner.shutdown_output(handle)
    }

    fn discard_output(&mut self) -> usize {
        self.inner.discard_output()
    }
}

fn place(octets: &[u8]) -> Range<usize> {
    let range = octets.as_ptr_range();
    range.start as usize..range.end as usize
}

/// A session that gets all octets again and again from its peer.
struct Heap {
    wheel: Option<ReadWrite>,
    peer: UnixStream,
    sent: Bytes,
    got: usize,
    rounds: usize,
    allocations: usize,
}

/// How often each round asks for memory, from where its octets are sent to the handler of its last record. The first one
/// is left out, in which the wheel takes what it keeps.
fn rounds<F: Filter<In = Bytes, Out = Bytes> + 'static>(
    make: impl Fn() -> F + 'static,
) -> Vec<usize> {
    let mut sent = Vec::<u8>::new();
    for _ in 0..RECORDS {
        make().put(Bytes::from_static(&[b'x'; 64]), &mut sent).unwrap();
    }
    let payload = 64 * RECORDS;
    descriptors::count();
    let (ours, mut peer) = UnixStream::pair().unwrap();
    peer.write_all(&sent).unwrap();
    let (ours, counts) = (Cell::new(Some(ours)), Rc::new(Cell::new(Vec::new())));
    let (told, read) = (Rc::clone(&counts), Rc::new(RefCell::new(0..0)));
    let shown = Rc::clone(&read);
    let heap = Heap { wheel: None, peer, sent: sent.into(), got: 0, rounds: 0, allocations: 0 };
    // Some other loops make a list of handles for each wait.
    let kernel = Kernel::builder().loop_kind(LoopKind::Polling).build().unwrap();
    Session::build(heap)
        .on_start(move |cx| {
            let driver = Shown { read: Rc::clone(&shown), ..Shown::default() };
            let wheel = ReadWrite::build(ours.take().unwrap())
                .driver(driver)
                .filter(make())
                .input_event("input")
                .spawn(cx.kernel)
                .unwrap();
            cx.heap.wheel = Some(wheel);
        })
        .on("input", move |cx, input: Input| {
            let (record, chunk) = (place(&input.record), read.borrow());
            assert!(chunk.start <= record.start && record.end <= chunk.end);
            cx.heap.got += input.record.len();
            drop(input);
            if cx.heap.got < payload {
                return;
            }
            assert_eq!(cx.heap.got, payload);
            let now = tally().allocations;
            let mut all = told.take();
            all.push(now - cx.heap.allocations);
            told.set(all);
            cx.heap.got = 0;
            cx.heap.rounds += 1;
            if cx.heap.rounds == 4 {
                cx.heap.wheel = None;
                return;
            }
            let sent = cx.heap.sent.clone();
            cx.heap.peer.write_all(&sent).unwrap();
            cx.heap.allocations = tally().allocations;
        })
        .spawn(&kernel)
        .unwrap();
    kernel.run().unwrap();
    counts.take().split_off(1)
}

#[test]
fn lines_lie_in_the_read_buffer() {
    check(&rounds(Line::new));
}

#[test]
fn blocks_lie_in_the_read_buffer() {
    check(&rounds(Block::new));
}

/// A piece of memory is for dozens of records, which are cut out of what is read ahead, and one is for the handler of all.
fn check(rounds: &[usize]) {
    assert_eq!(rounds.len(), 3);
    assert!(rounds.iter().all(|count| *count <= RECORDS / 20), "{rounds:?}");
}

#[test]
fn octets_lie_in_the_read_buffer() {
    assert_eq!(rounds(Stream::new), [0; 3]);
}
