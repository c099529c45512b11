//! Signals of the operating system, brought into the loop through a pipe each.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use nix::sys::signal::Signal as Number;
use signal_hook::SigId;
use signal_hook::low_level::{pipe, unregister};

use crate::hash::IdMap;
use crate::queue::Kind;
use crate::{Kernel, Mode, Name, Payload, SessionId, SignalError, Watch, WatchId};

/// The signals that this kernel catches.
#[derive(Debug, Default)]
pub(crate) struct OsSignals {
    caught: IdMap<Name, Caught>,
}

#[derive(Debug)]
struct Caught {
    number: i32,
    action: SigId,
    watch: WatchId,
}

impl Drop for OsSignals {
    fn drop(&mut self) {
        for caught in self.caught.values() {
            unregister(caught.action);
            Dispositions::release(caught.number);
        }
    }
}

/// One signal's end of its pipe: a byte for each time it came.
#[derive(Debug)]
struct Arrivals {
    signal: Name,
    pipe: Rc<UnixStream>,
}

impl Watch for Arrivals {
    fn ready(&self, kernel: &Kernel, _: Mode) {
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = (&*self.pipe).read(&mut bytes) {
            let root = SessionId::KERNEL;
            for _ in 0..count {
                kernel.enqueue(
                    Kind::Signal,
                    root,
                    root,
                    self.signal,
                    kernel.caller(),
                    Payload::default(),
                );
            }
        }
    }
}

impl Kernel {
    pub(super) fn watch_os_signal(&self, signal: Name) -> Result<(), SignalError> {
        let Some(number) = number(signal) else { return Ok(()) };
        if self.inner.signals.borrow().os.caught.contains_key(&signal) {
            return Ok(());
        }
        let failed = |source: io::Error| SignalError::Os { signal, source };
        let (reader, writer) = UnixStream::pair().map_err(failed)?;
        reader.set_nonblocking(true).map_err(failed)?;
        Dispositions::claim(number).map_err(failed)?;
        let action = pipe::register(number, writer).map_err(|source| {
            Dispositions::release(number);
            failed(source)
        })?;
        let pipe = Rc::new(reader);
        let arrivals = Rc::new(Arrivals { signal, pipe: Rc::clone(&pipe) });
        let watch = self.watch_internally(&pipe, arrivals).map_err(|source| {
            unregister(action);
            Dispositions::release(number);
            SignalError::Os { signal, source: io::Error::other(source) }
        })?;
        let mut signals = self.inner.signals.borrow_mut();
        signals.os.caught.insert(signal, Caught { number, action, watch });
        Ok(())
    }

    pub(super) fn ignore_os_signal(&self, signal: Name) {
        let caught = self.inner.signals.borrow_mut().os.caught.remove(&signal);
        if let Some(caught) = caught {
            unregister(caught.action);
            Dispositions::release(caught.number);
            self.unwatch(caught.watch);
        }
    }
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

    fn claim(number: i32) -> io::Result<()> {
        let mut claims = Self::claims().lock().unwrap_or_else(PoisonError::into_inner);
        let (is_default, count) = match claims.entry(number) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let is_default = Arc::new(AtomicBool::new(false));
                // Rust ignores broken pipes from the start, and its programs count on that: nobody's `PIPE` kills.
                if number != Number::SIGPIPE as i32 {
                    let flag = Arc::clone(&is_default);
                    signal_hook::flag::register_conditional_default(number, flag)?;
                }
                entry.insert((is_default, 0))
            }
        };
        *count += 1;
        is_default.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn release(number: i32) {
        let mut claims = Self::claims().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((is_default, count)) = claims.get_mut(&number) {
            *count -= 1;
            is_default.store(*count == 0, Ordering::SeqCst);
        }
    }
}
