//! Sends each line back, on nothing but handles and events: no components, no wheels, no filters.

#![expect(clippy::print_stderr, reason = "this is a program for people")]

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

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
    /// Nothing is read any more; the client goes when its output has gone.
    is_leaving: bool,
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
        .on("signalled", |cx, _: Signal| {
            cx.sig_handled();
            drain(cx);
        })
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
            };
            cx.heap.clients.insert(socket.as_raw_fd(), client);
            cx.heap.is_full = false;
        }
        Err(error) if is_passing(&error) => {}
        Err(error) => {
            // The client stays in the system's queue, and so the listener ready: without a pause this would spin.
            if !std::mem::replace(&mut cx.heap.is_full, true) {
                eprintln!("cannot accept: {error}");
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
        Ok(0) => client.is_leaving = true,
        Ok(count) => client.take_lines(&octets[..count]),
        Err(error) if is_passing(&error) => return Ok(()),
        Err(_) => {
            remove(cx, id);
            return Ok(());
        }
    }
    if client.input.len() > LONGEST_LINE {
        eprintln!("a client has sent a line of more than {LONGEST_LINE} octets");
        client.is_leaving = true;
    }
    let (is_leaving, waiting) = (client.is_leaving, client.output.len());
    if is_leaving {
        cx.select_end(&ready.handle, Mode::Read);
    } else if waiting > MOST_OUTPUT {
        cx.select_pause(&ready.handle, Mode::Read);
    }
    if waiting > 0 {
        cx.select_write(&ready.handle, "write")?;
    } else if is_leaving {
        remove(cx, id);
    }
    Ok(())
}

impl Client {
    fn take_lines(&mut self, octets: &[u8]) {
        match octets.iter().rposition(|&octet| octet == b'\n') {
            Some(last) => {
                self.output.append(&mut self.input);
                self.output.extend_from_slice(&octets[..=last]);
                self.input.extend_from_slice(&octets[last + 1..]);
            }
            None => self.input.extend_from_slice(octets),
        }
    }
}

fn write(cx: &mut Cx<'_, Server>, ready: Ready<TcpStream>) {
    let id = ready.handle.as_raw_fd();
    let Some(client) = cx.heap.clients.get_mut(&id) else { return };
    match (&*ready.handle).write(&client.output) {
        Ok(count) => drop(client.output.drain(..count)),
        Err(error) if is_passing(&error) => return,
        Err(_) => return remove(cx, id),
    }
    let (is_leaving, waiting) = (client.is_leaving, client.output.len());
    if waiting == 0 && is_leaving {
        return remove(cx, id);
    }
    if waiting == 0 {
        cx.select_end(&ready.handle, Mode::Write);
    }
    if waiting <= MOST_OUTPUT {
        cx.select_resume(&ready.handle, Mode::Read);
    }
}

/// Accepts and reads nothing more; a second time, waits for nobody either.
fn drain(cx: &mut Cx<'_, Server>) {
    let time = if cx.heap.listener.is_some() { DRAIN_TIME } else { Duration::ZERO };
    cx.delay("cut", time, ());
    if let Some(listener) = cx.heap.listener.take() {
        cx.select_end(&listener, Mode::Read);
    }
    let mut idle = Vec::new();
    for (&id, client) in &mut cx.heap.clients {
        client.is_leaving = true;
        if client.output.is_empty() {
            idle.push(id);
        }
    }
    for client in cx.heap.clients.values() {
        cx.select_end(&client.socket, Mode::Read);
    }
    idle.into_iter().for_each(|id| remove(cx, id));
    finish(cx);
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
