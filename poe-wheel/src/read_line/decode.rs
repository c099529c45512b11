//! Octets of a terminal to keys.

use std::collections::VecDeque;

use super::key::{Key, KeyCode};

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    Key(Key),
    /// What a terminal says was pasted, and is nobody's command.
    Paste(String),
}

pub(crate) const PASTE_END: &[u8] = b"\x1B[201~";

/// No sequence of a key is that long: octets that never end one are not waited for.
const LONGEST: usize = 32;

/// Makes keys of octets, however they are cut up.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    octets: Vec<u8>,
    pasting: bool,
    /// How much of a paste has no end in it.
    looked: usize,
}

/// What octets begin with, and how many of them that takes.
pub(crate) enum Parsed {
    Key(Key, usize),
    Paste(usize),
    Nothing(usize),
    Unfinished,
}

impl Decoder {
    pub(super) fn feed(&mut self, octets: &[u8], strokes: &mut VecDeque<Stroke>) {
        self.octets.extend_from_slice(octets);
        self.decode(strokes, false);
    }

    /// Whether a key may have begun that Escape is by itself: more of it comes at once, or never.
    pub(super) fn is_waiting(&self) -> bool {
        self.octets.first() == Some(&0x1B) && !self.pasting
    }

    /// Takes what has come for all there is: a lone Escape is that.
    pub(super) fn time_out(&mut self, strokes: &mut VecDeque<Stroke>) {
        self.decode(strokes, true);
    }

    fn decode(&mut self, strokes: &mut VecDeque<Stroke>, is_all: bool) {
        let mut rest = &self.octets[..];
        loop {
            if self.pasting {
                let Some(end) = find(&rest[self.looked..], PASTE_END) else {
                    self.looked = rest.len().saturating_sub(PASTE_END.len() - 1);
                    break;
                };
                let end = self.looked + end;
                self.looked = 0;
                let text = String::from_utf8_lossy(&rest[..end]);
                strokes.push_back(Stroke::Paste(text.replace("\r\n", "\n").replace('\r', "\n")));
                rest = &rest[end + PASTE_END.len()..];
                self.pasting = false;
            }
            match parse(rest, is_all) {
                Parsed::Key(key, length) => {
                    strokes.push_back(Stroke::Key(key));
                    rest = &rest[length..];
                }
                Parsed::Paste(length) => {
                    self.pasting = true;
                    rest = &rest[length..];
                }
                Parsed::Nothing(length) => rest = &rest[length..],
                Parsed::Unfinished => break,
            }
        }
        let done = self.octets.len() - rest.len();
        self.octets.drain(..done);
    }
}

/// The keys that these octets are.
pub(super) fn all(octets: &[u8]) -> Vec<Key> {
    let mut decoder = Decoder::default();
    let mut strokes = VecDeque::new();
    decoder.feed(octets, &mut strokes);
    decoder.time_out(&mut strokes);
    strokes
        .into_iter()
        .filter_map(|stroke| if let Stroke::Key(key) = stroke { Some(key) } else { None })
        .collect()
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

pub(crate) fn parse(octets: &[u8], is_all: bool) -> Parsed {
    match octets {
        [] => Parsed::Unfinished,
        [0x1B] if is_all => Parsed::Key(Key::ESCAPE, 1),
        [0x1B] => Parsed::Unfinished,
        [0x1B, b'[', ..] => parse_csi(octets, is_all),
        [0x1B, b'O', rest @ ..] => match rest.first() {
            None if is_all => Parsed::Key(Key::char('O').with_meta(), 2),
            None => Parsed::Unfinished,
            Some(&last) => match named_by_letter(last) {
                Some(code) => Parsed::Key(Key::new(code), 3),
                None if last == b'M' => Parsed::Key(Key::ctrl('m'), 3),
                None => Parsed::Key(Key::char('O').with_meta(), 2),
            },
        },
        // One before another's sequence is Meta. More of them are keys, or there would be no end to what a key may be.
        [0x1B, 0x1B, 0x1B, ..] => Parsed::Key(Key::ESCAPE, 1),
        [0x1B, rest @ ..] => match parse(rest, is_all) {
            Parsed::Key(key, length) => Parsed::Key(key.with_meta(), length + 1),
            // An Escape before something that is no key is one of its own.
            Parsed::Paste(_) | Parsed::Nothing(_) => Parsed::Key(Key::ESCAPE, 1),
            Parsed::Unfinished => Parsed::Unfinished,
        },
        [octet @ (0..0x20 | 0x7F), ..] => Parsed::Key(Key::control(*octet), 1),
        [octet, ..] if octet.is_ascii() => Parsed::Key(Key::char(*octet as char), 1),
        _ => parse_utf8(octets, is_all),
    }
}

fn parse_utf8(octets: &[u8], is_all: bool) -> Parsed {
    let head = &octets[..octets.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(error) if error.error_len().is_none() && !is_all => return Parsed::Unfinished,
        Err(error) => {
            let length = error.error_len().unwrap_or(head.len());
            return Parsed::Key(Key::char(char::REPLACEMENT_CHARACTER), length);
        }
    };
    let char = valid.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
    Parsed::Key(Key::char(char), char.len_utf8())
}

/// `ESC [`, numbers, and a last letter.
fn parse_csi(octets: &[u8], is_all: bool) -> Parsed {
    let meta_bracket = Parsed::Key(Key::char('[').with_meta(), 2);
    let body = &octets[2..];
    if let [b'[', rest @ ..] = body {
        // The function keys of the Linux console.
        return match rest.first() {
            Some(letter @ b'A'..=b'E') => {
                Parsed::Key(Key::new(KeyCode::Function(letter - b'A' + 1)), 4)
            }
            None if !is_all => Parsed::Unfinished,
            _ => meta_bracket,
        };
    }
    let length = body.iter().take_while(|octet| matches!(octet, 0x20..=0x3F)).count();
    if length > LONGEST {
        return meta_bracket;
    }
    let Some(&last) = body.get(length) else {
        return if is_all { meta_bracket } else { Parsed::Unfinished };
    };
    if !matches!(last, 0x40..=0x7E) {
        return meta_bracket;
    }
    let used = 2 + length + 1;
    let mut numbers = body[..length].split(|&octet| octet == b';').map(|number| {
        let digits = number.split(|octet| !octet.is_ascii_digit()).next().unwrap_or_default();
        std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u32>().ok())
    });
    let first = numbers.next().flatten();
    let modifiers = numbers.next().flatten().unwrap_or(1).saturating_sub(1);
    let code = match (last, first) {
        (b'~', Some(200)) => return Parsed::Paste(used),
        (b'~', Some(number)) => named_by_number(number),
        (b'u', Some(code)) => return unicode_key(code, modifiers, used),
        (letter, _) => named_by_letter(letter),
    };
    match code {
        Some(code) => Parsed::Key(modified(Key::new(code), modifiers), used),
        None => Parsed::Nothing(used),
    }
}

fn unicode_key(code: u32, modifiers: u32, used: usize) -> Parsed {
    let key = match (u8::try_from(code), char::from_u32(code)) {
        (Ok(octet @ (0..0x20 | 0x7F)), _) => Key::control(octet),
        (_, Some(char)) => Key::char(char),
        (_, None) => return Parsed::Nothing(used),
    };
    let key =
        Key { shift: false, ctrl: key.ctrl || modifiers & 4 != 0, ..modified(key, modifiers) };
    Parsed::Key(key, used)
}

fn modified(key: Key, modifiers: u32) -> Key {
    Key { shift: modifiers & 1 != 0, meta: modifiers & 2 != 0, ctrl: modifiers & 4 != 0, ..key }
}

fn named_by_letter(letter: u8) -> Option<KeyCode> {
    Some(match letter {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'P'..=b'S' => KeyCode::Function(letter - b'P' + 1),
        b'Z' => KeyCode::BackTab,
        _ => return None,
    })
}

fn named_by_number(number: u32) -> Option<KeyCode> {
    let function =
        |first: u32, offset: u32| u8::try_from(number - first + offset).ok().map(KeyCode::Function);
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => function(11, 1),
        17..=21 => function(17, 6),
        23 | 24 => function(23, 11),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(octets: &[u8]) -> String {
        all(octets).iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn keys_come_of_octets() {
        let cases: [(&[u8], &str); 16] = [
            (b"ab", "a b"),
            ("é漢👍".as_bytes(), "é 漢 👍"),
            (b"\x01\r\n\t\x7F\x08", "C-a C-m C-j C-i C-? C-h"),
            (b"\x1Bb\x1B\x08", "M-b M-C-h"),
            (b"\x1B[A\x1BOA\x1B[1;5C", "up up C-right"),
            (b"\x1B[3~\x1B[H\x1B[4~\x1B[2~", "delete home end insert"),
            (b"\x1B\x1B[A", "M-up"),
            (b"\x1B[15~\x1BOP\x1B[[B\x1B[24~", "f5 f1 f2 f12"),
            (b"\x1B[97;5u\x1B[27;1u", "C-a C-["),
            (b"\x1B", "C-["),
            (b"\x1BP\x1B]\x1B_", "M-P M-] M-_"),
            (b"\x1B[", "M-["),
            (b"\x1B[I\x1B[?1;2cx", "x"),
            (b"a\xFFb", "a \u{FFFD} b"),
            (b"\x1BOx", "M-O x"),
            (b"\x1C\x1D\x1E\x1F\x00", "C-\\ C-] C-^ C-_ C-@"),
        ];
        for (octets, keys) in cases {
            assert_eq!(shown(octets), keys, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn escapes_without_end_are_keys() {
        let (mut decoder, mut strokes) = (Decoder::default(), VecDeque::new());
        decoder.feed(&[0x1B; 100_000], &mut strokes);
        assert_eq!(strokes.len(), 100_000 - 2);
        decoder.feed(b"[A", &mut strokes);
        assert_eq!(strokes.back(), Some(&Stroke::Key(Key::new(KeyCode::Up).with_meta())));
    }

    #[test]
    fn it_does_not_matter_how_octets_are_cut_up() {
        let octets = "aé漢\x1B[A\x1Bb\x1B[200~x\x1B[Ay\rz\x1B[201~c\x1B[1;5D".as_bytes();
        let mut whole = VecDeque::new();
        Decoder::default().feed(octets, &mut whole);
        assert!(whole.contains(&Stroke::Paste("x\x1B[Ay\nz".to_owned())), "{whole:?}");
        for at in 0..octets.len() {
            let mut decoder = Decoder::default();
            let mut strokes = VecDeque::new();
            decoder.feed(&octets[..at], &mut strokes);
            decoder.feed(&octets[at..], &mut strokes);
            assert_eq!(strokes, whole, "cut at {at}");
        }
    }

    #[test]
    fn a_lone_escape_is_waited_with() {
        let (mut decoder, mut strokes) = (Decoder::default(), VecDeque::new());
        decoder.feed(b"\x1B", &mut strokes);
        assert!(strokes.is_empty() && decoder.is_waiting());
        decoder.time_out(&mut strokes);
        assert_eq!(strokes, [Stroke::Key(Key::ESCAPE)]);
        assert!(!decoder.is_waiting());
        decoder.feed(b"\x1B[200~half", &mut strokes);
        assert!(!decoder.is_waiting(), "a paste has no time");
        decoder.time_out(&mut strokes);
        decoder.feed(b"\x1B[201~", &mut strokes);
        assert_eq!(strokes[1], Stroke::Paste("half".to_owned()));
    }
}
