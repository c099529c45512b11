//! How it looks.

use std::borrow::Cow;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Row as TableRow, Table};

use crate::snapshot::Seconds;
use crate::view::{Sort, View};
use crate::watched::{Row, Watched};

const HELP: &str = "up down j k   another session
PgUp PgDn     a page of them
g G Home End  the first, the last
s             sort by the next column
r             the other way round
/             only sessions of that name; Esc ends it
p Space       pause, and go on
Ctrl-L        draw all anew
Ctrl-Z        stop the program
q Ctrl-C      quit

In brackets: how long the first of the queue waits.
LAG is how late events were, but for one in 100.
EV/S counts all that was handled, BUSY is the share
of the time that it took, P99 and MAX how long each.
Below is why the session lives, and what was slowest.";

/// All that is to be seen.
pub(crate) struct Scene<'a> {
    pub(crate) address: &'a str,
    /// How things stand, if not well.
    pub(crate) message: Option<&'a str>,
    pub(crate) watched: Option<&'a Watched>,
    pub(crate) view: &'a mut View,
}

impl Scene<'_> {
    pub(crate) fn draw(self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let [head, middle, foot] =
            Layout::vertical([Constraint::Length(2), Constraint::Min(0), Constraint::Length(1)])
                .areas(area);
        self.draw_head(frame, head);
        self.draw_foot(frame, foot);
        let Self { watched, view, .. } = self;
        if let Some(watched) = watched {
            // What there is little room for is left out.
            let details = if middle.height >= 11 { middle.height / 2 } else { 0 };
            let [list, below] =
                Layout::vertical([Constraint::Min(0), Constraint::Length(details)]).areas(middle);
            let selected = draw_list(frame, list, watched, view);
            let [reasons, slowest] = if area.width >= 120 {
                Layout::horizontal([Constraint::Fill(1); 2]).spacing(1).areas(below)
            } else {
                Layout::vertical([Constraint::Fill(1); 2]).areas(below)
            };
            draw_reasons(frame, reasons, watched, selected);
            draw_slowest(frame, slowest, watched);
        }
        if view.is_helping {
            draw_help(frame, middle);
        }
    }

    fn draw_head(&self, frame: &mut Frame<'_>, area: Rect) {
        let mut lines = vec![Line::from(format!("POE at {}", self.address)).bold()];
        if let Some(watched) = self.watched {
            let snapshot = &watched.snapshot;
            let age = Seconds(snapshot.age.seconds());
            lines = vec![
                Line::from(vec![
                    Span::from(format!("POE at {}", self.address)).bold(),
                    Span::from(format!(", {} on {}, up {age}", snapshot.id, snapshot.event_loop)),
                ]),
                Line::from(format!(
                    "{} sessions  {} ev/s  {:.0}% busy  queue {} ({})  lag {}  {} timers  {} handles",
                    snapshot.sessions.len(),
                    Rate(watched.events),
                    watched.busy * 100.0,
                    snapshot.queue.len(),
                    Seconds(watched.oldest()),
                    Seconds(watched.lag()),
                    snapshot.timers.len(),
                    snapshot.watches.len(),
                )),
            ];
        }
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn draw_foot(&self, frame: &mut Frame<'_>, area: Rect) {
        let line = if self.view.is_filtering {
            let before = format!("/{}", self.view.filter);
            let width = Span::from(before.as_str()).width() as u16;
            frame.set_cursor_position((area.x + width.min(area.width.saturating_sub(1)), area.y));
            Line::from(before)
        } else if let Some(message) = self.message {
            Line::from(message).fg(Color::Red)
        } else {
            let paused = if self.view.is_paused { "PAUSED  " } else { "" };
            let filter = match self.view.filter.as_str() {
                "" => Cow::Borrowed("/ filter"),
                filter => Cow::Owned(format!("/{filter}")),
            };
            Line::from(format!("{paused}q quit  h help  s sort  r reverse  {filter}  p pause"))
                .dim()
        };
        frame.render_widget(line, area);
    }
}

/// Which session is selected.
fn draw_list(frame: &mut Frame<'_>, area: Rect, watched: &Watched, view: &mut View) -> Option<u64> {
    let listed = view.listed(&watched.rows);
    let selected = view.select(&listed);
    let room = usize::from(area.height.saturating_sub(1));
    let first = view.scroll(selected.unwrap_or_default(), listed.len(), room);
    let header = COLUMNS.map(|(name, sort)| {
        let arrow = if view.is_reversed { "^" } else { "v" };
        if sort == Some(view.sort) { format!("{name}{arrow}") } else { name.to_owned() }
    });
    let rows = listed.iter().enumerate().skip(first).take(room).map(|(at, row)| {
        let style = if Some(at) == selected { Style::new().reversed() } else { Style::new() };
        TableRow::new(aligned(cells(row))).style(style)
    });
    let widths = [5, 0, 6, 6, 5, 5, 7, 7, 5].map(|width| match width {
        0 => Constraint::Fill(1),
        width => Constraint::Length(width),
    });
    let header = TableRow::new(aligned(header)).bold();
    frame.render_widget(Table::new(rows, widths).header(header), area);
    selected.map(|at| listed[at].session)
}

const COLUMNS: [(&str, Option<Sort>); 9] = [
    ("ID", Some(Sort::Session)),
    ("NAME", Some(Sort::Name)),
    ("PARENT", None),
    ("EV/S", Some(Sort::Events)),
    ("BUSY", Some(Sort::Busy)),
    ("REFS", Some(Sort::References)),
    ("P99", Some(Sort::P99)),
    ("MAX", Some(Sort::Max)),
    ("FAIL", None),
];

/// Numbers to the right.
fn aligned(cells: [String; 9]) -> impl Iterator<Item = Line<'static>> {
    let names = COLUMNS.map(|(name, _)| name == "NAME");
    cells.into_iter().zip(names).map(|(text, is_name)| {
        if is_name { Line::from(text) } else { Line::from(text).right_aligned() }
    })
}

fn cells(row: &Row) -> [String; 9] {
    [
        row.session.to_string(),
        row.name.clone(),
        row.parent.to_string(),
        Rate(row.events).to_string(),
        format!("{:.0}%", row.busy * 100.0),
        row.references.to_string(),
        Seconds(row.p99).to_string(),
        Seconds(row.max).to_string(),
        row.failures.to_string(),
    ]
}

fn draw_reasons(frame: &mut Frame<'_>, area: Rect, watched: &Watched, session: Option<u64>) {
    let Some(info) = session.and_then(|session| watched.session(session)) else { return };
    let title = format!("why is {} alive? (created at {})", info.session, info.created);
    let now = watched.snapshot.time;
    let mut lines: Vec<Line<'_>> = info
        .reasons
        .iter()
        .map(|reason| placed(reason.cause.describe(now), &reason.since, area.width))
        .collect();
    if lines.is_empty() {
        lines.push(Line::from("nothing keeps it but the snapshot's own moment").dim());
    }
    section(frame, area, title, lines);
}

fn draw_slowest(frame: &mut Frame<'_>, area: Rect, watched: &Watched) {
    let now = watched.snapshot.time.seconds();
    let slowest = watched.snapshot.profile.iter().flat_map(|profile| &profile.slowest);
    let lines = slowest.map(|slow| {
        let ago = Seconds((now - slow.ended.seconds()).max(0.0));
        let took = Seconds(slow.took.seconds());
        let what = format!("{took:>8}  {:?} in session {}, {ago} ago", slow.event, slow.session);
        placed(what, &slow.sent, area.width)
    });
    section(frame, area, "slowest handlers".to_owned(), lines.collect());
}

/// Something, and the line of the program that it came of: the end of that, if there is no room for all.
fn placed(what: String, place: &str, width: u16) -> Line<'static> {
    let what = Span::from(what + "  ");
    let room = usize::from(width).saturating_sub(what.width());
    let length = place.chars().count();
    let place = if length <= room {
        place.to_owned()
    } else {
        let end = place.chars().skip(length + 1 - room.max(1)).collect::<String>();
        format!("…{end}")
    };
    Line::from(vec![what, Span::from(place).dim()])
}

fn section(frame: &mut Frame<'_>, area: Rect, title: String, mut lines: Vec<Line<'_>>) {
    let room = usize::from(area.height.saturating_sub(1));
    if lines.len() > room && room > 0 {
        let left_out = lines.len() + 1 - room;
        lines.truncate(room - 1);
        lines.push(Line::from(format!("and {left_out} more")).dim());
    }
    let block = Block::new().borders(Borders::TOP).title(Line::from(title + " ").bold());
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let text = Paragraph::new(HELP).block(Block::bordered().title("keys"));
    let [area] = Layout::horizontal([Constraint::Max(56)]).areas(area);
    let [area] = Layout::vertical([Constraint::Max(HELP.lines().count() as u16 + 2)]).areas(area);
    frame.render_widget(Clear, area);
    frame.render_widget(text, area);
}

/// So many a second.
struct Rate(f64);

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            it if it >= 1e6 => write!(f, "{:.1}M", it / 1e6),
            it if it >= 1e4 => write!(f, "{:.0}k", it / 1e3),
            it if it >= 10.0 => write!(f, "{it:.0}"),
            it if it > 0.0 => write!(f, "{it:.1}"),
            _ => f.write_str("0"),
        }
    }
}
