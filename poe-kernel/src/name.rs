//! Event names: interned text, compared as a pointer, and typed names.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// An interned event, signal or state name.
///
/// Two names with the same text are equal, and comparing or hashing them costs as much as an integer. A name is
/// `Copy` and may cross threads.
///
/// Interned text lives as long as the process: names are meant to be a program's vocabulary, those of events, signals,
/// states and tags of references. Text that strangers choose, or that is another each time, belongs in a payload, or
/// goes through [`Name::lookup`], which interns nothing. [`Inspection::memory`](crate::Inspection::memory) counts them.
///
/// ```
/// use poe_kernel::Name;
///
/// let tick = Name::new("tick");
/// assert_eq!(tick, Name::from(String::from("tick")));
/// assert_eq!(tick.as_str(), "tick");
/// assert!(Name::lookup("never-said-before").is_none());
/// ```
#[derive(Clone, Copy)]
pub struct Name(&'static Symbol);

struct Symbol {
    number: u32,
    text: &'static str,
}

impl Name {
    /// Interns text that lives as long as the program; after the first time this allocates nothing and takes no lock.
    #[must_use]
    #[inline]
    pub fn new(text: &'static str) -> Self {
        // Who says a name often says it again.
        let last = LAST.with(|last| {
            let (last, symbol) = last.get();
            std::ptr::eq(last, text).then_some(symbol)
        });
        last.map_or_else(|| Self::cached(text), Self)
    }

    #[inline(never)]
    fn cached(text: &'static str) -> Self {
        let (cached, symbol) = CACHE.with(|cache| cache[cache_slot(text)].get());
        let name =
            if std::ptr::eq(cached, text) { Self(symbol) } else { Self::intern_and_cache(text) };
        LAST.set((text, name.0));
        name
    }

    #[cold]
    fn intern_and_cache(text: &'static str) -> Self {
        let name = Self::intern(text, || text);
        CACHE.with(|cache| cache[cache_slot(text)].set((text, name.0)));
        name
    }

    /// The name with this text, if anything in the process has interned it.
    #[must_use]
    pub fn lookup(text: &str) -> Option<Self> {
        table().symbols.get(text).map(|symbol| Self(symbol))
    }

    /// The text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.text
    }

    /// A small integer, dense over the names of the process, for tables indexed by name.
    #[must_use]
    #[inline]
    pub fn number(self) -> u32 {
        self.0.number
    }

    fn intern(text: &str, keep: impl FnOnce() -> &'static str) -> Self {
        let mut table = table();
        if let Some(symbol) = table.symbols.get(text) {
            return Self(symbol);
        }
        let number = table.symbols.len();
        let number = u32::try_from(number).expect("fewer than 2^32 event names in a process");
        let kept = keep();
        if !std::ptr::eq(kept, text) {
            table.text += kept.len();
        }
        let symbol: &'static Symbol = Box::leak(Box::new(Symbol { number, text: kept }));
        table.symbols.insert(symbol.text, symbol);
        Self(symbol)
    }

    /// The bytes that all the names of the process take.
    pub(crate) fn memory() -> usize {
        let table = table();
        let entry = size_of::<(&str, &Symbol)>();
        table.symbols.capacity() * entry + table.symbols.len() * size_of::<Symbol>() + table.text
    }
}

/// The names of the process.
struct Names {
    symbols: HashMap<&'static str, &'static Symbol>,
    /// Bytes of the text that the program does not have anyway.
    text: usize,
}

fn table() -> MutexGuard<'static, Names> {
    static TABLE: OnceLock<Mutex<Names>> = OnceLock::new();
    let begin = || Mutex::new(Names { symbols: HashMap::from([(EMPTY.text, &EMPTY)]), text: 0 });
    TABLE.get_or_init(begin).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name without text, which is there from the beginning: a cache that holds it needs not be asked whether it holds any.
static EMPTY: Symbol = Symbol { number: 0, text: "" };

const CACHE_SLOTS: usize = 128;

type Cached = Cell<(&'static str, &'static Symbol)>;

thread_local! {
    // Literals come back at the same address: a direct-mapped cache by address saves the lock and the hash.
    static CACHE: [Cached; CACHE_SLOTS] =
        const { [const { Cell::new((EMPTY.text, &EMPTY)) }; CACHE_SLOTS] };
    static LAST: Cached = const { Cell::new((EMPTY.text, &EMPTY)) };
}

#[inline]
fn cache_slot(text: &'static str) -> usize {
    let address = text.as_ptr().addr();
    (address ^ (address >> 7) ^ text.len()) % CACHE_SLOTS
}

impl PartialEq for Name {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(self.0.number);
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.0.text == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.0.text == *other
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.text.cmp(other.0.text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.text)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.text, f)
    }
}

impl From<&'static str> for Name {
    #[inline]
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self::intern(&text, || Box::leak(text.clone().into_boxed_str()))
    }
}

/// A name that says what type its payload has, so that a wrong payload does not compile.
///
/// It serves wherever a name does, on the sending and on the receiving side:
///
/// ```
/// use poe_kernel::{Event, EventFor};
///
/// const TICK: Event<u32> = Event::new("tick");
///
/// fn post<P>(event: impl EventFor<P>, _payload: P) -> String {
///     event.name().to_string()
/// }
/// assert_eq!(post(TICK, 7), "tick");
/// ```
///
/// ```compile_fail
/// # use poe_kernel::{Event, EventFor};
/// # const TICK: Event<u32> = Event::new("tick");
/// # fn post<P>(event: impl EventFor<P>, _payload: P) {}
/// post(TICK, "seven");
/// ```
pub struct Event<P> {
    name: &'static str,
    payload: PhantomData<fn(P)>,
}

impl<P> Event<P> {
    /// A typed name; usually a constant.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, payload: PhantomData }
    }
}

impl<P> Clone for Event<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Event<P> {}

impl<P> fmt::Debug for Event<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event<{}>({:?})", std::any::type_name::<P>(), self.name)
    }
}

impl<P> fmt::Display for Event<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl<P> From<Event<P>> for Name {
    #[inline]
    fn from(event: Event<P>) -> Self {
        Self::new(event.name)
    }
}

/// What names an event whose payload is a `P`: text, a [`Name`], or an [`Event<P>`](Event).
///
/// Text and plain names go with any payload, and the types meet when the event is delivered; an `Event<P>` goes with
/// `P` alone, and the types meet in the compiler.
pub trait EventFor<P> {
    /// The interned name.
    fn name(&self) -> Name;
}

impl<P> EventFor<P> for &'static str {
    #[inline]
    fn name(&self) -> Name {
        Name::new(self)
    }
}

impl<P> EventFor<P> for String {
    fn name(&self) -> Name {
        Name::intern(self, || Box::leak(self.clone().into_boxed_str()))
    }
}

impl<P> EventFor<P> for Name {
    #[inline]
    fn name(&self) -> Name {
        *self
    }
}

impl<P> EventFor<P> for Event<P> {
    #[inline]
    fn name(&self) -> Name {
        Name::new(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_text_is_one_name_whatever_it_came_from() {
        let literal = Name::new("name-test");
        let owned = Name::from(String::from("name-test"));
        assert_eq!(literal, owned);
        assert_eq!(literal.number(), owned.number());
        assert_eq!(Name::lookup("name-test"), Some(literal));
        assert_ne!(literal, Name::new("name-test-2"));
    }

    #[test]
    fn one_address_with_two_lengths_is_two_names() {
        const LONG: &str = "prefix-and-more";
        let short: &'static str = &LONG[..6];
        for _ in 0..3 {
            assert_eq!(Name::new(LONG).as_str(), "prefix-and-more");
            assert_eq!(Name::new(short).as_str(), "prefix");
        }
    }

    #[test]
    fn a_name_is_the_same_in_every_thread() {
        let here = Name::new("threaded-name");
        let there = std::thread::spawn(|| Name::new("threaded-name")).join().unwrap();
        assert_eq!(here, there);
    }
}
