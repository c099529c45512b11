//! The only unsafe code of this wheel: how processes begin.
#![expect(
    unsafe_code,
    reason = "posix_spawn and fork, and what happens in a child before it is a program"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint};
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use nix::errno::Errno;
use nix::libc;

/// How a process is to begin, all of it made ready beforehand: the child of a fork must not allocate.
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

impl Image<'_> {
    fn arguments(&self) -> Pointers {
        Pointers::to(self.arguments)
    }

    fn environment(&self) -> Pointers {
        self.environment.map_or_else(Pointers::to_own_environment, Pointers::to)
    }
}

/// What could not be done, in words that go before what it was to be done to, and why.
pub(crate) type Failed = (&'static str, io::Error);

/// Whether `posix_spawn` can do all of this.
pub(crate) fn can_spawn(birth: &Birth<'_>) -> bool {
    let sets_identity =
        birth.groups.is_some() || birth.group_id.is_some() || birth.user_id.is_some();
    // A terminal becomes that of the session by being opened on Linux alone.
    let begins_session = birth.group == Group::OwnSession || birth.terminal.is_some();
    birth.priority == 0
        && !sets_identity
        && (!begins_session || cfg!(target_os = "linux"))
        && (birth.directory.is_none() || add_chdir().is_some())
}

/// Starts a program without copying the parent.
pub(crate) fn spawn(birth: &Birth<'_>, image: &Image<'_>) -> io::Result<u32> {
    let actions = Actions::new(birth)?;
    let attributes = Attributes::new(birth.group)?;
    let (arguments, environment) = (image.arguments(), image.environment());
    let mut pid = 0;
    // SAFETY: the path is a C string; both arrays end with a null, and what they point to lives as long as `image`;
    // actions and attributes are initialized, and live until after the call.
    checked(unsafe {
        libc::posix_spawn(
            &raw mut pid,
            image.path.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            arguments.as_ptr().cast(),
            environment.as_ptr().cast(),
        )
    })?;
    Ok(pid.cast_unsigned())
}

/// Starts a program by `fork`, for what `posix_spawn` cannot do.
pub(crate) fn fork_exec(birth: &Birth<'_>, image: &Image<'_>) -> Result<u32, Failed> {
    let (arguments, environment) = (image.arguments(), image.environment());
    fork(birth, |_| {
        if let Some(listed) = birth.close {
            close_on_exec(listed);
        }
        // SAFETY: as for `spawn`.
        unsafe {
            libc::execve(
                image.path.as_ptr(),
                arguments.as_ptr().cast(),
                environment.as_ptr().cast(),
            )
        };
        Step::Exec
    })
}

/// Whether this process has one thread, and so the child of a fork all that its parent has.
pub(crate) fn can_fork() -> bool {
    cfg!(target_os = "linux")
        && std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// Has a copy of this process do something, when it has made ready for it, and end with a status. Making ready leaves alone
/// the descriptor that it is given. Refused where there are other threads.
pub(crate) fn fork_code<T>(
    birth: &Birth<'_>,
    make_ready: impl FnOnce(RawFd) -> io::Result<T>,
    code: impl FnOnce(T) -> u8,
) -> Result<u32, Failed> {
    if !can_fork() {
        let why = "the process has several threads, of which a copy would have one";
        return Err(("fork for", io::Error::new(io::ErrorKind::Unsupported, why)));
    }
    // Nothing that waits to be printed is to be printed twice.
    let _ = io::stdout().flush();
    fork(birth, move |tell| {
        let ready = match make_ready(tell) {
            Ok(ready) => ready,
            Err(error) => {
                // What the code has brought along is the parent's to drop.
                std::mem::forget(code);
                Errno::set_raw(error.raw_os_error().unwrap_or_default());
                return Step::Stdio;
            }
        };
        // SAFETY: its owner, up the stack, is never dropped. The parent learns by this that the child is ready.
        unsafe { libc::close(tell) };
        let status = catch_unwind(AssertUnwindSafe(|| code(ready))).unwrap_or(u8::MAX);
        let _ = io::stdout().flush();
        // SAFETY: it ends the process at once: nothing of its parent's is dropped or run a second time.
        unsafe { libc::_exit(status.into()) }
    })
}

/// A process group by a descriptor of its leader, which means no other when the number does.
#[derive(Debug)]
pub(crate) struct GroupHandle(#[cfg(target_os = "linux")] OwnedFd);

impl GroupHandle {
    /// That of a child that has not been waited for, and leads it.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(leader: u32) -> Option<Self> {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        let leader = Pid::from_raw(leader.cast_signed())?;
        pidfd_open(leader, PidfdFlags::empty()).ok().map(Self)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(_: u32) -> Option<Self> {
        None
    }

    /// Kills what is left of it. False where the system does so by number only, as Linux before 6.9 does.
    #[cfg(target_os = "linux")]
    pub(crate) fn kill(&self) -> bool {
        const PROCESS_GROUP: c_uint = 1 << 2;
        let (leader, nothing) = (self.0.as_raw_fd(), ptr::null::<libc::siginfo_t>());
        // SAFETY: it takes numbers, and a null pointer for what a plain signal has not.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                leader,
                libc::SIGKILL,
                nothing,
                PROCESS_GROUP,
            )
        };
        sent == 0 || Errno::last() == Errno::ESRCH
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn kill(&self) -> bool {
        false
    }
}

/// Every descriptor that is open, but for the first three.
pub(crate) fn all_open() -> io::Result<Vec<RawFd>> {
    let mut open = descriptors()?;
    open.retain(|&descriptor| descriptor > 2);
    Ok(open)
}

/// Has these descriptors be of `/dev/null`: numbers and owners stay, and the files are let go.
pub(crate) fn let_go_of_files(these: &[RawFd]) -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    for &descriptor in these {
        if descriptor != null.as_raw_fd() {
            // SAFETY: only numbers are passed. The descriptor goes on to be its owner's, and to be open.
            unsafe {
                libc::dup2(null.as_raw_fd(), descriptor);
                libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
    Ok(())
}

/// The descriptors that a program would inherit, but for the first three.
pub(crate) fn inheritable() -> io::Result<Vec<RawFd>> {
    let is_inherited = |&descriptor: &RawFd| {
        // SAFETY: it takes a number, and only asks.
        let flags = unsafe { libc::fcntl(descriptor, libc::F_GETFD) };
        descriptor > 2 && flags >= 0 && flags & libc::FD_CLOEXEC == 0
    };
    Ok(descriptors()?.into_iter().filter(is_inherited).collect())
}

fn descriptors() -> io::Result<Vec<RawFd>> {
    let entries = std::fs::read_dir("/dev/fd")?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.collect())
}

/// What a child does before it is what it is to be.
#[derive(Clone, Copy)]
enum Step {
    Session,
    Group,
    Terminal,
    Priority,
    Groups,
    GroupId,
    UserId,
    Stdio,
    Directory,
    Exec,
}

/// What failed, for a message that goes on with the child's name; in the steps' order.
const STEPS: [&str; 10] = [
    "begin a session for",
    "set the process group of",
    "open the terminal of",
    "set the priority of",
    "set the groups of",
    "set the group of",
    "set the user of",
    "set the streams of",
    "change the directory of",
    "start",
];

impl Step {
    fn check(self, result: c_int) -> Result<c_int, Self> {
        if result < 0 { Err(self) } else { Ok(result) }
    }
}

/// Forks. The child prepares itself and goes on with `last`, which does not return unless it fails; that, and what failed
/// before, is told to the parent, which waits until the child is ready.
fn fork(birth: &Birth<'_>, last: impl FnOnce(RawFd) -> Step) -> Result<u32, Failed> {
    let failed = |error| ("fork for", error);
    let (mut told, tell) = io::pipe().map_err(failed)?;
    let tell = above_stdio(tell.into()).map_err(failed)?;
    // What hits the child before it has its own handlers waits until then: those of its parent are not for it.
    let blocked = Blocked::all();
    // SAFETY: the child calls nothing here but what may be called after a fork of a process with several threads: it does
    // not allocate, lock or drop, and ends with `_exit` at the latest. Of `fork_code`'s `last`, which may do more, the
    // caller has made sure that there is one thread.
    match unsafe { libc::fork() } {
        -1 => {
            let error = io::Error::last_os_error();
            drop(blocked);
            Err(failed(error))
        }
        0 => {
            let step = match prepare(birth) {
                Ok(()) => last(tell.as_raw_fd()),
                Err(step) => step,
            };
            let errno = io::Error::last_os_error().raw_os_error().unwrap_or_default();
            let [a, b, c, d] = errno.to_ne_bytes();
            let message = [step as u8, a, b, c, d];
            // SAFETY: the message is that long, and the descriptor open; `_exit` does not return.
            unsafe {
                libc::write(tell.as_raw_fd(), message.as_ptr().cast(), message.len());
                libc::_exit(127)
            }
        }
        pid => {
            drop(blocked);
            drop(tell);
            let mut message = [0; 5];
            if told.read_exact(&mut message).is_err() {
                return Ok(pid.cast_unsigned());
            }
            // SAFETY: it takes a number, and a null pointer for what nobody wants to know.
            unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
            let [step, errno @ ..] = message;
            let operation = STEPS[usize::from(step).min(STEPS.len() - 1)];
            Err((operation, io::Error::from_raw_os_error(i32::from_ne_bytes(errno))))
        }
    }
}

/// Makes the child of a fork what it is to be. Does not allocate.
fn prepare(birth: &Birth<'_>) -> Result<(), Step> {
    // SAFETY: system calls on numbers, on C strings and slices that outlive the call, and on a signal set that
    // `sigemptyset` has initialized.
    unsafe {
        match birth.group {
            Group::Parents => {}
            Group::Own => _ = Step::Group.check(libc::setpgid(0, 0))?,
            Group::Of(group) => _ = Step::Group.check(libc::setpgid(0, group))?,
            Group::OwnSession => _ = Step::Session.check(libc::setsid())?,
        }
        if let Some(terminal) = birth.terminal {
            let opened = Step::Terminal.check(libc::open(terminal.as_ptr(), libc::O_RDWR))?;
            Step::Terminal.check(libc::ioctl(opened, libc::TIOCSCTTY as _, 0))?;
            for number in 0..3 {
                Step::Terminal.check(libc::dup2(opened, number))?;
            }
            if opened > 2 {
                libc::close(opened);
            }
        }
        if birth.priority != 0 {
            let process = libc::PRIO_PROCESS;
            let now = libc::getpriority(process, 0);
            Step::Priority.check(libc::setpriority(process, 0, now + birth.priority))?;
        }
        if let Some(groups) = birth.groups {
            let Groups { ids, if_permitted } = groups;
            if libc::setgroups(ids.len() as _, ids.as_ptr()) < 0
                && !(if_permitted && Errno::last() == Errno::EPERM)
            {
                return Err(Step::Groups);
            }
        }
        if let Some(group) = birth.group_id {
            Step::GroupId.check(libc::setgid(group))?;
        }
        if let Some(user) = birth.user_id {
            Step::UserId.check(libc::setuid(user))?;
        }
        for (number, descriptor) in (0..).zip(birth.stdio) {
            if let Some(descriptor) = descriptor {
                Step::Stdio.check(libc::dup2(descriptor.as_raw_fd(), number))?;
            }
        }
        if let Some(directory) = birth.directory {
            Step::Directory.check(libc::chdir(directory.as_ptr()))?;
        }
        default_handlers();
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none = MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
    Ok(())
}

/// All signals are held back for this thread, until it is dropped.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn all() -> Self {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: the first call initializes the one set, and the second, which cannot fail with it, the other.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Self(before.assume_init())
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set is initialized; a null pointer is for what nobody wants to know.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut());
        }
    }
}

/// Has a program inherit no descriptors but the first three. Does not allocate.
fn close_on_exec(listed: &[RawFd]) {
    #[cfg(target_os = "linux")]
    // SAFETY: it takes numbers, and sets a flag of this process's descriptors. Old systems know no such call.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) }
        == 0
    {
        return;
    }
    for &descriptor in listed {
        // SAFETY: it takes a number, and changes a flag of this process's copy of a descriptor, if it is open.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Has the signals do what they do by default that the parent's handlers are for. Does not allocate.
fn default_handlers() {
    for number in 1..=64 {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: the first call writes to a structure of its type, or fails; the second takes back a handler of this
        // process, which a fork has just made and which has one thread.
        unsafe {
            if libc::sigaction(number, ptr::null(), action.as_mut_ptr()) == 0 {
                let handler = action.assume_init_ref().sa_sigaction;
                if handler != libc::SIG_DFL && handler != libc::SIG_IGN {
                    libc::signal(number, libc::SIG_DFL);
                }
            }
        }
    }
}

/// The same file under a number above 2, where it is not in the way of what a child has there.
pub(crate) fn above_stdio(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() > 2 {
        return Ok(descriptor);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&descriptor, 3)?)
}

/// What `posix_spawn` does in the child.
struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new(birth: &Birth<'_>) -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: `init` initializes what it is given; from then on the drop destroys it.
        let mut actions = unsafe {
            checked(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
            Self(actions.assume_init())
        };
        let list = &raw mut actions.0;
        // SAFETY: the list is initialized, and strings are copied into it.
        unsafe {
            if let Some(terminal) = birth.terminal {
                let (path, mode) = (terminal.as_ptr(), libc::O_RDWR);
                checked(libc::posix_spawn_file_actions_addopen(list, 0, path, mode, 0))?;
                for number in 1..3 {
                    checked(libc::posix_spawn_file_actions_adddup2(list, 0, number))?;
                }
            }
            for (number, descriptor) in (0..).zip(birth.stdio) {
                if let Some(descriptor) = descriptor {
                    let descriptor = descriptor.as_raw_fd();
                    checked(libc::posix_spawn_file_actions_adddup2(list, descriptor, number))?;
                }
            }
            match (birth.close, birth.close.and_then(|_| add_close_from())) {
                (Some(_), Some(add_close_from)) => checked(add_close_from(list, 3))?,
                (Some(listed), None) => {
                    for &descriptor in listed {
                        checked(libc::posix_spawn_file_actions_addclose(list, descriptor))?;
                    }
                }
                (None, _) => {}
            }
            if let Some(directory) = birth.directory
                && let Some(add_chdir) = add_chdir()
            {
                checked(add_chdir(list, directory.as_ptr()))?;
            }
        }
        Ok(actions)
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: it was initialized.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new(group: Group) -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: `init` initializes what it is given; from then on the drop destroys it.
        let mut attributes = unsafe {
            checked(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
            Self(attributes.assume_init())
        };
        let list = &raw mut attributes.0;
        let mut flags =
            libc::POSIX_SPAWN_SETSIGMASK as c_int | libc::POSIX_SPAWN_SETSIGDEF as c_int;
        match group {
            Group::Parents => {}
            Group::Own | Group::Of(_) => flags |= libc::POSIX_SPAWN_SETPGROUP as c_int,
            Group::OwnSession => flags |= set_session(),
        }
        let mut signals = MaybeUninit::uninit();
        // SAFETY: attributes are initialized, and so is the set of signals before it is used, which is copied.
        unsafe {
            checked(libc::posix_spawnattr_setflags(list, flags as _))?;
            if let Group::Own | Group::Of(_) = group {
                let leader = if let Group::Of(leader) = group { leader } else { 0 };
                checked(libc::posix_spawnattr_setpgroup(list, leader))?;
            }
            // What blocks here, or is ignored for the sake of Rust, does not in a program.
            libc::sigemptyset(signals.as_mut_ptr());
            checked(libc::posix_spawnattr_setsigmask(list, signals.as_ptr()))?;
            libc::sigaddset(signals.as_mut_ptr(), libc::SIGPIPE);
            checked(libc::posix_spawnattr_setsigdefault(list, signals.as_ptr()))?;
        }
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: it was initialized.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

#[cfg(target_os = "linux")]
fn set_session() -> c_int {
    libc::POSIX_SPAWN_SETSID.into()
}

/// Elsewhere sessions are begun by a fork.
#[cfg(not(target_os = "linux"))]
fn set_session() -> c_int {
    0
}

type AddChdir = unsafe extern "C" fn(*mut libc::posix_spawn_file_actions_t, *const c_char) -> c_int;

/// Has `posix_spawn` change the directory, where the C library has a way. Old ones have not, and so are asked.
fn add_chdir() -> Option<AddChdir> {
    let found = found(c"posix_spawn_file_actions_addchdir_np")?;
    // SAFETY: what has this name is a function of that signature in all C libraries.
    Some(unsafe { std::mem::transmute::<*mut libc::c_void, AddChdir>(found) })
}

type AddCloseFrom = unsafe extern "C" fn(*mut libc::posix_spawn_file_actions_t, c_int) -> c_int;

/// Has `posix_spawn` close all descriptors from a number on, where the C library has a way.
fn add_close_from() -> Option<AddCloseFrom> {
    let found = found(c"posix_spawn_file_actions_addclosefrom_np")?;
    // SAFETY: as for `add_chdir`.
    Some(unsafe { std::mem::transmute::<*mut libc::c_void, AddCloseFrom>(found) })
}

/// What the C library has of this name.
fn found(name: &CStr) -> Option<*mut libc::c_void> {
    // SAFETY: the name is a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
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

fn checked(number: c_int) -> io::Result<()> {
    if number == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(number)) }
}
