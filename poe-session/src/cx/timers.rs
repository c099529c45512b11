//! Timers of the session whose handler runs.

use std::time::{Duration, SystemTime};

use poe_kernel::{Alarm, EventFor, Name, Shift, TimerError, TimerId};

use super::Cx;
use crate::Kind;

impl<H: 'static, K: Kind> Cx<'_, H, K> {
    /// As [`Kernel::alarm`](poe_kernel::Kernel::alarm). A session that has been stopped gets [`TimerId::NONE`].
    #[track_caller]
    pub fn alarm<P: 'static>(
        &self,
        event: impl EventFor<P>,
        time: SystemTime,
        payload: P,
    ) -> TimerId {
        self.kernel.alarm(event, time, payload).unwrap_or(TimerId::NONE)
    }

    /// As [`Kernel::alarm_set`](poe_kernel::Kernel::alarm_set) (POE: `alarm_add`, `alarm_set`).
    #[track_caller]
    pub fn alarm_set<P: 'static>(
        &self,
        event: impl EventFor<P>,
        time: SystemTime,
        payload: P,
    ) -> TimerId {
        self.kernel.alarm_set(event, time, payload).unwrap_or(TimerId::NONE)
    }

    /// As [`Kernel::delay`](poe_kernel::Kernel::delay): one timer of this name, put off anew.
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::time::Duration;
    ///
    /// Session::build(0_u32)
    ///     .on_start(|cx| cx.yield_event("input", 1_u32))
    ///     .on("input", |cx, n: u32| {
    ///         cx.delay("idle for too long", Duration::from_secs(60), ());
    ///         if n < 5 {
    ///             cx.delay_set("input", Duration::from_secs(50), n + 1);
    ///         }
    ///     })
    ///     .on("idle for too long", |cx, ()| *cx.heap += 1)
    ///     .on_stop(|cx| assert_eq!(*cx.heap, 1))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn delay<P: 'static>(
        &self,
        event: impl EventFor<P>,
        after: Duration,
        payload: P,
    ) -> TimerId {
        self.kernel.delay(event, after, payload).unwrap_or(TimerId::NONE)
    }

    /// As [`Kernel::delay_set`](poe_kernel::Kernel::delay_set) (POE: `delay_add`, `delay_set`).
    #[track_caller]
    pub fn delay_set<P: 'static>(
        &self,
        event: impl EventFor<P>,
        after: Duration,
        payload: P,
    ) -> TimerId {
        self.kernel.delay_set(event, after, payload).unwrap_or(TimerId::NONE)
    }

    /// As [`Kernel::alarm_clear`](poe_kernel::Kernel::alarm_clear).
    #[track_caller]
    pub fn alarm_clear(&self, event: impl Into<Name>) -> Vec<Alarm> {
        self.kernel.alarm_clear(event)
    }

    /// As [`Kernel::alarm_adjust`](poe_kernel::Kernel::alarm_adjust).
    ///
    /// # Errors
    ///
    /// [`TimerError`] when the timer is gone, or another session's.
    #[track_caller]
    pub fn alarm_adjust(&self, timer: TimerId, shift: Shift) -> Result<SystemTime, TimerError> {
        self.kernel.alarm_adjust(timer, shift)
    }

    /// As [`Kernel::delay_adjust`](poe_kernel::Kernel::delay_adjust).
    ///
    /// # Errors
    ///
    /// [`TimerError`] when the timer is gone, or another session's.
    #[track_caller]
    pub fn delay_adjust(&self, timer: TimerId, after: Duration) -> Result<SystemTime, TimerError> {
        self.kernel.delay_adjust(timer, after)
    }

    /// As [`Kernel::alarm_remove`](poe_kernel::Kernel::alarm_remove).
    ///
    /// # Errors
    ///
    /// [`TimerError`] when the timer is gone, or another session's.
    #[track_caller]
    pub fn alarm_remove(&self, timer: TimerId) -> Result<Alarm, TimerError> {
        self.kernel.alarm_remove(timer)
    }

    /// As [`Kernel::alarm_remove_all`](poe_kernel::Kernel::alarm_remove_all).
    #[track_caller]
    pub fn alarm_remove_all(&self) -> Vec<Alarm> {
        self.kernel.alarm_remove_all()
    }
}
