//! The prompt and the line on a terminal: what is to be sent so that it shows them.

use super::layout::{Layout, Picture, width};

/// How many columns and rows a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

/// What a terminal shows of a line.
#[derive(Debug, Default)]
pub(super) struct Screen {
    size: Size,
    prompt: String,
    layout: Layout,
    shown: Option<Picture>,
}

impl Screen {
    pub(super) fn resize(&mut self, size: Size) {
        self.size = Size { columns: size.columns.max(1), rows: size.rows.max(1) };
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Shows a prompt and a line, sending only what is different from before.
    pub(super) fn draw(&mut self, prompt: &str, line: &str, cursor: usize, out: &mut String) {
        if self.prompt != prompt {
            self.wipe(out);
            prompt.clone_into(&mut self.prompt);
        }
        let picture = self.layout.picture(prompt, line, cursor, self.size);
        let fresh = Picture { rows: vec![Vec::new()], row: 0, column: 0 };
        let mut old = self.shown.take().unwrap_or(fresh);
        for row in 0..picture.rows.len().max(old.rows.len()) {
            let nothing = Vec::new();
            let new_row = picture.rows.get(row).unwrap_or(&nothing);
            let old_row = old.rows.get(row).unwrap_or(&nothing);
            let same = new_row.iter().zip(old_row).take_while(|(new, old)| new == old).count();
            let is_there = row < old.rows.len();
            if is_there && same == new_row.len() && same == old_row.len() {
                continue;
            }
            let column = width(&new_row[..same]);
            step((&mut old.row, &mut old.column), (row, column), self.size.columns, out);
            old.column = column;
            for cell in &new_row[same..] {
                old.column += cell.width;
                match cell.unsure {
                    None => out.push_str(&cell.text),
                    // Whatever it takes, what follows is where it would be.
                    Some(_) if old.column < self.size.columns => {
                        out.push_str(&format!("\x1B[K{}\r\x1B[{}C\x1B[K", cell.text, old.column));
                    }
                    Some(_) => out.push_str(&format!("\x1B[K{}", cell.text)),
                }
            }
            if width(old_row) > old.column {
                out.push_str("\x1B[K");
            }
        }
        let place = (picture.row, picture.column);
        step((&mut old.row, &mut old.column), place, self.size.columns, out);
        self.shown = Some(picture);
    }

    /// Takes prompt and line away, so that something else can be shown where they were.
    pub(super) fn wipe(&mut self, out: &mut String) {
        if let Some(picture) = self.shown.take() {
            up(picture.row, out);
            out.push_str("\r\x1B[J");
        }
    }

    /// Leaves prompt and line where they are, and goes below them.
    pub(super) fn leave(&mut self, out: &mut String) {
        self.layout = Layout::default();
        if let Some(picture) = self.shown.take() {
            for _ in picture.row..picture.rows.len() {
                out.push_str("\r\n");
            }
        }
    }

    /// Nothing is known of what the terminal shows.
    pub(super) fn forget(&mut self) {
        self.shown = None;
    }

    pub(super) fn clear(&mut self, out: &mut String) {
        self.forget();
        out.push_str("\x1B[H\x1B[2J");
    }
}

/// Goes from a place that the picture has to another. Below the last row there is another one after a line feed only.
///
/// Behind the last column terminals are on it, or behind it: from there is no step back.
fn step(
    from: (&mut usize, &mut usize),
    (row, column): (usize, usize),
    columns: usize,
    out: &mut String,
) {
    if (*from.0, *from.1) == (row, column) {
        return;
    }
    up(from.0.saturating_sub(row), out);
    match (row - row.min(*from.0), from.1.abs_diff(column)) {
        (0, 1) if *from.1 > column && *from.1 < columns => out.push('\x08'),
        (downs, _) => {
            out.push('\r');
            (0..downs).for_each(|_| out.push('\n'));
            if column > 0 {
                out.push_str(&format!("\x1B[{column}C"));
            }
        }
    }
    (*from.0, *from.1) = (row, column);
}

fn up(rows: usize, out: &mut String) {
    if rows > 0 {
        out.push_str(&format!("\x1B[{rows}A"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Terminal {
        screen: Screen,
        emulator: vt100::Parser,
        sent: usize,
    }

    impl Terminal {
        fn new(columns: u16, rows: u16) -> Self {
            let mut screen = Screen::default();
            screen.resize(Size { columns: columns.into(), rows: rows.into() });
            Self { screen, emulator: vt100::Parser::new(rows, columns, 0), sent: 0 }
        }

        fn draw(&mut self, prompt: &str, line: &str, cursor: usize) {
            let mut out = String::new();
            self.screen.draw(prompt, line, cursor, &mut out);
            self.sent = out.len();
            self.emulator.process(out.as_bytes());
        }

        fn shows(&self) -> (String, (u16, u16)) {
            let screen = self.emulator.screen();
            let contents = screen.contents();
            let rows: Vec<_> = contents.lines().map(str::trim_end).collect();
            (rows.join("\n"), screen.cursor_position())
        }
    }

    #[test]
    fn lines_wrap_and_cursors_follow() {
        let mut terminal = Terminal::new(5, 4);
        terminal.draw("> ", "", 0);
        assert_eq!(terminal.shows(), (">".into(), (0, 2)));
        terminal.draw("> ", "abc", 3);
        assert_eq!(terminal.shows(), ("> abc".into(), (1, 0)));
        terminal.draw("> ", "abcdefgh", 8);
        assert_eq!(terminal.shows(), ("> abc\ndefgh".into(), (2, 0)));
        terminal.draw("> ", "abcdefgh", 2);
        assert_eq!(terminal.shows(), ("> abc\ndefgh".into(), (0, 4)));
        terminal.draw("> ", "ab", 2);
        assert_eq!(terminal.shows(), ("> ab".into(), (0, 4)));
    }

    #[test]
    fn wide_characters_are_not_cut_in_two() {
        let mut terminal = Terminal::new(5, 4);
        let line = "漢字漢";
        terminal.draw("> ", line, line.len());
        assert_eq!(terminal.shows(), ("> 漢\n字漢".into(), (1, 4)));
        terminal.draw("> ", line, 3);
        assert_eq!(terminal.shows(), ("> 漢\n字漢".into(), (1, 0)));
        terminal.draw("> ", "漢e\u{301}x", 4);
        assert_eq!(terminal.shows(), ("> 漢e\u{301}\nx".into(), (0, 4)), "within a character");
        terminal.draw("> ", "e\u{301}\tx", 0);
        assert_eq!(terminal.shows(), ("> e\u{301}^I\nx".into(), (0, 2)));
    }

    #[test]
    fn what_terminals_do_not_agree_about_leaves_what_follows_in_its_place() {
        // The emulator is one of those that show the parts side by side.
        let family = "👩\u{200D}👩\u{200D}👧";
        let mut terminal = Terminal::new(20, 4);
        let line = format!("{family}ab👍🏽");
        terminal.draw("> ", &line, line.len());
        assert_eq!(terminal.shows(), ("> 👩\u{200D}ab👍".into(), (0, 8)));
        terminal.draw("> ", &line, 0);
        assert_eq!(terminal.shows().1, (0, 2));
        let mut terminal = Terminal::new(7, 4);
        terminal.draw("> ", &format!("abc{family}"), 21);
        assert_eq!(terminal.shows(), ("> abc\n👩\u{200D}".into(), (1, 2)));
        let mut terminal = Terminal::new(3, 4);
        terminal.draw("", &format!("{family}a❤\u{FE0F}"), 25);
        assert_eq!(terminal.shows(), ("?a\n❤\u{FE0F}".into(), (1, 2)));
    }

    #[test]
    fn there_is_no_step_back_from_behind_the_last_column() {
        // A terminal that has filled its last column stands on it still, and would go back to the one before.
        let mut terminal = Terminal::new(5, 4);
        let mut out = String::new();
        terminal.screen.draw("> ", "ab", 1, &mut out);
        out.clear();
        terminal.screen.draw("> ", "axb", 2, &mut out);
        assert_eq!(out, "xb\r\x1B[4C");
    }

    #[test]
    fn one_column_is_enough() {
        let mut terminal = Terminal::new(1, 6);
        terminal.draw(">", "a漢b", 4);
        assert_eq!(terminal.shows(), (">\na\n?\nb".into(), (3, 0)));
        terminal.draw(">", "a漢b", 5);
        assert_eq!(terminal.shows().1, (4, 0));
        terminal.draw(">", "", 0);
        assert_eq!(terminal.shows(), (">".into(), (1, 0)));
    }

    #[test]
    fn tabs_in_prompts_are_blanks() {
        let mut terminal = Terminal::new(30, 4);
        terminal.draw("one\ntwo\tthree\t\x1B[1m\t> ", "", 0);
        assert_eq!(terminal.shows(), ("one\ntwo     three           >".into(), (1, 26)));
    }

    #[test]
    fn only_what_is_different_is_sent() {
        let mut terminal = Terminal::new(80, 24);
        let line = "x".repeat(70);
        terminal.draw("> ", &line, 70);
        terminal.draw("> ", &format!("{line}y"), 71);
        assert_eq!(terminal.sent, 1);
        terminal.draw("> ", &format!("{line}y"), 71);
        assert_eq!(terminal.sent, 0);
        terminal.draw("> ", &format!("{line}y"), 70);
        assert_eq!(terminal.sent, 1, "one step back");
    }

    #[test]
    fn colours_take_no_room() {
        let mut terminal = Terminal::new(10, 4);
        terminal.draw("\x1B[31mred\x1B[m \\[\x1B[1m\\]b\\[\x1B[m\\]> ", "ab", 1);
        assert_eq!(terminal.shows(), ("red b> ab".into(), (0, 8)));
        let cell = terminal.emulator.screen().cell(0, 7).unwrap();
        assert!(!cell.bold() && cell.fgcolor() == vt100::Color::Default);
        assert!(terminal.emulator.screen().cell(0, 4).unwrap().bold());
        terminal.draw("two\nrows> ", "", 0);
        assert_eq!(terminal.shows(), ("two\nrows>".into(), (1, 6)));
        // What `tput sgr0` says, and strings for the terminal.
        terminal.draw("\x1B[1ma\x1B(B\x1B[m\x1B]0;title\x07\x1BPq\x1B\\> ", "bc", 0);
        assert_eq!(terminal.shows(), ("a> bc".into(), (0, 3)));
    }

    #[test]
    fn of_a_line_too_long_for_the_terminal_the_part_around_the_cursor_is_shown() {
        let mut terminal = Terminal::new(4, 2);
        terminal.draw("", "aaaabbbbccccdddd", 13);
        assert_eq!(terminal.shows(), ("cccc\ndddd".into(), (1, 1)));
        terminal.draw("", "aaaabbbbccccdddd", 0);
        assert_eq!(terminal.shows(), ("aaaa\nbbbb".into(), (0, 0)));
        let mut out = String::new();
        terminal.screen.wipe(&mut out);
        terminal.emulator.process(out.as_bytes());
        assert_eq!(terminal.shows(), (String::new(), (0, 0)));
    }

    #[test]
    fn what_is_drawn_does_not_depend_on_what_was_there() {
        let lines =
            ["", "abc", "abd漢", "漢漢漢漢漢漢", "x漢漢漢漢漢y", "aaaaaaaaaaaaaaaaaaaaaaaa", "b"];
        for from in lines {
            for to in lines {
                for cursor in [0, to.len()] {
                    let mut fresh = Terminal::new(7, 6);
                    fresh.draw("$ ", to, cursor);
                    let mut changed = Terminal::new(7, 6);
                    changed.draw("$ ", from, from.len());
                    changed.draw("$ ", to, cursor);
                    assert_eq!(changed.shows(), fresh.shows(), "{from:?} to {to:?}");
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn a_screen_shows_its_last_line_whatever_was_there(
            lines in proptest::collection::vec(
                ("(a|漢|e\u{301}|\t|\u{200B}|👍🏽|❤\u{FE0F}| ){0,30}", 0..40_usize, "[$漢\t\n]{0,3}> "), 1..8
            ),
            columns in 2..9_u16,
            rows in 1..7_u16,
        ) {
            let mut changed = Terminal::new(columns, rows);
            for (line, cursor, prompt) in &lines {
                changed.draw(prompt, line, *cursor);
            }
            let (line, cursor, prompt) = lines.last().unwrap();
            let mut fresh = Terminal::new(columns, rows);
            fresh.draw(prompt, line, *cursor);
            // On a terminal that has scrolled, the picture is further down.
            let offset = changed.shows().1.0 - fresh.shows().1.0;
            let shown = "\n".repeat(offset.into()) + &fresh.shows().0;
            let (row, column) = fresh.shows().1;
            let seen = changed.shows();
            proptest::prop_assert_eq!(seen.0.trim_start_matches('\n'), shown.trim_start_matches('\n'));
            proptest::prop_assert_eq!(seen.1, (row + offset, column));
        }
    }
}
