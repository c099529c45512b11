//! What we are compared with.

pub mod actix_actors;
pub mod bare_filters;
pub mod bare_httparse;
pub mod boxed_closures;
pub mod calloop_echo;
pub mod delay_queue;
pub mod epoll_bench2;
pub mod epoll_echo;
pub mod epoll_line_echo;
pub mod epoll_spawn;
pub mod epoll_udp_echo;
pub mod read_lines;
pub mod timer_heap;
pub mod tokio_codecs;
pub mod tokio_echo;
pub mod tokio_mpsc;
