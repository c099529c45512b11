//! Numbers as text, in Perl's notation.

/// The text of a double: the fewest digits that make it the same again, laid out as `%g` does.
pub(super) fn double_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Inf" } else { "-Inf" }.into();
    }
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(-4..15) => format!("{number}"),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
        Err(_) => scientific,
    }
}

/// The integer that a double is, if it is one that needs no more than 53 bits.
pub(super) fn whole(number: f64) -> Option<i64> {
    let integer = number as i64;
    (integer as f64 == number && integer.unsigned_abs() <= 1 << 53).then_some(integer)
}

/// The number that text is, all of it, spaces around aside.
pub(super) fn parse_double(text: &[u8]) -> Option<f64> {
    str::from_utf8(text).ok()?.trim().parse().ok()
}

/// The integer that text is, be it written as a double.
pub(super) fn parse_integer(text: &[u8]) -> Option<i128> {
    let text = str::from_utf8(text).ok()?.trim();
    text.parse().ok().or_else(|| whole(text.parse().ok()?).map(i128::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_perl_does_but_without_loss() {
        for (number, text) in [
            (1.5, "1.5"),
            (-0.25, "-0.25"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e100, "1e+100"),
            (1e-7, "1e-07"),
            (0.0001, "0.0001"),
            (0.00012, "0.00012"),
            (0.000012, "1.2e-05"),
            (123_456_789.125, "123456789.125"),
            (1e20, "1e+20"),
            (-1.5e-300, "-1.5e-300"),
            (1_152_921_504_606_846_976.0, "1.152921504606847e+18"),
            (f64::INFINITY, "Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(double_text(number), text);
            let back = parse_double(text.as_bytes()).unwrap();
            assert!(back.to_bits() == number.to_bits() || number.is_nan());
        }
    }
}
