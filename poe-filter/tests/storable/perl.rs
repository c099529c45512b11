//! Round trips with a live Perl.

use std::io::Write;
use std::process::{Command, Stdio};

use poe_filter::storable::Value;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::build::{build, steps};
use crate::vectors::{REFUSED, unhex, vectors};

/// Has Perl do something with each image, which the code finds in `$_`, and gives what comes of it;
/// `None`, saying so, where there is no Perl.
fn perl(code: &str, images: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let program = format!(
        r#"use strict; use Storable qw(freeze nfreeze thaw); $Storable::canonical = 1;
        package Over; use overload '""' => sub {{ "over" }}; package main;
        while (my $line = <STDIN>) {{
            chomp $line;
            $_ = pack "H*", $line;
            my $result = {code};
            print unpack("H*", $result), "\n";
        }}"#
    );
    let child = Command::new("perl")
        .args(["-e", &program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: perl does not run; install perl");
        return None;
    };
    let mut input = child.stdin.take().unwrap();
    let hex =
        |image: &Vec<u8>| image.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let lines: String = images.iter().map(|image| hex(image) + "\n").collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let results: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(unhex).collect();
    assert_eq!(results.len(), images.len());
    Some(results)
}

fn random_values(count: usize) -> Vec<Value> {
    let mut runner = TestRunner::deterministic();
    let mut value = || build(&steps().new_tree(&mut runner).unwrap().current());
    (0..count).map(|_| value()).collect()
}

/// Perl freezes what it thaws of ours, and we find the same value in it.
#[test]
fn perl_thaws_what_we_freeze() {
    let values = random_values(500);
    let images: Vec<_> = values.iter().map(|value| value.nfreeze().unwrap()).collect();
    let Some(back) = perl("nfreeze(thaw($_))", &images) else { return };
    for ((value, image), back) in values.iter().zip(&images).zip(back) {
        let back = Value::thaw(back).unwrap();
        assert_eq!(back, *value, "{} from {image:02x?}", crate::dump::dump(value));
    }
}

/// The same with images of Perl's own kind, which we only read.
#[test]
fn we_thaw_native_images() {
    let values = random_values(500);
    let images: Vec<_> = values.iter().map(|value| value.nfreeze().unwrap()).collect();
    let Some(native) = perl("freeze(thaw($_))", &images) else { return };
    for (value, native) in values.iter().zip(native) {
        assert_eq!(native[0], 4);
        assert_eq!(Value::thaw(native).unwrap(), *value);
    }
}

/// What we write for each vector is to Perl what it wrote itself.
#[test]
fn vectors_through_us_are_the_same_to_perl() {
    // What we drop: how a Latin-1 key was held, what elements do not exist, the texts of v-strings,
    // restrictions.
    let dropped = [66, 76, 87, 108, 109];
    let vectors = vectors();
    let kept = |number: &usize| !REFUSED.contains(number) && !dropped.contains(number);
    let theirs: Vec<_> =
        vectors.iter().filter(|one| kept(&one.number)).map(|one| one.image.clone()).collect();
    let ours: Vec<_> =
        theirs.iter().map(|image| Value::thaw(image.clone()).unwrap().nfreeze().unwrap()).collect();
    let code = r#"do {
        local $SIG{__WARN__} = sub { die @_ };
        require Data::Dumper;
        local $Data::Dumper::Sortkeys = local $Data::Dumper::Useqq = 1;
        my $text = Data::Dumper::Dumper(thaw($_));
        utf8::encode($text);
        $text
    }"#;
    let (Some(theirs), Some(ours)) = (perl(code, &theirs), perl(code, &ours)) else { return };
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(String::from_utf8_lossy(ours), String::from_utf8_lossy(theirs));
    }
}
