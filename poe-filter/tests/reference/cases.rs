//! The filter, case by case.

use bytes::Bytes;
use poe_filter::reference::{Codec, CodecError, Reference, Storable};
use poe_filter::storable::{Builder, Limits, Value};
use poe_filter::{ConfigError, Filter, FilterError};

fn plain() -> Reference<Storable> {
    Reference::new(Storable::new())
}

fn compressed() -> Reference<Storable> {
    Reference::builder(Storable::new()).compression().build().unwrap()
}

fn numbers(numbers: &[i64]) -> Value {
    let mut build = Builder::new();
    let elements: Vec<_> = numbers.iter().map(|number| build.integer(*number)).collect();
    let list = build.array(elements);
    build.finish(list).unwrap()
}

fn put<C: Codec>(filter: &mut Reference<C>, records: impl IntoIterator<Item = C::Out>) -> Bytes {
    let mut out = Vec::<u8>::new();
    for record in records {
        filter.put(record, &mut out).unwrap();
    }
    out.into()
}

fn unhex(text: &str) -> Vec<u8> {
    let octets = text.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).unwrap());
    octets.collect()
}

/// What a frame has, its length aside, with the minor version that Perl writes.
fn perls(mut frame: Vec<u8>) -> Vec<u8> {
    let nul = frame.iter().position(|octet| *octet == 0).unwrap();
    frame[nul + 2] = 0x0b;
    frame
}

// Conformance: FRF-01
#[test]
fn frames_are_those_of_perl() {
    let mut build = Builder::new();
    let b = build.text("b");
    let hash = build.hash([("a", b)]);
    let hash = build.finish(hash).unwrap();
    let mut build = Builder::new();
    let hi = build.text("hi");
    let hi = build.finish(hi).unwrap();
    for (value, frame, small) in [
        (
            numbers(&[1, 2, 3]),
            "31 33 00 05 0b 02 00 00 00 03 08 81 08 82 08 83",
            "32 31 00 78 9c 63 e5 66 62 60 60 60 e6 68 e4 68 e2 68 06 00 05 eb 01 b4",
        ),
        (
            hash,
            "31 35 00 05 0b 03 00 00 00 01 0a 01 62 00 00 00 01 61",
            "32 30 00 78 9c 63 e5 66 66 60 60 60 e4 62 4c 02 51 89 00 04 2a 00 e4",
        ),
        (hi, "36 00 05 0b 0a 02 68 69", "31 34 00 78 9c 63 e5 e6 62 ca c8 04 00 01 c2 00 ee"),
        (
            numbers(&[]),
            "37 00 05 0b 02 00 00 00 00",
            "31 33 00 78 9c 63 e5 66 62 00 02 00 00 76 00 13",
        ),
    ] {
        let (frame, small) = (unhex(frame), unhex(small));
        assert_eq!(perls(put(&mut plain(), [value.clone()]).to_vec()), frame);
        assert_eq!(plain().get(frame.into()).unwrap(), std::slice::from_ref(&value));
        assert_eq!(compressed().get(small.into()).unwrap(), std::slice::from_ref(&value));
        // Not octet by octet: within the image is the minor version of Storable, and compressors find what they find.
        let ours = put(&mut compressed(), [value.clone()]);
        assert_eq!(compressed().get(ours).unwrap(), [value]);
    }
    let frame = put(&mut plain(), [numbers(&[2, 4, 6])]);
    assert_eq!(frame[..3], b"13\0"[..]);
    assert_eq!(frame.len(), 3 + 13);
}

/// Writes a kind and a string with a NUL between them, from the end to the start.
#[derive(Debug, Clone)]
struct Reversed;

impl Codec for Reversed {
    type In = (String, String);
    type Out = (String, String);

    fn freeze(&self, record: Self::Out, image: &mut Vec<u8>) -> Result<(), CodecError> {
        image.extend(format!("{}\0{}", record.0, record.1).bytes().rev());
        Ok(())
    }

    fn thaw(&self, image: Bytes) -> Result<Self::In, CodecError> {
        let text = String::from_utf8(image.iter().rev().copied().collect())?;
        let (kind, value) = text.split_once('\0').ok_or("there is no NUL")?;
        Ok((kind.into(), value.into()))
    }
}

// Conformance: FRF-02
#[test]
fn codecs_of_others() {
    let record = ("SCALAR".to_owned(), "this is a test".to_owned());
    let mut filter = Reference::new(Reversed);
    let frame = put(&mut filter, [record.clone()]);
    assert_eq!(frame, "21\0tset a si siht\0RALACS");
    assert_eq!(filter.get(frame).unwrap(), [record]);
}

// Conformance: FRF-03
#[test]
fn kinds_and_classes_are_kept() {
    let mut build = Builder::new();
    let text = build.text("scalar");
    let scalar = build.finish(text).unwrap();
    let mut build = Builder::new();
    let elements = [1, 1, 2, 3, 5].map(|number| build.integer(number));
    let list = build.array(elements);
    build.bless(list, "Fibonacci");
    let object = build.finish(list).unwrap();
    for mut filter in [plain(), compressed()] {
        let frames = put(&mut filter, [scalar.clone(), object.clone()]);
        let records = filter.get(frames).unwrap();
        assert_eq!(records, [scalar.clone(), object.clone()]);
        assert_eq!(records[0].root().to_text().unwrap(), "scalar");
        assert_eq!(records[1].root().class().unwrap(), "Fibonacci");
        assert_eq!(records[1].root().len(), 5);
    }
}

// Conformance: FRF-04
#[test]
fn what_is_pending_is_a_copy() {
    let mut filter = plain();
    filter.get_one_start(put(&mut plain(), [numbers(&[2, 4, 6])])).unwrap();
    let pending = filter.get_pending();
    let list = numbers(&[2, 4, 6]);
    assert_eq!(filter.get(pending).unwrap(), [list.clone(), list]);
    assert!(filter.get_pending().is_empty());
}

// Conformance: FRF-05
#[test]
fn compression_makes_images_shorter() {
    let mut build = Builder::new();
    let text = build.text("aaaaaaaaaaaaaaaaaaa");
    let list = build.array([text]);
    let list = build.finish(list).unwrap();
    assert_eq!(put(&mut plain(), [list.clone()]).len(), 31);
    assert_eq!(
        put(&mut plain(), [list.clone()]),
        put(&mut Reference::builder(Storable::new()).build().unwrap(), [list.clone()])
    );
    let short = put(&mut compressed(), [list.clone()]);
    // As many as Perl's.
    assert_eq!(short.len(), 22);
    assert_eq!(compressed().get(short).unwrap(), [list]);
}

// Conformance: FRF-06
#[test]
fn an_image_that_does_not_thaw_is_one_error() {
    for mut filter in [plain(), compressed()] {
        let good = put(&mut filter, [numbers(&[1])]);
        filter.get_one_start([b"12\x00123456789012", &good[..]].concat().into()).unwrap();
        let error = filter.get_one().unwrap_err();
        assert!(matches!(error, FilterError::Record(_)), "{error}");
        assert!(!error.is_fatal());
        assert_eq!(filter.get_one().unwrap(), Some(numbers(&[1])));
        assert_eq!(filter.get_one().unwrap(), None);
    }
}

// FRF-09 is a difference: POE waits for ever with such octets.
#[test]
fn what_is_no_length_is_fatal() {
    for junk in ["abc\0def", "12x", "x", "-1\0", "\0", "+3\0abc", " 1\0a", "99999999999999999999\0"]
    {
        let mut filter = plain();
        let error = filter.get(junk.into()).unwrap_err();
        assert!(matches!(error, FilterError::BadLength { .. }), "{junk:?}: {error}");
        assert!(error.is_fatal());
        // The octets are there for whoever understands them.
        assert_eq!(filter.get_pending(), junk);
        assert!(filter.get_one().is_err());
    }
    let mut filter = plain();
    assert!(filter.get("12".into()).unwrap().is_empty());
    assert!(filter.get("x".into()).is_err());
}

#[test]
fn lengths_may_have_leading_zeros() {
    let frame = b"0009\0\x05\x0b\x02\0\0\0\x01\x08\x81";
    assert_eq!(plain().get(frame.as_slice().into()).unwrap(), [numbers(&[1])]);
}

#[test]
fn images_without_octets_do_not_thaw() {
    let error = plain().get("0\0".into()).unwrap_err();
    assert!(error.to_string().contains("not a Storable image"), "{error}");
}

#[test]
fn both_ends_must_agree_on_compression() {
    let list = || numbers(&[1, 2, 3]);
    let error = compressed().get(put(&mut plain(), [list()])).unwrap_err();
    assert!(error.to_string().contains("agree on compression"), "{error}");
    let error = plain().get(put(&mut compressed(), [list()])).unwrap_err();
    assert!(error.to_string().contains("same serializer and compression"), "{error}");
}

#[test]
fn limits() {
    let builder = || Reference::builder(Storable::new()).max_length(20);
    let mut filter = builder().build().unwrap();
    filter
        .get_one_start(
            [b"21\0aaaaaaaaaaaaaaaaaaaaa", &b"9\0\x05\x0b\x02\0\0\0\x01\x08\x81"[..]]
                .concat()
                .into(),
        )
        .unwrap();
    assert!(matches!(
        filter.get_one().unwrap_err(),
        FilterError::BlockTooLong { length: 21, limit: 20 }
    ));
    assert_eq!(filter.get_one().unwrap(), Some(numbers(&[1])));

    // What is small when compressed need not be.
    let bomb = put(&mut compressed(), [numbers(&[0; 100_000])]);
    assert!(bomb.len() < 1000);
    let mut filter =
        Reference::builder(Storable::new()).compression().max_length(1000).build().unwrap();
    let error = filter.get(bomb).unwrap_err();
    assert!(error.to_string().contains("exceeds the limit of 1000 octets"), "{error}");
    assert!(!error.is_fatal());

    assert!(matches!(
        builder().max_buffer(21).build().unwrap_err(),
        ConfigError::BufferTooSmall { max_buffer: 21, needed: 23 }
    ));
    assert!(matches!(builder().max_length(0).build().unwrap_err(), ConfigError::Zero { .. }));
    let mut filter = builder().max_buffer(23).build().unwrap();
    let frames = put(&mut plain(), vec![numbers(&[1]); 3]);
    assert!(matches!(
        filter.get_one_start(frames).unwrap_err(),
        FilterError::BufferTooLong { held: 33, limit: 23 }
    ));
    for _ in 0..3 {
        assert_eq!(filter.get_one().unwrap(), Some(numbers(&[1])));
    }
}

#[test]
fn a_fresh_filter_has_the_same_parameters() {
    let codec = Storable::within(Limits::default().max_values(3));
    let filter = Reference::builder(codec).compression().max_length(50).build().unwrap();
    let mut fresh = filter.fresh();
    let small = put(&mut compressed(), [numbers(&[1, 2])]);
    assert_eq!(fresh.get(small).unwrap(), [numbers(&[1, 2])]);
    let large = put(&mut compressed(), [numbers(&[1, 2, 3])]);
    assert!(fresh.get(large).unwrap_err().to_string().contains("3 values"));
    let long = put(&mut compressed(), [numbers(&[0; 50])]);
    assert!(fresh.get(long).unwrap_err().to_string().contains("50 octets"));
}

#[test]
fn the_input_may_not_end_within_a_record() {
    let mut filter = plain();
    let frame = put(&mut plain(), [numbers(&[1])]);
    assert!(filter.get(frame.slice(..5)).unwrap().is_empty());
    assert!(matches!(filter.finish().unwrap_err(), FilterError::Truncated { held: 5 }));
    assert_eq!(filter.get(frame.slice(5..)).unwrap().len(), 1);
    assert_eq!(filter.finish().unwrap(), None);
}
