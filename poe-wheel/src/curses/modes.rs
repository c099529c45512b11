//! What a terminal is told when its screen is taken, and when it is given back.

use std::io;

use ratatui::crossterm::cursor::{Hide, MoveTo, Show};
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture,
};
use ratatui::crossterm::queue;
use ratatui::crossterm::style::{Attribute, Print, SetAttribute};
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::Size;

/// What a wheel wants of its terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Modes {
    pub(super) alternate_screen: bool,
    pub(super) bracketed_paste: bool,
    pub(super) mouse: bool,
    pub(super) focus: bool,
}

impl Default for Modes {
    fn default() -> Self {
        Self { alternate_screen: true, bracketed_paste: true, mouse: false, focus: false }
    }
}

impl Modes {
    pub(super) fn enter(self, out: &mut Vec<u8>) {
        // A vector takes all that is written.
        let _ = self.send_enter(out);
    }

    pub(super) fn leave(self, size: Size, out: &mut Vec<u8>) {
        let _ = self.send_leave(size, out);
    }

    fn send_enter(self, out: &mut Vec<u8>) -> io::Result<()> {
        if self.alternate_screen {
            queue!(out, EnterAlternateScreen)?;
        }
        queue!(out, Hide)?;
        if self.bracketed_paste {
            queue!(out, EnableBracketedPaste)?;
        }
        if self.mouse {
            queue!(out, EnableMouseCapture)?;
        }
        if self.focus {
            queue!(out, EnableFocusChange)?;
        }
        Ok(())
    }

    fn send_leave(self, size: Size, out: &mut Vec<u8>) -> io::Result<()> {
        if self.focus {
            queue!(out, DisableFocusChange)?;
        }
        if self.mouse {
            queue!(out, DisableMouseCapture)?;
        }
        if self.bracketed_paste {
            queue!(out, DisableBracketedPaste)?;
        }
        queue!(out, SetAttribute(Attribute::Reset))?;
        if self.alternate_screen {
            queue!(out, LeaveAlternateScreen)?;
        } else {
            // What is printed next is below the last frame.
            queue!(out, MoveTo(0, size.height.saturating_sub(1)), Print("\r\n"))?;
        }
        queue!(out, Show)
    }
}
