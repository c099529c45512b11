//! Signals, child processes and forks, for the session whose handler runs.

use poe_kernel::{
    ChildExit, Destination, EventFor, KernelError, Name, NoSession, Signal, SignalError, UiDestroy,
};

use super::Cx;
use crate::Kind;

impl<H: 'static, K: Kind> Cx<'_, H, K> {
    /// As [`Kernel::signal`](poe_kernel::Kernel::signal).
    ///
    /// # Errors
    ///
    /// [`NoSession`] when the destination is not there.
    #[track_caller]
    pub fn signal<P: 'static>(
        &self,
        destination: impl Destination,
        signal: impl Into<Name>,
        args: P,
    ) -> Result<(), NoSession> {
        self.kernel.signal(destination, signal, args)
    }

    /// As [`Kernel::sig`](poe_kernel::Kernel::sig).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// Session::build(())
    ///     .on_start(|cx| -> HandlerResult {
    ///         cx.sig("INT", "interrupted")?;
    ///         cx.signal(cx.session(), "INT", ())?;
    ///         Ok(())
    ///     })
    ///     .on("interrupted", |cx, signal: Signal| {
    ///         assert_eq!(signal.name, "INT");
    ///         cx.sig_handled(); // Otherwise the session would be stopped.
    ///     })
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SignalError`] when the operating system will not have the signal caught.
    #[track_caller]
    pub fn sig(
        &self,
        signal: impl Into<Name>,
        event: impl EventFor<Signal>,
    ) -> Result<(), SignalError> {
        self.kernel.sig(signal, event)
    }

    /// As [`Kernel::sig_ignore`](poe_kernel::Kernel::sig_ignore).
    #[track_caller]
    pub fn sig_ignore(&self, signal: impl Into<Name>) {
        self.kernel.sig_ignore(signal);
    }

    /// As [`Kernel::has_forked`](poe_kernel::Kernel::has_forked).
    ///
    /// # Errors
    ///
    /// [`KernelError`] when the kernel cannot go on in this child process.
    #[track_caller]
    pub fn has_forked(&self) -> Result<(), KernelError> {
        self.kernel.has_forked()
    }

    /// As [`Kernel::signal_ui_destroy`](poe_kernel::Kernel::signal_ui_destroy).
    #[track_caller]
    pub fn signal_ui_destroy(&self) -> UiDestroy {
        self.kernel.signal_ui_destroy()
    }

    /// As [`Kernel::sig_child`](poe_kernel::Kernel::sig_child).
    ///
    /// ```
    /// # use poe_session::prelude::*;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::new()?;
    /// use std::process::Command;
    ///
    /// Session::build(0_u32)
    ///     .on_start(|cx| -> HandlerResult {
    ///         for name in ["one", "two"] {
    ///             let child = Command::new("sh").args(["-c", "exit 5"]).spawn()?;
    ///             cx.sig_child(child.id(), "ended", name)?;
    ///         }
    ///         Ok(())
    ///     })
    ///     .on("ended", |cx, exit: ChildExit<&str>| {
    ///         assert_eq!(exit.status.and_then(|status| status.code()), Some(5), "{}", exit.args);
    ///         *cx.heap += 1;
    ///     })
    ///     .on_stop(|cx| assert_eq!(*cx.heap, 2))
    ///     .spawn(&kernel)?;
    /// # kernel.run()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SignalError::NotAChild`] when this process has no such child, or it was waited for already.
    #[track_caller]
    pub fn sig_child<A: 'static>(
        &self,
        pid: u32,
        event: impl EventFor<ChildExit<A>>,
        args: A,
    ) -> Result<(), SignalError> {
        self.kernel.sig_child(pid, event, args)
    }

    /// As [`Kernel::sig_child_ignore`](poe_kernel::Kernel::sig_child_ignore).
    #[track_caller]
    pub fn sig_child_ignore(&self, pid: u32) {
        self.kernel.sig_child_ignore(pid);
    }

    /// As [`Kernel::sig_handled`](poe_kernel::Kernel::sig_handled).
    pub fn sig_handled(&self) {
        self.kernel.sig_handled();
    }
}
