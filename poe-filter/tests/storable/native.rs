//! Native images, of this kind of machine and of others.

use poe_filter::storable::{ThawError, Value};

use crate::dump::dump;
use crate::vectors::unhex;

const HEADER: &str = "04 0b 08 3132333435363738 04 08 08 08";

fn thaw(image: &str) -> Result<String, ThawError> {
    Value::thaw(unhex(image)).map(|value| dump(&value))
}

#[test]
fn little_endian_of_64_bits() {
    for (body, meaning) in [
        ("02 01000000 08 81", "[1]"),
        ("02 01000000 06 2c01000000000000", "[300]"),
        ("02 01000000 07 000000000000f83f", "[1.5]"),
        ("02 01000000 06 0000000000010000", "[1099511627776]"),
        ("03 01000000 0a 01 62 01000000 61", r#"{a=>"b"}"#),
        ("02 02000000 04 02 00000000 04 00 00000002", r"[\[],\[]]"),
        ("02 01000000 01 02000000 6869", r#"["hi"]"#),
    ] {
        assert_eq!(thaw(&format!("{HEADER}{body}")).unwrap(), meaning);
    }
}

#[test]
fn other_machines() {
    let big = "04 0b 08 3837363534333231 04 08 08 08";
    let body = "02 00000002 06 000000000000012c 07 3ff8000000000000";
    assert_eq!(thaw(&format!("{big}{body}")).unwrap(), "[300,1.5]");
    let small = "04 0b 04 31323334 04 04 04 08";
    assert_eq!(thaw(&format!("{small} 02 01000000 06 2c010000")).unwrap(), "[300]");
    let small_big = "04 0b 04 34333231 04 04 04 08";
    assert_eq!(thaw(&format!("{small_big} 02 00000001 06 fffffed4")).unwrap(), "[-300]");
    // The size of doubles is not in the oldest images.
    assert_eq!(thaw("04 01 04 31323334 04 04 04 02 01000000 08 81").unwrap(), "[1]");
}

#[test]
fn files_and_old_versions() {
    assert_eq!(thaw(&format!("70737430 {HEADER} 02 01000000 08 81")).unwrap(), "[1]");
    assert_eq!(thaw("70737430 05 0b 02 00000001 08 81").unwrap(), "[1]");
    for minor in 0..=255 {
        assert_eq!(thaw(&format!("05 {minor:02x} 02 00000001 08 81")).unwrap(), "[1]");
    }
}

#[test]
fn what_is_no_image_or_of_no_known_machine() {
    for image in ["", "05", "313233", "789c63e5", "ff00"] {
        assert_eq!(thaw(image), Err(ThawError::Alien), "{image}");
    }
    assert_eq!(thaw("03 00 02"), Err(ThawError::Version { major: 1 }));
    assert_eq!(thaw("07 00 02"), Err(ThawError::Version { major: 3 }));
    for (image, what) in [
        ("04 0b 04 31333234 04 04 04 08 05", "byte order"),
        ("04 0b 08 3132333435363738 08 08 08 08 05", "size of int"),
        ("04 0b 08 3132333435363738 04 08 08 10 05", "size of doubles"),
    ] {
        assert_eq!(thaw(image), Err(ThawError::Machine { what }));
    }
    assert!(matches!(thaw("04 0b 08 3132"), Err(ThawError::Truncated { .. })));
}

#[test]
fn truth_values_and_text_beyond_unicode() {
    assert_eq!(thaw("05 0b 02 00000004 22 23 0f 10").unwrap(), "[true,false,true,false]");
    assert_eq!(thaw("05 0b 17 03 eda080").unwrap(), r"lax'\xed\xa0\x80'");
    assert_eq!(thaw("05 0b 02 00000001 1f").unwrap(), "[undef]");
    // A later pair of the same key counts, however the key is written.
    let twice = "05 0b 19 00 00000002 08 81 01 00000002 c3a9 08 82 00 00000001 e9";
    assert_eq!(thaw(twice).unwrap(), "{é=>2}");
}
