//! Several datagrams in one system call: `recvmmsg` and `sendmmsg`.
#![allow(
    unsafe_code,
    reason = "the system calls have no safe interface that keeps its memory from call to call"
)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use nix::libc;
use socket2::{SockAddr, SockAddrStorage};

use super::BATCH;
use super::queue::Outgoing;
use crate::Address;

/// Receives datagrams without waiting, each into its own piece of `room`, which has [`BATCH`] of them; how many came.
/// `each` is given what a datagram carries, where it came from, and whether it was cut.
///
/// # Errors
///
/// What the system says, except that it was interrupted: `EAGAIN` when none is there.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    room: &mut [u8],
    mut each: impl FnMut(&[u8], Address, bool),
) -> io::Result<usize> {
    let size = room.len() / BATCH;
    let mut names = [const { MaybeUninit::<SockAddrStorage>::uninit() }; BATCH];
    let mut slices = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let mut pieces = 0;
    for (index, piece) in room.chunks_exact_mut(size.max(1)).take(BATCH).enumerate() {
        let slice = libc::iovec { iov_base: piece.as_mut_ptr().cast(), iov_len: piece.len() };
        let name = names[index].write(SockAddrStorage::zeroed());
        let mut header = header(slices[index].write(slice));
        header.msg_hdr.msg_name = ptr::from_mut(name).cast();
        header.msg_hdr.msg_namelen = name.size_of();
        headers[index].write(header);
        pieces = index + 1;
    }
    let count = retry(|| {
        // SAFETY: the first `pieces` headers were written above; what they point to, `names`, `slices` and `room`, outlives
        // the call and is used by nothing else meanwhile.
        unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                pieces as _,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            ) as isize
        }
    })?;
    for index in 0..count {
        // SAFETY: as many were written above, and the system has filled no more.
        let header = unsafe { headers[index].assume_init() };
        // SAFETY: as above.
        let name = unsafe { names[index].assume_init_read() };
        let from = match header.msg_hdr.msg_namelen {
            0 => Address::Nobody,
            // SAFETY: the system has written so much of a name there.
            length => unsafe { SockAddr::new(name, length) }.into(),
        };
        let length = (header.msg_len as usize).min(size);
        let is_cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        each(&room[index * size..][..length], from, is_cut);
    }
    Ok(count)
}

/// Sends the first datagrams of some without waiting; how many it were.
///
/// # Errors
///
/// What the system says of the first of them, except that it was interrupted.
pub(super) fn send(socket: BorrowedFd<'_>, datagrams: &[Outgoing]) -> io::Result<usize> {
    let mut slices = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let count = datagrams.len().min(BATCH);
    for (index, (payload, to)) in datagrams.iter().take(count).enumerate() {
        let base = payload.as_ptr().cast_mut().cast();
        let slice = libc::iovec { iov_base: base, iov_len: payload.len() };
        let mut header = header(slices[index].write(slice));
        if let Some(to) = to {
            header.msg_hdr.msg_name = to.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = to.len();
        }
        headers[index].write(header);
    }
    retry(|| {
        // SAFETY: the first `count` headers were written above; what they point to, `slices` and what `datagrams` has,
        // outlives the call, and is only read.
        unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                count as _,
                libc::MSG_DONTWAIT,
            ) as isize
        }
    })
}

/// A message of one slice, without an address.
fn header(slice: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: a header of zeros is one of nothing.
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    header.msg_hdr.msg_iov = slice;
    header.msg_hdr.msg_iovlen = 1;
    header
}

fn retry(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
