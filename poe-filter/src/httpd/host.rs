//! The value of a `Host` header.

use std::net::Ipv6Addr;

/// Whether this is the name or the address of a host, with a port or not; or nothing, as a client says
/// for a target that has no host.
pub(super) fn is_host(value: &[u8]) -> bool {
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
