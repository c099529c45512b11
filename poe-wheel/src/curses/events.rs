//! The events of a wheel, and what comes of a terminal.

use bytes::Bytes;
use ratatui::crossterm::event::{Event, KeyEvent, MouseEvent};

/// The events of a [`Curses`](super::Curses) wheel, for [`Curses::event`](super::Curses::event).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CursesEvent {
    /// Something was typed, clicked or pasted, or the size has changed (POE: `InputEvent`); carries
    /// [`Input<TerminalInput>`](crate::Input).
    Input,
    /// The terminal failed, or has gone; carries [`IoError`](crate::IoError).
    Error,
}

/// What came of a terminal, in the types of crossterm (POE: the keystroke of an `InputEvent`).
///
/// ```
/// use poe_wheel::TerminalInput;
/// use poe_wheel::ratatui::crossterm::event::{Event, KeyCode, KeyEvent};
///
/// let input = TerminalInput::Key(KeyEvent::from(KeyCode::Enter));
/// // Widgets that others wrote take crossterm's events.
/// assert_eq!(Event::try_from(input), Ok(Event::Key(KeyCode::Enter.into())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TerminalInput {
    /// A key. Control characters are keys with Control as in crossterm, but for Tab, Enter, Escape and Backspace.
    Key(KeyEvent),
    /// A button, the wheel or a motion of the mouse, with the place, from 0; if
    /// [asked for](super::CursesBuilder::mouse).
    Mouse(MouseEvent),
    /// What was pasted, with a line feed for each end of a line. What is longer than 64 KiB comes in several pieces.
    Paste(String),
    /// The terminal has another size, and shows nothing yet: draw.
    Resize {
        /// How wide it is.
        columns: u16,
        /// How high it is.
        rows: u16,
    },
    /// The terminal has got the focus; if [asked for](super::CursesBuilder::focus).
    FocusGained,
    /// The terminal has lost the focus.
    FocusLost,
    /// A sequence that is no input known here, or what is no UTF-8: the octets as they came.
    Unknown(Bytes),
}

/// Input that crossterm has no event for, [`TerminalInput::Unknown`], is handed back.
impl TryFrom<TerminalInput> for Event {
    type Error = TerminalInput;

    fn try_from(input: TerminalInput) -> Result<Self, TerminalInput> {
        Ok(match input {
            TerminalInput::Key(key) => Self::Key(key),
            TerminalInput::Mouse(mouse) => Self::Mouse(mouse),
            TerminalInput::Paste(text) => Self::Paste(text),
            TerminalInput::Resize { columns, rows } => Self::Resize(columns, rows),
            TerminalInput::FocusGained => Self::FocusGained,
            TerminalInput::FocusLost => Self::FocusLost,
            unknown @ TerminalInput::Unknown(_) => return Err(unknown),
        })
    }
}
