//! Sends each line back, on nothing but handles and events: no components, no wheels, no filters.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use examples::complain;
use poe_component::prelude::*;

const LONGEST_LINE: usize = 64 * 1024;
/// A client that does not take its answers is not read from while more than this waits for it.
const MOST_OUTPUT: usize = 64 * 1024;
/// How long clients have to take their answers when the server closes.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// How long new clients wait when there are no descriptors for them.
const RETRY: Duration = Duration::from_millis(100);

struct Server {
    /// None when the server closes.
    listener: Option<Rc<TcpListener>>,
    is_full: bool,
    clients: HashMap<RawFd, Client>,
}

struct Client {
    socket: Rc<TcpStream>,
    /// The beginning of a line.
    input: Vec<u8>,
    /// Lines to send back.
    output: Vec<u8>,
    /// Is to go when its output has gone; what it sends meanwhile is read and ignored.
    is_leaving: bool,
    /// Sends no more, or is not waited for.
    has_ended: bool,
}

fn main() -> examples::Result {
    let address =
        examples::address("Sends each line back, on select_read and select_write alone.")?;
    let listener = TcpListener::bind((address.host.as_str(), address.port))
        .map_err(|error| io::Error::other(format!("cannot listen at {address}: {error}")))?;
    let local = listener.local_addr()?;
    let kernel = Kernel::new()?;
    let listener = Some(Rc::new(listener));
    Session::build(Server { listener, is_full: false, clients: HashMap::new() })
        .on_start(start)
        .on("accept", accept)
        .on("accept again", |cx, ()| {
            cx.heap.listener.as_ref().map(|listener| cx.select_resume(listener, Mode::Read))
        })
        .on("read", read)
        .on("write", write)
        .on("signalled", drain)
        .on("cut", |cx, ()| {
            let all: Vec<RawFd> = cx.heap.clients.keys().copied().collect();
            all.into_iter().for_each(|id| remove(cx, id));
        })
        .spawn(&kernel)?;
    examples::listening(&Address::Ip(local));
    Ok(kernel.run()?)
}

fn start(cx: &mut Cx<'_, Server>) -> HandlerResult {
    cx.sig("INT", "signalled")?;
    cx.sig("TERM", "signalled")?;
    if let Some(listener) = &cx.heap.listener {
        cx.select_read(listener, "accept")?;
    }
    Ok(())
}

fn accept(cx: &mut Cx<'_, Server>, ready: Ready<TcpListener>) -> HandlerResult {
    match ready.handle.accept() {
        Ok((socket, _)) => {
            let socket = Rc::new(socket);
            cx.select_read(&socket, "read")?;
            let client = Client {
                socket: Rc::clone(&socket),
                input: Vec::new(),
                output: Vec::new(),
                is_leaving: false,
                has_ended: false,
            };
            cx.heap.clients.insert(socket.as_raw_fd(), client);
            cx.heap.is_full = false;
        }
        Err(error) if is_passing(&error) => {}
        Err(error) => {
            // The client stays in the system's queue, and so the listener ready: without a pause this would spin.
            if !std::mem::replace(&mut cx.heap.is_full, true) {
                complain!("cannot accept: {error}");
            }
            cx.select_pause(&ready.handle, Mode::Read);
            cx.delay("accept again", RETRY, ());
        }
    }
    Ok(())
}

fn read(cx: &mut Cx<'_, Server>, ready: Ready<TcpStream>) -> HandlerResult {
    let id = ready.handle.as_raw_fd();
    let Some(client) = cx.heap.clients.get_mut(&id) else { return Ok(()) };
    let mut octets = [0; 8192];
    match (&*ready.handle).read(&mut octets) {
        Ok(0) => client.has_ended = true,
        Ok(_) if client.is_leaving => {}
        Ok(count) => client.take(&octets[..count]),
        Err(error) if is_passing(&error) => {}
        Err(_) => remove(cx, id),
    }
    settle(cx, id)
}

impl Client {
    fn take(&mut self, octets: &[u8]) {
        let end = octets.iter().rposition(|&octet| octet == b'\n').map_or(0, |last| last + 1);
        if end > 0 {
            self.output.append(&mut self.input);
            self.output.extend_from_slice(&octets[..end]);
        }
        self.input.extend_from_slice(&octets[end..]);
        if self.input.len() > LONGEST_LINE {
            complain!("a client has sent a line of more than {LONGEST_LINE} octets");
            self.is_leaving = true;
        }
    }
}

fn write(cx: &mut Cx<'_, Server>, ready: Ready<TcpStream>) -> HandlerResult {
    let id = ready.handle.as_raw_fd();
    let Some(client) = cx.heap.clients.get_mut(&id) else { return Ok(()) };
    match (&*ready.handle).write(&client.output) {
        Ok(count) => drop(client.output.drain(..count)),
        Err(error) if is_passing(&error) => {}
        Err(_) => remove(cx, id),
    }
    settle(cx, id)
}

/// Watches a client for what it can do next, or lets it go.
fn settle(cx: &mut Cx<'_, Server>, id: RawFd) -> HandlerResult {
    let Some(client) = cx.heap.clients.get(&id) else { return Ok(()) };
    if client.output.is_empty() {
        if client.has_ended {
            remove(cx, id);
            return Ok(());
        }
        cx.select_end(&client.socket, Mode::Write);
        if client.is_leaving {
            // It hangs up too when it sees this. To close before would lose the answers that are on their way, should it
            // still send something: the system has no other word for that than a reset.
            let _ = client.socket.shutdown(Shutdown::Write);
        }
    } else {
        cx.select_write(&client.socket, "write")?;
    }
    if client.has_ended {
        cx.select_end(&client.socket, Mode::Read);
    } else if client.output.len() > MOST_OUTPUT && !client.is_leaving {
        cx.select_pause(&client.socket, Mode::Read);
    } else {
        cx.select_resume(&client.socket, Mode::Read);
    }
    Ok(())
}

/// Takes no more clients, and nothing more from those that are there; a second time, waits for nobody either.
fn drain(cx: &mut Cx<'_, Server>, _: Signal) -> HandlerResult {
    cx.sig_handled();
    let is_first = cx.heap.listener.is_some();
    cx.delay("cut", if is_first { DRAIN_TIME } else { Duration::ZERO }, ());
    if let Some(listener) = cx.heap.listener.take() {
        cx.select_end(&listener, Mode::Read);
    }
    for id in cx.heap.clients.keys().copied().collect::<Vec<_>>() {
        if let Some(client) = cx.heap.clients.get_mut(&id) {
            client.is_leaving = true;
            // One that is sending learns of the end first, and gets the answers that are on their way.
            let is_sending = matches!(client.socket.peek(&mut [0]), Ok(1..));
            client.has_ended |= client.output.is_empty() && !is_sending;
        }
        settle(cx, id)?;
    }
    finish(cx);
    Ok(())
}

fn remove(cx: &mut Cx<'_, Server>, id: RawFd) {
    if let Some(client) = cx.heap.clients.remove(&id) {
        cx.select_end(&client.socket, Mode::Read);
        cx.select_end(&client.socket, Mode::Write);
    }
    finish(cx);
}

/// Nothing keeps the session when its clients have gone but the time they had.
fn finish(cx: &Cx<'_, Server>) {
    if cx.heap.listener.is_none() && cx.heap.clients.is_empty() {
        cx.alarm_remove_all();
    }
}

/// Whether this is no failure: nothing was there to be done after all, or its client has gone already.
fn is_passing(error: &io::Error) -> bool {
    let kinds = [ErrorKind::WouldBlock, ErrorKind::Interrupted, ErrorKind::ConnectionAborted];
    kinds.contains(&error.kind())
}
