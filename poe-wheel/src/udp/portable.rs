//! Datagrams one by one, where the system takes no more in one call.
#![allow(unsafe_code, reason = "octets are received into memory that others see as it is")]

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::libc::MSG_DONTWAIT;
use socket2::{MaybeUninitSlice, SockRef};

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
    for (count, piece) in room.chunks_exact_mut(size.max(1)).take(BATCH).enumerate() {
        let received = retry(|| {
            let space = std::ptr::from_mut::<[u8]>(piece) as *mut [MaybeUninit<u8>];
            // SAFETY: it is the same memory, used by nothing else meanwhile, and only octets are written there.
            let mut slices = [MaybeUninitSlice::new(unsafe { &mut *space })];
            SockRef::from(&socket).recv_from_vectored_with_flags(&mut slices, MSG_DONTWAIT)
        });
        match received {
            Ok((length, flags, from)) => {
                let from = if from.len() == 0 { Address::Nobody } else { from.into() };
                each(&piece[..length.min(size)], from, flags.is_truncated());
            }
            Err(_) if count > 0 => return Ok(count),
            Err(error) => return Err(error),
        }
    }
    Ok(BATCH)
}

/// Sends the first datagrams of some without waiting; how many it were.
///
/// # Errors
///
/// What the system says of the first of them, except that it was interrupted.
pub(super) fn send(socket: BorrowedFd<'_>, datagrams: &[Outgoing]) -> io::Result<usize> {
    let socket = SockRef::from(&socket);
    for (count, (payload, to)) in datagrams.iter().take(BATCH).enumerate() {
        let slices = [IoSlice::new(payload)];
        let sent = retry(|| match to {
            Some(to) => Ok(socket.send_to_vectored_with_flags(&slices, to, MSG_DONTWAIT)?),
            None => Ok(socket.send_vectored_with_flags(&slices, MSG_DONTWAIT)?),
        });
        match sent {
            Ok(_) => {}
            Err(_) if count > 0 => return Ok(count),
            Err(error) => return Err(error),
        }
    }
    Ok(datagrams.len().min(BATCH))
}

fn retry<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.raw_os_error() == Some(Errno::EINTR as i32) => {}
            result => return result,
        }
    }
}
