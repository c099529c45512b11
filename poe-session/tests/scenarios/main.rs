//! Scenarios: small programs in Rust and, beside them, in Perl, whose traces must be the same.
//!
//! Each scenario is a function of `events.rs`, `timers.rs`, … and has a twin of its name in `events.pl`, `timers.pl`, …
//! What Perl's POE made of it is recorded in `traces`, so that the comparison needs no Perl; where Perl's POE is
//! installed, the recording itself is compared with a live run.
//!
//! Where we differ on purpose, a scenario is `unlike` the original, for a reason that stands in the documentation of a
//! crate under "Differences from POE". Its recording has both: `- ` marks lines of Perl's alone, `+ ` ours.
//!
//! `POE_SCENARIOS=record cargo test -p poe-session --test scenarios` records anew.

mod perl;
mod stage;
mod trace;

/// Makes each scenario of a section a test of its own.
macro_rules! scenarios {
    ($section:literal: $($name:ident $(unlike $reason:literal)?),* $(,)?) => {
        mod scenario {
            $(
                #[test]
                fn $name() {
                    let reason = None$(.or(Some($reason)))?;
                    crate::trace::compare($section, stringify!($name), super::$name, reason);
                }
            )*
        }
    };
}

mod deaths;
mod events;
mod handles;
mod life;
mod signals;
mod timers;
mod tree;
