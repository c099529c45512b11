//! Images of Perl's Storable.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io;
use std::time::Instant;

use bytes::Bytes;
use poe_filter::prelude::*;
use poe_filter::reference::{Codec, Reference, Storable, StorableOf};
use poe_filter::storable::{Value, to_value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::contest::nanoseconds_each;
use crate::storable::OCTETS;

/// Data of any shape.
type Data = serde_json::Value;

#[derive(Serialize, Deserialize)]
struct Job {
    id: u32,
    name: String,
    host: String,
    load: f64,
    tries: u8,
}

#[derive(Serialize, Deserialize)]
struct Host {
    address: String,
    name: String,
    port: u16,
    state: String,
    up: bool,
}

/// Work with an image, in nanoseconds.
pub type Work = fn(&[u8]) -> io::Result<Vec<f64>>;

/// What is done with each shape.
pub const WORK: [[Work; 8]; 4] =
    [work::<Job>(), work::<Vec<i64>>(), work::<BTreeMap<String, Host>>(), work::<Vec<String>>()];

/// Read and written, as values, as data of any shape and of one type, and with compression, through the filter.
const fn work<T: Serialize + DeserializeOwned + 'static>() -> [Work; 8] {
    [thaw, nfreeze, thaw_as::<Data>, nfreeze_as::<Data>, thaw_as::<T>, nfreeze_as::<T>, get, put]
}

fn thaw(image: &[u8]) -> io::Result<Vec<f64>> {
    let image = Bytes::copy_from_slice(image);
    each(image.len(), || Value::thaw(image.clone()).map_err(io::Error::other))
}

fn nfreeze(image: &[u8]) -> io::Result<Vec<f64>> {
    let value = Value::thaw(image.to_vec()).map_err(io::Error::other)?;
    each(image.len(), || value.nfreeze().map_err(io::Error::other))
}

fn thaw_as<T: Serialize + DeserializeOwned + 'static>(image: &[u8]) -> io::Result<Vec<f64>> {
    let (codec, image) = (StorableOf::<T>::new(), Bytes::copy_from_slice(image));
    each(image.len(), || codec.thaw(image.clone()).map_err(io::Error::other))
}

/// What the codec does, but that it takes the data.
fn nfreeze_as<T: Serialize + DeserializeOwned + 'static>(image: &[u8]) -> io::Result<Vec<f64>> {
    let data = StorableOf::<T>::new().thaw(image.to_vec().into()).map_err(io::Error::other)?;
    each(image.len(), || {
        let value = to_value(&data).map_err(io::Error::other)?;
        value.nfreeze().map_err(io::Error::other)
    })
}

fn get(image: &[u8]) -> io::Result<Vec<f64>> {
    let value = Value::thaw(image.to_vec()).map_err(io::Error::other)?;
    let mut filter = compressed()?;
    let mut frame = Vec::<u8>::new();
    filter.put(value, &mut frame).map_err(io::Error::other)?;
    let frame = Bytes::from(frame);
    each(image.len(), || filter.get(frame.clone()).map_err(io::Error::other))
}

fn put(image: &[u8]) -> io::Result<Vec<f64>> {
    let value = Value::thaw(image.to_vec()).map_err(io::Error::other)?;
    let mut filter = compressed()?;
    each(image.len(), || {
        let mut frame = Vec::<u8>::new();
        filter.put(value.clone(), &mut frame).map_err(io::Error::other)?;
        Ok(frame)
    })
}

fn compressed() -> io::Result<Reference<Storable>> {
    Reference::builder(Storable::new()).compression().build().map_err(io::Error::other)
}

fn each<R>(octets: usize, mut work: impl FnMut() -> io::Result<R>) -> io::Result<Vec<f64>> {
    let count = (OCTETS / octets).clamp(10, 5_000);
    let started = Instant::now();
    for _ in 0..count {
        black_box(work()?);
    }
    Ok(vec![nanoseconds_each(started.elapsed(), count as u64)])
}
