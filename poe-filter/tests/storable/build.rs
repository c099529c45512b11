//! Values that are built, as random ones are.

use poe_filter::storable::{Builder, FreezeError, Id, Kind, Value};
use proptest::prelude::*;

use crate::dump::dump;

/// A step of building: what is to be made, of what was made before.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Undef,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    Octets(Vec<u8>),
    Reference(prop::sample::Index),
    Array(Vec<prop::sample::Index>),
    Hash(Vec<(String, prop::sample::Index)>),
    Bless(prop::sample::Index, String),
    /// Makes what was made before contain something made later.
    Assign(prop::sample::Index, prop::sample::Index),
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let key = "[a-cé☺]{0,3}";
    let integers = prop_oneof![any::<i64>(), any::<i32>().prop_map(i64::from), -200..200_i64];
    let step = prop_oneof![
        Just(Step::Undef),
        any::<bool>().prop_map(Step::Boolean),
        integers.prop_map(Step::Integer),
        any::<f64>().prop_map(Step::Double),
        "[ -~é☺\u{10ffff}]{0,20}".prop_map(Step::Text),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Step::Octets),
        index().prop_map(Step::Reference),
        prop::collection::vec(index(), 0..5).prop_map(Step::Array),
        prop::collection::vec((key, index()), 0..5).prop_map(Step::Hash),
        (index(), "[A-C]").prop_map(|(of, class)| Step::Bless(of, class)),
        (index(), index()).prop_map(|(to, of)| Step::Assign(to, of)),
    ];
    prop::collection::vec(step, 1..40)
}

/// Does the steps. The root is an array of all that was made.
pub(crate) fn build(steps: &[Step]) -> Value {
    let mut build = Builder::new();
    let mut made: Vec<Id> = vec![build.undef()];
    let mut arrays = Vec::new();
    for step in steps {
        let of = |index: &prop::sample::Index| *index.get(&made);
        let id = match step {
            Step::Undef => build.undef(),
            Step::Boolean(truth) => build.boolean(*truth),
            Step::Integer(number) => build.integer(*number),
            Step::Double(number) => build.double(*number),
            Step::Text(text) => build.text(text),
            Step::Octets(octets) => build.octets(octets),
            Step::Reference(to) => build.reference(of(to)),
            Step::Array(elements) => {
                let array = build.array(elements.iter().map(of));
                arrays.push(array);
                array
            }
            Step::Hash(pairs) => build.hash(pairs.iter().map(|(key, id)| (key.as_str(), of(id)))),
            Step::Bless(of_what, class) => {
                build.bless(of(of_what), class);
                continue;
            }
            Step::Assign(_, _) if arrays.is_empty() => continue,
            Step::Assign(to, element) => {
                build.assign_array(*to.get(&arrays), [of(element)]);
                continue;
            }
        };
        made.push(id);
    }
    let root = build.array(made);
    build.finish(root).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_frozen_is_thawed(steps in steps()) {
        let value = build(&steps);
        let image = value.nfreeze().unwrap();
        let back = Value::thaw(image.clone()).unwrap();
        prop_assert_eq!(back.nfreeze().unwrap(), image);
        prop_assert_eq!(&back, &value);
    }
}

#[test]
fn numbers_and_text_are_what_is_asked_for() {
    let mut build = Builder::new();
    let elements = [
        build.integer(42),
        build.octets(b"42"),
        build.text("1.5"),
        build.double(3.0),
        build.boolean(false),
        build.octets(b"\xe9"),
        build.text("☺"),
        build.undef(),
        build.integer(i64::MIN),
    ];
    let list = build.array(elements);
    let value = build.finish(list).unwrap();
    for value in [value.clone(), Value::thaw(value.nfreeze().unwrap()).unwrap()] {
        let at = |index| value.root().at(index).unwrap();
        assert_eq!([at(0).to_i64(), at(1).to_i64(), at(3).to_i64()], [Some(42), Some(42), Some(3)]);
        assert_eq!([at(2).to_i64(), at(5).to_i64(), at(7).to_i64()], [None; 3]);
        assert_eq!([at(0).to_f64(), at(2).to_f64(), at(6).to_f64()], [Some(42.0), Some(1.5), None]);
        assert_eq!(at(0).to_text().unwrap(), "42");
        assert_eq!(at(4).to_text().unwrap(), "");
        assert_eq!(at(5).to_text().unwrap(), "é");
        assert_eq!(at(6).to_text().unwrap(), "☺");
        assert!(at(7).to_text().is_none() && at(7).is_undef());
        let truths: Vec<_> = value.root().elements().map(|one| one.to_bool().unwrap()).collect();
        assert_eq!(truths, [true, true, true, true, false, true, true, false, true]);
        assert_eq!(at(8).to_i64(), Some(i64::MIN));
        assert!(value.root().to_bool().is_none() && value.root().to_i64().is_none());
        assert!(value.root().get("0").is_none() && value.root().at(9).is_none());
    }
}

#[test]
fn keys_are_found_however_they_are_written() {
    let mut build = Builder::new();
    let one = build.integer(1);
    let keys = ["", "a", "ab", "é", "éa", "ÿ", "Ā", "☺", "\u{10ffff}", "a"];
    let hash = build.hash(keys.map(|key| (key, one)));
    let value = build.finish(hash).unwrap();
    assert_eq!(value.root().len(), 9);
    for key in keys {
        assert_eq!(value.root().get(key).unwrap().to_i64(), Some(1), "{key}");
    }
    let order: Vec<_> = value.root().pairs().map(|(key, _)| key.to_text().into_owned()).collect();
    assert_eq!(order, keys[..9]);
    assert!(value.root().get("b").is_none());
}

#[test]
fn values_that_refer_to_one_another() {
    let mut build = Builder::new();
    let me = build.undef();
    let reference = build.reference(me);
    build.assign_array(me, [reference, me]);
    let value = build.finish(me).unwrap();
    // What is within itself is there by reference.
    assert_eq!(dump(&Value::thaw(value.nfreeze().unwrap()).unwrap()), r"[\^,\^]");

    // my $x; $x = \$x
    let image = b"\x05\x0b\x04\0\0\0\0\0";
    let value = Value::thaw(&image[..]).unwrap();
    assert!(value.root().follow().is_same(value.root()));
    assert!(matches!(value.root().kind(), Kind::Reference(_)));
    assert_eq!(value.nfreeze().unwrap()[2..], image[2..]);
    assert!(format!("{value:?}").len() < 200);
}

#[test]
fn values_of_another_builder_are_no_harm() {
    let mut other = Builder::new();
    let far = (0..100).map(|number| other.integer(number)).last().unwrap();
    let mut build = Builder::new();
    let list = build.array([far]);
    build.bless(far, "Foo");
    build.assign_array(far, []);
    let value = build.finish(list).unwrap();
    assert_eq!(dump(&value), "[undef]");
    assert_eq!(value.nfreeze().unwrap()[2..], b"\x02\0\0\0\x01\x05"[..]);
}

#[test]
fn errors_say_what_to_do() {
    let error = FreezeError::TooLong { length: 3_000_000_000 };
    assert!(error.to_string().contains("lengths up to 2147483647"));
}
