//! What data of any type may cost: how it is limited, and that the defaults refuse nothing but what is out of proportion.

#![cfg(all(
    feature = "storable",
    feature = "reference",
    feature = "json",
    feature = "msgpack",
    feature = "cbor",
    feature = "yaml"
))]

use std::collections::BTreeMap;
use std::fmt::Debug;

use poe_filter::reference::{
    Cbor, Codec, CodecError, Json, MessagePack, Reference, StorableOf, Yaml,
};
use poe_filter::storable::{Builder, from_value, from_value_within};
use poe_filter::{DataLimitError, DataLimits, Filter, FilterError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Nest(Vec<Nest>);

fn nest(depth: usize) -> Nest {
    (1..depth).fold(Nest(Vec::new()), |inner, _| Nest(vec![inner]))
}

fn image<C: Codec>(codec: &C, record: C::Out) -> Vec<u8> {
    let mut image = Vec::new();
    codec.freeze(record, &mut image).unwrap();
    image
}

/// What each codec makes of the same record, within limits.
fn results<T>(record: &T, limits: DataLimits) -> Vec<(&'static str, Result<T, CodecError>)>
where
    T: Clone + Serialize + DeserializeOwned + 'static,
{
    fn result<C: Codec>(codec: &C, record: C::Out) -> Result<C::In, CodecError> {
        codec.thaw(image(codec, record).into())
    }
    vec![
        ("json", result(&Json::<T>::within(limits), record.clone())),
        ("yaml", result(&Yaml::<T>::within(limits), record.clone())),
        ("msgpack", result(&MessagePack::<T>::within(limits), record.clone())),
        ("cbor", result(&Cbor::<T>::within(limits), record.clone())),
        ("storable", result(&StorableOf::<T>::within(limits), record.clone())),
    ]
}

fn is_as_it_was<T>(record: T)
where
    T: Clone + Debug + PartialEq + Serialize + DeserializeOwned + 'static,
{
    for (codec, result) in results(&record, DataLimits::default()) {
        let back = result.unwrap_or_else(|error| panic!("{codec}: {error}"));
        assert!(back == record, "{codec}");
    }
}

fn limit_of<T: Debug>(result: Result<T, CodecError>) -> DataLimitError {
    *result.unwrap_err().downcast::<DataLimitError>().unwrap()
}

#[test]
fn nesting_is_an_option_of_each_codec() {
    let limits = DataLimits::default().max_depth(10);
    for (codec, result) in results(&nest(10), limits) {
        assert_eq!(result.unwrap(), nest(10), "{codec}");
    }
    for (codec, result) in results(&nest(11), limits) {
        assert_eq!(limit_of(result), DataLimitError::Depth { limit: 10 }, "{codec}");
    }
    for (codec, result) in results(&nest(60), DataLimits::default()) {
        assert_eq!(result.unwrap(), nest(60), "{codec}");
    }
    let deep = nest(300);
    for (codec, result) in results(&deep, DataLimits::default().max_depth(300)) {
        // The parsers of these have a limit of their own.
        assert_eq!(result.ok().as_ref() == Some(&deep), !matches!(codec, "json" | "yaml"));
    }
    for (codec, result) in results(&vec![1], DataLimits::default().max_depth(0)) {
        assert_eq!(limit_of(result), DataLimitError::Depth { limit: 0 }, "{codec}");
    }
    for (codec, result) in results(&1, DataLimits::default().max_depth(0)) {
        assert_eq!(result.unwrap(), 1, "{codec}");
    }
}

#[test]
fn memory_is_an_option_of_each_codec() {
    // The list, its numbers, and itself as a value.
    let enough = 48 + 1000 * 16 + 16;
    let numbers = vec![1_u8; 1000];
    for (codec, result) in results(&numbers, DataLimits::default().max_memory(enough)) {
        assert_eq!(result.unwrap(), numbers, "{codec}");
    }
    let limit = enough - 1;
    for (codec, result) in results(&numbers, DataLimits::default().max_memory(limit)) {
        assert_eq!(limit_of(result), DataLimitError::Memory { limit }, "{codec}");
    }
    let text = "x".repeat(1000);
    for (codec, result) in results(&text, DataLimits::default().max_memory(1000)) {
        assert_eq!(limit_of(result), DataLimitError::Memory { limit: 1000 }, "{codec}");
    }
    for (codec, result) in results(&text, DataLimits::default().max_memory(1064)) {
        assert_eq!(result.unwrap(), text, "{codec}");
    }
}

/// Nothing is smaller in an image than these.
#[test]
fn the_densest_data_is_within_the_defaults() {
    const MANY: usize = 50_000;
    is_as_it_was(vec![(); MANY]);
    is_as_it_was(vec![false; MANY]);
    is_as_it_was(vec![Vec::<()>::new(); MANY]);
    is_as_it_was(vec![String::new(); MANY]);
    is_as_it_was(vec![BTreeMap::from([(String::new(), 0)]); MANY]);
    is_as_it_was(vec![vec![vec![Some(5_u8)]]; MANY]);
    is_as_it_was("x".repeat(1 << 20));
}

/// Octets are read as a list of numbers where that is what a type wants.
#[test]
fn many_octets_are_within_the_defaults() {
    let image = [&b"\xc6\0\x80\0\0"[..], &vec![7; 8 << 20]].concat();
    let octets = MessagePack::<Vec<u8>>::new().thaw(image.into()).unwrap();
    assert_eq!(octets.len(), 8 << 20);
}

#[test]
fn what_is_shared_may_be_let_expand() {
    let wide = format!("- &a [{}]\n{}", "1, ".repeat(1_000), "- *a\n".repeat(1_000));
    let strict = Yaml::<Value>::new().thaw(wide.clone().into());
    assert!(matches!(limit_of(strict), DataLimitError::Memory { .. }));
    let codec = Yaml::<Value>::within(DataLimits::default().max_expansion(1 << 20));
    assert_eq!(codec.thaw(wide.into()).unwrap().as_array().unwrap().len(), 1_001);

    let mut build = Builder::new();
    let one = build.integer(1);
    let list = build.array(vec![one; 1_000]);
    let lists = build.array(vec![list; 1_000]);
    let value = build.finish(lists).unwrap();
    let image = value.nfreeze().unwrap();
    let strict = StorableOf::<Value>::new().thaw(image.clone().into());
    assert!(matches!(limit_of(strict), DataLimitError::Memory { .. }));
    assert!(from_value::<Value>(&value).is_err());
    let limits = DataLimits::default().max_expansion(1 << 20);
    let codec = StorableOf::<Vec<Vec<u8>>>::within(limits);
    assert_eq!(codec.thaw(image.into()).unwrap(), vec![vec![1; 1_000]; 1_000]);
    assert!(from_value_within::<Value>(&value, limits).is_ok());
}

/// An image of more values than there may be is refused while it is read, not when it has been.
#[test]
fn the_values_of_storable_are_limited() {
    let image = [&b"\x05\x0b\x02\0\0\x03\xe8"[..], &[5; 1000]].concat();
    let codec = StorableOf::<Vec<()>>::within(DataLimits::default().max_memory(16_000));
    let limit = 16_000;
    assert_eq!(limit_of(codec.thaw(image.clone().into())), DataLimitError::Memory { limit });
    assert_eq!(StorableOf::<Vec<()>>::new().thaw(image.into()).unwrap().len(), 1000);
}

/// Of a record that is too much the filter says so, and the next one is fine, also for another filter of the kind.
#[test]
fn a_filter_goes_on_behind_such_a_record() {
    let codec = Json::<Nest>::within(DataLimits::default().max_depth(1));
    let filter = Reference::new(codec);
    for mut filter in [filter.fresh(), filter.fresh().fresh()] {
        filter.get_one_start("4\0[[]]2\0[]".into()).unwrap();
        let Err(FilterError::Record(error)) = filter.get_one() else { panic!("no error") };
        assert_eq!(error.to_string(), DataLimitError::Depth { limit: 1 }.to_string());
        assert_eq!(filter.get_one().unwrap(), Some(Nest(vec![])));
    }
}
