use std::io::Write as _;

use super::super::base64;
use super::super::decimal::{put_quoted_signed, put_quoted_unsigned, put_signed, put_unsigned};
use super::super::entries::enum_number;
use super::super::error::Result;
use super::super::text::{is_plain_ascii, put_json_string, utf8};
use super::Printer;
use crate::descriptor::Kind;
use crate::protobuf::{Span, unzigzag};

impl Printer<'_, '_> {
    /// Prints a value of a kind that is neither a message nor has a length.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "kinds of 32 bits take the lower half, signed ones two's complement"
    )]
    pub(super) fn scalar(&mut self, kind: Kind, value: u64) {
        match kind {
            Kind::Int32 | Kind::Sfixed32 => put_signed(self.out, i64::from(value as i32)),
            Kind::Sint32 => put_signed(self.out, i64::from(unzigzag(value & 0xffff_ffff) as i32)),
            Kind::Uint32 | Kind::Fixed32 => put_unsigned(self.out, u64::from(value as u32)),
            Kind::Int64 | Kind::Sfixed64 => put_quoted_signed(self.out, value as i64),
            Kind::Sint64 => put_quoted_signed(self.out, unzigzag(value)),
            Kind::Uint64 | Kind::Fixed64 => put_quoted_unsigned(self.out, value),
            Kind::Bool => self.out.extend_from_slice(if value == 0 { b"false" } else { b"true" }),
            Kind::Double => put_double(self.out, f64::from_bits(value)),
            Kind::Float => put_float(self.out, f32::from_bits(value as u32)),
            Kind::Enum(id) => {
                let values = self.tables.enumeration(id);
                let number = enum_number(value);
                match values.name_of(number) {
                    _ if values.null => self.out.extend_from_slice(b"null"),
                    Some(name) if !self.options.enums_as_numbers => {
                        self.out.push(b'"');
                        self.out.extend_from_slice(name.as_bytes());
                        self.out.push(b'"');
                    }
                    _ => put_signed(self.out, i64::from(number)),
                }
            }
            Kind::String | Kind::Bytes | Kind::Message(_) | Kind::Group(_) => {}
        }
    }

    #[inline]
    pub(super) fn string(&mut self, wire: &[u8], span: Span) -> Result<()> {
        let bytes = span.bytes(wire);
        if is_plain_ascii(bytes) {
            self.out.push(b'"');
            self.out.extend_from_slice(bytes);
            self.out.push(b'"');
        } else {
            put_json_string(utf8(bytes, span.start)?, self.out);
        }
        Ok(())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        base64::encode(bytes, self.out);
        self.out.push(b'"');
    }
}

/// Appends the shortest number that reads as `value`, or the name of one that JSON cannot write.
pub(super) fn put_double(out: &mut Vec<u8>, value: f64) {
    if let Some(eighths) = in_eighths(value) {
        put_eighths(out, eighths);
    } else if value.is_finite() {
        put_shortest(out, |out| write!(out, "{value:?}"));
    } else {
        put_special(out, value);
    }
}

/// Returns a number in eighths, if it is a whole number of them below 2³² and not zero. Most numbers
/// in JSON are such ones: counts, amounts in halves and quarters.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn in_eighths(value: f64) -> Option<i64> {
    let eighths = value * 8.0;
    let is_short = value.abs() < f64::from(u32::MAX) && value != 0.0;
    (is_short && eighths.fract() == 0.0).then_some(eighths as i64)
}

/// Appends the shortest form of a number of eighths: the exact one. One with fewer digits would be
/// off by 0.001 or more, and is another number at this magnitude.
fn put_eighths(out: &mut Vec<u8>, eighths: i64) {
    const FRACTIONS: [&[u8]; 8] = [b"", b".125", b".25", b".375", b".5", b".625", b".75", b".875"];
    if eighths < 0 {
        out.push(b'-');
    }
    let eighths = eighths.unsigned_abs();
    put_unsigned(out, eighths / 8);
    out.extend_from_slice(FRACTIONS[(eighths % 8) as usize]);
}

fn put_float(out: &mut Vec<u8>, value: f32) {
    if value.is_finite() {
        put_shortest(out, |out| write!(out, "{value:?}"));
    } else {
        put_special(out, f64::from(value));
    }
}

/// Appends the `Debug` form of a float, whose grammar is that of JSON, without the fraction of
/// whole numbers. Minus zero keeps it: many readers take `-0` for an integer.
fn put_shortest(out: &mut Vec<u8>, print: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) {
    let start = out.len();
    // Writing to a vector does not fail.
    let _ = print(out);
    if out.ends_with(b".0") && out[start..] != *b"-0.0" {
        out.truncate(out.len() - 2);
    }
}

fn put_special(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(match value {
        value if value.is_nan() => b"\"NaN\"",
        value if value > 0.0 => b"\"Infinity\"",
        _ => b"\"-Infinity\"",
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_precision_loss, reason = "the numbers are small")]

    use super::*;

    #[test]
    fn floats_are_printed_as_short_as_they_can_be() {
        let double = |value| {
            let mut out = Vec::new();
            put_double(&mut out, value);
            String::from_utf8(out).unwrap()
        };
        let float = |value| {
            let mut out = Vec::new();
            put_float(&mut out, value);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(double(0.1), "0.1");
        assert_eq!(float(0.1), "0.1");
        assert_eq!(double(5.0), "5");
        assert_eq!(double(-0.0), "-0.0");
        assert_eq!(double(0.0), "0");
        assert_eq!(double(1e300), "1e300");
        assert_eq!(double(1.5e-300), "1.5e-300");
        assert_eq!(float(f32::MAX), "3.4028235e38");
        assert_eq!(float(1e-45), "1e-45");
        assert_eq!(double(f64::NAN), "\"NaN\"");
        assert_eq!(float(f32::NEG_INFINITY), "\"-Infinity\"");
        assert_eq!(double(f64::INFINITY), "\"Infinity\"");
    }

    #[test]
    fn eighths_have_the_form_of_all_other_numbers() {
        for eighths in (-100_i64..100).chain([34_359_738_351, -34_359_738_351, 34_359_738_368]) {
            let value = eighths as f64 / 8.0;
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            put_double(&mut out, value);
            put_shortest(&mut expected, |out| write!(out, "{value:?}"));
            assert_eq!(out, expected, "{value}");
        }
    }
}
