//! Images with their length before them, of all codecs, compressed or not.

use std::fmt::Debug;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use poe_filter::Filter;
use poe_filter::reference::{
    Cbor, Codec, Json, MessagePack, Reference, Storable, StorableOf, Yaml, YamlValues,
};
use serde_json::Value;

use super::input::{Input, Sizes};
use super::stream::{Subject, Told};

const LIMITS: [usize; 3] = [1 << 20, 50, 3];

pub(super) fn reference(octets: &[u8]) {
    let mut input = Input::new(octets);
    let codec = input.number(8);
    let form = input.number(5);
    let max_length = input.pick(&LIMITS);
    let sizes = input.sizes();
    let stream = input.stream();
    let compresses = form > 2;
    let stream = match form {
        0 | 3 => stream.to_vec(),
        // A whole image, as it is or as it becomes.
        1 | 4 => framed(stream),
        _ => framed(&compressed(stream)),
    };
    let compresses = compresses || form == 2;
    let case = Case { stream: &stream, sizes, max_length, compresses };
    match codec {
        // To Perl, text and octets are equal, and there are no booleans: these arrive as something else.
        0 => case.check_splits(Storable::new()),
        1 => case.check_splits(StorableOf::<Value>::new()),
        2 => case.check(Json::<Value>::new()),
        3 => case.check(MessagePack::<Value>::new()),
        4 => case.check(Cbor::<Value>::new()),
        5 => case.check(Cbor::<ciborium::Value>::new()),
        6 => case.check(Yaml::<Value>::new()),
        _ => case.check(YamlValues::new()),
    }
}

fn framed(image: &[u8]) -> Vec<u8> {
    [image.len().to_string().as_bytes(), b"\0", image].concat()
}

fn compressed(image: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(image).unwrap();
    encoder.finish().unwrap()
}

struct Case<'a> {
    stream: &'a [u8],
    sizes: Sizes,
    max_length: usize,
    compresses: bool,
}

impl Case<'_> {
    fn check<R: Debug + 'static>(&self, codec: impl Codec<In = R, Out = R>) {
        self.check_splits(codec.clone());
        // Images may become longer when they are written again.
        let make = || self.filter(codec.clone(), 1 << 24);
        let subject = Subject::new(&make, |record, all| all.push(Told::debug(record)));
        subject.check_again(self.stream, |record| record, &mut *make(), false);
    }

    fn check_splits<R: Debug + 'static>(&self, codec: impl Codec<In = R, Out = R>) {
        let make = || self.filter(codec.clone(), self.max_length);
        let subject = Subject::new(&make, |record, all| all.push(Told::debug(record)));
        subject.holds_at_most(self.max_length + 32).check(self.stream, self.sizes);
    }

    fn filter<R: 'static>(
        &self,
        codec: impl Codec<In = R, Out = R>,
        max_length: usize,
    ) -> Box<dyn Filter<In = R, Out = R>> {
        let builder = Reference::builder(codec).max_length(max_length);
        let builder = if self.compresses { builder.compression() } else { builder };
        Box::new(builder.build().unwrap())
    }
}
