//! A live view of a kernel in another process: who does what, how fast, and why it is still there.
//!
//! The other process has called `examples::top::publish`.

mod demo;
mod screen;
mod snapshot;
mod view;
mod watched;

use std::io::{self, IsTerminal};
use std::time::Duration;

use bytes::Bytes;
use poe_component::prelude::*;
use poe_filter::JsonLines;

use self::screen::Scene;
use self::snapshot::Snapshot;
use self::view::{View, Wish};
use self::watched::Watched;

const PURPOSE: &str = "A live view of a kernel in another process, which publishes it at that address: its sessions, what they \
                       do and why they are there, and what took longest.

As a process that publishes: inspect --top 127.0.0.1:12345";
const USAGE: &str = "[--every SECONDS]
       top --demo                            looks at a kernel of its own";

/// How long nobody wonders about an answer.
const PATIENCE: Duration = Duration::from_secs(3);
const TRY_AGAIN: Duration = Duration::from_secs(1);

struct Top {
    address: String,
    every: Duration,
    screen: Option<Curses>,
    view: View,
    watched: Option<Watched>,
    problem: Option<String>,
    /// A snapshot is on its way.
    is_asked: bool,
    /// What is shown is of before the last key.
    is_stale: bool,
    is_over: bool,
}

type Client<'a> = Cx<'a, client::Connection<Top, Snapshot, Bytes>>;

fn main() -> examples::Result {
    let mut options = examples::Options::new(PURPOSE, USAGE);
    let Seconds(every) = options.value("--every")?.unwrap_or(Seconds(Duration::from_secs(1)));
    let is_demo = options.flag("--demo");
    let address = if is_demo {
        options.end()?;
        None
    } else {
        Some(options.address()?)
    };
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(io::Error::other("there is no terminal to draw on").into());
    }
    let address = address.map_or_else(demo::start, Ok)?;
    let top = Top {
        address: address.to_string(),
        every,
        screen: None,
        view: View::new(),
        watched: None,
        problem: Some("connecting".to_owned()),
        is_asked: false,
        is_stale: false,
        is_over: false,
    };
    let kernel = Kernel::new()?;
    client::Tcp::build()
        .remote_address(address.host)
        .remote_port(address.port)
        .connect_timeout(PATIENCE)
        .input_filter(JsonLines::<Snapshot, ()>::new())
        .output_filter(Line::new())
        .client_state(top)
        .started(start)
        .connected(|cx| {
            // Of what it cannot read, it says so and goes on.
            cx.heap.shutdown_on_error = false;
            cx.heap.user.is_asked = false;
            cx.heap.user.problem = None;
            ask(cx);
        })
        .server_input(|cx, snapshot| {
            let top = &mut cx.heap.user;
            if !top.is_asked {
                return;
            }
            top.watched = Some(Watched::new(snapshot, top.watched.as_ref()));
            top.problem = None;
            answered(cx);
        })
        .server_error(|cx, error| {
            if error.is_recoverable() {
                // Who is not asked says nothing that matters.
                if !cx.heap.user.is_asked {
                    return;
                }
                cx.heap.user.problem = Some(format!("what it sends is no snapshot: {error}"));
                answered(cx);
            } else {
                cx.heap.user.problem = Some(format!("it has gone ({error}); trying again"));
                cx.yield_event(client::CUT, ());
            }
        })
        .connect_error(|cx, error| {
            cx.heap.user.problem = Some(format!("cannot connect: {error}; trying again"));
            connect_again(cx);
        })
        .disconnected(connect_again)
        .state("ask", |cx, ()| ask(cx))
        .state("still nothing", |cx, ()| {
            let top = &mut cx.heap.user;
            top.problem = Some(format!("no answer for {} s", PATIENCE.as_secs()));
            top.draw();
        })
        .state("input", |cx, input: Input<TerminalInput>| meet(cx, input.record))
        .state("draw", |cx, ()| cx.heap.user.draw())
        .state("screen error", |cx, _: IoError| quit(cx))
        .state("resized", |cx, _: Signal| cx.heap.user.screen.iter().for_each(Curses::refresh))
        .state("quit", |cx, _: Signal| {
            cx.sig_handled();
            quit(cx);
        })
        .spawn(&kernel)?;
    Ok(kernel.run()?)
}

fn start(cx: &mut Client<'_>) -> HandlerResult {
    let screen = Curses::build().input_event("input").error_event("screen error");
    cx.heap.user.screen = Some(screen.spawn(cx.kernel)?);
    cx.heap.user.draw();
    for signal in ["INT", "TERM", "HUP", "QUIT"] {
        cx.sig(signal, "quit")?;
    }
    for signal in ["WINCH", "CONT"] {
        cx.sig(signal, "resized")?;
    }
    Ok(())
}

/// Asks for a snapshot, unless one is on its way.
fn ask(cx: &mut Client<'_>) {
    let is_wanted = cx.heap.connected && !cx.heap.user.view.is_paused && !cx.heap.user.is_asked;
    if is_wanted && !cx.heap.shutdown {
        cx.heap.user.is_asked = true;
        cx.heap.server.put(Bytes::from_static(b"snapshot"));
        cx.delay("still nothing", PATIENCE, ());
    }
}

fn answered(cx: &mut Client<'_>) {
    cx.heap.user.is_asked = false;
    cx.alarm_clear("still nothing");
    cx.delay("ask", cx.heap.user.every, ());
    cx.heap.user.draw();
}

fn connect_again(cx: &mut Client<'_>) {
    cx.alarm_clear("still nothing");
    if !cx.heap.user.is_over {
        cx.heap.user.draw();
        cx.delay(client::RECONNECT, TRY_AGAIN, ());
    }
}

fn meet(cx: &mut Client<'_>, input: TerminalInput) {
    let top = &mut cx.heap.user;
    let was_paused = top.view.is_paused;
    let rows = top.watched.as_ref().map_or(&[][..], |watched| &watched.rows);
    let wish = match input {
        TerminalInput::Key(key) => top.view.key(key, rows),
        TerminalInput::Paste(text) => {
            top.view.paste(&text);
            Wish::Nothing
        }
        _ => Wish::Nothing,
    };
    let was_stale = std::mem::replace(&mut top.is_stale, true);
    match wish {
        Wish::Quit => return quit(cx),
        Wish::Suspend => top.screen.iter().for_each(Curses::suspend_program),
        Wish::Redraw => top.screen.iter().for_each(Curses::refresh),
        Wish::Nothing => {}
    }
    if !was_stale {
        // Keys that come together are drawn once.
        cx.yield_event("draw", ());
    }
    if was_paused && !cx.heap.user.view.is_paused {
        ask(cx);
    }
}

fn quit(cx: &mut Client<'_>) {
    cx.heap.user.is_over = true;
    cx.heap.user.screen = None;
    cx.alarm_remove_all();
    cx.yield_event(client::CUT, ());
}

impl Top {
    fn draw(&mut self) {
        self.is_stale = false;
        let Some(screen) = &self.screen else { return };
        let scene = Scene {
            address: &self.address,
            message: self.problem.as_deref(),
            watched: self.watched.as_ref(),
            view: &mut self.view,
        };
        screen.draw(|frame| scene.draw(frame));
    }
}

/// So many seconds, as a person writes them.
struct Seconds(Duration);

impl std::str::FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = text.parse().ok().and_then(|it| Duration::try_from_secs_f64(it).ok());
        let valid = seconds.filter(|it| *it >= Duration::from_millis(10));
        valid.map(Self).ok_or_else(|| format!("{text:?} is no number of seconds from 0.01 on"))
    }
}
