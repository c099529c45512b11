//! How a child, and the wheel that runs it, are to be.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use poe_driver::Driver;
use poe_filter::{Filter, Line};
use poe_kernel::{EventFor, Kernel, NoActiveSession};

use super::account::{Account, Identity};
use super::code::CodeIn;
use super::conduit::{Conduit, Plan, Streams};
use super::drivers::Drivers;
use super::program::{Program, Surroundings};
use super::pty::{PtyDriver, Winsize};
use super::redirect::Redirect;
use super::running::{Ending, Running};
use super::start::{Request, start};
use super::sys::Group;
use super::{Run, RunExit};
use crate::read_write::Part;
use crate::{Input, IoError, ReadWriteBuilder, RunStream, WheelError, WheelId};

/// Builds a [`Run`] wheel (POE: the parameters of `POE::Wheel::Run->new`).
#[must_use = "a child begins when it is spawned"]
pub struct RunBuilder<In: 'static = Bytes, Out: 'static = Bytes, Err: 'static = Bytes> {
    program: Program,
    stdio: ReadWriteBuilder<In, Out>,
    stderr: ReadWriteBuilder<Err, Bytes>,
    drivers: Drivers,
    /// Which streams have events.
    events: [bool; 3],
    no_stdin: bool,
    plan: Plan,
    request: Request,
    ending: Ending,
}

/// What separates a child's lines, both ways.
fn lines() -> Line {
    let Ok(lines) = Line::literal("\n") else { unreachable!("the literal is not empty") };
    lines
}

impl RunBuilder {
    pub(super) fn new(program: Program) -> Self {
        Self {
            program,
            stdio: ReadWriteBuilder::new(None, None).filter(lines()),
            stderr: ReadWriteBuilder::new(None, None).filter(lines()),
            drivers: Drivers::default(),
            events: [false; 3],
            no_stdin: false,
            plan: Plan::default(),
            request: Request {
                arguments: Vec::new(),
                code_in: CodeIn::Either,
                surroundings: Surroundings::default(),
                identity: Identity::default(),
                priority: 0,
                group: Group::Own,
                close_on_call: false,
            },
            ending: Ending::default(),
        }
    }
}

/// Events.
impl<In: 'static, Out: 'static, Err: 'static> RunBuilder<In, Out, Err> {
    /// The event for having written all that was put to standard input (POE: `StdinEvent`).
    pub fn stdin_event(self, event: impl EventFor<WheelId>) -> Self {
        self.on_stream(0, |stdio| stdio.flushed_event(event))
    }

    /// The event for each record of standard output (POE: `StdoutEvent`). Without it the child has its parent's standard
    /// output, unless that is redirected.
    pub fn stdout_event(self, event: impl EventFor<Input<In>>) -> Self {
        self.on_stream(1, |stdio| stdio.input_event(event))
    }

    /// The event for a record that standard output ended within, as a last line without a newline. Without it such a record
    /// is dropped, and the error event at the end of file says how much of it there was.
    pub fn stdout_partial_event(mut self, event: impl EventFor<Input<In>>) -> Self {
        self.stdio = self.stdio.partial_event(event);
        self
    }

    /// The event for each record of standard error (POE: `StderrEvent`). Without it the child has its parent's standard
    /// error, unless that is redirected.
    pub fn stderr_event(mut self, event: impl EventFor<Input<Err>>) -> Self {
        self.events[2] = true;
        self.stderr = self.stderr.input_event(event);
        self
    }

    /// The event for a record that standard error ended within.
    pub fn stderr_partial_event(mut self, event: impl EventFor<Input<Err>>) -> Self {
        self.stderr = self.stderr.partial_event(event);
        self
    }

    /// The event for failures, the end of each output among them (POE: `ErrorEvent`).
    pub fn error_event(mut self, event: impl EventFor<IoError>) -> Self {
        let name = event.name();
        self.stdio = self.stdio.error_event(name);
        self.stderr = self.stderr.error_event(name);
        self
    }

    /// The event for the end of all outputs that have events (POE: `CloseEvent`).
    pub fn close_event(mut self, event: impl EventFor<WheelId>) -> Self {
        self.ending.close_event = Some(event.name());
        self
    }

    /// The event for the child's end.
    pub fn exit_event(mut self, event: impl EventFor<RunExit>) -> Self {
        self.ending.exit_event = Some(event.name());
        self
    }

    /// How many octets queued for standard input are too many. Needs a low mark and its event too.
    pub fn high_mark(mut self, octets: usize) -> Self {
        self.stdio = self.stdio.high_mark(octets);
        self
    }

    /// How many octets queued for standard input are few enough again. Needs a high mark and an event too.
    pub fn low_mark(mut self, octets: usize) -> Self {
        self.stdio = self.stdio.low_mark(octets);
        self
    }

    /// The event for reaching the high mark.
    pub fn high_event(mut self, event: impl EventFor<WheelId>) -> Self {
        self.stdio = self.stdio.high_event(event);
        self
    }

    /// The event for sinking to the low mark after the high one was reached.
    pub fn low_event(mut self, event: impl EventFor<WheelId>) -> Self {
        self.stdio = self.stdio.low_event(event);
        self
    }
}

/// Filters and drivers.
impl<In: 'static, Out: 'static, Err: 'static> RunBuilder<In, Out, Err> {
    /// The filter for standard input and output (POE: `StdioFilter`); lines that end with `"\n"` if none is given.
    pub fn stdio_filter<F: Filter + 'static>(self, filter: F) -> RunBuilder<F::In, F::Out, Err> {
        self.with_filters(|stdio| stdio.filter(filter), |stderr| stderr)
    }

    /// The filter for standard input (POE: `StdinFilter`).
    pub fn stdin_filter<F: Filter + 'static>(self, filter: F) -> RunBuilder<In, F::Out, Err> {
        self.with_filters(|stdio| stdio.output_filter(filter), |stderr| stderr)
    }

    /// The filter for standard output (POE: `StdoutFilter`).
    pub fn stdout_filter<F: Filter + 'static>(self, filter: F) -> RunBuilder<F::In, Out, Err> {
        self.with_filters(|stdio| stdio.input_filter(filter), |stderr| stderr)
    }

    /// The filter for standard error (POE: `StderrFilter`); lines that end with `"\n"` if none is given.
    pub fn stderr_filter<F: Filter + 'static>(self, filter: F) -> RunBuilder<In, Out, F::In> {
        self.with_filters(|stdio| stdio, |stderr| stderr.input_filter(filter))
    }

    /// The driver for standard input and output (POE: `StdioDriver`), or for the one of them that is given none of its own.
    pub fn stdio_driver(mut self, driver: impl Driver + 'static) -> Self {
        self.stdio = self.stdio.driver(driver);
        self
    }

    /// The driver for standard input (POE: `StdinDriver`).
    pub fn stdin_driver(mut self, driver: impl Driver + 'static) -> Self {
        self.drivers.stdin = Some(driver.boxed());
        self
    }

    /// The driver for standard output (POE: `StdoutDriver`).
    pub fn stdout_driver(mut self, driver: impl Driver + 'static) -> Self {
        self.drivers.stdout = Some(driver.boxed());
        self
    }

    /// The driver for standard error (POE: `StderrDriver`).
    pub fn stderr_driver(mut self, driver: impl Driver + 'static) -> Self {
        self.stderr = self.stderr.driver(driver);
        self
    }
}

/// Streams.
impl<In: 'static, Out: 'static, Err: 'static> RunBuilder<In, Out, Err> {
    /// What leads to the child (POE: `Conduit`); pipes if nothing is given.
    pub fn conduit(mut self, conduit: Conduit) -> Self {
        self.plan.conduit = conduit;
        self
    }

    /// The size of the pseudo-terminal (POE: `Winsize`); that of this process's terminal, if it has one, if none is given.
    pub fn winsize(mut self, size: Winsize) -> Self {
        self.plan.size = Some(size);
        self
    }

    /// Has the child read its parent's standard input (POE: `NoStdin`).
    pub fn no_stdin(mut self, yes: bool) -> Self {
        self.no_stdin = yes;
        self
    }

    /// What the child reads instead (POE: `RedirectStdin`). Files are opened by `spawn`, and what is wrong with them is its
    /// error.
    pub fn redirect_stdin(mut self, from: impl Into<Redirect>) -> Self {
        self.plan.redirects[0] = Some(from.into());
        self
    }

    /// Where the child's output goes instead (POE: `RedirectStdout`).
    pub fn redirect_stdout(mut self, to: impl Into<Redirect>) -> Self {
        self.plan.redirects[1] = Some(to.into());
        self
    }

    /// Where the child's complaints go instead (POE: `RedirectStderr`).
    pub fn redirect_stderr(mut self, to: impl Into<Redirect>) -> Self {
        self.plan.redirects[2] = Some(to.into());
        self
    }

    /// Where both the child's output and its complaints go instead (POE: `RedirectOutput`).
    pub fn redirect_output(mut self, to: impl Into<Redirect>) -> Self {
        self.plan.output = Some(to.into());
        self
    }
}

/// The child.
impl<In: 'static, Out: 'static, Err: 'static> RunBuilder<In, Out, Err> {
    /// What the child is given: a program's arguments, a shell command's `$1` and so on, code's
    /// [`args`](crate::CodeIo::args) (POE: `ProgramArgs`).
    pub fn program_args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.request.arguments.extend(args.into_iter().map(Into::into));
        self
    }

    /// Where code runs. Nothing to a program.
    pub fn code_in(mut self, place: CodeIn) -> Self {
        self.request.code_in = place;
        self
    }

    /// The directory that the child begins in; its parent's if none is given.
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.request.surroundings.directory = Some(path.into());
        self
    }

    /// A variable of the child's environment, which else is its parent's. A program is looked for in this `PATH`.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let (name, value) = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.request.surroundings.changes.insert(name, Some(value));
        self
    }

    /// A variable that the child does not get from its parent.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.request.surroundings.changes.insert(name.as_ref().to_owned(), None);
        self
    }

    /// Has the child get none of its parent's variables, but only those given by [`Self::env`].
    pub fn env_clear(mut self) -> Self {
        self.request.surroundings.clear = true;
        self.request.surroundings.changes.clear();
        self
    }

    /// The user that the child runs as (POE: `User`), and that user's group, unless another is given, as it must be for a number
    /// that no user has. Where this process may
    /// give up its own supplementary groups, as root may, the child has none of them. Needs a `fork`.
    pub fn user(mut self, user: impl Into<Account>) -> Self {
        self.request.identity.user = Some(user.into());
        self
    }

    /// The group that the child runs as (POE: `Group`). Needs a `fork`.
    pub fn group(mut self, group: impl Into<Account>) -> Self {
        self.request.identity.group = Some(group.into());
        self
    }

    /// The supplementary groups that the child is in. Needs a `fork`.
    pub fn groups<A: Into<Account>>(mut self, groups: impl IntoIterator<Item = A>) -> Self {
        self.request.identity.groups = Some(groups.into_iter().map(Into::into).collect());
        self
    }

    /// What is added to the child's niceness (POE: `Priority`): more is nicer. `posix_spawn` cannot, so that it takes a `fork` where
    /// programs are started so.
    pub fn priority(mut self, delta: i32) -> Self {
        self.request.priority = delta;
        self
    }

    /// Leaves the child in its parent's process group, and so among those that a terminal's Ctrl-C is for (POE: `NoSetPgrp`).
    /// Else it leads a group of its own.
    pub fn no_setpgrp(mut self, yes: bool) -> Self {
        self.request.group = if yes { Group::Parents } else { Group::Own };
        self
    }

    /// Puts the child into a process group that there is, as into that of another child for a pipeline. Its number is the
    /// pid of the child that leads it; 0 is a group of the child's own.
    pub fn process_group(mut self, group: u32) -> Self {
        self.request.group = if group == 0 { Group::Own } else { Group::Of(group.cast_signed()) };
        self
    }

    /// Has the child begin a session, without a terminal. With a pseudo-terminal it does anyhow.
    pub fn setsid(mut self, yes: bool) -> Self {
        self.request.group = if yes { Group::OwnSession } else { Group::Own };
        self
    }

    /// Has the child begin with no descriptors but the first three (POE: `CloseOnCall`). Rust opens all others so that
    /// programs do not inherit them; this is for what other libraries open, in other threads meanwhile, too. In the process
    /// of code, they are of `/dev/null` from then on, and those that the code brought along are, too.
    pub fn close_on_call(mut self, yes: bool) -> Self {
        self.request.close_on_call = yes;
        self
    }

    /// How long after the child's end others, as what it has started itself, may keep its outputs open. After that they are
    /// closed, and what others write is lost. If nothing is given they may for ever, and the close event waits for them,
    /// while the exit event does not.
    pub fn close_delay(mut self, delay: Duration) -> Self {
        self.ending.close_delay = Some(delay);
        self
    }

    /// Kills the child when the wheel is dropped, by `KILL`; its group, where [that](Run::terminate_group) is being terminated.
    /// Else it goes on without its wheel.
    pub fn kill_on_drop(mut self, yes: bool) -> Self {
        self.ending.kill_on_drop = yes;
        self
    }

    /// Begins; the wheel belongs to the session that is active.
    ///
    /// When this returns, the child runs: that a program cannot be executed is an error here.
    ///
    /// # Errors
    ///
    /// [`WheelError::NoActiveSession`] outside a handler; [`WheelError::Parameters`] for parameters that exclude each other;
    /// [`WheelError::Run`] when the child, or what leads to it, cannot be had, as for want of processes or descriptors, or
    /// of permission; [`WheelError::Child`] and [`WheelError::Watch`] when it cannot be watched; and what
    /// [`ReadWriteBuilder::spawn`] says of marks.
    #[track_caller]
    pub fn spawn(mut self, kernel: &Kernel) -> Result<Run<In, Out, Err>, WheelError> {
        if kernel.active_session().is_kernel() {
            return Err(NoActiveSession("a Run wheel").into());
        }
        self.check().map_err(WheelError::Parameters)?;
        let is_pty = self.plan.conduit.is_pty();
        let has_stdin = !self.no_stdin && self.plan.redirects[0].is_none();
        self.plan.wanted = [has_stdin, self.events[1], self.events[2]];
        self.ending.in_flight = self.plan.conduit.in_flight();
        let streams = Streams::open(self.plan)?;

        let running = Running::new(kernel, self.ending, has_stdin);
        let whole = Rc::downgrade(&running);
        let part = |reads| Part::new(running.id, reads, whole.clone() as _);
        let [stdin, stdout, stderr] = &streams.ours;
        if stdin.is_some() || stdout.is_some() {
            let stdio = self.stdio.part((stdout.clone(), stdin.clone()), part(RunStream::Stdout));
            let mut stdio = stdio.map_driver(|driver| self.drivers.over(driver));
            if is_pty {
                stdio = stdio.map_driver(|driver| Box::new(PtyDriver(driver)));
            }
            let _ = running.stdio.set(stdio.spawn(kernel)?);
        }
        if stderr.is_some() {
            let stderr = self.stderr.part((stderr.clone(), None), part(RunStream::Stderr));
            let _ = running.stderr.set(stderr.spawn(kernel)?);
        }
        if let Some(pty) = &streams.pty {
            running.keep_terminal(&pty.ours);
        }
        // What the wheel has is the parts' from here on.
        let run = Run { running };
        let child = start(kernel, self.program, self.request, streams)?;
        run.running.adopt(kernel, child)?;
        Ok(run)
    }

    fn check(&self) -> Result<(), &'static str> {
        let (plan, [stdin, stdout, stderr]) = (&self.plan, self.events);
        let [from, to, complaints] = plan.redirects.each_ref().map(Option::is_some);
        let both = plan.output.is_some();
        let contradictions = [
            (
                stdin && (from || self.no_stdin),
                "stdin_event needs a conduit; leave out redirect_stdin and no_stdin",
            ),
            (from && self.no_stdin, "redirect_stdin and no_stdin exclude each other"),
            (
                stdout && (to || both),
                "stdout_event needs a conduit; leave out redirect_stdout and redirect_output",
            ),
            (
                stderr && (complaints || both),
                "stderr_event needs a conduit; leave out redirect_stderr and redirect_output",
            ),
            (
                both && (to || complaints),
                "redirect_output is for both; leave out redirect_stdout and redirect_stderr",
            ),
            (
                plan.conduit.is_pty() && (from || to || complaints || both || self.no_stdin),
                "a pseudo-terminal is all of the child's streams; leave out redirections and no_stdin",
            ),
            (
                plan.conduit == Conduit::Pty && stderr,
                "complaints come as output from a pseudo-terminal; leave out stderr_event, or take Conduit::PtyPipe",
            ),
            (
                plan.conduit.is_pty() && matches!(self.request.group, Group::Of(_)),
                "a pseudo-terminal is of a session of the child's own; leave out process_group",
            ),
            (
                plan.size.is_some() && !plan.conduit.is_pty(),
                "winsize needs a pseudo-terminal; give conduit(Conduit::Pty)",
            ),
        ];
        match contradictions.into_iter().find(|(is_there, _)| *is_there) {
            Some((_, advice)) => Err(advice),
            None => Ok(()),
        }
    }

    fn on_stream(
        mut self,
        number: usize,
        change: impl FnOnce(ReadWriteBuilder<In, Out>) -> ReadWriteBuilder<In, Out>,
    ) -> Self {
        self.events[number] = true;
        self.stdio = change(self.stdio);
        self
    }

    fn with_filters<I, O, E>(
        self,
        stdio: impl FnOnce(ReadWriteBuilder<In, Out>) -> ReadWriteBuilder<I, O>,
        stderr: impl FnOnce(ReadWriteBuilder<Err, Bytes>) -> ReadWriteBuilder<E, Bytes>,
    ) -> RunBuilder<I, O, E> {
        RunBuilder {
            program: self.program,
            stdio: stdio(self.stdio),
            stderr: stderr(self.stderr),
            drivers: self.drivers,
            events: self.events,
            no_stdin: self.no_stdin,
            plan: self.plan,
            request: self.request,
            ending: self.ending,
        }
    }
}

impl<In: 'static, Out: 'static, Err: 'static> fmt::Debug for RunBuilder<In, Out, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunBuilder")
            .field("program", &self.program)
            .field("stdio", &self.stdio)
            .field("stderr", &self.stderr)
            .field("drivers", &self.drivers)
            .field("streams", &self.plan)
            .field("child", &self.request)
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}
