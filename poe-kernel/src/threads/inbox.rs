//! What other threads have for a kernel, until it takes it in.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use crate::{Kernel, Wake};

/// Something that another thread has made for the kernel.
pub(super) trait Parcel: Send {
    /// Does what it is for, on the kernel's thread.
    fn open(self: Box<Self>, kernel: &Kernel);
}

/// Where parcels wait. It is shared by the kernel and all who send to it, and outlives either.
///
/// That no parcel lies here while the kernel sleeps: `is_filled` is set and cleared under the lock, set with the first
/// parcel that comes and cleared when all are taken. Whoever set it wakes the loop afterwards, and a wake is never lost:
/// it ends the wait that is on or the next one. So after any parcel was put in, either the kernel has not looked since,
/// and there is a wake still to come or a wait about to end, after which it looks; or it has, under the lock, and took
/// the parcel. Before it waits the kernel looks at the flag too, and does not wait if it is set, as it is when a wake
/// came while it could take nothing in. It reads the flag without the lock, and what that read means is settled by the
/// lock that it takes next; too early a read is made good by the wake. But a loop may make one wake of two, the second of
/// which then comes to nothing while the first is being cleared: what the flag is set to before a wake has to be seen after
/// the wait that it ended, so that all of this is in one order.
pub(super) struct Inbox {
    state: Mutex<State>,
    /// There is room again, or there never will be.
    room: Condvar,
    is_filled: AtomicBool,
    capacity: usize,
    waker: Arc<dyn Wake>,
    /// The thread that the kernel lives on.
    home: ThreadId,
}

#[derive(Default)]
struct State {
    parcels: VecDeque<Box<dyn Parcel>>,
    /// How many of them were posted, which is what the capacity is for. The others were asked for by the kernel.
    posted: usize,
    is_closed: bool,
    /// The kernel waits for work to end, and takes nothing in meanwhile.
    home_waits: bool,
}

thread_local! {
    /// The inbox of the kernel whose blocking work this thread does, by address.
    static WORKS_FOR: Cell<*const Inbox> = const { Cell::new(std::ptr::null()) };
}

/// Why a parcel was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Full,
    Deadlock,
    Gone,
}

impl Inbox {
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Puts in a parcel that nobody asked for, if there is room, or once there is.
    pub(super) fn post<T: Parcel + 'static>(
        &self,
        parcel: Box<T>,
        waits: bool,
    ) -> Result<(), (Refusal, Box<T>)> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return Err((Refusal::Gone, parcel));
            }
            if state.posted < self.capacity {
                break;
            }
            if !waits {
                return Err((Refusal::Full, parcel));
            }
            if self.is_home() || (state.home_waits && self.works_here()) {
                return Err((Refusal::Deadlock, parcel));
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.posted += 1;
        self.push(state, parcel);
        Ok(())
    }

    /// Puts in a parcel that the kernel waits for, whose room is its own. One for a kernel that is gone is dropped.
    pub(super) fn put(&self, parcel: Box<dyn Parcel>) {
        let state = self.lock();
        if !state.is_closed {
            self.push(state, parcel);
        }
    }

    fn push(&self, mut state: MutexGuard<'_, State>, parcel: Box<dyn Parcel>) {
        state.parcels.push_back(parcel);
        let is_first = !self.is_filled.swap(true, Ordering::SeqCst);
        drop(state);
        if is_first {
            self.waker.wake();
        }
    }

    /// Does a kernel's blocking work.
    pub(super) fn work<R>(self: &Arc<Self>, f: impl FnOnce() -> R) -> R {
        WORKS_FOR.set(Arc::as_ptr(self));
        let result = f();
        WORKS_FOR.set(std::ptr::null());
        result
    }

    /// Says whether the kernel waits for its work to end. What the work waits for meanwhile, it waits for in vain.
    pub(super) fn set_home_waits(&self, waits: bool) {
        self.lock().home_waits = waits;
        if waits {
            self.room.notify_all();
        }
    }

    fn is_home(&self) -> bool {
        std::thread::current().id() == self.home
    }

    fn works_here(&self) -> bool {
        std::ptr::eq(WORKS_FOR.get(), self)
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    fn take(&self, into: &mut VecDeque<Box<dyn Parcel>>) {
        let mut state = self.lock();
        std::mem::swap(&mut state.parcels, into);
        self.is_filled.store(false, Ordering::SeqCst);
        let was_full = std::mem::take(&mut state.posted) == self.capacity;
        drop(state);
        if was_full {
            self.room.notify_all();
        }
    }

    fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let left = std::mem::take(&mut state.parcels);
        drop(state);
        self.room.notify_all();
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_closed = self.lock().is_closed;
        f.debug_struct("Inbox")
            .field("capacity", &self.capacity)
            .field("is_closed", &is_closed)
            .finish_non_exhaustive()
    }
}

/// The kernel's end of its inbox, which there is none of until somebody wants to send.
pub(super) struct Arrivals {
    capacity: usize,
    inbox: OnceCell<Arc<Inbox>>,
    /// What was taken out of the inbox and not yet opened: nothing, but while this is being done.
    taken: RefCell<VecDeque<Box<dyn Parcel>>>,
    /// The number of the first event after those that came last.
    batch_end: Cell<u64>,
    /// How many parcels are on their way for certain, now or later.
    pub(super) expected: Cell<usize>,
    pub(super) undelivered: Cell<u64>,
}

impl Arrivals {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            inbox: OnceCell::new(),
            taken: RefCell::default(),
            batch_end: Cell::new(0),
            expected: Cell::new(0),
            undelivered: Cell::new(0),
        }
    }

    pub(super) fn expect_one(&self) {
        self.expected.set(self.expected.get() + 1);
    }

    pub(super) fn expect_less(&self, count: usize) {
        self.expected.set(self.expected.get() - count);
    }

    /// Nothing is taken in any more, and nobody waits for room.
    pub(super) fn close(&self) {
        if let Some(inbox) = self.inbox.get() {
            inbox.close();
        }
    }
}

impl fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrivals").field("inbox", &self.inbox.get()).finish_non_exhaustive()
    }
}

impl Kernel {
    pub(super) fn inbox(&self) -> &Arc<Inbox> {
        let arrivals = &self.inner.threads.arrivals;
        arrivals.inbox.get_or_init(|| {
            Arc::new(Inbox {
                state: Mutex::default(),
                room: Condvar::new(),
                is_filled: AtomicBool::new(false),
                capacity: arrivals.capacity,
                waker: self.inner.event_loop.borrow().waker(),
                home: std::thread::current().id(),
            })
        })
    }

    /// Whether other threads have sent something that is yet to be taken in.
    pub(crate) fn has_arrivals(&self) -> bool {
        let arrivals = &self.inner.threads.arrivals;
        arrivals.inbox.get().is_some_and(|inbox| {
            inbox.is_filled.load(Ordering::SeqCst) || !arrivals.taken.borrow().is_empty()
        })
    }

    /// Whether another thread has still to send something: a result, or that a poster is gone.
    pub(crate) fn expects_arrivals(&self) -> bool {
        self.inner.threads.arrivals.expected.get() > 0
    }

    /// Takes in what other threads have sent.
    ///
    /// Not before what they had sent before has been dispatched: or a kernel that is slower than they are would queue
    /// without end what they, who find room again each time it looks, send to it.
    pub(crate) fn take_arrivals(&self) {
        if self.has_arrivals() && !self.has_undispatched_arrivals() {
            self.open_arrivals();
        }
    }

    /// Takes in all that has come by now.
    pub(super) fn open_arrivals(&self) {
        let arrivals = &self.inner.threads.arrivals;
        let is_empty = arrivals.taken.borrow().is_empty();
        if is_empty && let Some(inbox) = arrivals.inbox.get() {
            inbox.take(&mut arrivals.taken.borrow_mut());
        }
        // One by one, so that none is lost should one of them panic.
        loop {
            let parcel = arrivals.taken.borrow_mut().pop_front();
            let Some(parcel) = parcel else { break };
            parcel.open(self);
        }
        arrivals.batch_end.set(self.sequence());
    }

    fn has_undispatched_arrivals(&self) -> bool {
        let end = self.inner.threads.arrivals.batch_end.get();
        self.inner.queue.borrow().front().is_some_and(|next| next.header.sequence < end)
    }
}
