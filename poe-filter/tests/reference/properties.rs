//! What holds for any input, however it is divided.

use bytes::Bytes;
use poe_filter::Filter;
use poe_filter::reference::{Codec, CodecError, Reference, Storable};
use poe_filter::storable::{Builder, Value};
use proptest::prelude::*;

use crate::common::{Octets, check_hand_over, check_splits, chunks, split};

/// Images are the records themselves, unless they begin with an `a`.
#[derive(Debug, Clone)]
struct Plain;

impl Codec for Plain {
    type In = Bytes;
    type Out = Bytes;

    fn freeze(&self, record: Bytes, image: &mut Vec<u8>) -> Result<(), CodecError> {
        image.extend(record);
        Ok(())
    }

    fn thaw(&self, image: Bytes) -> Result<Bytes, CodecError> {
        if image.starts_with(b"a") { Err("it begins with an a".into()) } else { Ok(image) }
    }
}

fn make(max_length: usize, compression: bool) -> Box<Octets> {
    let builder = Reference::builder(Plain).max_length(max_length);
    let builder = if compression { builder.compression() } else { builder };
    Box::new(builder.build().unwrap())
}

fn texts(texts: &[String]) -> Value {
    let mut build = Builder::new();
    let elements: Vec<_> = texts.iter().map(|text| build.text(text)).collect();
    let list = build.array(elements);
    build.finish(list).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets(input in chunks(b"0123\0\0\0ab", 120), max_length in 1..40_usize) {
        check_splits(|| make(max_length, false), &input)?;
        check_splits(|| make(max_length, true), &input)?;
    }

    #[test]
    fn any_images(
        images in prop::collection::vec("[ab0\0]{0,12}", 0..12),
        sizes in prop::collection::vec(1..9_usize, 1..20),
        max_length in 1..15_usize,
        period in 1..4_usize,
        compression in any::<bool>(),
    ) {
        let mut raw = Vec::<u8>::new();
        for image in images {
            make(100, compression).put(image.into(), &mut raw).unwrap();
        }
        let input = split(&raw, &sizes);
        check_splits(|| make(max_length, compression), &input)?;
        check_hand_over(|| make(100, compression), &input, period)?;
    }

    #[test]
    fn what_is_put_is_got(
        records in prop::collection::vec(prop::collection::vec("[ -~é☺]{0,9}", 0..5), 0..9),
        sizes in prop::collection::vec(1..50_usize, 1..20),
        compression in any::<bool>(),
    ) {
        let builder = Reference::builder(Storable::new());
        let builder = if compression { builder.compression() } else { builder };
        let mut filter = builder.build().unwrap();
        let records: Vec<_> = records.iter().map(|record| texts(record)).collect();
        let mut raw = Vec::<u8>::new();
        for record in &records {
            filter.put(record.clone(), &mut raw).unwrap();
        }
        let mut got = Vec::new();
        for octets in split(&raw, &sizes) {
            got.extend(filter.get(octets.into()).unwrap());
        }
        prop_assert_eq!(got, records);
    }
}
