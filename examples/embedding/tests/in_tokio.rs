//! The program `in-tokio`, as a person would use it.

#[path = "../../tests/common/mod.rs"]
#[macro_use]
mod common;
mod service;

#[test]
fn sessions_and_others_share_a_thread() {
    service::all(example!("in-tokio"));
}
