//! Each record becomes another one.

use std::error::Error;
use std::fmt;
use std::rc::Rc;

use crate::queue::Queue;
use crate::{BoxedTransform, FilterError, Transform};

/// Gives away what a record becomes.
type Function<A, B> = Rc<dyn Fn(A, &mut dyn FnMut(B)) -> Result<(), FilterError>>;

/// Turns each record into another one by a function. POE's `POE::Filter::Map`.
///
/// The records may be of any type: this is where octets become numbers, or commands. A record may
/// become several, or none, by [`flat`](Map::flat), and may be refused by [`fallible`](Map::fallible).
///
/// ```
/// use bytes::Bytes;
/// use poe_filter::{Filter, IntoRecord, Line, Map};
///
/// let number = |line: Bytes| std::str::from_utf8(&line)?.parse::<u32>().map_err(Into::into);
/// let line = |number: u32| Ok::<Bytes, std::fmt::Error>(number.to_string().into_record());
/// let mut filter = Line::new().then(Map::fallible(
///     move |line| -> Result<u32, Box<dyn std::error::Error + Send + Sync>> { number(line) },
///     line,
/// ));
/// filter.get_one_start("1\ntwo\n3\n".into())?;
/// assert_eq!(filter.get_one()?, Some(1));
/// assert!(filter.get_one().is_err_and(|error| !error.is_fatal()));
/// assert_eq!(filter.get_one()?, Some(3));
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
pub struct Map<F, I, O, T> {
    added: Queue<F>,
    /// What the latest record became, and was not asked for yet.
    made: Queue<I>,
    get: Function<F, I>,
    put: Function<O, T>,
}

impl<F: 'static, I: 'static, O: 'static, T: 'static> Map<F, I, O, T> {
    /// One function for input and another for output. POE's `Get` and `Put`.
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut filter = Map::new(|digit: char| digit as u32, |number: u32| number.to_string());
    /// assert_eq!(filter.get(vec!['1', '2'])?, [49, 50]);
    /// assert_eq!(filter.put_all(vec![12])?, ["12"]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn new(get: impl Fn(F) -> I + 'static, put: impl Fn(O) -> T + 'static) -> Self {
        Self::with(one(get), one(put))
    }

    /// Functions that may refuse a record, which is a [`FilterError::Record`]: the record is
    /// dropped, and the next one may be fine.
    ///
    /// ```
    /// use poe_filter::{FilterError, Map, Transform};
    ///
    /// let mut filter = Map::fallible(|text: &str| text.parse::<u8>(), |number: u8| number.checked_add(1).ok_or("at the limit"));
    /// assert_eq!(filter.get(vec!["1", "2"])?, [1, 2]);
    /// assert!(matches!(filter.get(vec!["x"]), Err(FilterError::Record(_))));
    /// assert!(filter.put_all(vec![255]).is_err());
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn fallible<E1, E2>(
        get: impl Fn(F) -> Result<I, E1> + 'static,
        put: impl Fn(O) -> Result<T, E2> + 'static,
    ) -> Self
    where
        E1: Into<Box<dyn Error + Send + Sync>>,
        E2: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::with(one_or_error(get), one_or_error(put))
    }

    /// Functions that turn a record into several, or into none.
    ///
    /// What one record became is taken out one by one. Whoever takes what is pending before the
    /// last of them gets the octets behind that record, and the rest of these still from this
    /// filter.
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut words = Map::flat(
    ///     |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>(),
    ///     |word: &str| (!word.is_empty()).then_some(word),
    /// );
    /// assert_eq!(words.get(vec!["a b", "c"])?, ["a", "b", "c"]);
    /// assert_eq!(words.put_all(vec!["", "d"])?, ["d"]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn flat<Is, Ts>(get: impl Fn(F) -> Is + 'static, put: impl Fn(O) -> Ts + 'static) -> Self
    where
        Is: IntoIterator<Item = I>,
        Ts: IntoIterator<Item = T>,
    {
        Self::with(many(get), many(put))
    }

    /// Takes another function for input, from the next record on. POE's `modify(Get => …)`.
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut filter = Map::both(|number: u32| number);
    /// filter.modify_get(|number| number + 1);
    /// assert_eq!(filter.get(vec![1])?, [2]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn modify_get(&mut self, get: impl Fn(F) -> I + 'static) {
        self.get = one(get);
    }

    /// Takes another function for output. POE's `modify(Put => …)`.
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut filter = Map::both(|number: u32| number);
    /// filter.modify_put(|number| number + 1);
    /// assert_eq!(filter.put_all(vec![1])?, [2]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn modify_put(&mut self, put: impl Fn(O) -> T + 'static) {
        self.put = one(put);
    }

    /// Takes another function for input, which turns a record into several or none, as with [`flat`](Map::flat).
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut filter = Map::both(|number: u32| number);
    /// filter.modify_flat_get(|number| 0..number);
    /// assert_eq!(filter.get(vec![2, 0, 1])?, [0, 1, 0]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn modify_flat_get<Is>(&mut self, get: impl Fn(F) -> Is + 'static)
    where
        Is: IntoIterator<Item = I>,
    {
        self.get = many(get);
    }

    /// The same for output.
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut filter = Map::both(|number: u32| number);
    /// filter.modify_flat_put(|number| (number > 0).then_some(number));
    /// assert_eq!(filter.put_all(vec![2, 0, 1])?, [2, 1]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn modify_flat_put<Ts>(&mut self, put: impl Fn(O) -> Ts + 'static)
    where
        Ts: IntoIterator<Item = T>,
    {
        self.put = many(put);
    }

    /// Takes another function for input, which may refuse a record, as with [`fallible`](Map::fallible).
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut filter = Map::both(|number: u32| number);
    /// filter.modify_fallible_get(|number| number.checked_sub(1).ok_or("nothing left"));
    /// assert_eq!(filter.get(vec![2])?, [1]);
    /// assert!(filter.get(vec![0]).is_err());
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn modify_fallible_get<E>(&mut self, get: impl Fn(F) -> Result<I, E> + 'static)
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.get = one_or_error(get);
    }

    /// The same for output.
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut filter = Map::both(|number: u32| number);
    /// filter.modify_fallible_put(|number| number.checked_sub(1).ok_or("nothing left"));
    /// assert_eq!(filter.put_all(vec![2])?, [1]);
    /// assert!(filter.put_all(vec![0]).is_err());
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn modify_fallible_put<E>(&mut self, put: impl Fn(O) -> Result<T, E> + 'static)
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.put = one_or_error(put);
    }

    /// The records that were added and not turned into others yet.
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut filter = Map::both(|number: u32| number + 1);
    /// filter.get_one_start(1);
    /// assert!(filter.get_pending().eq(&[1]));
    /// ```
    pub fn get_pending(&self) -> impl Iterator<Item = &F> {
        self.added.iter()
    }

    fn with(get: Function<F, I>, put: Function<O, T>) -> Self {
        Self { added: Queue::default(), made: Queue::default(), get, put }
    }
}

impl<A: 'static, B: 'static> Map<A, B, A, B> {
    /// One function for both directions. POE's `Code`.
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut upper = Map::both(|text: &str| text.to_uppercase());
    /// assert_eq!(upper.get(vec!["a"])?, ["A"]);
    /// assert_eq!(upper.put_all(vec!["b"])?, ["B"]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn both(code: impl Fn(A) -> B + 'static) -> Self {
        let code = one(code);
        Self::with(code.clone(), code)
    }

    /// Takes another function for both directions. POE's `modify(Code => …)`.
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut filter = Map::both(|number: u32| number);
    /// filter.modify_both(|number| number + 1);
    /// assert_eq!(filter.get(vec![1])?, [2]);
    /// assert_eq!(filter.put_all(vec![1])?, [2]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn modify_both(&mut self, code: impl Fn(A) -> B + 'static) {
        self.modify_with(one(code));
    }

    /// Takes another function for both directions, which turns a record into several or none, as with [`flat`](Map::flat).
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut filter = Map::both(|number: u32| number);
    /// filter.modify_flat_both(|number| 0..number);
    /// assert_eq!(filter.get(vec![2, 0, 1])?, [0, 1, 0]);
    /// assert_eq!(filter.put_all(vec![2, 0, 1])?, [0, 1, 0]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn modify_flat_both<Bs>(&mut self, code: impl Fn(A) -> Bs + 'static)
    where
        Bs: IntoIterator<Item = B>,
    {
        self.modify_with(many(code));
    }

    /// Takes another function for both directions, which may refuse a record, as with [`fallible`](Map::fallible).
    ///
    /// ```
    /// use poe_filter::{Map, Transform};
    ///
    /// let mut filter = Map::both(|number: u32| number);
    /// filter.modify_fallible_both(|number| number.checked_sub(1).ok_or("nothing left"));
    /// assert_eq!(filter.get(vec![2])?, [1]);
    /// assert!(filter.get(vec![0]).is_err());
    /// assert!(filter.put_all(vec![0]).is_err());
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn modify_fallible_both<E>(&mut self, code: impl Fn(A) -> Result<B, E> + 'static)
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.modify_with(one_or_error(code));
    }

    fn modify_with(&mut self, code: Function<A, B>) {
        self.get = code.clone();
        self.put = code;
    }
}

fn one<A, B>(function: impl Fn(A) -> B + 'static) -> Function<A, B> {
    Rc::new(move |record, give| {
        give(function(record));
        Ok(())
    })
}

fn one_or_error<A, B, E>(function: impl Fn(A) -> Result<B, E> + 'static) -> Function<A, B>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    Rc::new(move |record, give| {
        give(function(record).map_err(FilterError::record)?);
        Ok(())
    })
}

fn many<A, B, Bs>(function: impl Fn(A) -> Bs + 'static) -> Function<A, B>
where
    Bs: IntoIterator<Item = B>,
{
    Rc::new(move |record, give| {
        function(record).into_iter().for_each(give);
        Ok(())
    })
}

impl<F: 'static, I: 'static, O: 'static, T: 'static> Transform for Map<F, I, O, T> {
    type From = F;
    type In = I;
    type Out = O;
    type To = T;

    fn get_one_start(&mut self, record: F) {
        self.added.push(record);
    }

    fn get_one(&mut self) -> Result<Option<I>, FilterError> {
        loop {
            if let Some(record) = self.made.pop() {
                return Ok(Some(record));
            }
            let Some(record) = self.added.pop() else { return Ok(None) };
            let made = &mut self.made;
            (self.get)(record, &mut |record| made.push(record))?;
        }
    }

    fn put(&mut self, record: O, below: &mut dyn FnMut(T)) -> Result<(), FilterError> {
        (self.put)(record, below)
    }

    fn take_pending(&mut self) -> Vec<F> {
        std::iter::from_fn(|| self.added.pop()).collect()
    }

    fn reset(&mut self) {
        self.added = Queue::default();
    }

    fn fresh(&self) -> BoxedTransform<F, I, O, T> {
        Box::new(Self::with(self.get.clone(), self.put.clone()))
    }
}

/// Tells how many records are held, which need not be printable.
impl<F, I, O, T> fmt::Debug for Map<F, I, O, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.added.len() + self.made.len();
        f.debug_struct("Map").field("records", &records).finish_non_exhaustive()
    }
}
