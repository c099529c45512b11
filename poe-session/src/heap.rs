//! A session's heap in the hands of its handler.

use std::cell::RefMut;
use std::ops::{Deref, DerefMut};

/// A session's heap, as its handler has it: a guard that is let go of while the handler calls others.
#[derive(Debug)]
pub struct Heap<'a, H>(Option<RefMut<'a, H>>);

impl<'a, H> Heap<'a, H> {
    pub(crate) fn new(heap: RefMut<'a, H>) -> Self {
        Self(Some(heap))
    }

    pub(crate) fn release(&mut self) {
        self.0 = None;
    }
}

impl<H> Deref for Heap<'_, H> {
    type Target = H;

    fn deref(&self) -> &H {
        match &self.0 {
            Some(heap) => heap,
            None => unreachable!("a handler has its heap whenever it runs"),
        }
    }
}

impl<H> DerefMut for Heap<'_, H> {
    fn deref_mut(&mut self) -> &mut H {
        match &mut self.0 {
            Some(heap) => heap,
            None => unreachable!("a handler has its heap whenever it runs"),
        }
    }
}
