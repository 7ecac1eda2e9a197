use crate::descriptor::Kind;

/// A whole number between -2^64 and 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Integer {
    pub(super) negative: bool,
    pub(super) magnitude: u64,
}

/// True if `text` is a number as RFC 8259 has it.
pub(super) fn is_number(text: &str) -> bool {
    number_length(text.as_bytes()) == Some(text.len())
}

/// The length of the number at the start of `bytes`; `None` without one.
pub(super) fn number_length(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    at += match bytes.get(at) {
        Some(b'0') => 1,
        Some(b'1'..=b'9') => digits(at),
        _ => return None,
    };
    if bytes.get(at) == Some(&b'.') {
        match digits(at + 1) {
            0 => return None,
            count => at += 1 + count,
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        match digits(at) {
            0 => return None,
            count => at += count,
        }
    }
    // A digit here follows a leading zero.
    if bytes.get(at).is_some_and(u8::is_ascii_digit) { None } else { Some(at) }
}

/// Reads a JSON number whose value is whole, however it is written; `None` if it is not, or has
/// more than 64 bits. The text must be a number by [`is_number`].
pub(super) fn integer(text: &str) -> Option<Integer> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Integer { negative, magnitude: rest.parse().ok()? });
    }
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let trailing = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    digits.truncate(digits.len() - trailing);
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = digits.get(leading..)?;
    if digits.is_empty() {
        return Some(Integer { negative, magnitude: 0 });
    }
    // Too many digits for 64 bits say the same as the exact number.
    let exponent: i64 = exponent.parse().ok()?;
    let zeros = exponent
        .checked_sub(i64::try_from(fraction.len()).ok()?)?
        .checked_add(i64::try_from(trailing).ok()?)?;
    let zeros = usize::try_from(zeros).ok()?;
    if digits.len().checked_add(zeros)? > 20 {
        return None;
    }
    let zeros = std::iter::repeat_n(&b'0', zeros);
    let magnitude = digits.iter().chain(zeros).try_fold(0_u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })?;
    Some(Integer { negative, magnitude })
}

impl Integer {
    #[inline]
    fn as_i64(self) -> Option<i64> {
        if self.negative {
            0_i64.checked_sub_unsigned(self.magnitude)
        } else {
            self.magnitude.try_into().ok()
        }
    }

    #[inline]
    fn as_u64(self) -> Option<u64> {
        (!self.negative || self.magnitude == 0).then_some(self.magnitude)
    }

    #[inline]
    pub(super) fn as_i32(self) -> Option<i32> {
        self.as_i64().and_then(|value| i32::try_from(value).ok())
    }

    /// The value on the wire for a field of an integer kind; `None` out of its range.
    #[inline]
    #[expect(clippy::cast_sign_loss, reason = "the wire has two's complement")]
    pub(super) fn to_wire(self, kind: Kind) -> Option<u64> {
        Some(match kind {
            Kind::Int32 => i64::from(self.as_i32()?) as u64,
            Kind::Sint32 => crate::protobuf::zigzag(i64::from(self.as_i32()?)),
            Kind::Sfixed32 => u64::from(self.as_i32()? as u32),
            Kind::Uint32 | Kind::Fixed32 => u64::from(u32::try_from(self.as_u64()?).ok()?),
            Kind::Int64 | Kind::Sfixed64 => self.as_i64()? as u64,
            Kind::Sint64 => crate::protobuf::zigzag(self.as_i64()?),
            _ => self.as_u64()?,
        })
    }
}

/// The values of an integer kind, for errors.
pub(super) fn range(kind: Kind) -> &'static str {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "an integer from -2147483648 to 2147483647",
        Kind::Uint32 | Kind::Fixed32 => "an integer from 0 to 4294967295",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            "an integer from -9223372036854775808 to 9223372036854775807"
        }
        _ => "an integer from 0 to 18446744073709551615",
    }
}

/// Reads a number, or the name of one that JSON cannot write, as the bits of a double; `None` if it
/// is neither or too large.
pub(super) fn double(text: &str) -> Option<u64> {
    let value = match text {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ if is_number(text) => text.parse().ok().filter(|value: &f64| value.is_finite())?,
        _ => return None,
    };
    Some(value.to_bits())
}

/// As [`double`], for a float.
pub(super) fn float(text: &str) -> Option<u64> {
    let value = match text {
        "NaN" => f32::NAN,
        "Infinity" => f32::INFINITY,
        "-Infinity" => f32::NEG_INFINITY,
        _ if is_number(text) => text.parse().ok().filter(|value: &f32| value.is_finite())?,
        _ => return None,
    };
    Some(u64::from(value.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_numbers_are_numbers() {
        for text in ["0", "-0", "10", "0.5", "-1.25e+10", "1E5", "0e0"] {
            assert!(is_number(text), "{text}");
        }
        for text in ["", "-", "+1", "01", "-01", ".5", "1.", "1e", "1e+", " 1", "1 ", "0x1", "NaN"]
        {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_exact_however_they_are_written() {
        let value = |text: &str| integer(text).map(|integer| (integer.negative, integer.magnitude));
        assert_eq!(value("18446744073709551615"), Some((false, u64::MAX)));
        assert_eq!(value("18446744073709551616"), None);
        assert_eq!(value("-5"), Some((true, 5)));
        assert_eq!(value("1.0"), Some((false, 1)));
        assert_eq!(value("1e2"), Some((false, 100)));
        assert_eq!(value("100e-2"), Some((false, 1)));
        assert_eq!(value("1.5"), None);
        assert_eq!(value("1.50e1"), Some((false, 15)));
        assert_eq!(value("0e999999999999999999999"), Some((false, 0)));
        assert_eq!(value("1e999999999999999999999"), None);
        assert_eq!(value("1e-9223372036854775808"), None);
        assert_eq!(value("1844674407370955161.5e1"), Some((false, u64::MAX)));
    }

    #[test]
    fn each_kind_has_its_range() {
        let to_wire = |text: &str, kind| integer(text).and_then(|integer| integer.to_wire(kind));
        assert_eq!(to_wire("-1", Kind::Int32), Some(u64::MAX));
        assert_eq!(to_wire("-1", Kind::Sfixed32), Some(0xffff_ffff));
        assert_eq!(to_wire("-1", Kind::Sint32), Some(1));
        assert_eq!(to_wire("2147483648", Kind::Int32), None);
        assert_eq!(to_wire("-9223372036854775808", Kind::Int64), Some(1 << 63));
        assert_eq!(to_wire("9223372036854775808", Kind::Int64), None);
        assert_eq!(to_wire("4294967296", Kind::Fixed32), None);
        assert_eq!(to_wire("-1", Kind::Uint64), None);
        assert_eq!(to_wire("-0", Kind::Uint64), Some(0));
    }

    #[test]
    fn floats_are_refused_over_their_largest_value() {
        assert_eq!(double("1e400"), None);
        assert_eq!(float("3.5e38"), None);
        assert_eq!(float("3.4028235e38"), Some(u64::from(f32::MAX.to_bits())));
        assert_eq!(double("-0.0"), Some(1 << 63));
        assert_eq!(double("inf"), None);
        assert_eq!(double("-Infinity"), Some(f64::NEG_INFINITY.to_bits()));
    }
}
