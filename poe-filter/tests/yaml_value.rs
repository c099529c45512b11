//! Any data in YAML, as it was written.

#![cfg(feature = "yaml")]

use poe_filter::reference::{Codec, CodecError, YamlValue, YamlValues};
use poe_filter::{DataLimitError, DataLimits};

fn thaw(image: &str) -> Result<YamlValue, CodecError> {
    YamlValues::new().thaw(image.to_owned().into())
}

fn freeze(value: YamlValue) -> String {
    let mut image = Vec::new();
    YamlValues::new().freeze(value, &mut image).unwrap();
    String::from_utf8(image).unwrap()
}

fn plain(text: &str) -> YamlValue {
    YamlValue::Plain(text.to_owned())
}

fn text(text: &str) -> YamlValue {
    YamlValue::Text(text.to_owned())
}

#[test]
fn scalars_keep_their_text() {
    let long = "9".repeat(30);
    let longer = "1".repeat(100);
    for written in [
        "1.10", "007", "0", "-0", "+5", ".5", "5.", "1e3", "1E+03", "0x1F", "0o17", "-0b1", ".inf",
        "-.Inf", ".NaN", "true", "FALSE", "null", "Null", "NULL", &long, &longer,
    ] {
        let numbered = !matches!(written, "007");
        let is = if numbered { plain(written) } else { text(written) };
        assert_eq!(thaw(&format!("--- {written}\n")).unwrap(), is);
        assert_eq!(is.text(), Some(written));
        let image = freeze(is.clone());
        assert_eq!(thaw(&image).unwrap(), is, "{image}");
        if numbered {
            assert_eq!(image, format!("--- {written}\n"));
        }
        // In quotes it is a string, and stays one.
        for quoted in [format!("--- '{written}'\n"), format!("--- \"{written}\"\n")] {
            let value = thaw(&quoted).unwrap();
            assert_eq!(value, text(written));
            assert_eq!(freeze(value), format!("--- \"{written}\"\n"));
        }
    }
    for nothing in ["--- ~\n", "---\n", "", "--- !!null ~\n"] {
        assert_eq!(thaw(nothing).unwrap(), YamlValue::Null, "{nothing:?}");
    }
    assert_eq!(freeze(YamlValue::Null), "--- ~\n");
    assert_eq!(thaw("--- '~'\n").unwrap(), text("~"));
    assert_eq!(freeze(text("~")), "--- \"~\"\n");
}

#[test]
fn structures_come_back() {
    let image = "---\n- 1.10\n-\n  a: 1\n  \"1\": ~\n  1: [x, {y: 2.0}]\n- {}\n- []\n- !Circle 1.50\n- !Box\n  a: 0x10\n\
                 - !Empty\n- ? [1, 2]\n  : ~\n- \"two\\nlines\"\n";
    let value = thaw(image).unwrap();
    let YamlValue::List(list) = &value else { panic!("{value:?}") };
    assert_eq!(list[0], plain("1.10"));
    assert_eq!(list[4], YamlValue::Tagged("Circle".into(), plain("1.50").into()));
    assert_eq!(list[6], YamlValue::Tagged("Empty".into(), YamlValue::Null.into()));
    assert_eq!(
        list[7],
        YamlValue::Map(vec![(YamlValue::List(vec![plain("1"), plain("2")]), YamlValue::Null)])
    );
    let map = &list[1];
    // The last of those whose text it is.
    assert!(matches!(map.get("1"), Some(YamlValue::List(_))));
    assert_eq!(map.get("b"), None);
    assert_eq!((list[0].get("a"), map.text()), (None, None));
    let again = freeze(value.clone());
    assert_eq!(thaw(&again).unwrap(), value, "{again}");
}

#[test]
fn what_is_shared_is_wherever_it_is_referred_to() {
    let value =
        thaw("---\n- &one [1.0, &two {k: 2.50}]\n- *one\n- *two\n- &n 7.0\n- *n\n").unwrap();
    let YamlValue::List(list) = &value else { panic!("{value:?}") };
    assert_eq!(list[0], list[1]);
    assert_eq!(list[2].get("k"), Some(&plain("2.50")));
    assert_eq!((&list[3], &list[4]), (&plain("7.0"), &plain("7.0")));
}

#[test]
fn no_text_escapes_its_place() {
    for odd in
        ["a: b", "", "~", "- x", "#", "...", "---", "[1", "1 2", "1\n2", "\"", "!x", "*x", "1:"]
    {
        let value =
            YamlValue::List(vec![plain(odd), YamlValue::Map(vec![(plain(odd), plain(odd))])]);
        let read = thaw(&freeze(value)).unwrap();
        let pair = YamlValue::Map(vec![(text(odd), text(odd))]);
        assert_eq!(read, YamlValue::List(vec![text(odd), pair]));
    }
}

#[test]
fn texts_count_for_what_they_take() {
    // Each alias is another copy of it.
    let image = format!("- &n {}\n{}", "1".repeat(10_000), "- *n\n".repeat(1000));
    let error = thaw(&image).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(DataLimitError::Memory { .. })), "{error}");
    let codec = YamlValues::within(DataLimits::default().max_expansion(1 << 10));
    assert!(codec.thaw(image.into()).is_ok());
    let deep = thaw(&"[".repeat(200)).unwrap_err();
    assert!(
        deep.to_string().contains("nested") || deep.to_string().contains("recursion"),
        "{deep}"
    );
}

#[test]
fn what_is_no_yaml_is_an_error() {
    for image in ["a: [\n", "--- 1\n--- 2\n", "*x", "- &a [*a]\n", "a: !x !y z", "\u{7}"] {
        assert!(thaw(image).is_err(), "{image:?}");
    }
    let octets = YamlValues::new().thaw(b"- \xff\n".as_slice().into());
    assert!(octets.is_err());
}
