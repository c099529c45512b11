//! Running a program, or code, as a child.

mod account;
mod builder;
mod code;
mod conduit;
mod drivers;
mod events;
mod kill;
mod program;
mod pty;
mod redirect;
mod running;
mod start;
mod stream;
mod sys;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use poe_filter::{Filter, IntoRecord};
use poe_kernel::{Name, SessionId};

pub use self::account::Account;
pub use self::builder::RunBuilder;
pub use self::code::{CodeIn, CodeIo, IntoExitCode};
pub use self::conduit::Conduit;
pub use self::events::{RunEvent, RunExit};
pub use self::kill::KillError;
use self::kill::Whom;
use self::program::Program;
pub use self::pty::Winsize;
pub use self::redirect::Redirect;
use self::running::Running;
pub use self::stream::RunStream;
use crate::{ReadWriteEvent, WheelError, WheelId};

/// Runs a program, a shell command or code of this program as a child, and talks with it through its standard streams (POE:
/// `POE::Wheel::Run`).
///
/// Records that are [`put`](Self::put) go to the child's standard input; those that it prints come as events, as do the end of
/// each of its outputs, of all of them, and of the child itself. Lines are the records unless there are other filters.
///
/// The wheel belongs to the session that was active when it was built, and keeps it alive while the child runs and its outputs
/// are open. It ends when it is dropped: no event comes any more, output still queued is discarded, and the child's streams
/// are closed. The child goes on then, unless [`kill_on_drop`](RunBuilder::kill_on_drop) was asked for, or its time is up after
/// [`terminate`](Self::terminate); the kernel waits for it, so that it does not stay a zombie while the kernel runs.
///
/// A child that outlives the kernel is waited for by nobody, and when it ends stays a zombie until this process ends, too. Where that
/// is long, have it killed with its wheel, keep the session until it has ended, or wait for it by its pid: by the system's `waitpid`,
/// or in another kernel by [`sig_child`](poe_kernel::Kernel::sig_child).
///
/// # The child's end
///
/// The events of a child's end come in this order: an [`IoError`](crate::IoError) for each output, as it ends, which is
/// [`is_eof`](crate::IoError::is_eof) when all is well; the close event, when both outputs have ended; the exit event, with a
/// [`RunExit`]. Close and exit come once each, and always; of an output without an event there is nothing to wait for. The exit
/// event comes behind all that the child itself has printed. Where others have its outputs open for longer than a tenth of a
/// second after its end, as programs that it has started may, or an output is [paused](Self::pause_stdout), the exit event does
/// not wait, and comes before the close event. That waits for as long as it takes; but see
/// [`close_delay`](RunBuilder::close_delay). Where this process ignores the signal `CHLD`, as some are made to by who starts them,
/// the exit event does not know the status.
///
/// # How it begins
///
/// Programs are started on this process's memory, as `vfork` has it, which takes the same time however large that is, and a program
/// is run to its end as fast as by [`std::process::Command`] (`cargo xtask bench spawn`): by a `clone3` of our own on 64-bit x86 Linux from 5.5 on,
/// elsewhere by `posix_spawn`. `fork`, which copies what is mapped, is only used for what needs it: [`user`](RunBuilder::user),
/// [`group`](RunBuilder::group), [`groups`](RunBuilder::groups), and, where the system's `posix_spawn` has no way,
/// [`priority`](RunBuilder::priority), a directory, a session or a pseudo-terminal. A child begins with no signal blocked, none
/// handled, and `PIPE` deadly: what it is sent at once is its own to deal with. A file that is neither a program nor begins with
/// `#!` is an error, and not given to the shell.
///
/// A child that is given no other variables gets the environment as it is in that moment. As with all that the C library does
/// with it, no other thread may change it then: see [`std::env::set_var`].
///
/// [`build_code`](Self::build_code) runs code of this program, in a copy of the process where that is sound, and else in a
/// thread: see [`CodeIn`].
///
/// # Example
///
/// ```
/// use poe_session::prelude::*;
/// use poe_wheel::{Input, Run, RunExit};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kernel = Kernel::new()?;
/// Session::build(None::<Run>)
///     .on_start(|cx| -> HandlerResult {
///         let sort = Run::build("sort")
///             .program_args(["-r"])
///             .stdout_event("line")
///             .exit_event("done")
///             .spawn(cx.kernel)?;
///         sort.put("apple");
///         sort.put("pear");
///         sort.shutdown_stdin();
///         *cx.heap = Some(sort);
///         Ok(())
///     })
///     .on("line", |_, input: Input| assert!(input.record == "pear" || input.record == "apple"))
///     .on("done", |cx, exit: RunExit| {
///         assert!(exit.success());
///         *cx.heap = None;
///     })
///     .spawn(&kernel)?;
/// kernel.run()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a wheel ends when it is dropped"]
pub struct Run<In: 'static = Bytes, Out: 'static = Bytes, Err: 'static = Bytes> {
    running: Rc<Running<In, Out, Err>>,
}

impl Run {
    /// Runs a program: its path, or a name that is looked for in `PATH`. Arguments are given to it as they are (POE: `Program`
    /// with a list).
    pub fn build(program: impl Into<OsString>) -> RunBuilder {
        RunBuilder::new(Program::Path(program.into()))
    }

    /// Runs a command by `/bin/sh` (POE: `Program` with a string). Arguments are its `$1` and so on, and need no quotes.
    ///
    /// ```
    /// use poe_session::prelude::*;
    /// use poe_wheel::{Input, Run};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// Session::build(None::<Run>)
    ///     .on_start(|cx| -> HandlerResult {
    ///         let command = Run::build_shell("echo \"$1\" | tr a-z A-Z");
    ///         let run = command.program_args(["it's $HOME"]).stdout_event("line").spawn(cx.kernel)?;
    ///         *cx.heap = Some(run);
    ///         Ok(())
    ///     })
    ///     .on("line", |_, input: Input| assert_eq!(input.record, "IT'S $HOME"))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn build_shell(command: impl Into<OsString>) -> RunBuilder {
        RunBuilder::new(Program::Shell(command.into()))
    }

    /// Runs code of this program (POE: `Program` with a function), in a copy of the process or a thread: see [`CodeIn`]. What it
    /// returns is its exit status.
    ///
    /// ```
    /// use std::io::{BufRead, BufReader, Write};
    ///
    /// use poe_session::prelude::*;
    /// use poe_wheel::{CodeIo, Input, Run, RunExit};
    ///
    /// fn count_words(mut io: CodeIo) -> std::io::Result<()> {
    ///     for line in BufReader::new(io.stdin).lines() {
    ///         writeln!(io.stdout, "{}", line?.split_whitespace().count())?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// Session::build(None::<Run>)
    ///     .on_start(|cx| -> HandlerResult {
    ///         let run = Run::build_code(count_words).stdout_event("line").exit_event("done").spawn(cx.kernel)?;
    ///         run.put("how many are these");
    ///         run.shutdown_stdin();
    ///         *cx.heap = Some(run);
    ///         Ok(())
    ///     })
    ///     .on("line", |_, input: Input| assert_eq!(input.record, "4"))
    ///     .on("done", |_, exit: RunExit| assert!(exit.success()))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn build_code<R: IntoExitCode>(
        code: impl FnOnce(CodeIo) -> R + Send + 'static,
    ) -> RunBuilder {
        RunBuilder::new(Program::Code(code::erase(code)))
    }
}

impl<In: 'static, Out: 'static, Err: 'static> Run<In, Out, Err> {
    /// The wheel's identity, which its events carry (POE: `ID`).
    #[must_use]
    pub fn id(&self) -> WheelId {
        self.running.id
    }

    /// The child's process id (POE: `PID`); none of code in a thread. It may be another's once the exit event has come.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.running.pid()
    }

    /// The session that the wheel belongs to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.running.session
    }

    /// How the child has ended, if it has and anybody can tell.
    #[must_use]
    pub fn status(&self) -> Option<ExitStatus> {
        self.running.status()
    }

    /// Whether the child has not ended, as far as is known (POE: `kill` with 0).
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.running.has_exited()
    }

    /// Queues a record for the child's standard input, to be written at the end of the turn. Whether as much as the high mark
    /// is queued now (false without marks): time to stop until [`RunEvent::Low`] comes.
    ///
    /// What is put when standard input is shut down, failed, or not the wheel's is dropped (POE dies of it).
    pub fn put(&self, record: impl IntoRecord<Out>) -> bool {
        self.running.stdio.get().is_some_and(|stdio| stdio.put(record))
    }

    /// Ends the child's standard input once all that is queued has gone (POE: `shutdown_stdin`, which loses it). On a
    /// pseudo-terminal that the child reads by lines this is the character that a person types, twice, as a line that is not
    /// ended needs; elsewhere a terminal's input has no end, and nothing more is written.
    pub fn shutdown_stdin(&self) {
        if let Some(stdio) = self.running.stdio.get() {
            stdio.shutdown_output();
        }
    }

    /// Sends one of the wheel's events under another name from now on (POE: `event`).
    ///
    /// # Errors
    ///
    /// [`WheelError::NoStream`] for the events of a stream that the wheel does not have, as it was not given an event when the
    /// child began; [`WheelError::NoMarks`] for the events of marks that there are not; [`WheelError::Watch`] when this makes
    /// the wheel read for the first time and the handle cannot be watched.
    pub fn event(&self, event: RunEvent, name: impl Into<Name>) -> Result<(), WheelError> {
        self.rename(event, Some(name.into()))
    }

    /// Sends one of the wheel's events no more (POE: `event` with an undefined name). An output without an event is not read,
    /// and counts as closed when the child has ended.
    pub fn event_end(&self, event: RunEvent) {
        // Only naming an event can fail.
        let _ = self.rename(event, None);
    }

    /// Uses another filter for standard input and output from now on (POE: `set_stdio_filter`). Input that is pending goes to
    /// it, from the record on that follows the one being handled.
    pub fn set_stdio_filter(&self, filter: impl Filter<In = In, Out = Out> + 'static) {
        if let Some(stdio) = self.running.stdio.get() {
            stdio.set_filter(filter);
        }
    }

    /// As [`Self::set_stdio_filter`], for standard input alone (POE: `set_stdin_filter`).
    pub fn set_stdin_filter(&self, filter: impl Filter<Out = Out> + 'static) {
        if let Some(stdio) = self.running.stdio.get() {
            stdio.set_output_filter(filter);
        }
    }

    /// As [`Self::set_stdio_filter`], for standard output alone (POE: `set_stdout_filter`).
    pub fn set_stdout_filter(&self, filter: impl Filter<In = In> + 'static) {
        if let Some(stdio) = self.running.stdio.get() {
            stdio.set_input_filter(filter);
        }
    }

    /// As [`Self::set_stdio_filter`], for standard error (POE: `set_stderr_filter`).
    pub fn set_stderr_filter(&self, filter: impl Filter<In = Err> + 'static) {
        if let Some(stderr) = self.running.stderr.get() {
            stderr.set_input_filter(filter);
        }
    }

    /// Changes the filter for standard input where it is, if it is an `F` (POE: `get_stdin_filter`); see
    /// [`ReadWrite::with_input_filter_mut`](crate::ReadWrite::with_input_filter_mut).
    ///
    /// # Errors
    ///
    /// [`WheelError::NoStream`] if there is no such stream, [`WheelError::OtherFilter`] if its filter is of another type, and
    /// [`WheelError::Busy`] from within the filter.
    pub fn with_stdin_filter_mut<F: Filter + 'static, R>(
        &self,
        f: impl FnOnce(&mut F) -> R,
    ) -> Result<R, WheelError> {
        let none = WheelError::NoStream { stream: "standard input" };
        self.running.stdio.get().ok_or(none)?.with_output_filter_mut(f)
    }

    /// As [`Self::with_stdin_filter_mut`], the filter for standard output (POE: `get_stdout_filter`).
    ///
    /// # Errors
    ///
    /// As for [`Self::with_stdin_filter_mut`].
    pub fn with_stdout_filter_mut<F: Filter + 'static, R>(
        &self,
        f: impl FnOnce(&mut F) -> R,
    ) -> Result<R, WheelError> {
        let none = WheelError::NoStream { stream: "standard output" };
        self.running.stdio.get().ok_or(none)?.with_input_filter_mut(f)
    }

    /// As [`Self::with_stdin_filter_mut`], the filter for standard error (POE: `get_stderr_filter`).
    ///
    /// # Errors
    ///
    /// As for [`Self::with_stdin_filter_mut`].
    pub fn with_stderr_filter_mut<F: Filter + 'static, R>(
        &self,
        f: impl FnOnce(&mut F) -> R,
    ) -> Result<R, WheelError> {
        let none = WheelError::NoStream { stream: "standard error" };
        self.running.stderr.get().ok_or(none)?.with_input_filter_mut(f)
    }

    /// Stops reading standard output, until [`Self::resume_stdout`]. Records already read are kept back.
    pub fn pause_stdout(&self) {
        if let Some(stdio) = self.running.stdio.get() {
            stdio.pause_input();
        }
    }

    /// Reads standard output again. Records that were kept back come when the current handler has returned.
    pub fn resume_stdout(&self) {
        if let Some(stdio) = self.running.stdio.get() {
            stdio.resume_input();
        }
    }

    /// As [`Self::pause_stdout`], for standard error.
    pub fn pause_stderr(&self) {
        if let Some(stderr) = self.running.stderr.get() {
            stderr.pause_input();
        }
    }

    /// As [`Self::resume_stdout`], for standard error.
    pub fn resume_stderr(&self) {
        if let Some(stderr) = self.running.stderr.get() {
            stderr.resume_input();
        }
    }

    /// How many octets are queued for standard input.
    #[must_use]
    pub fn get_driver_out_octets(&self) -> usize {
        self.running.stdio.get().map_or(0, |stdio| stdio.get_driver_out_octets())
    }

    /// How many messages are queued for standard input; with most filters, records.
    #[must_use]
    pub fn get_driver_out_messages(&self) -> usize {
        self.running.stdio.get().map_or(0, |stdio| stdio.get_driver_out_messages())
    }

    /// What leads to the child's standard input; none if it is not the wheel's, or was shut down.
    #[must_use]
    pub fn get_stdin_handle(&self) -> Option<Rc<dyn AsFd>> {
        self.running.stdio.get()?.get_output_handle()
    }

    /// What the child's standard output comes from; none if it has no event.
    #[must_use]
    pub fn get_stdout_handle(&self) -> Option<Rc<dyn AsFd>> {
        self.running.stdio.get()?.input_handle()
    }

    /// What the child's standard error comes from; none if it has no event.
    #[must_use]
    pub fn get_stderr_handle(&self) -> Option<Rc<dyn AsFd>> {
        self.running.stderr.get()?.input_handle()
    }

    /// Changes the size of the child's pseudo-terminal, of which the signal `WINCH` tells what runs there.
    ///
    /// # Errors
    ///
    /// [`WheelError::NoStream`] if there is none; [`WheelError::Run`] when the operating system will not.
    pub fn set_winsize(&self, size: Winsize) -> Result<(), WheelError> {
        let terminal =
            self.running.terminal().ok_or(WheelError::NoStream { stream: "terminal" })?;
        pty::resize(terminal, size).map_err(|source: io::Error| WheelError::Run {
            operation: "resize",
            target: "the terminal".to_owned(),
            source,
        })
    }

    /// Sends the child a signal, by its name such as `"TERM"` or its number such as `"15"` (POE: `kill`). `"0"` sends none, and
    /// asks only whether one could be sent.
    ///
    /// # Errors
    ///
    /// [`KillError`]: there is no such signal, or no such child any more.
    pub fn kill(&self, signal: impl AsRef<str>) -> Result<(), KillError> {
        self.running.kill(Whom::Process, kill::named(signal.as_ref())?)
    }

    /// Sends a signal to the child's process group: to itself, and to what it has started, unless that has gone to other groups.
    ///
    /// # Errors
    ///
    /// [`KillError`], and [`KillError::NoGroup`] of a child in its parent's.
    pub fn kill_group(&self, signal: impl AsRef<str>) -> Result<(), KillError> {
        self.running.kill(Whom::Group, kill::named(signal.as_ref())?)
    }

    /// Sends the child `TERM` now, and `KILL` if it has not ended by the end of `grace`. One that is stopped goes on, to learn of
    /// it. Should the wheel be dropped meanwhile, the session waits for that nonetheless.
    ///
    /// # Errors
    ///
    /// [`KillError`].
    pub fn terminate(&self, grace: Duration) -> Result<(), KillError> {
        self.running.terminate(Whom::Process, grace)
    }

    /// As [`Self::terminate`], for the child's process group: `KILL` is for all that are left of it at the end of `grace`,
    /// though the child itself has ended. That none are left, and the group's number is another's by then, is known from Linux
    /// 6.9 on; elsewhere do not let `grace` be long. The session waits for as long as any are left. As nobody tells of that,
    /// they are looked for ten times a second.
    ///
    /// # Errors
    ///
    /// [`KillError`].
    pub fn terminate_group(&self, grace: Duration) -> Result<(), KillError> {
        self.running.terminate(Whom::Group, grace)
    }

    fn rename(&self, event: RunEvent, name: Option<Name>) -> Result<(), WheelError> {
        let running = &self.running;
        let of_stdio = |stream, event, is_there: bool| match running.stdio.get() {
            Some(stdio) if is_there => stdio.rename(event, name),
            _ => Err(WheelError::NoStream { stream }),
        };
        let of_stderr = |event| match running.stderr.get() {
            Some(stderr) => stderr.rename(event, name),
            None => Err(WheelError::NoStream { stream: "standard error" }),
        };
        let has_stdin = running.has_stdin;
        let has_stdout = running.stdio.get().is_some_and(|stdio| stdio.has_input_handle());
        let (stdin, stdout) = ("standard input", "standard output");
        match event {
            RunEvent::Stdin => of_stdio(stdin, ReadWriteEvent::Flushed, has_stdin),
            RunEvent::High => of_stdio(stdin, ReadWriteEvent::High, has_stdin),
            RunEvent::Low => of_stdio(stdin, ReadWriteEvent::Low, has_stdin),
            RunEvent::Stdout => of_stdio(stdout, ReadWriteEvent::Input, has_stdout),
            RunEvent::StdoutPartial => of_stdio(stdout, ReadWriteEvent::Partial, has_stdout),
            RunEvent::Stderr => of_stderr(ReadWriteEvent::Input),
            RunEvent::StderrPartial => of_stderr(ReadWriteEvent::Partial),
            RunEvent::Error => {
                // Where there is no stream, nothing of one can fail.
                let _ = of_stdio(stdout, ReadWriteEvent::Error, true);
                let _ = of_stderr(ReadWriteEvent::Error);
                Ok(())
            }
            RunEvent::Close => {
                running.close_event.set(name);
                Ok(())
            }
            RunEvent::Exit => {
                running.exit_event.set(name);
                Ok(())
            }
        }
    }
}

impl<In: 'static, Out: 'static, Err: 'static> Drop for Run<In, Out, Err> {
    fn drop(&mut self) {
        self.running.end();
    }
}

impl<In: 'static, Out: 'static, Err: 'static> fmt::Debug for Run<In, Out, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("id", &self.id())
            .field("session", &self.session())
            .field("pid", &self.pid())
            .field("status", &self.status())
            .field("stdio", &self.running.stdio.get())
            .field("stderr", &self.running.stderr.get())
            .finish_non_exhaustive()
    }
}
