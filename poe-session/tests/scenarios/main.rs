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

use std::collections::BTreeSet;

mod perl;
mod stage;
mod trace;

/// Makes each scenario of a section a test of its own.
macro_rules! scenarios {
    ($section:literal: $($name:ident $(unlike $reason:literal)?),* $(,)?) => {
        pub(crate) mod scenario {
            pub(crate) const ALL: (&str, &[&str]) = ($section, &[$(stringify!($name)),*]);

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

mod children;
mod deaths;
mod events;
mod handles;
mod life;
mod nfa;
mod signals;
mod timers;
mod tree;

#[test]
fn every_scenario_has_a_twin_and_a_trace_and_there_are_no_others() {
    for (section, names) in [
        children::scenario::ALL,
        deaths::scenario::ALL,
        events::scenario::ALL,
        handles::scenario::ALL,
        life::scenario::ALL,
        nfa::scenario::ALL,
        signals::scenario::ALL,
        timers::scenario::ALL,
        tree::scenario::ALL,
    ] {
        let names: BTreeSet<String> = names.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(perl::scenarios(section), names, "{section}.pl");
        assert_eq!(trace::recorded(section), names, "traces/{section}");
    }
}
