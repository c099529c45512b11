//! What a terminal is to show, and what it shows: what has to be sent for the one to become the other.

use std::io;

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::{Buffer, Cell};
use ratatui::crossterm::cursor::{Hide, MoveTo, Show};
use ratatui::crossterm::queue;
use ratatui::crossterm::style::{Attribute, SetAttribute};
use ratatui::crossterm::terminal::{Clear, ClearType};
use ratatui::layout::{Position, Rect, Size};
use unicode_width::UnicodeWidthStr;

/// Of what is in one place no more is sent, in octets. A family of four with the colours of their skins takes 41.
const LONGEST_SYMBOL: usize = 64;

/// The last frame that was drawn, and the last that the terminal was sent. Frames between the two are never sent: a terminal
/// that is slow misses some, and no more than one waits for it.
#[derive(Debug)]
pub(super) struct Screen {
    wanted: Buffer,
    wanted_cursor: Option<Position>,
    /// None when nobody knows what the terminal shows.
    shown: Option<Buffer>,
    shown_cursor: Option<Position>,
    is_due: bool,
}

impl Screen {
    pub(super) fn new(size: Size) -> Self {
        Self {
            wanted: Buffer::empty(Rect::from((Position::ORIGIN, size))),
            wanted_cursor: None,
            shown: None,
            shown_cursor: None,
            is_due: true,
        }
    }

    pub(super) fn size(&self) -> Size {
        self.wanted.area.as_size()
    }

    /// The terminal shows something else by now; it is cleared before anything is shown.
    pub(super) fn forget(&mut self) {
        self.shown = None;
        self.is_due = true;
    }

    /// Takes a frame for what is to be shown, without the cursor. Not if it is of another size, which was that of the terminal
    /// when it was begun.
    pub(super) fn show(&mut self, cells: &Buffer) -> bool {
        let is_shown = cells.area == self.wanted.area;
        if is_shown {
            self.wanted.clone_from(cells);
            self.wanted.content.iter_mut().for_each(tame);
            self.is_due = true;
        }
        is_shown
    }

    pub(super) fn show_cursor(&mut self, cursor: Option<Position>) {
        self.wanted_cursor = cursor;
    }

    /// What has to be sent for the terminal to show the last frame.
    pub(super) fn update(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_due) {
            // A vector takes all that is written.
            let _ = self.send(out);
        }
    }

    fn send(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut shown = match self.shown.take() {
            Some(shown) => shown,
            None => {
                queue!(out, Hide, SetAttribute(Attribute::Reset), Clear(ClearType::All))?;
                self.shown_cursor = None;
                Buffer::empty(self.wanted.area)
            }
        };
        let changes = shown.diff(&self.wanted);
        if !changes.is_empty() {
            if self.shown_cursor.take().is_some() {
                queue!(out, Hide)?;
            }
            CrosstermBackend::new(&mut *out).draw(changes.into_iter())?;
            shown.clone_from(&self.wanted);
            cover(&mut shown);
        }
        self.shown = Some(shown);
        if self.shown_cursor != self.wanted_cursor {
            match self.wanted_cursor {
                Some(Position { x, y }) => queue!(out, MoveTo(x, y), Show)?,
                None => queue!(out, Hide)?,
            }
            self.shown_cursor = self.wanted_cursor;
        }
        Ok(())
    }
}

/// Has a place hold what a terminal can be sent, whatever text was put there.
fn tame(cell: &mut Cell) {
    let symbol = cell.symbol();
    if symbol.contains(char::is_control) {
        cell.set_symbol("?");
    } else if symbol.len() > LONGEST_SYMBOL {
        let cut = symbol[..symbol.floor_char_boundary(LONGEST_SYMBOL)].to_owned();
        cell.set_symbol(&cut);
    }
}

/// Has the places behind wide characters be what a terminal shows there: more of the character, in its style.
fn cover(shown: &mut Buffer) {
    let width = usize::from(shown.area.width.max(1));
    for row in shown.content.chunks_mut(width) {
        for at in 0..row.len() {
            let symbol = row[at].symbol();
            if symbol.is_ascii() {
                continue;
            }
            let end = row.len().min(at + symbol.width());
            let style = row[at].style();
            for covered in row.iter_mut().take(end).skip(at + 1) {
                covered.set_symbol(" ").set_style(style);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::style::{Color, Style};

    use super::*;

    fn seen(screen: &mut Screen, terminal: &mut vt100::Parser) -> String {
        let mut out = Vec::new();
        screen.update(&mut out);
        terminal.process(&out);
        terminal.screen().contents()
    }

    fn cells(lines: &[&str]) -> Buffer {
        let mut cells = Buffer::empty(Rect::new(0, 0, 8, 3));
        for (line, y) in lines.iter().zip(0..) {
            cells.set_stringn(0, y, line, 8, Style::default());
        }
        cells
    }

    #[test]
    fn what_has_changed_is_sent() {
        let mut screen = Screen::new(Size::new(8, 3));
        let mut terminal = vt100::Parser::new(3, 8, 0);
        terminal.process(b"something else");
        screen.show(&cells(&["one", "", "three"]));
        assert_eq!(seen(&mut screen, &mut terminal), "one\n\nthree");
        assert!(terminal.screen().hide_cursor());

        screen.show(&cells(&["one", "two", "three"]));
        screen.show_cursor(Some(Position::new(3, 1)));
        let mut out = Vec::new();
        screen.update(&mut out);
        assert!(!String::from_utf8_lossy(&out).contains("one"));
        terminal.process(&out);
        assert_eq!(terminal.screen().cursor_position(), (1, 3));
        assert!(!terminal.screen().hide_cursor());

        screen.show(&cells(&["one", "two", "three"]));
        screen.show_cursor(Some(Position::new(3, 1)));
        let mut out = Vec::new();
        screen.update(&mut out);
        assert!(out.is_empty(), "{}", out.escape_ascii());
    }

    #[test]
    fn a_terminal_of_which_nothing_is_known_gets_all() {
        let mut screen = Screen::new(Size::new(8, 3));
        let mut terminal = vt100::Parser::new(3, 8, 0);
        screen.show(&cells(&["one", "two"]));
        seen(&mut screen, &mut terminal);
        terminal.process(b"\x1B[2;2Hgarbage");
        screen.forget();
        assert_eq!(seen(&mut screen, &mut terminal), "one\ntwo");
    }

    #[test]
    fn a_frame_of_another_size_is_not_shown() {
        let mut screen = Screen::new(Size::new(2, 2));
        assert!(!screen.show(&cells(&["one"])));
        assert_eq!(screen.size(), Size::new(2, 2));
        let mut nothing = Screen::new(Size::ZERO);
        nothing.update(&mut Vec::new());
    }

    #[test]
    fn a_letter_with_accents_without_end_is_cut() {
        let accents = |count| format!("xe{}y", "\u{301}".repeat(count));
        let mut screen = Screen::new(Size::new(8, 3));
        screen.show(&cells(&[&accents(1_000_000)]));
        let mut out = Vec::new();
        screen.update(&mut out);
        let sent = String::from_utf8(out).unwrap();
        assert!(sent.contains(&accents(31)), "{}", sent.len());
        assert!(sent.len() < 200, "{}", sent.len());
        // Letters that some language has are whole.
        let family = "👨🏽\u{200D}👩🏽\u{200D}👧🏽\u{200D}👦🏽";
        screen.show(&cells(&[family]));
        let mut out = Vec::new();
        screen.update(&mut out);
        assert!(String::from_utf8(out).unwrap().contains(family));
    }

    #[test]
    fn what_is_drawn_gives_a_terminal_no_orders() {
        let mut screen = Screen::new(Size::new(8, 3));
        let mut terminal = vt100::Parser::new(3, 8, 0);
        let mut frame = cells(&["abcdef", "two"]);
        let orders = ["\x1B[2J", "\x1B]0;title\x07", "\u{9B}2J", "\r\n", "\x7F"];
        for (order, at) in orders.iter().zip(0..) {
            frame[(at, 0)].set_symbol(order);
        }
        screen.show(&frame);
        assert_eq!(seen(&mut screen, &mut terminal), format!("{}f\ntwo", "?".repeat(5)));
    }

    proptest! {
        #[test]
        fn frames_that_are_left_out_make_no_difference(
            frames in prop::collection::vec(
                (prop::collection::vec("[ab 漢é👍]{0,5}", 3), any::<bool>(), 0u8..3), 1..8),
        ) {
            let mut screen = Screen::new(Size::new(8, 3));
            let mut terminal = vt100::Parser::new(3, 8, 0);
            for (lines, is_sent, color) in &frames {
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                let mut frame = cells(&lines);
                let style = Style::default().bg(Color::Indexed(*color));
                frame.set_style(Rect::new(1, 0, 4, 2), style);
                screen.show(&frame);
                if *is_sent {
                    seen(&mut screen, &mut terminal);
                }
            }
            let (lines, _, color) = frames.last().unwrap();
            seen(&mut screen, &mut terminal);
            let rows: Vec<String> = terminal.screen().rows(0, 8).collect();
            for (line, row) in lines.iter().zip(rows) {
                let mut alone = cells(&[line]);
                alone.set_style(alone.area, Style::default());
                let mut fresh = vt100::Parser::new(3, 8, 0);
                let mut only = Screen::new(Size::new(8, 3));
                only.show(&alone);
                seen(&mut only, &mut fresh);
                let expected = fresh.screen().rows(0, 8).next().unwrap();
                prop_assert_eq!(row.trim_end(), expected.trim_end());
            }
            let first = terminal.screen().cell(0, 1).unwrap();
            prop_assert!(first.is_wide_continuation() || first.bgcolor() == vt100::Color::Idx(*color));
        }
    }
}
