//! How a child begins.

use std::ffi::{CStr, CString, OsString};
use std::fmt;
use std::io::{self, Write};
use std::os::fd::{AsFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::{self, Sender};
use std::thread;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use poe_kernel::Kernel;

use super::account::{Identity, Ids};
use super::code::{self, Code, CodeIn};
use super::conduit::Streams;
use super::program::{Name, Program, Surroundings};
use super::sys::{self, Birth, Failed, Group, Groups, Image};
use crate::WheelError;

/// What is asked of a child, its program and its streams aside.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) arguments: Vec<OsString>,
    pub(super) code_in: CodeIn,
    pub(super) surroundings: Surroundings,
    pub(super) identity: Identity,
    pub(super) priority: i32,
    pub(super) group: Group,
    pub(super) close_on_call: bool,
}

/// A child that has begun.
#[derive(Debug)]
pub(super) enum Child {
    Process(Process),
    Thread(Thread),
}

/// A thread that has code to run, and waits until it may.
#[derive(Debug)]
pub(super) struct Thread {
    /// What its exit status comes through.
    pub(super) end: io::PipeReader,
    /// Dropped, this has the code not run at all.
    pub(super) go: Sender<()>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// Whether it leads a process group of its own.
    pub(super) leads: bool,
}

/// Starts a child. Its ends of the streams are closed here by then.
pub(super) fn start(
    kernel: &Kernel,
    program: Program,
    mut request: Request,
    mut streams: Streams,
) -> Result<Child, WheelError> {
    let in_thread = matches!(program, Program::Code(_)) && request.is_in_thread();
    if streams.pty.is_some() && !in_thread {
        // A terminal is of a session.
        request.group = Group::OwnSession;
    }
    match program {
        Program::Code(code) if in_thread => {
            request.check_thread()?;
            let begun = begin_thread(code, request.arguments, &mut streams);
            begun.map(Child::Thread).map_err(|failed| error(failed, "code"))
        }
        program => request.begin(kernel, program, &streams).map(Child::Process),
    }
}

fn error((operation, source): Failed, target: impl fmt::Display) -> WheelError {
    WheelError::Run { operation, target: target.to_string(), source }
}

impl Request {
    fn is_in_thread(&self) -> bool {
        match self.code_in {
            CodeIn::Thread => true,
            CodeIn::Process => false,
            CodeIn::Either => !sys::can_fork(),
        }
    }

    fn check_thread(&self) -> Result<(), WheelError> {
        let Self { surroundings, identity, priority, group, close_on_call, .. } = self;
        let needs_process = surroundings.is_given()
            || identity.is_given()
            || *priority != 0
            || !matches!(group, Group::Own | Group::Parents)
            || *close_on_call;
        if !needs_process {
            return Ok(());
        }
        Err(WheelError::Parameters(
            "code that runs in a thread has no directory, environment, user, priority, session or descriptors of its own; \
             leave them out, or run a program",
        ))
    }

    /// Begins a process.
    fn begin(
        self,
        kernel: &Kernel,
        program: Program,
        streams: &Streams,
    ) -> Result<Process, WheelError> {
        let ids =
            self.identity.resolve().map_err(|(whom, source)| error(("look up", source), whom))?;
        let directory = self.directory()?;
        let leads = matches!(self.group, Group::Own | Group::OwnSession);
        let birth = self.birth(streams, directory.as_deref(), &ids);
        let begin_program = |name: Name<'_>, birth| {
            self.begin_program(name, birth).map_err(|failed| error(failed, name))
        };
        let pid = match program {
            Program::Path(name) => begin_program(Name::Program(&name), birth)?,
            Program::Shell(command) => begin_program(Name::Shell(&command), birth)?,
            Program::Code(code) => {
                let begun = self.begin_code(kernel, code, birth, streams);
                begun.map_err(|failed| error(failed, "code"))?
            }
        };
        Ok(Process { pid, leads })
    }

    fn begin_program(&self, name: Name<'_>, birth: Birth<'_>) -> Result<u32, Failed> {
        let failed = |error| ("start", error);
        let command = self.surroundings.command(name, &self.arguments).map_err(failed)?;
        let close = self.close_on_call.then(sys::inheritable).transpose();
        let close = close.map_err(|error| ("list the descriptors for", error))?;
        let birth = Birth { close: close.as_deref(), ..birth };
        let image = Image {
            path: &command.path,
            arguments: &command.arguments,
            environment: command.environment.as_deref(),
        };
        sys::start(&birth, &image)
    }

    fn begin_code(
        &self,
        kernel: &Kernel,
        code: Code,
        birth: Birth<'_>,
        streams: &Streams,
    ) -> Result<u32, Failed> {
        let arguments = self.arguments.clone();
        // What the copy has of this wheel's ends, and of others', would keep their streams from ending.
        let (all, mut ours) = (self.close_on_call, streams.numbers());
        let watched = kernel.inspect().watches.into_iter().map(|watch| watch.descriptor);
        ours.extend(watched.filter(|descriptor| *descriptor > 2));
        let make_ready = move |keep: RawFd| {
            let mut let_go = if all { sys::all_open()? } else { ours };
            let_go.retain(|descriptor| *descriptor != keep);
            sys::let_go_of_files(&let_go)?;
            code::give(arguments, [None, None, None])
        };
        sys::fork_code(&birth, make_ready, |given| code::run(code, given, false))
    }

    fn birth<'a>(
        &self,
        streams: &'a Streams,
        directory: Option<&'a CStr>,
        ids: &'a Ids,
    ) -> Birth<'a> {
        let [stdin, stdout, stderr] = &streams.theirs;
        Birth {
            group: self.group,
            terminal: streams.pty.as_ref().map(|pty| pty.path.as_c_str()),
            stdio: [stdin, stdout, stderr].map(|stream| stream.as_ref().map(AsFd::as_fd)),
            close: None,
            directory,
            priority: self.priority,
            groups: ids
                .groups
                .as_deref()
                .map(|groups| Groups { ids: groups, if_permitted: ids.groups_if_permitted }),
            group_id: ids.group,
            user_id: ids.user,
        }
    }

    /// The directory, which is looked at before, so that what is amiss with it is not said of the program.
    fn directory(&self) -> Result<Option<CString>, WheelError> {
        let Some(path) = &self.surroundings.directory else { return Ok(None) };
        let looked = path.metadata().and_then(|found| {
            let path = CString::new(path.as_os_str().as_bytes())?;
            if !found.is_dir() {
                return Err(Errno::ENOTDIR.into());
            }
            if self.identity.is_given() {
                // It is the other who has to be let in, and who says so.
                return Ok(path);
            }
            Ok(access(path.as_c_str(), AccessFlags::X_OK).map(|()| path)?)
        });
        looked.map(Some).map_err(|source| error(("enter", source), path.display()))
    }
}

/// Has a thread run code once it may, and end by sending its exit status.
fn begin_thread(
    code: Code,
    arguments: Vec<OsString>,
    streams: &mut Streams,
) -> Result<Thread, Failed> {
    let failed = |error| ("start", error);
    let streams = streams.for_thread().map_err(failed)?;
    let given = code::give(arguments, streams).map_err(failed)?;
    let (end, mut writer) = io::pipe().map_err(failed)?;
    let (go, may_go) = mpsc::channel();
    let body = move || {
        if may_go.recv().is_err() {
            return;
        }
        let status = code::run(code, given, true);
        // Nobody may be there any more who wants to know.
        let _ = writer.write_all(&[status]);
    };
    thread::Builder::new().name("run".into()).spawn(body).map_err(failed)?;
    Ok(Thread { end, go })
}
