//! JSON in lines, case by case.
#![cfg(feature = "json")]

use poe_filter::{DataLimitError, DataLimits, Filter, FilterError, JsonLines};
use serde_json::{Value, json};

#[test]
fn there_and_back() {
    let values =
        [json!({"text": "two\nlines\u{2028}é\0"}), json!([1, -2.5, null]), json!(""), json!(true)];
    // A number that a quick conversion misses by its last bit.
    let values = [&values[..], &[json!(1.2345678901234561e45)]].concat();
    let mut filter = JsonLines::<Value>::new();
    let mut out = Vec::<u8>::new();
    for value in &values {
        filter.put(value.clone(), &mut out).unwrap();
    }
    assert_eq!(out.iter().filter(|octet| **octet == b'\n').count(), values.len());
    for size in 1..out.len() {
        let mut filter = filter.fresh();
        let mut got = Vec::new();
        for piece in out.chunks(size) {
            got.extend(filter.get(piece.to_vec().into()).unwrap());
        }
        assert_eq!(got, values);
    }
}

#[test]
fn empty_lines_are_skipped_and_bad_ones_refused() {
    let mut filter = JsonLines::<u32>::new();
    filter.get_one_start("\n1\r\n \t\r\nx\n-1\n2 3\n\"\u{0}\n4\n5".into()).unwrap();
    assert_eq!(filter.get_one().unwrap(), Some(1));
    for _ in 0..4 {
        assert!(matches!(filter.get_one(), Err(FilterError::Record(_))));
    }
    assert_eq!(filter.get_one().unwrap(), Some(4));
    assert_eq!(filter.get_one().unwrap(), None);
    assert_eq!(filter.get_pending(), "5");
    assert_eq!(filter.finish().unwrap(), Some(5));
    assert_eq!(filter.finish().unwrap(), None);
}

#[test]
fn nesting_without_end_is_refused() {
    let mut filter = JsonLines::<Value>::new();
    let error = filter.get(("[".repeat(1 << 20) + "\n").into()).unwrap_err();
    assert!(matches!(error, FilterError::Record(_)));
}

#[test]
fn what_json_can_not_express_puts_nothing() {
    let mut filter = JsonLines::<Value, std::collections::BTreeMap<Vec<u8>, u8>>::new();
    let mut out = Vec::<u8>::new();
    assert!(filter.put([(vec![1], 2)].into(), &mut out).is_err());
    assert!(out.is_empty());
}

#[test]
fn a_line_costs_no_more_than_its_length_allows() {
    /// What stands in three octets of a line takes much more.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Wide {
        #[serde(default)]
        words: Vec<Value>,
    }

    let limit = |error: FilterError| match error {
        FilterError::Record(error) => *error.downcast::<DataLimitError>().unwrap(),
        other => panic!("{other}"),
    };
    let many = format!("[{}]\n", vec!["{}"; 1 << 20].join(","));
    let limits = DataLimits::default().max_memory(16 << 20);
    let mut filter = JsonLines::<Vec<Wide>>::new().within(limits);
    let error = filter.get((many.clone() + "[{}]\n").into()).unwrap_err();
    assert_eq!(limit(error), DataLimitError::Memory { limit: 16 << 20 });
    let mut filter = filter.fresh();
    filter.get_one_start((many.clone() + "[{}]\n").into()).unwrap();
    assert_eq!(limit(filter.get_one().unwrap_err()), DataLimitError::Memory { limit: 16 << 20 });
    assert_eq!(filter.get_one().unwrap().unwrap().len(), 1, "the next line is fine");

    let mut filter = JsonLines::<Vec<Wide>>::new();
    assert_eq!(filter.get(many.into()).unwrap()[0].len(), 1 << 20);
    let mut filter = JsonLines::<Value>::new().within(DataLimits::default().max_depth(2));
    let error = filter.get("[[[]]]\n".into()).unwrap_err();
    assert_eq!(limit(error), DataLimitError::Depth { limit: 2 });
}
