//! Screens of a pseudo-terminal: keys go in, and an emulator reads what is drawn.
#![cfg(feature = "curses")]

#[path = "../common/mod.rs"]
mod common;

mod drawing;
mod failing;
mod input;
mod program;
mod taking;
