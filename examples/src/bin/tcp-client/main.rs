//! Connects, sends what is typed, and prints what comes: a small telnet.
//!
//! At a terminal, lines are edited and remembered, and what comes is shown above the one that is typed; what has no line end
//! yet is its prompt. Otherwise both ways are octets as they come, so that files go through unharmed. When one side does not
//! take what the other sends, the other is not read from.

mod console;

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::rc::Rc;

use bytes::Bytes;
use poe_component::prelude::*;

use self::console::{Console, Typed};

const HIGH: usize = 64 * 1024;
const LOW: usize = 4 * 1024;

const PURPOSE: &str = "Connects, sends what is typed, and prints what comes.

At a terminal, Ctrl-C leaves the line, or the program if there is none; Ctrl-D ends what is sent; Ctrl-Z stops the program.
Arrows and the other keys of emacs or vi edit and remember, as ~/.inputrc says.";

const HISTORY: (&str, &str) =
    ("--history", "remembers what is typed at a terminal, for the next time");

type Client<'a> = Cx<'a, client::Connection<Option<Console>>>;

fn main() -> examples::Result {
    let (address, history, drive) = arguments()?;
    let server = address.to_string();
    let failure = format!("lost {server}");
    let lost = Rc::new(Cell::new(None));
    let is_lost = Rc::clone(&lost);
    let kernel = Kernel::new()?;
    client::Tcp::build()
        .remote_address(address.host)
        .remote_port(address.port)
        .filter(Stream::new())
        .client_state(None::<Console>)
        .high_mark(HIGH)
        .low_mark(LOW)
        .drain_on(["INT", "TERM", "HUP", "QUIT"])
        .connect_error(move |_, error| -> HandlerResult {
            Err(format!("cannot connect to {server}: {error}").into())
        })
        .pre_connect(move |_, socket| drive(socket))
        .connected(move |cx| -> HandlerResult {
            cx.heap.user = Some(Console::open(cx.kernel, history.clone())?);
            Ok(())
        })
        .server_input(|cx, octets| {
            if cx.heap.user.as_mut().is_some_and(|console| console.show(octets)) {
                cx.heap.server.pause_input();
            }
        })
        .state("console low", |cx, _: WheelId| cx.heap.server.resume_input())
        .state("octets", |cx, typed: Input| cx.heap.server.put(typed.record))
        .state("line", |cx, typed: Input<Result<String, Exception>>| {
            let Some(console) = &mut cx.heap.user else { return };
            match console.typed(typed.record) {
                Typed::Line(line) => drop(cx.heap.server.put(Bytes::from(line))),
                Typed::Nothing => {}
                Typed::End => end_input(cx),
                Typed::Quit => cx.yield_event(client::SHUTDOWN, ()),
            }
        })
        .state("redraw", |cx, _: Signal| cx.heap.user.as_ref().map(Console::refresh))
        .server_error(move |_, error| {
            if !error.is_eof() {
                is_lost.set(Some(error));
            }
        })
        .server_high(|cx| cx.heap.user.as_mut().map(Console::pause))
        .server_low(|cx| cx.heap.user.as_mut().map(Console::resume))
        .state("console error", |cx, error: IoError| -> HandlerResult {
            match cx.heap.user.take_if(|console| console.is_lost(&error)) {
                Some(console) => {
                    cx.yield_event(client::SHUTDOWN, ());
                    console.close()?;
                    // That nobody reads it any more, as after `| head`, is no failure.
                    if error.operation == "write"
                        && let IoCause::Os(cause) = error.cause
                        && cause.kind() != ErrorKind::BrokenPipe
                    {
                        return Err(format!("cannot print: {cause}").into());
                    }
                }
                None => end_input(cx),
            }
            Ok(())
        })
        .disconnected(|cx| {
            if let Some(console) = &mut cx.heap.user {
                console.end();
            }
            close_console(cx)
        })
        .state("shown", |cx, _: WheelId| {
            cx.heap.server.resume_input();
            close_console(cx)
        })
        .spawn(&kernel)?;
    kernel.run()?;
    // The terminal is as it was by now.
    match lost.take() {
        Some(error) => Err(io::Error::other(format!("{failure}: {error}")).into()),
        None => Ok(()),
    }
}

/// Puts a driver on a connection.
type Drive = Box<dyn Fn(Socket) -> Option<Driven>>;

type Arguments = (examples::Address, Option<PathBuf>, Drive);

#[cfg(not(feature = "tls"))]
fn arguments() -> examples::Result<Arguments> {
    let (address, [history]) = examples::address_and_files(PURPOSE, [HISTORY])?;
    Ok((address, history.map(PathBuf::from), Box::new(|socket| Some(socket.into()))))
}

#[cfg(feature = "tls")]
fn arguments() -> examples::Result<Arguments> {
    let about =
        "encrypts, and trusts the certificates in FILE (PEM), or those of the system if it is -";
    let (address, [history, trusted]) =
        examples::address_and_files(PURPOSE, [HISTORY, ("--tls", about)])?;
    let history = history.map(PathBuf::from);
    let roots = match trusted.as_deref() {
        None => return Ok((address, history, Box::new(|socket| Some(socket.into())))),
        Some("-") => TlsRoots::of_system()?,
        Some(file) => TlsRoots::new().pem_file(file)?,
    };
    let (tls, host) = (TlsClient::build().roots(roots).build()?, address.host.clone());
    // A host that is none is told before it is connected to.
    tls.connect(&host)?;
    let drive = move |socket| Some(Driven::new(socket, tls.connect(&host).ok()?));
    Ok((address, history, Box::new(drive)))
}

/// All is typed; the server may still have something to say.
fn end_input(cx: &mut Client<'_>) {
    if let Some(server) = cx.heap.server.wheel() {
        server.shutdown_output();
    }
}

/// What came before the connection ended is printed first.
fn close_console(cx: &mut Client<'_>) -> HandlerResult {
    if !cx.heap.connected
        && let Some(console) = cx.heap.user.take_if(|console| console.is_done())
    {
        console.close()?;
    }
    Ok(())
}
