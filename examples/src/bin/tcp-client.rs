//! Connects, sends what is typed, and prints what comes: a small telnet.
//!
//! Both ways are octets as they come, so that a prompt without a line end is seen, and files go through unharmed. When
//! one side does not take what the other sends, the other is not read from.

use std::io;

use poe_component::prelude::*;

const HIGH: usize = 64 * 1024;
const LOW: usize = 4 * 1024;

const PURPOSE: &str = "Connects, sends what is typed, and prints what comes.";

/// Standard input and output, while connected.
type Console = Option<ReadWrite>;

type Client<'a> = Cx<'a, client::Connection<Console>>;

fn main() -> examples::Result {
    let (address, drive) = arguments()?;
    let server = address.to_string();
    let kernel = Kernel::new()?;
    client::Tcp::build()
        .remote_address(address.host)
        .remote_port(address.port)
        .filter(Stream::new())
        .client_state(None::<ReadWrite>)
        .high_mark(HIGH)
        .low_mark(LOW)
        .drain_on(["INT", "TERM"])
        .connect_error(move |_, error| -> HandlerResult {
            Err(format!("cannot connect to {server}: {error}").into())
        })
        .pre_connect(move |_, socket| drive(socket))
        .connected(open_console)
        .server_input(|cx, octets| {
            if cx.heap.user.as_ref().is_some_and(|console| console.put(octets)) {
                cx.heap.server.pause_input();
            }
        })
        .state("console low", |cx, _: WheelId| cx.heap.server.resume_input())
        .state("typed", |cx, typed: Input| cx.heap.server.put(typed.record))
        .server_high(|cx| cx.heap.user.as_ref().map(ReadWrite::pause_input))
        .server_low(|cx| cx.heap.user.as_ref().map(ReadWrite::resume_input))
        .state("console error", console_error)
        .disconnected(|cx| {
            if let Some(console) = &cx.heap.user {
                console.shutdown_input();
            }
            close_console(cx);
        })
        .state("shown", |cx, _: WheelId| close_console(cx))
        .spawn(&kernel)?;
    Ok(kernel.run()?)
}

/// Puts a driver on a connection.
type Drive = Box<dyn Fn(Socket) -> Option<Driven>>;

#[cfg(not(feature = "tls"))]
fn arguments() -> examples::Result<(examples::Address, Drive)> {
    Ok((examples::address(PURPOSE)?, Box::new(|socket| Some(socket.into()))))
}

#[cfg(feature = "tls")]
fn arguments() -> examples::Result<(examples::Address, Drive)> {
    let about =
        "encrypts, and trusts the certificates in FILE (PEM), or those of the system if it is -";
    let (address, [trusted]) = examples::address_and_files(PURPOSE, [("--tls", about)])?;
    let roots = match trusted.as_deref() {
        None => return Ok((address, Box::new(|socket| Some(socket.into())))),
        Some("-") => TlsRoots::of_system()?,
        Some(file) => TlsRoots::new().pem_file(file)?,
    };
    let (tls, host) = (TlsClient::build().roots(roots).build()?, address.host.clone());
    // A host that is none is told before it is connected to.
    tls.connect(&host)?;
    let drive = move |socket| Some(Driven::new(socket, tls.connect(&host).ok()?));
    Ok((address, Box::new(drive)))
}

fn open_console(cx: &mut Client<'_>) -> HandlerResult {
    let console = ReadWrite::build_pair(io::stdin(), io::stdout())
        .filter(Stream::new())
        .input_event("typed")
        .error_event("console error")
        .flushed_event("shown")
        .high_mark(HIGH)
        .low_mark(LOW)
        .low_event("console low")
        .spawn(cx.kernel)?;
    cx.heap.user = Some(console);
    Ok(())
}

fn console_error(cx: &mut Client<'_>, error: IoError) {
    if error.operation == "write" {
        // Nobody is left to print for.
        cx.heap.user = None;
        cx.yield_event(client::SHUTDOWN, ());
    } else if let Some(server) = cx.heap.server.wheel() {
        // All is typed; the server may still have something to say.
        server.shutdown_output();
    }
}

/// What came before the connection ended is printed first.
fn close_console(cx: &mut Client<'_>) {
    let printed = |console: &ReadWrite| console.get_driver_out_octets() == 0;
    if !cx.heap.connected && cx.heap.user.as_ref().is_some_and(printed) {
        cx.heap.user = None;
    }
}
