//! Records of any type, in each format.

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
use std::io::Write;
use std::process::{Command, Stdio};

use bytes::Bytes;
use poe_filter::reference::{Cbor, Codec, Json, MessagePack, Reference, StorableOf, Yaml};
use poe_filter::storable::{Builder, Value, from_value, to_value};
use poe_filter::{Filter, FilterError};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    truth: bool,
    small: i8,
    large: u64,
    negative: i64,
    short: f32,
    double: f64,
    letter: char,
    text: String,
    nothing: Option<String>,
    something: Option<u32>,
    list: Vec<(u8, String)>,
    map: BTreeMap<String, Vec<i32>>,
    numbers: BTreeMap<u16, Shape>,
    tuple: Tuple,
    unit: (),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tuple(u8, Newtype);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Newtype(String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(i32, i32),
    Box { width: u32, height: u32 },
}

fn shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Point),
        (-1e9..1e9_f64).prop_map(Shape::Circle),
        any::<(i32, i32)>().prop_map(|(x, y)| Shape::Line(x, y)),
        any::<(u32, u32)>().prop_map(|(width, height)| Shape::Box { width, height }),
    ]
}

fn records() -> impl Strategy<Value = Record> {
    let text = || "[ -~é☺]{0,9}";
    let scalars = (any::<bool>(), any::<i8>(), any::<u64>(), any::<i64>(), -1e9..1e9_f32);
    let others = (-1e300..1e300_f64, any::<char>(), text());
    let options = (prop::option::of(text()), prop::option::of(any::<u32>()));
    let many = (
        prop::collection::vec((any::<u8>(), text()), 0..4),
        prop::collection::btree_map(text(), prop::collection::vec(any::<i32>(), 0..4), 0..4),
        prop::collection::btree_map(any::<u16>(), shapes(), 0..4),
        (any::<u8>(), text()).prop_map(|(number, text)| Tuple(number, Newtype(text))),
    );
    (scalars, others, options, many).prop_map(
        |(
            (truth, small, large, negative, short),
            (double, letter, text),
            (nothing, something),
            (list, map, numbers, tuple),
        )| Record {
            truth,
            small,
            large,
            negative,
            short,
            double,
            letter,
            text,
            nothing,
            something,
            list,
            map,
            numbers,
            tuple,
            unit: (),
        },
    )
}

fn there_and_back<C>(codec: C, record: &C::Out) -> C::In
where
    C: Codec<Out: Clone>,
{
    let mut filter = Reference::new(codec);
    let mut out = Vec::<u8>::new();
    filter.put(record.clone(), &mut out).unwrap();
    let mut records = filter.get(out.into()).unwrap();
    assert_eq!(records.len(), 1);
    records.remove(0)
}

fn error<C: Codec<In: Debug>>(codec: C, image: &[u8]) -> String {
    let mut frame = format!("{}\0", image.len()).into_bytes();
    frame.extend(image);
    let error = Reference::new(codec).get(frame.into()).unwrap_err();
    assert!(matches!(error, FilterError::Record(_)), "{error}");
    error.to_string()
}

/// Lists within lists, which each format nests as it likes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Nested(Vec<Nested>);

fn nested(depth: usize) -> Nested {
    (0..depth).fold(Nested(Vec::new()), |inner, _| Nested(vec![inner]))
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 64,
        ..ProptestConfig::default()
    })]

    // Conformance: FRF-03
    #[test]
    fn what_is_put_is_got(record in records()) {
        prop_assert_eq!(&there_and_back(StorableOf::<Record>::new(), &record), &record);
        prop_assert_eq!(&there_and_back(MessagePack::<Record>::new(), &record), &record);
        prop_assert_eq!(&there_and_back(Cbor::<Record>::new(), &record), &record);
        prop_assert_eq!(&there_and_back(Yaml::<Record>::new(), &record), &record);
        // JSON's digits may be another double's, by one in the last place.
        let json: Record = there_and_back(Json::<Record>::new(), &record);
        prop_assert!((json.double - record.double).abs() <= record.double.abs() * 1e-15);
        prop_assert_eq!(json.map, record.map);
    }

    #[test]
    fn any_octets_cost_nothing(octets in prop::collection::vec(any::<u8>(), 0..60)) {
        let image = Bytes::from(octets);
        let _ = Json::<serde_json::Value>::new().thaw(image.clone());
        let _ = MessagePack::<serde_json::Value>::new().thaw(image.clone());
        let _ = Cbor::<serde_json::Value>::new().thaw(image.clone());
        let _ = Yaml::<serde_json::Value>::new().thaw(image.clone());
        let _ = StorableOf::<serde_json::Value>::new().thaw(image);
    }
}

// Conformance: FRF-10
#[test]
fn yaml_of_perl() {
    let image = "---\nevent: poe://P/s/e\nparams:\n  - 1\n  - ~\n  - x\n";
    let mut filter = Reference::new(Yaml::<serde_json::Value>::new());
    let records = filter.get(format!("{}\0{image}", image.len()).into()).unwrap();
    let expected = serde_json::json!({ "event": "poe://P/s/e", "params": [1, null, "x"] });
    assert_eq!(records, [expected]);
    // FRF-11 is a difference: this is one document of YAML.
    let records = filter.get("19\0---\na: b\nc: d\n...\n\n".into()).unwrap();
    assert_eq!(records, [serde_json::json!({ "a": "b", "c": "d" })]);
    assert!(!error(Yaml::<serde_json::Value>::new(), b"---\na: [\n").is_empty());
}

#[test]
fn one_image_is_one_record() {
    assert!(error(Json::<u8>::new(), b"1 2").contains("trailing"));
    assert!(error(MessagePack::<u8>::new(), b"\x01\x02").contains("1 octets follow"));
    assert!(error(Cbor::<u8>::new(), b"\x01\x02").contains("1 octets follow"));
    assert!(error(Yaml::<u8>::new(), b"--- 1\n--- 2\n").contains("more than one document"));
}

#[test]
fn nesting_is_limited() {
    let shallow = nested(50);
    assert_eq!(there_and_back(StorableOf::<Nested>::new(), &shallow), shallow);
    assert_eq!(there_and_back(Json::<Nested>::new(), &shallow), shallow);
    assert_eq!(there_and_back(MessagePack::<Nested>::new(), &shallow), shallow);
    assert_eq!(there_and_back(Cbor::<Nested>::new(), &shallow), shallow);
    assert_eq!(there_and_back(Yaml::<Nested>::new(), &shallow), shallow);
    error(Json::<Nested>::new(), &b"[".repeat(100_000));
    error(MessagePack::<Nested>::new(), &b"\x91".repeat(100_000));
    error(Cbor::<Nested>::new(), &b"\x81".repeat(100_000));
    error(Yaml::<Nested>::new(), &b"[".repeat(10_000));
    let mut build = Builder::new();
    let deep = (0..300).fold(build.array([]), |inner, _| build.array([inner]));
    let value = build.finish(deep).unwrap();
    let image = value.nfreeze().unwrap();
    assert!(error(StorableOf::<Nested>::new(), &image).contains("deeper than 128"));
}

#[test]
fn what_is_within_itself_is_no_data() {
    let itself = Value::thaw(&b"\x05\x0b\x02\0\0\0\x01\x04\0\0\0\0\0"[..]).unwrap();
    let error = from_value::<Nested>(&itself).unwrap_err();
    assert!(error.to_string().contains("within itself"), "{error}");
    let reference = Value::thaw(&b"\x05\x0b\x04\0\0\0\0\0"[..]).unwrap();
    assert!(from_value::<Nested>(&reference).is_err());
    assert!(from_value::<Option<String>>(&reference).is_err());
    assert!(from_value::<Shape>(&reference).is_err());
}

/// Forty arrays, each of which has the next one twice: a small image of 2^40 values.
#[test]
fn what_is_shared_does_not_expand_without_limit() {
    let mut build = Builder::new();
    let mut array = build.array([]);
    for _ in 0..40 {
        array = build.array([array, array]);
    }
    let image = build.finish(array).unwrap().nfreeze().unwrap();
    assert!(image.len() < 1000);
    let error = error(StorableOf::<Nested>::new(), &image);
    assert!(error.contains("expands to too much"), "{error}");

    let mut build = Builder::new();
    let long = build.text(&"x".repeat(1 << 20));
    let list = build.array([long; 1000]);
    let value = build.finish(list).unwrap();
    let error = from_value::<Vec<String>>(&value).unwrap_err();
    assert!(error.to_string().contains("expands to too much"), "{error}");
    assert!(from_value::<Vec<&str>>(&to_value(&vec!["x"; 1000]).unwrap()).is_ok());
}

#[test]
fn scalars_are_what_they_are_needed_as() {
    let mut build = Builder::new();
    let pairs = [
        ("truth", build.octets(b"0")),
        ("small", build.octets(b"-5")),
        ("large", build.octets(b"18446744073709551615")),
        ("text", build.integer(42)),
        ("latin", build.octets(b"caf\xe9")),
        ("double", build.octets(b"1.5e3")),
        ("whole", build.octets(b"1e3")),
    ];
    let hash = build.hash(pairs);
    build.bless(hash, "Ignored");
    let value = build.finish(hash).unwrap();

    #[derive(Debug, PartialEq, Deserialize)]
    struct Typed {
        truth: bool,
        small: i8,
        large: u64,
        text: String,
        latin: String,
        double: f64,
        whole: u16,
    }
    let expected = Typed {
        truth: false,
        small: -5,
        large: u64::MAX,
        text: "42".into(),
        latin: "café".into(),
        double: 1500.0,
        whole: 1000,
    };
    assert_eq!(from_value::<Typed>(&value).unwrap(), expected);
    let back = Value::thaw(value.nfreeze().unwrap()).unwrap();
    assert_eq!(from_value::<Typed>(&back).unwrap(), expected);
    let error = from_value::<BTreeMap<String, u8>>(&value).unwrap_err();
    assert!(error.to_string().contains("invalid"), "{error}");
}

#[test]
fn the_keys_of_maps_are_the_text_of_scalars() {
    /// A map of these keys, each to its own number.
    #[derive(Clone)]
    struct Map(Vec<Key>);

    #[derive(Clone, Serialize)]
    #[serde(untagged)]
    enum Key {
        Truth(bool),
        Integer(i64),
        Large(u64),
        Double(f64),
        Letter(char),
        Text(&'static str),
        Nothing(()),
        List(Vec<u8>),
        Map(BTreeMap<&'static str, u8>),
    }

    impl Serialize for Map {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().zip(0..))
        }
    }

    let keys = [
        (Key::Text("plain"), "plain"),
        (Key::Text(""), ""),
        (Key::Text("café"), "café"),
        (Key::Text("☺"), "☺"),
        (Key::Letter('é'), "é"),
        (Key::Truth(true), "1"),
        (Key::Integer(-5), "-5"),
        (Key::Large(u64::MAX), "18446744073709551615"),
        (Key::Double(1e20), "1e+20"),
        (Key::Text("plain"), "plain"),
    ];
    let value = to_value(&Map(keys.iter().map(|(key, _)| key.clone()).collect())).unwrap();
    let mut build = Builder::new();
    let pairs = keys.iter().zip(0..).map(|((_, text), number)| (*text, build.integer(number)));
    let pairs: Vec<_> = pairs.collect();
    let hash = build.hash(pairs);
    assert_eq!(value, build.finish(hash).unwrap());
    assert_eq!(value.root().get("plain").unwrap().to_i64(), Some(9));
    // The keys are no values.
    assert_eq!(value.values(), 1 + keys.len());

    for key in [Key::Nothing(()), Key::List(vec![1]), Key::Map(BTreeMap::from([("a", 1)]))] {
        let error = to_value(&Map(vec![Key::Text("a"), key])).unwrap_err();
        assert!(error.to_string().contains("no scalar"), "{error}");
    }
}

/// A Perl program that thaws what this froze, and freezes what this thaws.
#[test]
fn perl_has_the_same_data() {
    let records = [
        BTreeMap::from([("a".to_owned(), vec![1.5, -2.0]), ("é☺".to_owned(), vec![])]),
        BTreeMap::new(),
    ];
    for (module, name, code) in [
        ("Storable", "storable", "Storable::nfreeze(Storable::thaw($_))"),
        ("JSON::PP", "json", "JSON::PP::encode_json(JSON::PP::decode_json($_))"),
    ] {
        for record in &records {
            let mut image = Vec::new();
            match name {
                "storable" => StorableOf::<(), _>::new().freeze(record.clone(), &mut image),
                _ => Json::<(), _>::new().freeze(record.clone(), &mut image),
            }
            .unwrap();
            let program = format!("local $/; $_ = <STDIN>; print {code}");
            let mut command = Command::new("perl");
            command.args([&format!("-M{module}"), "-e", &program]);
            let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
            let Ok(mut child) = child else {
                let _ = writeln!(std::io::stderr(), "SKIPPED: perl does not run; install perl");
                return;
            };
            child.stdin.take().unwrap().write_all(&image).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            let image = Bytes::from(output.stdout);
            let back: BTreeMap<String, Vec<f64>> = match name {
                "storable" => StorableOf::<_, ()>::new().thaw(image),
                _ => Json::<_, ()>::new().thaw(image),
            }
            .unwrap();
            assert_eq!(back, *record, "{module}");
        }
    }
}

/// Each element refers to the one before it, so that the last one is far from any data. To follow all of
/// them to the end would take minutes.
#[test]
fn long_chains_of_references_cost_what_they_are_worth() {
    let many: u32 = 60_000;
    let mut image = [&b"\x05\x05\x02"[..], &many.to_be_bytes(), b"\x05"].concat();
    for number in 1..many {
        image.extend_from_slice(b"\x04\0");
        image.extend_from_slice(&number.to_be_bytes());
    }
    let value = Value::thaw(image).unwrap();
    assert_eq!(value.root().len(), many as usize);
    let error = from_value::<Vec<Option<u8>>>(&value).unwrap_err();
    assert!(error.to_string().contains("expands to too much"), "{error}");
    // A short one is no trouble.
    let mut build = Builder::new();
    let number = build.integer(5);
    let (one, two) = (build.reference(number), build.reference(number));
    let both = build.array([one, two]);
    let both = build.finish(both).unwrap();
    assert_eq!(from_value::<Vec<Option<u8>>>(&both).unwrap(), [Some(5), Some(5)]);
}

/// What Perl's YAML reads in its own way: each as we write it, and as Perl does.
#[test]
fn perl_has_the_same_yaml() {
    let texts = [
        "null",
        "~",
        "",
        " ",
        " x",
        "x ",
        "1.10",
        "1e3",
        "true",
        "no",
        "- a",
        "? a",
        "#",
        "a # b",
        "a | # b",
        "a >",
        "a: b",
        "a:",
        ": ",
        "it's",
        "''",
        "\"",
        "say \"a: b\": c",
        "\\",
        "\\n",
        "\\\"",
        "---",
        "--- a",
        "...",
        "[",
        "{a",
        "&a",
        "*a",
        "!a",
        "%",
        "@",
        "`",
        "=",
        "two\nlines",
        "\n",
        "a\n\n",
        "\n a",
        "tab\there",
        "cr\r\n",
        "\0\x1b",
        "word",
        "é☺ and 𝄞",
        "\x7f",
    ];
    let all: Vec<serde_json::Value> = texts.iter().map(|text| (*text).into()).collect();
    let long = "x".repeat(3000);
    let mut records = vec![
        serde_json::json!([]),
        serde_json::json!({}),
        serde_json::json!([null]),
        serde_json::json!({ "v": null }),
        serde_json::json!([[], {}, [[]], [{}], { "a": [], "b": {}, "c": [null, [null]] }, null]),
        serde_json::json!({ long.as_str(): { long.as_str(): long }, "b": [{ long.as_str(): [] }] }),
        serde_json::Value::Array(all.clone()),
        // Each text as an element, a key and a value, before something and behind it.
        texts
            .iter()
            .map(|text| ((*text).to_owned(), serde_json::json!([text, { *text: text }])))
            .collect(),
    ];
    records.extend(all.iter().map(|text| serde_json::json!([{ "a": text, "b": [text] }])));
    // It prints what it has as JSON, and what it would send of the texts.
    let program = "binmode $_ for *STDIN, *STDOUT; local $/; $_ = <STDIN>;
        my @records = map { YAML::Load(pack 'H*', $_) } split;
        print JSON::PP->new->canonical->encode($_), chr(0) for @records;
        pop @{ $records[6] }; print YAML::Dump($records[6])";
    let mut command = Command::new("perl");
    command.args(["-MYAML", "-MJSON::PP", "-e", program]).stdin(Stdio::piped());
    let Ok(mut child) = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: perl does not run; install perl");
        return;
    };
    let mut input = String::new();
    for record in &records {
        let mut image = Vec::new();
        Yaml::<(), _>::new().freeze(record.clone(), &mut image).unwrap();
        let back: serde_json::Value = Yaml::<_, ()>::new().thaw(image.clone().into()).unwrap();
        assert_eq!(back, *record, "{}", image.escape_ascii());
        input.extend(image.iter().map(|octet| format!("{octet:02x}")));
        input.push(' ');
    }
    // It ends early where it lacks a module.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("Can't locate") {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: Perl lacks YAML or JSON::PP; install libyaml-perl"
        );
        return;
    }
    assert!(output.status.success(), "{errors}");
    let told: Vec<&[u8]> = output.stdout.split(|octet| *octet == 0).collect();
    assert_eq!(told.len(), records.len() + 1);
    for (record, told) in records.iter().zip(&told) {
        // Strings of octets, as JSON's of Latin-1.
        let json: String = told.iter().map(|octet| char::from(*octet)).collect();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), latin(record));
    }
    let back: Vec<String> = Yaml::<_, ()>::new().thaw(told[records.len()].to_vec().into()).unwrap();
    // But the last one, a DEL, which Perl's has as it is and YAML does not.
    assert_eq!(back, texts[..texts.len() - 1]);
}

#[test]
fn yaml_of_tags_and_of_keys_that_are_no_scalars() {
    let there = "---\n? [1, 2]\n: !Circle 1.5\n? {}\n: !Box {a: []}\n? !Key x\n: !a%20b [~]\n";
    let data: yaml_serde::Value = Yaml::<_, ()>::new().thaw(there.into()).unwrap();
    assert_eq!(there_and_back(Yaml::<yaml_serde::Value>::new(), &data), data);
    let nested = Some(BTreeMap::from([("a", Result::<Result<u8, ()>, ()>::Ok(Ok(1)))]));
    let error = Yaml::<(), _>::new().freeze(nested, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("no enum directly within an enum"), "{error}");
}

/// The data with each string taken for Latin-1, which Perl does without being told better.
fn latin(data: &serde_json::Value) -> serde_json::Value {
    let text = |text: &str| -> String { text.bytes().map(char::from).collect() };
    match data {
        serde_json::Value::String(string) => text(string).into(),
        serde_json::Value::Array(list) => list.iter().map(latin).collect(),
        serde_json::Value::Object(map) => {
            map.iter().map(|(key, value)| (text(key), latin(value))).collect()
        }
        other => other.clone(),
    }
}
