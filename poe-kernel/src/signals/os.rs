//! Signals of the operating system, brought into the loop through a pipe.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use nix::sys::signal::{SigSet, SigmaskHow, Signal as Number};
use signal_hook::SigId;
use signal_hook::low_level::unregister;

use super::tally::Tally;
use crate::hash::IdMap;
use crate::queue::Kind;
use crate::trace::trace;
use crate::{Kernel, Mode, Name, Payload, SessionId, SignalError, Watch, WatchId};

const CHLD: usize = Number::SIGCHLD as usize;

/// The signals that this kernel catches, and the pipe they come through while it catches any.
#[derive(Debug, Default)]
pub(crate) struct OsSignals {
    caught: IdMap<Name, Caught>,
    intake: Option<Intake>,
}

#[derive(Debug)]
struct Caught {
    number: i32,
    action: SigId,
}

#[derive(Debug)]
struct Intake {
    tally: Arc<Tally>,
    watch: WatchId,
}

impl Drop for OsSignals {
    fn drop(&mut self) {
        for caught in self.caught.values() {
            caught.end();
        }
    }
}

impl Caught {
    fn number(&self) -> usize {
        usize::try_from(self.number).unwrap_or_default()
    }

    /// From here on no handler notes the signal. One that comes meanwhile does what it does by default, or is noted.
    fn end(&self) {
        Dispositions::release(self.number);
        unregister(self.action);
    }
}

impl OsSignals {
    /// Whether something has come that is yet to be told.
    pub(super) fn have_come(&self) -> bool {
        self.intake.as_ref().is_some_and(|intake| intake.tally.is_filled())
    }

    fn name(&self, number: usize) -> Option<Name> {
        let mut caught = self.caught.iter();
        caught
            .find(|(_, caught)| usize::try_from(caught.number) == Ok(number))
            .map(|(name, _)| *name)
    }
}

/// Turns what has come into events, when the pipe says that something has.
struct Drain {
    tally: Arc<Tally>,
    reader: Rc<UnixStream>,
}

impl Watch for Drain {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        let mut chld = None;
        self.tally.drain(&*self.reader, |number| {
            let signal = kernel.inner.signals.borrow().os.name(number);
            match signal {
                Some(signal) if number == CHLD => chld = Some(signal),
                Some(signal) => kernel.signal_all(signal),
                None => {}
            }
        });
        if let Some(signal) = chld {
            kernel.sigchld(signal);
        }
    }
}

impl Kernel {
    /// Catches a signal, if the operating system has one of that name and it is not caught yet.
    pub(super) fn watch_os_signal(&self, signal: Name) -> Result<(), SignalError> {
        let Some(number) = number(signal) else { return Ok(()) };
        if self.inner.signals.borrow().os.caught.contains_key(&signal) {
            return Ok(());
        }
        let failed = |source: io::Error| SignalError::Os { signal, source };
        let tally = self.intake().map_err(failed)?;
        match Dispositions::claim(number, || crate::sys::on_signal(number, tally)) {
            Ok(action) => {
                let caught = Caught { number, action };
                self.inner.signals.borrow_mut().os.caught.insert(signal, caught);
                Ok(())
            }
            Err(source) => {
                self.end_idle_intake();
                Err(failed(source))
            }
        }
    }

    /// No longer catches a signal. What has come of it already is still told.
    fn ignore_os_signal(&self, signal: Name) {
        let caught = self.inner.signals.borrow_mut().os.caught.remove(&signal);
        let Some(caught) = caught else { return };
        caught.end();
        let signals = self.inner.signals.borrow();
        let number = caught.number();
        let left = signals.os.intake.as_ref().map_or(0, |intake| intake.tally.take(number));
        drop(signals);
        self.tell(signal, number, left);
        self.end_idle_intake();
    }

    /// Ends the catching of a signal that nobody watches, unless children are looked after by it.
    pub(super) fn release_os_signal(&self, signal: Name) {
        let is_needed = {
            let signals = self.inner.signals.borrow();
            let is_watched = signals.watches.contains_key(&signal);
            is_watched || (signal == "CHLD" && signals.children.need_sigchld())
        };
        if !is_needed {
            self.ignore_os_signal(signal);
        }
    }

    /// Has children looked after by `SIGCHLD`, at once for those that have ended already.
    pub(super) fn expect_sigchld(&self) -> Result<(), SignalError> {
        self.watch_os_signal(Name::new("CHLD"))?;
        if let Some(intake) = &self.inner.signals.borrow().os.intake {
            intake.tally.note(Number::SIGCHLD as i32);
        }
        Ok(())
    }

    /// Tells every session of a signal that came from outside.
    pub(super) fn signal_all(&self, signal: Name) {
        let root = SessionId::KERNEL;
        trace!(self, SIGNALS, root, "signal {signal} has come");
        self.enqueue(Kind::Signal, root, root, signal, self.caller(), Payload::default());
    }

    /// Has signals come in by a pipe of this process, and not by its parent's. None is lost on the way.
    pub(crate) fn renew_intake(&self) -> Result<(), SignalError> {
        let _blocked = Blocked::all();
        let (caught, intake, watched) = {
            let signals = &mut *self.inner.signals.borrow_mut();
            let watched: Vec<Name> = signals.watches.keys().copied().collect();
            (std::mem::take(&mut signals.os.caught), signals.os.intake.take(), watched)
        };
        caught.values().for_each(Caught::end);
        if let Some(old) = intake {
            self.unwatch(old.watch);
            for (&signal, caught) in &caught {
                self.tell(signal, caught.number(), old.tally.take_in_child(caught.number()));
            }
        }
        watched.into_iter().try_for_each(|signal| self.watch_os_signal(signal))
    }

    /// Tells of a signal as often as it came; of `CHLD`, what is to be said of children.
    fn tell(&self, signal: Name, number: usize, times: u32) {
        if number != CHLD {
            (0..times).for_each(|_| self.signal_all(signal));
        } else if times > 0 {
            self.sigchld(signal);
        }
    }

    /// Where signal handlers leave what comes for this kernel.
    fn intake(&self) -> io::Result<Arc<Tally>> {
        if let Some(intake) = &self.inner.signals.borrow().os.intake {
            return Ok(Arc::clone(&intake.tally));
        }
        let (reader, writer) = UnixStream::pair()?;
        writer.set_nonblocking(true)?;
        let (reader, tally) = (Rc::new(reader), Arc::new(Tally::new(writer)));
        let drain = Drain { tally: Arc::clone(&tally), reader: Rc::clone(&reader) };
        let watch = self.watch_internally(&reader, Rc::new(drain)).map_err(io::Error::other)?;
        let intake = Intake { tally: Arc::clone(&tally), watch };
        self.inner.signals.borrow_mut().os.intake = Some(intake);
        Ok(tally)
    }

    /// Closes the pipe when nothing comes through it any more.
    fn end_idle_intake(&self) {
        let mut signals = self.inner.signals.borrow_mut();
        let intake = if signals.os.caught.is_empty() { signals.os.intake.take() } else { None };
        drop(signals);
        if let Some(intake) = intake {
            self.unwatch(intake.watch);
        }
    }
}

/// Holds back all signals of this thread while it lives.
struct Blocked(SigSet);

impl Blocked {
    fn all() -> Option<Self> {
        SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok().map(Self)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        let _ = self.0.thread_set_mask();
    }
}

/// What the signal is called here that is named as C does, `SIGTERM`.
pub(super) fn without_prefix(signal: Name) -> Option<&'static str> {
    let number = Number::from_str(&signal.as_str().to_ascii_uppercase()).ok()?;
    number.as_str().strip_prefix("SIG")
}

fn number(signal: Name) -> Option<i32> {
    let number = Number::from_str(&format!("SIG{signal}")).ok()?;
    // These stop or break a process whatever is asked; a session may still send them by name.
    let untouched =
        [Number::SIGKILL, Number::SIGSTOP, Number::SIGSEGV, Number::SIGILL, Number::SIGFPE];
    (!untouched.contains(&number)).then_some(number as i32)
}

/// Which caught signals some kernel of the process still wants; the others act as they do by default, but for `PIPE`,
/// which is ignored.
struct Dispositions;

type Claims = Mutex<HashMap<i32, (Arc<AtomicBool>, usize)>>;

impl Dispositions {
    fn claims() -> &'static Claims {
        static CLAIMS: OnceLock<Claims> = OnceLock::new();
        CLAIMS.get_or_init(Mutex::default)
    }

    /// Has a signal noted, and its default action taken from it.
    ///
    /// That is asked for first whenever the signal comes, and taken from it last here: so none does neither, and none does both
    /// because the claim was released between the two.
    fn claim(number: i32, note: impl FnOnce() -> io::Result<SigId>) -> io::Result<SigId> {
        let mut claims = Self::claims().lock().unwrap_or_else(PoisonError::into_inner);
        let (is_default, count) = match claims.entry(number) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let is_default = Arc::new(AtomicBool::new(true));
                // Rust ignores broken pipes from the start, and its programs count on that: nobody's `PIPE` kills.
                if number != Number::SIGPIPE as i32 {
                    let flag = Arc::clone(&is_default);
                    signal_hook::flag::register_conditional_default(number, flag)?;
                }
                entry.insert((is_default, 0))
            }
        };
        let action = note()?;
        *count += 1;
        is_default.store(false, Ordering::SeqCst);
        Ok(action)
    }

    fn release(number: i32) {
        let mut claims = Self::claims().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((is_default, count)) = claims.get_mut(&number) {
            *count -= 1;
            is_default.store(*count == 0, Ordering::SeqCst);
        }
    }
}
