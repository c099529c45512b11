//! The checks of poe-filter's tests, for the targets of libFuzzer.

#[path = "../../poe-filter/tests/fuzz/checks/mod.rs"]
mod checks;

/// Does the check of this name.
///
/// # Panics
///
/// If it fails, which is a finding.
pub fn check(name: &str, octets: &[u8]) {
    let (_, check) = checks::TARGETS.iter().find(|(target, _)| *target == name).expect("a target");
    check(octets);
}
