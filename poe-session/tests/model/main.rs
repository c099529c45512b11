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
use real::run_real;
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
