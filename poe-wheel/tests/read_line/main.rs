//! Lines typed at a pseudo-terminal: keys go in, and an emulator reads the screen.

#[path = "../common/mod.rs"]
mod common;

mod ending;
mod init_file;
mod lines;
mod maps;
mod output;
mod person;
mod plain;
mod reentrancy;
