//! Output through handles that take little at a time.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use poe_driver::{Driver, OutputQueue, SysRw};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Put(usize),
    PutSlice(usize),
    EndMessage,
    /// Writes, and then reads up to so many octets at the other end.
    Flush(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![4 => 0..300_usize, 2 => 3_000..9_000_usize, 1 => 60_000..300_000_usize];
    let step = prop_oneof![
        size.clone().prop_map(Step::Put),
        size.clone().prop_map(Step::PutSlice),
        Just(Step::EndMessage),
        size.prop_map(Step::Flush),
    ];
    prop::collection::vec(step, 0..60)
}

/// What a queue is to say, kept without regard to speed.
#[derive(Default)]
struct Model {
    octets: VecDeque<u8>,
    /// How many octets of each message are left; the last one may not be ended yet.
    messages: VecDeque<usize>,
    open: bool,
    counter: u8,
}

impl Model {
    fn make(&mut self, count: usize) -> Vec<u8> {
        let octets: Vec<u8> = (0..count)
            .map(|_| {
                self.counter = self.counter.wrapping_add(1);
                self.counter
            })
            .collect();
        self.octets.extend(&octets);
        if count > 0 {
            if self.open && !self.messages.is_empty() {
                *self.messages.back_mut().unwrap() += count;
            } else {
                self.messages.push_back(count);
            }
            self.open = true;
        }
        octets
    }

    fn written(&mut self, mut count: usize) {
        while let Some(left) = self.messages.front_mut() {
            let part = count.min(*left);
            *left -= part;
            count -= part;
            if *left > 0 {
                break;
            }
            self.messages.pop_front();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_octet_arrives_once_and_in_order(steps in steps()) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut driver = SysRw::new();
        let mut model = Model::default();
        let mut received = vec![0; 300_000];
        for step in steps.into_iter().chain(std::iter::repeat_n(Step::Flush(300_000), 60)) {
            match step {
                Step::Put(count) => {
                    let octets = model.make(count);
                    model.open = false;
                    driver.put(octets.into());
                }
                Step::PutSlice(count) => driver.output().put_slice(&model.make(count)),
                Step::EndMessage => {
                    model.open = false;
                    driver.output().end_message();
                }
                Step::Flush(count) => {
                    let before = driver.get_out_octets();
                    let left = driver.flush(ours.as_fd()).unwrap();
                    model.written(before - left);
                    let count = match theirs.read(&mut received[..count]) {
                        Ok(count) => count,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                        Err(error) => panic!("{error}"),
                    };
                    prop_assert!(received[..count].iter().copied().eq(model.octets.drain(..count)));
                }
            }
            prop_assert_eq!(driver.get_out_messages_buffered(), model.messages.len());
            prop_assert_eq!(driver.get_out_octets(), model.messages.iter().sum::<usize>());
        }
        while driver.flush(ours.as_fd()).unwrap() > 0 || !model.octets.is_empty() {
            let count = theirs.read(&mut received).unwrap();
            prop_assert!(received[..count].iter().copied().eq(model.octets.drain(..count)));
        }
        prop_assert_eq!(driver.get_out_messages_buffered(), 0);
    }

    #[test]
    fn every_octet_is_consumed_once_and_in_order(
        steps in steps(),
        takes in prop::collection::vec(1..5_000_usize, 1..20),
    ) {
        let mut queue = OutputQueue::new();
        let mut model = Model::default();
        let mut takes = takes.iter().cycle();
        let mut consume = |queue: &mut OutputQueue, model: &mut Model| {
            let mut taken = Vec::new();
            let take = *takes.next().unwrap();
            queue
                .consume(|octets| {
                    taken.extend_from_slice(&octets[..take.min(octets.len())]);
                    Ok(taken.len())
                })
                .unwrap();
            let expected: Vec<u8> = model.octets.drain(..taken.len()).collect();
            model.written(taken.len());
            taken == expected
        };
        for step in steps {
            match step {
                Step::Put(count) => {
                    queue.put_bytes(model.make(count).into());
                    queue.end_message();
                    model.open = false;
                }
                Step::PutSlice(count) => queue.put_slice(&model.make(count)),
                Step::EndMessage => {
                    queue.end_message();
                    model.open = false;
                }
                Step::Flush(_) => prop_assert!(consume(&mut queue, &mut model)),
            }
            prop_assert_eq!(queue.octets(), model.octets.len());
            prop_assert_eq!(queue.messages(), model.messages.len());
        }
        while queue.octets() > 0 {
            prop_assert!(consume(&mut queue, &mut model));
        }
        prop_assert!(model.octets.is_empty());
        prop_assert_eq!(queue.messages(), 0);
    }
}
