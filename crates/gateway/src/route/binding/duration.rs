const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// The maximum of `google.protobuf.Duration`: about 10,000 years.
const MAX_SECONDS: i128 = 315_576_000_000;

/// The units of Go's durations, in nanoseconds. The two forms of the micro sign are two code
/// points.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
];

/// Returns the form of JSON of a duration in that form or in Go's. `None` for other text, and for
/// durations beyond the limits of `google.protobuf.Duration` or finer than a nanosecond.
pub(super) fn to_json(text: &str) -> Option<String> {
    let (is_negative, unsigned) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let nanos = if unsigned == "0" { 0 } else { nanoseconds(unsigned)? };
    if nanos > MAX_SECONDS * NANOS_PER_SECOND {
        return None;
    }
    let sign = if is_negative && nanos > 0 { "-" } else { "" };
    let (seconds, fraction) = (nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND);
    Some(match fraction {
        0 => format!("{sign}{seconds}s"),
        _ if fraction % 1_000_000 == 0 => format!("{sign}{seconds}.{:03}s", fraction / 1_000_000),
        _ if fraction % 1_000 == 0 => format!("{sign}{seconds}.{:06}s", fraction / 1_000),
        _ => format!("{sign}{seconds}.{fraction:09}s"),
    })
}

/// Sums the numbers with units of a duration without a sign.
fn nanoseconds(mut text: &str) -> Option<i128> {
    let mut sum = 0_i128;
    loop {
        let (number, rest) = split_at_first(text, |next| !next.is_ascii_digit() && next != '.');
        let (unit, rest) = split_at_first(rest, |next| next.is_ascii_digit() || next == '.');
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(scaled(number, *scale)?)?;
        if rest.is_empty() {
            return Some(sum);
        }
        text = rest;
    }
}

fn split_at_first(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

/// Returns a decimal number times a scale, if that is an integer.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if integer.len() + fraction.len() == 0 || !is_number(integer) || !is_number(fraction) {
        return None;
    }
    // Longer numbers exceed the maximum in every unit, or are finer than a nanosecond.
    let fraction = fraction.trim_end_matches('0');
    if integer.len() > 24 || fraction.len() > 13 {
        return None;
    }
    let parsed = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse().ok() };
    let whole: i128 = parsed(integer)?;
    let part: i128 = parsed(fraction)?;
    let divisor = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let scaled_part = part.checked_mul(scale)?;
    if scaled_part % divisor != 0 {
        return None;
    }
    whole.checked_mul(scale)?.checked_add(scaled_part / divisor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_of_json_and_of_go_are_read() {
        for (text, json) in [
            ("1.5s", "1.500s"),
            ("0s", "0s"),
            ("0", "0s"),
            ("-0.000001s", "-0.000001s"),
            ("1h30m", "5400s"),
            ("-1.5h", "-5400s"),
            ("250ms", "0.250s"),
            ("1µs", "0.000001s"),
            ("1μs1ns", "0.000001001s"),
            (".5s", "0.500s"),
            ("1.s", "1s"),
            ("315576000000s", "315576000000s"),
        ] {
            assert_eq!(to_json(text).as_deref(), Some(json), "{text}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        let long = format!("{}s", "9".repeat(60));
        for text in ["", "1", "s", ".s", "1x", "1.2.3s", "--1s", "315576000001s", "0.1ns", &long] {
            assert_eq!(to_json(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+.0-9nuµmsh]{0,40}") {
            let _ = to_json(&text);
        }

        #[test]
        fn the_form_of_json_is_a_fixed_point(nanos in 0..i64::MAX) {
            let json = to_json(&format!("{nanos}ns")).unwrap();
            prop_assert_eq!(to_json(&json), Some(json));
        }
    }
}
