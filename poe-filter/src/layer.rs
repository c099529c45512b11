//! A layer of any kind, in a stack that is put together at run time.

use std::any::{Any, TypeId, type_name};
use std::fmt::Debug;

use bytes::Bytes;

use crate::{ConfigError, Filter, FilterError, FilterLayer, Transform};

/// A filter or a [`Transform`] of any type, as an element of a [`Stackable`](crate::Stackable).
///
/// ```
/// use poe_filter::{IntoLayer, Line};
///
/// let layer = Line::new().into_layer();
/// assert_eq!(layer.name(), "Line");
/// assert!(layer.downcast_ref::<Line>().is_some());
/// ```
#[derive(Debug)]
pub struct Layer(pub(crate) Box<dyn Erased>);

impl Layer {
    /// The name of its type, without its module.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// The filter or transform, if it is of this type. The type of a layer that
    /// [`fresh`](Filter::fresh) made is not known.
    ///
    /// ```
    /// use poe_filter::{IntoLayer, Line, Stream};
    ///
    /// let layer = Line::new().into_layer();
    /// assert!(layer.downcast_ref::<Stream>().is_none());
    /// ```
    #[must_use]
    pub fn downcast_ref<T: 'static>(&self) -> Option<&T> {
        self.0.as_any().downcast_ref()
    }

    /// The same, to change its parameters.
    ///
    /// ```
    /// use poe_filter::{IntoLayer, RecordBlock};
    ///
    /// let mut layer = RecordBlock::<u32>::new(4)?.into_layer();
    /// layer.downcast_mut::<RecordBlock<u32>>().unwrap().set_blocksize(2)?;
    /// # Ok::<(), poe_filter::ConfigError>(())
    /// ```
    #[must_use]
    pub fn downcast_mut<T: 'static>(&mut self) -> Option<&mut T> {
        self.0.as_any_mut().downcast_mut()
    }
}

/// What can be a [`Layer`]: filters, transforms, and layers themselves.
///
/// `Kind` tells these apart, and is for the compiler to find.
///
/// ```
/// use poe_filter::{Grep, IntoLayer, Line};
///
/// let layers = [Line::new().into_layer(), Grep::both(|_: &u32| true).into_layer()];
/// assert_eq!(layers.map(|layer| layer.name()), ["Line", "Grep"]);
/// ```
pub trait IntoLayer<Kind> {
    /// Makes it one.
    fn into_layer(self) -> Layer;
}

/// The kinds of [`IntoLayer`].
#[doc(hidden)]
pub mod kind {
    #[derive(Debug)]
    pub enum OfFilter {}
    #[derive(Debug)]
    pub enum OfTransform {}
    #[derive(Debug)]
    pub enum OfLayer {}
}

impl<F: Filter + 'static> IntoLayer<kind::OfFilter> for F {
    fn into_layer(self) -> Layer {
        Layer(Box::new(of_filter(FilterLayer::new(self), short_name::<F>())))
    }
}

impl<T: Transform + 'static> IntoLayer<kind::OfTransform> for T {
    fn into_layer(self) -> Layer {
        Layer(Box::new(of_transform(self, short_name::<T>())))
    }
}

impl IntoLayer<kind::OfLayer> for Layer {
    fn into_layer(self) -> Layer {
        self
    }
}

/// The name of a type without its module and parameters.
fn short_name<T>() -> &'static str {
    let name = type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

/// Takes an `Option` that holds a record.
pub(crate) type Give<'a> = &'a mut dyn FnMut(&mut dyn Any) -> Result<(), FilterError>;

/// A type of records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordType {
    id: TypeId,
    name: &'static str,
}

impl RecordType {
    pub(crate) fn of<R: 'static>() -> Self {
        Self { id: TypeId::of::<R>(), name: type_name::<R>() }
    }

    /// Refuses a layer that gives `self` where `wanted` is taken.
    pub(crate) fn check(self, wanted: Self, giver: &'static str) -> Result<(), ConfigError> {
        if self.id == wanted.id {
            return Ok(());
        }
        Err(ConfigError::LayerMismatch { giver, gives: self.name, wanted: wanted.name })
    }
}

/// A transform whose records can be of any type: each is passed in an `Option` as `dyn Any`.
pub(crate) trait Erased: Debug {
    fn name(&self) -> &'static str;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    /// `From` and `To`.
    fn below(&self) -> [RecordType; 2];
    /// `In` and `Out`.
    fn above(&self) -> [RecordType; 2];
    fn get_one_start(&mut self, record: &mut dyn Any) -> Result<(), FilterError>;
    /// Whether a record was given.
    fn get_one(&mut self, give: Give<'_>) -> Result<bool, FilterError>;
    fn finish(&mut self, give: Give<'_>) -> Result<bool, FilterError>;
    fn put(&mut self, record: &mut dyn Any, below: Give<'_>) -> Result<(), FilterError>;
    /// How many of the records it was given it holds; `None` if it never keeps any.
    fn pending(&self) -> Option<usize>;
    /// Of a filter that is no layer next to the wire, what is pending in it.
    fn content(&self) -> Option<[usize; 2]>;
    /// Takes back the records that it holds, the first one first, each as [`give_some`] gives it.
    fn take_records(&mut self) -> Vec<Box<dyn Any>>;
    /// What a filter said to what was added last.
    fn take_refused(&mut self) -> Option<FilterError>;
    /// How many octets a filter holds.
    fn octets(&self) -> Option<usize>;
    /// What the latest record of a filter came from, if it knows.
    fn take_used(&mut self) -> Option<Bytes>;
    /// How many of these came before its latest record.
    fn octets_before(&self) -> usize;
    fn copy_octets(&self) -> Bytes;
    fn reset(&mut self);
    /// Takes what is pending out of a filter, which goes on where it is.
    fn take_unread(&mut self) -> Bytes;
    /// Forgets the records of which nothing was used.
    fn rewind(&mut self);
    fn fresh(&self) -> Layer;
}

#[derive(Debug)]
struct Concrete<T> {
    transform: T,
    name: &'static str,
    kind: Kind<T>,
}

/// In what a filter differs from other transforms.
#[derive(Debug)]
struct Kind<T> {
    as_any: fn(&T) -> &dyn Any,
    as_any_mut: fn(&mut T) -> &mut dyn Any,
    take_refused: fn(&mut T) -> Option<FilterError>,
    octets: fn(&T) -> Option<usize>,
    take_used: fn(&mut T) -> Option<Bytes>,
    octets_before: fn(&T) -> usize,
    copy_octets: fn(&T) -> Bytes,
    take_unread: fn(&mut T) -> Bytes,
    rewind: fn(&mut T),
    fresh: fn(&T, &'static str) -> Layer,
}

fn of_filter<F: Filter + 'static>(
    transform: FilterLayer<F>,
    name: &'static str,
) -> Concrete<FilterLayer<F>> {
    let kind = Kind {
        as_any: |layer: &FilterLayer<F>| layer.filter(),
        as_any_mut: |layer: &mut FilterLayer<F>| layer.filter_mut(),
        take_refused: FilterLayer::take_refused,
        octets: |layer| Some(layer.filter().pending_len()),
        take_used: |layer| layer.filter_mut().take_used(),
        octets_before: |layer| layer.filter().pending_before(),
        copy_octets: |layer| layer.filter().get_pending(),
        take_unread: FilterLayer::take_unread,
        rewind: FilterLayer::rewind,
        fresh: |layer, name| Layer(Box::new(of_filter(layer.fresh_layer(), name))),
    };
    Concrete { transform, name, kind }
}

fn of_transform<T: Transform + 'static>(transform: T, name: &'static str) -> Concrete<T> {
    let kind = Kind {
        as_any: |transform: &T| transform,
        as_any_mut: |transform: &mut T| transform,
        take_refused: |_| None,
        octets: |_| None,
        take_used: |_| None,
        octets_before: |_| 0,
        copy_octets: |_| Bytes::new(),
        take_unread: |_| Bytes::new(),
        rewind: T::reset,
        fresh: |transform, name| Layer(Box::new(of_transform(transform.fresh(), name))),
    };
    Concrete { transform, name, kind }
}

impl<T: Transform + 'static> Erased for Concrete<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn as_any(&self) -> &dyn Any {
        (self.kind.as_any)(&self.transform)
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        (self.kind.as_any_mut)(&mut self.transform)
    }

    fn below(&self) -> [RecordType; 2] {
        [RecordType::of::<T::From>(), RecordType::of::<T::To>()]
    }

    fn above(&self) -> [RecordType; 2] {
        [RecordType::of::<T::In>(), RecordType::of::<T::Out>()]
    }

    fn get_one_start(&mut self, record: &mut dyn Any) -> Result<(), FilterError> {
        self.transform.get_one_start(take(record)?);
        Ok(())
    }

    fn get_one(&mut self, give: Give<'_>) -> Result<bool, FilterError> {
        give_some(self.transform.get_one()?, give)
    }

    fn finish(&mut self, give: Give<'_>) -> Result<bool, FilterError> {
        give_some(self.transform.finish()?, give)
    }

    fn put(&mut self, record: &mut dyn Any, below: Give<'_>) -> Result<(), FilterError> {
        let mut result = Ok(());
        self.transform.put(take(record)?, &mut |record| {
            if result.is_ok() {
                result = below(&mut Some(record));
            }
        })?;
        result
    }

    fn pending(&self) -> Option<usize> {
        self.transform.pending()
    }

    fn content(&self) -> Option<[usize; 2]> {
        self.transform.octets()
    }

    fn take_records(&mut self) -> Vec<Box<dyn Any>> {
        let records = self.transform.take_pending().into_iter();
        records.map(|record| -> Box<dyn Any> { Box::new(Some(record)) }).collect()
    }

    fn take_refused(&mut self) -> Option<FilterError> {
        (self.kind.take_refused)(&mut self.transform)
    }

    fn octets(&self) -> Option<usize> {
        (self.kind.octets)(&self.transform)
    }

    fn take_used(&mut self) -> Option<Bytes> {
        (self.kind.take_used)(&mut self.transform)
    }

    fn octets_before(&self) -> usize {
        (self.kind.octets_before)(&self.transform)
    }

    fn copy_octets(&self) -> Bytes {
        (self.kind.copy_octets)(&self.transform)
    }

    fn reset(&mut self) {
        self.transform.reset();
    }

    fn take_unread(&mut self) -> Bytes {
        (self.kind.take_unread)(&mut self.transform)
    }

    fn rewind(&mut self) {
        (self.kind.rewind)(&mut self.transform);
    }

    fn fresh(&self) -> Layer {
        (self.kind.fresh)(&self.transform, self.name)
    }
}

fn give_some<R: 'static>(record: Option<R>, give: Give<'_>) -> Result<bool, FilterError> {
    let given = record.is_some();
    if given {
        give(&mut { record })?;
    }
    Ok(given)
}

/// Takes a record of a known type.
pub(crate) fn take<R: 'static>(record: &mut dyn Any) -> Result<R, FilterError> {
    let record = record.downcast_mut::<Option<R>>().and_then(Option::take);
    record.ok_or_else(|| FilterError::stream(format!("no record of type {}", type_name::<R>())))
}
