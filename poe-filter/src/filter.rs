//! The interface of all filters.

use std::any::Any;
use std::fmt::Debug;

use bytes::Bytes;

use crate::{FilterError, Sink, Then, Transform};

/// Turns a stream of octets into records, and records into octets. POE's `POE::Filter`.
///
/// Both directions are independent of one another, and neither touches a handle: whoever has octets
/// gives them to [`get_one_start`](Filter::get_one_start) and asks [`get_one`](Filter::get_one)
/// until it says `None`; whoever has a record gives it to [`put`](Filter::put) and sends what comes
/// out.
///
/// # For those who write one
///
/// - A record must not depend on how the stream was divided into chunks.
/// - `get_one_start` only keeps the chunk. It does not parse, and so gives no record away when the
///   filter is about to be replaced.
/// - `None` from `get_one` means "more input is needed", never "this record was swallowed": a filter
///   that drops a record goes on to the next one in the same call.
/// - When `get_one` says `None`, the chunk has been let go: it is likely a piece of a large buffer
///   that many connections share. What is left of it is copied, and no more than a record is left.
/// - An error that is not [fatal](FilterError::is_fatal) has consumed what it complains about.
/// - [`take_pending`](Filter::take_pending) leaves nothing behind, and
///   [`fresh`](Filter::fresh) inherits nothing but the configuration.
///
/// ```
/// use poe_filter::{Filter, Line};
///
/// let mut filter = Line::new();
/// filter.get_one_start("one\ntwo\nthr".into())?;
/// assert_eq!(filter.get_one()?.unwrap(), "one");
/// assert_eq!(filter.get_one()?.unwrap(), "two");
/// assert!(filter.get_one()?.is_none());
/// assert_eq!(filter.get_pending(), "thr");
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
pub trait Filter: Debug + AsAny {
    /// The record that input is turned into.
    type In: 'static;

    /// The record that output is made of.
    type Out: 'static;

    /// Adds input, without looking for records in it.
    ///
    /// # Errors
    ///
    /// [`FilterError::BufferTooLong`] if the filter holds more than its `MaxBuffer` now. The chunk has been
    /// added all the same, and its records can be taken out. Until they are, more is refused:
    /// [`FilterError::BufferFull`].
    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError>;

    /// Takes the next record out of the input; `None` if that needs more input.
    ///
    /// # Errors
    ///
    /// If the next record breaks a limit or is malformed. Unless the error is
    /// [fatal](FilterError::is_fatal), the next call goes on behind it.
    fn get_one(&mut self) -> Result<Option<Self::In>, FilterError>;

    /// Adds input and takes out all records that are complete.
    ///
    /// ```
    /// use poe_filter::{Filter, Line};
    ///
    /// assert_eq!(Line::new().get("one\ntwo\nthr".into())?, ["one", "two"]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first error of [`get_one_start`](Filter::get_one_start) and
    /// [`get_one`](Filter::get_one). Records taken before it are dropped: where errors are to be
    /// expected, call these two instead.
    fn get(&mut self, chunk: Bytes) -> Result<Vec<Self::In>, FilterError> {
        self.get_one_start(chunk)?;
        let mut records = Vec::new();
        while let Some(record) = self.get_one()? {
            records.push(record);
        }
        Ok(records)
    }

    /// Takes a record out of what is left when the input has ended; `None` if there is none.
    ///
    /// It is called after [`get_one`](Filter::get_one) said `None`, until it says `None` itself.
    /// POE has no such method, and loses the last line of a file that lacks its newline.
    ///
    /// ```
    /// use poe_filter::{Filter, Line};
    ///
    /// let mut filter = Line::new();
    /// assert_eq!(filter.get("one\ntwo".into())?, ["one"]);
    /// assert_eq!(filter.finish()?.unwrap(), "two");
    /// assert!(filter.finish()?.is_none());
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If what is left is no record, such as half a block.
    fn finish(&mut self) -> Result<Option<Self::In>, FilterError>;

    /// Serializes a record.
    ///
    /// ```
    /// use poe_filter::{Block, Filter};
    ///
    /// let mut out = Vec::<u8>::new();
    /// Block::new().put("abc".into(), &mut out)?;
    /// assert_eq!(out, b"3\0abc");
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the record can not be serialized. Nothing has been put into the sink then.
    fn put(&mut self, record: Self::Out, sink: &mut dyn Sink) -> Result<(), FilterError>;

    /// A copy of the input that no record was made of yet; empty if there is none.
    ///
    /// This is for looking at. To hand input over to another filter, use
    /// [`take_pending`](Filter::take_pending).
    fn get_pending(&self) -> Bytes;

    /// How many octets [`get_pending`](Filter::get_pending) would give.
    ///
    /// A stack of filters asks this for each record, so a filter had better know without copying.
    ///
    /// ```
    /// use poe_filter::{Filter, Line};
    ///
    /// let mut filter = Line::new();
    /// filter.get_one_start("one\ntwo".into())?;
    /// assert_eq!(filter.get_one()?.unwrap(), "one");
    /// assert_eq!(filter.pending_len(), 3);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    fn pending_len(&self) -> usize {
        self.get_pending().len()
    }

    /// Takes the input that no record was made of yet out of the filter.
    ///
    /// Fed to another filter, it lets that one go on exactly behind the last record. Another filter knows nothing of what
    /// this one was about to skip, such as the rest of a block that was too long.
    ///
    /// ```
    /// use poe_filter::{Block, Filter, Line};
    ///
    /// let mut line = Line::new();
    /// line.get_one_start("blocks of 2 follow\nabcd".into())?;
    /// assert_eq!(line.get_one()?.unwrap(), "blocks of 2 follow");
    ///
    /// let mut block = Block::fixed(2)?;
    /// assert_eq!(block.get(line.take_pending())?, ["ab", "cd"]);
    /// assert!(line.get_pending().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn take_pending(&mut self) -> Bytes;

    /// Takes the input that no record was made of yet, as [`take_pending`](Filter::take_pending) does, to have it come
    /// again by another way: the filter goes on where it is, such as within a body of which it has given the head.
    ///
    /// A stack does so when a layer is put below the filter. The default is for a filter that knows nothing of what
    /// came before its pending input; any other is to keep that.
    ///
    /// ```
    /// use poe_filter::{Block, Filter};
    ///
    /// let mut filter = Block::builder().max_length(3).build()?;
    /// assert!(filter.get("4\0".into()).is_err(), "too long, and to be skipped");
    /// filter.get_one_start("ab".into())?;
    /// assert_eq!(filter.take_unread(), "ab");
    /// assert_eq!(filter.get("abcd1\0g".into())?, ["g"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn take_unread(&mut self) -> Bytes {
        self.take_pending()
    }

    /// How many octets, of those that are pending, came before the record that was given last: none, but for a
    /// filter that gives records out of their order, such as control frames within a message.
    fn pending_before(&self) -> usize {
        0
    }

    /// For stacks of filters: the octets that the record given last came from, if the filter knows better than by what
    /// is pending.
    #[doc(hidden)]
    fn take_used(&mut self) -> Option<Bytes> {
        None
    }

    /// A new filter of the same configuration, without any input or knowledge of this one's.
    /// POE's `clone`.
    ///
    /// ```
    /// use poe_filter::{Filter, Line};
    ///
    /// let mut filter = Line::literal("!")?;
    /// filter.get_one_start("pending".into())?;
    /// assert_eq!(filter.fresh().get("other!".into())?, ["other"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn fresh(&self) -> Box<dyn Filter<In = Self::In, Out = Self::Out>>;

    /// For who has a filter and does not know of which type: the filter itself, whatever box it is in.
    #[doc(hidden)]
    fn itself(&mut self) -> &mut dyn Any {
        self.as_any_mut()
    }

    /// Puts a layer on this filter, which turns its records into others, and back. The two are a
    /// filter again. POE's `POE::Filter::Stackable`; see [`Stackable`](crate::Stackable) for a stack
    /// that changes at run time.
    ///
    /// ```
    /// use poe_filter::{Filter, Grep, IntoRecord, Line, Map, RecordBlock};
    ///
    /// let mut filter = Line::literal("!")?
    ///     .then(Map::new(|line: bytes::Bytes| line.len(), |length| "x".repeat(length).into_record()))
    ///     .then(Grep::both(|length: &usize| *length > 0))
    ///     .then(RecordBlock::new(2)?);
    /// assert_eq!(filter.get("a!!bb!ccc!".into())?, [[1, 2]]);
    /// let mut out = Vec::<u8>::new();
    /// filter.put(vec![1, 0, 2], &mut out)?;
    /// assert_eq!(out, b"x!xx!");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What does not fit does not compile:
    ///
    /// ```compile_fail,E0271
    /// use poe_filter::{Filter, Grep, Line};
    ///
    /// let filter = Line::new().then(Grep::both(|number: &u32| *number > 0));
    /// ```
    fn then<T>(self, upper: T) -> Then<Self, T>
    where
        Self: Sized + 'static,
        T: Transform<From = Self::In, To = Self::Out> + 'static,
    {
        Then::new(self, upper)
    }

    /// The filter in a box. One that is in a box already is not put into another, so that calling
    /// it takes no detour.
    fn boxed(self) -> Box<dyn Filter<In = Self::In, Out = Self::Out>>
    where
        Self: Sized + 'static,
    {
        Box::new(self)
    }
}

impl<In: 'static, Out: 'static> Filter for Box<dyn Filter<In = In, Out = Out>> {
    type In = In;
    type Out = Out;

    #[inline]
    fn get_one_start(&mut self, chunk: Bytes) -> Result<(), FilterError> {
        (**self).get_one_start(chunk)
    }

    #[inline]
    fn get_one(&mut self) -> Result<Option<Self::In>, FilterError> {
        (**self).get_one()
    }

    #[inline]
    fn get(&mut self, chunk: Bytes) -> Result<Vec<Self::In>, FilterError> {
        (**self).get(chunk)
    }

    #[inline]
    fn finish(&mut self) -> Result<Option<Self::In>, FilterError> {
        (**self).finish()
    }

    #[inline]
    fn put(&mut self, record: Self::Out, sink: &mut dyn Sink) -> Result<(), FilterError> {
        (**self).put(record, sink)
    }

    #[inline]
    fn get_pending(&self) -> Bytes {
        (**self).get_pending()
    }

    #[inline]
    fn pending_len(&self) -> usize {
        (**self).pending_len()
    }

    #[inline]
    fn take_pending(&mut self) -> Bytes {
        (**self).take_pending()
    }

    #[inline]
    fn take_unread(&mut self) -> Bytes {
        (**self).take_unread()
    }

    #[inline]
    fn pending_before(&self) -> usize {
        (**self).pending_before()
    }

    #[inline]
    fn take_used(&mut self) -> Option<Bytes> {
        (**self).take_used()
    }

    #[inline]
    fn fresh(&self) -> Box<dyn Filter<In = Self::In, Out = Self::Out>> {
        (**self).fresh()
    }

    fn itself(&mut self) -> &mut dyn Any {
        (**self).itself()
    }

    fn boxed(self) -> Box<dyn Filter<In = In, Out = Out>> {
        self
    }
}

/// What all types are that borrow nothing.
#[doc(hidden)]
pub trait AsAny: Any {
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<T: Any> AsAny for T {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// For a filter whose input is all in another one, a field of it: the methods that are about input alone.
macro_rules! input_in {
    ($filter:ident) => {
        #[inline]
        fn get_one_start(&mut self, chunk: bytes::Bytes) -> Result<(), $crate::FilterError> {
            self.$filter.get_one_start(chunk)
        }

        fn get_pending(&self) -> bytes::Bytes {
            self.$filter.get_pending()
        }

        fn pending_len(&self) -> usize {
            self.$filter.pending_len()
        }

        fn take_pending(&mut self) -> bytes::Bytes {
            self.$filter.take_pending()
        }

        fn take_unread(&mut self) -> bytes::Bytes {
            self.$filter.take_unread()
        }
    };
}

pub(crate) use input_in;
