//! The only unsafe code of this wheel: how processes begin.
#![expect(
    unsafe_code,
    reason = "how the system starts processes, and what happens in a child before it is a program"
)]

mod child;
mod descriptors;
mod fork;
mod group_handle;
mod posix_spawn;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod vfork;

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr;

use nix::libc;

pub(super) use self::descriptors::{above_stdio, all_open, inheritable, let_go_of_files};
pub(super) use self::fork::{can_fork, fork_code};
pub(super) use self::group_handle::GroupHandle;

/// How a process is to begin, all of it made ready beforehand: a child must not allocate.
#[derive(Debug)]
pub(crate) struct Birth<'a> {
    pub(crate) group: Group,
    /// The terminal that is to be the child's standard input, its outputs unless `stdio` says otherwise, and what controls
    /// its session.
    pub(crate) terminal: Option<&'a CStr>,
    /// The child's first three descriptors, where they are not its parent's. None of these is one of the first three.
    pub(crate) stdio: [Option<BorrowedFd<'a>>; 3],
    /// Whether a program is to inherit no descriptors but the first three. It would inherit these, for a system that has to
    /// be told each.
    pub(crate) close: Option<&'a [RawFd]>,
    pub(crate) directory: Option<&'a CStr>,
    /// What is added to the niceness.
    pub(crate) priority: c_int,
    pub(crate) groups: Option<Groups<'a>>,
    pub(crate) group_id: Option<libc::gid_t>,
    pub(crate) user_id: Option<libc::uid_t>,
}

/// The supplementary groups that a child is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Groups<'a> {
    pub(crate) ids: &'a [libc::gid_t],
    /// That these are not permitted is no failure: without the permission nobody else can be become, either.
    pub(crate) if_permitted: bool,
}

/// The process group, or session, that a child is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Parents,
    Own,
    Of(libc::pid_t),
    OwnSession,
}

/// A program, its arguments and its environment.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    pub(crate) path: &'a CStr,
    pub(crate) arguments: &'a [CString],
    /// None is this process's own.
    pub(crate) environment: Option<&'a [CString]>,
}

/// What could not be done, in words that go before what it was to be done to, and why.
pub(crate) type Failed = (&'static str, io::Error);

/// Starts a program: on the parent's memory where that can be, and else in a copy of it.
pub(crate) fn start(birth: &Birth<'_>, image: &Image<'_>) -> Result<u32, Failed> {
    let call = ExecCall::new(image);
    if let Some(started) = vfork::start(birth, &call) {
        return started;
    }
    if posix_spawn::can_start(birth) {
        posix_spawn::start(birth, &call)
    } else {
        fork::start(birth, &call)
    }
}

impl Birth<'_> {
    fn sets_identity(&self) -> bool {
        self.groups.is_some() || self.group_id.is_some() || self.user_id.is_some()
    }
}

/// An image as the system takes it: nothing is left to be allocated.
struct ExecCall<'a> {
    path: &'a CStr,
    arguments: Pointers,
    environment: Pointers,
}

impl<'a> ExecCall<'a> {
    fn new(image: &Image<'a>) -> Self {
        let environment = image.environment;
        Self {
            path: image.path,
            arguments: Pointers::to(image.arguments),
            environment: environment.map_or_else(Pointers::to_own_environment, Pointers::to),
        }
    }
}

/// An array of C strings that ends with a null.
enum Pointers {
    Listed(Vec<*const c_char>),
    Foreign(*const *const c_char),
}

impl Pointers {
    fn to(strings: &[CString]) -> Self {
        Self::Listed(strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect())
    }

    /// What `environ` points to, as all functions of the C library use it that look at the environment: who changes
    /// that by `std::env::set_var` has to make sure that no other thread does.
    fn to_own_environment() -> Self {
        Self::Foreign(own_environment())
    }

    fn as_ptr(&self) -> *const *const c_char {
        match self {
            Self::Listed(pointers) => pointers.as_ptr(),
            Self::Foreign(pointers) => *pointers,
        }
    }
}

#[cfg(target_vendor = "apple")]
fn own_environment() -> *const *const c_char {
    // SAFETY: it takes nothing, and gives a pointer that is valid. What that points to is only copied.
    unsafe { *libc::_NSGetEnviron() }.cast_const().cast()
}

#[cfg(not(target_vendor = "apple"))]
fn own_environment() -> *const *const c_char {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: every C library has this variable, of this type. It is only copied.
    unsafe { environ }
}
