//! What a signal does to those who leave it unhandled.

use super::os::without_prefix;
use crate::{Kernel, Name, SignalError};

/// What a signal does to sessions that leave it unhandled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalClass {
    /// Nothing.
    Benign,
    /// Stops them, unless one session of those it reached called [`Kernel::sig_handled`].
    Terminal,
    /// Stops them in any case.
    NonMaskable,
}

/// What a signal of this name does in POE, and here unless [`Kernel::set_signal_class`] says otherwise (POE:
/// `QUIT INT KILL TERM HUP IDLE DIE` are terminal, `ZOMBIE UIDESTROY` non-maskable, all others benign).
///
/// ```
/// use poe_kernel::{SignalClass, signal_class};
///
/// assert_eq!(signal_class("INT"), SignalClass::Terminal);
/// assert_eq!(signal_class("MOOD"), SignalClass::Benign);
/// ```
#[must_use]
pub fn signal_class(name: &str) -> SignalClass {
    match name {
        "QUIT" | "INT" | "KILL" | "TERM" | "HUP" | "IDLE" | "DIE" => SignalClass::Terminal,
        "ZOMBIE" | "UIDESTROY" => SignalClass::NonMaskable,
        _ => SignalClass::Benign,
    }
}

impl Kernel {
    /// What a signal of this name does in this kernel.
    #[must_use]
    pub fn signal_class(&self, signal: impl Into<Name>) -> SignalClass {
        let signal = signal.into();
        let chosen = self.inner.signals.borrow().classes.get(&signal).copied();
        chosen.unwrap_or_else(|| signal_class(signal.as_str()))
    }

    /// Decides what a signal does in this kernel, from the next one on that is dispatched: a signal of the program's own
    /// may stop whom it reaches, and one of the system's may be harmless. POE has a table that nothing can be added to.
    ///
    /// ```
    /// # use poe_kernel::{Delivery, Dispatch, Kernel, Outcome};
    /// use poe_kernel::SignalClass;
    ///
    /// # struct Mute;
    /// # impl Dispatch for Mute {
    /// #     fn dispatch(&self, _: Delivery<'_>) -> Outcome {
    /// #         Ok(())
    /// #     }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kernel = Kernel::builder().virtual_clock(std::time::UNIX_EPOCH).build()?;
    /// # let session = kernel.session_alloc(std::rc::Rc::new(Mute), ())?;
    /// # kernel.refcount_increment(session, "has work")?;
    /// kernel.set_signal_class("CURFEW", SignalClass::Terminal)?;
    /// kernel.signal(session, "CURFEW", ())?; // Nobody handles it, and it ends the session.
    /// kernel.run()?;
    /// assert!(!kernel.is_live(session));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SignalError::Reserved`] for `DIE`, `IDLE` and `ZOMBIE`, which the kernel sends itself, and which a run could not do
    /// or end without; [`SignalError::Prefixed`] for a name with `SIG`.
    pub fn set_signal_class(
        &self,
        signal: impl Into<Name>,
        class: SignalClass,
    ) -> Result<(), SignalError> {
        let (signal, names) = (signal.into(), &self.inner.names);
        if [names.die, names.idle, names.zombie].contains(&signal) {
            return Err(SignalError::Reserved { signal });
        }
        if let Some(name) = without_prefix(signal) {
            return Err(SignalError::Prefixed { signal, name });
        }
        self.inner.signals.borrow_mut().classes.insert(signal, class);
        Ok(())
    }
}
