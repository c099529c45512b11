//! What the octets of a fuzzer say.

/// Choices, then a stream. An input that is too short chooses what comes first.
#[derive(Debug)]
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// A number less than this one.
    pub(super) fn number(&mut self, below: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % below
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.number(choices.len())]
    }

    pub(super) fn sizes(&mut self) -> Sizes {
        Sizes { state: self.number(256) as u32 }
    }

    pub(super) fn stream(self) -> &'a [u8] {
        self.0
    }
}

/// Sizes of chunks, one after another, of which this number is the beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    state: u32,
}

impl Sizes {
    fn next(&mut self) -> usize {
        let largest = 1 + self.state % 16;
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        1 + ((self.state >> 24) % largest) as usize
    }

    pub(super) fn split(mut self, stream: &[u8]) -> Vec<&[u8]> {
        let mut rest = stream;
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let (front, back) = rest.split_at(self.next().min(rest.len()));
            chunks.push(front);
            rest = back;
        }
        chunks
    }
}
