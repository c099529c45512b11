//! Lines, case by case.

mod common;

use bytes::Bytes;
use common::{chunk, put, records};
use poe_filter::{ConfigError, Filter, FilterError, Line};

fn lines(filter: &mut Line, input: &str) -> Vec<Bytes> {
    filter.get(chunk(input)).unwrap()
}

// Conformance: FLN-02
#[test]
fn default_takes_any_newline() {
    let mut filter = Line::new();
    let records = lines(&mut filter, "a\rb\nc\r\nd\n\r");
    assert_eq!(records, ["a", "b", "c", "d"]);
    assert_eq!(put(&mut filter, &records), b"a\r\nb\r\nc\r\nd\r\n");
}

// Conformance: FLN-01, FLN-03
#[test]
fn get_one_gives_one_record() {
    let mut filter = Line::new();
    for part in ["a\r", "b\n", "c\r\n", "d\n\r"] {
        filter.get_one_start(part.into()).unwrap();
    }
    assert_eq!(filter.get_pending(), "a\rb\nc\r\nd\n\r");
    for expected in ["a", "b", "c", "d"] {
        assert_eq!(filter.get_one().unwrap().unwrap(), expected);
    }
    assert!(filter.get_one().unwrap().is_none());
    assert!(filter.get_pending().is_empty());
}

// Conformance: FLN-04
#[test]
fn fresh_has_no_input() {
    let mut filter = Line::new();
    filter.get_one_start("pending".into()).unwrap();
    let fresh = filter.fresh();
    assert!(fresh.get_pending().is_empty());
    assert!(format!("{fresh:?}").starts_with("Line {"));
    assert_eq!(filter.get_pending(), "pending");
}

#[test]
fn fresh_keeps_the_configuration_but_not_what_was_detected() {
    let mut filter = Line::autodetect();
    assert_eq!(lines(&mut filter, "a\n\rb"), ["a"]);
    let mut fresh = filter.fresh();
    assert_eq!(fresh.get("c\rd\n\re\r".into()).unwrap(), ["c", "d\n", "e"]);
}

// Conformance: FLN-05
#[test]
fn literal_serves_both_directions() {
    let mut filter = Line::literal("x").unwrap();
    let records = lines(&mut filter, "axabxbcxcdxd");
    assert_eq!(records, ["a", "ab", "bc", "cd"]);
    assert_eq!(put(&mut filter, &records), b"axabxbcxcdx");
    assert_eq!(filter.get_pending(), "d");
}

// Conformance: FLN-06
#[test]
fn input_and_output_literals_differ() {
    let mut filter = Line::builder().input_literal("x").output_literal("y").build().unwrap();
    let records = lines(&mut filter, "axabxbcxcdxd");
    assert_eq!(records, ["a", "ab", "bc", "cd"]);
    assert_eq!(put(&mut filter, &records), b"ayabybcycdy");
}

// Conformance: FLN-07
#[cfg(feature = "regex")]
#[test]
fn regexp_ends_lines() {
    let mut filter = Line::builder().input_regexp("[xy]").output_literal("!").build().unwrap();
    let mut again = filter.fresh();
    let records = lines(&mut filter, "axabybcxcdyd");
    assert_eq!(records, ["a", "ab", "bc", "cd"]);
    assert_eq!(put(&mut filter, &records), b"a!ab!bc!cd!");
    assert_eq!(again.get("axabybcxcdyd".into()).unwrap(), records);
}

// Conformance: FLN-10
#[test]
fn autodetect_settles_with_the_first_line() {
    let mut filter = Line::autodetect();
    assert_eq!(lines(&mut filter, "a\n\r"), ["a"]);
    assert_eq!(lines(&mut filter, "\rb\n\r"), ["\rb"]);
    assert!(lines(&mut filter, "c\r").is_empty());
    assert_eq!(lines(&mut filter, "\n\r"), ["c\r"]);
}

// Conformance: FLN-12
#[test]
fn autodetect_waits_for_the_second_octet() {
    let mut filter = Line::autodetect();
    assert_eq!(lines(&mut filter, "a\n"), ["a"]);
    assert_eq!(lines(&mut filter, "\rb\n\rc"), ["b"]);
    assert_eq!(lines(&mut filter, "\n\r"), ["c"]);
}

#[test]
fn autodetect_vectors() {
    for (chunks, expected, pending) in [
        (["abc\r", "\ndef\r\nghi\n"], vec!["abc", "def"], "ghi\n"),
        (["abc\r", "def\rghi\r\n"], vec!["abc", "def", "ghi"], "\n"),
        (["a\nb\r", "\nc\n"], vec!["a", "b\r", "c"], ""),
        (["a\n\nb", "\n"], vec!["a", "", "b"], ""),
    ] {
        let mut filter = Line::autodetect();
        let mut records = Vec::new();
        for part in chunks {
            records.extend(lines(&mut filter, part));
        }
        assert_eq!(records, expected);
        assert_eq!(filter.get_pending(), pending);
    }
}

// FLN-13, but for the empty line that the original makes of the second octet.
#[test]
fn default_neither_waits_for_a_second_octet_nor_makes_a_line_of_it() {
    let mut filter = Line::new();
    assert_eq!(lines(&mut filter, "a\r"), ["a"]);
    assert_eq!(lines(&mut filter, "\nb\r"), ["b"]);
    assert_eq!(lines(&mut filter, "\rc\n"), ["", "c"]);
    assert_eq!(lines(&mut filter, "\n\r"), [""]);
    assert_eq!(lines(&mut filter, "d\n"), ["d"]);
    assert_eq!(lines(&mut filter, "\r"), [""; 0]);
    assert_eq!(lines(&mut filter, "\n"), [""]);
}

#[test]
fn a_second_octet_is_forgotten_with_the_rest_of_the_input() {
    let mut filter = Line::new();
    assert_eq!(lines(&mut filter, "a\r"), ["a"]);
    assert_eq!(filter.take_pending(), "");
    assert_eq!(lines(&mut filter, "\nb\r"), ["", "b"]);
}

#[test]
fn default_sequences() {
    assert_eq!(lines(&mut Line::new(), "a\n\nb\n\nc\r\r"), ["a", "", "b", "", "c", ""]);
    assert_eq!(lines(&mut Line::new(), "a\n\rb\n\nc\r\r"), ["a", "b", "", "c", ""]);
}

// Conformance: FLN-14
#[test]
fn conflicts_are_refused() {
    let literal = || Line::builder().literal("x");
    for (builder, first, second) in [
        (literal().input_literal("y"), "literal", "input_literal"),
        (literal().output_literal("y"), "literal", "output_literal"),
        (literal().autodetect(), "literal", "autodetect"),
        (Line::builder().input_literal("y").autodetect(), "input_literal", "autodetect"),
    ] {
        assert_eq!(builder.build().unwrap_err(), ConfigError::Conflict { first, second });
    }
    for (builder, parameter) in [
        (Line::builder().literal(""), "literal"),
        (Line::builder().input_literal(""), "input_literal"),
    ] {
        assert_eq!(builder.build().unwrap_err(), ConfigError::EmptyLiteral { parameter });
    }
    assert!(Line::builder().output_literal("").build().is_ok());
}

// Conformance: FLN-14
#[cfg(feature = "regex")]
#[test]
fn conflicts_with_a_regexp_are_refused() {
    for (builder, first, second) in [
        (Line::builder().literal("x"), "literal", "input_regexp"),
        (Line::builder().input_literal("x"), "input_literal", "input_regexp"),
        (Line::builder().autodetect(), "input_regexp", "autodetect"),
    ] {
        let error = builder.input_regexp("y").build().unwrap_err();
        assert_eq!(error, ConfigError::Conflict { first, second });
    }
}

#[cfg(feature = "regex")]
#[test]
fn useless_regexps_are_refused() {
    let build = |pattern: &str| Line::builder().input_regexp(pattern).build().unwrap_err();
    assert!(matches!(build("x*"), ConfigError::EmptyRegexp { .. }));
    assert!(matches!(build(r"\b"), ConfigError::EmptyRegexp { .. }));
    assert!(matches!(build("("), ConfigError::BadRegexp { .. }));
}

// Conformance: FLN-15
#[test]
fn limits_are_checked() {
    let error = Line::builder().max_length(10).max_buffer(5).build().unwrap_err();
    assert_eq!(error, ConfigError::BufferTooSmall { max_buffer: 5, needed: 10 });
    let error = Line::builder().max_length(0).build().unwrap_err();
    assert_eq!(error, ConfigError::Zero { parameter: "max_length" });
    let error = Line::builder().max_buffer(0).build().unwrap_err();
    assert_eq!(error, ConfigError::Zero { parameter: "max_buffer" });
    // The default limits: 64 MiB fit where 64 MiB are held, and one octet less does not do.
    let max_length = 64 * 1024 * 1024;
    assert!(Line::builder().max_buffer(max_length).build().is_ok());
    assert!(Line::builder().max_buffer(max_length - 1).build().is_err());
    assert!(Line::builder().max_length(512 * 1024 * 1024).build().is_ok());
    assert!(Line::builder().max_length(512 * 1024 * 1024 + 1).build().is_err());
}

// Conformance: FLN-16
#[test]
fn a_line_too_long_is_consumed() {
    let mut filter = Line::builder().max_length(10).build().unwrap();
    let input = format!("{}\n", "x".repeat(47));
    let error = filter.get(chunk(input)).unwrap_err();
    assert!(error.to_string().contains("line exceeds"), "{error}");
    assert!(!error.is_fatal());
    assert!(filter.get_pending().is_empty());
    assert_eq!(lines(&mut filter, "next\n"), ["next"]);
}

#[test]
fn parsing_goes_on_behind_a_line_too_long() {
    let mut filter = Line::builder().max_length(5).build().unwrap();
    let all = records(&mut filter, &[b"123456\nabc\n".to_vec()]);
    assert_eq!(all, [Err("line too long"), Ok(chunk("abc"))]);
    assert_eq!(lines(&mut filter, "12345\n"), ["12345"]);
}

#[test]
fn a_line_too_long_is_reported_once_and_early() {
    for mut filter in [
        Line::builder().literal("\r\n").max_length(5).max_buffer(5000).build().unwrap(),
        Line::builder().max_length(5).max_buffer(5000).build().unwrap(),
        Line::builder().autodetect().max_length(5).max_buffer(5000).build().unwrap(),
    ] {
        let mut all = Vec::new();
        for _ in 0..100 {
            all.extend(records(&mut filter, &[vec![b'x'; 1000]]));
            assert!(filter.get_pending().len() < 2);
        }
        assert_eq!(all, [Err("line too long")]);
        assert_eq!(lines(&mut filter, "x\r\nabc\r\n"), ["abc"]);
    }
}

// Conformance: FLN-17
#[test]
fn a_buffer_too_long_keeps_its_octets() {
    let mut filter = Line::builder().max_buffer(10).max_length(5).build().unwrap();
    let input = format!("{}\nab\n", "x".repeat(44));
    let error = filter.get(chunk(&input)).unwrap_err();
    assert!(error.to_string().contains("buffer exceeds"), "{error}");
    assert!(!error.is_fatal());
    assert_eq!(filter.get_pending(), input);
    assert!(matches!(filter.get_one(), Err(FilterError::LineTooLong { limit: 5 })));
    assert_eq!(filter.get_one().unwrap().unwrap(), "ab");
}

// Conformance: FLN-19
#[test]
fn a_partial_line_is_pending() {
    let mut filter = Line::new();
    filter.get_one_start("whole line\r\n".into()).unwrap();
    assert_eq!(lines(&mut filter, "partial line"), ["whole line"]);
    assert_eq!(filter.get_pending(), "partial line");
}

#[test]
fn the_end_of_input_ends_a_line() {
    let mut filter = Line::new();
    assert_eq!(lines(&mut filter, "one\ntwo"), ["one"]);
    assert_eq!(filter.finish().unwrap().unwrap(), "two");
    assert!(filter.finish().unwrap().is_none());
    assert!(filter.get_pending().is_empty());
    // It begins anew.
    assert_eq!(lines(&mut filter, "three\n"), ["three"]);
}

#[test]
fn the_end_of_input_checks_the_length() {
    let mut filter = Line::builder().literal("END").max_length(3).build().unwrap();
    assert!(lines(&mut filter, "1234").is_empty());
    assert!(matches!(filter.finish(), Err(FilterError::LineTooLong { limit: 3 })));
    assert!(filter.finish().unwrap().is_none());
}

#[test]
fn a_line_within_a_chunk_is_not_copied() {
    let input = chunk("one\ntwo\n");
    let records = Line::new().get(input.clone()).unwrap();
    assert_eq!(records[0].as_ptr(), input.as_ptr());
    assert_eq!(records[1].as_ptr(), input[4..].as_ptr());
}

#[test]
fn a_starved_filter_lets_the_chunk_go() {
    for rest in ["", "rest", "\r"] {
        let input = chunk(format!("{}\r\n{rest}", "x".repeat(1000)));
        let mut filter = Line::literal("\r\n").unwrap();
        drop(filter.get(input.clone()).unwrap());
        assert!(input.is_unique());
        assert_eq!(filter.get_pending(), rest);
    }
}

#[cfg(feature = "regex")]
#[test]
fn a_regexp_looks_around() {
    // A newline that no space follows: known only with the next octet.
    let mut filter = Line::builder().input_regexp(r"a\B").build().unwrap();
    assert!(lines(&mut filter, "1a").is_empty());
    assert_eq!(lines(&mut filter, "b2"), ["1"]);
    assert_eq!(filter.get_pending(), "b2");
}

/// Time is linear in the length of the line: by its square, this would take minutes.
#[cfg(feature = "regex")]
#[test]
fn a_long_line_is_not_searched_again_for_each_octet() {
    for (pattern, end) in [("[a-z]+!", "a!"), ("a.*\n", "a\n"), ("(?:ab)+c{2,}", "abcc")] {
        let mut filter = Line::builder().input_regexp(pattern).build().unwrap();
        let octet = Bytes::from_static(b"a");
        for _ in 0..400_000 {
            filter.get_one_start(octet.clone()).unwrap();
            assert!(filter.get_one().unwrap().is_none());
        }
        assert!(filter.get(end.into()).unwrap().len() == 1, "{pattern}");
    }
}
