//! What stands on a filter: records to other records, and back.

use std::fmt::Debug;

use crate::FilterError;

/// Turns records into other records, in both directions: the upper layer of a stack of filters.
///
/// In POE any filter may stand on any other, as long as it happens to understand what that one
/// gives. Here the lowest layer of a stack is a [`Filter`](crate::Filter), which begins with octets, and each layer
/// above it is a `Transform`, which begins with the records of the one below.
/// [`then`](crate::Filter::then) puts one on the other, and the compiler checks that they fit;
/// [`Stackable`](crate::Stackable) does so at run time. [`FilterLayer`](crate::FilterLayer) makes a `Transform` of a filter.
///
/// [`Grep`](crate::Grep), [`Map`](crate::Map) and [`RecordBlock`](crate::RecordBlock) are such
/// layers.
///
/// # For those who write one
///
/// - `None` from `get_one` means "more records are needed", never "this one was swallowed".
/// - An error that is not [fatal](FilterError::is_fatal) has consumed what it complains about.
/// - One that gathers records before it gives any says how many in [`pending`](Transform::pending).
///
/// ```
/// use poe_filter::{Filter, FilterError, Line, Transform};
///
/// /// Numbers the records of input.
/// #[derive(Debug, Default)]
/// struct Numbered {
///     count: u64,
///     record: Option<bytes::Bytes>,
/// }
///
/// impl Transform for Numbered {
///     type From = bytes::Bytes;
///     type In = (u64, bytes::Bytes);
///     type Out = bytes::Bytes;
///     type To = bytes::Bytes;
///
///     fn get_one_start(&mut self, record: bytes::Bytes) {
///         self.record = Some(record);
///     }
///     fn get_one(&mut self) -> Result<Option<Self::In>, FilterError> {
///         let Some(record) = self.record.take() else { return Ok(None) };
///         self.count += 1;
///         Ok(Some((self.count, record)))
///     }
///     fn put(
///         &mut self,
///         record: bytes::Bytes,
///         below: &mut dyn FnMut(bytes::Bytes),
///     ) -> Result<(), FilterError> {
///         below(record);
///         Ok(())
///     }
///     fn reset(&mut self) {
///         self.record = None;
///     }
///     fn fresh(&self) -> poe_filter::BoxedTransform<Self::From, Self::In, Self::Out, Self::To> {
///         Box::new(Self::default())
///     }
/// }
///
/// let mut filter = Line::new().then(Numbered::default());
/// assert_eq!(filter.get("a\nb\n".into())?, [(1, "a".into()), (2, "b".into())]);
/// # Ok::<(), FilterError>(())
/// ```
pub trait Transform: Debug {
    /// What the layer below gives: its [`In`](crate::Filter::In).
    type From: 'static;

    /// The record that this is turned into.
    type In: 'static;

    /// The record that output is made of.
    type Out: 'static;

    /// What the layer below takes: its [`Out`](crate::Filter::Out).
    type To: 'static;

    /// Adds a record, without looking at it. A stack adds the next one when
    /// [`get_one`](Transform::get_one) said `None`.
    fn get_one_start(&mut self, record: Self::From);

    /// Makes the next record of those that were added; `None` if that needs more of them.
    ///
    /// # Errors
    ///
    /// If what was added can not be made a record. Unless the error is
    /// [fatal](FilterError::is_fatal), the next call goes on behind it.
    fn get_one(&mut self) -> Result<Option<Self::In>, FilterError>;

    /// Makes a record of what is left when the input has ended; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If what is left is no record, such as half a block.
    fn finish(&mut self) -> Result<Option<Self::In>, FilterError> {
        Ok(None)
    }

    /// Hands what a record becomes to the layer below: no record, one, or several.
    ///
    /// # Errors
    ///
    /// If it can not become any. What has been handed over is not put out then.
    fn put(
        &mut self,
        record: Self::Out,
        below: &mut dyn FnMut(Self::To),
    ) -> Result<(), FilterError>;

    /// How many of the records that were added last have become no record yet; `None` for a layer
    /// that never keeps any when [`get_one`](Transform::get_one) says `None`, as by default.
    ///
    /// A stack keeps the octets of these, so that they can be handed over to another filter.
    fn pending(&self) -> Option<usize> {
        None
    }

    /// Takes back the records that were added and have become no record yet, in their order. This is for a layer that
    /// is taken off its stack, which goes on with them. One that never keeps any needs no more than the default,
    /// which [forgets](Transform::reset) what there is.
    ///
    /// ```
    /// use poe_filter::{RecordBlock, Transform};
    ///
    /// let mut pairs = RecordBlock::<u32>::new(2)?;
    /// assert_eq!(pairs.get(vec![1, 2, 3])?, [[1, 2]]);
    /// assert_eq!(pairs.take_pending(), [3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn take_pending(&mut self) -> Vec<Self::From> {
        self.reset();
        Vec::new()
    }

    /// For stacks of filters: of a layer that is a filter, how many octets are pending in it, and how many of them
    /// [before](crate::Filter::pending_before) its latest record.
    #[doc(hidden)]
    fn octets(&self) -> Option<[usize; 2]> {
        None
    }

    /// Forgets what was added and has become no record yet.
    fn reset(&mut self);

    /// A new layer of the same configuration, without anything that was added or put.
    fn fresh(&self) -> BoxedTransform<Self::From, Self::In, Self::Out, Self::To>;

    /// Adds records and makes all that can be made.
    ///
    /// ```
    /// use poe_filter::{Grep, Transform};
    ///
    /// let mut odd = Grep::both(|number: &u32| number % 2 == 1);
    /// assert_eq!(odd.get(vec![1, 2, 3])?, [1, 3]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first error of [`get_one`](Transform::get_one). Records made before it are dropped.
    fn get(&mut self, records: Vec<Self::From>) -> Result<Vec<Self::In>, FilterError> {
        for record in records {
            self.get_one_start(record);
        }
        let mut made = Vec::new();
        while let Some(record) = self.get_one()? {
            made.push(record);
        }
        Ok(made)
    }

    /// Puts records, and gives what they become.
    ///
    /// ```
    /// use poe_filter::{RecordBlock, Transform};
    ///
    /// let mut pairs = RecordBlock::new(2)?;
    /// assert_eq!(pairs.put_all(vec![vec!['a', 'b'], vec!['c', 'd']])?, ['a', 'b', 'c', 'd']);
    /// # let _ = pairs.get(vec!['a'])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first error of [`put`](Transform::put). What was made before it is dropped.
    fn put_all(&mut self, records: Vec<Self::Out>) -> Result<Vec<Self::To>, FilterError> {
        let mut made = Vec::new();
        for record in records {
            self.put(record, &mut |record| made.push(record))?;
        }
        Ok(made)
    }
}

/// Any [`Transform`] between these records.
pub type BoxedTransform<From, In, Out, To> =
    Box<dyn Transform<From = From, In = In, Out = Out, To = To>>;

impl<F: 'static, I: 'static, O: 'static, T: 'static> Transform for BoxedTransform<F, I, O, T> {
    type From = F;
    type In = I;
    type Out = O;
    type To = T;

    fn get_one_start(&mut self, record: F) {
        (**self).get_one_start(record);
    }

    fn get_one(&mut self) -> Result<Option<I>, FilterError> {
        (**self).get_one()
    }

    fn finish(&mut self) -> Result<Option<I>, FilterError> {
        (**self).finish()
    }

    fn put(&mut self, record: O, below: &mut dyn FnMut(T)) -> Result<(), FilterError> {
        (**self).put(record, below)
    }

    fn pending(&self) -> Option<usize> {
        (**self).pending()
    }

    fn take_pending(&mut self) -> Vec<F> {
        (**self).take_pending()
    }

    fn octets(&self) -> Option<[usize; 2]> {
        (**self).octets()
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn fresh(&self) -> BoxedTransform<F, I, O, T> {
        (**self).fresh()
    }
}
