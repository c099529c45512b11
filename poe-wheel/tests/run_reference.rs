//! Structures of data to a child, which reads them as they come and says what it has understood.

mod common;

use std::io::{self, Read, Write};
use std::process::Command;

use bytes::Bytes;
use common::{Log, kernel, once, run, skipped};
use poe_filter::Filter;
use poe_filter::reference::{Reference, Storable};
use poe_filter::storable::{Builder, Value};
use poe_session::prelude::*;
use poe_wheel::{CodeIn, CodeIo, Input, IoError, Run, RunBuilder, WheelId};

const NAMES: [&str; 5] = ["event", "from", "kind", "text", "to"];

fn five_strings(number: usize) -> Value {
    let mut build = Builder::new();
    // Of several reads, some of which end within a length.
    let text = "x".repeat(1000 * number);
    let strings = ["got", "", "é", &text, "☺"].map(|text| build.text(text));
    let map = build.hash(NAMES.into_iter().zip(strings));
    build.finish(map).unwrap()
}

/// How long each string is, by the order of the names.
fn told(number: usize) -> String {
    format!("3 0 1 {} 1", 1000 * number)
}

fn child(mut io: CodeIo) -> io::Result<()> {
    let mut filter = Reference::new(Storable::new());
    let mut octets = [0; 1024];
    loop {
        let length = io.stdin.read(&mut octets)?;
        if length == 0 {
            return Ok(());
        }
        for record in filter.get(octets[..length].to_vec().into()).map_err(io::Error::other)? {
            let text = |name| record.root().get(name).and_then(|node| node.to_text());
            let lengths = NAMES.map(|name| text(name).map_or(99, |text| text.chars().count()));
            writeln!(io.stdout, "{}", lengths.map(|length| length.to_string()).join(" "))?;
        }
    }
}

const PERL: &str = r#"use strict; use POE::Filter::Reference; $| = 1;
    my $filter = POE::Filter::Reference->new();
    while (sysread STDIN, my $octets, 1024) {
        for my $map (@{ $filter->get([$octets]) }) {
            print join(" ", map { length $map->{$_} } sort keys %$map), "\n";
        }
    }"#;

/// The child is told one record after the other, each when the one before was understood, and two at once at last.
fn converse(builder: RunBuilder) {
    let (kernel, log) = (kernel(), Log::default());
    let builder = builder
        .stdin_filter(Reference::new(Storable::new()))
        .stdout_event("out")
        .error_event("error")
        .close_event("close");
    let (l, make) = (log.clone(), once(builder));
    Session::build(None::<Run<Bytes, Value>>)
        .on_start(move |cx| -> HandlerResult {
            let wheel = make().spawn(cx.kernel)?;
            wheel.put(five_strings(0));
            *cx.heap = Some(wheel);
            Ok(())
        })
        .on("out", move |cx, input: Input| {
            l.push(input.record.escape_ascii());
            let Some(wheel) = &*cx.heap else { return };
            match l.len() {
                number @ 1..4 => _ = wheel.put(five_strings(number)),
                4 => {
                    wheel.put(five_strings(4));
                    wheel.put(five_strings(100));
                    wheel.shutdown_stdin();
                }
                _ => {}
            }
        })
        .on("error", |_, error: IoError| assert!(error.is_eof(), "{error}"))
        .on("close", |cx, _: WheelId| *cx.heap = None)
        .spawn(&kernel)
        .unwrap();
    run(&kernel);
    assert_eq!(log.take(), [0, 1, 2, 3, 4, 100].map(told));
}

// Conformance: FRF-12
#[test]
fn records_cross_the_standard_input_of_a_child() {
    converse(Run::build_code(child).code_in(CodeIn::Thread));
}

// Conformance: FRF-12
#[test]
fn records_cross_the_standard_input_of_perl() {
    let probe = Command::new("perl").args(["-MPOE::Filter::Reference", "-e", "1"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return skipped("perl -MPOE::Filter::Reference fails; install libpoe-perl");
    }
    converse(Run::build("perl").program_args(["-e", PERL]));
}
