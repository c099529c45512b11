//! What frames are drawn on, away from any terminal.

use std::convert::Infallible;
use std::fmt;

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Size};
use ratatui::{Frame, Terminal};

/// No terminal has more columns and rows than these: one that says so would only take the memory.
const MOST: Size = Size::new(1024, 512);

/// The size of a screen that is no larger than any terminal's.
pub(super) fn limited(size: Size) -> Size {
    Size::new(size.width.min(MOST.width), size.height.min(MOST.height))
}

/// Draws frames of one size.
pub(super) struct Canvas {
    terminal: Terminal<Nowhere>,
}

impl Canvas {
    pub(super) fn new(size: Size) -> Self {
        let nowhere = Nowhere { size, cursor: Position::ORIGIN, is_cursor_shown: false };
        let Ok(terminal) = Terminal::new(nowhere);
        Self { terminal }
    }

    pub(super) fn size(&self) -> Size {
        self.terminal.backend().size
    }

    /// Has a frame drawn, and hands its cells on; where the cursor is, if it is to be seen.
    pub(super) fn draw(
        &mut self,
        render: impl FnOnce(&mut Frame<'_>),
        take: impl FnOnce(&Buffer),
    ) -> Option<Position> {
        // A function that panicked may have left half a frame.
        self.terminal.current_buffer_mut().reset();
        let Ok(frame) = self.terminal.draw(render);
        take(frame.buffer);
        let Nowhere { cursor, is_cursor_shown, .. } = *self.terminal.backend();
        is_cursor_shown.then_some(cursor)
    }
}

impl fmt::Debug for Canvas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canvas").field("size", &self.size()).finish_non_exhaustive()
    }
}

/// A terminal for ratatui that keeps in mind where its cursor is, and nothing else. That of crossterm would ask the process's
/// own terminal for its size and its cursor.
#[derive(Clone, Copy, Debug)]
struct Nowhere {
    size: Size,
    cursor: Position,
    is_cursor_shown: bool,
}

impl Backend for Nowhere {
    type Error = Infallible;

    fn draw<'a, I>(&mut self, _: I) -> Result<(), Infallible>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        Ok(())
    }

    fn hide_cursor(&mut self) -> Result<(), Infallible> {
        self.is_cursor_shown = false;
        Ok(())
    }

    fn show_cursor(&mut self) -> Result<(), Infallible> {
        self.is_cursor_shown = true;
        Ok(())
    }

    fn get_cursor_position(&mut self) -> Result<Position, Infallible> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> Result<(), Infallible> {
        self.cursor = position.into();
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn clear_region(&mut self, _: ClearType) -> Result<(), Infallible> {
        Ok(())
    }

    fn size(&self) -> Result<Size, Infallible> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> Result<WindowSize, Infallible> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
