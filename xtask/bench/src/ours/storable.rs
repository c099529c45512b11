//! Images of Perl's Storable.

use std::hint::black_box;
use std::io;
use std::time::Instant;

use bytes::Bytes;
use poe_filter::prelude::*;
use poe_filter::reference::{Codec, Reference, Storable, StorableOf};
use poe_filter::storable::{Value, to_value};

use crate::contest::nanoseconds_each;
use crate::storable::OCTETS;

/// Data of any shape.
type Data = serde_json::Value;

/// Work with an image, in nanoseconds.
pub type Work = fn(&[u8]) -> io::Result<Vec<f64>>;

/// Read and written, as values and as data of any type, and with compression, through the filter.
pub const WORK: [Work; 6] = [thaw, nfreeze, thaw_data, nfreeze_data, get, put];

fn thaw(image: &[u8]) -> io::Result<Vec<f64>> {
    let image = Bytes::copy_from_slice(image);
    each(image.len(), || Value::thaw(image.clone()).map_err(io::Error::other))
}

fn nfreeze(image: &[u8]) -> io::Result<Vec<f64>> {
    let value = Value::thaw(image.to_vec()).map_err(io::Error::other)?;
    each(image.len(), || value.nfreeze().map_err(io::Error::other))
}

fn thaw_data(image: &[u8]) -> io::Result<Vec<f64>> {
    let (codec, image) = (StorableOf::<Data>::new(), Bytes::copy_from_slice(image));
    each(image.len(), || codec.thaw(image.clone()).map_err(io::Error::other))
}

/// What the codec does, but that it takes the data.
fn nfreeze_data(image: &[u8]) -> io::Result<Vec<f64>> {
    let data = StorableOf::<Data>::new().thaw(image.to_vec().into()).map_err(io::Error::other)?;
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
