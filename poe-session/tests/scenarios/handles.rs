//! Watched handles, by single slices.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{MsgFlags, recv, send};
use poe_session::prelude::*;

use crate::stage::{actor, millis, note, secs, slice};

scenarios!("handles":
    reads_go_before_writes_and_both_before_events,
    expedited_data_comes_last,
    a_watch_that_ends_in_a_batch_is_not_called_in_it,
    a_watch_that_begins_in_a_batch_waits_for_the_next,
    a_handle_is_ready_until_it_is_read,
    a_paused_watch_is_not_called,
    a_handle_watched_again_has_the_new_event
        unlike "Watching a handle again replaces the event and its arguments; POE only resumed the old watch.",
    handles_are_looked_at_between_two_generations_of_events,
    what_a_callback_posts_is_of_the_same_slice,
    sessions_answer_each_other_over_a_connection,
    a_stopped_sessions_watches_go_with_it,
    a_watch_passes_its_own_arguments_on,
    a_handle_is_blocking_again_when_its_watch_has_ended
        unlike "A handle is blocking again, if it was, when its last watch has ended",
);

type Socket = Ready<UnixStream>;

/// Two ends of a connection; the near one has something to read.
fn pair(bytes: &str) -> (Rc<UnixStream>, Rc<UnixStream>) {
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(bytes.as_bytes()).unwrap();
    (Rc::new(near), Rc::new(far))
}

fn byte(mut handle: &UnixStream) -> String {
    let mut byte = [0];
    match handle.read(&mut byte).unwrap() {
        0 => "end".to_owned(),
        _ => char::from(byte[0]).to_string(),
    }
}

fn write(mut handle: &UnixStream, bytes: &[u8]) {
    handle.write_all(bytes).unwrap();
}

fn reads_go_before_writes_and_both_before_events(kernel: &Kernel) {
    let (near, _far) = pair("x");
    actor("a")
        .notes(["past", "posted"])
        .on_start(move |cx| -> HandlerResult {
            cx.yield_event("posted", ());
            cx.alarm_set("past", cx.kernel.time() - secs(10), ());
            cx.select_write(&near, "write")?;
            cx.select_read(&near, "read")?;
            Ok(())
        })
        .on("read", |cx, ready: Socket| cx.select_end(&ready.handle, Mode::Read))
        .on("write", |cx, ready: Socket| cx.select_end(&ready.handle, Mode::Write))
        .enter(kernel);
    slice(kernel);
}

fn expedited_data_comes_last(kernel: &Kernel) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let near = Rc::new(listener.accept().unwrap().0);
    send(far.as_raw_fd(), b"ab", MsgFlags::MSG_OOB).unwrap();
    let arrived = MsgFlags::MSG_OOB | MsgFlags::MSG_PEEK;
    while recv(near.as_raw_fd(), &mut [0], arrived).is_err() {}
    actor("a")
        .notes(["posted"])
        .on_start(move |cx| {
            cx.yield_event("posted", ());
            let [read, write, expedite] = ["read", "write", "expedite"].map(|e| Some(Name::new(e)));
            cx.select(&near, read, write, expedite)
        })
        .on("read", |cx, ready: Ready<TcpStream>| cx.select_end(&ready.handle, Mode::Read))
        .on("write", |cx, ready: Ready<TcpStream>| cx.select_end(&ready.handle, Mode::Write))
        .on("expedite", |cx, ready: Ready<TcpStream>| cx.select_end(&ready.handle, Mode::Expedite))
        .enter(kernel);
    slice(kernel);
}

fn a_watch_that_ends_in_a_batch_is_not_called_in_it(kernel: &Kernel) {
    let (near, _far) = pair("x");
    actor("a")
        .on("write", |_, _: Socket| {})
        .on_start(move |cx| -> HandlerResult {
            cx.select_read(&near, "read")?;
            cx.select_write(&near, "write")?;
            Ok(())
        })
        .on("read", |cx, ready: Socket| cx.select(&ready.handle, None, None, None))
        .enter(kernel);
    slice(kernel);
}

fn a_watch_that_begins_in_a_batch_waits_for_the_next(kernel: &Kernel) {
    let (near, _far) = pair("x");
    actor("a")
        .on_start(move |cx| cx.select_read(&near, "read"))
        .on("read", |cx, ready: Socket| {
            cx.select_end(&ready.handle, Mode::Read);
            cx.select_write(&ready.handle, "write")
        })
        .on("write", |cx, ready: Socket| cx.select_end(&ready.handle, Mode::Write))
        .enter(kernel);
    slice(kernel);
    note("next slice");
    slice(kernel);
}

fn a_handle_is_ready_until_it_is_read(kernel: &Kernel) {
    let (near, far) = pair("abc");
    drop(far);
    actor("a")
        .on_start(move |cx| cx.select_read(&near, "read"))
        .on("read", |cx, ready: Socket| {
            let byte = byte(&ready.handle);
            note(format!("read {byte}"));
            if byte == "end" {
                cx.select_end(&ready.handle, Mode::Read);
            }
        })
        .enter(kernel);
    for n in 1..=4 {
        note(format!("slice {n}"));
        slice(kernel);
    }
}

// Conformance: KRB-30
fn a_paused_watch_is_not_called(kernel: &Kernel) {
    let (near, _far) = pair("x");
    let watched = Rc::clone(&near);
    actor("a")
        .notes(["event"])
        .on_start(move |cx| -> HandlerResult {
            cx.select_read(&watched, "read")?;
            cx.select_pause(&watched, Mode::Read);
            cx.yield_event("event", ());
            cx.delay_set("resume", millis(20), ());
            Ok(())
        })
        .on("resume", move |cx, ()| cx.select_resume(&near, Mode::Read))
        .on("read", |cx, ready: Socket| cx.select_end(&ready.handle, Mode::Read))
        .enter(kernel);
}

fn a_handle_watched_again_has_the_new_event(kernel: &Kernel) {
    let (near, _far) = pair("x");
    actor("a")
        .on("old", |cx, ready: Ready<UnixStream, u32>| cx.select_end(&ready.handle, Mode::Read))
        .on("new", |cx, ready: Ready<UnixStream, u32>| cx.select_end(&ready.handle, Mode::Read))
        .on_start(move |cx| -> HandlerResult {
            cx.select_with(&near, Mode::Read, "old", 1_u32)?;
            cx.select_with(&near, Mode::Read, "new", 2_u32)?;
            Ok(())
        })
        .enter(kernel);
}

fn handles_are_looked_at_between_two_generations_of_events(kernel: &Kernel) {
    let (near, _far) = pair("abcd");
    actor("a")
        .on_start(move |cx| {
            cx.yield_event("link", 3_u32);
            cx.select_read(&near, "read")
        })
        .on("link", |cx, left: u32| {
            if left > 0 {
                cx.yield_event("link", left - 1);
            }
        })
        .on("read", |cx, ready: Socket| {
            let byte = byte(&ready.handle);
            note(format!("read {byte}"));
            if byte == "d" {
                cx.select_end(&ready.handle, Mode::Read);
            }
        })
        .enter(kernel);
    for _ in 0..5 {
        slice(kernel);
    }
}

fn what_a_callback_posts_is_of_the_same_slice(kernel: &Kernel) {
    let (near, _far) = pair("x");
    actor("a")
        .notes(["before", "after"])
        .on_start(move |cx| {
            cx.yield_event("before", ());
            cx.select_read(&near, "read")
        })
        .on("read", |cx, ready: Socket| {
            cx.select_end(&ready.handle, Mode::Read);
            cx.yield_event("after", ());
        })
        .enter(kernel);
    slice(kernel);
    note("next slice");
}

// Conformance: KRS-01
fn sessions_answer_each_other_over_a_connection(kernel: &Kernel) {
    let (near, far) = pair("");
    actor("server")
        .on_start(move |cx| cx.select_read(&near, "request"))
        .on("request", |cx, ready: Socket| {
            let byte = byte(&ready.handle);
            note(format!("server got {byte}"));
            if byte == "q" {
                cx.select_end(&ready.handle, Mode::Read);
            } else {
                write(&ready.handle, b"x");
            }
        })
        .enter(kernel);
    let answers = Cell::new(0);
    actor("client")
        .on_start(move |cx| {
            write(&far, b"a");
            cx.select_read(&far, "answer")
        })
        .on("answer", move |cx, ready: Socket| {
            note(format!("client got {}", byte(&ready.handle)));
            write(&ready.handle, if answers.get() == 0 { b"b" } else { b"q" });
            answers.set(answers.get() + 1);
            if answers.get() == 2 {
                cx.select_end(&ready.handle, Mode::Read);
            }
        })
        .enter(kernel);
}

fn a_stopped_sessions_watches_go_with_it(kernel: &Kernel) {
    let (near, _far) = pair("x");
    let (first, paused, second) = (Rc::clone(&near), Rc::clone(&near), near);
    let a = actor("a")
        .on("read", |_, _: Socket| {})
        .on_start(move |cx| cx.select_read(&first, "read"))
        .on("pause", move |cx, ()| cx.select_pause(&paused, Mode::Read))
        .enter(kernel);
    kernel.call::<bool, _>(a, "pause", ()).unwrap();
    kernel.signal(a, "TERM", ()).unwrap();
    slice(kernel);
    actor("b")
        .on_start(move |cx| cx.select_read(&second, "read"))
        .on("read", |cx, ready: Socket| cx.select_end(&ready.handle, Mode::Read))
        .enter(kernel);
}

fn a_watch_passes_its_own_arguments_on(kernel: &Kernel) {
    let (near, _far) = pair("x");
    actor("a")
        .on_start(move |cx| cx.select_with(&near, Mode::Read, "read", 5_u32))
        .on("read", |cx, ready: Ready<UnixStream, u32>| cx.select_end(&ready.handle, Mode::Read))
        .enter(kernel);
}

fn a_handle_is_blocking_again_when_its_watch_has_ended(kernel: &Kernel) {
    fn mode(handle: &UnixStream) {
        let flags = OFlag::from_bits_retain(fcntl(handle, FcntlArg::F_GETFL).unwrap());
        note(if flags.contains(OFlag::O_NONBLOCK) { "not blocking" } else { "blocking" });
    }
    let (near, _far) = pair("");
    actor("a")
        .on_start(move |cx| {
            mode(&near);
            cx.select_read(&near, "read").unwrap();
            mode(&near);
            cx.select_end(&near, Mode::Read);
            mode(&near);
        })
        .enter(kernel);
}
