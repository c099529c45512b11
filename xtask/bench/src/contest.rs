//! How figures are taken: contenders take turns, and the best of each counts.
//!
//! What disturbs a measurement only ever makes it slower, so that the least of several is the nearest
//! to the truth; and taking turns lets no contender have the quiet minute for itself.

use std::io;

use crate::report::{Case, Peer, Report, Unit};

/// How many turns each contender gets.
#[derive(Clone, Copy, Debug)]
pub struct Rounds(pub usize);

impl Rounds {
    /// More turns, for work that is short: what disturbs a machine comes in bursts, and many short
    /// turns find the quiet between them.
    pub fn times(self, factor: usize) -> Self {
        Self(self.0 * factor)
    }
}

impl Default for Rounds {
    fn default() -> Self {
        Self(3)
    }
}

/// One way of doing the work.
pub struct Contender<'a> {
    name: String,
    is_ours: bool,
    target: Option<f64>,
    run: Run<'a>,
}

/// Does the work once, and gives a figure for each case of the contest.
type Run<'a> = Box<dyn FnMut() -> io::Result<Vec<f64>> + 'a>;

/// The cases that one piece of work gives figures for, and who does the work.
pub struct Contest<'a> {
    unit: Unit,
    cases: Vec<(String, Option<f64>)>,
    contenders: Vec<Contender<'a>>,
}

impl<'a> Contest<'a> {
    /// A contest whose figures count `unit`.
    pub fn new(unit: Unit) -> Self {
        Self { unit, cases: Vec::new(), contenders: Vec::new() }
    }

    /// The next figure that a contender gives, and the most that ours may be.
    pub fn case(mut self, name: impl Into<String>, limit: Option<f64>) -> Self {
        self.cases.push((name.into(), limit));
        self
    }

    /// Our own way.
    pub fn ours(mut self, run: impl FnMut() -> io::Result<Vec<f64>> + 'a) -> Self {
        let run: Run<'a> = Box::new(run);
        self.contenders.push(Contender {
            name: "ours".to_owned(),
            is_ours: true,
            target: None,
            run,
        });
        self
    }

    /// A peer's way, and how many times its figures ours may be at most.
    pub fn peer(
        mut self,
        name: impl Into<String>,
        target: impl Into<Option<f64>>,
        run: impl FnMut() -> io::Result<Vec<f64>> + 'a,
    ) -> Self {
        let (name, target): (String, _) = (name.into(), target.into());
        self.contenders.push(Contender { name, is_ours: false, target, run: Box::new(run) });
        self
    }

    /// Holds the contest, and reports it.
    pub fn hold(mut self, Rounds(rounds): Rounds, report: &mut Report) {
        let mut best: Vec<Result<Vec<f64>, String>> =
            self.contenders.iter().map(|_| Ok(Vec::new())).collect();
        for _ in 0..rounds {
            for (contender, best) in self.contenders.iter_mut().zip(&mut best) {
                // Who failed once is not asked again.
                let Ok(least) = best else { continue };
                match (contender.run)() {
                    Ok(figures) if least.is_empty() => *least = figures,
                    Ok(figures) => {
                        for (least, figure) in least.iter_mut().zip(figures) {
                            *least = least.min(figure);
                        }
                    }
                    Err(error) => *best = Err(error.to_string()),
                }
            }
        }
        for (index, (name, limit)) in self.cases.into_iter().enumerate() {
            let mut case = Case { name, unit: self.unit, ours: None, limit, peers: Vec::new() };
            for (contender, best) in self.contenders.iter().zip(&best) {
                let value = match best {
                    Ok(figures) => figures.get(index).copied().ok_or("no figure".to_owned()),
                    Err(why) => Err(why.clone()),
                };
                if contender.is_ours {
                    case.ours = Some(value);
                } else {
                    let (name, target) = (contender.name.clone(), contender.target);
                    case.peers.push(Peer { name, value, target });
                }
            }
            report.add(case);
        }
    }
}

/// Nanoseconds for each of `count` pieces of work that took `duration` together.
pub fn nanoseconds_each(duration: std::time::Duration, count: u64) -> f64 {
    duration.as_nanos() as f64 / count as f64
}
