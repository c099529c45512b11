//! Images made to harm, in each format: they cost neither the stack nor the memory, and never panic.

#![cfg(all(
    feature = "storable",
    feature = "reference",
    feature = "zlib",
    feature = "json",
    feature = "msgpack",
    feature = "cbor",
    feature = "yaml"
))]

#[path = "allocations/sys.rs"]
mod sys;

use std::io::Write;

use poe_filter::reference::{
    Cbor, Codec, CodecError, Json, MessagePack, Reference, Storable, StorableOf, Yaml, YamlValues,
};
use poe_filter::{Filter, FilterError};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use sys::measure;

/// The most memory that an image of each octet may take, and any image beside that.
const EACH: usize = 400;
const ANY: usize = 256 << 10;

/// Data that nests for as long as it likes.
#[derive(Debug, Serialize, Deserialize)]
struct Nest(Vec<Nest>);

/// The same by variants.
#[derive(Debug, Serialize, Deserialize)]
enum Tree {
    #[serde(rename = "a")]
    Inner(Box<Tree>),
    Leaf,
}

fn thaw<C: Codec>(codec: &C, image: Vec<u8>) -> Result<C::In, CodecError> {
    let bound = EACH * image.len() + ANY;
    let (result, _, growth) = measure(|| codec.thaw(image.into()));
    assert!(growth <= bound, "{codec:?}: {growth} octets, where {bound} are allowed");
    result
}

/// Has each codec read it, as whatever it is, and as a type without end.
fn thaw_all(image: &[u8]) {
    _ = thaw(&Yaml::<serde_json::Value>::new(), image.to_vec());
    _ = thaw(&YamlValues::new(), image.to_vec());
    _ = thaw(&Yaml::<Tree>::new(), image.to_vec());
    _ = thaw(&Yaml::<Nest>::new(), image.to_vec());
    thaw_others(image);
}

/// All but YAML.
fn thaw_others(image: &[u8]) {
    let image = || image.to_vec();
    _ = thaw(&Json::<serde_json::Value>::new(), image());
    _ = thaw(&Json::<Tree>::new(), image());
    _ = thaw(&Json::<Nest>::new(), image());
    _ = thaw(&MessagePack::<serde_json::Value>::new(), image());
    _ = thaw(&MessagePack::<Tree>::new(), image());
    _ = thaw(&MessagePack::<Nest>::new(), image());
    _ = thaw(&Cbor::<serde_json::Value>::new(), image());
    _ = thaw(&Cbor::<Tree>::new(), image());
    _ = thaw(&Cbor::<Nest>::new(), image());
    _ = thaw(&StorableOf::<serde_json::Value>::new(), image());
    _ = thaw(&StorableOf::<Tree>::new(), image());
    _ = thaw(&StorableOf::<Nest>::new(), image());
}

#[test]
fn nesting_is_limited() {
    for depth in [100, 200, 100_000] {
        // Time is not what YAML saves: it goes with the square of the depth.
        let thaw_all = if depth > 1000 { thaw_others } else { thaw_all };
        let both = |open: &[u8], close: &[u8]| [open.repeat(depth), close.repeat(depth)].concat();
        let fails = |result: Result<Nest, CodecError>| assert_eq!(result.is_err(), depth > 128);
        fails(thaw(&Json::<Nest>::new(), both(b"[", b"]")));
        thaw_all(&both(b"[", b"]"));
        thaw_all(&b"[".repeat(depth));
        thaw_all(&both(b"{\"a\":", b"}"));
        thaw_all(&b"- ".repeat(depth));
        thaw_all(&b"? ".repeat(depth));
        let lists = [b"\x91".repeat(depth - 1), vec![0x90]].concat();
        fails(thaw(&MessagePack::<Nest>::new(), lists));
        thaw_all(&b"\x91".repeat(depth));
        thaw_all(&b"\x81".repeat(depth));
        thaw_all(&b"\x81\xa1a".repeat(depth));
        thaw_all(&b"\x9f".repeat(depth));
        thaw_all(&b"\xc1".repeat(depth));
        thaw_all(&b"\xa1\x61a".repeat(depth));
        thaw_all(&b"\x5f".repeat(depth));
        thaw_all(&b"\x7f".repeat(depth));
        thaw_all(&[b"\x05\x0b".as_slice(), &b"\x04\x02\0\0\0\x01".repeat(depth)].concat());
    }
}

#[test]
fn announcements_are_not_believed() {
    for step in [
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff".as_slice(),
        b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
    ] {
        for count in [1, 2, 100, 1000] {
            thaw_all(&step.repeat(count));
        }
    }
}

/// What is written once and referred to many times is not let grow beyond all measure.
#[test]
fn aliases_of_yaml_are_limited() {
    // Nine lists, each of nine times the one before: a thousand million strings.
    let mut laughs = String::from("a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for pair in "abcdefghi".as_bytes().windows(2) {
        let (last, next) = (pair[0] as char, pair[1] as char);
        let list = vec![format!("*{last}"); 9].join(", ");
        laughs += &format!("{next}: &{next} [{list}]\n");
    }
    thaw(&Yaml::<serde_json::Value>::new(), laughs.clone().into()).unwrap_err();
    thaw(&YamlValues::new(), laughs.into()).unwrap_err();

    // A list of ten thousand, ten thousand times.
    let wide = format!("- &a [{}]\n{}", "1, ".repeat(10_000), "- *a\n".repeat(10_000));
    thaw(&Yaml::<serde_json::Value>::new(), wide.clone().into()).unwrap_err();
    thaw(&Yaml::<Vec<Vec<u8>>>::new(), wide.into()).unwrap_err();

    // A text of a hundred thousand octets, ten thousand times.
    let long = format!("- &a {}\n{}", "x".repeat(100_000), "- *a\n".repeat(10_000));
    thaw(&Yaml::<Vec<String>>::new(), long.into()).unwrap_err();

    let few = "- &a [1, 2]\n- *a\n- &b {x: *a}\n- *b\n";
    let list = thaw(&Yaml::<serde_json::Value>::new(), few.into()).unwrap();
    assert_eq!(list, serde_json::json!([[1, 2], [1, 2], {"x": [1, 2]}, {"x": [1, 2]}]));
}

/// The same with Storable, whose values share for nothing.
#[test]
fn sharing_is_limited() {
    let mut image = b"\x05\x0b\x02\0\0\0\x1f".to_vec();
    // Each array is two references to the one before it: 2^30 values.
    image.extend(b"\x04\x02\0\0\0\x01\x05");
    let mut last = 2_u32;
    for _ in 0..30 {
        image.extend(b"\x04\x02\0\0\0\x02");
        let this = last + if last == 2 { 3 } else { 4 };
        for _ in 0..2 {
            image.extend(b"\x04\0");
            image.extend(last.to_be_bytes());
        }
        last = this;
    }
    let codec = StorableOf::<serde_json::Value>::new();
    thaw(&codec, image.clone()).unwrap_err();
    // As it is, nothing of it is there twice.
    thaw(&Storable::new(), image).unwrap();
}

#[test]
fn what_is_compressed_does_not_grow_beyond_the_limit() {
    const LIMIT: usize = 1 << 20;
    let mut bomb = flate2_of(100 << 20);
    let frame = [format!("{}\0", bomb.len()).into_bytes(), std::mem::take(&mut bomb)].concat();
    let mut filter =
        Reference::builder(Storable::new()).compression().max_length(LIMIT).build().unwrap();
    let (result, _, growth) = measure(|| filter.get(frame.into()));
    assert!(matches!(result, Err(FilterError::Record(_))));
    assert!(growth <= 4 * LIMIT, "{growth}");
}

/// So many zeros, compressed.
fn flate2_of(zeros: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let piece = vec![0; 1 << 20];
    for _ in 0..zeros >> 20 {
        encoder.write_all(&piece).unwrap();
    }
    encoder.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 1_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_octets(image in prop::collection::vec(any::<u8>(), 0..60)) {
        thaw_all(&image);
    }

    #[test]
    fn random_text(image in "[-\\[\\]{}:,&*!'\"| a1\n]{0,60}") {
        thaw_all(image.as_bytes());
    }

    /// Images of all formats with some octets changed.
    #[test]
    fn mutated_images(
        format in 0..5_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let data = serde_json::json!([1, [-70_000, []], 1_u64 << 40, {"a": {"b": null}, "c": 0.5}]);
        let mut image = Vec::new();
        match format {
            0 => Json::<serde_json::Value>::new().freeze(data, &mut image),
            1 => Yaml::<serde_json::Value>::new().freeze(data, &mut image),
            2 => MessagePack::<serde_json::Value>::new().freeze(data, &mut image),
            3 => Cbor::<serde_json::Value>::new().freeze(data, &mut image),
            _ => StorableOf::<serde_json::Value>::new().freeze(data, &mut image),
        }
        .unwrap();
        for (at, octet) in changes {
            let at = at.index(image.len());
            image[at] = octet;
        }
        thaw_all(&image);
    }
}
