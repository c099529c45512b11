//! What holds for every filter, by itself and in stacks: its records do not depend on how the input is divided; what is put
//! is got; and other filters may take over between any two records.

#![allow(unreachable_pub, reason = "the modules are of this test alone")]

mod list;
mod subject;

use bytes::Bytes;
use list::{Case, cases};
use proptest::prelude::*;
use subject::{Events, events};

thread_local! {
    static CASES: Vec<Case> = cases();
}

/// One of the cases for which something holds.
fn with_case<R>(
    index: prop::sample::Index,
    which: fn(&Case) -> bool,
    f: impl FnOnce(&Case) -> R,
) -> R {
    CASES.with(|cases| {
        let cases: Vec<_> = cases.iter().filter(|case| which(case)).collect();
        let case: &&Case = index.get(&cases);
        f(case)
    })
}

fn is_told(case: &Case) -> bool {
    (case.told)(&[]) != ["streaming"]
}

fn texts() -> impl Strategy<Value = Vec<Bytes>> {
    prop::collection::vec("[a-c ]{0,12}", 0..6)
        .prop_map(|texts| texts.into_iter().map(Bytes::from).collect())
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![1]),
        prop::collection::vec(1..6_usize, 1..20),
        prop::collection::vec(1..60_usize, 1..20),
    ]
}

/// Cuts octets into chunks of these sizes, over and over.
fn split(octets: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let (mut rest, mut chunks) = (octets, Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (front, behind) = rest.split_at((*size).min(rest.len()));
        chunks.push(front.to_vec());
        rest = behind;
    }
    chunks
}

/// Octets that a parser has an opinion about are put in the place of others, or between them.
fn mutate(wire: &mut Vec<u8>, changes: &[(prop::sample::Index, u8, bool)]) {
    for (place, octet, insert) in changes {
        if *insert || wire.is_empty() {
            wire.insert(place.index(wire.len() + 1), *octet);
        } else {
            let place = place.index(wire.len());
            wire[place] = *octet;
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, bool)>> {
    let octet =
        prop_oneof![prop::sample::select(&b"0159afx:;,!\"{[ \t\r\n\0\x80\xff"[..]), any::<u8>(),];
    prop::collection::vec((any::<prop::sample::Index>(), octet, any::<bool>()), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(800) })]

    /// Right input and wrong.
    // Conformance: FLN-01
    #[test]
    fn any_split_gives_the_same(
        index in any::<prop::sample::Index>(),
        texts in texts(),
        changes in changes(),
        sizes in sizes(),
    ) {
        with_case(index, |_| true, |case| {
            let mut wire = (case.wire)(&texts);
            mutate(&mut wire, &changes);
            let chunks = split(&wire, &sizes);
            let expected = events((case.make)(), std::slice::from_ref(&wire));
            let name = &case.name;
            prop_assert_eq!(&events((case.make)(), &chunks), &expected, "{} in chunks", name);
            let single = events((case.make)(), &split(&wire, &[1]));
            prop_assert_eq!(&single, &expected, "{} one by one", name);

            let mut subject = (case.make)();
            for octets in &chunks {
                subject.start(Bytes::copy_from_slice(octets)).unwrap();
            }
            prop_assert_eq!(&subject.pending(), &wire, "{}", name);
            prop_assert_eq!(subject.pending_len(), wire.len(), "{}", name);
            let mut all = Events::default();
            all.end(&mut *subject);
            prop_assert_eq!(&all.all, &expected, "{}, all added first", name);

            let (mut subject, mut all, mut is_over) = ((case.make)(), Events::default(), false);
            for octets in &chunks {
                subject.start(Bytes::copy_from_slice(octets)).unwrap();
                if !is_over {
                    let got = subject.one();
                    is_over = matches!(&got, Err(error) if error.is_fatal());
                    all.note(got);
                }
            }
            all.end(&mut *subject);
            prop_assert_eq!(&all.all, &expected, "{}, piled up", name);
            Ok(())
        })?;
    }

    #[test]
    fn what_is_put_is_got(
        index in any::<prop::sample::Index>(),
        texts in texts(),
        sizes in sizes(),
    ) {
        with_case(index, is_told, |case| {
            let mut got = events((case.make)(), &split(&(case.wire)(&texts), &sizes));
            let told = (case.told)(&texts);
            // Half a pair is none.
            if case.name.starts_with("pairs") && texts.len() % 2 == 1 {
                prop_assert!(got.pop().is_some_and(|last| last.starts_with("error")));
            }
            prop_assert_eq!(got, told, "{}", &case.name);
            Ok(())
        })?;
    }

    /// After any number of records a fresh filter takes over: nothing is lost, and nothing comes twice.
    #[test]
    fn another_filter_of_its_kind_may_take_over(
        index in any::<prop::sample::Index>(),
        texts in texts(),
        sizes in sizes(),
        period in 1..4_usize,
    ) {
        with_case(index, |case| case.exact, |case| {
            let texts = if texts.len() % 2 == 1 { &texts[1..] } else { &texts[..] };
            let (mut subject, mut got) = ((case.make)(), Vec::new());
            for octets in split(&(case.wire)(texts), &sizes) {
                subject.start(octets.into()).unwrap();
                while let Some(told) = subject.one().unwrap() {
                    got.push(told);
                    if got.len().is_multiple_of(period) {
                        let pending = subject.pending();
                        let mut next = subject.fresh();
                        next.start(subject.take()).unwrap();
                        prop_assert_eq!(next.pending(), pending, "{}", &case.name);
                        prop_assert_eq!(subject.pending_len(), 0, "{}", &case.name);
                        prop_assert!(subject.one().unwrap().is_none(), "{}", &case.name);
                        prop_assert!(subject.finish().unwrap().is_none(), "{}", &case.name);
                        subject = next;
                    }
                }
            }
            prop_assert!(subject.finish().unwrap().is_none());
            prop_assert_eq!(got, (case.told)(texts), "{}", &case.name);
            Ok(())
        })?;
    }

    /// A conversation in which the protocol changes, and with it the filter, after every two texts.
    // Conformance: FCH-03
    #[test]
    fn filters_of_other_kinds_may_take_over(
        parts in prop::collection::vec((any::<prop::sample::Index>(), "[a-c ]{0,12}", "[a-c ]{0,12}"), 1..8),
        sizes in sizes(),
    ) {
        CASES.with(|cases| {
            let cases: Vec<_> = cases.iter().filter(|case| case.exact).collect();
            let parts: Vec<_> = parts
                .into_iter()
                .map(|(index, one, other)| (*index.get(&cases), [Bytes::from(one), Bytes::from(other)]))
                .collect();
            let names: Vec<_> = parts.iter().map(|(case, _)| &case.name).collect();
            let wire: Vec<u8> = parts.iter().flat_map(|(case, texts)| (case.wire)(texts)).collect();
            let told: Vec<_> = parts.iter().map(|(case, texts)| (case.told)(texts)).collect();
            let (mut now, mut got) = (0, vec![Vec::new()]);
            let mut subject = (parts[0].0.make)();
            for octets in split(&wire, &sizes) {
                subject.start(octets.into()).unwrap();
                loop {
                    let one = match subject.one() {
                        Ok(Some(one)) => one,
                        Ok(None) => break,
                        Err(error) => return Err(TestCaseError::fail(format!("{error}: {names:?}"))),
                    };
                    got[now].push(one);
                    if got[now].len() == told[now].len() && now + 1 < parts.len() {
                        now += 1;
                        got.push(Vec::new());
                        let mut next = (parts[now].0.make)();
                        next.start(subject.take()).unwrap();
                        subject = next;
                    }
                }
            }
            prop_assert_eq!(subject.pending_len(), 0);
            prop_assert_eq!(got, told, "{:?}", names);
            Ok(())
        })?;
    }
}
