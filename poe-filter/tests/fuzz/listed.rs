//! Octets in lines of text, as [`escape_ascii`](slice::escape_ascii) writes them.

/// The inputs of a list, one a line; a line that begins with `# ` is a comment.
pub(crate) fn inputs(text: &str) -> impl Iterator<Item = Vec<u8>> + '_ {
    text.lines().filter(|line| !line.starts_with("# ")).map(unescape)
}

fn unescape(line: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = line.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'\\' => match rest.next() {
                Some(b't') => b'\t',
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b'x') => {
                    let mut digit = || {
                        let digit = rest.next().and_then(|digit| char::from(digit).to_digit(16));
                        digit.unwrap_or_default() as u8
                    };
                    digit() << 4 | digit()
                }
                other => other.unwrap_or(b'\\'),
            },
            octet => octet,
        });
    }
    octets
}
