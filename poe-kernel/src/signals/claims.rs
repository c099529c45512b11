//! Which children the kernels of this process wait for. Of several that ask for one child, the last one to learn of its
//! end takes it from the operating system, and the others only look.

use std::io;
use std::process::ExitStatus;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use super::process::Process;
use crate::hash::IdMap;

#[derive(Debug, Default)]
struct Claim {
    kernels: usize,
    /// One of those who asked has been told; somebody has to take the child then.
    is_told: bool,
}

/// By the process that claims, because what a fork copies is none of the child's, and by the pid that is claimed.
type Claims = IdMap<(u32, u32), Claim>;

/// Adds a kernel that waits for a child.
pub(super) fn claim(pid: u32) {
    let mut claims = claims();
    claims.entry((std::process::id(), pid)).or_default().kernels += 1;
}

/// Learns for one of the kernels how a child has ended, if it has; its claim is over then, and so it is with an error.
pub(super) fn wait(pid: u32, process: &Process) -> io::Result<Option<ExitStatus>> {
    let mut claims = claims();
    let key = (std::process::id(), pid);
    let Some(claim) = claims.get_mut(&key) else { return process.wait(false) };
    let result = process.wait(claim.kernels > 1);
    if !matches!(result, Ok(None)) {
        claim.is_told = true;
        claim.kernels -= 1;
        if claim.kernels == 0 {
            claims.remove(&key);
        }
    }
    result
}

/// Ends the claim of a kernel that no longer wants to know.
pub(super) fn release(pid: u32, process: &Process) {
    let mut claims = claims();
    let key = (std::process::id(), pid);
    let Some(claim) = claims.get_mut(&key) else { return };
    claim.kernels -= 1;
    if claim.kernels == 0 {
        if claim.is_told {
            let _ = process.wait(false);
        }
        claims.remove(&key);
    }
}

fn claims() -> MutexGuard<'static, Claims> {
    static CLAIMS: LazyLock<Mutex<Claims>> = LazyLock::new(Mutex::default);
    CLAIMS.lock().unwrap_or_else(PoisonError::into_inner)
}
