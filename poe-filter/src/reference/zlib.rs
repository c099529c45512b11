//! Images compressed as zlib does (RFC 1950).

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

pub(super) fn compress(image: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(image)?;
    encoder.finish()
}

/// Fails also if there are more than `limit` octets, of which no more are made.
pub(super) fn decompress(octets: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut image = Vec::new();
    let limited = (limit as u64).saturating_add(1);
    ZlibDecoder::new(octets).take(limited).read_to_end(&mut image).map_err(|error| {
        let advice = "check that both ends agree on compression";
        io::Error::new(error.kind(), format!("image can not be decompressed: {error}; {advice}"))
    })?;
    if image.len() > limit {
        return Err(io::Error::other(format!(
            "decompressed image exceeds the limit of {limit} octets; raise max_length if the peer \
             may send longer ones"
        )));
    }
    Ok(image)
}
