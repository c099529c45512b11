//! Benchmarks of POE against its peers, as ratios within one run.
//!
//! Each benchmark has its file, which says what is measured and what is to be reached. It names its
//! [contenders](contest::Contender); they take turns, and the best of each counts. Our own side of all
//! of them is in `ours.rs` and its folder, and left out without the feature `ours`.

pub mod anyevent_bench2;
pub mod call;
pub mod contest;
pub mod filters;
pub mod follow_tail;
pub mod http;
pub mod idle;
pub mod line_echo;
pub mod load;
pub mod log_monitor;
#[cfg(feature = "ours")]
pub mod ours;
pub mod peers;
pub mod report;
pub mod server;
pub mod sessions;
pub mod spawn;
pub mod storable;
pub mod system;
pub mod timers;
pub mod udp_echo;
pub mod yield_event;
