//! Descriptors of this process, and of a child that is to have few of them.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::libc;

/// The same file under a number above 2, where it is not in the way of what a child has there.
pub(crate) fn above_stdio(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() > 2 {
        return Ok(descriptor);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&descriptor, 3)?)
}

/// Every descriptor that is open, but for the first three.
pub(crate) fn all_open() -> io::Result<Vec<RawFd>> {
    let mut open = descriptors()?;
    open.retain(|&descriptor| descriptor > 2);
    Ok(open)
}

/// Has these descriptors be of `/dev/null`: numbers and owners stay, and the files are let go.
pub(crate) fn let_go_of_files(these: &[RawFd]) -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    for &descriptor in these {
        if descriptor != null.as_raw_fd() {
            // SAFETY: only numbers are passed. The descriptor goes on to be its owner's, and to be open.
            unsafe {
                libc::dup2(null.as_raw_fd(), descriptor);
                libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
    Ok(())
}

/// The descriptors that a program would inherit, but for the first three.
pub(crate) fn inheritable() -> io::Result<Vec<RawFd>> {
    let is_inherited = |&descriptor: &RawFd| {
        // SAFETY: it takes a number, and only asks.
        let flags = unsafe { libc::fcntl(descriptor, libc::F_GETFD) };
        descriptor > 2 && flags >= 0 && flags & libc::FD_CLOEXEC == 0
    };
    Ok(descriptors()?.into_iter().filter(is_inherited).collect())
}

fn descriptors() -> io::Result<Vec<RawFd>> {
    let entries = std::fs::read_dir("/dev/fd")?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.collect())
}

/// Has a program inherit no descriptors but the first three. Does not allocate.
pub(super) fn close_on_exec(listed: &[RawFd]) {
    #[cfg(target_os = "linux")]
    // SAFETY: it takes numbers, and sets a flag of this process's descriptors. Old systems know no such call.
    if unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    } == 0
    {
        return;
    }
    for &descriptor in listed {
        // SAFETY: it takes a number, and changes a flag of this process's copy of a descriptor, if it is open.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}
