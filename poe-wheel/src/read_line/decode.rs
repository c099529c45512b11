//! Octets of a terminal to inputs, for lines and for whole screens.

use terminput::Event;

use super::sequence;

/// A piece of what was pasted is no longer, in octets.
const LONGEST_PASTE: usize = 64 * 1024;

const PASTE: &[u8] = b"\x1B[200~";
const PASTE_END: &[u8] = b"\x1B[201~";

/// What has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decoded<'a> {
    /// One sequence, or one character, and what it says if that is known.
    Sequence(&'a [u8], Option<Event>),
    /// What a terminal says was pasted, and is nobody's command; or a piece of a long one.
    Paste(String),
}

/// Makes inputs of octets, however they are cut up, and loses none of them.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    octets: Vec<u8>,
    pasting: bool,
    /// How many octets of what is pasted have been looked at, and do not end it.
    looked: usize,
}

impl Decoder {
    pub(crate) fn feed(&mut self, octets: &[u8], take: impl FnMut(Decoded<'_>)) {
        self.octets.extend_from_slice(octets);
        self.decode(false, take);
    }

    /// Whether a sequence may have begun that Escape is by itself: more of it comes at once, or never. Of a character, the rest
    /// will come.
    pub(crate) fn is_waiting(&self) -> bool {
        self.octets.first() == Some(&0x1B) && !self.pasting
    }

    /// How many octets are no input yet.
    #[cfg_attr(not(feature = "curses"), allow(dead_code))]
    pub(crate) fn pending(&self) -> usize {
        self.octets.len()
    }

    /// Takes what has come for all there is: a lone Escape is that.
    pub(crate) fn time_out(&mut self, take: impl FnMut(Decoded<'_>)) {
        self.decode(true, take);
    }

    /// Takes what has come for all there is, half a paste too: whoever has the terminal next gets the rest, and the end.
    #[cfg_attr(not(feature = "curses"), allow(dead_code))]
    pub(crate) fn break_off(&mut self, mut take: impl FnMut(Decoded<'_>)) {
        self.time_out(&mut take);
        if std::mem::take(&mut self.pasting) {
            self.looked = 0;
            take(Decoded::Paste(text(&std::mem::take(&mut self.octets))));
        }
    }

    fn decode(&mut self, is_all: bool, mut take: impl FnMut(Decoded<'_>)) {
        let mut done = 0;
        loop {
            let rest = &self.octets[done..];
            if self.pasting {
                let Some((text, length, is_over)) = pasted(rest, &mut self.looked) else { break };
                if !text.is_empty() || is_over {
                    take(Decoded::Paste(text));
                }
                self.pasting = !is_over;
                done += length;
                continue;
            }
            let Some(length) = sequence::cut(rest, is_all) else { break };
            let sequence = &rest[..length];
            if sequence == PASTE {
                self.pasting = true;
                self.looked = 0;
            } else {
                take(Decoded::Sequence(sequence, sequence::event(sequence)));
            }
            done += length;
        }
        self.octets.drain(..done);
    }
}

/// A paste, or a piece of a long one; how many octets it takes, and whether it is over.
fn pasted(octets: &[u8], looked: &mut usize) -> Option<(String, usize, bool)> {
    let end = octets[*looked..].windows(PASTE_END.len()).position(|window| window == PASTE_END);
    if let Some(end) = end.map(|end| *looked + end)
        && end <= LONGEST_PASTE
    {
        *looked = 0;
        return Some((text(&octets[..end]), end + PASTE_END.len(), true));
    }
    if octets.len() < LONGEST_PASTE + PASTE_END.len() {
        *looked = octets.len().saturating_sub(PASTE_END.len() - 1);
        return None;
    }
    // Neither a character nor the end of a line is cut in two.
    let mut cut = LONGEST_PASTE;
    while cut > LONGEST_PASTE - 4 && octets[cut] & 0xC0 == 0x80 {
        cut -= 1;
    }
    if octets[cut - 1] == b'\r' {
        cut -= 1;
    }
    *looked = 0;
    Some((text(&octets[..cut]), cut, false))
}

fn text(pasted: &[u8]) -> String {
    String::from_utf8_lossy(pasted).replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use terminput::KeyCode;

    use super::*;

    /// An input whose octets are its own.
    #[derive(Clone, Debug, PartialEq)]
    enum Got {
        Known(Event),
        Unknown(Vec<u8>),
        Paste(String),
    }

    impl From<Decoded<'_>> for Got {
        fn from(decoded: Decoded<'_>) -> Self {
            match decoded {
                Decoded::Sequence(_, Some(event)) => Self::Known(event),
                Decoded::Sequence(octets, None) => Self::Unknown(octets.to_vec()),
                Decoded::Paste(text) => Self::Paste(text),
            }
        }
    }

    fn all(parts: &[&[u8]]) -> Vec<Got> {
        let (mut decoder, mut got) = (Decoder::default(), Vec::new());
        for part in parts {
            decoder.feed(part, |decoded| got.push(decoded.into()));
        }
        decoder.time_out(|decoded| got.push(decoded.into()));
        got
    }

    fn key(code: KeyCode) -> Got {
        Got::Known(Event::Key(code.into()))
    }

    #[test]
    fn what_is_not_known_is_told_whole() {
        let cases: [&[u8]; 20] = [
            b"\x1B[?1;2c",
            b"\x1B[?1h",
            b"\x1B[>1 q",
            b"\x1B[12;40R",
            b"\x1B[99~",
            b"\x1B[99999999999999999999~",
            b"\x1B[4294967295u",
            b"\x1B[<0;0;0M",
            b"\x1B[<0;1;00m",
            b"\x1B[<0;+0;1M",
            b"\x1B[<0;1;70000M",
            b"\x1B[<1;2M",
            b"\x1B[32;0;1M",
            b"\x1B[31;1;1M",
            b"\x1B[[Z",
            b"\x1B[M\x1F!!",
            b"\x1B[MA",
            b"\xFF",
            b"\xC3",
            b"\x1B\xFF",
        ];
        for octets in cases {
            let unknown = [Got::Unknown(octets.to_vec())];
            assert_eq!(all(&[octets]), unknown, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn a_sequence_without_end_is_not_waited_for() {
        let (mut decoder, mut count) = (Decoder::default(), 0);
        decoder.feed(b"\x1B[", |_| count += 1);
        for _ in 0..1000 {
            decoder.feed(b"1234567890;", |_| count += 1);
            assert!(decoder.pending() <= 2 + sequence::LONGEST);
        }
        assert_eq!(count, 1 + 11_000);
        decoder.feed(&[0x1B; 100_000], |_| count += 1);
        assert_eq!(count, 1 + 11_000 + 100_000 - 2);
        assert!(decoder.pending() == 2 && decoder.is_waiting());
    }

    #[test]
    fn only_an_escape_is_waited_with() {
        let mut decoder = Decoder::default();
        for (octets, is_waiting) in
            [(&b"\x1B"[..], true), (b"[1;", true), (b"5A", false), (b"\xE6", false)]
        {
            decoder.feed(octets, |_| ());
            assert_eq!(decoder.is_waiting(), is_waiting, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn pastes_are_no_keys() {
        let text = |text: &str| Got::Paste(text.to_owned());
        assert_eq!(
            all(&[b"\t\x1B[200~one\r\ntwo\r\x1B[A\xFF\x1B[201~\r\x1B[200~\x1B[201~"]),
            [key(KeyCode::Tab), text("one\ntwo\n\x1B[A\u{FFFD}"), key(KeyCode::Enter), text("")]
        );
        let (mut decoder, mut got) = (Decoder::default(), Vec::<Got>::new());
        decoder.feed(b"\x1B[200~half", |decoded| got.push(decoded.into()));
        assert!(!decoder.is_waiting() && decoder.pending() == 4);
        decoder.time_out(|decoded| got.push(decoded.into()));
        assert!(got.is_empty(), "a paste has no time");
        decoder.break_off(|decoded| got.push(decoded.into()));
        decoder.feed(b"\t", |decoded| got.push(decoded.into()));
        assert_eq!(got, [text("half"), key(KeyCode::Tab)]);
    }

    #[test]
    fn a_paste_that_never_ends_takes_no_memory() {
        let (mut decoder, mut pasted) = (Decoder::default(), String::new());
        decoder.feed(b"\x1B[200~", |decoded| panic!("{decoded:?}"));
        let mut take = |decoded: Decoded<'_>| {
            let Decoded::Paste(text) = decoded else { panic!("{decoded:?}") };
            assert!(text.len() <= LONGEST_PASTE);
            pasted.push_str(&text);
        };
        let lines = "漢字\r\n".repeat(1000);
        for _ in 0..100 {
            decoder.feed(lines.as_bytes(), &mut take);
            assert!(decoder.pending() < LONGEST_PASTE + PASTE_END.len());
        }
        decoder.feed(b"\x1B[201~", &mut take);
        assert_eq!(pasted, "漢字\n".repeat(100_000));
    }

    /// What terminals send, and what nobody does.
    fn sent() -> impl Strategy<Value = Vec<u8>> {
        let known = prop::sample::select(vec![
            &b"\x1B"[..],
            b"\x1B[",
            b"\x1BO",
            b"\x1B[A",
            b"\x1B[1;5C",
            b"\x1B[1;",
            b"\x1B[97:65;2:3u",
            b"\x1B[200~",
            b"\x1B[201~",
            b"\x1B[M",
            b"\x1B[<0;1;1M",
            b"\x1B[<",
            b"32;0;1M",
            b"\x1B[[",
            b"\r\n",
            b"0123456789;0123456789;0123456789;0123456789",
            "é漢👍".as_bytes(),
        ]);
        let part = prop_oneof![
            3 => known.prop_map(<[u8]>::to_vec),
            1 => prop::collection::vec(any::<u8>(), 0..4),
            1 => prop::collection::vec(0x20..0x7Fu8, 0..4),
        ];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_octets_are_cut_up(octets in sent()) {
            let whole = all(&[&octets]);
            for at in 0..=octets.len() {
                prop_assert_eq!(&all(&[&octets[..at], &octets[at..]]), &whole, "cut at {}", at);
            }
            let single: Vec<&[u8]> = octets.chunks(1).collect();
            prop_assert_eq!(&all(&single), &whole);
        }
    }
}
