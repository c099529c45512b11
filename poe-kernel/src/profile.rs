//! What events cost, measured for as long as somebody asks.

use std::cmp::Reverse;
use std::fmt;
use std::panic::Location;
use std::time::{Duration, SystemTime};

use crate::hash::IdMap;
use crate::{Envelope, Histogram, Kernel, Name, SessionId};

/// What was measured of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Meter {
    /// How long their handlers ran, together with what those called.
    pub handler: Histogram,
    /// How late the queued ones among them were: the time between when they were due and when their handlers began.
    pub latency: Histogram,
    /// How many had a handler that failed.
    pub failures: u64,
}

impl Meter {
    fn merge(&mut self, other: &Self) {
        self.handler.merge(&other.handler);
        self.latency.merge(&other.latency);
        self.failures += other.failures;
    }
}

/// What was measured of one event of one session, or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct EventMeter {
    /// The event.
    pub event: Name,
    /// What it cost.
    pub meter: Meter,
}

/// One run of a handler that was among the slowest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SlowHandler {
    /// How long it ran, together with what it called.
    pub took: Duration,
    /// When it had ended, by the kernel's time.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialize::time"))]
    pub ended: SystemTime,
    /// Whose handler it was.
    pub session: SessionId,
    /// For which event.
    pub event: Name,
    /// Where the event had been sent.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::inspect::place"))]
    pub sent: &'static Location<'static>,
}

/// What was measured since measuring began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Profile {
    /// By event name, over all sessions there were; what took longest in all comes first.
    pub events: Vec<EventMeter>,
    /// The slowest runs of handlers, slowest first.
    pub slowest: Vec<SlowHandler>,
}

/// The measurements as they are taken.
#[derive(Debug, Default)]
pub(crate) struct Measurements {
    by_session: IdMap<SessionId, IdMap<Name, Meter>>,
    /// Of sessions that have stopped.
    ended: IdMap<Name, Meter>,
    slowest: Vec<SlowHandler>,
    /// Whether they end with the trace that began them.
    by_trace: bool,
}

/// How many slow runs are remembered.
const SLOWEST: usize = 16;

impl Measurements {
    fn record(
        &mut self,
        (session, event): (Option<SessionId>, Name),
        latency: Option<Duration>,
        took: Duration,
        failed: bool,
    ) {
        let meters = match session {
            Some(session) => self.by_session.entry(session).or_default(),
            None => &mut self.ended,
        };
        let meter = meters.entry(event).or_default();
        meter.handler.record(took);
        if let Some(latency) = latency {
            meter.latency.record(latency);
        }
        meter.failures += u64::from(failed);
    }

    fn record_slow(&mut self, slow: SlowHandler) {
        let place = self.slowest.partition_point(|other| other.took >= slow.took);
        if place < SLOWEST {
            self.slowest.truncate(SLOWEST - 1);
            self.slowest.insert(place, slow);
        }
    }

    fn is_slow(&self, took: Duration) -> bool {
        self.slowest.get(SLOWEST - 1).is_none_or(|last| took > last.took)
    }

    /// Adds what was measured of a session that has stopped to that of all such.
    pub(crate) fn end_session(&mut self, session: SessionId) {
        for (event, meter) in self.by_session.remove(&session).into_iter().flatten() {
            self.ended.entry(event).or_default().merge(&meter);
        }
    }

    pub(crate) fn of_session(&self, session: SessionId) -> Vec<EventMeter> {
        self.by_session.get(&session).map(sorted).unwrap_or_default()
    }

    pub(crate) fn profile(&self) -> Profile {
        let mut all = self.ended.clone();
        for (event, meter) in self.by_session.values().flatten() {
            all.entry(*event).or_default().merge(meter);
        }
        Profile { events: sorted(&all), slowest: self.slowest.clone() }
    }
}

fn sorted(meters: &IdMap<Name, Meter>) -> Vec<EventMeter> {
    let mut list: Vec<EventMeter> =
        meters.iter().map(|(&event, meter)| EventMeter { event, meter: meter.clone() }).collect();
    list.sort_by_key(|entry| (Reverse(entry.meter.handler.total()), entry.event));
    list
}

impl Kernel {
    /// Begins to measure what events cost, from nothing, or ceases to and forgets it (POE: `TRACE_PROFILE`, once).
    ///
    /// For as long as it is measured, each event costs two more looks at the clock. What was measured is in
    /// [`Kernel::profile`], and by session in [`Kernel::inspect`].
    ///
    /// ```
    /// # use poe_kernel::{Delivery, Dispatch, Kernel, Outcome};
    /// # struct Mute;
    /// # impl Dispatch for Mute {
    /// #     fn dispatch(&self, _: Delivery<'_>) -> Outcome { Ok(()) }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let kernel = Kernel::new()?;
    /// kernel.set_profiling(true);
    /// let session = kernel.session_alloc(std::rc::Rc::new(Mute), ())?;
    /// kernel.post(session, "work", ())?;
    /// kernel.run()?;
    /// let profile = kernel.profile().unwrap_or_default();
    /// let work = profile.events.iter().find(|entry| entry.event == "work").ok_or("was dispatched")?;
    /// assert_eq!(work.meter.handler.count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_profiling(&self, on: bool) {
        let measurements = on.then(Measurements::default);
        self.inner.measurements.replace(measurements);
        self.update_observing();
    }

    /// Begins to measure because a trace is on, or ceases to because it no longer is.
    pub(crate) fn profile_for_trace(&self, on: bool) {
        let mut measurements = self.inner.measurements.borrow_mut();
        match &*measurements {
            None if on => {
                *measurements = Some(Measurements { by_trace: true, ..Measurements::default() });
            }
            Some(Measurements { by_trace: true, .. }) if !on => *measurements = None,
            _ => {}
        }
    }

    /// What was measured since profiling was set on; `None` when it is off.
    #[must_use]
    pub fn profile(&self) -> Option<Profile> {
        self.inner.measurements.borrow().as_ref().map(Measurements::profile)
    }

    /// Takes down what an event cost.
    pub(crate) fn measure(
        &self,
        run: &Envelope,
        latency: Option<Duration>,
        took: Duration,
        failed: bool,
    ) {
        let mut measurements = self.inner.measurements.borrow_mut();
        let Some(measurements) = &mut *measurements else { return };
        // Its handler may have stopped it.
        let session = Some(run.session).filter(|&session| self.is_live(session));
        measurements.record((session, run.event), latency, took, failed);
        if measurements.is_slow(took) {
            let (session, event, sent) = (run.session, run.event, run.caller.location);
            let ended = self.time();
            measurements.record_slow(SlowHandler { took, ended, session, event, sent });
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "handlers by event")?;
        for EventMeter { event, meter } in &self.events {
            writeln!(f, "  {event}: {}", meter.handler)?;
            if meter.latency.count() > 0 {
                writeln!(f, "    late by: {}", meter.latency)?;
            }
            if meter.failures > 0 {
                writeln!(f, "    failed: {}", meter.failures)?;
            }
        }
        writeln!(f, "slowest handlers")?;
        for SlowHandler { took, session, event, sent, .. } in &self.slowest {
            writeln!(f, "  {took:.1?} session {session}, {event} (sent at {sent})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::{Delivery, Dispatch, Outcome};

    struct Brief;

    impl Dispatch for Brief {
        fn dispatch(&self, delivery: Delivery<'_>) -> Outcome {
            if delivery.event == "enough" {
                delivery.kernel.session_stop(delivery.session).unwrap();
            }
            Ok(())
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has none of the calls that wait")]
    fn nothing_is_kept_of_a_session_that_its_handler_has_stopped() {
        let kernel = Kernel::builder().profiling(true).build().unwrap();
        let session = kernel.session_alloc(Rc::new(Brief), ()).unwrap();
        kernel.post(session, "enough", ()).unwrap();
        kernel.run().unwrap();
        let profile = kernel.profile().unwrap();
        let enough = profile.events.iter().find(|entry| entry.event == "enough").unwrap();
        assert_eq!(enough.meter.handler.count(), 1);
        let measurements = kernel.inner.measurements.borrow();
        assert!(measurements.as_ref().unwrap().by_session.is_empty());
    }
}
