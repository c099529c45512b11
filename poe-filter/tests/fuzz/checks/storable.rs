//! Images of Perl's Storable.

use std::collections::HashMap;

use poe_filter::storable::{Kind, Limits, Node, Value, from_value, to_value};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::input::Input;

/// Something of each kind that `serde` knows.
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
enum Any {
    Nothing,
    One(i64),
    Two(f32, bool),
    Named { a: Option<String>, b: Vec<u8>, c: char },
}

pub(super) fn storable(octets: &[u8]) {
    let mut input = Input::new(octets);
    let limits = match input.number(2) {
        0 => Limits::default(),
        _ => Limits::default().max_values(20).max_depth(5),
    };
    let image = input.stream();
    let Ok(value) = Value::thaw_within(image.to_vec(), &limits) else { return };
    assert!(value.values() <= image.len());
    walk(&value);

    let frozen = value.nfreeze().unwrap();
    let again = Value::thaw_within(frozen.clone(), &Limits::default()).unwrap();
    walk(&again);
    assert_eq!(again.nfreeze().unwrap(), frozen);
    assert!(again == value);
    read(&value);
}

/// Looks at every part, which must not depend on how deep they are nested.
fn walk(value: &Value) {
    let mut left = 4 * value.values() + 100;
    let mut open = vec![value.root()];
    while let Some(node) = open.pop() {
        left -= 1;
        if left == 0 {
            return;
        }
        scalar(node);
        match node.kind() {
            Kind::Reference(to) | Kind::WeakReference(to) => open.push(to),
            Kind::Array(count) => {
                assert_eq!(node.elements().count(), count);
                open.extend(node.elements());
            }
            Kind::Hash(count) => {
                assert_eq!(node.pairs().count(), count);
                for (key, value) in node.pairs() {
                    // Characters that are not Unicode are replaced.
                    let text = key.to_text();
                    let found = node.get(&text).is_some_and(|found| found.is_same(value));
                    assert!(found || text.contains('\u{fffd}'), "{key:?} is not found");
                    open.push(value);
                }
            }
            _ => {}
        }
    }
}

fn scalar(node: Node<'_>) {
    _ = (node.class(), node.to_bool(), node.to_i64(), node.to_f64(), node.octets(), node.len());
    if let (Some(number), Some(text)) = (node.to_i64(), node.to_text()) {
        // What is a whole number reads as one.
        assert!(text.trim().parse() == Ok(number) || node.to_f64().is_some());
    }
}

/// Reads data of several types, and writes it again.
fn read(value: &Value) {
    _ = from_value::<Any>(value);
    _ = from_value::<Vec<Option<Any>>>(value);
    _ = from_value::<HashMap<String, IgnoredAny>>(value);
    _ = from_value::<HashMap<i32, (u8, String)>>(value);
    _ = from_value::<Vec<Option<f64>>>(value);
    _ = from_value::<(u64, &str, &[u8])>(value);
    if let Ok(data) = from_value::<serde_json::Value>(value) {
        let again = to_value(&data).unwrap();
        assert_eq!(from_value::<serde_json::Value>(&again).unwrap(), data);
    }
}
