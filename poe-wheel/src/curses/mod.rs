//! A terminal's whole screen, its keys and its mouse.

mod builder;
mod canvas;
mod decode;
mod events;
mod handle;
mod modes;
mod screen;
mod taken;
mod wheel;

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use poe_kernel::{Name, SessionId};
use ratatui::Frame;
use ratatui::layout::Size;

pub use self::builder::CursesBuilder;
pub use self::events::{CursesEvent, TerminalInput};
use self::wheel::Wheel;
use crate::WheelId;

/// Has a terminal to itself: draws on its whole screen, and tells of each key, click, paste and change of size (POE:
/// `POE::Wheel::Curses`).
///
/// Frames are drawn with [ratatui](crate::ratatui), input comes in the types of crossterm. As soon as the wheel is there, the
/// terminal is in raw mode and shows a screen of the wheel's own: `^C` and `^Z` are keys like all others. All of that is put
/// back when the wheel is dropped, as it is when its session ends or a handler panics, and when the process exits, by
/// `std::process::exit` too. Nobody puts it back when the process aborts, or is ended by a signal: a program watches those that
/// it may be sent (`HUP`, `INT`, `QUIT`, `TERM`). What a program prints meanwhile, the message of a panic among it, is on the
/// wheel's screen and lost with it, unless its standard error goes to a file.
///
/// The wheel belongs to the session that was active when it was built, keeps it alive while it has the terminal, and ends when
/// it is dropped. There may be several wheels, for several terminals; one that another wheel has in raw mode is refused.
///
/// ```
/// use poe_session::prelude::*;
/// use poe_wheel::ratatui::crossterm::event::KeyCode;
/// use poe_wheel::ratatui::widgets::Paragraph;
/// use poe_wheel::{Curses, Input, TerminalInput};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (typed, mut keyboard) = std::io::pipe()?;
/// # std::io::Write::write_all(&mut keyboard, b"x+q")?;
/// # let (mut shown, screen) = std::io::pipe()?;
/// # let handles = std::cell::Cell::new(Some((typed, screen)));
/// struct Counter {
///     count: u32,
///     screen: Option<Curses>,
/// }
///
/// impl Counter {
///     fn draw(&self) {
///         let text = format!("{} (press + or q)", self.count);
///         let screen = self.screen.iter();
///         screen.for_each(|it| it.draw(|frame| frame.render_widget(Paragraph::new(text.as_str()), frame.area())));
///     }
/// }
///
/// let kernel = Kernel::new()?;
/// Session::build(Counter { count: 0, screen: None })
///     .on_start(move |cx| -> HandlerResult {
/// #       let (typed, screen) = handles.take().ok_or("started twice")?;
/// #       let build = || Curses::build_pair(typed, screen);
/// #       /*
///         let build = Curses::build;
/// #       */
///         cx.heap.screen = Some(build().input_event("input").spawn(cx.kernel)?);
///         cx.heap.draw();
///         Ok(cx.sig("WINCH", "resized")?)
///     })
///     .on("resized", |cx, _: Signal| cx.heap.screen.iter().for_each(Curses::refresh))
///     .on("input", |cx, input: Input<TerminalInput>| {
///         match input.record {
///             TerminalInput::Key(key) if key.code == KeyCode::Char('+') => cx.heap.count += 1,
///             TerminalInput::Key(key) if key.code == KeyCode::Char('q') => cx.heap.screen = None,
///             _ => {}
///         }
///         cx.heap.draw();
///     })
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # let mut all = String::new();
/// # std::io::Read::read_to_string(&mut shown, &mut all)?;
/// # assert!(all.contains("(press"));
/// # Ok(())
/// # }
/// ```
///
/// # Drawing
///
/// [`Self::draw`] has a frame drawn at once, and what is different from before is sent at the end of the turn. The wheel never
/// waits for its terminal: while that takes nothing, nothing is sent, and when it takes more again it gets the frame that was
/// drawn last. Those between are left out. Colours are left out when `NO_COLOR` is set, as crossterm has it. Only when the
/// terminal is given back is it waited for, for a fifth of a second at most.
///
/// Texts of others do no harm: of a letter with accents without end, the first 64 octets are sent, and where a cell has a control
/// character, which only [`Cell::set_symbol`](ratatui::buffer::Cell::set_symbol) lets in, a question mark is: nothing that is
/// drawn gives the terminal orders.
///
/// # Signals
///
/// A wheel catches no signals. A session that wants to know that the terminal has another size, or goes on after it was stopped
/// from outside, watches `WINCH` and `CONT` and has the wheel [refresh](Self::refresh). If the size is another one, input
/// comes that says so, and a frame has to be drawn.
#[must_use = "a wheel ends when it is dropped"]
pub struct Curses {
    wheel: Rc<Wheel>,
}

impl Curses {
    /// A wheel for standard input and output.
    pub fn build() -> CursesBuilder {
        Self::build_pair(io::stdin(), io::stdout())
    }

    /// A wheel for another terminal; or for a socket with a terminal at its other end, as of somebody who calls.
    pub fn build_pair(input: impl AsFd + 'static, output: impl AsFd + 'static) -> CursesBuilder {
        CursesBuilder::new(Rc::new(input), Rc::new(output))
    }

    /// The wheel's identity, which its events carry.
    #[must_use]
    pub fn id(&self) -> WheelId {
        self.wheel.id
    }

    /// The session that the wheel belongs to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.wheel.session
    }

    /// Sends one of the wheel's events under another name from now on.
    pub fn event(&self, event: CursesEvent, name: impl Into<Name>) {
        self.wheel.rename(event, Some(name.into()));
    }

    /// Sends one of the wheel's events no more.
    pub fn event_end(&self, event: CursesEvent) {
        self.wheel.rename(event, None);
    }

    /// Has a frame drawn, all of it, in the place of the last one.
    ///
    /// While the wheel is [suspended](Self::suspend) it is for later. Nothing is drawn, and the function not called, when the
    /// size is zero, when the terminal is gone, and within the function of another `draw`.
    pub fn draw(&self, render: impl FnOnce(&mut Frame<'_>)) {
        self.wheel.draw(render);
    }

    /// Columns and rows: those that the terminal says it has, no more than 1024 and 512; 80 and 24 if it has none.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let Size { width, height } = self.wheel.size();
        (width, height)
    }

    /// Says how many columns and rows there are, as the peer of a socket may tell. The terminal is not asked any more.
    pub fn set_size(&self, columns: u16, rows: u16) {
        self.wheel.set_size(Size::new(columns, rows));
    }

    /// Looks at the terminal's size and mode anew, and shows all of the last frame; for a handler of the signals `WINCH` and
    /// `CONT`, and for when something else has written to the terminal.
    pub fn refresh(&self) {
        self.wheel.refresh();
    }

    /// Gives the terminal back, as for another program to run on it, and reads nothing until [`Self::resume`].
    ///
    /// What had been typed and not told yet is told then. Meanwhile the wheel does not keep its session alive.
    pub fn suspend(&self) {
        self.wheel.suspend();
    }

    /// Takes the terminal again, and shows the last frame; or if the size is another one, has input that says so. That it fails
    /// is an error event.
    pub fn resume(&self) {
        self.wheel.resume();
    }

    /// Whether the terminal is given back.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.wheel.is_suspended()
    }

    /// Stops the program and what it runs with, as `^Z` does where the terminal interprets keys; the terminal is given back
    /// meanwhile. Returns when the program goes on.
    pub fn suspend_program(&self) {
        self.wheel.suspend_program();
    }
}

impl Drop for Curses {
    fn drop(&mut self) {
        self.wheel.end();
    }
}

impl fmt::Debug for Curses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.wheel, f)
    }
}
