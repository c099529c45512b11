//! What an event carries: one value of any type, kept without allocation when it is small.

use std::any::{Any, type_name};
use std::fmt;

use crate::Carried;
use crate::carried::{Small, Stored, for_small_types};

/// A place that holds one value of some type, to be taken out by whoever knows the type.
///
/// `Option<P>` is the implementation that carries events; a [`Payload`] is one that takes any reply. A synchronous delivery keeps its payload on the caller's stack as an
/// `Option<P>` and passes it on as `&mut dyn Slot`; a queued one keeps it in a [`Payload`].
pub trait Slot: Any {
    /// The name of the type of the value.
    fn type_name(&self) -> &'static str;

    /// Moves the value out, whatever its type.
    fn take_payload(&mut self) -> Payload;

    /// Takes a small value in, if it may be of its type: to hand that over takes less than to ask for the type first.
    #[doc(hidden)]
    fn put_small(&mut self, small: Small) -> bool;
}

impl<P: 'static> Slot for Option<P> {
    fn type_name(&self) -> &'static str {
        type_name::<P>()
    }

    fn take_payload(&mut self) -> Payload {
        self.take().map_or_else(Payload::default, Payload::new)
    }

    fn put_small(&mut self, small: Small) -> bool {
        let Some(value) = small.get() else { return false };
        *self = Some(value);
        true
    }
}

impl Slot for Payload {
    fn type_name(&self) -> &'static str {
        self.type_name()
    }

    fn take_payload(&mut self) -> Payload {
        std::mem::take(self)
    }

    fn put_small(&mut self, small: Small) -> bool {
        *self = small.to_payload();
        true
    }
}

impl fmt::Debug for dyn Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot<{}>", self.type_name())
    }
}

/// One value of any `'static` type, on its way to a handler.
///
/// `()`, the integers, `bool`, `f64`, `&'static str` and [`SessionId`](crate::SessionId) travel inside; anything else
/// is boxed. Posting a `Payload` posts the value in it.
///
/// ```
/// use poe_kernel::Payload;
///
/// let payload = Payload::new(7_u32);
/// assert_eq!(payload.type_name(), "u32");
/// let payload = payload.downcast::<String>().unwrap_err();
/// assert_eq!(payload.downcast::<u32>().unwrap(), 7);
/// ```
pub struct Payload(Repr);

macro_rules! inline_payloads {
    ($($variant:ident($type:ty): $to:expr, $from:expr;)*) => {
        enum Repr {
            Unit,
            $($variant($type),)*
            Text(&'static str),
            Boxed(Box<dyn Slot>),
        }

        impl Payload {
            /// Wraps a value.
            #[inline]
            pub fn new<P: 'static>(value: P) -> Self {
                let mut slot = Some(value);
                {
                    // Each comparison is of constants, so that one branch is left of all these.
                    let any = &mut slot as &mut dyn Any;
                    if any.is::<Option<()>>() {
                        return Self(Repr::Unit);
                    }
                    $(if let Some(value) = any.downcast_mut::<Option<$type>>() {
                        return Self(value.take().map_or(Repr::Unit, Repr::$variant));
                    })*
                    if let Some(text) = any.downcast_ref::<Option<&'static str>>() {
                        return Self(text.map_or(Repr::Unit, Repr::Text));
                    }
                    if let Some(payload) = any.downcast_mut::<Option<Payload>>() {
                        return payload.take().unwrap_or_default();
                    }
                }
                Self(Repr::Boxed(Box::new(slot)))
            }

            /// The name of the type of the value.
            #[must_use]
            pub fn type_name(&self) -> &'static str {
                match &self.0 {
                    Repr::Unit => type_name::<()>(),
                    $(Repr::$variant(_) => type_name::<$type>(),)*
                    Repr::Text(_) => type_name::<&'static str>(),
                    Repr::Boxed(slot) => (**slot).type_name(),
                }
            }

            /// Runs `f` on a slot that holds the value.
            pub fn with<R>(self, f: impl FnOnce(&mut dyn Slot) -> R) -> R {
                match self.0 {
                    Repr::Unit => f(&mut Some(())),
                    $(Repr::$variant(value) => f(&mut Some(value)),)*
                    Repr::Text(text) => f(&mut Some(text)),
                    Repr::Boxed(mut slot) => f(&mut *slot),
                }
            }

            /// Lends the value, if it is a `P`.
            #[must_use]
            pub fn downcast_ref<P: 'static>(&self) -> Option<&P> {
                match &self.0 {
                    Repr::Unit => (&() as &dyn Any).downcast_ref(),
                    $(Repr::$variant(value) => (value as &dyn Any).downcast_ref(),)*
                    Repr::Text(text) => (text as &dyn Any).downcast_ref(),
                    Repr::Boxed(slot) => {
                        (&**slot as &dyn Any).downcast_ref::<Option<P>>().and_then(Option::as_ref)
                    }
                }
            }
        }

        impl From<Payload> for Stored {
            fn from(payload: Payload) -> Self {
                match payload.0 {
                    Repr::Unit => Self::default(),
                    $(Repr::$variant(value) => Self::new(value),)*
                    Repr::Text(text) => Self::Text(text),
                    Repr::Boxed(slot) => Self::Boxed(slot),
                }
            }
        }
    };
}

for_small_types!(inline_payloads);

impl Payload {
    /// Moves the value out.
    ///
    /// # Errors
    ///
    /// The payload itself, if its value is not a `P`.
    pub fn downcast<P: 'static>(self) -> Result<P, Self> {
        if self.downcast_ref::<P>().is_none() {
            return Err(self);
        }
        self.with(|slot| Carried::from(slot).take().ok_or(Self(Repr::Unit)))
    }

    pub(crate) fn boxed(slot: Box<dyn Slot>) -> Self {
        Self(Repr::Boxed(slot))
    }

    /// Whether the value is a `P`.
    #[must_use]
    pub fn is<P: 'static>(&self) -> bool {
        self.downcast_ref::<P>().is_some()
    }
}

impl Default for Payload {
    #[inline]
    fn default() -> Self {
        Self(Repr::Unit)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload<{}>", self.type_name())
    }
}

/// Where the value that a handler returns goes.
#[derive(Debug)]
pub struct ReplyTo<'a>(Option<&'a mut dyn Slot>);

impl<'a> ReplyTo<'a> {
    /// Nobody waits: what is returned is dropped.
    #[must_use]
    #[inline]
    pub fn nobody() -> Self {
        Self(None)
    }

    /// Whether somebody waits.
    #[must_use]
    #[inline]
    pub fn is_awaited(&self) -> bool {
        self.0.is_some()
    }

    /// The caller waits for a value of one type: that of the `Option` in the slot. One that waits for `()` takes
    /// anything.
    #[inline]
    pub fn slot(slot: &'a mut dyn Slot) -> Self {
        Self(Some(slot))
    }

    /// The caller takes a value of any type.
    #[inline]
    pub fn any(payload: &'a mut Payload) -> Self {
        Self(Some(payload))
    }

    /// Hands the value over.
    ///
    /// # Errors
    ///
    /// The name of the type that the caller waits for, if it is not `R`.
    #[inline]
    pub fn put<R: 'static>(self, value: R) -> Result<(), &'static str> {
        let Some(slot) = self.0 else { return Ok(()) };
        if let Some(small) = Small::new(&value) {
            return if slot.put_small(small) { Ok(()) } else { Self::put_other(slot, value) };
        }
        if let Some(place) = (slot as &mut dyn Any).downcast_mut::<Option<R>>() {
            *place = Some(value);
            return Ok(());
        }
        Self::put_other(slot, value)
    }

    #[cold]
    fn put_other<R: 'static>(slot: &mut dyn Slot, value: R) -> Result<(), &'static str> {
        let expected = slot.type_name();
        let any = slot as &mut dyn Any;
        if let Some(payload) = any.downcast_mut::<Payload>() {
            *payload = Payload::new(value);
            Ok(())
        } else if any.is::<Option<()>>() {
            Ok(())
        } else {
            Err(expected)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_values_come_back() {
        assert!(Payload::new(()).downcast::<()>().is_ok());
        assert_eq!(Payload::new(5_u64).downcast::<u64>().unwrap(), 5);
        assert_eq!(Payload::new("text").downcast::<&'static str>().unwrap(), "text");
        let large = (1_u8, String::from("two"), [3_u64; 9]);
        assert_eq!(
            Payload::new(large.clone()).downcast::<(u8, String, [u64; 9])>().unwrap(),
            large
        );
    }

    #[test]
    fn a_payload_of_a_payload_is_the_payload() {
        let payload = Payload::new(Payload::new(Payload::new(3_i32)));
        assert_eq!(payload.downcast::<i32>().unwrap(), 3);
    }

    #[test]
    fn the_wrong_type_gives_the_payload_back() {
        let payload = Payload::new(String::from("kept")).downcast::<u32>().unwrap_err();
        assert_eq!(payload.downcast_ref::<String>().unwrap(), "kept");
    }

    #[test]
    fn a_reply_of_another_type_is_refused_with_the_type_awaited() {
        let mut place: Option<u32> = None;
        assert_eq!(ReplyTo::slot(&mut place).put("text"), Err("u32"));
        assert_eq!(ReplyTo::slot(&mut place).put(4_u32), Ok(()));
        assert_eq!(place, Some(4));
    }
}
