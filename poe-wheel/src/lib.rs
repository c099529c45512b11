//! Wheels of POE: buffered input and output, sockets, files that grow, each one I/O mechanism done whole.
//!
//! A wheel watches handles for the session that is active when it is spawned, and sends that session events about what
//! they mean: a record has come, all output has gone, a client has connected. It lives where the session keeps it, in its
//! heap as a rule, and ends when it is dropped.
//!
//! - [`ReadWrite`] reads and writes records on a handle, with a [driver](poe_driver) for the octets and a
//!   [filter](poe_filter) for the records.
//! - [`SocketFactory`] listens for connections, connects, or makes datagram sockets: over IPv4, IPv6 and both, and in the
//!   UNIX domain.
//! - [`ListenAccept`] accepts connections on a socket that the program made itself.
//! - [`FollowTail`] reads records from the end of a file as it grows, and goes on when the file is rotated.
//! - [`ReadLine`] reads lines that a person types and edits at a terminal.
//! - `Curses` has the whole screen of a terminal to draw on, its keys and its mouse (feature `curses`).
//! - [`Udp`] sends and receives datagrams, with their addresses.
//! - [`pipe`] makes pipes, one way and both ways.
//! - [`Run`] runs a program, a shell command or code as a child, on pipes, sockets or a pseudo-terminal.
//!
//! Wheels talk to the kernel only, and so serve any kind of session.
//!
//! # Example
//!
//! A server that greets each client, and a client that hangs up once it is greeted:
//!
//! ```
//! use std::collections::HashMap;
//!
//! use poe_session::prelude::*;
//! use poe_wheel::prelude::*;
//!
//! #[derive(Default)]
//! struct Server {
//!     listener: Option<SocketFactory>,
//!     clients: HashMap<WheelId, ReadWrite>,
//! }
//!
//! #[derive(Default)]
//! struct Client {
//!     connector: Option<SocketFactory>,
//!     stream: Option<ReadWrite>,
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let kernel = Kernel::new()?;
//!     let listening = SocketFactory::build().bind_address("127.0.0.1").listen()?;
//!     let port = listening.local_address()?.port().unwrap_or_default();
//!     let listening = std::cell::Cell::new(Some(listening));
//!
//!     Session::build(Server::default())
//!         .on_start(move |cx| -> HandlerResult {
//!             let listening = listening.take().ok_or("started twice")?;
//!             cx.heap.listener = Some(listening.accept(cx.kernel, "connected", "failed")?);
//!             Ok(())
//!         })
//!         .on("connected", |cx, connection: Connection| -> HandlerResult {
//!             let client = ReadWrite::build(connection.socket)
//!                 .input_event("line")
//!                 .error_event("gone")
//!                 .spawn(cx.kernel)?;
//!             client.put(format!("hello, {}", connection.peer));
//!             cx.heap.clients.insert(client.id(), client);
//!             Ok(())
//!         })
//!         .on("line", |cx, input: Input| _ = cx.heap.clients[&input.wheel].put(input.record))
//!         .on("gone", |cx, error: IoError| {
//!             cx.heap.clients.remove(&error.wheel);
//!             // One client is enough for an example.
//!             cx.heap.listener = None;
//!         })
//!         .on("failed", |_, error: IoError| Err::<(), _>(error))
//!         .spawn(&kernel)?;
//!
//!     Session::build(Client::default())
//!         .on_start(move |cx| -> HandlerResult {
//!             let connector = SocketFactory::build()
//!                 .remote_address("localhost")
//!                 .remote_port(port)
//!                 .success_event("connected")
//!                 .failure_event("failed")
//!                 .spawn(cx.kernel)?;
//!             cx.heap.connector = Some(connector);
//!             Ok(())
//!         })
//!         .on("connected", |cx, connection: Connection| -> HandlerResult {
//!             let builder = ReadWrite::build(connection.socket).input_event("line");
//!             cx.heap.stream = Some(builder.spawn(cx.kernel)?);
//!             Ok(())
//!         })
//!         .on("line", |cx, input: Input| {
//!             assert!(input.record.starts_with(b"hello, 127.0.0.1:"));
//!             cx.heap.stream = None;
//!         })
//!         .on("failed", |_, error: IoError| Err::<(), _>(error))
//!         .spawn(&kernel)?;
//!
//!     kernel.run()?;
//!     Ok(())
//! }
//! ```
//!
//! # When events come
//!
//! - A wheel's events are delivered at once, from its watch, and not queued: a record is not stored between being read
//!   and being handled.
//! - They never come from within a method of the wheel. The heap is in use there, and the handler could not have it. What
//!   [`put`](ReadWrite::put), [`set_filter`](ReadWrite::set_filter) or [`flush`](ReadWrite::flush) give rise to comes at
//!   the end of the turn.
//! - None comes once the wheel is dropped, be it in the middle of many records that were read at once. What was put and
//!   not written by then is discarded: drop it when flushed, or after
//!   [`shutdown_output`](ReadWrite::shutdown_output) has been seen by the peer.
//! - An event's name may change at any time, and a wheel that is paused stays so.
//!
//! # Output
//!
//! Output is held back until the end of the turn, so that all that the handlers of a turn put goes out in one write. What
//! the handle does not take waits until it takes more; the write watch is paused until then, but keeps the session alive
//! for as long as there can be output.
//!
//! With water marks, [`put`](ReadWrite::put) tells whether the high one is reached, and each crossing is told by one event
//! at the end of the turn, before anything is written; then one event tells when the queue has sunk to the low mark. When
//! writing fails, output that waits is dropped, as is what is put from then on, and neither `Low` nor `Flushed` comes.
//!
//! Of datagrams, one may be lost and the next one not: a [`Datagram`](poe_driver::Datagram) driver, with a
//! [`Packet`](poe_filter::Packet) filter to keep them apart, goes on after an error that
//! [`is_recoverable`](IoError::is_recoverable).
//!
//! # Input
//!
//! One readiness gives one read, of up to 64 KiB, and up to 1024 records; what is left is handled in the next turn, after
//! others have had theirs. While records wait, nothing is read. A filter that is changed takes effect with the next
//! record, and gets all that was read behind the present one.
//!
//! # Filters and drivers that call their wheel
//!
//! A filter or a driver may call the wheel that is calling it. What it puts goes behind what is being put, and a filter that
//! it sets takes over with the next record, as soon as it has returned. Until then there seem to be no octets pending or
//! queued. [`with_filter`](ReadWrite::with_filter) is refused with [`WheelError::Busy`], and
//! [`linger`](ReadWrite::linger) ends the wheel as a drop does. A filter that panics ends the input.
//!
//! # Drivers with a protocol of their own
//!
//! A driver that encrypts may have to read before it can write. A wheel reads for it even where the session wants no input,
//! or has paused it; records that come by that are kept back. [`Flushed`](ReadWriteEvent::Flushed) is about the session's
//! output alone. At the end the driver says goodbye: at [`shutdown_output`](ReadWrite::shutdown_output) before the output is
//! shut down, and when a wheel is dropped that has nothing queued. [`set_driver`](ReadWrite::set_driver) has a connection
//! change over to encryption, and [`with_driver`](ReadWrite::with_driver) asks the driver about it.
//!
//! # Connections
//!
//! A wheel that listens accepts up to 64 clients for one readiness. When it cannot, as for want of descriptors, it says so
//! once, lets clients wait, and tries again every tenth of a second.
//!
//! Failing to listen is an error of `spawn`, as the program is about to begin; failing to connect is always an event, be it
//! only that a name cannot be resolved, so that it is met in one place.
//!
//! A name to connect to, to come from, to listen at or to bind to is looked up by a thread of the kernel's pool for
//! [blocking](poe_kernel::Kernel::blocking) work. A wheel that listens at a name tells where that led, or that it failed, by an
//! [event](SocketFactoryBuilder::listening_event); addresses, paths and `localhost` are known when `spawn` returns.
//!
//! # Files
//!
//! What has been written to a file before it was moved away is read before what is in its successor; [`FollowTail`] says what is
//! sure, and what is lost with certainty. A failure, as to open a file, is told once for as long as it lasts, and what failed is
//! tried again at each poll: [`IoError::is_recoverable`].
//!
//! # Children
//!
//! Nothing here installs a signal handler. Children are waited for by the kernel, each by itself and no others; what a program
//! learns of a child's end, and in which order, is told at [`Run`].
//!
//! # Differences from POE
//!
//! - Dropping or pausing a wheel keeps back the records that have been read already. POE delivers them.
//! - A wheel may be replaced by another one over the same handle by assignment. In POE the old one, destroyed last, ends
//!   the new one's watches.
//! - Wheels may be kept by any session, and go on serving the one they began in. In POE that misbehaves.
//! - A record that the input ends within may be had, with [`partial_event`](ReadWriteBuilder::partial_event), and is
//!   counted in [`IoCause::Eof`]. POE drops it silently.
//! - Errors of filters are events, with the operation `"filter"`. In POE they are exceptions.
//! - The high mark is told when `put` reaches it; in POE only when a write happens to find more queued. The low mark is
//!   always told after it; in POE not if something was put in between. The low mark must be below the high one, which POE
//!   does not check.
//! - [`shutdown_output`](ReadWrite::shutdown_output) waits for output that is queued, and closes a pipe. POE loses it, and
//!   leaves a pipe open until the wheel goes.
//! - After a failed write output is dropped. POE queues it for ever.
//! - A driver can be replaced while a wheel goes on. In POE a socket gets another wheel, and what had been read is lost.
//! - Changing an event's name does not resume a wheel that is paused.
//! - Pending input moves to a new filter, and is in one of them only. POE copies it.
//! - There is no `AutoFlush`; [`flush`](ReadWrite::flush) writes at once, and tells later.
//! - A wheel that listens accepts until no client waits. POE accepts one a turn, and spins when it is out of descriptors.
//! - A client that has gone before it was accepted is no error.
//! - The path of a UNIX socket is taken over if nobody listens there any more, and removed at the end. POE does neither.
//! - Looking a name up holds nobody up, and it may be one of IPv6. All addresses of a host are tried, as RFC 8305 has it, and
//!   [`connect_timeout`](SocketFactoryBuilder::connect_timeout) limits how long. POE waits for the name, and tries one
//!   address.
//! - A wheel that has connected keeps no share of the socket. POE's keeps it open until the wheel goes.
//! - Addresses and ports come as an [`Address`], for IPv6 too, instead of packed.
//! - A pipe of a kind that is asked for is of that kind, or an error. POE makes one of another kind, and forgets for good the
//!   kind that has failed. Pipes do not block, and no other program inherits them.
//! - [`FollowTail`] knows a file that was truncated by what it holds. POE does by its size, and so goes on in the middle of one that
//!   was written anew to the same length or more.
//! - It does not take a link more or less to a file for another file. POE reads all of it again.
//! - What a file ended within is not joined with the beginning of the next one. It may be had with
//!   [`partial_event`](FollowTailBuilder::partial_event), and is told as [`IoCause::Unfinished`] otherwise.
//! - A file that was moved away is read to its end, and for three polls more. POE loses what is written to it after it last saw
//!   its end. The reset event comes when the new file holds something, or the old one is closed.
//! - After a failure to read or to look up a file it is tried again. POE stops for good. A file that cannot be opened is an error,
//!   which POE takes for one that is not there.
//! - `Seek` and `SeekBack` hold for a file that comes late, too, and can be made to begin with
//!   [whole records](FollowTailBuilder::whole_records).
//! - [`FollowTail::tell`] says how far records were delivered, POE's how far was read; without a file it is `None`, and POE
//!   dies. The place of a handle that is followed does not move.
//! - A [`driver`](FollowTailBuilder::driver) reads what is no plain file. POE's reads files too, and gets a block of them each time,
//!   as here a turn gets up to 1024 records.
//! - The end of a pipe that is followed by its handle is an error event, as that of a socket is. POE sends an idle event.
//! - `event` without an input event stops reading. POE refuses that.
//! - That a child cannot be had, as there is no such program, is an error of [`spawn`](RunBuilder::spawn), which says why. In
//!   POE the child complains on its standard error and ends with the error's number, a user that it may not become is ignored,
//!   and where there are no more processes it is the parent that ends.
//! - A child's end is an event of its wheel, and nobody has to ask the kernel. The close event comes for a child without outputs,
//!   too. In POE it does not.
//! - A stream that ends on a pseudo-terminal ends there as elsewhere, instead of failing with `EIO`.
//! - [`shutdown_stdin`](Run::shutdown_stdin) waits for output that is queued, which POE loses; what is put afterwards is dropped,
//!   instead of being fatal.
//! - A filter that is set for a child's output is used. In POE the old one goes on.
//! - An event of a stream that a child was started without is refused, instead of never coming.
//! - Each of [`Conduit`] is what it says. POE takes pipes for `socketpair` and `inet`.
//! - A shell command's arguments are its `$1` and so on. POE puts them into the command, without quotes; and passes a program of
//!   one word without arguments by the shell if there is something in it that looks so.
//! - A child that runs as another user has that user's group, and none of its parent's supplementary ones. In POE it keeps both.
//! - A FIFO that a child is redirected to or from has to be open at its other end: see [`Redirect`]. POE's kernel waits for that.
//! - Code runs in a thread where a copy of the process would not be sound: see [`CodeIn`]. POE forks.
//! - A file without a `#!` that is no program is an error. POE has the shell read it.
//! - A child has none of the descriptors of its parent's wheels, and no signal of the parent's is blocked or ignored in it but
//!   those that the parent ignores itself.
//! - [`kill_group`](Run::kill_group), [`terminate`](Run::terminate), [`set_winsize`](Run::set_winsize) and much of
//!   [`RunBuilder`] have no like in POE.
//! - [`kill`](Run::kill) takes the names and numbers of signals, but no real-time signal. POE's takes these too.
//! - [`Udp`] has no filter: an event holds a datagram as it came. `POE::Wheel::UDP` takes one.
//! - [`ReadLine`] restores the terminal after every line, however it ended, and when it goes; POE leaves it raw after an exception. There
//!   may be several of them.
//! - Lines are UTF-8, with wide and composed characters, and wrap. Control characters are shown as `^X`. A lone Escape is known after
//!   [a time](ReadLineBuilder::escape_time), a paste is no command, and arrows work in both of their encodings.
//! - `undo`, numeric arguments, `character-search`, `vi-complete`, `vi-fetch-history` and the direction of `vi-char-search` work.
//!   Incremental search looks for text, not for a regular expression. `suspend` is there, at `^Z`.
//! - A search that is given up leaves the line as it was; in POE `^G` gives up the line. `end-of-history` goes back to the line that was
//!   being typed, POE's to the last one of the history.
//! - Kills one after another are one, words are letters and digits for `transpose-words` too, and `transpose-chars` goes on, as in GNU
//!   readline. Keys typed behind one that ends a line are for the next.
//! - The arguments of `yank` and `unix-word-rubout` repeat them. Those of `transpose-chars`, `transpose-words`,
//!   `kill-line` and `vi-redo` mean what they do in GNU readline.
//! - The terminal stays raw after an abort, and after a fatal signal that no session watches.
//! - The events of [`ReadLine`] are delivered at once. POE yields them.
//! - [`history_truncate_file`](ReadLine::history_truncate_file) leaves the history in memory alone, and files have no default name.
//! - Input that is no terminal is read line by line. POE dies.
//! - `Curses` is drawn on in frames, by ratatui. POE has the C library and its process-wide screen, and so one wheel.
//! - It gives the terminal back when it is suspended, too, and tells of its end, of which POE knows nothing.
//! - Keys are typed, and come with mouse, pastes and sizes. POE hands on what `getch` returns. No input event is needed to draw.
//! - A mistake in parameters is an error of `spawn` or does not compile; POE warns of some, ignores some, and dies of others.
//!
//! Case by case:
//!
//! - Difference: WRN-15 (a program that is not there is an error of `spawn`, and so no child is told of at all)
//! - Difference: WAC-11 (a port in use is an error of `spawn`, and no failure event)
//! - Difference: WRW-07 (that `put` alone reaches the high mark is told by an event, too)
//! - Difference: KRB-42 (ids of wheels are counted in 64 bits, which do not come around, and none is given twice)

#![doc(test(attr(deny(warnings))))]

#[cfg(feature = "curses")]
mod curses;
#[cfg(test)]
#[path = "../tests/common/descriptors.rs"]
#[allow(unreachable_pub, reason = "programs of tests have it too")]
mod descriptors;
mod error;
mod follow_tail;
mod input;
mod listen_accept;
mod listener;
pub mod pipe;
mod read_line;
mod read_write;
mod run;
mod socket;
mod socket_factory;
pub mod udp;
mod unix_path;
mod unset;
mod wheel_id;

#[cfg(feature = "curses")]
pub use curses::{Curses, CursesBuilder, CursesEvent, TerminalInput};
pub use error::{IoCause, IoError, WheelError};
pub use follow_tail::{FollowTail, FollowTailBuilder, FollowTailEvent, Position};
pub use input::Input;
pub use listen_accept::{ListenAccept, ListenAcceptBuilder};
pub use listener::Listening;
/// The crate that [`Curses`] draws with, and [crossterm](ratatui::crossterm) in it.
#[cfg(feature = "curses")]
pub use ratatui;
pub use read_line::{
    BindError, Completion, EditedLine, Exception, HistoryError, Key, KeyCode, PutMode, ReadLine,
    ReadLineBuilder, ReadLineEvent,
};
pub use read_write::{Lingering, ReadWrite, ReadWriteBuilder, ReadWriteEvent};
pub use run::{
    Account, CodeIn, CodeIo, Conduit, IntoExitCode, KillError, Redirect, Run, RunBuilder, RunEvent,
    RunExit, RunStream, Winsize,
};
pub use socket::{Address, Connection, Socket};
pub use socket_factory::{
    Domain, ListeningSocket, Port, SocketFactory, SocketFactoryBuilder, SocketType,
};
pub use udp::{Udp, UdpEvent};
pub use wheel_id::WheelId;

/// What a program of wheels uses.
pub mod prelude {
    pub use crate::{
        Address, CodeIn, CodeIo, Completion, Conduit, Connection, Domain, EditedLine, Exception,
        FollowTail, FollowTailEvent, Input, IoCause, IoError, ListenAccept, Listening,
        ListeningSocket, Position, PutMode, ReadLine, ReadLineEvent, ReadWrite, ReadWriteEvent,
        Redirect, Run, RunEvent, RunExit, Socket, SocketFactory, SocketType, Udp, UdpEvent,
        WheelError, WheelId, Winsize, pipe, udp,
    };
    #[cfg(feature = "curses")]
    pub use crate::{Curses, CursesEvent, TerminalInput};
}
