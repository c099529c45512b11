//! Sends each record back: a structure of data, as POE's `Reference` passes them, be it to Perl or to us.

use std::fmt;

use poe_component::prelude::*;
use poe_filter::reference::{
    Codec, Json, MessagePack, Reference, ReferenceBuilder, Storable, YamlValues,
};
use poe_filter::{DataLimits, storable};
use serde_json::Value as Data;

const PURPOSE: &str =
    "Sends each record back, which is a structure of data (POE's Filter::Reference).";

/// How long the image of a record may be, in octets. Anybody may connect.
const LONGEST: usize = 4 << 20;

/// The same of YAML, whose parser takes time by the square of how deep brackets are nested.
const LONGEST_YAML: usize = 64 * 1024;

/// What a value of Storable takes beside its image, at most, in octets.
const STORABLE_VALUE: usize = 40;

/// A client is not read from while more than this waits for it, until there is little enough.
const HIGH: usize = 64 * 1024;
const LOW: usize = 4 * 1024;

/// What a person may ask for.
#[derive(Clone, Copy)]
enum Format {
    Storable,
    Json,
    MessagePack,
    Yaml,
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "storable" => Self::Storable,
            "json" => Self::Json,
            "msgpack" => Self::MessagePack,
            "yaml" => Self::Yaml,
            _ => {
                return Err(format!(
                    "no codec {name:?}; there are storable, json, msgpack and yaml"
                ));
            }
        })
    }
}

/// What a record may take in memory, as its codec counts it: a few octets may stand for many.
struct Memory {
    octets: usize,
}

impl std::str::FromStr for Memory {
    type Err = String;

    fn from_str(mebibytes: &str) -> Result<Self, String> {
        let octets = mebibytes.parse().ok().and_then(|count: usize| count.checked_mul(1 << 20));
        let octets = octets.filter(|octets| *octets > 0);
        octets
            .map(|octets| Self { octets })
            .ok_or_else(|| format!("{mebibytes:?} is no number of mebibytes; write it as 16"))
    }
}

fn main() -> examples::Result {
    let usage = "[--codec storable|json|msgpack|yaml] [--compress] [--memory MIB]";
    let mut options = examples::Options::new(PURPOSE, usage);
    let format = options.value("--codec")?.unwrap_or(Format::Storable);
    let Memory { octets } = options.value("--memory")?.unwrap_or(Memory { octets: 16 << 20 });
    let compress = options.flag("--compress");
    let address = options.address()?;
    let limits = DataLimits::default().max_memory(octets);
    match format {
        // Whatever a Perl program may send, with what is blessed, shared or within itself.
        Format::Storable => {
            let limits = storable::Limits::default().max_values(octets / STORABLE_VALUE);
            serve(address, Storable::within(limits), LONGEST, compress)
        }
        Format::Json => serve(address, Json::<Data>::within(limits), LONGEST, compress),
        Format::MessagePack => {
            serve(address, MessagePack::<Data>::within(limits), LONGEST, compress)
        }
        // With scalars as they are written, as to Perl they are text: its 1.10 goes back as 1.10.
        Format::Yaml => serve(address, YamlValues::within(limits), LONGEST_YAML, compress),
    }
}

fn serve<R, C>(
    address: examples::Address,
    codec: C,
    longest: usize,
    compress: bool,
) -> examples::Result
where
    R: fmt::Debug + 'static,
    C: Codec<In = R, Out = R>,
{
    let builder = Reference::builder(codec).max_length(longest);
    let filter = if compress { builder.compression() } else { builder };
    let kernel = Kernel::new()?;
    let server = server::Tcp::build()
        .address(address.host)
        .port(address.port)
        .client_filter(ReferenceBuilder::build(filter)?)
        .marks(HIGH, LOW)
        .client_input(|cx, record| cx.heap.client.put(record))
        .drain_on(["INT", "TERM"])
        .spawn(&kernel)?;
    examples::listening(server.local_address());
    Ok(kernel.run()?)
}
