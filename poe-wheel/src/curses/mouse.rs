//! What a mouse did, in each of the ways that terminals tell it.

use ratatui::crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::decode::decimal;
use super::events::TerminalInput;

/// As in `ESC [ < 0 ; 10 ; 20 M`, without what is around the numbers.
pub(super) fn sgr(numbers: &[u8], is_released: bool) -> Option<TerminalInput> {
    let (what, column, row) = three(numbers)?;
    event(what, column, row, is_released)
}

/// As in `ESC [ 32 ; 10 ; 20 M`.
pub(super) fn rxvt(numbers: &[u8]) -> Option<TerminalInput> {
    let (what, column, row) = three(numbers)?;
    event(what.checked_sub(32)?, column, row, false)
}

/// As in `ESC [ M` and three octets.
pub(super) fn plain(octets: &[u8]) -> Option<TerminalInput> {
    let &[what, column, row] = octets else { return None };
    let number = |octet: u8| octet.checked_sub(32).map(u32::from);
    event(number(what)?, number(column)?, number(row)?, false)
}

fn three(numbers: &[u8]) -> Option<(u32, u32, u32)> {
    let mut numbers = numbers.split(|&octet| octet == b';').map(decimal);
    let three = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(three)
}

/// `what` has the button in its bits 0, 1, 6 and 7, modifiers in 2 to 4, and in 5 whether the mouse has moved.
fn event(what: u32, column: u32, row: u32, is_released: bool) -> Option<TerminalInput> {
    let button = match what & 3 {
        0 => Some(MouseButton::Left),
        1 => Some(MouseButton::Middle),
        2 => Some(MouseButton::Right),
        _ => None,
    };
    let has_moved = what & 0x20 != 0;
    let kind = match (what >> 6, button) {
        (0, Some(button)) if has_moved => MouseEventKind::Drag(button),
        (0, None) if has_moved => MouseEventKind::Moved,
        (0, Some(button)) if is_released => MouseEventKind::Up(button),
        (0, Some(button)) => MouseEventKind::Down(button),
        // Which one it was, terminals of that kind do not tell.
        (0, None) => MouseEventKind::Up(MouseButton::Left),
        (1, _) if has_moved => return None,
        (1, Some(MouseButton::Left)) => MouseEventKind::ScrollUp,
        (1, Some(MouseButton::Middle)) => MouseEventKind::ScrollDown,
        (1, Some(MouseButton::Right)) => MouseEventKind::ScrollLeft,
        (1, None) => MouseEventKind::ScrollRight,
        _ => return None,
    };
    let mut modifiers = KeyModifiers::empty();
    modifiers.set(KeyModifiers::SHIFT, what & 4 != 0);
    modifiers.set(KeyModifiers::ALT, what & 8 != 0);
    modifiers.set(KeyModifiers::CONTROL, what & 16 != 0);
    let place = |number: u32| u16::try_from(number.checked_sub(1)?).ok();
    let mouse = MouseEvent { kind, column: place(column)?, row: place(row)?, modifiers };
    Some(TerminalInput::Mouse(mouse))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(input: Option<TerminalInput>) -> String {
        let Some(TerminalInput::Mouse(mouse)) = input else { return "nothing".to_owned() };
        let MouseEvent { kind, column, row, modifiers } = mouse;
        format!("{kind:?} {column} {row} {modifiers:?}")
    }

    #[test]
    fn three_ways_to_say_the_same() {
        let down = "Down(Left) 9 19 KeyModifiers(0x0)";
        assert_eq!(seen(sgr(b"0;10;20", false)), down);
        assert_eq!(seen(rxvt(b"32;10;20")), down);
        assert_eq!(seen(plain(b" *4")), down);
    }

    #[test]
    fn buttons_motions_and_wheels() {
        let cases = [
            ("0;1;1", true, "Up(Left)"),
            ("2;1;1", false, "Down(Right)"),
            ("1;1;1", true, "Up(Middle)"),
            ("32;1;1", false, "Drag(Left)"),
            ("35;1;1", false, "Moved"),
            ("64;1;1", false, "ScrollUp"),
            ("65;1;1", false, "ScrollDown"),
            ("66;1;1", false, "ScrollLeft"),
            ("67;1;1", false, "ScrollRight"),
        ];
        for (numbers, is_released, kind) in cases {
            let expected = format!("{kind} 0 0 KeyModifiers(0x0)");
            assert_eq!(seen(sgr(numbers.as_bytes(), is_released)), expected, "{numbers}");
        }
        let held = KeyModifiers::SHIFT | KeyModifiers::ALT | KeyModifiers::CONTROL;
        assert_eq!(seen(sgr(b"28;3;4", false)), format!("Down(Left) 2 3 {held:?}"));
        assert_eq!(seen(rxvt(b"35;1;1")), "Up(Left) 0 0 KeyModifiers(0x0)");
    }

    #[test]
    fn what_makes_no_sense_is_nothing() {
        for numbers in ["", "0", "0;1", "0;1;2;3", "0;0;1", "0;1;0", "0;70000;1", "0;+1;1", "a;1;1"]
        {
            assert_eq!(sgr(numbers.as_bytes(), false), None, "{numbers}");
        }
        for what in ["96;1;1", "128;1;1", "4294967296;1;1"] {
            assert_eq!(sgr(what.as_bytes(), false), None, "{what}");
        }
        assert_eq!(rxvt(b"31;1;1"), None);
        assert_eq!(plain(b"\x1F!!"), None);
    }
}
