//! Datagrams that wait to be sent.

use std::collections::VecDeque;

use bytes::Bytes;
use socket2::SockAddr;

/// What a datagram counts besides what it carries.
const OVERHEAD: usize = 64;

/// What is to go where; without an address, where the socket is connected to.
pub(super) type Outgoing = (Bytes, Option<SockAddr>);

#[derive(Debug, Default)]
pub(super) struct Queue {
    datagrams: VecDeque<Outgoing>,
    octets: usize,
}

impl Queue {
    /// Whether there is room for one more. One alone always has it.
    pub(super) fn has_room(&self, payload: &Bytes, limit: usize) -> bool {
        let weight = self.octets + OVERHEAD * self.datagrams.len();
        self.datagrams.is_empty() || weight + OVERHEAD + payload.len() <= limit
    }

    pub(super) fn push(&mut self, outgoing: Outgoing) {
        self.octets += outgoing.0.len();
        self.datagrams.push_back(outgoing);
    }

    /// The first ones, as they lie.
    pub(super) fn first(&self) -> &[Outgoing] {
        let (first, second) = self.datagrams.as_slices();
        if first.is_empty() { second } else { first }
    }

    /// Takes the first ones out. Whose payload is dropped may have something to say to the wheel, and so it is not dropped here.
    pub(super) fn advance(&mut self, count: usize, gone: &mut Vec<Outgoing>) {
        for outgoing in self.datagrams.drain(..count) {
            self.octets -= outgoing.0.len();
            gone.push(outgoing);
        }
    }

    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    pub(super) fn len(&self) -> usize {
        self.datagrams.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_for_octets_and_for_datagrams() {
        let mut queue = Queue::default();
        let (long, empty) = (Bytes::from(vec![0; 1000]), Bytes::new());
        assert!(queue.has_room(&long, 0), "one alone has room");
        queue.push((long.clone(), None));
        assert!(!queue.has_room(&long, 2000));
        assert!(queue.has_room(&empty, 2000));
        while queue.has_room(&empty, 2000) {
            queue.push((empty.clone(), None));
        }
        assert_eq!((queue.octets(), queue.len()), (1000, 15));
        let mut gone = Vec::new();
        queue.advance(2, &mut gone);
        assert_eq!(gone.iter().map(|(payload, _)| payload.len()).collect::<Vec<_>>(), [1000, 0]);
        assert_eq!((queue.octets(), queue.len(), queue.first().len()), (0, 13, 13));
        queue.advance(13, &mut gone);
        assert!(queue.first().is_empty());
    }
}
