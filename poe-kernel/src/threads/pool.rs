//! The threads that do blocking work: made when there is work, ended when there has been none for a while.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::SessionId;

/// How a pool is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSettings {
    /// How many threads there may be.
    pub(crate) threads: usize,
    /// How much work may wait for one.
    pub(crate) queue: usize,
    /// How long a thread waits for work before it ends.
    pub(crate) idle: Duration,
    /// How long the end of the pool waits for work that has begun.
    pub(crate) grace: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        let (idle, grace) = (Duration::from_secs(10), Duration::from_secs(5));
        Self { threads: 8, queue: 256, idle, grace }
    }
}

/// Work for a session, which has its result sent there itself.
pub(super) struct Job {
    pub(super) session: SessionId,
    /// The call that its result is for. The pool's end does not wait for such work.
    pub(super) call: Option<u64>,
    /// Calls what it is given when the work is done, before the result is sent: whoever has the result finds room.
    pub(super) run: Work,
}

pub(super) type Work = Box<dyn FnOnce(&dyn Fn()) + Send>;

/// Why there is no room for work.
#[derive(Debug)]
pub(super) enum NoRoom {
    Full,
    NoThread(io::Error),
}

pub(super) struct Pool {
    shared: Arc<Shared>,
    /// The process that the threads are of.
    process: u32,
}

/// Room for one piece of work, which nobody else takes and no thread leaves meanwhile.
pub(super) struct Room<'a> {
    shared: &'a Shared,
    state: MutexGuard<'a, State>,
}

impl Room<'_> {
    pub(super) fn fill(mut self, job: Job) {
        self.state.queue.push_back(job);
        drop(self.state);
        self.shared.work.notify_one();
    }
}

struct Shared {
    state: Mutex<State>,
    /// There is work, or there will be no more.
    work: Condvar,
    /// There is room for work.
    room: Condvar,
    /// A thread has ended.
    ended: Condvar,
    settings: PoolSettings,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// How much work has begun and not ended.
    busy: usize,
    /// How much of it is for calls.
    busy_for_calls: usize,
    threads: HashMap<u64, JoinHandle<()>>,
    last_thread: u64,
    is_closed: bool,
}

impl Pool {
    pub(super) fn new(settings: PoolSettings) -> Self {
        let settings = PoolSettings { threads: settings.threads.max(1), ..settings };
        Self {
            process: std::process::id(),
            shared: Arc::new(Shared {
                state: Mutex::default(),
                work: Condvar::new(),
                room: Condvar::new(),
                ended: Condvar::new(),
                settings,
            }),
        }
    }

    /// How much work there may be, begun or not.
    pub(super) fn capacity(&self) -> usize {
        self.shared.settings.capacity()
    }

    /// Room for one more piece of work, and a thread for it.
    pub(super) fn room(&self, waits: bool) -> Result<Room<'_>, NoRoom> {
        let mut state = self.shared.lock();
        while state.work() >= self.capacity() {
            if !waits {
                return Err(NoRoom::Full);
            }
            state = self.shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (threads, work) = (state.threads.len(), state.work());
        if threads <= work
            && threads < self.shared.settings.threads
            && let Err(error) = Shared::start_thread(&self.shared, &mut state)
            // With fewer threads than there might be it takes longer, and is done.
            && threads == 0
        {
            return Err(NoRoom::NoThread(error));
        }
        Ok(Room { shared: &self.shared, state })
    }

    /// Drops some of the work that has not begun; how much that was.
    pub(super) fn cancel(&self, which: impl FnMut(&Job) -> bool) -> usize {
        let mut state = self.shared.lock();
        let queue = std::mem::take(&mut state.queue);
        let (cancelled, kept): (VecDeque<Job>, _) = queue.into_iter().partition(which);
        state.queue = kept;
        drop(state);
        if !cancelled.is_empty() {
            self.shared.room.notify_all();
        }
        cancelled.len()
    }
}

impl Drop for Pool {
    /// Drops what has not begun, and waits for what has, but not for ever.
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // In a child process there are no such threads, and what they held, as the lock, is held for ever.
            return;
        }
        let shared = &*self.shared;
        let mut state = shared.lock();
        state.is_closed = true;
        let queue = std::mem::take(&mut state.queue);
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        shared.work.notify_all();
        drop(queue);
        let until = Instant::now().checked_add(shared.settings.grace);
        let mut state = shared.lock();
        while state.busy > state.busy_for_calls {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let left = left.unwrap_or(Duration::MAX);
            if left.is_zero() {
                break;
            }
            let waited = shared.ended.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let is_over = state.busy == 0;
        drop(state);
        for thread in threads.into_values().filter(|thread| is_over || thread.is_finished()) {
            // It catches its work's panics, and has none of its own.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn start_thread(shared: &Arc<Self>, state: &mut State) -> io::Result<()> {
        state.last_thread += 1;
        let (number, of_thread) = (state.last_thread, Arc::clone(shared));
        let name = format!("poe-blocking-{number}");
        let thread = Builder::new().name(name).spawn(move || of_thread.serve(number))?;
        state.threads.insert(number, thread);
        Ok(())
    }

    /// What each thread does.
    fn serve(&self, number: u64) {
        let mut state = self.lock();
        let mut idle_since = Instant::now();
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.busy += 1;
                state.busy_for_calls += usize::from(job.call.is_some());
                drop(state);
                self.run(job);
                state = self.lock();
                idle_since = Instant::now();
                continue;
            }
            let left = self.settings.idle.saturating_sub(idle_since.elapsed());
            if state.is_closed || left.is_zero() {
                break;
            }
            let waited = self.work.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        // Nobody is left to join it, unless the pool is at its end.
        state.threads.remove(&number);
    }

    fn run(&self, job: Job) {
        let is_over = Cell::new(false);
        let is_for_call = job.call.is_some();
        let end = || {
            if !is_over.replace(true) {
                let mut state = self.lock();
                state.busy -= 1;
                state.busy_for_calls -= usize::from(is_for_call);
                drop(state);
                self.room.notify_all();
                self.ended.notify_all();
            }
        };
        // A panic of the work itself is its result; this one would be of what it leaves behind.
        let _ = catch_unwind(AssertUnwindSafe(|| (job.run)(&end)));
        end();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PoolSettings {
    fn capacity(&self) -> usize {
        self.threads.saturating_add(self.queue)
    }
}

impl State {
    fn work(&self) -> usize {
        self.queue.len() + self.busy
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Pool")
            .field("threads", &state.threads.len())
            .field("waiting", &state.queue.len())
            .field("busy", &state.busy)
            .finish_non_exhaustive()
    }
}
