//! Where the octets of one input end, and which input it is.

use terminput::{Event, KeyCode, KeyModifiers};

/// No sequence of a key is that long: octets that never end one are not waited for.
pub(super) const LONGEST: usize = 64;

/// How many octets the first input takes, known or not; none while its end may still come.
pub(super) fn cut(octets: &[u8], is_all: bool) -> Option<usize> {
    match octets {
        [] => None,
        [0x1B] => is_all.then_some(1),
        [0x1B, b'[', body @ ..] => cut_control(body, is_all).map(|length| 2 + length),
        [0x1B, b'O'] => is_all.then_some(2),
        [0x1B, b'O', _, ..] => Some(if event(&octets[..3]).is_some() { 3 } else { 2 }),
        // One before another's sequence is Meta. More of them are keys, or there would be no end to what a key may be.
        [0x1B, 0x1B, 0x1B, ..] => Some(1),
        [0x1B, rest @ ..] => {
            let length = cut(rest, is_all)?;
            // An Escape before a sequence that is no key is one of its own.
            let is_meta = rest[0] != 0x1B || matches!(event(&rest[..length]), Some(Event::Key(_)));
            Some(if is_meta { 1 + length } else { 1 })
        }
        _ => cut_character(octets, is_all),
    }
}

/// What follows `ESC [`: numbers and a last letter, or else the two are a key by themselves.
fn cut_control(body: &[u8], is_all: bool) -> Option<usize> {
    match body {
        // The function keys of the Linux console.
        [b'[', last, ..] => Some(if last.is_ascii_alphabetic() { 2 } else { 0 }),
        [b'['] => is_all.then_some(0),
        // The mouse, as the one sequence that goes on behind its last letter.
        [b'M', ..] => (body.len() >= 4 || is_all).then_some(body.len().min(4)),
        _ => {
            let length = body.iter().take_while(|octet| matches!(octet, 0x20..=0x3F)).count();
            match body.get(length) {
                Some(0x40..=0x7E) if length <= LONGEST => Some(length + 1),
                None if length <= LONGEST && !is_all => None,
                _ => Some(0),
            }
        }
    }
}

fn cut_character(octets: &[u8], is_all: bool) -> Option<usize> {
    let head = &octets[..octets.len().min(4)];
    let chunk = head.utf8_chunks().next()?;
    if let Some(char) = chunk.valid().chars().next() {
        return Some(char.len_utf8());
    }
    let is_cut_short = std::str::from_utf8(head).is_err_and(|error| error.error_len().is_none());
    (is_all || !is_cut_short).then_some(chunk.invalid().len())
}

/// What the octets of one input say, if that is known.
pub(super) fn event(sequence: &[u8]) -> Option<Event> {
    match sequence {
        b"\x1BOM" => Some(Event::Key(KeyCode::Enter.into())),
        // What sequences begin with is a key by itself.
        [0x1B, b'[' | b'O'] => event(&sequence[1..]).map(with_alt),
        [0x1B, b'[', parameters @ .., last] if misleads(parameters, *last) => None,
        [0x1B, b'[' | b'O', ..] | [0x1B] => parsed(sequence),
        [0x1B, rest @ ..] => event(rest).map(with_alt),
        _ => parsed(sequence),
    }
}

fn parsed(sequence: &[u8]) -> Option<Event> {
    Event::parse_from(sequence).ok().flatten()
}

fn with_alt(event: Event) -> Event {
    match event {
        Event::Key(key) => Event::Key(key.modifiers(key.modifiers | KeyModifiers::ALT)),
        other => other,
    }
}

/// Whether it is another sequence than its last letter has it.
fn misleads(parameters: &[u8], last: u8) -> bool {
    let mut numbers = parameters.split(|&octet| octet == b';');
    let first = numbers.next().unwrap_or_default();
    match last {
        // Where the cursor is, and not F3.
        b'R' => !matches!(first, b"" | b"1"),
        // The places of a mouse are counted from 1, and none is before.
        b'M' | b'm' => numbers.any(|number| {
            let is_number = number.iter().all(u8::is_ascii_digit);
            !is_number || number.iter().all(|&digit| digit == b'0')
        }),
        _ => false,
    }
}
