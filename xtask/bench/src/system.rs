//! What the measurements ask of the system.

use std::io;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::ClockId;
use nix::unistd::Pid;

/// Raises the soft limit of open descriptors to the hard one; child processes inherit it.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// How many descriptors this process may open.
pub fn descriptor_limit() -> io::Result<usize> {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(usize::try_from(soft).unwrap_or(usize::MAX))
}

/// Keeps this process, and the threads and processes it will start, on the last processor it may use.
pub fn pin_self_to_last_processor() -> io::Result<()> {
    match processors()?.last() {
        Some(&last) => pin(Pid::from_raw(0), last),
        None => Ok(()),
    }
}

/// Keeps a process on the first processor, whatever its parent is pinned to.
pub fn pin_to_first_processor(process: u32) -> io::Result<()> {
    pin(pid(process)?, 0)
}

/// The processor time, of user and system together, that a process has used.
pub fn cpu_time(process: u32) -> io::Result<Duration> {
    Ok(ClockId::pid_cpu_clock_id(pid(process)?)?.now()?.into())
}

/// The processor time that this thread has used.
pub fn thread_cpu_time() -> io::Result<Duration> {
    Ok(ClockId::CLOCK_THREAD_CPUTIME_ID.now()?.into())
}

/// Keeps this thread on the first processor.
pub fn pin_thread_to_first_processor() -> io::Result<()> {
    pin(Pid::from_raw(0), 0)
}

/// The memory of a process that is resident, in bytes.
pub fn resident_bytes(process: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .ok_or_else(|| io::Error::other("no VmRSS in the status of the process"))?;
    Ok(kilobytes * 1024)
}

fn processors() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&index| set.is_set(index).unwrap_or(false)).collect())
}

fn pin(process: Pid, processor: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    Ok(sched_setaffinity(process, &set)?)
}

fn pid(process: u32) -> io::Result<Pid> {
    i32::try_from(process).map(Pid::from_raw).map_err(io::Error::other)
}
