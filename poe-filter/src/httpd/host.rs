//! The value of a `Host` header.

use std::net::Ipv6Addr;

/// Whether this is the name or the address of a host, with a port or not; or nothing, as a client says
/// for a target that has no host.
#[inline]
pub(super) fn is_host(value: &[u8]) -> bool {
    is_usual_host(value) || is_any_host(value)
}

/// Whether it is of letters, digits, dots and dashes, and may have a port, as most are. It is asked for every request, and
/// so eight octets are looked at in one go.
#[inline(always)]
fn is_usual_host(value: &[u8]) -> bool {
    let (Some(first), Some(last)) = (value.first_chunk::<8>(), value.last_chunk::<8>()) else {
        // These two have all of it.
        let (Some(first), Some(last)) = (value.first_chunk::<4>(), value.last_chunk::<4>()) else {
            return false;
        };
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        let word = u64::from(first) << 32 | u64::from(last);
        return are_usual(word) && colons(word) == 0;
    };
    let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    if !are_usual(first) || !are_usual(last) {
        return false;
    }
    if value.len() > 16 && !are_words_usual(&value[8..]) {
        return false;
    }
    let (before, port) = (colons(first), colons(last));
    before | port == 0 || has_port(value.len(), before, last, port)
}

/// Whether all is usual, and no colon is in words behind the first but for the last one.
#[inline(never)]
fn are_words_usual(value: &[u8]) -> bool {
    let mut words = value[..value.len() - 8].chunks(8);
    words
        .all(|word| word.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-.".contains(octet)))
}

/// Whether the first colon has digits behind it, and something before it. It has to be in the last word.
#[inline(always)]
fn has_port(len: usize, before: u64, last: u64, colons: u64) -> bool {
    let place = colons.trailing_zeros() / 8;
    let name = len - 8 + place as usize;
    let behind = HIGH.checked_shl(8 * (place + 1)).unwrap_or(0);
    let digits = (last + each(0x80 - b'0')) & !(last + each(0x7f - b'9'));
    let in_name = u64::MAX >> (64 - 8 * name.clamp(1, 8));
    place < 8 && name > 0 && digits & behind == behind && before & in_name == 0
}

/// The highest bits of eight octets.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Whether each of eight octets is a letter, a digit, a dot, a dash or a colon. What is added makes the highest bit of an
/// octet tell whether the others are beyond a limit.
#[inline(always)]
fn are_usual(octets: u64) -> bool {
    let low = octets & !HIGH;
    let letter = low | each(0x20);
    let letter = (letter + each(0x80 - b'a')) & !(letter + each(0x7f - b'z'));
    let other = (low + each(0x80 - b'-')) & !(low + each(0x7f - b':'));
    let no_slash = (low ^ each(b'/')) + each(0x7f);
    (letter | other & no_slash) & !octets & HIGH == HIGH
}

/// Which of eight octets that are usual are colons.
#[inline(always)]
fn colons(octets: u64) -> u64 {
    !((octets ^ each(b':')) + each(0x7f)) & HIGH
}

const fn each(octet: u8) -> u64 {
    u64::from_ne_bytes([octet; 8])
}

fn is_any_host(value: &[u8]) -> bool {
    let (host, port) = match value.strip_prefix(b"[") {
        None => {
            let end = value.iter().position(|octet| *octet == b':').unwrap_or(value.len());
            let (name, port) = value.split_at(end);
            // A port is one of something.
            (is_name(name) && (!name.is_empty() || port.is_empty()), port)
        }
        Some(rest) => match rest.iter().position(|octet| *octet == b']') {
            Some(end) => (is_literal(&rest[..end]), &rest[end + 1..]),
            None => return false,
        },
    };
    host && match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// A name, or an address of version 4, which looks like one.
fn is_name(mut name: &[u8]) -> bool {
    while let Some((first, rest)) = name.split_first() {
        name = match (first, rest) {
            (b'%', [high, low, rest @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                rest
            }
            _ if is_plain(*first) => rest,
            _ => return false,
        };
    }
    true
}

/// What is in brackets: an address of version 6, or of one to come.
fn is_literal(literal: &[u8]) -> bool {
    let Some(future) = literal.strip_prefix(b"v").or_else(|| literal.strip_prefix(b"V")) else {
        return str::from_utf8(literal).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    };
    let mut parts = future.splitn(2, |octet| *octet == b'.');
    let (version, address) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    !version.is_empty()
        && version.iter().all(u8::is_ascii_hexdigit)
        && !address.is_empty()
        && address.iter().all(|octet| is_plain(*octet) || *octet == b':')
}

/// `unreserved` and `sub-delims` of RFC 3986.
fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for host in [
            "",
            "a",
            "localhost:",
            "www.example.org:80",
            "127.0.0.1:12345",
            "[::1]",
            "[fe80::1]:8080",
            "[::ffff:1.2.3.4]:",
            "[v7.a:b]:1",
            "a%20b",
            "a_b~!$&'()*+,;=",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn what_is_usual_is_told_in_both_ways() {
        for octet in 0..=255_u8 {
            let is_usual = octet.is_ascii_alphanumeric() || b"-.:".contains(&octet);
            for place in 0..8 {
                let mut octets = *b"aZ09.-:M";
                octets[place] = octet;
                assert_eq!(are_usual(u64::from_le_bytes(octets)), is_usual, "{octet:?}");
            }
            for host in ["localhost", "www.example.org:80", "127.0.0.1:12345", "server", "ab12:80"]
            {
                for place in 0..host.len() {
                    let mut host = host.as_bytes().to_vec();
                    host[place] = octet;
                    for length in 0..=host.len() {
                        let host = &host[..length];
                        assert!(!is_usual_host(host) || is_any_host(host), "{host:?}");
                    }
                }
            }
        }
        for (host, is_usual) in [
            ("www.example.org:80", true),
            ("www.example.org", true),
            ("localhost", true),
            ("server", true),
            ("127.0.0.1:12345", true),
            ("a-server:", true),
            (":1234567", false),
            ("a:b.cd.ef", false),
            ("www.example.org:8:0", false),
            ("a:0123456789", false),
            ("", false),
        ] {
            assert_eq!(is_usual_host(host.as_bytes()), is_usual, "{host}");
        }
    }

    #[test]
    fn what_is_no_host() {
        for value in [
            ":80",
            "a b",
            "a\tb",
            "a:b",
            "a:80:80",
            "a:-1",
            "user@a",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "http://a",
            "a%2",
            "a%zz",
            "<a>",
            "\"a\"",
            "a|b",
            "a^b",
            "`",
            "{a}",
            "\u{fc}",
            "[::1",
            "::1",
            "[]",
            "[::1]x",
            "[::1]:x",
            "[:::1]",
            "[fe80::1%25eth0]",
            "[v.a]",
            "[vg.a]",
            "[v1.]",
            "[v1]",
            "[1.2.3.4]",
            "a]",
            "a[b]",
        ] {
            assert!(!is_host(value.as_bytes()), "{value}");
        }
    }
}
