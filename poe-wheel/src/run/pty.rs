//! Pseudo-terminals.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use bytes::Bytes;
use poe_driver::{Driver, Get, OutputQueue, ReadBuffer, Wants};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, tcgetattr, tcgetwinsize, tcsetattr,
    tcsetwinsize,
};

use super::sys::above_stdio;

/// A character that a terminal does not know (`_POSIX_VDISABLE`).
const DISABLED: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

/// The size of a terminal (POE: the value of `Winsize`).
///
/// ```
/// use poe_wheel::Winsize;
///
/// let size = Winsize::new(24, 80);
/// assert_eq!((size.xpixel, size.ypixel), (720, 384));
/// assert_eq!(size.pixels(640, 480).xpixel, 640);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Winsize {
    /// How many lines.
    pub rows: u16,
    /// How many characters in a line.
    pub columns: u16,
    /// The width in pixels.
    pub xpixel: u16,
    /// The height in pixels.
    pub ypixel: u16,
}

impl Winsize {
    /// A size in characters, each of 9 by 16 pixels.
    #[must_use]
    pub fn new(rows: u16, columns: u16) -> Self {
        let (xpixel, ypixel) = (columns.saturating_mul(9), rows.saturating_mul(16));
        Self { rows, columns, xpixel, ypixel }
    }

    /// The same with another size in pixels.
    #[must_use]
    pub fn pixels(self, xpixel: u16, ypixel: u16) -> Self {
        Self { xpixel, ypixel, ..self }
    }

    /// That of the terminal this process has, if it has one.
    fn own() -> Option<Self> {
        let size = tcgetwinsize(io::stdin())
            .or_else(|_| tcgetwinsize(io::stdout()))
            .or_else(|_| tcgetwinsize(io::stderr()))
            .ok()?;
        let (rows, columns) = (size.ws_row, size.ws_col);
        Some(Self { rows, columns, xpixel: size.ws_xpixel, ypixel: size.ws_ypixel })
    }
}

/// Changes the size of a terminal; what runs there is told by the signal `WINCH`.
pub(super) fn resize(terminal: impl AsFd, size: Winsize) -> io::Result<()> {
    let (ws_row, ws_col) = (size.rows, size.columns);
    let (ws_xpixel, ws_ypixel) = (size.xpixel, size.ypixel);
    let size = rustix::termios::Winsize { ws_row, ws_col, ws_xpixel, ws_ypixel };
    Ok(tcsetwinsize(terminal, size)?)
}

/// A pseudo-terminal.
#[derive(Debug)]
pub(super) struct Pty {
    /// The wheel's end.
    pub(super) ours: Rc<OwnedFd>,
    /// The child's end, which keeps the terminal as it is until the child has it.
    pub(super) theirs: OwnedFd,
    /// Where the child finds it.
    pub(super) path: CString,
}

impl Pty {
    /// A terminal that passes on octets as they are, and echoes none.
    pub(super) fn open(size: Option<Winsize>) -> io::Result<Self> {
        let ours = above_stdio(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?)?;
        rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let path = ptsname(&ours, Vec::new())?;
        let flags =
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let theirs = rustix::fs::open(&path, flags, rustix::fs::Mode::empty())?;
        let theirs = above_stdio(theirs)?;
        let mut modes = tcgetattr(&theirs)?;
        modes.make_raw();
        // Nothing is left over that would be done if the child had its output processed again.
        modes.output_modes = OutputModes::empty();
        tcsetattr(&theirs, OptionalActions::Now, &modes)?;
        if let Some(size) = size.or_else(Winsize::own) {
            resize(&theirs, size)?;
        }
        Ok(Self { ours: Rc::new(ours), theirs, path })
    }
}

/// A driver on the wheel's end of a pseudo-terminal.
///
/// There, Linux calls it an input/output error that nobody has the other end open any more.
#[derive(Debug)]
pub(super) struct PtyDriver(pub(super) Box<dyn Driver>);

impl Driver for PtyDriver {
    fn get(&mut self, handle: BorrowedFd<'_>, buffer: &mut ReadBuffer) -> io::Result<Get> {
        match self.0.get(handle, buffer) {
            Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => Ok(Get::Eof),
            result => result,
        }
    }

    fn output(&mut self) -> &mut OutputQueue {
        self.0.output()
    }

    fn flush(&mut self, handle: BorrowedFd<'_>) -> io::Result<usize> {
        self.0.flush(handle)
    }

    fn get_out_octets(&self) -> usize {
        self.0.get_out_octets()
    }

    fn get_out_messages_buffered(&self) -> usize {
        self.0.get_out_messages_buffered()
    }

    fn wants(&self) -> Wants {
        self.0.wants()
    }

    fn has_input(&self) -> bool {
        self.0.has_input()
    }

    fn is_recoverable(&self, error: &io::Error) -> bool {
        self.0.is_recoverable(error)
    }

    fn close(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        self.0.close(handle)
    }

    /// A terminal is not closed one way. What reads it by lines is told the end as a person tells it: once to end a line
    /// that has no end, and once more. What does not fit is queued.
    fn shutdown_output(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        let modes = tcgetattr(handle)?;
        let end = modes.special_codes[SpecialCodeIndex::VEOF];
        if modes.local_modes.contains(LocalModes::ICANON) && end != DISABLED {
            self.0.put(Bytes::copy_from_slice(&[end, end]));
            self.0.flush(handle)?;
        }
        Ok(())
    }

    fn discard_output(&mut self) -> usize {
        self.0.discard_output()
    }
}
