//! What a request costs of memory: nothing, when it came in one chunk.
#![cfg(feature = "http")]
#![allow(unsafe_code, reason = "a global allocator is unsafe to write")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use poe_filter::{Filter, Httpd, HttpdRecord};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Allocations while all that is in these octets is taken out and looked into.
fn allocations(octets: &str, count: usize) -> usize {
    let chunk = Bytes::from(octets.repeat(count));
    // One more share of it, so that the first to be counted is not the first there is.
    let _share = chunk.clone();
    let mut filter = Httpd::new();
    let before = COUNT.with(Cell::get);
    filter.get_one_start(chunk).unwrap();
    let mut taken = 0;
    while let Some(record) = filter.get_one().unwrap() {
        let HttpdRecord::Request(request) = record else { panic!("{record:?}") };
        assert_eq!((request.path(), request.header_str("HOST")), ("/a", Some("localhost")));
        assert!(request.keep_alive());
        taken += 1;
    }
    assert_eq!(taken, count);
    COUNT.with(Cell::get) - before
}

#[test]
fn requests_in_one_chunk_allocate_no_more_than_what_they_share() {
    let headers: String = (0..50).map(|number| format!("X-{number}: value\r\n")).collect();
    let get = format!("GET /a?b HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let post = "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(allocations(&get, 100), 1);
    assert_eq!(allocations(&get, 1), 0);
    assert_eq!(allocations(post, 100), 0);
}
