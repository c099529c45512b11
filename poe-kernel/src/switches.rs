//! Traces and assertions: switches for those who look for a fault.

use std::fmt;
use std::ops::{BitAnd, BitOr};

macro_rules! switches {
    ($(#[$doc:meta])* $set:ident, $prefix:literal, $($(#[$bit_doc:meta])* $name:ident = $bit:literal),* $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $set(u16);

        impl $set {
            /// None of them.
            pub const NONE: Self = Self(0);
            /// All of them.
            pub const ALL: Self = Self($(1 << $bit)|*);
            $($(#[$bit_doc])* pub const $name: Self = Self(1 << $bit);)*

            const NAMED: &[(&str, Self)] = &[$((stringify!($name), Self::$name)),*];

            /// Whether all of the others are among these.
            #[must_use]
            #[inline]
            pub const fn contains(self, others: Self) -> bool {
                self.0 & others.0 == others.0
            }

            /// Whether there is none.
            #[must_use]
            #[inline]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// These, but for what the environment says of each, which `variable` looks up: a switch is on unless its
            /// variable is empty or 0. The variable for `DEFAULT` is that of all that have none.
            pub(crate) fn or_by(self, variable: impl Fn(&str) -> Option<String>) -> Self {
                let is_on = |name: &str| {
                    variable(&format!(concat!($prefix, "_{}"), name))
                        .map(|value| !matches!(value.as_str(), "" | "0"))
                };
                let default = is_on("DEFAULT");
                let mut set = self;
                for (name, switch) in Self::NAMED {
                    match is_on(name).or(default) {
                        Some(true) => set.0 |= switch.0,
                        Some(false) => set.0 &= !switch.0,
                        None => {}
                    }
                }
                set
            }
        }

        impl BitOr for $set {
            type Output = Self;

            fn bitor(self, others: Self) -> Self {
                Self(self.0 | others.0)
            }
        }

        impl BitAnd for $set {
            type Output = Self;

            fn bitand(self, others: Self) -> Self {
                Self(self.0 & others.0)
            }
        }

        impl fmt::Display for $set {
            /// Their names, as the environment has them but for the prefix.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut names = Self::NAMED.iter().filter(|(_, switch)| self.contains(*switch));
                let Some((first, _)) = names.next() else { return f.write_str("NONE") };
                f.write_str(first)?;
                names.try_for_each(|(name, _)| write!(f, " | {name}"))
            }
        }

        impl fmt::Debug for $set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($set), "({})"), self)
            }
        }
    };
}

switches! {
    /// What the kernel says of its own doing (POE: `TRACE_…`).
    ///
    /// Each is also a variable in the environment, as `POE_TRACE_EVENTS=1`, which decides against the program;
    /// `POE_TRACE_DEFAULT` is for all that are not named. They cost nothing measurable while off, and can be changed while
    /// a kernel runs, by [`Kernel::set_traces`](crate::Kernel::set_traces).
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use poe_kernel::{Diagnostic, Kernel, Traces};
    ///
    /// let lines = Rc::new(Cell::new(0));
    /// let counted = lines.clone();
    /// let kernel = Kernel::builder()
    ///     .traces(Traces::SESSIONS | Traces::EVENTS)
    ///     .diagnostics(move |_| counted.set(counted.get() + 1))
    ///     .build()?;
    /// # struct Mute;
    /// # impl poe_kernel::Dispatch for Mute {
    /// #     fn dispatch(&self, _: poe_kernel::Delivery<'_>) -> poe_kernel::Outcome { Ok(()) }
    /// # }
    /// # kernel.session_alloc(Rc::new(Mute), ()).unwrap();
    /// kernel.run()?;
    /// assert!(lines.get() > 0);
    /// # Ok::<(), poe_kernel::KernelError>(())
    /// ```
    Traces, "POE_TRACE",
    /// Events as they are sent, dispatched and dropped, and how handlers end (`TRACE_EVENTS`).
    EVENTS = 0,
    /// Handles as they are watched, unwatched, held back and ready (`TRACE_FILES`).
    FILES = 1,
    /// Reasons for sessions to live, as they come and go, and whether the kernel is idle (`TRACE_REFCNT`).
    REFCNT = 2,
    /// Methods that return an error (`TRACE_RETVALS`).
    RETVALS = 3,
    /// Sessions as they are created, moved, stopped and freed (`TRACE_SESSIONS`).
    SESSIONS = 4,
    /// Signals as they are watched, arrive, and go through the tree (`TRACE_SIGNALS`).
    SIGNALS = 5,
    /// What a session had when it was freed: its heap, options and handlers (`TRACE_DESTROY`). Of a heap it says the type,
    /// unless the session was built to [show](crate::Dispatch::show) it.
    DESTROY = 6,
    /// What events cost, reported when a run ends, by a death too (`TRACE_PROFILE`). It is measured for as long as this is
    /// on.
    PROFILE = 7,
    /// What the kernel did, reported when a run ends, by a death too (`TRACE_STATISTICS`).
    STATISTICS = 8,
}

switches! {
    /// What the kernel takes for a fault and not merely for an error (POE: `ASSERT_…`).
    ///
    /// A method that fails in such a way returns its error as ever, and its session dies besides, of an
    /// [`AssertionFailed`](crate::AssertionFailed), as in POE: a program that overlooks the error is told. Each is also a
    /// variable in the environment, as `POE_ASSERT_USAGE=1`, which decides against the program; `POE_ASSERT_DEFAULT` is
    /// for all that are not named.
    Asserts, "POE_ASSERT",
    /// The kernel's tables agree with each other, after each turn; no reference is given back that was not taken; what is
    /// sent has somebody to go to; a process that forked said so; and nothing is left over when a run ends
    /// (`ASSERT_DATA`). That the queue is [full](crate::PostError::QueueFull) is an error, and no fault.
    DATA = 0,
    /// Events are dispatched from and to sessions that live (`ASSERT_EVENTS`).
    EVENTS = 1,
    /// The event loop does what it is told (`ASSERT_FILES`).
    FILES = 2,
    /// Methods of aliases, timers and references do not fail (`ASSERT_RETVALS`).
    RETVALS = 3,
    /// Methods that act for the active session are called by one, and nobody sends an event that is the kernel's own
    /// (`ASSERT_USAGE`).
    USAGE = 4,
    /// New sessions have their option `default` on, machines too, whatever the program says (`ASSERT_STATES`).
    STATES = 5,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_one_by_one_and_by_default() {
        let environment = |name: &str| match name {
            "POE_TRACE_DEFAULT" | "POE_TRACE_FILES" => Some(String::from("1")),
            "POE_TRACE_EVENTS" => Some(String::from("0")),
            "POE_TRACE_REFCNT" => Some(String::new()),
            _ => None,
        };
        let set = (Traces::EVENTS | Traces::SIGNALS).or_by(environment);
        assert!(set.contains(Traces::FILES | Traces::SIGNALS | Traces::SESSIONS));
        assert!(!set.contains(Traces::EVENTS) && !set.contains(Traces::REFCNT));
        assert_eq!(Asserts::USAGE.or_by(|_| None), Asserts::USAGE);
        assert_eq!((Asserts::USAGE | Asserts::DATA).to_string(), "DATA | USAGE");
        assert_eq!(format!("{:?}", Traces::NONE), "Traces(NONE)");
        assert!(Traces::ALL.contains(Traces::STATISTICS) && Traces::NONE.is_empty());
    }
}
