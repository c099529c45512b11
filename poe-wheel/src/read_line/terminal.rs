//! Modes of a terminal, and its size.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::rc::Rc;

use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, SigmaskHow, raise};
use rustix::fs::fstat;
use rustix::process::{Signal, kill_current_process_group};
use rustix::pty::ptsname;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr,
    tcgetwinsize, tcsetattr, ttyname,
};

use super::raw_terminals::Claim;
pub(crate) use super::screen::Size;

/// A terminal in raw mode, which is restored when this goes, in a panic too, and when the process exits.
pub(crate) struct RawMode {
    handle: Rc<dyn AsFd>,
    before: Termios,
    raw: Termios,
    claim: Claim,
}

impl RawMode {
    /// Has keys come one by one, unseen and uninterpreted. Output goes on as it was, so that what others print looks right; and
    /// nothing waits for output that has not gone yet.
    pub(crate) fn enter(handle: &Rc<dyn AsFd>) -> io::Result<Self> {
        let before = tcgetattr(handle.as_fd())?;
        let claim = Claim::new(handle.as_fd(), &before)?;
        let mut raw = before.clone();
        raw.local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        raw.input_modes.remove(
            InputModes::BRKINT
                | InputModes::ICRNL
                | InputModes::INLCR
                | InputModes::IGNCR
                | InputModes::INPCK
                | InputModes::ISTRIP
                | InputModes::IXON,
        );
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        let mode = Self { handle: Rc::clone(handle), before, raw, claim };
        mode.again()?;
        Ok(mode)
    }

    /// Enters raw mode again, after somebody else has changed the mode.
    pub(crate) fn again(&self) -> io::Result<()> {
        Ok(tcsetattr(self.handle.as_fd(), OptionalActions::Now, &self.raw)?)
    }

    /// What is written to an output of this terminal should the process exit, when nothing is dropped.
    pub(crate) fn set_last_words(&self, output: &Rc<dyn AsFd>, words: impl Into<Vec<u8>>) {
        let output = (!Rc::ptr_eq(output, &self.handle)).then(|| output.as_fd());
        self.claim.set_last_words(output, words.into());
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(self.handle.as_fd(), OptionalActions::Now, &self.before);
    }
}

impl fmt::Debug for RawMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMode").field("claim", &self.claim).finish_non_exhaustive()
    }
}

pub(crate) fn is_terminal(handle: &dyn AsFd) -> bool {
    isatty(handle.as_fd())
}

/// The terminal for the wheel alone, so that it can be written to without blocking, and nobody else is bothered by that.
pub(super) fn own(input: Rc<dyn AsFd>, output: Rc<dyn AsFd>) -> (Rc<dyn AsFd>, Rc<dyn AsFd>) {
    let is_one = are_same(&*input, &*output);
    let input = reopened(input);
    let output = if is_one { Rc::clone(&input) } else { reopened(output) };
    (input, output)
}

/// The same terminal, opened anew: what is done so that this does not block does not bother those who share the handle, and
/// they do not have this block. The handle itself where the terminal cannot be opened.
fn reopened(handle: Rc<dyn AsFd>) -> Rc<dyn AsFd> {
    match open(&*handle) {
        Some(terminal) => Rc::new(terminal),
        None => handle,
    }
}

/// The same terminal, opened anew and not blocking, if it can be had.
pub(crate) fn open(handle: &dyn AsFd) -> Option<File> {
    // To open the other end of a pseudo-terminal is to make another one.
    if !is_terminal(handle) || ptsname(handle.as_fd(), Vec::new()).is_ok() {
        return None;
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut options = File::options();
    options.read(true).write(true).custom_flags(flags.bits());
    let terminal = options.open(path(handle)?).ok()?;
    let is_same = fstat(&terminal).ok()?.st_rdev == fstat(handle.as_fd()).ok()?.st_rdev;
    is_same.then_some(terminal)
}

/// What opens the terminal of a handle, even if another one has its name by now, as when this one has gone.
#[cfg(target_os = "linux")]
fn path(handle: &dyn AsFd) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;

    Some(format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd()).into())
}

#[cfg(not(target_os = "linux"))]
fn path(handle: &dyn AsFd) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;

    let name = ttyname(handle.as_fd(), Vec::new()).ok()?;
    Some(std::ffi::OsString::from_vec(name.into_bytes()).into())
}

/// Whether both are the same terminal.
fn are_same(one: &dyn AsFd, other: &dyn AsFd) -> bool {
    let name = |handle: &dyn AsFd| ttyname(handle.as_fd(), Vec::new()).ok();
    name(one).is_some_and(|name_of_one| Some(name_of_one) == name(other))
}

/// The size that the terminal says it has, if it does.
pub(crate) fn size(handle: &dyn AsFd) -> Option<Size> {
    match tcgetwinsize(handle.as_fd()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            Some(Size { columns: size.ws_col.into(), rows: size.ws_row.into() })
        }
        _ => None,
    }
}

/// Stops the program and what it runs with, as `^Z` does where the terminal interprets keys. Returns when it goes on.
///
/// The signal to all may be another thread's to handle, while this one would go on for a moment. So it has one of its own, which
/// it lets come when all have been sent; what of these is left when the program goes on, that discards.
pub(crate) fn suspend() -> io::Result<()> {
    let mut stop = SigSet::empty();
    stop.add(nix::sys::signal::SIGTSTP);
    let before = stop.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let sent = raise(nix::sys::signal::SIGTSTP)
        .map_err(io::Error::from)
        .and_then(|()| Ok(kill_current_process_group(Signal::TSTP)?));
    before.thread_set_mask()?;
    sent
}
