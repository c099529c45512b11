//! What two snapshots say of the time between them.

use std::collections::HashMap;

use crate::snapshot::{Session, Snapshot};

/// A snapshot, and what has happened since the one before.
pub(crate) struct Watched {
    pub(crate) snapshot: Snapshot,
    pub(crate) rows: Vec<Row>,
    /// Events dispatched from the queue a second.
    pub(crate) events: f64,
    /// The share of the time in which handlers ran, from 0 to 1.
    pub(crate) busy: f64,
    spent: HashMap<u64, Spent>,
}

/// A session in the list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) session: u64,
    pub(crate) parent: u64,
    pub(crate) name: String,
    /// Events handled a second, calls and ready handles among them.
    pub(crate) events: f64,
    pub(crate) busy: f64,
    pub(crate) references: u64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    pub(crate) failures: u64,
}

/// What a session has come to so far.
#[derive(Clone, Copy, Default)]
struct Spent {
    events: u64,
    seconds: f64,
}

impl Watched {
    pub(crate) fn new(snapshot: Snapshot, before: Option<&Self>) -> Self {
        // After a restart there is nothing to compare with.
        let before = before.filter(|before| before.snapshot.id == snapshot.id);
        let time =
            before.map_or(0.0, |before| snapshot.age.seconds() - before.snapshot.age.seconds());
        let rate =
            |now: f64, then: f64| if time > 0.0 { ((now - then) / time).max(0.0) } else { 0.0 };
        let counter = |now: u64, then: Option<u64>| rate(now as f64, then.unwrap_or(now) as f64);
        let spent: HashMap<u64, Spent> =
            snapshot.sessions.iter().map(|info| (info.session, Spent::of(info))).collect();
        let rows = snapshot.sessions.iter().map(|info| {
            let now = spent[&info.session];
            // One that is new has done all it did since.
            let then = before
                .map_or(now, |before| before.spent.get(&info.session).copied().unwrap_or_default());
            let meters = || info.events.iter().map(|entry| &entry.meter);
            let most = |seconds: &mut dyn Iterator<Item = f64>| seconds.fold(0.0, f64::max);
            Row {
                session: info.session,
                parent: info.parent,
                name: name(info),
                events: rate(now.events as f64, then.events as f64),
                // What a handler called is counted for both; what one called of its own session, twice.
                busy: rate(now.seconds, then.seconds).min(1.0),
                references: info.holds.count() + info.children.len() as u64,
                p99: most(&mut meters().map(|meter| meter.handler.p99.seconds())),
                max: most(&mut meters().map(|meter| meter.handler.max.seconds())),
                failures: meters().fold(0, |sum, meter| sum.saturating_add(meter.failures)),
            }
        });
        let rows: Vec<Row> = rows.collect();
        let busy = rows.iter().map(|row| row.busy).sum::<f64>().min(1.0);
        Self {
            events: counter(snapshot.dispatched, before.map(|it| it.snapshot.dispatched)),
            busy,
            rows,
            spent,
            snapshot,
        }
    }

    pub(crate) fn session(&self, session: u64) -> Option<&Session> {
        self.snapshot.sessions.iter().find(|info| info.session == session)
    }

    /// How long the first of the queue has waited, in seconds.
    pub(crate) fn oldest(&self) -> f64 {
        self.snapshot.queue.iter().map(|event| event.waiting.seconds()).fold(0.0, f64::max)
    }

    /// How late events were, but for one in a hundred, in seconds: of the event that was latest.
    pub(crate) fn lag(&self) -> f64 {
        let events = self.snapshot.profile.iter().flat_map(|profile| &profile.events);
        events.map(|entry| entry.meter.latency.p99.seconds()).fold(0.0, f64::max)
    }
}

impl Spent {
    fn of(info: &Session) -> Self {
        info.events.iter().fold(Self::default(), |sum, entry| Self {
            events: sum.events.saturating_add(entry.meter.handler.count),
            seconds: sum.seconds + entry.meter.handler.total.seconds(),
        })
    }
}

/// Its aliases, or what kind it is: the last part of a type's path.
fn name(info: &Session) -> String {
    let mut name = if info.aliases.is_empty() {
        let (path, parameters) = info.type_name.split_once('<').unwrap_or((&info.type_name, ""));
        let last = path.rsplit("::").next().unwrap_or_default();
        if parameters.is_empty() { last.to_owned() } else { format!("{last}<…>") }
    } else {
        info.aliases.join(", ")
    };
    if let Some(state) = &info.state {
        name.push_str(&format!(" in {state}"));
    }
    name
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn snapshot(json: &str) -> Snapshot {
        serde_json::from_str(json).unwrap()
    }

    fn at(id: &str, seconds: u32, count: u32) -> Snapshot {
        snapshot(&format!(
            r#"{{"id":"{id}","age":{{"secs":{seconds},"nanos":0}},"dispatched":{count},"sessions":[
                {{"session":1,"parent":0,"aliases":["worker"],"children":[2],"holds":{{"aliases":1,"tags":2}},
                  "events":[{{"event":"work","meter":{{"failures":1,"handler":{{
                    "count":{count},"total":{{"secs":0,"nanos":{count}000000}},"max":{{"secs":1,"nanos":0}}}}}}}}]}},
                {{"session":2,"parent":1,"type_name":"a::b::Pair<c::D>"}}]}}"#
        ))
    }

    #[test]
    fn rates_are_of_the_time_between() {
        let first = Watched::new(at("k", 10, 100), None);
        assert_eq!((first.events, first.rows[0].events), (0.0, 0.0));
        let second = Watched::new(at("k", 12, 300), Some(&first));
        assert_eq!((second.events, second.rows[0].events), (100.0, 100.0));
        assert!((second.rows[0].busy - 0.1).abs() < 1e-9);
        assert_eq!((second.rows[0].references, second.rows[0].failures), (4, 1));
        assert_eq!(
            (second.rows[0].name.as_str(), second.rows[1].name.as_str()),
            ("worker", "Pair<…>")
        );
        let restarted = Watched::new(at("other", 13, 900), Some(&second));
        assert_eq!(restarted.events, 0.0);
        let back = Watched::new(at("other", 12, 100), Some(&restarted));
        assert_eq!((back.events, back.busy), (0.0, 0.0));
    }

    #[test]
    fn numbers_may_be_anything() {
        let huge = format!(r#"{{"secs":{},"nanos":{}}}"#, u64::MAX, u32::MAX);
        let json = format!(
            r#"{{"id":"k","age":{huge},"dispatched":{most},"sessions":[{{"session":{most},"parent":{most},
                "events":[{{"meter":{{"failures":{most},"handler":{{"count":{most},"total":{huge},"p99":{huge}}}}}}},
                          {{"meter":{{"failures":{most},"handler":{{"count":{most},"total":{huge}}}}}}}]}}]}}"#,
            most = u64::MAX
        );
        let first = Watched::new(snapshot(&json), None);
        let second = Watched::new(snapshot(&json), Some(&first));
        assert_eq!(second.rows[0].events, 0.0);
    }
}
