//! The only unsafe code of this wheel: being called as the process exits.
#![expect(unsafe_code, reason = "there is no safe way to be called by `exit`")]

use nix::libc;

/// Has a function called when the process exits, be it by `std::process::exit` or the end of `main`.
pub(super) fn at_exit(call: extern "C" fn()) {
    // SAFETY: a function may be called at any time, and this one is there for as long as its code is, from which the C
    // library takes it away first. Should there be no room for it, it is not called.
    unsafe { libc::atexit(call) };
}
