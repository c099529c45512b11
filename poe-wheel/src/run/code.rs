//! A child that is code of this program.

use std::any::Any;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What code has to work with: streams of its own, and its arguments.
///
/// In a process of its own these are its standard streams, so that `println!` serves as well. In a thread `println!` is the
/// whole process's, and only these lead to the wheel. They are closed when they are dropped, and at the latest when the
/// code returns.
#[derive(Debug)]
#[non_exhaustive]
pub struct CodeIo {
    /// What the wheel sends.
    pub stdin: File,
    /// What the wheel takes for output.
    pub stdout: File,
    /// What the wheel takes for complaints.
    pub stderr: File,
    /// Those of [`RunBuilder::program_args`](crate::RunBuilder::program_args).
    pub args: Vec<OsString>,
}

/// Where code runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodeIn {
    /// In a process of its own where that is sound, and else in a thread.
    #[default]
    Either,
    /// In a process of its own, a copy of this one made by `fork`. This is sound, and done, only where the process has one
    /// thread: of other threads the copy would have the locks that they hold, and not what would release them. Linux alone
    /// tells how many there are. A kernel that has done [blocking](poe_kernel::Kernel::blocking) work has threads.
    ///
    /// Of what the kernel watches, such as other children's streams and the sockets of wheels, the copy has no share, so
    /// that it ends when the parent has it end: those descriptors are of `/dev/null` there.
    Process,
    /// In a thread of this process, which has no pid, cannot be killed, and has no user, directory or environment of its
    /// own.
    Thread,
}

/// What code returns: an exit status.
///
/// Nothing is 0, and an error is printed on the code's standard error and makes 255, as a panic does.
pub trait IntoExitCode {
    /// The status, from 0 to 255.
    fn into_exit_code(self, stderr: &mut dyn Write) -> u8;
}

impl IntoExitCode for () {
    fn into_exit_code(self, _: &mut dyn Write) -> u8 {
        0
    }
}

impl IntoExitCode for u8 {
    fn into_exit_code(self, _: &mut dyn Write) -> u8 {
        self
    }
}

impl<T: IntoExitCode, E: fmt::Display> IntoExitCode for Result<T, E> {
    fn into_exit_code(self, stderr: &mut dyn Write) -> u8 {
        match self {
            Ok(value) => value.into_exit_code(stderr),
            Err(error) => {
                // Nobody may be reading.
                let _ = writeln!(stderr, "{error}");
                u8::MAX
            }
        }
    }
}

/// Code with its types erased; the second argument is what it complains to.
pub(super) type Code = Box<dyn FnOnce(CodeIo, &mut dyn Write) -> u8 + Send>;

pub(super) fn erase<R: IntoExitCode>(code: impl FnOnce(CodeIo) -> R + Send + 'static) -> Code {
    Box::new(move |io, stderr| code(io).into_exit_code(stderr))
}

/// What code is given, and one more share of what it complains to.
pub(super) type Given = (CodeIo, File);

/// Makes these streams the code's; where there is none of them, the process's own.
pub(super) fn give(args: Vec<OsString>, streams: [Option<OwnedFd>; 3]) -> io::Result<Given> {
    let [stdin, stdout, stderr] = streams;
    let stderr = own(stderr, &io::stderr())?;
    let complaints = stderr.try_clone()?;
    let (stdin, stdout) = (own(stdin, &io::stdin())?, own(stdout, &io::stdout())?);
    Ok((CodeIo { stdin, stdout, stderr, args }, complaints))
}

/// Runs code to its end.
pub(super) fn run(code: Code, (io, mut complaints): Given, is_thread: bool) -> u8 {
    let run = AssertUnwindSafe(|| code(io, &mut complaints));
    catch_unwind(run).unwrap_or_else(|panic| {
        if is_thread {
            // What was printed of it went to the process's standard error.
            let _ = writeln!(complaints, "panicked: {}", message(&*panic));
        }
        u8::MAX
    })
}

fn own(stream: Option<OwnedFd>, standard: &dyn AsFd) -> io::Result<File> {
    match stream {
        Some(stream) => Ok(stream.into()),
        None => Ok(standard.as_fd().try_clone_to_owned()?.into()),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("of no message")
}
