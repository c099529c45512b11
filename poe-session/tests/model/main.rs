//! Random programs, run by the kernel and by a slow model of it: the same order and the same lives.
//!
//! A program gives each session a list of steps for each event it gets; what a step does is the same in both.

#[path = "../common/mod.rs"]
mod common;

mod program;
mod real;
mod slow;

use program::scripts;
use proptest::prelude::*;
use real::{run_among_others, run_real};
use slow::run_model;

proptest! {
    #![proptest_config(ProptestConfig {
        // More by PROPTEST_CASES.
        cases: ProptestConfig::default().cases.max(2000),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_program_runs_as_its_model_says(scripts in scripts()) {
        prop_assert_eq!(run_real(&scripts), run_model(&scripts));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(2000) / 20,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_program_runs_as_its_model_says_though_its_passes_are_interrupted(
        scripts in scripts(),
        others in proptest::collection::vec(0..800_u16, 1..5),
    ) {
        prop_assert_eq!(run_among_others(&scripts, &others), run_model(&scripts));
    }
}
