//! Netstrings, case by case.

mod common;

use common::{chunk, put, records_to_end};
use poe_filter::{ConfigError, Filter, FilterError, Netstring};

#[test]
fn there_and_back() {
    let records = [chunk("hello world!"), chunk(""), chunk("1:a,"), chunk([0xff; 300])];
    let raw = put(&mut Netstring::new(), &records);
    assert!(raw.starts_with(b"12:hello world!,0:,4:1:a,,300:"));
    assert_eq!(Netstring::new().get(raw.into()).unwrap(), records);
}

#[test]
fn what_is_none_is_fatal() {
    for input in ["x", ":", "01:a,", "00:,", "-1:", "+1:a,", "1 :a,", "1:ab", "0:x", "1:a1:b,"] {
        let mut filter = Netstring::new();
        filter.get_one_start(input.into()).unwrap();
        for _ in 0..2 {
            let error = filter.get_one().unwrap_err();
            assert!(error.is_fatal() && matches!(error, FilterError::BadLength { .. }), "{input}");
        }
        assert_eq!(filter.take_pending(), input);
    }
}

#[test]
fn hostile_lengths_are_errors() {
    for (length, fatal) in [
        ("999999999", false),
        ("18446744073709551615", false),
        ("18446744073709551616", true),
        ("111111111111111111111", true),
    ] {
        let mut filter = Netstring::new();
        filter.get_one_start(format!("{length}:").into()).unwrap();
        assert_eq!(filter.get_one().unwrap_err().is_fatal(), fatal, "{length}");
    }
    let mut endless = Netstring::new();
    for _ in 0..20 {
        assert!(endless.get("1".into()).unwrap().is_empty());
    }
    assert!(endless.get("1".into()).unwrap_err().is_fatal());
}

#[test]
fn one_that_is_too_long_is_skipped_with_its_comma() {
    let mut filter = Netstring::with_max_length(3).unwrap();
    assert_eq!(
        records_to_end(&mut filter, &[b"4:ab".to_vec(), b"cd".to_vec(), b",3:abc,".to_vec()]),
        [Err("block too long"), Ok(chunk("abc"))]
    );
    let mut filter = Netstring::with_max_length(3).unwrap();
    assert_eq!(
        records_to_end(&mut filter, &[b"4:abcd".to_vec()]),
        [Err("block too long"), Err("truncated")]
    );
    assert_eq!(
        Netstring::with_max_length(0).unwrap_err(),
        ConfigError::Zero { parameter: "max_length" }
    );
    assert!(Netstring::with_max_length(usize::MAX).is_err());
}

#[test]
fn the_end_of_input_must_not_come_within_one() {
    let mut filter = Netstring::new();
    assert_eq!(filter.get("1:a,2:b".into()).unwrap(), ["a"]);
    assert!(matches!(filter.finish(), Err(FilterError::Truncated { held: 3 })));
    assert_eq!(filter.fresh().get("0:,".into()).unwrap(), [""]);
}

#[test]
fn records_are_slices_and_a_starved_filter_lets_the_chunk_go() {
    let input = chunk("3:abc,4:de");
    let mut filter = Netstring::new();
    let records = filter.get(input.clone()).unwrap();
    assert_eq!(records[0].as_ptr(), input[2..].as_ptr());
    drop(records);
    assert!(input.is_unique());
    assert_eq!(filter.get_pending(), "4:de");
}
