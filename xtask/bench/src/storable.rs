//! Structures of data in the format of Perl's Storable: read, written, and passed by `Reference` with compression.
//!
//! Perl does the same with the same images, and is the peer. Where it is not installed there is nobody to be compared
//! with.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use crate::contest::{Contest, Rounds};
use crate::report::{Report, Unit};

/// Faster than Perl in reading; writing is not to be slower.
const PERL: f64 = 1.0;

/// How many octets a turn works through, in all repetitions, and turns in a round.
pub const OCTETS: usize = 1 << 20;
const TURNS: usize = 10;

/// Ours, and what Perl's program does in its place, by the place in its line.
const WORK: [(&str, usize, Option<f64>); 8] = [
    ("thaw", THAW, Some(PERL)),
    ("nfreeze", NFREEZE, Some(PERL)),
    ("thaw as any data", THAW, None),
    ("nfreeze of any data", NFREEZE, None),
    ("thaw as a type", THAW, None),
    ("nfreeze of a type", NFREEZE, None),
    ("get with zlib", 2, None),
    ("put with zlib", 3, None),
];
const THAW: usize = 0;
const NFREEZE: usize = 1;

/// Data of several shapes.
pub fn run(rounds: Rounds, report: &mut Report) {
    let shapes = shapes();
    let perl = perl(&shapes);
    for (index, shape) in shapes.iter().enumerate() {
        for (number, &(work, theirs, target)) in WORK.iter().enumerate() {
            let contest =
                Contest::new(Unit::Nanoseconds).case(format!("{work}: {}", shape.name), None);
            #[cfg(feature = "ours")]
            let contest = contest.ours(|| crate::ours::storable::WORK[index][number](&shape.image));
            #[cfg(not(feature = "ours"))]
            let _ = number;
            let peer = match theirs {
                THAW | NFREEZE => "Perl's Storable",
                _ => "Perl's POE and zlib",
            };
            contest
                .peer(peer, target, || match &perl {
                    Ok(figures) => figures[index][theirs]
                        .map(|figure| vec![figure])
                        .ok_or_else(|| io::Error::other("SKIPPED: POE is not installed")),
                    Err(why) => Err(io::Error::other(format!("SKIPPED: {why}"))),
                })
                .hold(rounds.times(TURNS), report);
        }
    }
}

/// An image, as `nfreeze` writes it.
struct Shape {
    name: &'static str,
    image: Vec<u8>,
}

fn shapes() -> Vec<Shape> {
    let image = |put: fn(&mut Vec<u8>)| {
        let mut image = b"\x05\x0b".to_vec();
        put(&mut image);
        image
    };
    vec![
        Shape {
            name: "a hash of 5 scalars",
            image: image(|image| {
                pairs(
                    image,
                    ["id", "name", "host", "load", "tries"].map(String::from),
                    |image, key| match key {
                        "id" => image.extend(b"\x09\x00\x01\xe2\x40"),
                        "tries" => image.extend(b"\x08\x83"),
                        "load" => string(image, b"0.75"),
                        _ => string(image, b"some words"),
                    },
                );
            }),
        },
        Shape {
            name: "an array of 1000 integers",
            image: image(|image| {
                array(image, 1000, |image, number| {
                    image.push(0x09);
                    image.extend((number as u32 * 1000).to_be_bytes());
                });
            }),
        },
        Shape {
            name: "100 hashes of 5 in a hash",
            image: image(|image| {
                let names: Vec<String> =
                    (0..100).map(|number| format!("host-{number:03}")).collect();
                pairs(image, names, |image, name| {
                    image.push(0x04);
                    let keys = ["address", "name", "port", "state", "up"].map(String::from);
                    pairs(image, keys, |image, key| match key {
                        "port" => image.extend(b"\x09\x00\x00\x30\x39"),
                        "up" => image.extend(b"\x08\x81"),
                        _ => string(image, name.as_bytes()),
                    });
                });
            }),
        },
        Shape {
            name: "10 strings of 10 KB in an array",
            image: image(|image| {
                array(image, 10, |image, number| {
                    let line = format!("{number}: all work and no play makes Jack a dull boy; ");
                    let text: Vec<u8> = line.bytes().cycle().take(10_000).collect();
                    string(image, &text);
                });
            }),
        },
    ]
}

fn array(image: &mut Vec<u8>, count: usize, put: impl Fn(&mut Vec<u8>, usize)) {
    image.push(0x02);
    image.extend((count as u32).to_be_bytes());
    (0..count).for_each(|number| put(image, number));
}

fn pairs(image: &mut Vec<u8>, keys: impl AsRef<[String]>, put: impl Fn(&mut Vec<u8>, &str)) {
    let keys = keys.as_ref();
    image.push(0x03);
    image.extend((keys.len() as u32).to_be_bytes());
    for key in keys {
        put(image, key);
        image.extend((key.len() as u32).to_be_bytes());
        image.extend(key.as_bytes());
    }
}

fn string(image: &mut Vec<u8>, octets: &[u8]) {
    match u8::try_from(octets.len()) {
        Ok(length) => image.extend([0x0a, length]),
        Err(_) => {
            image.push(0x01);
            image.extend((octets.len() as u32).to_be_bytes());
        }
    }
    image.extend(octets);
}

/// What Perl needs for each piece of work with each image, in nanoseconds.
fn perl(shapes: &[Shape]) -> Result<Vec<[Option<f64>; 4]>, String> {
    let started = Command::new("perl")
        .args(["-e", include_str!("../perl/storable.pl")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = started.map_err(|error| format!("perl does not run: {error}"))?;
    let mut input = String::new();
    for shape in shapes {
        for octet in &shape.image {
            _ = write!(input, "{octet:02x}");
        }
        input.push('\n');
    }
    let mut stdin = child.stdin.take().ok_or("perl has no input")?;
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    _ = writer.join();
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<_> = text
        .lines()
        .map(|line| {
            let mut figures = line.split(' ').map(|figure| figure.parse().ok());
            std::array::from_fn(|_| figures.next().flatten())
        })
        .collect();
    if figures.len() == shapes.len() { Ok(figures) } else { Err("perl has no Storable".into()) }
}
