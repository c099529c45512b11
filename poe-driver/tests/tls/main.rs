//! The driver `Tls`: both ends in one program, whatever lies between them.
#![cfg(feature = "tls")]

mod certificates;
mod ending;
mod flow;
mod peers;
mod resumption;
mod starttls;
