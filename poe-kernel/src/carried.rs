//! A payload on its way: as it lies in the queue, and as a handler gets it.

use std::any::{Any, TypeId, type_name};
use std::fmt;

use crate::{Payload, Slot};

/// What an event carries, as it is handed to a session: one value, to be taken out by whoever knows its type.
///
/// A small value is in it; any other lies with whoever delivers, who lends the [`Slot`].
///
/// ```
/// use poe_kernel::{Carried, take};
///
/// let mut slot = Some(String::from("text"));
/// let mut carried = Carried::from(&mut slot as &mut dyn poe_kernel::Slot);
/// assert_eq!(take::<String>(&mut carried).as_deref(), Some("text"));
/// ```
pub struct Carried<'a>(Repr<'a>);

enum Repr<'a> {
    Small(Small),
    Text(&'static str),
    Lent(&'a mut dyn Slot),
}

/// Takes the value out of what an event carries if it is a `P`.
#[inline]
pub fn take<P: 'static>(carried: &mut Carried<'_>) -> Option<P> {
    carried.take()
}

impl<'a> Carried<'a> {
    /// Takes the value out if it is a `P`. It is to be taken once.
    #[inline(always)]
    pub fn take<P: 'static>(&mut self) -> Option<P> {
        match &mut self.0 {
            Repr::Small(small) => small.get(),
            Repr::Text(text) => cast(*text),
            Repr::Lent(slot) => (&mut **slot as &mut dyn Any).downcast_mut::<Option<P>>()?.take(),
        }
    }

    /// The value in a place: in what carries it if it is small, else lent.
    #[inline(always)]
    pub(crate) fn of<P: 'static>(place: &'a mut Option<P>) -> Self {
        match place.as_ref().and_then(|value| Small::new(value)) {
            Some(small) => Self::small(small),
            None => Self(Repr::Lent(place)),
        }
    }

    /// Takes the value out, whatever its type.
    #[must_use]
    pub fn take_payload(&mut self) -> Payload {
        match &mut self.0 {
            Repr::Small(small) => Stored::Small(*small).into(),
            Repr::Text(text) => Payload::new(*text),
            Repr::Lent(slot) => slot.take_payload(),
        }
    }

    /// The name of the type of the value.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match &self.0 {
            Repr::Small(small) => small.type_name(),
            Repr::Text(_) => type_name::<&'static str>(),
            Repr::Lent(slot) => slot.type_name(),
        }
    }

    #[inline(always)]
    pub(crate) fn small(small: Small) -> Self {
        Self(Repr::Small(small))
    }

    pub(crate) fn text(text: &'static str) -> Self {
        Self(Repr::Text(text))
    }
}

impl<'a> From<&'a mut dyn Slot> for Carried<'a> {
    #[inline]
    fn from(slot: &'a mut dyn Slot) -> Self {
        Self(Repr::Lent(slot))
    }
}

impl fmt::Debug for Carried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Carried<{}>", self.type_name())
    }
}

/// A payload as it lies in the queue.
pub(crate) enum Stored {
    Small(Small),
    Text(&'static str),
    Boxed(Box<dyn Slot>),
}

/// A small value of any of the types that are kept without allocation.
///
/// It is two words that are written and read one by one: what was written in parts and is read at once soon after, a
/// processor waits for.
#[derive(Clone, Copy)]
pub struct Small {
    tag: Tag,
    bits: u64,
}

/// Invokes a macro with the types of small values, each with its name, and how it becomes bits and is made of them.
macro_rules! for_small_types {
    ($then:ident) => {
        $then! {
            Bool(bool): |value| u64::from(value), |bits| bits != 0;
            Char(char): |value| u64::from(u32::from(value)),
                |bits| char::from_u32(bits as u32).unwrap_or_default();
            U8(u8): |value| u64::from(value), |bits| bits as u8;
            U16(u16): |value| u64::from(value), |bits| bits as u16;
            U32(u32): |value| u64::from(value), |bits| bits as u32;
            U64(u64): |value| value, |bits| bits;
            Usize(usize): |value| value as u64, |bits| bits as usize;
            I8(i8): |value| value as u64, |bits| bits as i8;
            I16(i16): |value| value as u64, |bits| bits as i16;
            I32(i32): |value| value as u64, |bits| bits as i32;
            I64(i64): |value| value as u64, |bits| bits as i64;
            Isize(isize): |value| value as u64, |bits| bits as isize;
            F32(f32): |value| u64::from(value.to_bits()), |bits| f32::from_bits(bits as u32);
            F64(f64): |value| value.to_bits(), |bits| f64::from_bits(bits);
            Session($crate::SessionId): |value| value.to_bits(),
                |bits| $crate::SessionId::from_bits(bits);
        }
    };
}
pub(crate) use for_small_types;

macro_rules! small {
    ($($name:ident($type:ty): |$value:ident| $to:expr, |$bits:ident| $from:expr;)*) => {
        #[derive(Clone, Copy)]
        enum Tag {
            Unit,
            $($name,)*
        }

        impl Tag {
            fn type_name(self) -> &'static str {
                match self {
                    Self::Unit => type_name::<()>(),
                    $(Self::$name => type_name::<$type>(),)*
                }
            }
        }

        impl Small {
            /// The value, if it is of such a type.
            #[inline(always)]
            pub(crate) fn new(value: &dyn Any) -> Option<Self> {
                // Each comparison is of constants, so that one branch is left of all these.
                if value.is::<()>() {
                    return Some(Self::UNIT);
                }
                $(if let Some(&$value) = value.downcast_ref::<$type>() {
                    return Some(Self { tag: Tag::$name, bits: $to });
                })*
                None
            }

            /// The value, if it is a `P`.
            #[inline(always)]
            pub(crate) fn get<P: 'static>(self) -> Option<P> {
                // As above, so that one comparison is left: that of the tag.
                let type_id = TypeId::of::<P>();
                if type_id == TypeId::of::<()>() {
                    return if let Tag::Unit = self.tag { cast(()) } else { None };
                }
                $(if type_id == TypeId::of::<$type>() {
                    let Tag::$name = self.tag else { return None };
                    let $bits = self.bits;
                    return cast::<$type, P>($from);
                })*
                None
            }

            pub(crate) fn to_payload(self) -> Payload {
                match self.tag {
                    Tag::Unit => Payload::default(),
                    $(Tag::$name => {
                        let $bits = self.bits;
                        Payload::new::<$type>($from)
                    })*
                }
            }
        }
    };
}

for_small_types!(small);

impl Small {
    pub(crate) fn type_name(self) -> &'static str {
        self.tag.type_name()
    }

    const UNIT: Self = Self { tag: Tag::Unit, bits: 0 };
}

/// The value, if a `P` is what it is.
#[inline(always)]
pub(crate) fn cast<V: 'static, P: 'static>(value: V) -> Option<P> {
    (&mut Some(value) as &mut dyn Any).downcast_mut::<Option<P>>()?.take()
}

impl fmt::Debug for Small {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Small<{}>", self.type_name())
    }
}

impl Stored {
    #[inline(always)]
    pub(crate) fn new<P: 'static>(value: P) -> Self {
        if let Some(small) = Small::new(&value) {
            return Self::Small(small);
        }
        let mut slot = Some(value);
        let any = &mut slot as &mut dyn Any;
        if let Some(text) = any.downcast_ref::<Option<&'static str>>() {
            return text.map_or(Self::EMPTY, Self::Text);
        }
        if let Some(payload) = any.downcast_mut::<Option<Payload>>() {
            return payload.take().map_or(Self::EMPTY, Self::from);
        }
        Self::Boxed(Box::new(slot))
    }

    const EMPTY: Self = Self::Small(Small::UNIT);

    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Small(small) => small.type_name(),
            Self::Text(_) => type_name::<&'static str>(),
            Self::Boxed(slot) => (**slot).type_name(),
        }
    }
}

impl Stored {
    /// Lends the value, if it is a `P` that was boxed.
    pub(crate) fn boxed_ref<P: 'static>(&self) -> Option<&P> {
        let Self::Boxed(slot) = self else { return None };
        (&**slot as &dyn Any).downcast_ref::<Option<P>>()?.as_ref()
    }
}

impl Default for Stored {
    #[inline(always)]
    fn default() -> Self {
        Self::EMPTY
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored<{}>", self.type_name())
    }
}

impl From<Stored> for Payload {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Small(small) => small.to_payload(),
            Stored::Text(text) => Self::new(text),
            Stored::Boxed(slot) => Self::boxed(slot),
        }
    }
}
