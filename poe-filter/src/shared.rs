//! A chunk that the records in it share.

use std::cell::Cell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

/// What the octets of a record are in.
///
/// To count a reference up and down, for which processors wait for one another, takes half as long as `httparse` takes for a short
/// request. But most records are dropped before the next one is taken out of their chunk, and so the thread
/// keeps the reference of a dropped one for the next.
#[derive(Clone)]
pub(crate) enum Shared {
    /// Octets in which no other record is.
    One(Bytes),
    /// A chunk with others.
    Chunk(Option<Arc<Bytes>>),
}

/// The chunk that a filter is taking records out of.
#[derive(Debug, Default)]
pub(crate) struct Sharing(Option<Arc<Bytes>>);

/// That chunk, of the filter that did so last on this thread.
struct Current {
    /// Where the count of its references is; 0 if there is none.
    chunk: Cell<usize>,
    /// The reference of a record that was dropped. The filter lets go of it at the latest when it is dropped itself; so the
    /// thread need not do so at its end, for which it would have to be ready at each use.
    spare: Cell<Option<ManuallyDrop<Arc<Bytes>>>>,
}

impl Current {
    #[inline(always)]
    fn take_spare(&self) -> Option<Arc<Bytes>> {
        self.spare.take().map(ManuallyDrop::into_inner)
    }

    #[inline(always)]
    fn put_spare(&self, chunk: Arc<Bytes>) -> Option<Arc<Bytes>> {
        self.spare.replace(Some(ManuallyDrop::new(chunk))).map(ManuallyDrop::into_inner)
    }
}

thread_local! {
    static CURRENT: Current = const { Current { chunk: Cell::new(0), spare: Cell::new(None) } };
}

fn address(chunk: &Arc<Bytes>) -> usize {
    Arc::as_ptr(chunk).addr()
}

impl Sharing {
    /// A reference to a chunk, of which more records will be taken out; [`end`](Sharing::end) ends that.
    #[inline(always)]
    pub(crate) fn share(&mut self, chunk: &Bytes) -> Shared {
        Shared::Chunk(Some(self.reference(chunk)))
    }

    #[inline(always)]
    fn reference(&mut self, chunk: &Bytes) -> Arc<Bytes> {
        if let Some(own) = &self.0
            && own.as_ptr() == chunk.as_ptr()
            && own.len() == chunk.len()
        {
            let spare = CURRENT.with(
                #[inline(always)]
                |current| {
                    if current.chunk.get() == address(own) { current.take_spare() } else { None }
                },
            );
            if let Some(spare) = spare {
                return spare;
            }
        }
        self.count(chunk)
    }

    #[inline(never)]
    fn count(&mut self, chunk: &Bytes) -> Arc<Bytes> {
        let is_own =
            |own: &&mut Arc<Bytes>| own.as_ptr() == chunk.as_ptr() && own.len() == chunk.len();
        let own = match self.0.as_mut().filter(is_own) {
            Some(own) => own,
            None => {
                self.end();
                self.0.insert(Arc::new(chunk.clone()))
            }
        };
        CURRENT.with(|current| {
            if current.chunk.replace(address(own)) != address(own) {
                current.take_spare();
            }
        });
        own.clone()
    }

    /// No more records are taken out of the chunk, and nothing of it is to be kept.
    pub(crate) fn end(&mut self) {
        let Some(own) = self.0.take() else { return };
        CURRENT.with(|current| {
            if current.chunk.get() == address(&own) {
                current.chunk.set(0);
                current.take_spare();
            }
        });
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        self.end();
    }
}

impl Deref for Shared {
    type Target = Bytes;

    #[inline]
    fn deref(&self) -> &Bytes {
        static NONE: Bytes = Bytes::new();
        match self {
            Self::Chunk(chunk) => chunk.as_deref().unwrap_or(&NONE),
            Self::One(octets) => octets,
        }
    }
}

impl Drop for Shared {
    #[inline]
    fn drop(&mut self) {
        if let Self::Chunk(chunk) = self
            && let Some(chunk) = chunk.take()
        {
            let dropped = CURRENT.with(
                #[inline(always)]
                |current| {
                    if current.chunk.get() == address(&chunk) {
                        current.put_spare(chunk)
                    } else {
                        Some(chunk)
                    }
                },
            );
            drop(dropped);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk() -> Bytes {
        Bytes::from(vec![b'x'; 100])
    }

    #[test]
    fn nothing_is_kept_of_a_chunk_that_has_come_to_its_end() {
        let (chunk, mut sharing) = (chunk(), Sharing::default());
        let (first, second) = (sharing.share(&chunk), sharing.share(&chunk));
        drop(first);
        let third = sharing.share(&chunk);
        assert_eq!((third.as_ptr(), third.len()), (chunk.as_ptr(), 100));
        drop(third);
        sharing.end();
        assert!(!chunk.is_unique(), "the second one is still there");
        drop(second);
        assert!(chunk.is_unique());
    }

    #[test]
    fn filters_take_turns() {
        let chunks = [chunk(), chunk()];
        let mut sharings = [Sharing::default(), Sharing::default()];
        for turn in 0..6 {
            let (chunk, sharing) = (&chunks[turn % 2], &mut sharings[turn % 2]);
            let (one, other) = (sharing.share(chunk), sharing.share(chunk));
            assert_eq!((one.as_ptr(), other.as_ptr()), (chunk.as_ptr(), chunk.as_ptr()));
        }
        // Whichever ends first, the other one is as before.
        let [one, other] = sharings;
        drop(one);
        assert!(chunks[0].is_unique() && !chunks[1].is_unique());
        drop(other);
        assert!(chunks[1].is_unique());
    }

    #[test]
    fn a_part_of_a_chunk_does_not_stand_for_all_of_it() {
        let (chunk, mut sharing) = (chunk(), Sharing::default());
        drop(sharing.share(&chunk));
        assert_eq!(sharing.share(&chunk.slice(..10)).len(), 10);
        assert_eq!(sharing.share(&chunk).len(), 100);
        drop(sharing);
        assert!(chunk.is_unique());
    }

    #[test]
    fn records_go_to_other_threads() {
        let (chunk, mut sharing) = (chunk(), Sharing::default());
        let shared = sharing.share(&chunk);
        std::thread::spawn(move || drop(shared)).join().unwrap();
        drop(sharing);
        assert!(chunk.is_unique());
    }
}
