//! A snapshot, as `examples::top::publish` sends it: of all that is in it, what is shown.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// What another version does not send is left out, but for what makes it a snapshot.
#[derive(Debug, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) age: Span,
    pub(crate) sessions: Vec<Session>,
    #[serde(default)]
    pub(crate) event_loop: String,
    #[serde(default)]
    pub(crate) time: Time,
    #[serde(default)]
    pub(crate) dispatched: u64,
    #[serde(default)]
    pub(crate) queue: Vec<Queued>,
    #[serde(default)]
    pub(crate) timers: Vec<IgnoredAny>,
    #[serde(default)]
    pub(crate) watches: Vec<IgnoredAny>,
    #[serde(default)]
    pub(crate) profile: Option<Profile>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Session {
    pub(crate) session: u64,
    #[serde(default)]
    pub(crate) parent: u64,
    #[serde(default)]
    pub(crate) children: Vec<u64>,
    #[serde(default)]
    pub(crate) type_name: String,
    #[serde(default)]
    pub(crate) state: Option<String>,
    #[serde(default)]
    pub(crate) created: String,
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    #[serde(default)]
    pub(crate) holds: Holds,
    #[serde(default)]
    pub(crate) reasons: Vec<Reason>,
    #[serde(default)]
    pub(crate) events: Vec<EventMeter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Holds {
    events_to: u32,
    events_from: u32,
    aliases: u32,
    handles: u32,
    tags: u32,
    processes: u32,
}

impl Holds {
    pub(crate) fn count(&self) -> u64 {
        let Self { events_to, events_from, aliases, handles, tags, processes } = *self;
        [events_to, events_from, aliases, handles, tags, processes].map(u64::from).iter().sum()
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Reason {
    pub(crate) cause: Cause,
    #[serde(default)]
    pub(crate) since: String,
}

#[derive(Debug, Deserialize)]
pub(crate) enum Cause {
    EventTo {
        event: String,
        sender: u64,
    },
    EventFrom {
        event: String,
        receiver: u64,
    },
    Timer {
        event: String,
        due: Time,
    },
    Alias(String),
    Child(u64),
    Handle {
        descriptor: i32,
        mode: String,
        paused: bool,
    },
    Process {
        pid: u32,
    },
    Reference {
        tag: String,
        count: u32,
    },
    /// Of another version.
    #[serde(untagged)]
    Other(serde_json::Value),
}

impl Cause {
    /// What it is, at a time.
    pub(crate) fn describe(&self, now: Time) -> String {
        match self {
            Self::EventTo { event, sender } => format!("event {event:?} from session {sender}"),
            Self::EventFrom { event, receiver } => {
                format!("event {event:?} to session {receiver}")
            }
            Self::Timer { event, due } => {
                format!(
                    "timer {event:?} due in {}",
                    Seconds((due.seconds() - now.seconds()).max(0.0))
                )
            }
            Self::Alias(alias) => format!("alias {alias:?}, which keeps no kernel"),
            Self::Child(child) => format!("child session {child}"),
            Self::Handle { descriptor, mode, paused } => {
                let paused = if *paused { ", paused" } else { "" };
                format!("descriptor {descriptor} watched ({mode}{paused})")
            }
            Self::Process { pid } => format!("child process {pid}"),
            Self::Reference { tag, count } => format!("{count} references tagged {tag:?}"),
            Self::Other(value) => value.to_string(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Queued {
    pub(crate) waiting: Span,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Profile {
    pub(crate) events: Vec<EventMeter>,
    pub(crate) slowest: Vec<Slow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Slow {
    pub(crate) took: Span,
    pub(crate) ended: Time,
    pub(crate) session: u64,
    pub(crate) event: String,
    pub(crate) sent: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EventMeter {
    pub(crate) meter: Meter,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Meter {
    pub(crate) handler: Histogram,
    pub(crate) latency: Histogram,
    pub(crate) failures: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Histogram {
    pub(crate) count: u64,
    pub(crate) total: Span,
    pub(crate) max: Span,
    pub(crate) p99: Span,
}

/// How long something took. A `Duration` would not stand whatever numbers come.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Span {
    secs: u64,
    nanos: u32,
}

impl Span {
    pub(crate) fn seconds(self) -> f64 {
        self.secs as f64 + f64::from(self.nanos) * 1e-9
    }
}

/// When something was.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Time {
    secs_since_epoch: i64,
    nanos_since_epoch: u32,
}

impl Time {
    pub(crate) fn seconds(self) -> f64 {
        self.secs_since_epoch as f64 + f64::from(self.nanos_since_epoch) * 1e-9
    }
}

/// Seconds for a person: three digits and a unit.
pub(crate) struct Seconds(pub(crate) f64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0 {
            it if it >= 86400.0 => (it / 86400.0, "d"),
            it if it >= 3600.0 => (it / 3600.0, "h"),
            it if it >= 100.0 => (it / 60.0, "min"),
            it if it >= 1.0 => (it, "s"),
            it if it >= 1e-3 => (it * 1e3, "ms"),
            it if it >= 1e-6 => (it * 1e6, "us"),
            it if it > 0.0 => (it * 1e9, "ns"),
            _ => return f.pad("0"),
        };
        let digits = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
        f.pad(&format!("{number:.digits$} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_three_digits() {
        let cases = [
            (0.0, "0"),
            (2.5e-8, "25.0 ns"),
            (0.001_234, "1.23 ms"),
            (0.999, "999 ms"),
            (12.34, "12.3 s"),
            (150.0, "2.50 min"),
            (7200.0, "2.00 h"),
            (1e9, "11574 d"),
        ];
        for (seconds, shown) in cases {
            assert_eq!(Seconds(seconds).to_string(), shown);
        }
    }

    #[test]
    fn what_another_version_sends_is_shown_as_it_is() {
        let session = r#"{"session":1,"reasons":[
            {"cause":{"Handle":{"descriptor":3,"mode":"Read","paused":true}},"since":"a.rs:1:1"},
            {"cause":{"Timer":{"event":"tick","due":{"secs_since_epoch":12,"nanos_since_epoch":0}}}},
            {"cause":{"Novelty":[1,2]}}]}"#;
        let session: Session = serde_json::from_str(session).unwrap();
        let now = Time { secs_since_epoch: 10, nanos_since_epoch: 500_000_000 };
        let shown: Vec<String> =
            session.reasons.iter().map(|reason| reason.cause.describe(now)).collect();
        assert_eq!(
            shown,
            [
                "descriptor 3 watched (Read, paused)",
                "timer \"tick\" due in 1.50 s",
                r#"{"Novelty":[1,2]}"#
            ]
        );
    }
}
