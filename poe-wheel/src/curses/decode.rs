//! What has come of a terminal, in the types of crossterm.

use bytes::Bytes;
use ratatui::crossterm::event::{KeyEvent, KeyModifiers};
use terminput::{Event, KeyModifiers as Modifiers};
use terminput_crossterm::{to_crossterm_key, to_crossterm_mouse};

use super::events::TerminalInput;
use crate::read_line::decode::Decoded;

pub(super) fn input(decoded: Decoded<'_>) -> TerminalInput {
    match decoded {
        Decoded::Paste(text) => TerminalInput::Paste(text),
        Decoded::Sequence(octets, event) => event
            .and_then(known)
            .unwrap_or_else(|| TerminalInput::Unknown(Bytes::copy_from_slice(octets))),
    }
}

fn known(event: Event) -> Option<TerminalInput> {
    Some(match event {
        Event::Key(event) => TerminalInput::Key(key(event)),
        Event::Mouse(mouse) => TerminalInput::Mouse(to_crossterm_mouse(mouse).ok()?),
        Event::FocusGained => TerminalInput::FocusGained,
        Event::FocusLost => TerminalInput::FocusLost,
        Event::Paste(_) | Event::Resize { .. } => return None,
    })
}

fn key(event: terminput::KeyEvent) -> KeyEvent {
    let mut key = to_crossterm_key(event);
    // The two that the conversion leaves out.
    key.modifiers.set(KeyModifiers::HYPER, event.modifiers.contains(Modifiers::HYPER));
    key.modifiers.set(KeyModifiers::META, event.modifiers.contains(Modifiers::META));
    key
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::{
        KeyCode, KeyEventKind, MediaKeyCode, MouseButton, MouseEvent, MouseEventKind,
    };

    use super::*;
    use crate::read_line::decode::Decoder;

    fn all(octets: &[u8]) -> Vec<TerminalInput> {
        let (mut decoder, mut inputs) = (Decoder::default(), Vec::new());
        decoder.feed(octets, |decoded| inputs.push(input(decoded)));
        decoder.time_out(|decoded| inputs.push(input(decoded)));
        inputs
    }

    #[test]
    fn keys_are_those_of_crossterm() {
        const NONE: KeyModifiers = KeyModifiers::NONE;
        const CONTROL: KeyModifiers = KeyModifiers::CONTROL;
        const ALT: KeyModifiers = KeyModifiers::ALT;
        const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
        let cases: [(&[u8], KeyCode, KeyModifiers); 41] = [
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
            (b"\x1B[1;17A", KeyCode::Up, KeyModifiers::HYPER),
            (b"\x1B[1;33A", KeyCode::Up, KeyModifiers::META),
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
            (b"\x1B[57358u", KeyCode::CapsLock, NONE),
            (b"\x1B[57430u", KeyCode::Media(MediaKeyCode::PlayPause), NONE),
            (b"\x1B[", KeyCode::Char('['), ALT),
        ];
        for (octets, code, modifiers) in cases {
            let key = TerminalInput::Key(KeyEvent::new(code, modifiers));
            assert_eq!(all(octets), [key], "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn releases_and_repetitions_are_told_apart() {
        let kinds =
            [(1, KeyEventKind::Press), (2, KeyEventKind::Repeat), (3, KeyEventKind::Release)];
        for (number, kind) in kinds {
            let octets = format!("\x1B[97;1:{number}u");
            let event = KeyEvent::new_with_kind(KeyCode::Char('a'), KeyModifiers::NONE, kind);
            assert_eq!(all(octets.as_bytes()), [TerminalInput::Key(event)]);
        }
    }

    #[test]
    fn what_is_not_known_comes_as_it_was() {
        for octets in [&b"\x1B[?1;2c"[..], b"\x1B[12;40R", b"\x1B[<0;0;0M", b"\xFF"] {
            let unknown = TerminalInput::Unknown(Bytes::copy_from_slice(octets));
            assert_eq!(all(octets), [unknown], "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn focus_and_pastes() {
        let paste = TerminalInput::Paste("one\ntwo".to_owned());
        assert_eq!(
            all(b"\x1B[I\x1B[200~one\rtwo\x1B[201~\x1B[O"),
            [TerminalInput::FocusGained, paste, TerminalInput::FocusLost]
        );
    }

    #[test]
    fn a_mouse_in_each_of_the_ways_that_terminals_tell_it() {
        let (left, none) = (MouseButton::Left, KeyModifiers::NONE);
        let held = KeyModifiers::SHIFT | KeyModifiers::ALT | KeyModifiers::CONTROL;
        type Case = (&'static [u8], MouseEventKind, (u16, u16), KeyModifiers);
        let cases: [Case; 16] = [
            (b"\x1B[<0;10;20M", MouseEventKind::Down(left), (9, 19), none),
            (b"\x1B[32;10;20M", MouseEventKind::Down(left), (9, 19), none),
            (b"\x1B[M *4", MouseEventKind::Down(left), (9, 19), none),
            (b"\x1B[<0;1;1m", MouseEventKind::Up(left), (0, 0), none),
            (b"\x1B[<2;1;1M", MouseEventKind::Down(MouseButton::Right), (0, 0), none),
            (b"\x1B[<1;1;1m", MouseEventKind::Up(MouseButton::Middle), (0, 0), none),
            (b"\x1B[<32;1;1M", MouseEventKind::Drag(left), (0, 0), none),
            (b"\x1B[<35;1;1M", MouseEventKind::Moved, (0, 0), none),
            (b"\x1B[<64;1;1M", MouseEventKind::ScrollUp, (0, 0), none),
            (b"\x1B[<65;1;1M", MouseEventKind::ScrollDown, (0, 0), none),
            (b"\x1B[<66;1;1M", MouseEventKind::ScrollLeft, (0, 0), none),
            (b"\x1B[<67;1;1M", MouseEventKind::ScrollRight, (0, 0), none),
            (b"\x1B[<28;3;4M", MouseEventKind::Down(left), (2, 3), held),
            (b"\x1B[<0;65535;300M", MouseEventKind::Down(left), (65534, 299), none),
            // Which button it was, terminals of these kinds do not tell.
            (b"\x1B[35;1;1M", MouseEventKind::Up(left), (0, 0), none),
            (b"\x1B[M#!!", MouseEventKind::Up(left), (0, 0), none),
        ];
        for (octets, kind, (column, row), modifiers) in cases {
            let mouse = TerminalInput::Mouse(MouseEvent { kind, column, row, modifiers });
            assert_eq!(all(octets), [mouse], "{}", octets.escape_ascii());
        }
    }
}
