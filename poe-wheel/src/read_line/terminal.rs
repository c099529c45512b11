//! Modes of a terminal, and its size.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;

use nix::fcntl::OFlag;
use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr,
    tcgetwinsize, tcsetattr, ttyname,
};

use super::screen::Size;

/// A terminal in raw mode, which is restored when this goes, in a panic too.
pub(super) struct RawMode {
    handle: Rc<dyn AsFd>,
    before: Termios,
    raw: Termios,
}

impl RawMode {
    /// Has keys come one by one, unseen and uninterpreted. Output goes on as it was, so that what others print looks right; and
    /// nothing waits for output that has not gone yet.
    pub(super) fn enter(handle: &Rc<dyn AsFd>) -> io::Result<Self> {
        let before = tcgetattr(handle.as_fd())?;
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
        let mode = Self { handle: Rc::clone(handle), before, raw };
        mode.again()?;
        Ok(mode)
    }

    /// Enters raw mode again, after somebody else has changed the mode.
    pub(super) fn again(&self) -> io::Result<()> {
        Ok(tcsetattr(self.handle.as_fd(), OptionalActions::Now, &self.raw)?)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(self.handle.as_fd(), OptionalActions::Now, &self.before);
    }
}

impl fmt::Debug for RawMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMode").field("handle", &self.handle.as_fd()).finish_non_exhaustive()
    }
}

pub(super) fn is_terminal(handle: &dyn AsFd) -> bool {
    isatty(handle.as_fd())
}

/// The same terminal, opened anew: what is done so that this does not block does not bother those who share the handle, and
/// they do not have this block. The handle itself where the terminal cannot be opened.
pub(super) fn reopened(handle: Rc<dyn AsFd>) -> Rc<dyn AsFd> {
    match open(&*handle) {
        Some(terminal) => Rc::new(terminal),
        None => handle,
    }
}

fn open(handle: &dyn AsFd) -> Option<File> {
    let name = ttyname(handle.as_fd(), Vec::new()).ok()?;
    let path = Path::new(OsStr::from_bytes(name.as_bytes()));
    // The other end of a pseudo-terminal; to open it makes another one.
    if path.file_name() == Some(OsStr::new("ptmx")) {
        return None;
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    File::options().read(true).write(true).custom_flags(flags.bits()).open(path).ok()
}

/// Whether both are the same terminal.
pub(super) fn are_same(one: &dyn AsFd, other: &dyn AsFd) -> bool {
    let name = |handle: &dyn AsFd| ttyname(handle.as_fd(), Vec::new()).ok();
    name(one).is_some_and(|name_of_one| Some(name_of_one) == name(other))
}

/// The size that the terminal says it has, if it does.
pub(super) fn size(handle: &dyn AsFd) -> Size {
    match tcgetwinsize(handle.as_fd()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            Size { columns: size.ws_col.into(), rows: size.ws_row.into() }
        }
        _ => Size::default(),
    }
}

/// Stops the program and what it runs with, as `^Z` does where the terminal interprets keys. Returns when it goes on.
pub(super) fn suspend() -> io::Result<()> {
    Ok(kill_current_process_group(Signal::TSTP)?)
}
