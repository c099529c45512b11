//! Programs started by `posix_spawn`.

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use nix::libc;

use super::{Birth, ExecCall, Failed, Group};

/// Whether `posix_spawn` can do all of this.
pub(super) fn can_start(birth: &Birth<'_>) -> bool {
    // A terminal becomes that of the session by being opened on Linux alone.
    let begins_session = birth.group == Group::OwnSession || birth.terminal.is_some();
    birth.priority == 0
        && !birth.sets_identity()
        && (!begins_session || cfg!(target_os = "linux"))
        && (birth.directory.is_none() || add_chdir().is_some())
}

/// Starts a program without copying the parent.
pub(super) fn start(birth: &Birth<'_>, call: &ExecCall<'_>) -> Result<u32, Failed> {
    spawn(birth, call).map_err(|error| ("start", error))
}

fn spawn(birth: &Birth<'_>, call: &ExecCall<'_>) -> io::Result<u32> {
    let actions = Actions::new(birth)?;
    let attributes = Attributes::new(birth.group)?;
    let mut pid = 0;
    // SAFETY: the path is a C string; both arrays end with a null, and what they point to lives as long as `call`;
    // actions and attributes are initialized, and live until after the call.
    checked(unsafe {
        libc::posix_spawn(
            &raw mut pid,
            call.path.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            call.arguments.as_ptr().cast(),
            call.environment.as_ptr().cast(),
        )
    })?;
    Ok(pid.cast_unsigned())
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

fn checked(number: c_int) -> io::Result<()> {
    if number == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(number)) }
}
