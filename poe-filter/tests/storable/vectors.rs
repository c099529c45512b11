//! What Perl's Storable 3.26 made of these values: all are read, and written alike.

use std::sync::LazyLock;

use poe_filter::storable::{ThawError, Value};

use crate::dump::dump;

pub(crate) struct Vector {
    pub(crate) number: usize,
    pub(crate) what: &'static str,
    pub(crate) image: Vec<u8>,
}

/// All of the list, in order.
pub(crate) fn vectors() -> &'static [Vector] {
    static VECTORS: LazyLock<Vec<Vector>> = LazyLock::new(parse);
    &VECTORS
}

fn parse() -> Vec<Vector> {
    let lines = include_str!("vectors.txt").lines();
    let vectors: Vec<_> = lines
        .map(|line| {
            let mut parts = line.splitn(2, " | ");
            let number = parts.next().unwrap().parse().unwrap();
            let (what, image) = parts.next().unwrap().rsplit_once(" | ").unwrap();
            Vector { number, what, image: unhex(image) }
        })
        .collect();
    assert_eq!(vectors.len(), 114);
    vectors
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    pairs.map(|pair| u8::from_str_radix(&pair, 16).unwrap()).collect()
}

/// What is refused.
pub(crate) const REFUSED: [usize; 2] = [84, 107];

/// What is written differently from what was read, without the header.
const REWRITTEN: [(usize, &str); 9] = [
    (2, "05"),
    (15, "02 00000001 0a 03 616263"),
    (66, "03 00000001 08 81 00000001 e9"),
    (76, "02 00000004 05 05 05 05"),
    (82, "02 00000001 04 11 04 4f766572 03 00000000"),
    (87, "02 00000001 0a 03 010203"),
    (108, "03 00000002 08 81 00000001 61 08 82 00000001 62"),
    (109, "03 00000001 08 81 00000001 61"),
    (83, "11 04 4f766572 03 00000000"),
];

#[test]
fn all_are_written_as_they_were_read() {
    for &Vector { number, what, ref image } in vectors() {
        if REFUSED.contains(&number) {
            let error = Value::thaw(&image[..]).unwrap_err();
            assert!(matches!(error, ThawError::Refused { .. }), "{number} {what}: {error}");
            continue;
        }
        let value = Value::thaw(&image[..]).unwrap_or_else(|error| panic!("{number}: {error}"));
        let rewritten = REWRITTEN.iter().find(|(other, _)| *other == number);
        let body = rewritten.map_or(image[2..].to_vec(), |(_, body)| unhex(body));
        let written = value.nfreeze().unwrap();
        assert_eq!(written[..2], [5, 5]);
        assert_eq!(written[2..], body, "{number} {what}: {}", dump(&value));
        assert_eq!(Value::thaw(written).unwrap(), value, "{number} {what}");
    }
}

#[test]
fn all_mean_what_perl_means() {
    let expected = [
        (1, "[undef]"),
        (2, "undef"),
        (3, "undef"),
        (4, "[]"),
        (5, "{}"),
        (6, r#""""#),
        (7, r#""abc""#),
        (8, r#"["abc"]"#),
        (9, r#"["\x00\xff"]"#),
        (12, "['é']"),
        (13, "['☺']"),
        (15, "['abc']"),
        (16, "[0]"),
        (18, "[-1]"),
        (20, "[127]"),
        (21, "[128]"),
        (22, "[-128]"),
        (23, "[-129]"),
        (27, "[-1000]"),
        (31, "[2147483647]"),
        (32, "[-2147483648]"),
        (33, r#"["2147483648"]"#),
        (40, r#"["18446744073709551615"]"#),
        (41, r#"["1.5"]"#),
        (47, r#"["Inf"]"#),
        (57, r#"["1"]"#),
        (58, r#"[""]"#),
        (62, "{a=>undef}"),
        (63, r#"{a=>"b",c=>\[1,\{d=>undef}]}"#),
        (64, r#"{=>""}"#),
        (65, "{☺=>1}"),
        (66, "{é=>1}"),
        (67, "{é=>1}"),
        (68, "{a=>1,☺=>2}"),
        (69, r"[\[],\{}]"),
        (70, r"\[]"),
        (71, r"\1"),
        (72, r"[\[1],\[1]]"),
        (74, r"[\5,\5]"),
        (75, r"[\^]"),
        (76, "[undef,undef,undef,undef]"),
        (77, "Foo={a=>1}"),
        (80, r"[\Foo={},\Bar=[],\Foo={}]"),
        (81, r#"Foo="x""#),
        (82, r"[\Over={}]"),
        (85, "Regexp=/ab+c/i"),
        (86, r"[\Regexp=/x/]"),
        (87, r#"["\x01\x02\x03"]"#),
        (88, r#"{event=>"poe://Pulse/timeserver/hello",params=>"world"}"#),
        (96, r#"["a",5,\[],undef,\[]]"#),
        (100, r#"[1,"1",1,"1.0"]"#),
        (105, r"[1,\[\^]]"),
        (106, r"[\[1],weak\[1]]"),
        (108, "{a=>1,b=>2}"),
        (109, "{a=>1}"),
        (114, "Regexp=//"),
    ];
    let vectors = vectors();
    for (number, meaning) in expected {
        let vector = &vectors[number - 1];
        let value = Value::thaw(&vector.image[..]).unwrap();
        assert_eq!(dump(&value), meaning, "{number} {}", vector.what);
    }
}

#[test]
fn what_is_shared_is_the_same_value() {
    let vectors = vectors();
    let value = |number: usize| Value::thaw(&vectors[number - 1].image[..]).unwrap();
    for number in [72, 74, 98, 106] {
        let value = value(number);
        let [one, other] = [0, 1].map(|index| value.root().at(index).unwrap());
        assert!(!one.is_same(other), "{number}");
        assert!(one.follow().is_same(other.follow()), "{number}");
    }
    let value = value(97);
    let [b, c] = ["b", "c"].map(|key| value.root().get(key).unwrap().follow());
    assert!(b.is_same(c));
}

#[test]
fn long_strings_and_many_classes() {
    let vectors = vectors();
    let value = |number: usize| Value::thaw(&vectors[number - 1].image[..]).unwrap();
    for (number, len) in [(10, 255), (11, 256), (14, 300)] {
        assert_eq!(value(number).root().at(0).unwrap().octets().unwrap().len(), len);
    }
    for (number, len) in [(110, 200), (111, 127), (112, 128)] {
        assert_eq!(value(number).root().class().unwrap(), "C".repeat(len));
    }
    let many = value(113);
    let class = |index| many.root().at(index).unwrap().follow().class().unwrap();
    assert_eq!([class(129), class(130), class(131)], ["K129", "K129", "K3"]);
}
