//! The terminals that are in raw mode: each is one wheel's, and is restored should the process exit.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, Once, PoisonError, TryLockError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::fs::{Dev, fstat};
use rustix::termios::{OptionalActions, Termios, tcsetattr};

use super::sys;

/// Two wheels that each restored what they found would leave their terminal raw.
static RAW: Mutex<Vec<Raw>> = Mutex::new(Vec::new());

struct Raw {
    device: Dev,
    /// That of a copy of it is not the copy's to restore.
    process: u32,
    /// None where there was no descriptor left.
    terminal: Option<OwnedFd>,
    before: Termios,
    last_words: Vec<u8>,
    /// Where they are written, if that is another handle.
    output: Option<OwnedFd>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Claim(Dev);

impl Claim {
    /// Claims a terminal whose mode is about to be another than this.
    pub(super) fn new(terminal: BorrowedFd<'_>, before: &Termios) -> io::Result<Self> {
        static RESTORES: Once = Once::new();
        RESTORES.call_once(|| sys::at_exit(restore_all));
        let device = fstat(terminal)?.st_rdev;
        let mut raw = RAW.lock().unwrap_or_else(PoisonError::into_inner);
        if raw.iter().any(|raw| raw.device == device) {
            return Err(io::Error::new(ErrorKind::ResourceBusy, "another wheel has the terminal"));
        }
        raw.push(Raw {
            device,
            process: std::process::id(),
            terminal: terminal.try_clone_to_owned().ok(),
            before: before.clone(),
            last_words: Vec::new(),
            output: None,
        });
        Ok(Self(device))
    }

    /// What is written when the process exits, before the terminal's mode is restored: to this output, if it is not the
    /// terminal's handle itself.
    pub(super) fn set_last_words(&self, output: Option<BorrowedFd<'_>>, words: Vec<u8>) {
        let mut raw = RAW.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(raw) = raw.iter_mut().find(|raw| raw.device == self.0) {
            raw.last_words = words;
            raw.output = output.and_then(|output| output.try_clone_to_owned().ok());
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        RAW.lock().unwrap_or_else(PoisonError::into_inner).retain(|raw| raw.device != self.0);
    }
}

impl Raw {
    fn restore(&self) {
        let Some(terminal) = &self.terminal else { return };
        let output = self.output.as_ref().unwrap_or(terminal);
        let mut ready = [PollFd::new(output.as_fd(), PollFlags::POLLOUT)];
        // The end of the process waits for no terminal.
        if poll(&mut ready, PollTimeout::ZERO) == Ok(1) {
            let _ = nix::unistd::write(output, &self.last_words);
        }
        let _ = tcsetattr(terminal, OptionalActions::Now, &self.before);
    }
}

extern "C" fn restore_all() {
    // Another thread that holds it may not be there any more, as in a copy of the process.
    let raw = match RAW.try_lock() {
        Ok(raw) => raw,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return,
    };
    raw.iter().filter(|raw| raw.process == std::process::id()).for_each(Raw::restore);
}
