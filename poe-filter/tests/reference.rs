//! Structures of data as records, case by case, over any split, and with POE's own filter.

#![cfg(all(feature = "reference", feature = "storable", feature = "zlib"))]

mod common;

#[path = "reference/cases.rs"]
mod cases;
#[path = "reference/perl.rs"]
mod perl;
#[path = "reference/properties.rs"]
mod properties;
