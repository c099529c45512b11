//! Timers of the session whose handler runs.

use std::time::{Duration, SystemTime};

use poe_kernel::{Alarm, EventFor, Name, Shift, TimerError, TimerId};

use super::Cx;
use crate::Kind;

impl<H: 'static, K: Kind> Cx<'_, H, K> {
    /// As [`Kernel::alarm`](poe_kernel::Kernel::alarm). A session that has been stopped gets [`TimerId::NONE`].
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::time::Duration;
    ///
    /// let minutes = |n: u64| Duration::from_secs(60 * n);
    /// Session::build(())
    ///     .on_start(move |cx| {
    ///         let now = cx.kernel.time();
    ///         cx.alarm("wake up", now + minutes(5), "never");
    ///         cx.alarm("wake up", now + minutes(7), "in place of the other");
    ///     })
    ///     .on("wake up", |_, text: &str| assert_eq!(text, "in place of the other"))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::time::Duration;
    ///
    /// Session::build(Vec::new())
    ///     .on_start(|cx| {
    ///         let now = cx.kernel.time();
    ///         for n in [3, 1, 2] {
    ///             cx.alarm_set("chime", now + Duration::from_secs(n), n);
    ///         }
    ///     })
    ///     .on("chime", |cx, n: u64| cx.heap.push(n))
    ///     .on_stop(|cx| assert_eq!(*cx.heap, [1, 2, 3]))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::time::Duration;
    ///
    /// Session::build(0)
    ///     .on("connected", |cx, peer: &str| cx.delay_set("greet", Duration::from_secs(1), peer.to_owned()))
    ///     .on("greet", |cx, peer: String| *cx.heap += peer.len())
    ///     .on_start(|cx| {
    ///         cx.yield_event("connected", "Ada");
    ///         cx.yield_event("connected", "Grace");
    ///     })
    ///     .on_stop(|cx| assert_eq!(*cx.heap, 8))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::time::Duration;
    ///
    /// Session::build(())
    ///     .on_start(|cx| {
    ///         cx.delay("give up", Duration::from_secs(60), ());
    ///         cx.yield_event("answer", ());
    ///     })
    ///     .on("answer", |cx, ()| assert_eq!(cx.alarm_clear("give up").len(), 1))
    ///     .on("give up", |_, ()| Err::<(), _>("there was an answer"))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn alarm_clear(&self, event: impl Into<Name>) -> Vec<Alarm> {
        self.kernel.alarm_clear(event)
    }

    /// As [`Kernel::alarm_adjust`](poe_kernel::Kernel::alarm_adjust).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::time::Duration;
    ///
    /// Session::build(())
    ///     .on_start(|cx| -> HandlerResult {
    ///         let noon = cx.kernel.time() + Duration::from_secs(3600);
    ///         let lunch = cx.alarm_set("lunch", noon, ());
    ///         let moved = cx.alarm_adjust(lunch, Shift::Later(Duration::from_secs(900)))?;
    ///         assert_eq!(moved, noon + Duration::from_secs(900));
    ///         Ok(())
    ///     })
    ///     .on("lunch", |_, ()| ())
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
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
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::time::Duration;
    ///
    /// #[derive(Default)]
    /// struct Watchdog {
    ///     timer: TimerId,
    /// }
    ///
    /// const LIMIT: Duration = Duration::from_secs(10);
    ///
    /// Session::build(Watchdog::default())
    ///     .on_start(|cx| {
    ///         cx.heap.timer = cx.delay_set("too late", LIMIT, ());
    ///         cx.delay("sign of life", Duration::from_secs(7), 1);
    ///     })
    ///     .on("sign of life", |cx, n: i32| -> HandlerResult {
    ///         cx.delay_adjust(cx.heap.timer, LIMIT)?;
    ///         if n < 5 {
    ///             cx.delay("sign of life", Duration::from_secs(7), n + 1);
    ///         }
    ///         Ok(())
    ///     })
    ///     .on("too late", |_, ()| ())
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # assert_eq!(kernel.time(), std::time::UNIX_EPOCH + Duration::from_secs(45));
    /// # Ok(())
    /// # }
    /// ```
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
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::time::Duration;
    ///
    /// Session::build(())
    ///     .on_start(|cx| -> HandlerResult {
    ///         let timer = cx.delay_set("send", Duration::from_secs(5), "a draft");
    ///         let removed = cx.alarm_remove(timer)?;
    ///         assert_eq!(removed.payload.downcast_ref(), Some(&"a draft"));
    ///         assert!(cx.alarm_remove(timer).is_err());
    ///         Ok(())
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TimerError`] when the timer is gone, or another session's.
    #[track_caller]
    pub fn alarm_remove(&self, timer: TimerId) -> Result<Alarm, TimerError> {
        self.kernel.alarm_remove(timer)
    }

    /// As [`Kernel::alarm_remove_all`](poe_kernel::Kernel::alarm_remove_all).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// use std::time::Duration;
    ///
    /// Session::build(())
    ///     .on_start(|cx| {
    ///         cx.delay_set("later", Duration::from_secs(2), ());
    ///         cx.delay_set("soon", Duration::from_secs(1), ());
    ///         let names: Vec<Name> = cx.alarm_remove_all().iter().map(|alarm| alarm.event).collect();
    ///         assert_eq!(names, ["soon", "later"]);
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn alarm_remove_all(&self) -> Vec<Alarm> {
        self.kernel.alarm_remove_all()
    }
}
