//! Records that pass or change, case by case.

use bytes::Bytes;
use poe_filter::{Filter, FilterError, Grep, Line, Map, Transform};

fn letters_out_digits_in() -> Grep<char> {
    Grep::new(char::is_ascii_digit, char::is_ascii_alphabetic)
}

fn mixed() -> Vec<char> {
    vec!['a', 'b', 'c', '1', '2', '3', '!', '@']
}

// Conformance: FGM-01
#[test]
fn grep_has_a_function_for_each_direction() {
    let mut grep = letters_out_digits_in();
    assert_eq!(grep.put_all(vec!['A', 'B', 'C', '1', '2', '3']).unwrap(), ['A', 'B', 'C']);
    assert_eq!(grep.get(vec!['a', 'b', 'c', '1', '2', '3']).unwrap(), ['1', '2', '3']);
}

// Conformance: FGM-02
#[test]
fn grep_gives_one_by_one() {
    let mut grep = letters_out_digits_in();
    for record in ['a', 'b', 'c', '1', '2', '3'] {
        grep.get_one_start(record);
    }
    for expected in [Some('1'), Some('2'), Some('3'), None] {
        assert_eq!(grep.get_one().unwrap(), expected);
    }
    assert!(grep.put_all(vec!['1', '2', '3']).unwrap().is_empty());
}

// Conformance: FGM-03
#[test]
fn one_function_greps_both_directions() {
    let mut grep = Grep::both(char::is_ascii_alphanumeric);
    let expected = ['a', 'b', 'c', '1', '2', '3'];
    assert_eq!(grep.put_all(mixed()).unwrap(), expected);
    assert_eq!(grep.get(mixed()).unwrap(), expected);
}

// Conformance: FGM-05
#[test]
fn grep_is_modified() {
    let mut grep = Grep::both(|_: &char| false);
    grep.modify_get(char::is_ascii_digit);
    assert_eq!(grep.get(mixed()).unwrap(), ['1', '2', '3']);
    assert!(grep.put_all(mixed()).unwrap().is_empty());
    grep.modify_put(char::is_ascii_alphabetic);
    assert_eq!(grep.put_all(mixed()).unwrap(), ['a', 'b', 'c']);
    grep.modify_both(|record| *record == '!');
    assert_eq!(grep.get(mixed()).unwrap(), ['!']);
    assert_eq!(grep.put_all(mixed()).unwrap(), ['!']);
}

// Conformance: FGM-07
#[test]
fn grep_skips_within_one_call() {
    let mut odd = Grep::both(|number: &u32| number % 2 == 1);
    for number in [1, 1, 2, 3, 5] {
        odd.get_one_start(number);
    }
    assert!(odd.get_pending().eq(&[1, 1, 2, 3, 5]));
    for expected in [Some(1), Some(1), Some(3), Some(5), None] {
        assert_eq!(odd.get_one().unwrap(), expected);
    }
}

fn upper_in_lower_out() -> Map<char, char, char, char> {
    Map::new(|c: char| c.to_ascii_uppercase(), |c: char| c.to_ascii_lowercase())
}

// Conformance: FGM-08
#[test]
fn map_has_a_function_for_each_direction() {
    let mut map = upper_in_lower_out();
    assert_eq!(map.put_all(vec!['A', 'B', 'C']).unwrap(), ['a', 'b', 'c']);
    assert_eq!(map.get(vec!['a', 'b', 'c']).unwrap(), ['A', 'B', 'C']);
}

// Conformance: FGM-09
#[test]
fn one_function_maps_both_directions() {
    let mut map = Map::both(|c: char| c.to_ascii_uppercase());
    assert_eq!(map.put_all(vec!['a', 'B']).unwrap(), ['A', 'B']);
    assert_eq!(map.get(vec!['a', 'B']).unwrap(), ['A', 'B']);
}

// Conformance: FGM-10
#[test]
fn map_is_modified() {
    let mut map = Map::both(|text: &'static str| text);
    map.modify_get(|_| "NGet");
    assert_eq!(map.get(vec!["x"]).unwrap(), ["NGet"]);
    assert_eq!(map.put_all(vec!["x"]).unwrap(), ["x"]);
    map.modify_put(|_| "NPut");
    assert_eq!(map.put_all(vec!["x"]).unwrap(), ["NPut"]);
    map.modify_both(|_| "NCode");
    assert_eq!(map.get(vec!["x"]).unwrap(), ["NCode"]);
    assert_eq!(map.put_all(vec!["x"]).unwrap(), ["NCode"]);
}

// Conformance: FGM-12
#[test]
fn map_gives_one_by_one() {
    let mut map = Map::both(|number: u32| format!("((({number})))"));
    for number in [1, 1, 2, 3, 5] {
        map.get_one_start(number);
    }
    assert!(map.get_pending().eq(&[1, 1, 2, 3, 5]));
    for expected in ["(((1)))", "(((1)))", "(((2)))", "(((3)))", "(((5)))"] {
        assert_eq!(map.get_one().unwrap().unwrap(), expected);
    }
    assert_eq!(map.get_one().unwrap(), None);
}

#[test]
fn a_record_that_becomes_none_does_not_strand_the_next() {
    let code = |number: u32| (number != 1).then_some(number);
    let mut map = Map::flat(code, code);
    assert_eq!(map.get(vec![1, 1, 2]).unwrap(), [2]);
    let mut filter = Line::new().then(Map::flat(
        |line: Bytes| (line.len() > 1).then_some(line),
        |line: Bytes| [line.clone(), line],
    ));
    assert_eq!(filter.get("a\nb\nab\nc".into()).unwrap(), ["ab"]);
    assert_eq!(filter.get_pending(), "c");
    let mut out = Vec::<u8>::new();
    filter.put("x".into(), &mut out).unwrap();
    assert_eq!(out, b"x\r\nx\r\n");
}

#[test]
fn what_one_record_became_is_given_also_after_pending_input_was_taken() {
    let words = |line: Bytes| -> Vec<Bytes> {
        line.split(|octet| *octet == b' ').map(|word| line.slice_ref(word)).collect()
    };
    let mut filter = Line::new().then(Map::flat(words, Some::<Bytes>));
    filter.get_one_start("a b c\nd e\n".into()).unwrap();
    assert_eq!(filter.get_one().unwrap().unwrap(), "a");
    assert_eq!(filter.take_pending(), "d e\n");
    assert_eq!(filter.get_one().unwrap().unwrap(), "b");
    assert_eq!(filter.get_one().unwrap().unwrap(), "c");
    assert_eq!(filter.get_one().unwrap(), None);
}

#[test]
fn a_refused_record_puts_nothing_and_the_next_goes_on() {
    // The first of three would do; the second is too long for its length.
    let mut filter = poe_filter::Block::builder()
        .length_codec(poe_filter::IntegerLength::U8)
        .max_length(255)
        .build()
        .unwrap()
        .then(Map::flat(Some::<Bytes>, |length: usize| {
            [Bytes::from("ok"), vec![b'x'; length].into(), Bytes::from("ok")]
        }));
    let mut out = Vec::<u8>::new();
    assert!(matches!(filter.put(256, &mut out), Err(FilterError::Record(_))));
    assert!(out.is_empty());
    filter.put(1, &mut out).unwrap();
    assert_eq!(out, b"\x02ok\x01x\x02ok");
}

#[test]
fn fresh_has_the_functions_and_no_records() {
    let mut grep = Grep::both(|number: &u32| *number > 1);
    grep.get_one_start(7);
    assert_eq!(grep.fresh().get(vec![1, 2]).unwrap(), [2]);
    let mut map = Map::flat(|number: u32| [number, number + 1], |number: u32| [number]);
    map.get_one_start(7);
    map.get_one().unwrap();
    assert_eq!(map.fresh().get(vec![1]).unwrap(), [1, 2]);
}
