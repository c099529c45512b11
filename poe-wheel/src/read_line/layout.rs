//! A prompt and a line on rows. Where rows begin is remembered: what has not changed is not laid out again, nor what is not shown.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::screen::Size;

/// Where the next word goes after a tab in a prompt.
const TAB: usize = 8;

/// What one place shows, with what has no width before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) width: usize,
    /// The width if terminals do not agree about it: those that show the parts of an emoji side by side need so much room.
    pub(super) unsure: Option<usize>,
}

impl Cell {
    fn new(text: impl Into<String>, width: usize) -> Self {
        Self { text: text.into(), width, unsure: None }
    }

    /// What there is no room for anywhere is shown as something else.
    fn fit(&mut self, columns: usize) {
        if self.room() > columns {
            *self = Self::new("?", 1);
        }
    }

    fn is_line_end(&self) -> bool {
        self.text == "\n"
    }

    fn room(&self) -> usize {
        self.width.max(self.unsure.unwrap_or(0))
    }
}

/// The rows of a prompt and a line that a terminal has room for, and where in them the cursor is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) row: usize,
    pub(super) column: usize,
}

/// What was laid out last, for the next time.
#[derive(Debug, Default)]
pub(super) struct Layout {
    columns: usize,
    prompt: String,
    prompt_cells: Vec<Cell>,
    line: String,
    /// The first is where the line begins; the others are one for each row, as far as it was laid out.
    marks: Vec<Mark>,
    /// How many characters were laid out.
    #[cfg(test)]
    laid: usize,
}

/// A character of the line, and the place that the one before it ends at.
#[derive(Clone, Copy, Debug)]
struct Mark {
    octets: usize,
    pen: Pen,
}

/// Where the next cell goes, if there is room for it.
#[derive(Clone, Copy, Debug, Default)]
struct Pen {
    row: usize,
    column: usize,
}

impl Layout {
    /// Lays a prompt and a line out: the rows around the cursor, when a terminal has fewer than there are.
    pub(super) fn picture(
        &mut self,
        prompt: &str,
        line: &str,
        cursor: usize,
        size: Size,
    ) -> Picture {
        self.look_at(prompt, line, size.columns);
        let Pen { row, column } = self.place(cursor);
        let first = (row + 1).saturating_sub(size.rows);
        let mut rows = self.rows(first, first + size.rows);
        rows.resize(rows.len().max(row - first + 1), Vec::new());
        Picture { rows, row: row - first, column }
    }

    /// Forgets what is not so any more.
    fn look_at(&mut self, prompt: &str, line: &str, columns: usize) {
        if self.marks.is_empty() || self.prompt != prompt || self.columns != columns {
            self.columns = columns;
            prompt.clone_into(&mut self.prompt);
            self.prompt_cells = prompt_cells(prompt);
            let mut pen = Pen::default();
            for cell in &mut self.prompt_cells {
                cell.fit(columns);
                pen.put(cell, columns);
            }
            self.marks = vec![Mark { octets: 0, pen }];
        }
        let same = same_octets(&self.line, line);
        self.line.truncate(same);
        self.line.push_str(&line[same..]);
        // Where a character begins is a matter of what is before, and of its first code point.
        let kept = self.marks.partition_point(|mark| mark.octets < same);
        self.marks.truncate(kept.max(1));
    }

    /// Where the cursor is.
    fn place(&mut self, cursor: usize) -> Pen {
        let (columns, mut place) = (self.columns, None);
        let marks_before = self.marks.partition_point(|mark| mark.octets <= cursor);
        let mut end = self.go_on(self.marks[marks_before.max(1) - 1], |mut pen, end, cells| {
            if cursor >= end {
                return true;
            }
            pen.make_room(cells[0].room(), columns);
            place = Some(pen);
            false
        });
        place.unwrap_or_else(|| {
            end.make_room(1, columns);
            end
        })
    }

    /// The cells of rows.
    fn rows(&mut self, first: usize, end: usize) -> Vec<Vec<Cell>> {
        let columns = self.columns;
        let mut rows = Vec::new();
        let mut show = |pen: Pen, cell: Option<Cell>| {
            if (first..end).contains(&pen.row) {
                rows.resize(rows.len().max(pen.row - first + 1), Vec::new());
                rows[pen.row - first].extend(cell);
            }
        };
        let marks_before = self.marks.partition_point(|mark| mark.pen.row < first);
        if marks_before == 0 {
            let mut pen = Pen::default();
            show(pen, None);
            for cell in &self.prompt_cells {
                pen.put(cell, columns);
                show(pen, (!cell.is_line_end()).then(|| cell.clone()));
            }
        }
        self.go_on(self.marks[marks_before.max(1) - 1], |mut pen, _, cells| {
            for cell in cells {
                pen.put(cell, columns);
                show(pen, Some(cell.clone()));
            }
            pen.row < end
        });
        rows
    }

    /// Lays the line out from a mark, as long as `each` wants more of it: each character has a place that the one before it ends
    /// at, an end in octets, and cells.
    fn go_on(&mut self, from: Mark, mut each: impl FnMut(Pen, usize, &[Cell]) -> bool) -> Pen {
        let mut pen = from.pen;
        for (offset, grapheme) in self.line[from.octets..].grapheme_indices(true) {
            let octets = from.octets + offset;
            if self.marks.last().is_some_and(|last| last.octets < octets && last.pen.row < pen.row)
            {
                self.marks.push(Mark { octets, pen });
            }
            #[cfg(test)]
            {
                self.laid += 1;
            }
            let mut cells = line_cells(grapheme);
            cells.iter_mut().for_each(|cell| cell.fit(self.columns));
            if !each(pen, octets + grapheme.len(), &cells) {
                break;
            }
            cells.iter().for_each(|cell| pen.put(cell, self.columns));
        }
        pen
    }
}

impl Pen {
    fn put(&mut self, cell: &Cell, columns: usize) {
        if cell.is_line_end() {
            return self.begin_row();
        }
        self.make_room(cell.room(), columns);
        self.column += cell.width;
    }

    /// What does not fit into this row goes to the next, whole.
    fn make_room(&mut self, width: usize, columns: usize) {
        if self.column + width > columns {
            self.begin_row();
        }
    }

    fn begin_row(&mut self) {
        (self.row, self.column) = (self.row + 1, 0);
    }
}

/// How many octets two texts begin with that are the same in both, and whole characters.
fn same_octets(one: &str, other: &str) -> usize {
    const AT_ONCE: usize = 1024;
    let (left, right) = (one.as_bytes(), other.as_bytes());
    let pieces = left.chunks_exact(AT_ONCE).zip(right.chunks_exact(AT_ONCE));
    let mut same = AT_ONCE * pieces.take_while(|(left, right)| left == right).count();
    let octets = left[same..].iter().zip(&right[same..]);
    same += octets.take_while(|(left, right)| left == right).count();
    while !one.is_char_boundary(same) || !other.is_char_boundary(same) {
        same -= 1;
    }
    same
}

pub(super) fn width(cells: &[Cell]) -> usize {
    cells.iter().map(|cell| cell.width).sum()
}

/// What a character of the line looks like: control characters as `^X`.
fn line_cells(grapheme: &str) -> Vec<Cell> {
    let char = grapheme.chars().next().unwrap_or_default();
    if grapheme == "\r\n" {
        return [line_cells("\r"), line_cells("\n")].concat();
    }
    if char.is_control() {
        let shown = u8::try_from(char).map_or(b'?', |octet| octet & 0x7F ^ 0x40) as char;
        return ['^', shown].map(|char| Cell::new(char, 1)).into();
    }
    match grapheme.width() {
        // What has no width would be lost on the cell before it.
        0 => vec![Cell::new(format!("\u{25CC}{grapheme}"), 1)],
        width => {
            let parts = grapheme.chars().map(|char| char.width().unwrap_or(0)).sum();
            vec![Cell { unsure: (parts != width).then_some(parts), ..Cell::new(grapheme, width) }]
        }
    }
}

/// The cells of a prompt, in which escape sequences, and what is between `\[` and `\]`, take no room.
fn prompt_cells(prompt: &str) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut hidden = String::new();
    let mut rest = prompt;
    while !rest.is_empty() {
        let length =
            if let Some(inside) = rest.strip_prefix("\\[") {
                let end = inside.find("\\]").unwrap_or(inside.len());
                hidden.push_str(&inside[..end]);
                (2 + end + 2).min(rest.len())
            } else if rest.starts_with('\x1B') {
                let length = escape_length(rest);
                hidden.push_str(&rest[..length]);
                length
            } else {
                let grapheme = rest.graphemes(true).next().unwrap_or(rest);
                match grapheme {
                    "\n" | "\r\n" => cells.push(Cell::new("\n", 0)),
                    "\t" => {
                        let row = cells.rsplit(|cell| cell.text == "\n").next().unwrap_or_default();
                        let blank = |_| Cell::new(std::mem::take(&mut hidden) + " ", 1);
                        cells.extend((width(row) % TAB..TAB).map(blank).collect::<Vec<_>>());
                    }
                    _ => cells.extend(line_cells(grapheme).into_iter().map(|cell| Cell {
                        text: std::mem::take(&mut hidden) + &cell.text,
                        ..cell
                    })),
                }
                grapheme.len()
            };
        rest = &rest[length..];
    }
    match cells.last_mut() {
        Some(last) if last.text != "\n" => last.text.push_str(&hidden),
        _ if !hidden.is_empty() => cells.push(Cell::new(hidden, 0)),
        _ => {}
    }
    cells
}

/// How long the escape sequence is that a text begins with.
fn escape_length(text: &str) -> usize {
    let body = &text.as_bytes()[1..];
    match body.first() {
        Some(b'[') => {
            let last = body[1..].iter().position(|octet| (0x40..=0x7E).contains(octet));
            last.map_or(text.len(), |last| last + 3)
        }
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            // A string, as a title or a link: it ends with BEL or ESC \.
            let bell = text.find('\x07').map(|at| at + 1);
            let end = text.find("\x1B\\").map(|at| at + 2);
            [bell, end].into_iter().flatten().min().unwrap_or(text.len())
        }
        Some(octet) if octet.is_ascii() => {
            // As of the character sets, which `tput sgr0` names too: `ESC ( B`.
            let last = body.iter().position(|octet| !(0x20..=0x2F).contains(octet));
            last.filter(|last| body[*last].is_ascii()).map_or(1, |last| last + 2)
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { columns: 80, rows: 24 };
    const SHOWN: usize = SIZE.columns * SIZE.rows;

    #[test]
    fn what_was_laid_out_is_not_again() {
        const PIECE: usize = 4096;
        const PIECES: usize = 64;
        // What comes is put before what is there, or behind it, or somewhere in between.
        for (before, behind) in [(0, 0), (0, 100_000), (100_000, 100_000)] {
            let (mut layout, mut line) = (Layout::default(), "é漢".repeat((before + behind) / 5));
            let mut cursor = before;
            layout.picture("> ", &line, cursor, SIZE);
            let laid = layout.laid;
            for _ in 0..PIECES {
                line.insert_str(cursor, &"x".repeat(PIECE));
                cursor += PIECE;
                layout.picture("> ", &line, cursor, SIZE);
            }
            let each = (layout.laid - laid) / PIECES;
            assert!(each <= PIECE + 3 * SHOWN, "{each} of {before} and {behind}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_remembered_changes_nothing(
            changes in proptest::collection::vec(
                (0..60_usize, 0..8_usize, "(a|漢|e\u{301}|\t|\n|\r|\u{200B}|\u{200D}|👍🏽|👩|🇩🇪|🇩|❤\u{FE0F}| ){0,30}", 0..200_usize), 1..12
            ),
            prompt in "[$漢\t\n]{0,3}> ",
            columns in 1..9_usize,
            rows in 1..7_usize,
        ) {
            let (mut layout, mut line) = (Layout::default(), String::new());
            let boundary = |line: &str, at: usize| (0..=at.min(line.len())).rfind(|&at| line.is_char_boundary(at)).unwrap();
            for (at, length, text, cursor) in changes {
                let from = boundary(&line, at);
                let to = boundary(&line, from + length);
                line.replace_range(from..to, &text);
                let cursor = boundary(&line, cursor);
                let size = Size { columns, rows };
                let fresh = Layout::default().picture(&prompt, &line, cursor, size);
                proptest::prop_assert_eq!(layout.picture(&prompt, &line, cursor, size), fresh);
                let all = Size { rows: usize::MAX >> 1, columns };
                let all = Layout::default().picture(&prompt, &line, cursor, all);
                let seen = layout.picture(&prompt, &line, cursor, size);
                let first = all.row - seen.row;
                proptest::prop_assert_eq!(first, (all.row + 1).saturating_sub(rows));
                let shown = &all.rows[first..all.rows.len().min(first + rows)];
                proptest::prop_assert_eq!(&seen.rows, shown);
            }
        }
    }
}
