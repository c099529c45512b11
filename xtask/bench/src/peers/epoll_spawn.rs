//! Programs run by `std::process::Command`, whose outputs and ends are waited for by epoll: what anybody has to do who waits for
//! other things meanwhile, and no more.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

/// What an event is about: an output, by its place, or the process.
const PROCESS: u64 = 2;

/// `/bin/true` so many times, one after the other, with nothing for its streams or a pipe for each.
pub fn run(children: u64, pipes: bool) -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for _ in 0..children {
        run_one(&epoll, pipes)?;
    }
    Ok(())
}

fn run_one(epoll: &Epoll, pipes: bool) -> io::Result<()> {
    let mut command = Command::new("/bin/true");
    if pipes {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    let mut child = command.spawn()?;
    let _stdin = child.stdin.take();
    let mut outputs: [Option<std::fs::File>; 2] = [None, None];
    outputs[0] = child.stdout.take().map(|output| OwnedFd::from(output).into());
    outputs[1] = child.stderr.take().map(|output| OwnedFd::from(output).into());
    for (output, place) in outputs.iter().zip(0..) {
        if let Some(output) = output {
            rustix::io::ioctl_fionbio(output, true)?;
            epoll.add(output, EpollEvent::new(EpollFlags::EPOLLIN, place))?;
        }
    }
    let pid = Pid::from_raw(child.id().cast_signed()).ok_or(io::ErrorKind::NotFound)?;
    let process = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
    epoll.add(&process, EpollEvent::new(EpollFlags::EPOLLIN, PROCESS))?;
    let mut is_running = true;
    while is_running || outputs.iter().any(Option::is_some) {
        let mut ready = [EpollEvent::empty(); 4];
        let count = epoll.wait(&mut ready, EpollTimeout::NONE)?;
        for event in &ready[..count] {
            if event.data() == PROCESS {
                let exit = waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED)?;
                assert_eq!(exit.and_then(|exit| exit.exit_status()), Some(0));
                epoll.delete(&process)?;
                is_running = false;
            } else {
                let place = &mut outputs[event.data() as usize];
                if let Some(mut output) = place.take() {
                    assert_eq!(output.read(&mut [0; 1024])?, 0);
                    epoll.delete(&output)?;
                }
            }
        }
    }
    Ok(())
}
