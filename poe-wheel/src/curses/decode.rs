//! Octets of a terminal to input.

use std::collections::VecDeque;

use bytes::Bytes;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::events::TerminalInput;
use super::mouse;
use crate::read_line::decode::{PASTE_END, Parsed, parse};
use crate::{Key, KeyCode as ReadKey};

/// A piece of what was pasted is no longer, in octets.
const LONGEST_PASTE: usize = 64 * 1024;

/// Makes input of octets, however they are cut up, and loses none of them.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    octets: Vec<u8>,
    pasting: bool,
    /// How many octets of what is pasted have been looked at, and do not end it.
    looked: usize,
}

/// What octets begin with, and how many of them that takes.
enum Decoded {
    Input(TerminalInput, usize),
    Paste(usize),
    Unfinished,
}

impl Decoder {
    pub(super) fn feed(&mut self, octets: &[u8], inputs: &mut VecDeque<TerminalInput>) {
        self.octets.extend_from_slice(octets);
        self.decode(inputs, false);
    }

    /// Whether a sequence may have begun that Escape is by itself: more of it comes at once, or never. Of a character, the rest
    /// will come.
    pub(super) fn is_waiting(&self) -> bool {
        self.octets.first() == Some(&0x1B) && !self.pasting
    }

    /// How many octets are no input yet.
    pub(super) fn pending(&self) -> usize {
        self.octets.len()
    }

    /// Takes what has come for all there is: a lone Escape is that.
    pub(super) fn time_out(&mut self, inputs: &mut VecDeque<TerminalInput>) {
        self.decode(inputs, true);
    }

    /// Takes what has come for all there is, half a paste too: whoever has the terminal next gets the rest, and the end.
    pub(super) fn break_off(&mut self, inputs: &mut VecDeque<TerminalInput>) {
        self.time_out(inputs);
        if std::mem::take(&mut self.pasting) {
            self.looked = 0;
            inputs.push_back(TerminalInput::Paste(text(&std::mem::take(&mut self.octets))));
        }
    }

    fn decode(&mut self, inputs: &mut VecDeque<TerminalInput>, is_all: bool) {
        let mut done = 0;
        loop {
            let rest = &self.octets[done..];
            if self.pasting {
                let Some((text, length, is_over)) = pasted(rest, &mut self.looked) else { break };
                if !text.is_empty() || is_over {
                    inputs.push_back(TerminalInput::Paste(text));
                }
                self.pasting = !is_over;
                done += length;
                continue;
            }
            match next(rest, is_all) {
                Decoded::Input(input, length) => {
                    inputs.push_back(input);
                    done += length;
                }
                Decoded::Paste(length) => {
                    self.pasting = true;
                    self.looked = 0;
                    done += length;
                }
                Decoded::Unfinished => break,
            }
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

fn next(octets: &[u8], is_all: bool) -> Decoded {
    if octets.starts_with(b"\x1B[M") {
        // The one sequence that goes on behind its last letter.
        return match octets.get(..6) {
            Some(whole) => told(mouse::plain(&whole[3..]), whole),
            None if is_all => told(None, octets),
            None => Decoded::Unfinished,
        };
    }
    match parse(octets, is_all) {
        Parsed::Unfinished => Decoded::Unfinished,
        Parsed::Paste(length) => Decoded::Paste(length),
        Parsed::Nothing(length) => {
            let sequence = &octets[..length];
            told(special(&sequence[2..]), sequence)
        }
        Parsed::Key(key, length) => {
            let sequence = &octets[..length];
            let input = match key.code {
                ReadKey::Char(char::REPLACEMENT_CHARACTER) if !sequence.ends_with(REPLACEMENT) => {
                    None
                }
                _ => sequence_key(key, sequence).map(TerminalInput::Key),
            };
            told(input, sequence)
        }
    }
}

const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

fn told(input: Option<TerminalInput>, sequence: &[u8]) -> Decoded {
    let unknown = || TerminalInput::Unknown(Bytes::copy_from_slice(sequence));
    Decoded::Input(input.unwrap_or_else(unknown), sequence.len())
}

/// What a control sequence that is no key says, without its `ESC [`.
fn special(sequence: &[u8]) -> Option<TerminalInput> {
    let (&last, parameters) = sequence.split_last()?;
    match (last, parameters) {
        (b'I', []) => Some(TerminalInput::FocusGained),
        (b'O', []) => Some(TerminalInput::FocusLost),
        (b'M' | b'm', [b'<', numbers @ ..]) => mouse::sgr(numbers, last == b'm'),
        (b'M', numbers) => mouse::rxvt(numbers),
        _ => None,
    }
}

/// A key, with all the modifiers that its sequence tells of, of which lines of text know some only.
fn sequence_key(key: Key, sequence: &[u8]) -> Option<KeyEvent> {
    let mut event = key_event(key);
    let escapes = sequence.iter().take_while(|&&octet| octet == 0x1B).count();
    let Some(b'[') = sequence.get(escapes).filter(|_| escapes > 0) else { return Some(event) };
    let Some((&last, parameters)) = sequence[escapes + 1..].split_last() else {
        return Some(event);
    };
    if parameters.starts_with(b"[") {
        return Some(event);
    }
    let mut numbers = parameters.split(|&octet| octet == b';');
    let first = numbers.next().unwrap_or_default();
    let is_reply = match last {
        // Where the cursor is, and not F3.
        b'R' => first != b"1" && !first.is_empty(),
        // A letter's number is 1 always.
        b'A'..=b'Z' => !matches!(first, b"" | b"1"),
        // Keys for which Unicode has no character are numbered in its private use area.
        b'u' => matches!(event.code, KeyCode::Char('\u{E000}'..='\u{F8FF}')),
        _ => false,
    };
    if is_reply || numbers.clone().count() > 1 && last != b'u' {
        return None;
    }
    let Some(number) = numbers.next() else { return Some(event) };
    let mut parts = number.split(|&octet| octet == b':').map(decimal);
    let mask = parts.next().flatten().unwrap_or(1).saturating_sub(1);
    let known = [
        (1, KeyModifiers::SHIFT),
        (2, KeyModifiers::ALT),
        (4, KeyModifiers::CONTROL),
        (8, KeyModifiers::SUPER),
        (16, KeyModifiers::HYPER),
        (32, KeyModifiers::META),
    ];
    let is_set = known.into_iter().filter(|(bit, _)| mask & bit != 0);
    event.modifiers |= is_set.map(|(_, modifier)| modifier).collect::<KeyModifiers>();
    event.kind = match parts.next().flatten() {
        Some(2) => KeyEventKind::Repeat,
        Some(3) => KeyEventKind::Release,
        _ => KeyEventKind::Press,
    };
    Some(event)
}

pub(super) fn decimal(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

/// The key as crossterm has it.
fn key_event(key: Key) -> KeyEvent {
    let mut modifiers = KeyModifiers::empty();
    modifiers.set(KeyModifiers::ALT, key.meta);
    modifiers.set(KeyModifiers::SHIFT, key.shift);
    modifiers.set(KeyModifiers::CONTROL, key.ctrl);
    let code = match key.code {
        ReadKey::Char(char) if key.ctrl => {
            let plain = match char {
                'i' => Some(KeyCode::Tab),
                'm' => Some(KeyCode::Enter),
                '[' => Some(KeyCode::Esc),
                '?' => Some(KeyCode::Backspace),
                _ => None,
            };
            if plain.is_some() {
                modifiers.remove(KeyModifiers::CONTROL);
            }
            plain.unwrap_or(KeyCode::Char(match char {
                '@' => ' ',
                '\\' => '4',
                ']' => '5',
                '^' => '6',
                '_' => '7',
                other => other,
            }))
        }
        ReadKey::Char(char) => {
            modifiers.set(KeyModifiers::SHIFT, char.is_uppercase());
            KeyCode::Char(char)
        }
        ReadKey::Up => KeyCode::Up,
        ReadKey::Down => KeyCode::Down,
        ReadKey::Left => KeyCode::Left,
        ReadKey::Right => KeyCode::Right,
        ReadKey::Home => KeyCode::Home,
        ReadKey::End => KeyCode::End,
        ReadKey::Insert => KeyCode::Insert,
        ReadKey::Delete => KeyCode::Delete,
        ReadKey::PageUp => KeyCode::PageUp,
        ReadKey::PageDown => KeyCode::PageDown,
        ReadKey::BackTab => {
            modifiers.insert(KeyModifiers::SHIFT);
            KeyCode::BackTab
        }
        ReadKey::Function(number) => KeyCode::F(number),
    };
    KeyEvent::new(code, modifiers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(parts: &[&[u8]]) -> VecDeque<TerminalInput> {
        let (mut decoder, mut inputs) = (Decoder::default(), VecDeque::new());
        for part in parts {
            decoder.feed(part, &mut inputs);
        }
        decoder.time_out(&mut inputs);
        inputs
    }

    fn key(code: KeyCode, modifiers: KeyModifiers) -> TerminalInput {
        TerminalInput::Key(KeyEvent::new(code, modifiers))
    }

    fn unknown(octets: &'static [u8]) -> TerminalInput {
        TerminalInput::Unknown(Bytes::from_static(octets))
    }

    #[test]
    fn keys_are_those_of_crossterm() {
        const NONE: KeyModifiers = KeyModifiers::NONE;
        const CONTROL: KeyModifiers = KeyModifiers::CONTROL;
        const ALT: KeyModifiers = KeyModifiers::ALT;
        const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
        let cases: [(&[u8], KeyCode, KeyModifiers); 37] = [
            (b"a", KeyCode::Char('a'), NONE),
            (b"A", KeyCode::Char('A'), SHIFT),
            ("漢".as_bytes(), KeyCode::Char('漢'), NONE),
            ("\u{FFFD}".as_bytes(), KeyCode::Char('\u{FFFD}'), NONE),
            (b"\x01", KeyCode::Char('a'), CONTROL),
            (b"\x00", KeyCode::Char(' '), CONTROL),
            (b"\x08", KeyCode::Char('h'), CONTROL),
            (b"\x1C", KeyCode::Char('4'), CONTROL),
            (b"\x1F", KeyCode::Char('7'), CONTROL),
            (b"\t", KeyCode::Tab, NONE),
            (b"\r", KeyCode::Enter, NONE),
            (b"\n", KeyCode::Char('j'), CONTROL),
            (b"\x7F", KeyCode::Backspace, NONE),
            (b"\x1B", KeyCode::Esc, NONE),
            (b"\x1Bx", KeyCode::Char('x'), ALT),
            (b"\x1B\x7F", KeyCode::Backspace, ALT),
            (b"\x1B[A", KeyCode::Up, NONE),
            (b"\x1BOB", KeyCode::Down, NONE),
            (b"\x1B\x1B[C", KeyCode::Right, ALT),
            (b"\x1B[1;2D", KeyCode::Left, SHIFT),
            (b"\x1B[1;7A", KeyCode::Up, CONTROL.union(ALT)),
            (b"\x1B[1;9A", KeyCode::Up, KeyModifiers::SUPER),
            (b"\x1B[Z", KeyCode::BackTab, SHIFT),
            (b"\x1B[H", KeyCode::Home, NONE),
            (b"\x1B[4~", KeyCode::End, NONE),
            (b"\x1B[2~", KeyCode::Insert, NONE),
            (b"\x1B[3;5~", KeyCode::Delete, CONTROL),
            (b"\x1B[5~", KeyCode::PageUp, NONE),
            (b"\x1B[6~", KeyCode::PageDown, NONE),
            (b"\x1BOP", KeyCode::F(1), NONE),
            (b"\x1B[[B", KeyCode::F(2), NONE),
            (b"\x1B[1;5R", KeyCode::F(3), CONTROL),
            (b"\x1B[24~", KeyCode::F(12), NONE),
            (b"\x1B[97;5u", KeyCode::Char('a'), CONTROL),
            (b"\x1B[27u", KeyCode::Esc, NONE),
            (b"\x1B[13;2u", KeyCode::Enter, SHIFT),
            (b"\x1B[", KeyCode::Char('['), ALT),
        ];
        for (octets, code, modifiers) in cases {
            assert_eq!(all(&[octets]), [key(code, modifiers)], "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn releases_and_repetitions_are_told_apart() {
        let kinds =
            [(1, KeyEventKind::Press), (2, KeyEventKind::Repeat), (3, KeyEventKind::Release)];
        for (number, kind) in kinds {
            let octets = format!("\x1B[97;1:{number}u");
            let event = KeyEvent::new_with_kind(KeyCode::Char('a'), KeyModifiers::NONE, kind);
            assert_eq!(all(&[octets.as_bytes()]), [TerminalInput::Key(event)]);
        }
    }

    #[test]
    fn what_is_not_known_is_told_whole() {
        let cases: [&'static [u8]; 12] = [
            b"\x1B[?1;2c",
            b"\x1B[12;40R",
            b"\x1B[99~",
            b"\x1B[57358u",
            b"\x1B[<0;0;0M",
            b"\x1B[<1;2M",
            b"\x1B[MA",
            b"\x1B[1;2;3A",
            b"\x1B[7A",
            b"\xFF",
            b"\xC3",
            b"\x1B\xFF",
        ];
        for octets in cases {
            assert_eq!(all(&[octets]), [unknown(octets)], "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn focus_and_mouse() {
        assert_eq!(all(&[b"\x1B[I\x1B[O"]), [TerminalInput::FocusGained, TerminalInput::FocusLost]);
        let clicks = all(&[b"\x1B[<0;10;20M\x1B[M *4\x1B[32;10;20M"]);
        let TerminalInput::Mouse(down) = clicks[0] else { panic!("{clicks:?}") };
        assert_eq!((down.column, down.row), (9, 19));
        assert!(clicks.len() == 3 && clicks.iter().all(|click| *click == clicks[0]), "{clicks:?}");
    }

    #[test]
    fn pastes_are_no_keys() {
        let text = |text: &str| TerminalInput::Paste(text.to_owned());
        let a = key(KeyCode::Char('a'), KeyModifiers::NONE);
        assert_eq!(
            all(&[b"a\x1B[200~one\r\ntwo\r\x1B[A\xFF\x1B[201~a\x1B[200~\x1B[201~"]),
            [a.clone(), text("one\ntwo\n\x1B[A\u{FFFD}"), a, text("")]
        );
        let (mut decoder, mut inputs) = (Decoder::default(), VecDeque::new());
        decoder.feed(b"\x1B[200~half", &mut inputs);
        assert!(!decoder.is_waiting() && decoder.pending() == 4);
        decoder.time_out(&mut inputs);
        assert!(inputs.is_empty());
        decoder.break_off(&mut inputs);
        decoder.feed(b"q", &mut inputs);
        assert_eq!(inputs, [text("half"), key(KeyCode::Char('q'), KeyModifiers::NONE)]);
    }

    #[test]
    fn a_paste_that_never_ends_takes_no_memory() {
        let (mut decoder, mut inputs) = (Decoder::default(), VecDeque::new());
        decoder.feed(b"\x1B[200~", &mut inputs);
        let mut pasted = String::new();
        let lines = "漢字\r\n".repeat(1000);
        for _ in 0..100 {
            decoder.feed(lines.as_bytes(), &mut inputs);
            assert!(decoder.pending() < LONGEST_PASTE + PASTE_END.len());
            for input in inputs.drain(..) {
                let TerminalInput::Paste(text) = input else { panic!("{input:?}") };
                assert!(text.len() <= LONGEST_PASTE);
                pasted.push_str(&text);
            }
        }
        decoder.feed(b"\x1B[201~", &mut inputs);
        let Some(TerminalInput::Paste(rest)) = inputs.pop_front() else { panic!("no end") };
        pasted.push_str(&rest);
        assert_eq!(pasted, "漢字\n".repeat(100_000));
    }

    #[test]
    fn only_an_escape_is_waited_with() {
        let (mut decoder, mut inputs) = (Decoder::default(), VecDeque::new());
        for (octets, is_waiting) in
            [(&b"\x1B"[..], true), (b"[1;", true), (b"5A", false), (b"\xE6", false)]
        {
            decoder.feed(octets, &mut inputs);
            assert_eq!(decoder.is_waiting(), is_waiting, "{}", octets.escape_ascii());
        }
        decoder.feed(&[0x1B; 100_000], &mut inputs);
        assert_eq!(inputs.len(), 2 + 100_000 - 2);
        assert!(decoder.pending() == 2 && decoder.is_waiting());
    }

    /// What terminals send, and what nobody does.
    fn sent() -> impl Strategy<Value = Vec<u8>> {
        let known = prop::sample::select(vec![
            &b"\x1B"[..],
            b"\x1B[",
            b"\x1BO",
            b"\x1B[A",
            b"\x1B[1;5C",
            b"\x1B[200~",
            b"\x1B[201~",
            b"\x1B[M",
            b"\x1B[<0;1;1M",
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
