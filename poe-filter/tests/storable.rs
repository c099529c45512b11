//! Storable images, case by case, and as a live Perl sees them.

#![cfg(feature = "storable")]

#[path = "storable/build.rs"]
mod build;
#[path = "allocations/sys.rs"]
mod sys;

#[path = "storable/dump.rs"]
mod dump;
#[path = "storable/hostile.rs"]
mod hostile;
#[path = "storable/native.rs"]
mod native;
#[path = "storable/perl.rs"]
mod perl;
#[path = "storable/vectors.rs"]
mod vectors;
