//! The one table that a run prints.

use std::fmt;

/// What a figure counts.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
}

/// One line of work, and what each contender needed for it.
#[derive(Debug)]
pub struct Case {
    /// What is measured.
    pub name: String,
    /// What the figures count.
    pub unit: Unit,
    /// Our own figure, unless it was left out or failed.
    pub ours: Option<Result<f64, String>>,
    /// What our own figure may be at most.
    pub limit: Option<f64>,
    /// What it is compared with.
    pub peers: Vec<Peer>,
}

/// A peer's figure for a case.
#[derive(Debug)]
pub struct Peer {
    /// Who.
    pub name: String,
    /// Its figure, or why there is none.
    pub value: Result<f64, String>,
    /// How many times this our own figure may be at most.
    pub target: Option<f64>,
}

/// The cases of a run.
#[derive(Debug, Default)]
pub struct Report {
    cases: Vec<Case>,
}

impl Report {
    /// Adds a case.
    pub fn add(&mut self, case: Case) {
        self.cases.push(case);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<50} {:>10}   {:<30} {:>10} {:>8}   target",
            "", "ours", "against", "", "ratio"
        )?;
        let (mut reached, mut missed) = (0, 0);
        for case in &self.cases {
            for line in case.lines() {
                match line.passed {
                    Some(true) => reached += 1,
                    Some(false) => missed += 1,
                    None => {}
                }
                writeln!(f, "{}", line.text.trim_end())?;
            }
        }
        writeln!(f, "\ntargets: {reached} reached, {missed} missed")
    }
}

/// A line of the table.
struct Line {
    text: String,
    /// Whether the target was reached, if there is one and we were measured.
    passed: Option<bool>,
}

impl Case {
    fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let ours = match &self.ours {
            Some(Ok(value)) => self.unit.show(*value),
            Some(Err(_)) => "failed".to_owned(),
            None => "-".to_owned(),
        };
        let value = self.ours.as_ref().and_then(|ours| ours.as_ref().ok()).copied();
        if let Some(limit) = self.limit {
            let passed = value.map(|value| value <= limit);
            let target = format!("<= {}", self.unit.show(limit));
            lines.push(Line { text: row("", "", "", &target, passed), passed });
        }
        for peer in &self.peers {
            let (shown, note) = match &peer.value {
                Ok(value) => (self.unit.show(*value), String::new()),
                Err(why) => ("-".to_owned(), format!("  ({why})")),
            };
            let ratio = value.zip(peer.value.as_ref().ok()).map(|(ours, peer)| ours / peer);
            let passed = ratio.zip(peer.target).map(|(ratio, target)| ratio <= target);
            let ratio = ratio.map(|ratio| format!("{ratio:.2} x")).unwrap_or_default();
            let target = peer.target.map(|target| format!("<= {target:.2} x")).unwrap_or_default();
            let text = row(&peer.name, &shown, &ratio, &target, passed) + &note;
            lines.push(Line { text, passed });
        }
        if lines.is_empty() {
            lines.push(Line { text: String::new(), passed: None });
        }
        for (index, line) in lines.iter_mut().enumerate() {
            let (name, ours) = if index == 0 { (&*self.name, &*ours) } else { ("", "") };
            line.text = format!("{name:<50} {ours:>10}   {}", line.text);
        }
        if let Some(Err(why)) = &self.ours {
            lines.push(Line { text: format!("    ours failed: {why}"), passed: Some(false) });
        }
        lines
    }
}

fn row(peer: &str, value: &str, ratio: &str, target: &str, passed: Option<bool>) -> String {
    let mark = match passed {
        Some(true) => "reached",
        Some(false) => "MISSED",
        None => "",
    };
    format!("{peer:<30} {value:>10} {ratio:>8}   {target:<12} {mark}")
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Nanoseconds if value < 100.0 => format!("{value:.1} ns"),
            Self::Nanoseconds if value < 10_000.0 => format!("{value:.0} ns"),
            Self::Nanoseconds => format!("{:.1} us", value / 1e3),
            Self::Bytes => format!("{value:.0} B"),
        }
    }
}
