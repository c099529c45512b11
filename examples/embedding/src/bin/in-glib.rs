//! A kernel in GLib's main loop, as programs with windows have it: sessions talk with the clients, sources of the main
//! loop work out the answers.
//!
//! `Driver` is all it takes. It runs a timeslice, which never waits, whenever the kernel's descriptor can be read or its
//! next timer is due, and so lets the main loop wait in the kernel's place. Sources of other parts of the program have
//! their turn meanwhile. What these have for a session they post, through a `SessionPoster`, which keeps the session
//! alive until then and wakes the driver.

use std::cell::RefCell;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use glib::{ControlFlow, IOCondition, MainLoop, SourceId};
use poe_component::prelude::*;
use poe_kernel::{Embedded, LoopKind, Next};

fn main() -> examples::Result {
    let address =
        examples::address("Sends each line back in reverse, which a source in GLib thinks about.")?;
    // The other loops, which may be asked for in the environment, have nothing that GLib could wait for.
    let kernel = Kernel::builder().loop_kind(LoopKind::Polling).build()?;
    let server = server::Tcp::build()
        .address(address.host)
        .port(address.port)
        .client_input(|cx, line| {
            let poster = cx.poster();
            // Something that takes its time, and no processor.
            glib::timeout_add_local_once(Duration::from_millis(20), move || {
                let answer: Vec<u8> = line.iter().rev().copied().collect();
                // Whoever has hung up meanwhile wants no answer.
                let _ = poster.try_post("answer", answer);
            });
        })
        .state("answer", |cx, answer: Vec<u8>| cx.heap.client.put(answer))
        .drain_on(["INT", "TERM"])
        .spawn(&kernel)?;
    examples::listening(server.local_address());
    Ok(Driver::run(kernel.embed()?)?)
}

/// Runs a kernel in the main loop of this thread, which it ends when no session is left.
struct Driver {
    kernel: Embedded,
    main_loop: MainLoop,
    /// The source that runs the next timeslice if the descriptor does not.
    next: RefCell<Option<SourceId>>,
    outcome: RefCell<Result<(), KernelError>>,
}

impl Driver {
    fn run(kernel: Embedded) -> Result<(), KernelError> {
        let descriptor = kernel.as_raw_fd();
        let main_loop = MainLoop::new(None, false);
        let (next, outcome) = (RefCell::default(), RefCell::new(Ok(())));
        let driver = Rc::new(Self { kernel, main_loop, next, outcome });
        let on_ready = Rc::clone(&driver);
        let source = glib::unix_fd_add_local(descriptor, IOCondition::IN, move |_, _| {
            on_ready.run_one_timeslice();
            ControlFlow::Continue
        });
        driver.run_within(Duration::ZERO);
        driver.main_loop.run();
        source.remove();
        driver.outcome.replace(Ok(()))
    }

    fn run_one_timeslice(self: &Rc<Self>) {
        if let Some(next) = self.next.take() {
            next.remove();
        }
        match self.kernel.run_one_timeslice() {
            Ok(Next::Again) => self.run_within(Duration::ZERO),
            Ok(Next::Wait(Some(longest))) => self.run_within(longest),
            Ok(Next::Wait(None)) => {}
            Ok(Next::Done) => self.main_loop.quit(),
            Err(error) => {
                *self.outcome.borrow_mut() = Err(error);
                self.main_loop.quit();
            }
        }
    }

    fn run_within(self: &Rc<Self>, time: Duration) {
        let driver = Rc::clone(self);
        // GLib counts milliseconds; rounded down, the last of them would be spent in turns that do nothing.
        let milliseconds = time.as_nanos().div_ceil(1_000_000);
        let milliseconds = u32::try_from(milliseconds).unwrap_or(u32::MAX);
        let time = Duration::from_millis(milliseconds.into());
        let source = glib::timeout_add_local_once(time, move || {
            // It is at its end, and not to be removed again.
            driver.next.take();
            driver.run_one_timeslice();
        });
        self.next.replace(Some(source));
    }
}
