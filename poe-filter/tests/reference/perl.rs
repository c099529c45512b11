//! POE's own filter at the other end of a pair of pipes.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use poe_filter::Filter;
use poe_filter::reference::{Reference, Storable};
use poe_filter::storable::{Builder, Value};

/// A Perl program that reads up to 1024 octets at a time, and does with each record in `$_` what
/// the code says; `None`, saying so, where there is no Perl with POE.
fn perl(arguments: &str, code: &str) -> Option<Child> {
    let probe = Command::new("perl")
        .args(["-MPOE::Filter::Reference", "-e", "1"])
        .stderr(Stdio::null())
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        let why = "SKIPPED: perl -MPOE::Filter::Reference fails; install libpoe-perl";
        let _ = writeln!(std::io::stderr(), "{why}");
        return None;
    }
    let program = format!(
        r#"use strict; use POE::Filter::Reference;
        binmode STDIN; binmode STDOUT; $| = 1;
        my $filter = POE::Filter::Reference->new({arguments});
        while (sysread STDIN, my $octets, 1024) {{
            for (@{{ $filter->get([$octets]) }}) {{ {code} }}
        }}"#
    );
    let mut command = Command::new("perl");
    command.args(["-e", &program]).stdin(Stdio::piped()).stdout(Stdio::piped());
    Some(command.spawn().unwrap())
}

/// Gives the child all of its input, and takes all of its output.
fn talk(mut child: Child, input: Vec<u8>) -> Vec<u8> {
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    output
}

fn five_strings() -> Value {
    let mut build = Builder::new();
    let long = "x".repeat(3000);
    let strings = ["one", "", "drei, é", "☺", &long].map(|text| build.text(text));
    let map = build.hash(["a", "b", "c", "d", "e"].into_iter().zip(strings));
    build.finish(map).unwrap()
}

fn shared() -> Value {
    let mut build = Builder::new();
    let number = build.integer(7);
    let list = build.array([number]);
    let me = build.undef();
    build.assign_hash(me, [("one", list), ("other", list), ("self", me)]);
    build.bless(me, "Some::Class");
    build.finish(me).unwrap()
}

// Conformance: FRF-12
#[test]
fn records_go_there_and_back() {
    let records = [five_strings(), shared(), five_strings()];
    for (arguments, compression) in
        [("", false), ("Serializer => 'Storable'", false), ("Compression => 1", true)]
    {
        let Some(child) = perl(arguments, "print @{ $filter->put([$_]) }") else { return };
        let builder = Reference::builder(Storable::new());
        let builder = if compression { builder.compression() } else { builder };
        let mut filter = builder.build().unwrap();
        let mut input = Vec::<u8>::new();
        for record in &records {
            filter.put(record.clone(), &mut input).unwrap();
        }
        let output = talk(child, input);
        let back = filter.get(output.into()).unwrap();
        assert_eq!(back, records, "{arguments}");
        let me = back[1].root();
        assert!(me.get("self").unwrap().follow().is_same(me));
        assert_eq!(me.class().unwrap(), "Some::Class");
    }
}

#[test]
fn perl_sees_what_was_meant() {
    let code = r#"print join("|", ref $_, $_->{one}[0] + 1, $_->{one} == $_->{other},
        $_->{self} == $_, scalar keys %$_)"#;
    let Some(child) = perl("", code) else { return };
    let mut input = Vec::<u8>::new();
    Reference::new(Storable::new()).put(shared(), &mut input).unwrap();
    assert_eq!(String::from_utf8(talk(child, input)).unwrap(), "Some::Class|8|1|1|3");
}
