//! Records by the dozen.

use std::collections::VecDeque;
use std::fmt;

use crate::{BoxedTransform, ConfigError, FilterError, Transform};

/// Gathers records into blocks of equal size. POE's `POE::Filter::RecordBlock`.
///
/// A record of input is a list of exactly [`blocksize`](RecordBlock::blocksize) records of the layer
/// below. A record of output is a list of any length, whose items are put one after the other;
/// with [`checkput`](RecordBlock::checkput) they are put by whole blocks, and the rest waits for the
/// next lists.
///
/// An input that ends within a block is a fatal error, and the rest stays pending.
///
/// ```
/// use poe_filter::{Filter, Line, RecordBlock};
///
/// let mut filter = Line::new().then(RecordBlock::new(2)?);
/// assert_eq!(filter.get("a\nb\nc\n".into())?, [["a", "b"]]);
/// assert_eq!(filter.get_pending(), "c\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RecordBlock<R, W = R> {
    gathered: VecDeque<R>,
    blocksize: usize,
    checkput: bool,
    put_pending: Vec<W>,
}

impl<R: 'static, W: 'static> RecordBlock<R, W> {
    /// Blocks of so many records. POE's `BlockSize`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Zero`].
    pub fn new(blocksize: usize) -> Result<Self, ConfigError> {
        check(blocksize)?;
        Ok(Self::with(blocksize, false))
    }

    /// The same, with output by whole blocks or not. POE's `CheckPut`, off unless asked for.
    ///
    /// ```
    /// use poe_filter::{RecordBlock, Transform};
    ///
    /// let mut filter = RecordBlock::<u32>::new(3)?.with_checkput(true);
    /// assert_eq!(filter.put_all(vec![vec![1, 2], vec![3, 4]])?, [1, 2, 3]);
    /// assert_eq!(filter.put_pending(), [4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_checkput(mut self, checkput: bool) -> Self {
        self.checkput = checkput;
        self
    }

    /// How many records a block has.
    ///
    /// ```
    /// # use poe_filter::RecordBlock;
    /// assert_eq!(RecordBlock::<u32>::new(4)?.blocksize(), 4);
    /// # Ok::<(), poe_filter::ConfigError>(())
    /// ```
    #[must_use]
    pub fn blocksize(&self) -> usize {
        self.blocksize
    }

    /// Changes the size of blocks, those of input from the next one on. What was gathered counts.
    ///
    /// ```
    /// # use poe_filter::RecordBlock;
    /// let mut filter = RecordBlock::<u32>::new(4)?;
    /// filter.set_blocksize(2)?;
    /// assert!(filter.set_blocksize(0).is_err());
    /// assert_eq!(filter.blocksize(), 2);
    /// # Ok::<(), poe_filter::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::Zero`]; the size stays what it was.
    pub fn set_blocksize(&mut self, blocksize: usize) -> Result<(), ConfigError> {
        check(blocksize)?;
        self.blocksize = blocksize;
        Ok(())
    }

    /// Whether output goes by whole blocks.
    ///
    /// ```
    /// # use poe_filter::RecordBlock;
    /// assert!(!RecordBlock::<u32>::new(4)?.checkput());
    /// # Ok::<(), poe_filter::ConfigError>(())
    /// ```
    #[must_use]
    pub fn checkput(&self) -> bool {
        self.checkput
    }

    /// Changes whether output goes by whole blocks. What waits goes before the next list.
    ///
    /// ```
    /// # use poe_filter::{RecordBlock, Transform};
    /// let mut filter = RecordBlock::<u32>::new(2)?.with_checkput(true);
    /// assert!(filter.put_all(vec![vec![1]])?.is_empty());
    /// filter.set_checkput(false);
    /// assert_eq!(filter.put_all(vec![vec![2, 3]])?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_checkput(&mut self, checkput: bool) {
        self.checkput = checkput;
    }

    /// The records of output that wait for a block to be whole.
    #[must_use]
    pub fn put_pending(&self) -> &[W] {
        &self.put_pending
    }

    /// Takes out the records of output that wait, before the filter is let go.
    ///
    /// ```
    /// # use poe_filter::{RecordBlock, Transform};
    /// let mut filter = RecordBlock::<u32>::new(2)?.with_checkput(true);
    /// assert_eq!(filter.put_all(vec![vec![1, 2, 3]])?, [1, 2]);
    /// assert_eq!(filter.take_put_pending(), [3]);
    /// assert!(filter.put_pending().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_put_pending(&mut self) -> Vec<W> {
        std::mem::take(&mut self.put_pending)
    }

    /// The records that are no block yet.
    ///
    /// ```
    /// # use poe_filter::{RecordBlock, Transform};
    /// let mut filter = RecordBlock::<u32>::new(4)?;
    /// assert_eq!(filter.get(vec![1, 2, 3, 4, 5])?, [[1, 2, 3, 4]]);
    /// assert!(filter.get_pending().eq(&[5]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_pending(&self) -> impl Iterator<Item = &R> {
        self.gathered.iter()
    }

    fn with(blocksize: usize, checkput: bool) -> Self {
        Self { gathered: VecDeque::new(), blocksize, checkput, put_pending: Vec::new() }
    }
}

fn check(blocksize: usize) -> Result<(), ConfigError> {
    if blocksize == 0 { Err(ConfigError::Zero { parameter: "blocksize" }) } else { Ok(()) }
}

/// The input ended within a block.
#[derive(Debug, thiserror::Error)]
#[error(
    "input ended after {gathered} records of a block of {blocksize}; the peer closed too early"
)]
struct PartialBlock {
    gathered: usize,
    blocksize: usize,
}

impl<R: 'static, W: 'static> Transform for RecordBlock<R, W> {
    type From = R;
    type In = Vec<R>;
    type Out = Vec<W>;
    type To = W;

    fn get_one_start(&mut self, record: R) {
        self.gathered.push_back(record);
    }

    fn get_one(&mut self) -> Result<Option<Vec<R>>, FilterError> {
        if self.gathered.len() < self.blocksize {
            return Ok(None);
        }
        if self.gathered.len() == self.blocksize {
            return Ok(Some(std::mem::take(&mut self.gathered).into()));
        }
        Ok(Some(self.gathered.drain(..self.blocksize).collect()))
    }

    fn finish(&mut self) -> Result<Option<Vec<R>>, FilterError> {
        match self.gathered.len() {
            0 => Ok(None),
            gathered => {
                Err(FilterError::stream(PartialBlock { gathered, blocksize: self.blocksize }))
            }
        }
    }

    fn put(&mut self, record: Vec<W>, below: &mut dyn FnMut(W)) -> Result<(), FilterError> {
        self.put_pending.extend(record);
        let count = self.put_pending.len();
        let whole = if self.checkput { count - count % self.blocksize } else { count };
        self.put_pending.drain(..whole).for_each(below);
        Ok(())
    }

    fn pending(&self) -> Option<usize> {
        Some(self.gathered.len())
    }

    fn take_pending(&mut self) -> Vec<R> {
        std::mem::take(&mut self.gathered).into()
    }

    fn reset(&mut self) {
        self.gathered = VecDeque::new();
    }

    fn fresh(&self) -> BoxedTransform<R, Vec<R>, Vec<W>, W> {
        Box::new(Self::with(self.blocksize, self.checkput))
    }
}

/// Tells how many records are held, which need not be printable.
impl<R, W> fmt::Debug for RecordBlock<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordBlock")
            .field("blocksize", &self.blocksize)
            .field("checkput", &self.checkput)
            .field("gathered", &self.gathered.len())
            .field("put_pending", &self.put_pending.len())
            .finish()
    }
}
