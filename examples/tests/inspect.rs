//! A running server that is asked what it is doing.

#[macro_use]
mod common;

use std::io::{BufReader, Write};
use std::time::{Duration, UNIX_EPOCH};

use common::{Program, connect, read_line};
use nix::sys::signal::Signal;
use poe_component::prelude::Kernel;
use poe_kernel::Histogram;

#[test]
fn a_signal_has_it_print_a_tree_json_and_a_graph() {
    let (mut server, address) = Program::server(example!("inspect"));
    let mut client = connect(address);
    client.write_all(b"echoed\n").unwrap();
    assert_eq!(read_line(&mut BufReader::new(&client)), "echoed");

    for _ in 0..2 {
        server.signal(Signal::SIGUSR1);
        server.wait_for_line("a tree", |line| line.starts_with("└─ session 2 (inspector)"));
        server.wait_for_line("JSON", |line| line == "{");
        server.wait_for_line("a graph", |line| line == "digraph poe {");
        server.wait_for_line("the end of the graph", |line| line == "}");
    }
    drop(client);
    let text = server.interrupt().well().output.join("\n");
    let from = text.find("\n{\n").unwrap() + 1;
    let tree = &text[..from];
    let places =
        tree.lines().filter(|line| line.contains("created at ") || line.contains("(since "));
    let places: Vec<&str> = places.collect();
    // Three sessions, an alias of each but the connection, a signal, sockets and a child.
    assert!(places.len() >= 9, "{tree}");
    for line in places {
        assert!(line.contains("examples/src/bin/inspect.rs:"), "{line}");
    }
    let to = text.find("\n}\n").unwrap() + 2;
    let json: serde_json::Value = serde_json::from_str(&text[from..to]).unwrap();
    let sessions = json["sessions"].as_array().unwrap();
    let connection = sessions.last().unwrap();
    assert_eq!(connection["parent"], sessions[0]["session"]);
    assert!(connection["type_name"].as_str().unwrap().ends_with("Connection"));
    let events = connection["events"].as_array().unwrap();
    assert!(events.iter().any(|entry| entry["event"] == "tcp_got_input"));
}

#[test]
fn a_time_before_the_epoch_is_json_too() {
    let start = UNIX_EPOCH - Duration::from_millis(1500);
    let kernel = Kernel::builder().virtual_clock(start).build().unwrap();
    let json = serde_json::to_value(kernel.inspect()).unwrap();
    assert_eq!(json["time"]["secs_since_epoch"], -2);
    assert_eq!(json["time"]["nanos_since_epoch"], 500_000_000);
}

#[test]
fn what_was_measured_is_json_with_its_histograms() {
    let mut times = Histogram::default();
    for milliseconds in [1, 1, 5] {
        times.record(Duration::from_millis(milliseconds));
    }
    let json = serde_json::to_value(&times).unwrap();
    assert_eq!(json["count"], 3);
    let buckets = json["buckets"].as_array().unwrap();
    let counts: Vec<_> = buckets.iter().map(|bucket| &bucket["count"]).collect();
    assert_eq!(counts, [2, 1]);
    let bound = |bucket: &serde_json::Value| bucket["up_to"]["nanos"].as_u64().unwrap();
    assert!((1_000_000..1_250_000).contains(&bound(&buckets[0])), "{json}");
    assert!((5_000_000..6_250_000).contains(&bound(&buckets[1])), "{json}");
}
