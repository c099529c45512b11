//! A long life on the virtual clock, after which the memory is as it was.
//!
//! `cargo xtask soak` has it last an hour, by the variable `POE_SOAK_MINUTES`.

mod common;

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use common::{kernel, millis, seconds, start};
use poe_session::prelude::*;

const WORKERS: usize = 25;

/// How many ticks a worker lives.
const TICKS: u32 = 100;

/// Ticks, and at each sends itself something, tells its parent in any priority, calls it, and puts a timer off. Now and then it begins to watch a
/// handle and signals, and ends that again, or leaves it to its end.
struct Worker {
    ticks: u32,
    timeout: TimerId,
    near: Option<Rc<UnixStream>>,
    far: Option<UnixStream>,
    heard: Rc<Heard>,
}

/// What came to all workers by what they watch.
#[derive(Default)]
struct Heard {
    octets: Cell<u64>,
    signals: Cell<u64>,
}

impl Worker {
    fn watch(cx: &mut Cx<'_, Self>) -> HandlerResult {
        Self::end_watch(cx);
        let (near, mut far) = UnixStream::pair()?;
        far.write_all(b"x")?;
        let near = Rc::new(near);
        cx.select_read(&near, "readable")?;
        cx.select_write(&near, "writable")?;
        (cx.heap.near, cx.heap.far) = (Some(near), Some(far));
        cx.sig("USR1", "told")?;
        cx.sig("SOAK", "told")?;
        Ok(cx.signal(cx.session(), "SOAK", ())?)
    }

    fn end_watch(cx: &mut Cx<'_, Self>) {
        if let Some(near) = cx.heap.near.take() {
            cx.select_end(&near, Mode::Read);
        }
    }

    fn read(cx: &mut Cx<'_, Self>, ready: Ready<UnixStream>) -> HandlerResult {
        (&*ready.handle).read_exact(&mut [0])?;
        cx.heap.heard.octets.set(cx.heap.heard.octets.get() + 1);
        // Half of them wait for what does not come.
        if cx.heap.ticks % 40 < 20 {
            cx.select_end(&ready.handle, Mode::Read);
        } else {
            cx.select_pause(&ready.handle, Mode::Read);
        }
        Ok(())
    }
}

/// Keeps so many workers alive until it is late enough.
struct Nursery {
    workers: Handlers<Worker>,
    until: Duration,
    reports: Rc<Cell<u64>>,
    heard: Rc<Heard>,
}

fn workers() -> Handlers<Worker> {
    Handlers::new()
        .on_start(|cx: &mut Cx<'_, Worker>| -> HandlerResult {
            cx.heap.timeout = cx.delay_set("timeout", seconds(30), ());
            cx.kernel.alias_set(format!("worker {}", cx.session()))?;
            cx.refcount_increment(cx.session(), "work")?;
            cx.delay("tick", millis(7), ());
            Ok(())
        })
        .on("tick", |cx, ()| -> HandlerResult {
            cx.heap.ticks += 1;
            cx.yield_event("report", format!("{} ticks", cx.heap.ticks));
            cx.delay_adjust(cx.heap.timeout, seconds(30))?;
            match cx.heap.ticks % 20 {
                5 => Worker::watch(cx)?,
                // The last ones end with their session.
                15 if cx.heap.ticks < TICKS - 20 => {
                    cx.sig_ignore("USR1");
                    cx.sig_ignore("SOAK");
                }
                _ => {}
            }
            if cx.heap.ticks < TICKS {
                cx.delay("tick", millis(7), ());
                return Ok(());
            }
            Worker::end_watch(cx);
            cx.kernel.alarm_remove(cx.heap.timeout)?;
            cx.kernel.alias_remove(format!("worker {}", cx.session()))?;
            cx.refcount_decrement(cx.session(), "work")?;
            Ok(())
        })
        .on("report", |cx, text: String| -> HandlerResult {
            let asked: u64 = cx.call("nursery", "ask", cx.heap.ticks)?;
            let priority = [Priority::High, Priority::Normal, Priority::Low][asked as usize % 3];
            cx.post_with(priority, "nursery", "report", (asked, text))?;
            Ok(())
        })
        .on("readable", Worker::read)
        .on("writable", |cx, ready: Ready<UnixStream>| cx.select_end(&ready.handle, Mode::Write))
        .on("told", |cx, _: Signal| cx.heap.heard.signals.set(cx.heap.heard.signals.get() + 1))
        .on("timeout", |_, ()| -> HandlerResult { Err("a worker hangs".into()) })
}

impl Nursery {
    fn spawn_worker(cx: &mut Cx<'_, Self>) -> HandlerResult {
        let heard = cx.heap.heard.clone();
        let worker = Worker { ticks: 0, timeout: TimerId::NONE, near: None, far: None, heard };
        Session::with(&cx.heap.workers.clone(), worker).spawn(cx)?;
        Ok(())
    }

    fn child(cx: &mut Cx<'_, Self>, child: Child) -> HandlerResult {
        let age = cx.kernel.time().duration_since(start())?;
        if child.change == Change::Stop && age < cx.heap.until {
            Self::spawn_worker(cx)?;
        }
        Ok(())
    }
}

/// Resident memory in KiB, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// How many descriptors are open, where the system tells.
fn descriptors() -> usize {
    std::fs::read_dir("/dev/fd").map_or(0, Iterator::count)
}

/// Whether anything is watched, which takes memory meanwhile.
fn is_watching(kernel: &Kernel) -> bool {
    let inspection = kernel.inspect();
    !inspection.watches.is_empty() || !inspection.signals.is_empty()
}

#[test]
fn memory_is_flat_over_a_long_life() {
    let minutes = std::env::var("POE_SOAK_MINUTES").map_or(1, |text| text.parse().unwrap());
    let (reports, heard) = (Rc::new(Cell::new(0)), Rc::new(Heard::default()));
    let kernel = kernel();
    let files = descriptors();
    let until = Duration::from_secs(60 * minutes);
    let nursery =
        Nursery { workers: workers(), until, reports: reports.clone(), heard: heard.clone() };
    Session::build(nursery)
        .on_start(|cx| -> HandlerResult {
            cx.kernel.alias_set("nursery")?;
            (0..WORKERS).try_for_each(|_| Nursery::spawn_worker(cx))
        })
        .on_child(Nursery::child)
        .on("ask", |_, ticks: u32| Reply(u64::from(ticks)))
        .on("report", |cx, (ticks, text): (u64, String)| {
            assert_eq!(text, format!("{ticks} ticks"));
            cx.heap.reports.set(cx.heap.reports.get() + 1);
        })
        .spawn(&kernel)
        .unwrap();

    // A tenth of it warms up: what the allocator and the tables take then is all they need.
    let age = || kernel.time().duration_since(start()).unwrap();
    kernel.run_while(|| age() < until / 10 || is_watching(&kernel)).unwrap();
    let (tables, memory) = (kernel.inspect().memory, resident());
    // Before the last of them.
    kernel.run_while(|| age() < until * 9 / 10 || is_watching(&kernel)).unwrap();
    assert_eq!(kernel.inspect().memory, tables);
    if let (Some(before), Some(after)) = (memory, resident()) {
        assert!(after <= before + 256, "from {before} to {after} KiB");
    }

    kernel.run().unwrap();
    let left = kernel.inspect();
    assert!(left.sessions.is_empty() && left.queue.is_empty() && left.timers.is_empty());
    let lineages = WORKERS as u64;
    assert!(reports.get() > lineages * 60_000 * minutes / 8, "{} reports", reports.get());
    assert_eq!(reports.get() % u64::from(TICKS), 0);
    assert!(left.dispatched > 3 * reports.get());
    let watched = reports.get() / u64::from(TICKS) * u64::from(TICKS / 20);
    assert_eq!((heard.octets.get(), heard.signals.get()), (watched, watched));
    assert!(left.watches.is_empty() && left.signals.is_empty());
    assert_eq!(descriptors(), files);
}
