//! A plain file that grows, and how its being another one shows.

use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;
use std::{fs, io};

use bytes::{Buf, Bytes};
use nix::errno::Errno;
use nix::sys::stat::{FileStat, fstat};
use nix::sys::uio::pread;
use poe_driver::ReadBuffer;

use super::position::{Position, WINDOW};

/// Which file it is, for as long as it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "types differ by system")]
    pub(super) fn of_stat(stat: &FileStat) -> Self {
        Self { device: stat.st_dev as u64, inode: stat.st_ino as u64 }
    }
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Grown {
    /// These octets are new.
    By(Bytes),
    /// None is.
    Not,
    /// What was read before is no longer there: the file was truncated, and maybe written anew.
    IsAnother,
}

/// Each read begins a little before the place where the last one ended, and what is there must be what was there: thus
/// a file that was truncated is found out however much was written to it since.
pub(super) struct Tail {
    handle: Rc<dyn AsFd>,
    pub(super) identity: Identity,
    offset: u64,
    /// The last octets before the offset.
    window: Vec<u8>,
}

impl Tail {
    /// At the start of the file.
    pub(super) fn new(handle: Rc<dyn AsFd>, identity: Identity) -> Self {
        Self { handle, identity, offset: 0, window: Vec::new() }
    }

    pub(super) fn handle(&self) -> &Rc<dyn AsFd> {
        &self.handle
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(fstat(&self.handle)?.st_size.unsigned_abs())
    }

    /// Whether it has no name any more.
    pub(super) fn is_deleted(&self) -> bool {
        fstat(&self.handle).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Goes on from there.
    pub(super) fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.window = self.before(offset)?;
        self.offset = offset;
        Ok(())
    }

    /// Goes on from a place in this very file; false when this is another.
    pub(super) fn resume(&mut self, position: &Position) -> io::Result<bool> {
        let offset = position.offset();
        if self.len()? < offset || !position.is_behind(&self.before(offset)?) {
            return Ok(false);
        }
        self.seek(offset)?;
        Ok(true)
    }

    /// The place that is this many octets before the one that was read to. If what was read is no longer there, it is the
    /// start of the file: what is there now was not read.
    pub(super) fn position(&self, back: usize) -> io::Result<Position> {
        let inode = self.identity.inode;
        let offset = self.offset.saturating_sub(back as u64);
        let from = offset.saturating_sub(WINDOW as u64);
        let mut octets = vec![0; usize::try_from(self.offset - from).unwrap_or(usize::MAX)];
        let count = read_at(&self.handle, &mut octets, from)?;
        let is_same = count == octets.len() && octets.ends_with(&self.window);
        if is_same && octets.len() >= self.window.len() {
            let before = usize::try_from(offset - from).unwrap_or(usize::MAX);
            Ok(Position::new(inode, offset, &octets[..before]))
        } else {
            Ok(Position::new(inode, 0, &[]))
        }
    }

    /// Begins again at the start.
    pub(super) fn rewind(&mut self) {
        self.offset = 0;
        self.window.clear();
    }

    /// Reads once.
    pub(super) fn read(&mut self, buffer: &mut ReadBuffer) -> io::Result<Grown> {
        let known = self.window.len();
        let from = self.offset - known as u64;
        let mut octets = buffer.read(usize::MAX, |space| read_at(&self.handle, space, from))?;
        if !octets.starts_with(&self.window) {
            return Ok(Grown::IsAnother);
        }
        if octets.len() == known {
            return Ok(Grown::Not);
        }
        self.offset += (octets.len() - known) as u64;
        self.window.clear();
        self.window.extend_from_slice(&octets[octets.len().saturating_sub(WINDOW)..]);
        octets.advance(known);
        Ok(Grown::By(octets))
    }

    fn before(&self, offset: u64) -> io::Result<Vec<u8>> {
        let from = offset.saturating_sub(WINDOW as u64);
        let mut octets = vec![0; usize::try_from(offset - from).unwrap_or(WINDOW)];
        let count = read_at(&self.handle, &mut octets, from)?;
        octets.truncate(count);
        Ok(octets)
    }
}

/// Which file has this name, unless it is a directory.
pub(super) fn look_up(path: &Path) -> io::Result<Identity> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() { Err(Errno::EISDIR.into()) } else { Ok(Identity::of(&metadata)) }
}

/// Reads as much as there is, up to the size of the space.
fn read_at(handle: &Rc<dyn AsFd>, space: &mut [u8], from: u64) -> io::Result<usize> {
    let from = from.try_into().map_err(|_| Errno::EOVERFLOW)?;
    loop {
        match pread(handle, space, from) {
            Err(Errno::EINTR) => {}
            done => return Ok(done?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    /// A file without a name, and a tail of it.
    fn tail() -> (File, Tail) {
        crate::descriptors::count();
        let path = std::env::temp_dir().join(format!("poe-tail-{}", std::process::id()));
        let path = path.with_extension(format!("{:?}", std::thread::current().id()));
        let options = File::options().append(true).create(true).read(true).clone();
        let (file, handle) = (options.open(&path).unwrap(), File::open(&path).unwrap());
        fs::remove_file(path).unwrap();
        let identity = Identity::of(&handle.metadata().unwrap());
        (file, Tail::new(Rc::new(handle), identity))
    }

    fn read(tail: &mut Tail) -> Grown {
        tail.read(&mut ReadBuffer::new()).unwrap()
    }

    fn by(octets: &'static str) -> Grown {
        Grown::By(octets.into())
    }

    #[test]
    fn only_what_is_new_is_read() {
        let (mut file, mut tail) = tail();
        assert_eq!(read(&mut tail), Grown::Not);
        for text in ["one", "two", "three"] {
            file.write_all(text.as_bytes()).unwrap();
            assert_eq!(read(&mut tail), by(text));
            assert_eq!(read(&mut tail), Grown::Not);
        }
    }

    #[test]
    fn a_truncated_file_is_another_however_long_it_is_now() {
        for text in ["", "b", "bbb", "bbbbbb"] {
            let (mut file, mut tail) = tail();
            file.write_all(b"aaa").unwrap();
            assert_eq!(read(&mut tail), by("aaa"));
            file.set_len(0).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            assert_eq!(read(&mut tail), Grown::IsAnother);
            tail.rewind();
            let expected = if text.is_empty() { Grown::Not } else { by(text) };
            assert_eq!(read(&mut tail), expected);
        }
    }

    #[test]
    fn much_is_read_in_pieces_that_fit_together() {
        let (mut file, mut tail) = tail();
        let text: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        file.write_all(&text).unwrap();
        let mut seen = Vec::new();
        while let Grown::By(octets) = read(&mut tail) {
            seen.extend_from_slice(&octets);
        }
        assert!(seen == text);
    }

    #[test]
    fn a_position_is_come_back_to_in_the_same_contents_only() {
        let (mut file, mut tail) = tail();
        file.write_all(&b"0123456789\n".repeat(300)).unwrap();
        while read(&mut tail) != Grown::Not {}
        for back in [0, 1, 1500, 3300] {
            let position = tail.position(back).unwrap();
            assert_eq!(position.offset(), 3300 - back as u64);
            assert!(tail.resume(&position).unwrap());
            assert_eq!(tail.offset(), position.offset());
            while read(&mut tail) != Grown::Not {}
        }
        let position = tail.position(0).unwrap();
        file.set_len(0).unwrap();
        file.write_all(&b"abcdefghij\n".repeat(400)).unwrap();
        assert!(!tail.resume(&position).unwrap());
        // What was read is gone, and what is there was not read.
        assert_eq!(tail.position(0).unwrap().offset(), 0);
    }
}
