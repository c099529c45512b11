//! How a child begins.

use std::ffi::{CStr, CString, OsString};
use std::io::{self, Write};
use std::os::fd::{AsFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::thread;

use nix::errno::Errno;

use super::account::{Identity, Ids};
use super::code::{self, Code, CodeIn};
use super::conduit::Streams;
use super::program::{Name, Program, Surroundings};
use super::sys::{self, Birth, Failed, Group, Image};
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
    /// A thread, and what its exit status comes through.
    Thread(io::PipeReader),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// Whether it leads a process group of its own.
    pub(super) leads: bool,
}

/// Starts a child. Its ends of the streams are closed here by then.
pub(super) fn start(
    program: Program,
    request: Request,
    mut streams: Streams,
) -> Result<Child, WheelError> {
    let target = program.to_string();
    let failed = |(operation, source)| WheelError::Run { operation, target, source };
    if streams.pty.is_some() && !matches!(&program, Program::Code(_) if request.is_in_thread()) {
        // A terminal is of a session.
        return Request { group: Group::OwnSession, ..request }.begin(program, &streams, failed);
    }
    match program {
        Program::Code(code) if request.is_in_thread() => {
            request.check_thread()?;
            in_thread(code, request.arguments, &mut streams).map_err(failed)
        }
        program => request.begin(program, &streams, failed),
    }
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
        program: Program,
        streams: &Streams,
        failed: impl FnOnce(Failed) -> WheelError,
    ) -> Result<Child, WheelError> {
        let ids = self.identity.resolve().map_err(|(target, source)| WheelError::Run {
            operation: "look up",
            target,
            source,
        })?;
        let directory = self.directory()?;
        let leads = matches!(self.group, Group::Own | Group::OwnSession);
        let birth = self.birth(streams, directory.as_deref(), &ids);
        let pid = match program {
            Program::Path(name) => self.begin_program(Name::Program(&name), birth),
            Program::Shell(command) => self.begin_program(Name::Shell(&command), birth),
            Program::Code(code) => self.begin_code(code, birth, streams),
        };
        pid.map(|pid| Child::Process(Process { pid, leads })).map_err(failed)
    }

    fn begin_program(&self, name: Name<'_>, birth: Birth<'_>) -> Result<u32, Failed> {
        let failed = |error| ("start", error);
        let command = self.surroundings.command(name, &self.arguments).map_err(failed)?;
        let close = if self.close_on_call { sys::inheritable() } else { Ok(Vec::new()) };
        let close = close.map_err(|error| ("list the descriptors for", error))?;
        let birth = Birth { close: &close, ..birth };
        let image = Image {
            path: &command.path,
            arguments: &command.arguments,
            environment: &command.environment,
        };
        if sys::can_spawn(&birth) {
            sys::spawn(&birth, &image).map_err(failed)
        } else {
            sys::fork_exec(&birth, &image)
        }
    }

    fn begin_code(&self, code: Code, birth: Birth<'_>, streams: &Streams) -> Result<u32, Failed> {
        let arguments = self.arguments.clone();
        // What the copy has of the wheel's ends would keep its own streams from ending.
        let (all, ours) = (self.close_on_call, streams.numbers());
        sys::fork_code(&birth, move || {
            let let_go = if all { sys::all_open() } else { Ok(ours) };
            match let_go.and_then(|files: Vec<RawFd>| sys::let_go_of_files(&files)) {
                Ok(()) => code::run(code, arguments, [None, None, None], false),
                Err(_) => u8::MAX,
            }
        })
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
            close: &[],
            directory,
            priority: self.priority,
            groups: ids.groups.as_deref(),
            group_id: ids.group,
            user_id: ids.user,
        }
    }

    /// The directory, which is looked at before, so that what is amiss with it is not said of the program.
    fn directory(&self) -> Result<Option<CString>, WheelError> {
        let Some(path) = &self.surroundings.directory else { return Ok(None) };
        let looked = path.metadata().and_then(|found| {
            let path = CString::new(path.as_os_str().as_bytes())?;
            if found.is_dir() { Ok(path) } else { Err(Errno::ENOTDIR.into()) }
        });
        looked.map(Some).map_err(|source| WheelError::Run {
            operation: "enter",
            target: path.display().to_string(),
            source,
        })
    }
}

/// Runs code in a thread, which ends by sending its exit status.
fn in_thread(code: Code, arguments: Vec<OsString>, streams: &mut Streams) -> Result<Child, Failed> {
    let failed = |error| ("start", error);
    let streams = streams.for_thread().map_err(failed)?;
    let (reader, mut writer) = io::pipe().map_err(failed)?;
    let body = move || {
        let status = code::run(code, arguments, streams, true);
        // Nobody may be there any more who wants to know.
        let _ = writer.write_all(&[status]);
    };
    thread::Builder::new().name("run".into()).spawn(body).map_err(failed)?;
    Ok(Child::Thread(reader))
}
