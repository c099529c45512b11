//! What sessions do: steps that mean the same to the kernel and to its model.

use poe_session::prelude::Priority;
use proptest::prelude::*;

/// Sessions are numbered from 1 as they are created, 0 is the kernel.
pub(crate) type Id = usize;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Posts to the session with this number, if it lives.
    Post(Id),
    /// The same, remembered by number.
    PostSet(Id),
    /// The same, ahead of all others or when nothing else is to do.
    PostWith(Id, Priority),
    /// Takes the event remembered under this number back, whoever it is from.
    PostRemove(usize),
    Yield,
    /// `delay`: replaces the timers of this name.
    Delay(u8, u64),
    /// `delay_set`; the timer is remembered by number.
    DelaySet(u8, u64),
    /// `alarm_set` for a time that has passed.
    Past(u8, u64),
    Clear(u8),
    /// Removes the timer remembered under this number, whoever it belongs to.
    Remove(usize),
    /// Makes it due this much later (or, if negative, earlier).
    Adjust(usize, i64),
    RemoveAll,
    Spawn,
    DetachMyself,
    DetachChild(Id),
    /// Gives a child to another session.
    MoveChild(Id, Id),
    Increment(Id, u8),
    Decrement(Id, u8),
    Alias(u8),
    Unalias(u8),
    Term(Id),
    Stop,
}

/// What sessions do at each of their events, `_start` first. A session takes the script of its number.
pub(crate) type Scripts = Vec<Vec<Vec<Step>>>;

pub(crate) const NAMES: [&str; 3] = ["t0", "t1", "t2"];
pub(crate) const ALIASES: [&str; 3] = ["a0", "a1", "a2"];
pub(crate) const TAGS: [&str; 2] = ["g0", "g1"];
pub(crate) const MOST_SESSIONS: usize = 12;
pub(crate) const MOST_EVENTS: usize = 400;
pub(crate) const TURNS: usize = 3000;

pub(crate) fn steps(scripts: &Scripts, id: Id, handled: usize) -> Vec<Step> {
    let script = &scripts[id % scripts.len()];
    script.get(handled).cloned().unwrap_or_default()
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 1..5_usize;
    prop_oneof![
        8 => id().prop_map(Step::Post),
        4 => id().prop_map(Step::PostSet),
        4 => (id(), any::<bool>()).prop_map(|(to, high)| {
            Step::PostWith(to, if high { Priority::High } else { Priority::Low })
        }),
        2 => (0..8_usize).prop_map(Step::PostRemove),
        2 => Just(Step::Yield),
        3 => (0..3_u8, 0..5_u64).prop_map(|(n, t)| Step::Delay(n, t)),
        4 => (0..3_u8, 0..5_u64).prop_map(|(n, t)| Step::DelaySet(n, t)),
        1 => (0..3_u8, 1..3_u64).prop_map(|(n, t)| Step::Past(n, t)),
        1 => (0..3_u8).prop_map(Step::Clear),
        1 => (0..8_usize).prop_map(Step::Remove),
        2 => (0..8_usize, -4..5_i64).prop_map(|(n, t)| Step::Adjust(n, t)),
        1 => Just(Step::RemoveAll),
        3 => Just(Step::Spawn),
        1 => Just(Step::DetachMyself),
        1 => id().prop_map(Step::DetachChild),
        3 => (id(), id()).prop_map(|(c, to)| Step::MoveChild(c, to)),
        2 => (id(), 0..2_u8).prop_map(|(i, t)| Step::Increment(i, t)),
        2 => (id(), 0..2_u8).prop_map(|(i, t)| Step::Decrement(i, t)),
        1 => (0..3_u8).prop_map(Step::Alias),
        1 => (0..3_u8).prop_map(Step::Unalias),
        4 => id().prop_map(Step::Term),
        1 => prop_oneof![9 => Just(Step::Yield), 1 => Just(Step::Stop)],
    ]
}

pub(crate) fn scripts() -> impl Strategy<Value = Scripts> {
    use proptest::collection::vec;
    vec(vec(vec(step(), 0..7), 1..6), 1..4)
}
