//! Checks of what a loop reports, and when.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send, setsockopt, sockopt};

use super::trial::Outcome;
use super::trial::{BOTH, EXPEDITE, READ, Starter, Trial, WRITE, drain, ensure, fill, pair};
use super::{Named, Options};
use crate::{Interest, Mode};

pub(super) const CHECKS: &[Named] = &[
    ("a handle that can be read is reported until it was read", can_be_read),
    ("a handle that can be written is reported until it was filled", can_be_written),
    ("modes that are not watched are not reported", not_watched),
    ("a change of the watched modes holds from the next wait on", changed_modes),
    ("a hang-up is readiness for reading and for writing", hang_ups),
    ("an error is readiness for reading and for writing", errors),
    ("urgent data is reported as such", urgent_data),
    ("a handle that is always ready is reported so, or refused with EPERM", always_ready),
    ("what is ready is added to the list", added_to_the_list),
];

fn can_be_read(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    ensure(!trial.event_loop.name().is_empty(), || String::from("it has no name"))?;
    let (ours, mut theirs) = pair()?;
    trial.add(&ours, 1, READ)?;
    trial.nothing()?;
    for _ in 0..3 {
        theirs.write_all(b"abc")?;
        trial.until_only(1, READ)?;
        (&*ours).read_exact(&mut [0])?;
        trial.until_only(1, READ)?;
        trial.until_only(1, READ)?;
        drain(&ours);
        trial.nothing()?;
    }
    Ok(())
}

fn can_be_written(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let (ours, theirs) = pair()?;
    trial.add(&ours, 1, WRITE)?;
    for _ in 0..3 {
        trial.until_only(1, WRITE)?;
        trial.until_only(1, WRITE)?;
        fill(&ours);
        trial.nothing()?;
        drain(&theirs);
    }
    trial.until_only(1, WRITE)
}

fn not_watched(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let ((one, mut one_peer), (two, mut two_peer)) = (pair()?, pair()?);
    one_peer.write_all(b"x")?;
    two_peer.write_all(b"x")?;
    trial.add(&one, 1, WRITE)?;
    trial.until_only(1, WRITE)?;
    trial.event_loop.delete(1)?;
    trial.add(&two, 2, READ)?;
    trial.until_only(2, READ)?;
    drain(&two);
    trial.nothing()
}

fn changed_modes(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let (ours, mut theirs) = pair()?;
    trial.add(&ours, 1, READ)?;
    trial.nothing()?;
    trial.event_loop.modify(1, WRITE)?;
    theirs.write_all(b"x")?;
    trial.until_only(1, WRITE)?;
    trial.event_loop.modify(1, BOTH)?;
    trial.until_only(1, BOTH)?;
    trial.event_loop.modify(1, READ)?;
    trial.until_only(1, READ)?;
    // To the same: what is ready stays so.
    trial.event_loop.modify(1, READ)?;
    trial.until_only(1, READ)?;
    drain(&ours);
    trial.nothing()?;
    trial.event_loop.modify(1, BOTH)?;
    trial.until_only(1, WRITE)
}

fn hang_ups(start: &Starter, options: Options) -> Outcome {
    for (modes, mode) in [(READ, Mode::Read), (WRITE, Mode::Write), (BOTH, Mode::Read)] {
        let mut trial = Trial::new(start, options)?;
        let (socket, peer) = pair()?;
        drop(peer);
        trial.add(&socket, 1, modes)?;
        trial.until_at_least(1, mode)?;
        trial.until_at_least(1, mode)?;
    }
    let mut trial = Trial::new(start, options)?;
    // A pipe's reader sees a hang-up without anything to read; its writer sees an error.
    let (reader, writer) = std::io::pipe()?;
    let reader = Rc::new(reader);
    trial.add(&reader, 1, READ)?;
    trial.nothing()?;
    drop(writer);
    trial.until_at_least(1, Mode::Read)?;
    let (reader, writer) = std::io::pipe()?;
    let writer = Rc::new(writer);
    nix::fcntl::fcntl(&*writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
    while nix::unistd::write(&*writer, &[0; 4096]).is_ok() {}
    trial.event_loop.delete(1)?;
    trial.add(&writer, 2, WRITE)?;
    trial.nothing()?;
    drop(reader);
    trial.until_at_least(2, Mode::Write)
}

fn errors(start: &Starter, options: Options) -> Outcome {
    for (modes, mode) in [(READ, Mode::Read), (WRITE, Mode::Write)] {
        let mut trial = Trial::new(start, options)?;
        let (ours, theirs) = connection()?;
        trial.add(&ours, 1, modes)?;
        // Closed so, it resets the connection.
        setsockopt(&theirs, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 })?;
        drop(theirs);
        if mode == Mode::Write {
            // It is ready before the reset has come, too.
            while (&*ours).write(b"x").is_ok() {}
        }
        trial.until_at_least(1, mode)?;
        trial.until_at_least(1, mode)?;
    }
    Ok(())
}

fn urgent_data(start: &Starter, options: Options) -> Outcome {
    if !options.expedite {
        return Ok(());
    }
    let mut trial = Trial::new(start, options)?;
    let (ours, mut theirs) = connection()?;
    trial.add(&ours, 1, EXPEDITE)?;
    theirs.write_all(b"normal")?;
    trial.nothing()?;
    send(theirs.as_raw_fd(), b"!", MsgFlags::MSG_OOB)?;
    trial.until_only(1, EXPEDITE)?;
    trial.event_loop.modify(1, Interest { read: true, ..EXPEDITE })?;
    trial.until_only(1, Interest { read: true, ..EXPEDITE })?;
    trial.event_loop.modify(1, READ)?;
    trial.until_only(1, READ)?;
    // It is still there when all else was read, and nobody wants it.
    (&*ours).read_exact(&mut [0; 6])?;
    trial.nothing()
}

fn always_ready(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let files = [File::open("/dev/null")?, File::open(std::env::current_exe()?)?];
    for (key, file) in files.into_iter().map(Rc::new).enumerate() {
        let handle: Rc<dyn AsFd> = Rc::clone(&file) as Rc<dyn AsFd>;
        match trial.event_loop.add(handle, key, READ) {
            Ok(()) => {
                trial.until_at_least(key, Mode::Read)?;
                trial.until_at_least(key, Mode::Read)?;
                trial.event_loop.delete(key)?;
            }
            Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => {
                let shares = Rc::strong_count(&file);
                ensure(shares == 1, || String::from("what it refused, it keeps"))?;
            }
            Err(error) => return Err(format!("it is refused with another error: {error}").into()),
        }
        trial.nothing()?;
    }
    Ok(())
}

fn added_to_the_list(start: &Starter, options: Options) -> Outcome {
    let mut trial = Trial::new(start, options)?;
    let (ours, _theirs): (_, UnixStream) = pair()?;
    trial.add(&ours, 1, WRITE)?;
    let before = crate::Readiness::new(9, READ);
    let mut ready = vec![before];
    trial.event_loop.wait(&mut ready, Some(Duration::ZERO))?;
    trial.event_loop.wait(&mut ready, Some(Duration::ZERO))?;
    ensure(ready.first() == Some(&before), || format!("the list became {ready:?}"))
}

/// Two ends of a TCP connection.
fn connection() -> Outcome<(Rc<TcpStream>, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let theirs = TcpStream::connect(listener.local_addr()?)?;
    let (ours, _) = listener.accept()?;
    ours.set_nonblocking(true)?;
    Ok((Rc::new(ours), theirs))
}
