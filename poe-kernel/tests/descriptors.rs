//! What event loops take of descriptors. Alone in its process, because it counts them, and takes all that are low.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::time::Duration;

use poe_kernel::{Kernel, LoopKind, PosterError};

#[test]
fn descriptors_are_given_back_and_have_their_limits() {
    if fs::read_dir("/proc/self/fd").is_err() {
        let _ = writeln!(std::io::stderr(), "SKIPPED: there is no list of descriptors here");
        return;
    }
    posters_keep_none();
    select_begins_anew_with_what_it_can_watch();
}

fn posters_keep_none() {
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    for kind in [LoopKind::Polling, LoopKind::Poll, LoopKind::Select] {
        let before = descriptors();
        let kernel = Kernel::builder().loop_kind(kind).build().unwrap();
        let poster = kernel.poster();
        assert!(descriptors() > before);
        drop(kernel);
        assert_eq!(descriptors(), before, "{kind:?}");
        poster.wake();
        let refused = poster.post("nobody", "event", ());
        assert!(matches!(refused, Err(PosterError::KernelGone { .. })), "{refused:?}");
    }
}

fn select_begins_anew_with_what_it_can_watch() {
    let mut event_loop = LoopKind::Select.start().unwrap();
    let waker = event_loop.waker();
    let mut files = Vec::new();
    while files.last().is_none_or(|file: &File| file.as_raw_fd() < 1024) {
        let Ok(file) = File::open("/dev/null") else {
            let _ = writeln!(std::io::stderr(), "SKIPPED: there is no descriptor above 1023 here");
            return;
        };
        files.push(file);
    }
    assert!(event_loop.has_forked().is_err());
    // It is as it was.
    for _ in 0..2 {
        waker.wake();
        event_loop.wait(&mut Vec::new(), None).unwrap();
        event_loop.wait(&mut Vec::new(), Some(Duration::ZERO)).unwrap();
        files.clear();
        event_loop.has_forked().unwrap();
    }
}
