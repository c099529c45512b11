//! What was typed or pasted, as a line takes it.

use terminput::{Event, KeyCode as Code, KeyEvent, KeyEventKind, KeyModifiers};

use super::decode::{Decoded, Decoder};
use super::key::{Key, KeyCode};

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    Key(Key),
    /// What a terminal says was pasted, and is nobody's command.
    Paste(String),
}

impl Stroke {
    /// Nothing of what is no matter of a line: the mouse, answers of the terminal, keys that no line has.
    pub(super) fn of(decoded: Decoded<'_>) -> Option<Self> {
        match decoded {
            Decoded::Paste(text) => Some(Self::Paste(text)),
            Decoded::Sequence(_, Some(Event::Key(event))) => key(event).map(Self::Key),
            // Octets that are no character.
            Decoded::Sequence([0x80..=0xFF, ..], None) => {
                Some(Self::Key(Key::char(char::REPLACEMENT_CHARACTER)))
            }
            Decoded::Sequence(..) => None,
        }
    }
}

/// The keys that these octets are.
pub(super) fn keys(octets: &[u8]) -> Vec<Key> {
    let (mut decoder, mut keys) = (Decoder::default(), Vec::new());
    let mut take = |decoded: Decoded<'_>| {
        if let Some(Stroke::Key(key)) = Stroke::of(decoded) {
            keys.push(key);
        }
    };
    decoder.feed(octets, &mut take);
    decoder.time_out(&mut take);
    keys
}

fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let event = event.normalize_case();
    let has = |modifier| event.modifiers.intersects(modifier);
    let (shift, ctrl) = (has(KeyModifiers::SHIFT), has(KeyModifiers::CTRL));
    let key = match event.code {
        Code::Char(char) if char.is_ascii_control() => Key::control(char as u8),
        Code::Char(char) if ctrl => Key::ctrl(control(char)),
        Code::Char(char) => Key::char(char),
        Code::Enter => Key::ctrl('m'),
        Code::Tab if shift => Key { ctrl, ..Key::new(KeyCode::BackTab) },
        Code::Tab => Key::ctrl('i'),
        Code::Esc => Key::ESCAPE,
        Code::Backspace => Key::ctrl('?'),
        other => Key { ctrl, shift, ..Key::new(named(other)?) },
    };
    Some(Key { meta: has(KeyModifiers::ALT | KeyModifiers::META), ..key })
}

/// The character below which a control character is in ASCII, where a digit is what is told.
fn control(char: char) -> char {
    match char {
        ' ' => '@',
        '4' => '\\',
        '5' => ']',
        '6' => '^',
        '7' => '_',
        other => other.to_ascii_lowercase(),
    }
}

fn named(code: Code) -> Option<KeyCode> {
    Some(match code {
        Code::Up => KeyCode::Up,
        Code::Down => KeyCode::Down,
        Code::Left => KeyCode::Left,
        Code::Right => KeyCode::Right,
        Code::Home => KeyCode::Home,
        Code::End => KeyCode::End,
        Code::Insert => KeyCode::Insert,
        Code::Delete => KeyCode::Delete,
        Code::PageUp => KeyCode::PageUp,
        Code::PageDown => KeyCode::PageDown,
        Code::F(number) => KeyCode::Function(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_of_octets() {
        let cases: [(&[u8], &str); 27] = [
            (b"ab", "a b"),
            ("é漢👍".as_bytes(), "é 漢 👍"),
            (b"\x01\r\n\t\x7F\x08", "C-a C-m C-j C-i C-? C-h"),
            (b"\x1Bb\x1B\x08", "M-b M-C-h"),
            (b"\x1BB\x1B\r\x1B\x7F", "M-B M-C-m M-C-?"),
            (b"\x1B[A\x1BOA\x1B[1;5C", "up up C-right"),
            (b"\x1B[5C\x1B[1;3D\x1B[1;33D\x1B[1;6A", "C-right M-left M-left C-S-up"),
            (b"\x1B[3~\x1B[H\x1B[4~\x1B[2~", "delete home end insert"),
            (b"\x1B[7~\x1B[8~\x1B[5~\x1B[6~\x1B[3;5~", "home end pageup pagedown C-delete"),
            (b"\x1B\x1B[A", "M-up"),
            (b"\x1B[15~\x1BOP\x1B[[B\x1B[24~", "f5 f1 f2 f12"),
            (b"\x1B[1;2P\x1B[1;5R\x1B[15;2~\x1B[25~", "S-f1 C-f3 S-f5 f13"),
            (b"\x1B[Z\x1B\x1B[Z\x1BOM", "backtab M-backtab C-m"),
            // The keyboard protocols of fixterms and kitty.
            (b"\x1B[97;5u\x1B[27;1u\x1B[9;2u\x1B[13;2u", "C-a C-[ backtab C-m"),
            (b"\x1B[8;1u\x1B[97;2u\x1B[97:65;2u\x1B[32;5u\x1B[233;3u", "C-h A A C-@ M-é"),
            (b"\x1B[57417u\x1B[57414u\x1B[57400u", "left C-m 1"),
            // It was let go, and it is Shift alone.
            (b"\x1B[97;1:3u\x1B[57441;2ub", "b"),
            (b"\x1B", "C-["),
            (b"\x1BP\x1B]\x1B_\x1BX\x1B^", "M-P M-] M-_ M-X M-^"),
            (b"\x1B[", "M-["),
            (b"\x1BO", "M-O"),
            (b"\x1B[I\x1B[?1;2cx", "x"),
            (b"\x1B[<0;1;1M\x1B[M !!\x1B[99~\x1B[12;40Rx", "x"),
            (b"a\xFFb\xC0\x80\x9B", "a \u{FFFD} b \u{FFFD} \u{FFFD} \u{FFFD}"),
            (b"\x1B\xFFb", "b"),
            (b"\x1BOx", "M-O x"),
            (b"\x1C\x1D\x1E\x1F\x00", "C-\\ C-] C-^ C-_ C-@"),
        ];
        for (octets, expected) in cases {
            let shown: Vec<String> = keys(octets).iter().map(Key::to_string).collect();
            assert_eq!(shown.join(" "), expected, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn pastes_are_no_keys() {
        let (mut decoder, mut strokes) = (Decoder::default(), Vec::new());
        decoder.feed(b"\x1B[200~x\x1B[Ay\rz\x1B[201~\x1BO", |it| strokes.extend(Stroke::of(it)));
        assert_eq!(strokes, [Stroke::Paste("x\x1B[Ay\nz".to_owned())]);
    }
}
