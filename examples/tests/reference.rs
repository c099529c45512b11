//! The server of structures of data, spoken to by POE's own filter.

#[macro_use]
mod common;

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use common::{Program, run, skipped};

const SERVER: &str = example!("reference-server");

/// Sends records through POE's filter, and prints what comes back, each as its keys and values, in order.
const CLIENT: &str = r#"use strict; use warnings; use IO::Socket::INET; use POE::Filter::Reference;
    my ($host, $port, $codec, $compress) = @ARGV;
    sub JSONish::freeze { require JSON::PP; JSON::PP->new->canonical->encode($_[-1]) }
    sub JSONish::thaw { JSON::PP::decode_json($_[-1]) }
    my $serializer = $codec eq "json" ? bless({}, "JSONish") : $codec eq "yaml" ? "YAML" : undef;
    my $filter = POE::Filter::Reference->new(Serializer => $serializer, Compression => $compress);
    my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or die $!;
    my @records = map { { number => $_, list => [1, "two", [3]], text => "x" x $_ } } 0, 1, 2000;
    print $socket @{ $filter->put(\@records) };
    $socket->flush;
    shutdown $socket, 1;
    my ($input, $back) = ("", 0);
    while (sysread $socket, $input, 65536) {
        for my $record (@{ $filter->get([$input]) }) {
            my $sent = $records[$back++];
            my $show = sub { my $r = shift; "$r->{number} $r->{text} $r->{list}[1] $r->{list}[2][0]" };
            die "another record" if $show->($sent) ne $show->($record);
        }
    }
    print "$back\n";"#;

#[test]
fn perls_filter_gets_its_records_back() {
    for (codec, module) in [("storable", "Storable"), ("json", "JSON::PP"), ("yaml", "YAML")] {
        let has = |module: &str| {
            let tried = Command::new("perl").args([&format!("-M{module}"), "-e", "1"]).output();
            tried.is_ok_and(|output| output.status.success())
        };
        if !["POE::Filter::Reference", "IO::Socket::INET", "Compress::Zlib", module]
            .iter()
            .all(|module| has(module))
        {
            skipped(&format!("Perl lacks POE, Compress::Zlib or {module}"));
            continue;
        }
        for compress in [false, true] {
            let mut command = Command::new(SERVER);
            command.args(["--codec", codec, "127.0.0.1:0"]);
            if compress {
                command.arg("--compress");
            }
            let (server, address) = Program::listening(&mut command);
            let mut client = Command::new("perl");
            client.args(["-e", CLIENT, &address.ip().to_string(), &address.port().to_string()]);
            let output = run(client.args([codec, if compress { "1" } else { "0" }]), "");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(String::from_utf8_lossy(&output.stdout), "3\n", "{codec}: {errors}");
            server.interrupt().well();
        }
    }
}

/// What is empty, nothing, or not what it looks like comes back to Perl's YAML through POE's filter.
#[test]
fn what_yaml_is_odd_about_comes_back_to_perl() {
    const CLIENT: &str = r#"use strict; use warnings; use IO::Socket::INET; use POE::Filter::Reference; use JSON::PP;
        my ($host, $port) = @ARGV;
        my $filter = POE::Filter::Reference->new(Serializer => "YAML");
        my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or die $!;
        my @texts = ("~", "", " x", "two\nlines\n", "a: b", qq("it's"), "a | # b", "word", "- x",
            "null", "Null", "true", "yes", "1.10", "007", "-1", "+5", ".5", "0x1F", "1e3", "1_000", "=", ".inf", 9 x 30, 1 x 500);
        my @records = ({}, [], [undef], { v => undef }, [[], {}, undef], map { [$_, { $_ => $_ }] } @texts);
        print $socket @{ $filter->put(\@records) };
        $socket->flush;
        shutdown $socket, 1;
        my ($json, $input, @back) = (JSON::PP->new->canonical, "");
        push @back, @{ $filter->get([$input]) } while sysread $socket, $input, 65536;
        my @wrong = grep { $json->encode($records[$_]) ne $json->encode($back[$_] // []) or !$back[$_] } 0 .. $#records;
        print @wrong ? "not: @{[map { $json->encode($records[$_]) } @wrong]}\n" : "all\n";"#;
    for module in ["POE::Filter::Reference", "IO::Socket::INET", "JSON::PP", "YAML"] {
        let tried = Command::new("perl").args([&format!("-M{module}"), "-e", "1"]).output();
        if !tried.is_ok_and(|output| output.status.success()) {
            return skipped(&format!("Perl lacks {module}"));
        }
    }
    let (server, address) =
        Program::listening(Command::new(SERVER).args(["127.0.0.1:0", "--codec", "yaml"]));
    let mut client = Command::new("perl");
    client.args(["-e", CLIENT, &address.ip().to_string(), &address.port().to_string()]);
    let output = run(&mut client, "");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "all\n", "{errors}");
    server.interrupt().well();
}

#[test]
fn records_come_back_as_they_were() {
    let number = "9".repeat(30);
    let yaml =
        format!("---\n- 1.10\n- {number}\n- ~\n- \"1.10\"\n- \"~\"\n- null\n-\n  1.0: true\n");
    let yaml = format!("{}\0{yaml}", yaml.len());
    for (codec, frame) in
        [("msgpack", &b"9\0\x82\xa1a\x01\xa1b\x92\x02\xc0"[..]), ("yaml", yaml.as_bytes())]
    {
        let (server, address) =
            Program::listening(Command::new(SERVER).args(["127.0.0.1:0", "--codec", codec]));
        let mut client = common::connect(address);
        client.write_all(frame).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut back = Vec::new();
        std::io::Read::read_to_end(&mut client, &mut back).unwrap();
        assert_eq!(back.escape_ascii().to_string(), frame.escape_ascii().to_string());
        server.interrupt().well();
    }
}

#[test]
fn a_client_that_sends_and_does_not_read() {
    let (server, address) =
        Program::listening(Command::new(SERVER).args(["127.0.0.1:0", "--codec", "json"]));
    let before = server.resident();
    let mut client = common::connect(address);
    // When it can send no more it has waited for this long.
    client.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let text = "x".repeat(9998);
    let record = format!("10000\0\"{text}\"");
    let sent = (0..8000).take_while(|_| client.write_all(record.as_bytes()).is_ok()).count();
    let more = server.resident().saturating_sub(before);
    assert!(more < 16 * 1024, "{more} KiB more for {sent} records");
    drop(client);
    // It may say that its answers could not be sent.
    assert_eq!(server.interrupt().status.code(), Some(0));
}

#[test]
fn a_short_image_does_not_stand_for_much_memory() {
    // Of as many of the smallest values there are as fit.
    let many = 4 << 20;
    let json = format!("[0{}]", ",0".repeat(many / 2 - 2)).into_bytes();
    let count = u32::try_from(many - 16).unwrap().to_be_bytes();
    let mut msgpack = [&[0xDD][..], &count].concat();
    msgpack.resize(many - 11, 0);
    let mut storable = [&b"\x05\x0b\x02"[..], &count].concat();
    storable.resize(many - 9, 5);
    for (codec, image) in [("json", json), ("msgpack", msgpack), ("storable", storable)] {
        let (server, address) =
            Program::listening(Command::new(SERVER).args(["127.0.0.1:0", "--codec", codec]));
        let before = server.resident();
        let mut client = common::connect(address);
        client.write_all(format!("{}\0", image.len()).as_bytes()).unwrap();
        client.write_all(&image).unwrap();
        // It may be hung up on.
        let _ = client.shutdown(std::net::Shutdown::Write);
        let _ = std::io::Read::read_to_end(&mut client, &mut Vec::new());
        let most = server.most_resident().saturating_sub(before);
        assert!(most < 64 * 1024, "{codec}: {most} KiB more");
        assert_eq!(server.interrupt().status.code(), Some(0));
    }
}

#[test]
fn a_record_may_take_as_much_memory_as_it_is_asked_to() {
    let image = format!("[0{}]", ",0".repeat(100_000));
    let frame = format!("{}\0{image}", image.len());
    for (memory, comes_back) in [("1", false), ("8", true)] {
        let (server, address) = Program::listening(Command::new(SERVER).args([
            "127.0.0.1:0",
            "--codec",
            "json",
            "--memory",
            memory,
        ]));
        let mut client = common::connect(address);
        client.write_all(frame.as_bytes()).unwrap();
        let _ = client.shutdown(std::net::Shutdown::Write);
        let mut back = Vec::new();
        let _ = std::io::Read::read_to_end(&mut client, &mut back);
        assert_eq!(back == frame.as_bytes(), comes_back, "{} octets came back", back.len());
        assert_eq!(server.interrupt().status.code(), Some(0));
    }
}

#[test]
fn help_and_what_makes_no_sense() {
    let output = run(Command::new(SERVER).arg("--help"), "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("\nUsage: reference-server"), "{text}");
    for (arguments, complaint) in [
        (&["--codec", "xml"][..], "no codec \"xml\"; there are storable, json, msgpack and yaml"),
        (&["--codec"], "--codec takes a value; see --help"),
        (&["--memory", "0"], "\"0\" is no number of mebibytes; write it as 16"),
        (
            &["--memory", "99999999999999"],
            "\"99999999999999\" is no number of mebibytes; write it as 16",
        ),
        (&["--fast"], "unexpected argument \"--fast\"; see --help"),
        (&["127.0.0.1:0", "extra"], "unexpected argument \"extra\"; see --help"),
    ] {
        let error = Program::start(Command::new(SERVER).args(arguments)).wait().badly();
        assert_eq!(error, format!("Error: {complaint}"));
    }
}
