//! Lines of input that nobody edits, as of a pipe.

use super::editor::LONGEST;

/// Octets to lines, however they are cut up.
#[derive(Debug, Default)]
pub(super) struct Plain {
    octets: Vec<u8>,
    /// How many of them have been looked at, and are no line.
    looked: usize,
    is_over: bool,
}

impl Plain {
    pub(super) fn feed(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// No more comes.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// The next line; at the end of the input, what there is of one, and then `Err`.
    pub(super) fn next(&mut self) -> Option<Result<String, ()>> {
        let found = self.octets[self.looked..].iter().position(|&octet| octet == b'\n');
        let Some(end) = found.map(|at| self.looked + at) else {
            self.looked = self.octets.len();
            // A line may not grow for ever; the rest of it is another one.
            if !self.is_over && self.octets.len() < LONGEST {
                return None;
            }
            self.looked = 0;
            let rest = std::mem::take(&mut self.octets);
            if rest.is_empty() {
                // At a terminal, more can be typed behind an end.
                self.is_over = false;
                return Some(Err(()));
            }
            return Some(Ok(text(&rest)));
        };
        let line = text(&self.octets[..end]);
        self.octets.drain(..=end);
        self.looked = 0;
        Some(Ok(line))
    }
}

fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_as_they_end() {
        let mut plain = Plain::default();
        plain.feed(b"on");
        assert_eq!(plain.next(), None);
        plain.feed(b"e\r\n\ntwo");
        assert_eq!(plain.next(), Some(Ok("one".into())));
        assert_eq!(plain.next(), Some(Ok(String::new())));
        assert_eq!(plain.next(), None);
        plain.end();
        assert_eq!(plain.next(), Some(Ok("two".into())));
        assert_eq!(plain.next(), Some(Err(())));
        plain.feed(b"three\n");
        assert_eq!(plain.next(), Some(Ok("three".into())));
        assert_eq!(plain.next(), None);
    }

    #[test]
    fn lines_do_not_grow_for_ever() {
        let mut plain = Plain::default();
        plain.feed(&b"x".repeat(LONGEST - 1));
        assert_eq!(plain.next(), None);
        plain.feed(b"yz");
        assert_eq!(plain.next().unwrap().unwrap().len(), LONGEST + 1);
        plain.feed(b"rest\n");
        assert_eq!(plain.next(), Some(Ok("rest".into())));
        assert_eq!(plain.next(), None);
    }
}
