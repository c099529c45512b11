//! A kernel in a tokio runtime, both on one thread: sessions talk with the clients, futures work out the answers.
//!
//! `drive` is all it takes. It is a future like any other: it runs a timeslice, which never waits, and then lets the
//! runtime wait in the kernel's place, for the kernel's descriptor and its next timer. Other futures have their turn
//! meanwhile. What a future has for a session it posts, through a `SessionPoster`, which keeps the session alive until
//! then and wakes `drive`.

use std::time::Duration;

use poe_component::prelude::*;
use poe_kernel::{Embedded, LoopKind, Next};
use tokio::time::{sleep, timeout};

fn main() -> examples::Result {
    let address = examples::address(
        "Sends each line back in reverse, which a future in tokio thinks about.",
    )?;
    // The other loops, which may be asked for in the environment, have nothing that tokio could wait for.
    let kernel = Kernel::builder().loop_kind(LoopKind::Polling).build()?;
    let server = server::Tcp::build()
        .address(address.host)
        .port(address.port)
        .client_input(|cx, line| {
            let poster = cx.poster();
            tokio::spawn(async move {
                let answer = reverse(&line).await;
                // Whoever has hung up meanwhile wants no answer.
                let _ = poster.try_post("answer", answer);
            });
        })
        .state("answer", |cx, answer: Vec<u8>| cx.heap.client.put(answer))
        .drain_on(["INT", "TERM"])
        .spawn(&kernel)?;
    examples::listening(server.local_address());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(drive(kernel.embed()?))
}

/// Runs a kernel among the futures of a runtime, until no session is left.
async fn drive(kernel: Embedded) -> examples::Result {
    let kernel = sys::watch(kernel)?;
    loop {
        match kernel.get_ref().run_one_timeslice()? {
            Next::Done => return Ok(()),
            Next::Again => tokio::task::yield_now().await,
            Next::Wait(longest) => {
                let longest = longest.unwrap_or(Duration::MAX);
                // Cleared before the next timeslice, so that what comes during that is not missed.
                if let Ok(ready) = timeout(longest, kernel.readable()).await {
                    ready?.clear_ready();
                }
            }
        }
    }
}

mod sys {
    #![expect(
        unsafe_code,
        reason = "tokio leaves it to its user that a descriptor stays what it is"
    )]

    use std::io;

    use poe_kernel::Embedded;
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// Has the runtime tell when the kernel has something to do.
    pub(super) fn watch(kernel: Embedded) -> io::Result<AsyncFd<Embedded>> {
        // SAFETY: an `Embedded` owns one descriptor for as long as it lives, and nobody else can close or replace it.
        Ok(unsafe { AsyncFd::register_with_interest(kernel, Interest::READABLE) }?)
    }
}

/// Something that takes its time, and no processor.
async fn reverse(line: &[u8]) -> Vec<u8> {
    sleep(Duration::from_millis(20)).await;
    line.iter().rev().copied().collect()
}
