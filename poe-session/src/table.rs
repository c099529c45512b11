//! Which handler an event's name means.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use poe_kernel::{Carried, Name, Outcome, ReplyTo};

use crate::body::Body;
use crate::{Cx, Kind};

/// A handler, its payload's type hidden.
///
/// The function has a box of its own within what is shared: a pointer to follow takes fewer steps than to find out, at
/// each call, how far into an `Rc` something of unknown alignment lies.
pub struct Handler<H, K: Kind>(Rc<Erased<H, K>>);

struct Erased<H, K: Kind>(Box<dyn Handle<H, K>>);

/// What a handler does.
pub(crate) trait Handle<H, K: Kind> {
    fn run(&self, cx: &mut Cx<'_, H, K>, payload: &mut Carried<'_>, reply: ReplyTo<'_>) -> Outcome;

    /// Hands over a [`Taker`](poe_kernel::Taker) that does it in this session, if it is for one type of payload.
    fn taker(&self, session: Rc<Body<H, K>>, place: ReplyTo<'_>) {
        let _ = (session, place);
    }
}

impl<H, K: Kind, F> Handle<H, K> for F
where
    F: Fn(&mut Cx<'_, H, K>, &mut Carried<'_>, ReplyTo<'_>) -> Outcome,
{
    #[inline]
    fn run(&self, cx: &mut Cx<'_, H, K>, payload: &mut Carried<'_>, reply: ReplyTo<'_>) -> Outcome {
        self(cx, payload, reply)
    }
}

impl<H, K: Kind> Handler<H, K> {
    /// One that looks at the payload by itself.
    pub(crate) fn new(
        function: impl Fn(&mut Cx<'_, H, K>, &mut Carried<'_>, ReplyTo<'_>) -> Outcome + 'static,
    ) -> Self {
        Self::of(function)
    }

    pub(crate) fn of(handle: impl Handle<H, K> + 'static) -> Self {
        Self(Rc::new(Erased(Box::new(handle))))
    }

    pub(crate) fn taker(&self, session: Rc<Body<H, K>>, place: ReplyTo<'_>) {
        self.0.0.taker(session, place);
    }

    #[inline(always)]
    pub(crate) fn run(
        &self,
        cx: &mut Cx<'_, H, K>,
        payload: &mut Carried<'_>,
        reply: ReplyTo<'_>,
    ) -> Outcome {
        self.0.0.run(cx, payload, reply)
    }
}

impl<H, K: Kind> fmt::Debug for Handler<H, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}

impl<H, K: Kind> Clone for Handler<H, K> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

/// Handlers by name: open addressing on the name's number.
pub struct Table<H, K: Kind> {
    /// A power of two of places, at least half of them empty.
    places: Vec<Option<(Name, Handler<H, K>)>>,
    /// Where the last one asked for lies: what comes once often comes again.
    last: Cell<usize>,
    len: usize,
    pub(crate) default: Option<Handler<H, K>>,
    /// How to show the heap, where that is wanted.
    pub(crate) show: Option<Show<H>>,
}

/// Shows a heap.
pub(crate) type Show<H> = fn(&H, &mut fmt::Formatter<'_>) -> fmt::Result;

impl<H, K: Kind> Table<H, K> {
    #[inline(always)]
    pub(crate) fn get(&self, event: Name) -> Option<&Handler<H, K>> {
        // Where to look does not depend on the event, so that a processor need not wait for it.
        if let Some(Some((name, handler))) = self.places.get(self.last.get())
            && *name == event
        {
            return Some(handler);
        }
        self.get_other(event)
    }

    #[inline(never)]
    fn get_other(&self, event: Name) -> Option<&Handler<H, K>> {
        let mask = self.places.len().wrapping_sub(1);
        let mut place = Self::hash(event) & mask;
        while let Some(Some((name, handler))) = self.places.get(place) {
            if *name == event {
                self.last.set(place);
                return Some(handler);
            }
            place = (place + 1) & mask;
        }
        None
    }

    /// Enters a handler; whether it replaces one.
    pub(crate) fn insert(&mut self, event: Name, handler: Handler<H, K>) -> bool {
        if let Some(place) = self.find(event)
            && let Some(entry) = &mut self.places[place]
        {
            entry.1 = handler;
            return true;
        }
        if (self.len + 1) * 2 > self.places.len() {
            self.grow();
        }
        let place = self.vacancy(event);
        self.places[place] = Some((event, handler));
        self.len += 1;
        false
    }

    pub(crate) fn remove(&mut self, event: Name) -> bool {
        let Some(mut vacant) = self.find(event) else { return false };
        let Some(_removed) = self.places[vacant].take() else { return false };
        self.len -= 1;
        // Those behind it come up to where they would be without it, as far as they were pushed on.
        let mask = self.places.len() - 1;
        let mut place = (vacant + 1) & mask;
        while let Some((name, _)) = &self.places[place] {
            let pushed = place.wrapping_sub(Self::hash(*name)) & mask;
            if pushed >= place.wrapping_sub(vacant) & mask {
                self.places.swap(vacant, place);
                vacant = place;
            }
            place = (place + 1) & mask;
        }
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0 && self.default.is_none()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = Name> {
        self.places.iter().flatten().map(|(name, _)| *name)
    }

    /// The place of an event, or the empty one where it would be; `None` of a table without places.
    fn find(&self, event: Name) -> Option<usize> {
        let mask = self.places.len().checked_sub(1)?;
        let mut place = Self::hash(event) & mask;
        while let Some((name, _)) = &self.places[place] {
            if *name == event {
                break;
            }
            place = (place + 1) & mask;
        }
        Some(place)
    }

    fn vacancy(&self, event: Name) -> usize {
        self.find(event).unwrap_or_default()
    }

    fn grow(&mut self) {
        self.rehash((self.places.len() * 2).max(8));
    }

    fn rehash(&mut self, places: usize) {
        let empty = std::iter::repeat_with(|| None).take(places).collect();
        for entry in std::mem::replace(&mut self.places, empty).into_iter().flatten() {
            let place = self.vacancy(entry.0);
            self.places[place] = Some(entry);
        }
    }

    /// Names are numbered as they come, and those of one session mostly come together: their numbers spread by
    /// themselves.
    fn hash(event: Name) -> usize {
        event.number() as usize
    }
}

impl<H, K: Kind> Default for Table<H, K> {
    fn default() -> Self {
        Self { places: Vec::new(), last: Cell::new(0), len: 0, default: None, show: None }
    }
}

impl<H, K: Kind> Clone for Table<H, K> {
    fn clone(&self) -> Self {
        Self {
            places: self.places.clone(),
            last: self.last.clone(),
            len: self.len,
            default: self.default.clone(),
            show: self.show,
        }
    }
}

impl<H, K: Kind> fmt::Debug for Table<H, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plain;

    fn nothing() -> Handler<(), Plain> {
        Handler::new(|_, _, _| Ok(()))
    }

    #[test]
    fn holds_many_and_forgets_any_of_them() {
        let mut table = Table::<(), Plain>::default();
        assert!(table.get(Name::new("event")).is_none());
        let names: Vec<Name> = (0..300).map(|n| Name::from(format!("event-{n}"))).collect();
        for &name in &names {
            assert!(!table.insert(name, nothing()));
            assert!(table.insert(name, nothing()));
        }
        for (n, &name) in names.iter().enumerate().filter(|(n, _)| n % 3 == 0) {
            assert!(table.remove(name) && !table.remove(name), "{n}");
        }
        for (n, &name) in names.iter().enumerate() {
            assert_eq!(table.get(name).is_some(), n % 3 != 0, "{n}");
        }
        assert_eq!(table.names().count(), 200);
    }
}
