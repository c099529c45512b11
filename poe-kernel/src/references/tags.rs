//! The references of one session, by their tags.

use crate::hash::IdMap;
use crate::{Name, Place};

/// So many are looked through; more are looked up.
const FEW: usize = 16;

/// The references of one tag that were taken at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) tag: Name,
    pub(super) owner: Owner,
    pub(crate) count: u32,
    pub(crate) since: Place,
}

/// Who may give a reference back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// Whoever knows the tag.
    Anyone,
    /// What took it, such as a postback.
    Taker,
}

/// The references of a session, of which most have few.
#[derive(Debug)]
pub(crate) enum Tags {
    Few(Vec<Reference>),
    Many(Box<Many>),
}

/// References by tag and owner, each with a number: they are told in the order in which they were taken.
#[derive(Debug, Default)]
pub(crate) struct Many {
    by_tag: IdMap<(Name, Owner), Vec<(u64, Reference)>>,
    next: u64,
}

impl Tags {
    pub(super) fn new() -> Self {
        Self::Few(Vec::with_capacity(1))
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few(all) => all.is_empty(),
            Self::Many(many) => many.by_tag.is_empty(),
        }
    }

    /// In the order in which they were taken.
    pub(super) fn all(&self) -> Vec<Reference> {
        match self {
            Self::Few(all) => all.clone(),
            Self::Many(many) => {
                let mut all: Vec<_> = many.by_tag.values().flatten().collect();
                all.sort_unstable_by_key(|(number, _)| *number);
                all.into_iter().map(|(_, reference)| *reference).collect()
            }
        }
    }

    /// How many tags there are, those of each owner by themselves.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Few(all) => {
                let is_first = |(index, one): &(usize, &Reference)| {
                    !all[..*index].iter().any(|other| other.is(one.tag, one.owner))
                };
                all.iter().enumerate().filter(is_first).count()
            }
            Self::Many(many) => many.by_tag.len(),
        }
    }

    /// The first that is there of a tag and owner.
    pub(super) fn first(&self, tag: Name, owner: Owner) -> Option<&Reference> {
        match self {
            Self::Few(all) => all.iter().find(|one| one.is(tag, owner)),
            Self::Many(many) => {
                many.by_tag.get(&(tag, owner))?.first().map(|(_, reference)| reference)
            }
        }
    }

    /// Counts one more; how many there are of this tag and owner.
    pub(super) fn increment(&mut self, tag: Name, owner: Owner, since: Place) -> u32 {
        let new = Reference { tag, owner, count: 1, since };
        match self {
            Self::Few(all) => {
                let mut alike = all.iter_mut().filter(|one| one.is(tag, owner));
                if let Some(reference) = alike.find(|one| one.since == since) {
                    reference.count += 1;
                } else if all.len() < FEW {
                    all.push(new);
                } else {
                    let mut many = Box::<Many>::default();
                    all.drain(..).for_each(|reference| many.push(reference));
                    many.push(new);
                    *self = Self::Many(many);
                }
            }
            Self::Many(many) => {
                let alike = many.by_tag.get_mut(&(tag, owner));
                let mut alike = alike.into_iter().flatten().map(|(_, reference)| reference);
                match alike.find(|one| one.since == since) {
                    Some(reference) => reference.count += 1,
                    None => many.push(new),
                }
            }
        }
        self.count_of(tag, owner)
    }

    /// Counts one less: of those taken at this place, or the place named last if that is not known. How many are left of this
    /// tag and owner.
    pub(super) fn decrement(
        &mut self,
        tag: Name,
        owner: Owner,
        since: Option<Place>,
    ) -> Option<u32> {
        let is_meant =
            |one: &Reference| one.is(tag, owner) && since.is_none_or(|since| since == one.since);
        match self {
            Self::Few(all) => {
                let position = all.iter().rposition(is_meant)?;
                all[position].count -= 1;
                if all[position].count == 0 {
                    all.remove(position);
                }
            }
            Self::Many(many) => {
                let alike = many.by_tag.get_mut(&(tag, owner))?;
                let position = alike.iter().rposition(|(_, one)| is_meant(one))?;
                alike[position].1.count -= 1;
                if alike[position].1.count == 0 {
                    alike.remove(position);
                }
                if alike.is_empty() {
                    many.by_tag.remove(&(tag, owner));
                }
            }
        }
        Some(self.count_of(tag, owner))
    }

    fn count_of(&self, tag: Name, owner: Owner) -> u32 {
        match self {
            Self::Few(all) => {
                all.iter().filter(|one| one.is(tag, owner)).map(|one| one.count).sum()
            }
            Self::Many(many) => {
                let alike = many.by_tag.get(&(tag, owner));
                alike.into_iter().flatten().map(|(_, one)| one.count).sum()
            }
        }
    }
}

impl Many {
    fn push(&mut self, reference: Reference) {
        let alike = self.by_tag.entry((reference.tag, reference.owner));
        alike.or_insert_with(|| Vec::with_capacity(1)).push((self.next, reference));
        self.next += 1;
    }
}

impl Reference {
    fn is(&self, tag: Name, owner: Owner) -> bool {
        self.tag == tag && self.owner == owner
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    /// The plainest there can be: a reference each time, in the order of the first of its kind.
    #[derive(Default)]
    struct Model(Vec<Reference>);

    impl Model {
        fn increment(&mut self, tag: Name, owner: Owner, since: Place) -> u32 {
            match self
                .0
                .iter_mut()
                .find(|one| (one.tag, one.owner, one.since) == (tag, owner, since))
            {
                Some(one) => one.count += 1,
                None => self.0.push(Reference { tag, owner, count: 1, since }),
            }
            self.count_of(tag, owner)
        }

        fn decrement(&mut self, tag: Name, owner: Owner, since: Option<Place>) -> Option<u32> {
            let is_meant = |one: &&mut Reference| {
                (one.tag, one.owner, since.unwrap_or(one.since)) == (tag, owner, one.since)
            };
            self.0.iter_mut().rfind(is_meant)?.count -= 1;
            self.0.retain(|one| one.count > 0);
            Some(self.count_of(tag, owner))
        }

        fn count_of(&self, tag: Name, owner: Owner) -> u32 {
            let alike = self.0.iter().filter(|one| (one.tag, one.owner) == (tag, owner));
            alike.map(|one| one.count).sum()
        }

        fn count(&self) -> usize {
            let keys = self.0.iter().map(|one| (one.tag, one.owner == Owner::Taker));
            keys.collect::<std::collections::BTreeSet<_>>().len()
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes, and there is nothing here for Miri to find")]
    fn few_and_many_are_as_a_list_of_them() {
        let places = [Location::caller(), here(), here()];
        let mut seed = 1_u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % below
        };
        // They become many, few of those many, and none.
        for (round, tags) in [1, 4, 12, 30, 60].into_iter().cycle().take(15).enumerate() {
            let (mut all, mut model) = (Tags::new(), Model::default());
            let mut were_many = false;
            for step in 0..600 {
                let tag = Name::from(format!("tag {}", random(tags)));
                let owner = [Owner::Anyone, Owner::Taker][random(2)];
                let place = places[random(3)];
                if random(600) >= step {
                    assert_eq!(
                        all.increment(tag, owner, place),
                        model.increment(tag, owner, place)
                    );
                } else {
                    let since = [None, Some(place)][random(2)];
                    assert_eq!(
                        all.decrement(tag, owner, since),
                        model.decrement(tag, owner, since)
                    );
                }
                were_many |= matches!(all, Tags::Many(_));
                assert_eq!(all.all(), model.0);
                assert_eq!((all.count(), all.is_empty()), (model.count(), model.0.is_empty()));
                let first = model.0.iter().find(|one| (one.tag, one.owner) == (tag, owner));
                assert_eq!(all.first(tag, owner), first);
            }
            assert_eq!(were_many, tags > 2, "round {round}");
            for one in model.0.clone() {
                for _ in 0..one.count {
                    all.decrement(one.tag, one.owner, Some(one.since)).unwrap();
                }
            }
            assert!(all.is_empty());
        }
    }

    #[track_caller]
    fn here() -> Place {
        Location::caller()
    }

    #[test]
    fn those_who_have_few_have_no_more_than_a_list() {
        assert_eq!(size_of::<Tags>(), size_of::<Vec<Reference>>());
    }
}
