//! What leads from a wheel to its child.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use super::pty::{Pty, Winsize};
use super::redirect::Redirect;
use super::sys::{Failed, above_stdio};
use crate::WheelError;
use crate::pipe::{OneWay, PipeError, PipeKind};

/// What leads from a [`Run`](crate::Run) wheel to its child (POE: `Conduit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Conduit {
    /// A pipe for each stream.
    #[default]
    Pipe,
    /// A pair of UNIX sockets for each stream, shut down one way.
    SocketPair,
    /// A TCP connection over the loopback interface for each stream, shut down one way.
    Inet,
    /// A pseudo-terminal for all three: what the child complains of is in its output. It controls a session of the child's
    /// own, passes on octets as they are, and echoes none, until the child changes that.
    Pty,
    /// A pseudo-terminal for input and output, and a pipe for complaints.
    PtyPipe,
}

impl Conduit {
    pub(super) fn is_pty(self) -> bool {
        matches!(self, Self::Pty | Self::PtyPipe)
    }

    /// How many octets may be between its ends, at most, that are not there to be read yet.
    pub(super) fn in_flight(self) -> u64 {
        match self {
            Self::Pipe | Self::SocketPair => 0,
            // What a terminal has not passed on from one end to the other.
            Self::Pty | Self::PtyPipe => 64 << 10,
            // What the system sends when there is room, though the child is gone.
            Self::Inet => 8 << 20,
        }
    }

    fn kind(self) -> PipeKind {
        match self {
            Self::SocketPair => PipeKind::SocketPair,
            Self::Inet => PipeKind::Inet,
            Self::Pipe | Self::Pty | Self::PtyPipe => PipeKind::Pipe,
        }
    }
}

/// What is to become of the three streams.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) conduit: Conduit,
    /// Which of them the wheel has something to do with.
    pub(super) wanted: [bool; 3],
    pub(super) redirects: [Option<Redirect>; 3],
    pub(super) output: Option<Redirect>,
    pub(super) size: Option<Winsize>,
}

/// Both ends of the streams.
#[derive(Default)]
pub(super) struct Streams {
    /// The wheel's ends.
    pub(super) ours: [Option<Rc<dyn AsFd>>; 3],
    /// The child's; it has those of its parent where there is none.
    pub(super) theirs: [Option<OwnedFd>; 3],
    pub(super) pty: Option<Pty>,
}

impl Streams {
    pub(super) fn open(plan: Plan) -> Result<Self, WheelError> {
        let mut streams = Self::default();
        let [stdin, stdout, stderr] = plan.redirects;
        if let Some(stdin) = stdin {
            streams.theirs[0] = Some(redirected(stdin.open_input())?);
        }
        if let Some(stdout) = stdout {
            streams.theirs[1] = Some(redirected(stdout.open_output())?);
        }
        if let Some(stderr) = stderr {
            streams.theirs[2] = Some(redirected(stderr.open_output())?);
        }
        if let Some(output) = plan.output {
            let both = redirected(output.open_output())?;
            let copy = both.try_clone().map_err(|error| failed(("duplicate", error)))?;
            (streams.theirs[1], streams.theirs[2]) = (Some(both), Some(copy));
        }
        let mut piped = plan.wanted;
        if plan.conduit.is_pty() {
            let pty = Pty::open(plan.size).map_err(|error| failed(("open", error)))?;
            let ours: Rc<dyn AsFd> = pty.ours.clone();
            (streams.ours[0], streams.ours[1]) = (Some(Rc::clone(&ours)), Some(ours));
            streams.pty = Some(pty);
            (piped[0], piped[1]) = (false, false);
        }
        for (number, _) in piped.into_iter().enumerate().filter(|(_, is_piped)| *is_piped) {
            let (read, write) = OneWay::ends(plan.conduit.kind())?;
            let (ours, theirs) = if number == 0 { (write, read) } else { (read, write) };
            let ends = rustix::io::ioctl_fionbio(&ours, true).map_err(io::Error::from);
            let ends = ends.and_then(|()| Ok((above_stdio(ours)?, above_stdio(theirs)?)));
            let (ours, theirs) = ends.map_err(|error| failed(("make", error)))?;
            streams.ours[number] = Some(Rc::new(ours));
            streams.theirs[number] = Some(theirs);
        }
        Ok(streams)
    }

    /// The child's ends, for code that runs in this process.
    pub(super) fn for_thread(&mut self) -> io::Result<[Option<OwnedFd>; 3]> {
        let mut theirs = std::mem::take(&mut self.theirs);
        if let Some(pty) = &self.pty {
            for stream in theirs.iter_mut().filter(|stream| stream.is_none()) {
                *stream = Some(pty.theirs.try_clone()?);
            }
        }
        Ok(theirs)
    }

    /// The wheel's ends, by number.
    pub(super) fn numbers(&self) -> Vec<RawFd> {
        let ours = self.ours.iter().flatten();
        ours.map(|handle| handle.as_fd().as_raw_fd()).collect()
    }
}

fn redirected(opened: Result<OwnedFd, (String, Failed)>) -> Result<OwnedFd, WheelError> {
    let (target, (operation, source)) = match opened {
        Ok(handle) => match above_stdio(handle) {
            Ok(handle) => return Ok(handle),
            Err(error) => ("a redirected stream".to_owned(), ("duplicate", error)),
        },
        Err(failed) => failed,
    };
    Err(WheelError::Run { operation, target, source })
}

fn failed((operation, source): Failed) -> WheelError {
    WheelError::Run { operation, target: "a conduit".to_owned(), source }
}

impl From<PipeError> for WheelError {
    fn from(error: PipeError) -> Self {
        let target = format!("a conduit by {}", error.operation);
        Self::Run { operation: "make", target, source: error.source }
    }
}
