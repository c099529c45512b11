//! What `select(2)` cannot watch. Alone in its process, as it takes the descriptors that others would have.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use poe_kernel::{Delivery, Dispatch, Kernel, LoopKind, Mode, Outcome, Watch, WatchError};

struct Mute;

impl Dispatch for Mute {
    fn dispatch(&self, _: Delivery<'_>) -> Outcome {
        Ok(())
    }
}

impl Watch for Mute {
    fn ready(&self, _: &Kernel, _: Mode) {}
}

#[test]
fn select_refuses_what_it_cannot_watch() {
    let kernel = Kernel::builder().loop_kind(LoopKind::Select).build().unwrap();
    let session = kernel.session_alloc(Rc::new(Mute), ()).unwrap();
    let mut files = Vec::new();
    // A system that allows no such descriptor has nothing to refuse.
    while let Ok(file) = File::open("/dev/null") {
        let is_high = file.as_raw_fd() >= 1024;
        files.push(file);
        if is_high {
            let handle = Rc::new(files.pop().unwrap());
            let refused = kernel.watch(session, handle, Mode::Read, Rc::new(Mute));
            assert!(matches!(refused, Err(WatchError::Os { .. })), "{refused:?}");
            break;
        }
    }
}
