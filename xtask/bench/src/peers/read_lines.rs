//! Reads a file and finds its lines: a loop around `read` and `memchr`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// As much as we read at once.
const BLOCK: usize = 64 * 1024;

/// Looks at each line of a file.
pub fn each_line(path: &Path, mut look: impl FnMut(&[u8])) -> io::Result<()> {
    let mut file = File::open(path)?;
    // The unfinished line is moved to the front, and what is read follows it.
    let mut buffer = vec![0; 2 * BLOCK];
    let mut unfinished = 0;
    loop {
        let count = file.read(&mut buffer[unfinished..unfinished + BLOCK])?;
        if count == 0 {
            return Ok(());
        }
        let filled = unfinished + count;
        let mut start = 0;
        while let Some(length) = memchr::memchr(b'\n', &buffer[start..filled]) {
            look(&buffer[start..start + length]);
            start += length + 1;
        }
        buffer.copy_within(start..filled, 0);
        unfinished = filled - start;
    }
}
