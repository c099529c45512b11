//! A snapshot as a tree that a person reads.

use std::fmt;
use std::time::SystemTime;

use super::{Inspection, SessionInfo};
use crate::hash::IdMap;
use crate::{Priority, SessionId};

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.running { "running" } else { "not running" };
        writeln!(f, "kernel {} on {}, {state} for {:.1?}", self.id, self.event_loop, self.age)?;
        writeln!(
            f,
            "{} turns, {} events dispatched; {} queued, {} timers, {} watched handles",
            self.turns,
            self.dispatched,
            self.queue.len(),
            self.timers.len(),
            self.watches.len()
        )?;
        if let Some(event) = self.active_event {
            writeln!(f, "now: session {}, event {event:?}", self.active_session)?;
        }
        self.branches(f)?;
        self.lists(f)?;
        self.profile.as_ref().map_or(Ok(()), |profile| fmt::Display::fmt(profile, f))
    }
}

/// A session that is to be shown.
struct Branch<'a> {
    info: &'a SessionInfo,
    margin: String,
    /// Whether it is the last one of its parent.
    is_last: bool,
}

/// Puts the children of one parent on the list, the first one last.
fn put_on<'a>(left: &mut Vec<Branch<'a>>, children: Vec<&'a SessionInfo>, margin: &str) {
    let branch = |(place, info)| Branch { info, margin: margin.to_owned(), is_last: place == 0 };
    left.extend(children.into_iter().rev().enumerate().map(branch));
}

impl Inspection {
    /// The sessions, each with those below it. They are kept in a list of what is to be shown, as a tree may be of any depth.
    fn branches(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let infos: IdMap<SessionId, &SessionInfo> =
            self.sessions.iter().map(|info| (info.session, info)).collect();
        let roots = self.sessions.iter().filter(|info| info.parent.is_kernel());
        let mut left = Vec::new();
        put_on(&mut left, roots.collect(), "");
        while let Some(Branch { info, margin, is_last }) = left.pop() {
            let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            write!(f, "{margin}{branch}session {info}: {}", info.type_name)?;
            info.state.map_or(Ok(()), |state| write!(f, ", in state {state:?}"))?;
            writeln!(f)?;
            let margin = format!("{margin}{below}");
            let children: Vec<&SessionInfo> =
                info.children.iter().filter_map(|id| infos.get(id).copied()).collect();
            let rail = if children.is_empty() { " " } else { "│" };
            self.details(f, info, &format!("{margin}{rail}  "))?;
            put_on(&mut left, children, &margin);
        }
        Ok(())
    }

    fn details(&self, f: &mut fmt::Formatter<'_>, info: &SessionInfo, margin: &str) -> fmt::Result {
        writeln!(f, "{margin}created at {}", info.created)?;
        if !info.handlers.is_empty() {
            let names: Vec<&str> = info.handlers.iter().map(|name| name.as_str()).collect();
            writeln!(f, "{margin}handles {}", names.join(", "))?;
        }
        if info.holds.handling > 0 {
            writeln!(f, "{margin}alive by events that are being handled: {}", info.holds.handling)?;
        }
        for reason in &info.reasons {
            writeln!(f, "{margin}alive by {} (since {})", reason.cause, reason.since)?;
        }
        for watch in self.signals.iter().filter(|watch| watch.session == info.session) {
            writeln!(
                f,
                "{margin}watches signal {} as {:?} (since {})",
                watch.signal, watch.event, watch.since
            )?;
        }
        for entry in info.events.iter().take(5) {
            writeln!(f, "{margin}{}: {}", entry.event, entry.meter.handler)?;
        }
        Ok(())
    }

    fn lists(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.queue.is_empty() {
            writeln!(f, "queue")?;
        }
        for event in &self.queue {
            let (session, sender) = (event.session, event.sender);
            let (kind, name, payload) = (event.kind, event.event, event.payload);
            let (waiting, sent) = (event.waiting, event.sent);
            let priority = match event.priority {
                Priority::Normal => String::new(),
                other => format!(", {other:?} priority"),
            };
            writeln!(
                f,
                "  {kind:?} {name:?} ({payload}) from session {sender} to session {session}{priority}, waiting {waiting:.1?} (sent at {sent})"
            )?;
        }
        if !self.timers.is_empty() {
            writeln!(f, "timers")?;
        }
        for timer in &self.timers {
            let (id, event, session, set) = (timer.timer, timer.event, timer.session, timer.set);
            let due = Due(timer.due, self.time);
            writeln!(f, "  {id} {event:?} of session {session}, {due} (set at {set})")?;
        }
        Ok(())
    }
}

/// A time, as seen at another.
struct Due(SystemTime, SystemTime);

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.duration_since(self.1) {
            Ok(left) => write!(f, "due in {left:.1?}"),
            Err(late) => write!(f, "overdue by {:.1?}", late.duration()),
        }
    }
}

impl fmt::Display for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let session: SessionId = self.session;
        if self.aliases.is_empty() {
            return write!(f, "{session}");
        }
        // An alias may be any text, and who is shown it a terminal.
        let aliases = self.aliases.join(", ").replace(char::is_control, "\u{fffd}");
        write!(f, "{session} ({aliases})")
    }
}
