//! Some records pass, others do not.

use std::fmt;
use std::rc::Rc;

use crate::queue::Queue;
use crate::{BoxedTransform, FilterError, Transform};

type Predicate<R> = Rc<dyn Fn(&R) -> bool>;

/// Lets through the records that a function accepts. POE's `POE::Filter::Grep`.
///
/// ```
/// use poe_filter::{Filter, Grep, Line};
///
/// let wanted = |line: &bytes::Bytes| !line.starts_with(b"#");
/// let mut filter = Line::new().then(Grep::both(wanted));
/// assert_eq!(filter.get("# a comment\nuse it\n".into())?, ["use it"]);
/// # Ok::<(), poe_filter::FilterError>(())
/// ```
pub struct Grep<R, W = R> {
    added: Queue<R>,
    get: Predicate<R>,
    put: Predicate<W>,
}

impl<R: 'static, W: 'static> Grep<R, W> {
    /// One function for input and another for output. POE's `Get` and `Put`.
    ///
    /// ```
    /// use poe_filter::{Grep, Transform};
    ///
    /// let mut filter = Grep::new(char::is_ascii_digit, char::is_ascii_alphabetic);
    /// assert_eq!(filter.get(vec!['a', '1'])?, ['1']);
    /// assert_eq!(filter.put_all(vec!['a', '1'])?, ['a']);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn new(get: impl Fn(&R) -> bool + 'static, put: impl Fn(&W) -> bool + 'static) -> Self {
        Self { added: Queue::default(), get: Rc::new(get), put: Rc::new(put) }
    }

    /// Takes another function for input, from the next record on. POE's `modify(Get => …)`.
    ///
    /// ```
    /// use poe_filter::{Grep, Transform};
    ///
    /// let mut filter = Grep::both(|_: &u32| true);
    /// filter.modify_get(|number| *number > 1);
    /// assert_eq!(filter.get(vec![1, 2])?, [2]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn modify_get(&mut self, get: impl Fn(&R) -> bool + 'static) {
        self.get = Rc::new(get);
    }

    /// Takes another function for output. POE's `modify(Put => …)`.
    ///
    /// ```
    /// use poe_filter::{Grep, Transform};
    ///
    /// let mut filter = Grep::both(|_: &u32| true);
    /// filter.modify_put(|number| *number > 1);
    /// assert_eq!(filter.put_all(vec![1, 2])?, [2]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn modify_put(&mut self, put: impl Fn(&W) -> bool + 'static) {
        self.put = Rc::new(put);
    }

    /// The records that were added and not looked at yet, whether they will pass or not.
    ///
    /// ```
    /// use poe_filter::{Grep, Transform};
    ///
    /// let mut odd = Grep::both(|number: &u32| number % 2 == 1);
    /// odd.get_one_start(2);
    /// assert!(odd.get_pending().eq(&[2]));
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn get_pending(&self) -> impl Iterator<Item = &R> {
        self.added.iter()
    }
}

impl<R: 'static> Grep<R> {
    /// One function for both directions. POE's `Code`.
    ///
    /// ```
    /// use poe_filter::{Grep, Transform};
    ///
    /// let mut filter = Grep::both(|number: &u32| number % 2 == 1);
    /// assert_eq!(filter.get(vec![1, 2, 3])?, [1, 3]);
    /// assert_eq!(filter.put_all(vec![4, 5])?, [5]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn both(code: impl Fn(&R) -> bool + 'static) -> Self {
        let code: Predicate<R> = Rc::new(code);
        Self { added: Queue::default(), get: code.clone(), put: code }
    }

    /// Takes another function for both directions. POE's `modify(Code => …)`.
    ///
    /// ```
    /// use poe_filter::{Grep, Transform};
    ///
    /// let mut filter = Grep::both(|_: &u32| true);
    /// filter.modify_both(|number| *number > 1);
    /// assert_eq!(filter.get(vec![1, 2])?, [2]);
    /// assert_eq!(filter.put_all(vec![1, 2])?, [2]);
    /// # Ok::<(), poe_filter::FilterError>(())
    /// ```
    pub fn modify_both(&mut self, code: impl Fn(&R) -> bool + 'static) {
        let code: Predicate<R> = Rc::new(code);
        self.get = code.clone();
        self.put = code;
    }
}

impl<R: 'static, W: 'static> Transform for Grep<R, W> {
    type From = R;
    type In = R;
    type Out = W;
    type To = W;

    fn get_one_start(&mut self, record: R) {
        self.added.push(record);
    }

    fn get_one(&mut self) -> Result<Option<R>, FilterError> {
        while let Some(record) = self.added.pop() {
            if (self.get)(&record) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn put(&mut self, record: W, below: &mut dyn FnMut(W)) -> Result<(), FilterError> {
        if (self.put)(&record) {
            below(record);
        }
        Ok(())
    }

    fn take_pending(&mut self) -> Vec<R> {
        std::iter::from_fn(|| self.added.pop()).collect()
    }

    fn reset(&mut self) {
        self.added = Queue::default();
    }

    fn fresh(&self) -> BoxedTransform<R, R, W, W> {
        let (get, put) = (self.get.clone(), self.put.clone());
        Box::new(Self { added: Queue::default(), get, put })
    }
}

/// Tells how many records are held, which need not be printable.
impl<R, W> fmt::Debug for Grep<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grep").field("records", &self.added.len()).finish_non_exhaustive()
    }
}
