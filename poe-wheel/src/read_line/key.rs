//! Keys, and how they are written.

use std::fmt;

use super::stroke;

/// A key, with the modifiers that a terminal tells of.
///
/// What a terminal sends as a control character is that letter with `ctrl`: Tab is `C-i`, Return `C-m`, Escape `C-[`, and
/// Backspace `C-?` or `C-h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Key {
    /// Which key.
    pub code: KeyCode,
    /// With Control.
    pub ctrl: bool,
    /// With Meta, or after Escape.
    pub meta: bool,
    /// With Shift; only of keys that are no characters.
    pub shift: bool,
}

/// Which key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KeyCode {
    /// A character.
    Char(char),
    /// An arrow.
    Up,
    /// An arrow.
    Down,
    /// An arrow.
    Left,
    /// An arrow.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Insert.
    Insert,
    /// Delete.
    Delete,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Tab with Shift.
    BackTab,
    /// A function key, from 1.
    Function(u8),
}

impl Key {
    /// Escape by itself.
    pub(super) const ESCAPE: Self = Self::ctrl('[');

    pub(super) const fn new(code: KeyCode) -> Self {
        Self { code, ctrl: false, meta: false, shift: false }
    }

    pub(super) const fn char(char: char) -> Self {
        Self::new(KeyCode::Char(char))
    }

    pub(super) const fn ctrl(char: char) -> Self {
        Self { ctrl: true, ..Self::char(char) }
    }

    /// What an octet below 0x20, or 0x7F, stands for.
    pub(super) fn control(octet: u8) -> Self {
        Self::ctrl((octet ^ 0x40).to_ascii_lowercase() as char)
    }

    pub(super) const fn with_meta(self) -> Self {
        Self { meta: true, ..self }
    }

    pub(super) const fn without_meta(self) -> Self {
        Self { meta: false, ..self }
    }

    /// The character that it types, if it does.
    #[must_use]
    pub fn printable(self) -> Option<char> {
        match self.code {
            KeyCode::Char(char) if !self.ctrl && !self.meta => Some(char),
            _ => None,
        }
    }

    /// The character that it stands for when it is quoted: of control keys, the control character.
    pub(super) fn quoted(self) -> Option<char> {
        match self.code {
            KeyCode::Char(char) if self.ctrl => {
                let octet = u8::try_from(char).ok().map(|octet| octet.to_ascii_uppercase() ^ 0x40);
                octet.filter(u8::is_ascii_control).map(char::from)
            }
            KeyCode::Char(char) => Some(char),
            _ => None,
        }
    }

    /// What a terminal sends for the key, as `quoted-insert` inserts it.
    pub(super) fn typed(self) -> String {
        let last = match self.code {
            KeyCode::Char(_) => return self.quoted().map(String::from).unwrap_or_default(),
            KeyCode::Up => "[A",
            KeyCode::Down => "[B",
            KeyCode::Right => "[C",
            KeyCode::Left => "[D",
            KeyCode::Home => "[H",
            KeyCode::End => "[F",
            KeyCode::Insert => "[2~",
            KeyCode::Delete => "[3~",
            KeyCode::PageUp => "[5~",
            KeyCode::PageDown => "[6~",
            KeyCode::BackTab => "[Z",
            KeyCode::Function(number @ 1..=4) => ["OP", "OQ", "OR", "OS"][usize::from(number) - 1],
            KeyCode::Function(number) => {
                // There are gaps.
                const NUMBERS: [u8; 16] =
                    [15, 17, 18, 19, 20, 21, 23, 24, 25, 26, 28, 29, 31, 32, 33, 34];
                let number = usize::from(number).checked_sub(5);
                let number = number.and_then(|at| NUMBERS.get(at));
                return number.map(|number| format!("\x1B[{number}~")).unwrap_or_default();
            }
        };
        format!("\x1B{last}")
    }

    pub(super) fn letter(self) -> Option<char> {
        match self.code {
            KeyCode::Char(char) => Some(char),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (is_set, prefix) in [(self.meta, "M-"), (self.ctrl, "C-"), (self.shift, "S-")] {
            if is_set {
                f.write_str(prefix)?;
            }
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("space"),
            KeyCode::Char(char) => write!(f, "{char}"),
            KeyCode::Function(number) => write!(f, "f{number}"),
            code => f.write_str(&format!("{code:?}").to_lowercase()),
        }
    }
}

/// The keys of a sequence as an init file writes it: `"\C-x\M-y\e[A"` in quotes, or by names, as `Meta-Rubout` and `C-xC-r`.
pub(super) fn sequence(text: &str) -> Option<Vec<Key>> {
    let keys = match text.strip_prefix('"') {
        Some(quoted) => stroke::keys(&unquoted(quoted.strip_suffix('"').unwrap_or(quoted))),
        None => named(text)?,
    };
    (!keys.is_empty()).then_some(keys)
}

/// The octets that a string of an init file stands for.
pub(super) fn unquoted(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.chars().peekable();
    let (mut ctrl, mut meta) = (false, false);
    while let Some(char) = rest.next() {
        let mut is_modifier = false;
        let char = match (char, rest.peek().copied()) {
            ('\\', Some(escaped)) => {
                rest.next();
                match escaped {
                    'C' | 'M' if rest.peek() == Some(&'-') => {
                        rest.next();
                        (ctrl, meta) = (ctrl || escaped == 'C', meta || escaped == 'M');
                        is_modifier = true;
                        escaped
                    }
                    'e' => '\x1B',
                    'a' => '\x07',
                    'b' => '\x08',
                    'd' => '\x7F',
                    'f' => '\x0C',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'v' => '\x0B',
                    'x' => numbered(&mut rest, 16, 2, 0),
                    '0'..='7' => numbered(&mut rest, 8, 2, escaped as u32 - '0' as u32),
                    other => other,
                }
            }
            (other, _) => other,
        };
        if is_modifier {
            continue;
        }
        if std::mem::take(&mut meta) {
            octets.push(0x1B);
        }
        let char = if std::mem::take(&mut ctrl) && char.is_ascii() {
            if char == '?' { '\x7F' } else { (char as u8 & 0x1F) as char }
        } else {
            char
        };
        octets.extend(char.encode_utf8(&mut [0; 4]).bytes());
    }
    octets
}

fn numbered(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    radix: u32,
    digits: usize,
    first: u32,
) -> char {
    let mut number = first;
    for _ in 0..digits {
        let Some(digit) = rest.peek().and_then(|char| char.to_digit(radix)) else { break };
        number = number * radix + digit;
        rest.next();
    }
    char::from(u8::try_from(number).unwrap_or(b'?'))
}

const NAMES: [(&str, Key); 20] = [
    ("return", Key::ctrl('m')),
    ("ret", Key::ctrl('m')),
    ("newline", Key::ctrl('j')),
    ("linefeed", Key::ctrl('j')),
    ("lfd", Key::ctrl('j')),
    ("rubout", Key::ctrl('?')),
    ("escape", Key::ESCAPE),
    ("esc", Key::ESCAPE),
    ("tab", Key::ctrl('i')),
    ("space", Key::char(' ')),
    ("spc", Key::char(' ')),
    ("bs", Key::ctrl('h')),
    ("del", Key::new(KeyCode::Delete)),
    ("ins", Key::new(KeyCode::Insert)),
    ("home", Key::new(KeyCode::Home)),
    ("end", Key::new(KeyCode::End)),
    ("up", Key::new(KeyCode::Up)),
    ("down", Key::new(KeyCode::Down)),
    ("left", Key::new(KeyCode::Left)),
    ("right", Key::new(KeyCode::Right)),
];

fn named(mut rest: &str) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    while !rest.is_empty() {
        let (mut ctrl, mut meta) = (false, false);
        while let Some((is_ctrl, after)) = modifier(rest) {
            (ctrl, meta, rest) = (ctrl || is_ctrl, meta || !is_ctrl, after);
        }
        let lower = rest.to_ascii_lowercase();
        let (mut key, length) = match NAMES.iter().find(|(name, _)| lower.starts_with(name)) {
            Some((name, key)) => (*key, name.len()),
            None => {
                let char = rest.chars().next()?;
                (Key::char(char), char.len_utf8())
            }
        };
        if ctrl {
            key.ctrl = true;
            if let KeyCode::Char(char) = key.code {
                key.code = KeyCode::Char(char.to_ascii_lowercase());
            }
        }
        key.meta |= meta;
        keys.push(key);
        rest = &rest[length..];
    }
    Some(keys)
}

/// Whether a name begins with a modifier: Control or else Meta; and what follows.
fn modifier(text: &str) -> Option<(bool, &str)> {
    const MODIFIERS: [(&str, bool); 5] =
        [("control-", true), ("ctrl-", true), ("c-", true), ("meta-", false), ("m-", false)];
    MODIFIERS.iter().find_map(|(prefix, is_ctrl)| {
        let head = text.get(..prefix.len())?;
        let rest = &text[prefix.len()..];
        (head.eq_ignore_ascii_case(prefix) && !rest.is_empty()).then_some((*is_ctrl, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_quoted_or_named() {
        let meta_y = Key::char('y').with_meta();
        let sequences = [
            (r#""\C-x\M-y""#, vec![Key::ctrl('x'), meta_y]),
            (r#""\C-x\C-r""#, vec![Key::ctrl('x'), Key::ctrl('r')]),
            (r#""\ey""#, vec![meta_y]),
            (r#""\M-\C-h""#, vec![Key::ctrl('h').with_meta()]),
            (r#""\e[A""#, vec![Key::new(KeyCode::Up)]),
            (r#""\x41\101\"""#, vec![Key::char('A'), Key::char('A'), Key::char('"')]),
            (r#""\C-?é""#, vec![Key::ctrl('?'), Key::char('é')]),
            ("C-xC-r", vec![Key::ctrl('x'), Key::ctrl('r')]),
            ("Control-Meta-X", vec![Key::ctrl('x').with_meta()]),
            ("Meta-Rubout", vec![Key::ctrl('?').with_meta()]),
            ("up", vec![Key::new(KeyCode::Up)]),
            ("C--", vec![Key::ctrl('-')]),
        ];
        for (text, keys) in sequences {
            assert_eq!(sequence(text), Some(keys), "{text}");
        }
        assert_eq!(sequence(r#""""#), None);
        assert_eq!(sequence(""), None);
    }

    #[test]
    fn keys_are_shown_as_they_are_written() {
        for text in ["a", "C-x", "M-C-h", "space", "up", "M-<"] {
            let keys = sequence(text).unwrap();
            assert_eq!(keys[0].to_string(), text);
        }
        assert_eq!(Key::new(KeyCode::Function(5)).to_string(), "f5");
    }
}
