//! Decimal digits of numbers that have few of them, which most have.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "digits are small, and numbers become floats only if those are exact"
)]

/// A number as JSON writes it, without an exponent: a whole number by a power of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) negative: bool,
    pub(super) magnitude: u64,
    /// The digits after the decimal point.
    pub(super) scale: usize,
    /// The bytes of its text.
    pub(super) length: usize,
}

impl Decimal {
    /// The most digits that are read: as many as 64 bits have room for.
    const MAX_DIGITS: usize = 18;

    /// Reads the number at the start of `bytes`; `None` if it has more digits or an exponent, or if
    /// it is no number of JSON.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let negative = bytes.first() == Some(&b'-');
        let start = usize::from(negative);
        let (mut magnitude, mut end, mut scale) = (0_u64, start, 0);
        while let Some(&digit @ b'0'..=b'9') = bytes.get(end) {
            // Of too many digits the result is not used.
            magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            end += 1;
        }
        let mut digits = end - start;
        if digits == 0 || (digits > 1 && bytes[start] == b'0') {
            return None;
        }
        if bytes.get(end) == Some(&b'.') {
            let point = end;
            end += 1;
            while let Some(&digit @ b'0'..=b'9') = bytes.get(end) {
                magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
                end += 1;
            }
            scale = end - point - 1;
            digits += scale;
            if scale == 0 {
                return None;
            }
        }
        let exponent = matches!(bytes.get(end), Some(b'e' | b'E'));
        let is_short = digits <= Self::MAX_DIGITS && !exponent;
        is_short.then_some(Self { negative, magnitude, scale, length: end })
    }

    /// The nearest double, if it is the quotient of two that are exact: division rounds once.
    #[inline]
    pub(super) fn to_f64(self) -> Option<f64> {
        const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
        const POWERS: [f64; Decimal::MAX_DIGITS + 1] = [
            1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
            1e16, 1e17, 1e18,
        ];

        if self.magnitude > EXACT {
            return None;
        }
        let value = self.magnitude as f64 / POWERS[self.scale];
        Some(if self.negative { -value } else { value })
    }

    /// As [`to_f64`](Self::to_f64), for a float.
    #[inline]
    pub(super) fn to_f32(self) -> Option<f32> {
        const EXACT: u64 = 1 << f32::MANTISSA_DIGITS;
        const POWERS: [f32; 11] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

        if self.magnitude > EXACT {
            return None;
        }
        let value = self.magnitude as f32 / POWERS.get(self.scale)?;
        Some(if self.negative { -value } else { value })
    }
}

/// The digits of the numbers below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut value = 0;
    while value < 100 {
        pairs[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    pairs
};

/// Appends a decimal number.
pub(super) fn put_unsigned(out: &mut Vec<u8>, value: u64) {
    put(out, false, value, false);
}

/// Appends a decimal number.
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, value < 0, value.unsigned_abs(), false);
}

/// Appends a decimal number in quotation marks.
pub(super) fn put_quoted_unsigned(out: &mut Vec<u8>, value: u64) {
    put(out, false, value, true);
}

/// Appends a decimal number in quotation marks.
pub(super) fn put_quoted_signed(out: &mut Vec<u8>, value: i64) {
    put(out, value < 0, value.unsigned_abs(), true);
}

#[inline]
fn put(out: &mut Vec<u8>, negative: bool, mut magnitude: u64, quoted: bool) {
    /// A quotation mark, a sign, 20 digits and a quotation mark.
    const LONGEST: usize = 23;

    let mut text = [b'"'; LONGEST];
    let end = LONGEST - 1;
    let mut at = end;
    while magnitude >= 100 {
        at -= 2;
        text[at..at + 2].copy_from_slice(&PAIRS[(magnitude % 100) as usize]);
        magnitude /= 100;
    }
    if magnitude >= 10 {
        at -= 2;
        text[at..at + 2].copy_from_slice(&PAIRS[magnitude as usize]);
    } else {
        at -= 1;
        text[at] = b'0' + magnitude as u8;
    }
    if negative {
        at -= 1;
        text[at] = b'-';
    }
    let mark = usize::from(quoted);
    out.extend_from_slice(&text[at - mark..end + mark]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(bool, u64, usize, usize)> {
        Decimal::read(text.as_bytes()).map(|it| (it.negative, it.magnitude, it.scale, it.length))
    }

    #[test]
    fn short_numbers_are_read_to_their_end() {
        assert_eq!(read("0"), Some((false, 0, 0, 1)));
        assert_eq!(read("-0,"), Some((true, 0, 0, 2)));
        assert_eq!(read("12.50}"), Some((false, 1250, 2, 5)));
        assert_eq!(read("-0.001\""), Some((true, 1, 3, 6)));
        assert_eq!(read("123456789012345678"), Some((false, 123_456_789_012_345_678, 0, 18)));
        assert_eq!(read("0.12345678901234567"), Some((false, 12_345_678_901_234_567, 17, 19)));
    }

    #[test]
    fn other_numbers_and_texts_are_left_to_others() {
        for text in [
            "",
            "-",
            "+1",
            ".5",
            "1.",
            "-.5",
            "01",
            "00",
            "-01",
            "1e5",
            "1.5E5",
            "1.e5",
            "x",
            "\"",
            "1234567890123456789",
            "1.234567890123456789",
            "99999999999999999999999999999999999",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn floats_are_those_of_the_standard_library() {
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let digits = (state >> 8) >> (state % 50);
            let mut text = format!("{digits:04}");
            text.insert(text.len() - (state as usize >> 60) % 4, '.');
            let text = format!("-{}", text.trim_start_matches('0').trim_end_matches('.'));
            let Some(decimal) = Decimal::read(text.as_bytes()) else { continue };
            if let Some(value) = decimal.to_f64() {
                assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
            }
            if let Some(value) = decimal.to_f32() {
                assert_eq!(value.to_bits(), text.parse::<f32>().unwrap().to_bits(), "{text}");
            }
        }
        let zero = Decimal::read(b"-0.0").unwrap();
        assert!(zero.to_f64().unwrap().is_sign_negative());
        assert!(zero.to_f32().unwrap().is_sign_negative());
    }

    #[test]
    fn decimal_numbers_are_printed_at_both_ends() {
        let mut out = Vec::new();
        put_signed(&mut out, i64::MIN);
        out.push(b' ');
        put_unsigned(&mut out, u64::MAX);
        out.push(b' ');
        put_signed(&mut out, 0);
        put_quoted_signed(&mut out, i64::MIN);
        put_quoted_unsigned(&mut out, u64::MAX);
        let expected = r#"-9223372036854775808 18446744073709551615 0"-9223372036854775808""18446744073709551615""#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        for value in (0..2000).chain([9_999, 10_000, 123_456_789_012_345]) {
            let mut out = Vec::new();
            put_unsigned(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
