//! Flags of handles.

use std::io;
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// Puts a handle in non-blocking mode.
pub(crate) fn set_nonblocking(handle: &impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(handle, FcntlArg::F_GETFL)?);
    if !flags.contains(OFlag::O_NONBLOCK) {
        fcntl(handle, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    }
    Ok(())
}
