//! A chat room: what one says, the others hear.
//!
//! Each guest's connection has a session of its own. They know one another by the room, and talk by posting `SAY`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use poe_component::prelude::*;

const SAY: Event<Bytes> = Event::new("say");
const LONGEST_LINE: usize = 1000;
const LONGEST_NICK: usize = 20;

/// Who is here: each guest's nick and session.
type Room = RefCell<BTreeMap<String, SessionId>>;

struct Guest {
    room: Rc<Room>,
    nick: String,
    /// Takes no more lines for now: too many wait that were sent before.
    is_behind: bool,
    /// Lines not sent for that.
    missed: u64,
}

type Chat<'a> = Cx<'a, server::Connection<Guest>>;

fn main() -> examples::Result {
    let address = examples::address("A chat room. Guests say /nick NAME and /quit.")?;
    let kernel = Kernel::new()?;
    let room = Rc::new(Room::default());
    let guest =
        move || Guest { room: Rc::clone(&room), nick: String::new(), is_behind: false, missed: 0 };
    let server = server::Tcp::build()
        .address(address.host)
        .port(address.port)
        .client_filter(Line::builder().max_length(LONGEST_LINE).build()?)
        .client_state(guest)
        .high_mark(64 * 1024)
        .low_mark(4 * 1024)
        .client_connected(join)
        .client_input(hear)
        .client_disconnected(leave)
        .client_high(|cx| cx.heap.user.is_behind = true)
        .client_low(catch_up)
        .state(SAY, tell)
        .drain_on(["INT", "TERM"])
        .spawn(&kernel)?;
    examples::listening(server.local_address());
    Ok(kernel.run()?)
}

fn join(cx: &mut Chat<'_>) {
    let free = {
        let room = cx.heap.user.room.borrow();
        (1..).map(|n: u32| format!("guest{n}")).find(|nick| !room.contains_key(nick))
    };
    let nick = free.unwrap_or_default();
    cx.heap.user.room.borrow_mut().insert(nick.clone(), cx.session());
    tell(cx, format!("* welcome, {nick}; say /nick NAME or /quit").into());
    say(cx, &format!("* {nick} has joined"));
    cx.heap.user.nick = nick;
}

fn leave(cx: &mut Chat<'_>) {
    let nick = std::mem::take(&mut cx.heap.user.nick);
    cx.heap.user.room.borrow_mut().remove(&nick);
    say(cx, &format!("* {nick} has left"));
}

fn hear(cx: &mut Chat<'_>, line: Bytes) {
    // Nobody's terminal is to be played with.
    let line: String = String::from_utf8_lossy(&line).chars().filter(|c| !c.is_control()).collect();
    match line.split_once(' ').unwrap_or((&line, "")) {
        ("/quit", _) => {
            // What is typed after this is not said any more.
            cx.heap.shutdown = true;
            cx.yield_event(server::SHUTDOWN, ());
        }
        ("/nick", wanted) => rename(cx, wanted.trim()),
        (command, _) if command.starts_with('/') => {
            tell(cx, format!("* no command {command}; there are /nick and /quit").into());
        }
        _ => say(cx, &format!("<{}> {line}", cx.heap.user.nick)),
    }
}

fn rename(cx: &mut Chat<'_>, wanted: &str) {
    let is_plain = wanted.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    if wanted.is_empty() || wanted.len() > LONGEST_NICK || !is_plain {
        let rule = format!("* a nick is 1 to {LONGEST_NICK} letters, digits, _ and -");
        return tell(cx, rule.into());
    }
    let is_taken = cx.heap.user.room.borrow().contains_key(wanted);
    if is_taken {
        return tell(cx, format!("* {wanted} is taken").into());
    }
    let session = cx.session();
    let old = std::mem::replace(&mut cx.heap.user.nick, wanted.to_owned());
    let mut room = cx.heap.user.room.borrow_mut();
    room.remove(&old);
    room.insert(wanted.to_owned(), session);
    drop(room);
    tell(cx, format!("* you are now {wanted}").into());
    say(cx, &format!("* {old} is now {wanted}"));
}

/// To all others.
fn say(cx: &Chat<'_>, line: &str) {
    let line = Bytes::copy_from_slice(line.as_bytes());
    for &session in cx.heap.user.room.borrow().values().filter(|&&guest| guest != cx.session()) {
        // One that has gone in this moment needs to hear no more.
        let _ = cx.post(session, SAY, line.clone());
    }
}

/// To this guest, who misses it when too much waits already: one who does not read is to cost no memory.
fn tell(cx: &mut Chat<'_>, line: Bytes) {
    if cx.heap.shutdown {
        return;
    }
    if cx.heap.user.is_behind {
        cx.heap.user.missed += 1;
    } else {
        cx.heap.user.is_behind = cx.heap.client.put(line);
    }
}

fn catch_up(cx: &mut Chat<'_>) {
    cx.heap.user.is_behind = false;
    let missed = std::mem::take(&mut cx.heap.user.missed);
    if missed > 0 {
        tell(cx, format!("* you missed {missed} lines").into());
    }
}
