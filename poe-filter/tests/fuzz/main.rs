//! The checks of `cargo xtask fuzz`, with the inputs they begin with and all that they ever found.

#![cfg(all(
    feature = "http",
    feature = "json",
    feature = "msgpack",
    feature = "cbor",
    feature = "yaml",
    feature = "regex",
    feature = "storable",
    feature = "websocket",
    feature = "zlib"
))]

mod checks;
mod listed;

use std::path::{Path, PathBuf};

use listed::inputs;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

#[test]
fn seeds_pass() {
    for (name, check) in checks::TARGETS {
        let path = folder().join("seeds").join(format!("{name}.txt"));
        let text = std::fs::read_to_string(&path).unwrap();
        let seeds: Vec<_> = inputs(&text).collect();
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            check(&seed);
            // What an input could be cut down to, or choose instead.
            for part in 0..8 {
                check(&seed[..seed.len() * part / 8]);
                check(&seed[part.min(seed.len())..]);
            }
        }
    }
}

/// Each line of the list names a target, and the input that it failed with before it was mended.
#[test]
fn findings_stay_mended() {
    let text = std::fs::read_to_string(folder().join("findings.txt")).unwrap();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, input) = line.split_once(' ').unwrap();
        let (_, check) = checks::TARGETS.iter().find(|(target, _)| *target == name).unwrap();
        inputs(input).for_each(|input| check(&input));
    }
}

#[test]
fn octets_are_listed_as_they_are() {
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(inputs(&all.escape_ascii().to_string()).next().unwrap(), all);
}

/// Structures as large as the fuzzer may make them, which no seed has: each parser is asked in several of its modes.
#[test]
fn long_inputs_pass() {
    let long: [(&[u8], &[u8]); 5] = [
        (b"", b"x"),
        (b"", b"\0"),
        (b"", b"\r\n"),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        // A frame whose length needs 64 bits.
        (b"\x82\x7f\0\0\0\0\0\x01\x10\0", b"a"),
    ];
    for (name, check) in checks::TARGETS {
        let length = match *name {
            "websocket" | "httpd" | "http_client" | "handshake" => 72 << 10,
            _ => 4 << 10,
        };
        for (start, step) in long {
            let octets = [start, &step.repeat(length / step.len())].concat();
            for mode in 0..4 {
                check(&[&[mode; 4][..], &octets].concat());
            }
        }
    }
}
