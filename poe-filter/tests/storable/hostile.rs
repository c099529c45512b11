//! Images made to harm: they cost neither the stack nor the memory, and never panic.

use poe_filter::storable::{Limits, ThawError, Value};
use proptest::prelude::*;

use crate::sys::measure;
use crate::vectors::{unhex, vectors};

/// The most memory that reading an image may take beside it, in octets: what `storable` documents.
fn bound(image: &[u8]) -> usize {
    128 * image.len() + 1024
}

/// Reads an image, within the bound.
fn thaw(image: Vec<u8>, limits: &Limits) -> Result<Value, ThawError> {
    let bound = bound(&image);
    let (result, _, growth) = measure(|| Value::thaw_within(image, limits));
    assert!(growth <= bound, "{growth} octets, where {bound} are allowed");
    result
}

fn error(image: &str) -> ThawError {
    Value::thaw(unhex(image)).unwrap_err()
}

/// An image of these octets over and over, then a value.
fn nested(step: &[u8], depth: usize) -> Vec<u8> {
    let mut image = b"\x05\x0b".to_vec();
    image.extend(step.repeat(depth));
    image.push(0x05);
    image
}

#[test]
fn what_runs_code_is_refused() {
    for image in
        ["04 1a 0a 01 78", "0b 05", "0c 05", "0d 05", "15 05 05", "16 05 05", "13 00", "21"]
    {
        assert!(matches!(error(&format!("05 0b {image}")), ThawError::Refused { .. }), "{image}");
    }
}

#[test]
fn what_is_announced_must_be_there() {
    for image in [
        "02 00000001",
        "02 ffffffff 05",
        "02 80000000 05",
        "02 00000002 05",
        "03 00000001 05 000000",
        "03 00000002 05 00000000 05 000000",
        "03 7fffffff 05 00000001 61",
        "19 00 00000001 05 00 00000005 61",
        "01 ffffffff 78",
        "0a 02 78",
        "11 03 46",
        "11 80 ffffffff 46",
        "20 01 ffffffff",
        "",
    ] {
        let thawed = Value::thaw(unhex(&format!("05 0b {image}")));
        let error = thawed.expect_err(image);
        assert!(matches!(error, ThawError::Truncated { .. }), "{image}: {error}");
    }
}

#[test]
fn what_means_nothing_is_corrupt() {
    for image in [
        "24",
        "ff",
        "02 00000001 00 00000001",
        "00 00000000",
        "12 00 05",
        "02 00000002 05 11 01 41 00 00000001",
        "20 00 00 01 01",
    ] {
        let error = error(&format!("05 0b {image}"));
        assert!(matches!(error, ThawError::Corrupt { .. }), "{image}: {error}");
    }
    let error = error("05 0b 19 00 00000001 05 08 00000000");
    assert!(matches!(error, ThawError::Refused { .. }));
}

#[test]
fn the_last_of_several_classes_counts_as_in_perl() {
    let thawed = Value::thaw(unhex("05 0b 11 03 466f6f 11 03 426172 05")).unwrap();
    assert_eq!(thawed.root().class().unwrap(), "Bar");
}

#[test]
fn nesting_is_limited_and_costs_no_stack() {
    // A million references, arrays, hashes (whose keys are missing).
    for step in [&b"\x04"[..], b"\x02\0\0\0\x01", b"\x04\x02\0\0\0\x01", b"\x03\0\0\0\x01"] {
        let image = nested(step, 1_000_000);
        let error = thaw(image, &Limits::default()).unwrap_err();
        assert!(matches!(error, ThawError::Limit { what: "nested values", limit: 1024 }));
    }
    let limits = Limits::default().max_depth(usize::MAX);
    let value = thaw(nested(b"\x04\x02\0\0\0\x01", 1_000_000), &limits).unwrap();
    assert_eq!(value.nfreeze().unwrap().len(), 6_000_003);
    assert_eq!(value, value.clone());
    // As deep as Perl freezes by itself.
    assert!(Value::thaw(nested(b"\x02\0\0\0\x01\x04", 512)).is_ok());
    // Prefixes do not nest.
    assert!(Value::thaw(nested(b"\x11\x01A", 100_000)).is_ok());
    assert!(Value::thaw(nested(b"\x1d\x01A", 100_000)).is_ok());
}

#[test]
fn length_and_values_are_limited() {
    let image = [&b"\x05\x0b\x02\0\0\0\x64"[..], &[0x05; 100]].concat();
    let thaw = |limits: Limits| Value::thaw_within(image.clone(), &limits);
    assert_eq!(thaw(Limits::default().max_length(107).max_values(101)).unwrap().values(), 101);
    let error = thaw(Limits::default().max_length(106)).unwrap_err();
    assert_eq!(error, ThawError::Limit { what: "octets", limit: 106 });
    let error = thaw(Limits::default().max_values(100)).unwrap_err();
    assert_eq!(error, ThawError::Limit { what: "values", limit: 100 });
}

/// Counts are believed as far as the image could contain what they announce, all of them together:
/// else each of these arrays would reserve the length of the image.
#[test]
fn announcements_do_not_add_up() {
    let mut image = b"\x05\x0b".to_vec();
    for _ in 0..1000 {
        image.extend(b"\x02\0\x0f\0\0");
    }
    image.resize(0x0f_0000, 0x05);
    let error = thaw(image, &Limits::default()).unwrap_err();
    assert!(matches!(error, ThawError::Truncated { .. }));
}

/// What is most for its octets: values of one octet each, in arrays and hashes, and classes without values.
#[test]
fn the_densest_images_stay_within_the_bound() {
    let count = 100_000_u32;
    let mut array = b"\x05\x0b\x02".to_vec();
    array.extend(count.to_be_bytes());
    array.resize(array.len() + count as usize, 0x05);
    assert_eq!(thaw(array, &Limits::default()).unwrap().values(), count as usize + 1);

    let mut hash = b"\x05\x0b\x03".to_vec();
    hash.extend(count.to_be_bytes());
    hash.extend(b"\x05\0\0\0\0".repeat(count as usize));
    assert_eq!(thaw(hash, &Limits::default()).unwrap().root().len(), 1);

    let mut classes = b"\x05\x0b".to_vec();
    classes.extend(b"\x11\0".repeat(count as usize));
    classes.push(0x05);
    assert!(thaw(classes, &Limits::default()).is_ok());

    let mut references = b"\x05\x0b".to_vec();
    references.extend(b"\x04".repeat(count as usize));
    references.push(0x05);
    assert!(thaw(references, &Limits::default().max_depth(usize::MAX)).is_ok());
}

/// What a mutation does to an image.
#[derive(Debug, Clone)]
enum Mutation {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Insert(prop::sample::Index, u8),
    Truncate(prop::sample::Index),
    Copy(prop::sample::Index, prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    // Most octets that mean something are small.
    let octet = || prop_oneof![0..0x28_u8, any::<u8>()];
    prop_oneof![
        (index(), octet()).prop_map(|(at, octet)| Mutation::Set(at, octet)),
        (index(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        index().prop_map(Mutation::Remove),
        (index(), octet()).prop_map(|(at, octet)| Mutation::Insert(at, octet)),
        index().prop_map(Mutation::Truncate),
        (index(), index()).prop_map(|(from, to)| Mutation::Copy(from, to)),
    ]
}

fn mutate(image: &mut Vec<u8>, mutations: &[Mutation]) {
    for mutation in mutations {
        if image.is_empty() {
            return;
        }
        let len = image.len();
        match mutation {
            Mutation::Set(at, octet) => image[at.index(len)] = *octet,
            Mutation::Flip(at, bit) => image[at.index(len)] ^= 1 << bit,
            Mutation::Remove(at) => drop(image.remove(at.index(len))),
            Mutation::Insert(at, octet) => image.insert(at.index(len), *octet),
            Mutation::Truncate(at) => image.truncate(at.index(len)),
            Mutation::Copy(from, to) => {
                let (from, to) = (from.index(len), to.index(len));
                let piece = image[from..(from + 8).min(len)].to_vec();
                image.splice(to..to, piece);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 5_000,
        ..ProptestConfig::default()
    })]

    /// Whatever is thawed can be frozen, and is the same value then.
    #[test]
    fn mutated_images(
        number in 0..114_usize,
        native in any::<bool>(),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let mut image = vectors()[number].image.clone();
        if native {
            image.splice(..2, unhex("04 0b 08 3132333435363738 04 08 08 08"));
        }
        mutate(&mut image, &mutations);
        let Ok(value) = thaw(image.clone(), &Limits::default()) else { return Ok(()) };
        prop_assert!(value.values() <= image.len());
        crate::dump::dump(&value);
        let frozen = value.nfreeze().unwrap();
        let back = Value::thaw(frozen.clone()).unwrap();
        prop_assert_eq!(back.nfreeze().unwrap(), frozen);
    }
    #[test]
    fn random_octets(
        body in prop::collection::vec(any::<u8>(), 0..100),
        native in any::<bool>(),
    ) {
        let mut image =
            unhex(if native { "04 0b 08 3132333435363738 04 08 08 08" } else { "05 0b" });
        // Most octets that mean something are small.
        image.extend(body.iter().map(|octet| if octet % 2 == 0 { octet % 0x28 } else { *octet }));
        if let Ok(value) = thaw(image, &Limits::default()) {
            crate::dump::dump(&value);
            value.nfreeze().unwrap();
        }
    }
}
