//! Lines that a person types at a terminal.

mod builder;
pub(crate) mod decode;
mod edited;
mod editor;
mod events;
mod function;
mod history;
mod inputrc;
mod key;
mod keymap;
mod kill_ring;
mod layout;
pub(crate) mod output;
mod plain;
mod raw_terminals;
mod screen;
mod sequence;
mod settings;
mod stroke;
mod sys;
pub(crate) mod terminal;
mod text;
mod wheel;

use std::fmt;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;

use poe_kernel::{Name, SessionId};
use thiserror::Error;

pub use self::builder::ReadLineBuilder;
pub use self::edited::EditedLine;
pub use self::editor::{Completion, Exception};
pub use self::events::{PutMode, ReadLineEvent};
use self::function::Function;
pub use self::history::HistoryError;
use self::inputrc::InitFile;
pub use self::key::{Key, KeyCode};
use self::keymap::{Binding, MapName};
use self::wheel::Wheel;
use crate::WheelId;

/// Reads lines that a person types and edits at a terminal (POE: `POE::Wheel::ReadLine`).
///
/// [`Self::get`] asks for one line. It is edited with the keys of emacs or vi, as in other programs that read lines; the
/// functions have the names that POE and GNU readline have for them, and keys are bound to them by `~/.inputrc`, by
/// [`Self::bind_key`], or as they are. Then the input event comes, with the line or an [`Exception`], and nothing is read
/// until the next `get`. Meanwhile the program goes on: what it [puts](Self::put) is shown above the line.
///
/// While a line is typed the terminal is in raw mode. Its mode is restored as soon as the line is done, when the wheel is
/// dropped, as it is when its session ends or a handler panics, and when the process exits, by `std::process::exit` too. Nobody
/// restores it when the process aborts, or is ended by a signal: a program watches those that it may be sent (`HUP`, `INT`,
/// `QUIT`, `TERM`). `suspend`, which is `^Z`, restores the mode, stops the program, and goes on with the line when the program
/// goes on.
///
/// When the input is no terminal, its lines come as they are, without prompts, and at its end [`Exception::Eot`]. When only
/// the output is none, or `TERM` is `dumb`, the terminal itself edits the line. Octets that are no UTF-8 become U+FFFD.
///
/// No line is longer than 256 KiB: at a terminal the bell says so, elsewhere what follows is another line. A paste may have line
/// ends in it, and the line then does.
///
/// The wheel belongs to the session that was active when it was built, keeps it alive while a line is asked for, and ends when
/// it is dropped; what was put and not shown yet is shown then. There may be several wheels, for several terminals.
///
/// ```
/// use poe_session::prelude::*;
/// use poe_wheel::{Exception, Input, ReadLine};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (typed, mut keyboard) = std::io::pipe()?;
/// # std::io::Write::write_all(&mut keyboard, b"hello\n")?;
/// # drop(keyboard);
/// let kernel = Kernel::new()?;
/// # let input = std::cell::Cell::new(Some(typed));
/// Session::build(None::<ReadLine>)
///     .on_start(move |cx| -> HandlerResult {
/// #       let typed = input.take().ok_or("started twice")?;
/// #       let build = || ReadLine::build_pair(typed, std::io::stderr());
/// #       /*
///         let build = ReadLine::build;
/// #       */
///         let console = build().input_event("typed").spawn(cx.kernel)?;
///         console.get("name? ");
///         *cx.heap = Some(console);
///         Ok(())
///     })
///     .on("typed", |cx, typed: Input<Result<String, Exception>>| match typed.record {
///         Ok(name) => {
///             assert_eq!(name, "hello");
///             if let Some(console) = &*cx.heap {
///                 console.add_history(name);
///                 console.get_again();
///             }
///         }
///         Err(Exception::Eot | Exception::Interrupt) => *cx.heap = None,
///         Err(_) => cx.heap.iter().for_each(ReadLine::get_again),
///     })
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
///
/// # Signals
///
/// A wheel catches no signals. A session that wants the line to be drawn anew when the terminal's size changes, or the program
/// goes on after it was stopped from outside, watches `WINCH` and `CONT` and has the wheel [refresh](Self::refresh):
/// `cx.sig("WINCH", "resized")`.
#[must_use = "a wheel ends when it is dropped"]
pub struct ReadLine {
    wheel: Rc<Wheel>,
}

/// What keys cannot be bound to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BindError {
    /// The keys are not written as in an init file.
    #[error("{0:?} is no sequence of keys; write it as \"\\C-x\\e[A\" in quotes, or as C-x")]
    Keys(String),
    /// There is no such function.
    #[error("no function is called {0:?}; add_defun adds one")]
    Function(String),
    /// There is no such key map.
    #[error(
        "no key map is called {0:?}; there are emacs, vi-insert, vi-command, isearch and others"
    )]
    Map(String),
}

impl ReadLine {
    /// A wheel for standard input and output.
    pub fn build() -> ReadLineBuilder {
        Self::build_pair(io::stdin(), io::stdout())
    }

    /// A wheel for another terminal, or for input and output that are none.
    pub fn build_pair(input: impl AsFd + 'static, output: impl AsFd + 'static) -> ReadLineBuilder {
        ReadLineBuilder::new(Rc::new(input), Rc::new(output))
    }

    /// The wheel's identity, which its events carry (POE: `ID`).
    #[must_use]
    pub fn id(&self) -> WheelId {
        self.wheel.id
    }

    /// The session that the wheel belongs to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.wheel.session
    }

    /// Sends one of the wheel's events under another name from now on (POE: `event`).
    pub fn event(&self, event: ReadLineEvent, name: impl Into<Name>) {
        self.wheel.rename(event, Some(name.into()));
    }

    /// Sends one of the wheel's events no more (POE: `event` with an undefined name).
    pub fn event_end(&self, event: ReadLineEvent) {
        self.wheel.rename(event, None);
    }

    /// Asks for a line (POE: `get`). If one is being typed already, only its prompt changes.
    ///
    /// Escape sequences in the prompt, and what is between `\[` and `\]`, take no room.
    pub fn get(&self, prompt: &str) {
        self.wheel.get(Some(prompt));
    }

    /// Asks for a line with the prompt of the last one, `> ` at first (POE: `get` without a prompt).
    pub fn get_again(&self) {
        self.wheel.get(None);
    }

    /// Whether a line is asked for, and not done yet.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.wheel.is_reading()
    }

    /// Shows a line above the one that is typed, as soon as the [`PutMode`] lets it (POE: `put`). What is in it goes to the
    /// terminal as it is: escape sequences of somebody else are the program's to take out.
    pub fn put(&self, line: impl AsRef<str>) {
        self.wheel.put(line.as_ref());
    }

    /// How many octets of what was put are not shown yet, because the terminal takes them slowly, or the [`PutMode`] holds them
    /// back. A program that puts much stops above some number, until the flushed event comes.
    #[must_use]
    pub fn get_driver_out_octets(&self) -> usize {
        self.wheel.octets()
    }

    /// Changes when lines are shown (POE: `PutMode`); for those that wait, with the next one.
    pub fn set_put_mode(&self, mode: PutMode) {
        self.wheel.put_mode.set(mode);
    }

    /// Clears the terminal (POE: `clear`).
    pub fn clear(&self) {
        self.wheel.clear();
    }

    /// Looks at the terminal's size and mode anew, and draws the line; for a handler of the signals `WINCH` and `CONT`.
    pub fn refresh(&self) {
        self.wheel.refresh();
    }

    /// Columns and rows of the terminal, 80 and 24 if it has none (POE: `terminal_size`).
    #[must_use]
    pub fn terminal_size(&self) -> (usize, usize) {
        self.wheel.size()
    }

    /// What is being typed, and where the cursor is in it, in octets.
    #[must_use]
    pub fn line(&self) -> (String, usize) {
        let editor = self.wheel.editor.borrow();
        (editor.text().to_owned(), editor.cursor())
    }

    /// Adds a line to the history (POE: `add_history`). A line that is accepted is not added by itself.
    pub fn add_history(&self, line: impl Into<String>) {
        let line = line.into();
        self.wheel.editor.borrow_mut().history.add([line]);
    }

    /// The lines of the history, the oldest first (POE: `get_history`).
    #[must_use]
    pub fn get_history(&self) -> Vec<String> {
        self.wheel.editor.borrow().history.lines().to_vec()
    }

    /// Adds lines of a file to the history, all or those of these numbers, from 0 (POE: `read_history`); how many it were.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] when the file cannot be read.
    pub fn read_history(
        &self,
        path: impl AsRef<Path>,
        lines: impl RangeBounds<usize>,
    ) -> Result<usize, HistoryError> {
        let from = match lines.start_bound() {
            Bound::Included(&from) => from,
            Bound::Excluded(&from) => from.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match lines.end_bound() {
            Bound::Included(&to) => to.saturating_add(1),
            Bound::Excluded(&to) => to,
            Bound::Unbounded => usize::MAX,
        };
        self.wheel.editor.borrow_mut().history.read(path.as_ref(), from, to)
    }

    /// Writes the history to a file, a line each, in the place of what is there (POE: `write_history`). Nobody else may read
    /// it. The old file stays until the new one is on the disk; of several writers, the last one's stays. What has line ends in
    /// it will be read as several lines.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] when the file cannot be written.
    pub fn write_history(&self, path: impl AsRef<Path>) -> Result<(), HistoryError> {
        self.wheel.editor.borrow().history.write(path.as_ref())
    }

    /// Keeps the last lines of a file only (POE: `history_truncate_file`).
    ///
    /// # Errors
    ///
    /// [`HistoryError`] when the file cannot be read or written.
    pub fn history_truncate_file(
        &self,
        path: impl AsRef<Path>,
        lines: usize,
    ) -> Result<(), HistoryError> {
        history::truncate(path.as_ref(), lines)
    }

    /// A variable of the editor, empty if there is none (POE: `option`).
    #[must_use]
    pub fn option(&self, name: &str) -> String {
        self.wheel.editor.borrow().settings.get(name).to_owned()
    }

    /// Sets a variable, as `set` in an init file does (POE: `attribs`).
    ///
    /// `bell-style` is `audible`, `visible` or `none`; `editing-mode`, `emacs` or `vi`; `isearch-terminators` and
    /// `comment-begin` are as in GNU readline; `print-completions-horizontally` and `show-all-if-ambiguous` are `on` or `off`;
    /// `keymap` is the one that [`Self::bind_key`] is about.
    pub fn set_option(&self, name: &str, value: &str) {
        self.wheel.editor.borrow_mut().set(name, value);
    }

    /// Binds keys, written as in an init file, to a function, in the key map that is named by the option `keymap` (POE:
    /// `bind_key`).
    ///
    /// # Errors
    ///
    /// [`BindError`] when keys or function are not known.
    pub fn bind_key(&self, keys: &str, function: &str) -> Result<(), BindError> {
        let map = self.wheel.editor.borrow().bound_map();
        self.bind(map, keys, function)
    }

    /// Binds keys to a function in a key map: `emacs`, `vi-insert`, `vi-command`, `isearch`, `vi-search` or
    /// `vi-specification` (POE: `bind_key`).
    ///
    /// # Errors
    ///
    /// [`BindError`] when keys, function or key map are not known.
    pub fn bind_key_in(&self, map: &str, keys: &str, function: &str) -> Result<(), BindError> {
        let known = MapName::named(map).ok_or_else(|| BindError::Map(map.to_owned()))?;
        self.bind(known, keys, function)
    }

    fn bind(&self, map: MapName, keys: &str, function: &str) -> Result<(), BindError> {
        let sequence = key::sequence(keys).ok_or_else(|| BindError::Keys(keys.to_owned()))?;
        let name = function.to_ascii_lowercase();
        let binding = match Function::named(&name) {
            Some(known) => Binding::Function(known),
            None if self.wheel.functions.borrow().contains_key(&name) => {
                Binding::Added(name.into())
            }
            None => return Err(BindError::Function(function.to_owned())),
        };
        self.wheel.editor.borrow_mut().maps.bind(map, sequence, binding);
        Ok(())
    }

    /// Adds a function that keys can be bound to (POE: `add_defun`); case does not matter in its name. One that the init file names has to be there when that is
    /// read: [`ReadLineBuilder::add_defun`].
    pub fn add_defun(&self, name: impl Into<String>, function: impl Fn(&mut EditedLine) + 'static) {
        let name = name.into().to_ascii_lowercase();
        let before = self.wheel.functions.borrow_mut().insert(name, Rc::new(function));
        drop(before);
    }

    /// Completes words with another function (POE: the attribute `completion_function`).
    pub fn set_completion(&self, complete: impl Fn(&Completion) -> Vec<String> + 'static) {
        let before = self.wheel.completer.replace(Some(Rc::new(complete)));
        drop(before);
    }

    /// Goes over to another key map for the line that is typed (POE: `rl_set_keymap`).
    ///
    /// # Errors
    ///
    /// [`BindError::Map`] when there is none of that name.
    pub fn set_keymap(&self, map: &str) -> Result<(), BindError> {
        let known = MapName::named(map).ok_or_else(|| BindError::Map(map.to_owned()))?;
        self.wheel.editor.borrow_mut().use_map(known);
        Ok(())
    }

    /// Binds all keys as at first, and reads an init file, the usual one if none is named (POE: `rl_re_read_init_file`).
    pub fn read_init_file(&self, path: Option<&Path>) {
        let named = path.map(|path| InitFile::Named(path.to_owned()));
        self.wheel.reread_init_file(named.unwrap_or_default());
    }
}

impl Drop for ReadLine {
    fn drop(&mut self) {
        self.wheel.end();
    }
}

impl fmt::Debug for ReadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.wheel, f)
    }
}
