//! Blocks, case by case.

mod common;

use bytes::Bytes;
use common::{chunk, put, records, records_to_end};
use poe_filter::{Block, ConfigError, DecodedLength, Filter, FilterError, LengthCodec, Sink};

/// Four octets, the most significant one first.
#[derive(Debug, Clone)]
struct Network;

impl LengthCodec for Network {
    fn encode(&self, length: usize, sink: &mut dyn Sink) -> Result<(), FilterError> {
        let length = u32::try_from(length).map_err(FilterError::record)?;
        sink.put_slice(&length.to_be_bytes());
        Ok(())
    }

    fn decode(&self, octets: &[u8]) -> DecodedLength {
        match octets.first_chunk::<4>() {
            Some(prefix) => {
                DecodedLength::Length { prefix: 4, length: u32::from_be_bytes(*prefix).into() }
            }
            None => DecodedLength::NeedMore,
        }
    }

    fn clone_box(&self) -> Box<dyn LengthCodec> {
        Box::new(self.clone())
    }
}

fn four() -> [Bytes; 4] {
    ["a", "bc", "def", "ghij"].map(Bytes::from)
}

// Conformance: FLN-01, FBL-01
#[test]
fn fixed_blocks() {
    let mut filter = Block::fixed(4).unwrap();
    let raw = put(&mut filter, &["12345678".into()]);
    assert_eq!(raw, b"12345678");
    let records = filter.get(raw.into()).unwrap();
    assert_eq!(records, ["1234", "5678"]);
    assert_eq!(put(&mut filter, &records), b"12345678");
}

// Conformance: FBL-02
#[test]
fn get_one_gives_one_block() {
    let mut filter = Block::fixed(4).unwrap();
    filter.get_one_start("12345678".into()).unwrap();
    let record = filter.get_one().unwrap().unwrap();
    assert_eq!(record, "1234");
    assert_eq!(put(&mut filter, &[record]), b"1234");
}

// Conformance: FBL-03
#[test]
fn part_of_a_fixed_block_is_pending() {
    let mut filter = Block::fixed(4).unwrap();
    assert!(filter.get("9".into()).unwrap().is_empty());
    assert_eq!(filter.get_pending(), "9");
}

// Conformance: FBL-04
#[test]
fn decimal_lengths() {
    let mut filter = Block::new();
    let raw = put(&mut filter, &four());
    assert_eq!(raw, b"1\0a2\0bc3\0def4\0ghij");
    assert_eq!(filter.get(raw.into()).unwrap(), four());
    assert_eq!(
        put(&mut filter, &[chunk("abc"), chunk(""), chunk("x".repeat(12))]),
        b"3\0abc0\x0012\0xxxxxxxxxxxx"
    );
}

// Conformance: FBL-05
#[test]
fn a_block_in_pieces() {
    let mut filter = Block::new();
    for part in ["1", "0", "\0", "klmno"] {
        assert!(filter.get(part.into()).unwrap().is_empty());
    }
    assert_eq!(filter.get_pending(), "10\0klmno");
    assert_eq!(filter.get("pqrst".into()).unwrap(), ["klmnopqrst"]);
}

// Conformance: FBL-06
#[test]
fn custom_codec() {
    let mut filter = Block::builder().length_codec(Network).build().unwrap();
    let raw = put(&mut filter, &four());
    assert_eq!(raw, b"\0\0\0\x01a\0\0\0\x02bc\0\0\0\x03def\0\0\0\x04ghij");
    assert_eq!(filter.get(raw.into()).unwrap(), four());
}

// Conformance: FBL-08
#[test]
fn limits_are_checked() {
    let error = Block::builder().max_length(10).max_buffer(5).build().unwrap_err();
    assert_eq!(error, ConfigError::BufferTooSmall { max_buffer: 5, needed: 13 });
    assert!(Block::builder().max_length(10).max_buffer(13).build().is_ok());
    assert!(Block::builder().max_length(10).max_buffer(12).build().is_err());
    let error = Block::builder().max_length(0).build().unwrap_err();
    assert_eq!(error, ConfigError::Zero { parameter: "max_length" });
    let error = Block::builder().max_buffer(0).build().unwrap_err();
    assert_eq!(error, ConfigError::Zero { parameter: "max_buffer" });
    let error = Block::fixed(0).unwrap_err();
    assert_eq!(error, ConfigError::Zero { parameter: "block_size" });
    let fixed = || Block::builder().block_size(4);
    for (builder, second) in [
        (fixed().max_length(10), "max_length"),
        (fixed().length_codec(Network), "length_codec"),
        (fixed().strict(), "strict"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error, ConfigError::Conflict { first: "block_size", second });
    }
    assert!(fixed().max_buffer(3).build().is_err());
}

// Conformance: FBL-09
#[test]
fn a_block_too_long_is_known_by_its_length() {
    let mut filter = Block::builder().max_length(10).build().unwrap();
    let error = filter.get("134\0a bunch of data here".into()).unwrap_err();
    assert!(error.to_string().contains("block exceeds"), "{error}");
    assert!(!error.is_fatal());
}

#[test]
fn a_block_too_long_is_skipped() {
    let mut filter = Block::builder().max_length(10).build().unwrap();
    let long = format!("134\0{}", "x".repeat(100));
    assert_eq!(records(&mut filter, &[long.into_bytes()]), [Err("block too long")]);
    assert!(filter.get_pending().is_empty());
    let next = format!("{}3\0abc", "x".repeat(34));
    assert_eq!(records(&mut filter, &[next.into_bytes()]), [Ok(chunk("abc"))]);
}

#[test]
fn a_buffer_too_long_keeps_its_octets() {
    let mut filter = Block::builder().max_length(5).max_buffer(10).build().unwrap();
    let error = filter.get_one_start("1\0a1\0b5\0abcde".into()).unwrap_err();
    assert!(error.to_string().contains("buffer exceeds"), "{error}");
    assert_eq!(records(&mut filter, &[]), []);
    assert_eq!(filter.get("".into()).unwrap_err().to_string(), error.to_string());
    assert_eq!(filter.get_one().unwrap().unwrap(), "a");
    assert_eq!(filter.get_one().unwrap().unwrap(), "b");
    assert_eq!(filter.get("".into()).unwrap(), ["abcde"]);
}

// Conformance: FBL-11
#[test]
fn junk_is_skipped_and_counted() {
    let mut filter = Block::new();
    assert!(filter.get("abc\0def".into()).unwrap().is_empty());
    assert!(filter.get_pending().is_empty());
    assert_eq!(filter.junk_octets(), 7);
    assert_eq!(filter.get("12x3\0abc".into()).unwrap(), ["abc"]);
    assert_eq!(filter.junk_octets(), 10);
}

#[test]
fn junk_is_one_error_if_strict() {
    let mut filter = Block::builder().strict().build().unwrap();
    let input = [&b"abc"[..], b"\0def", b"2\0ab", b"x", b"y1\0c"].map(<[u8]>::to_vec);
    let expected = [Err("junk"), Ok(chunk("ab")), Err("junk"), Ok(chunk("c"))];
    assert_eq!(records(&mut filter, &input), expected);
}

#[test]
fn hostile_lengths_are_errors() {
    for (input, error) in [
        ("99999999999999999999\0", "bad length"),
        ("18446744073709551615\0", "block too long"),
        ("00000000000000000000000000000000000000\0", "bad length"),
        ("11111111111111111111111111111111111111", "bad length"),
    ] {
        let mut filter = Block::new();
        assert_eq!(records(&mut filter, &[input.into()]), [Err(error)], "{input:?}");
        let octets: Vec<_> = input.bytes().map(|octet| vec![octet]).collect();
        let mut all = records(&mut Block::new(), &octets);
        all.dedup();
        assert_eq!(all, [Err(error)], "{input:?}");
    }
}

#[test]
fn a_codec_that_miscounts_is_an_error() {
    #[derive(Debug, Clone)]
    struct Wrong(usize);
    impl LengthCodec for Wrong {
        fn encode(&self, _length: usize, _sink: &mut dyn Sink) -> Result<(), FilterError> {
            Ok(())
        }
        fn decode(&self, _octets: &[u8]) -> DecodedLength {
            DecodedLength::Length { prefix: self.0, length: 0 }
        }
        fn clone_box(&self) -> Box<dyn LengthCodec> {
            Box::new(self.clone())
        }
    }
    for prefix in [0, 4] {
        let mut filter = Block::builder().length_codec(Wrong(prefix)).build().unwrap();
        assert!(filter.get("abc".into()).unwrap_err().is_fatal());
    }
}

#[test]
fn a_record_that_can_not_be_put_puts_nothing() {
    #[derive(Debug, Clone)]
    struct Tiny;
    impl LengthCodec for Tiny {
        fn encode(&self, length: usize, sink: &mut dyn Sink) -> Result<(), FilterError> {
            sink.put_slice(&[u8::try_from(length).map_err(FilterError::record)?]);
            Ok(())
        }
        fn decode(&self, octets: &[u8]) -> DecodedLength {
            DecodedLength::Length { prefix: 1, length: octets[0].into() }
        }
        fn clone_box(&self) -> Box<dyn LengthCodec> {
            Box::new(self.clone())
        }
    }
    let mut filter = Block::builder().length_codec(Tiny).build().unwrap();
    let mut out = Vec::<u8>::new();
    assert!(filter.put(chunk([0; 256]), &mut out).is_err());
    assert!(out.is_empty());
}

// Conformance: FBL-12
#[test]
fn a_whole_block_and_part_of_one() {
    let mut filter = Block::fixed(64).unwrap();
    let whole = format!("{:64}", "whole block");
    filter.get_one_start(chunk(&whole)).unwrap();
    assert_eq!(filter.get("partial block".into()).unwrap(), [whole]);
    assert_eq!(filter.get_pending(), "partial block");
}

// Conformance: FBL-13
#[test]
fn blocks_do_not_depend_on_the_size_of_reads() {
    let sent = put(&mut Block::fixed(16).unwrap(), &[chunk("0123456789abcdef".repeat(2))]);
    for size in [24, 32] {
        let mut reader = Block::fixed(16).unwrap();
        let reads = common::split(&sent, &[size]);
        let block = chunk("0123456789abcdef");
        assert_eq!(records(&mut reader, &reads), [Ok(block.clone()), Ok(block)]);
    }
}

#[test]
fn fresh_expects_a_length() {
    let mut filter = Block::new();
    assert!(filter.get("5\0ab".into()).unwrap().is_empty());
    let mut fresh = filter.fresh();
    assert!(fresh.get_pending().is_empty());
    assert_eq!(fresh.get("1\0x".into()).unwrap(), ["x"]);
}

#[test]
fn the_end_of_input_must_not_come_within_a_block() {
    let mut filter = Block::new();
    assert_eq!(
        records_to_end(&mut filter, &[b"3\0abc5\0de".to_vec()]),
        [Ok(chunk("abc")), Err("truncated")]
    );
    assert!(matches!(filter.finish(), Err(FilterError::Truncated { held: 4 })));
    assert_eq!(filter.take_pending(), "5\0de");
    assert!(filter.finish().unwrap().is_none());
}

#[test]
fn a_starved_filter_lets_the_chunk_go() {
    let input = chunk("3\0abc5\0de");
    let mut filter = Block::new();
    drop(filter.get(input.clone()).unwrap());
    assert!(input.is_unique());
    assert_eq!(filter.get_pending(), "5\0de");
}

#[test]
fn a_block_within_a_chunk_is_not_copied() {
    let input = chunk("3\0abc4\0defg");
    let records = Block::new().get(input.clone()).unwrap();
    assert_eq!(records[0].as_ptr(), input[2..].as_ptr());
    assert_eq!(records[1].as_ptr(), input[7..].as_ptr());
}
