use super::super::base64;
use super::super::encode::{put_group_end, put_scalar, put_time};
use super::super::error::{Problem, Result, TranscodeError};
use super::super::mask::split_mask;
use super::super::options::ParseOptions;
use super::super::parse::json_to_wire;
use super::super::scalar::scalar_of_text;
use super::super::tables::{FieldTable, Shape, Tables, wire_type};
use super::super::time::{self, Time};
use crate::descriptor::{Cardinality, Kind, MessageId};
use crate::protobuf::{WireType, close_len, open_len, put_bytes, put_tag};

/// Appends a field with the value `text`, also if it is zero.
pub(super) fn write(
    tables: &Tables,
    field: &FieldTable,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<()> {
    // A list that is packed takes single elements, too.
    put_tag(out, field.number, wire_type(field.kind));
    match field.kind {
        Kind::String => put_bytes(out, text.as_bytes()),
        Kind::Bytes => {
            let start = open_len(out);
            if !base64::decode(text.as_bytes(), out) {
                return Err(TranscodeError::of_value(Problem::Value { expected: "base64" }));
            }
            close_len(out, start);
        }
        Kind::Message(id) => {
            let start = open_len(out);
            message(tables, field, id, text, out)?;
            close_len(out, start);
        }
        Kind::Group(id) => {
            message(tables, field, id, text, out)?;
            put_group_end(out, field.number);
        }
        kind => {
            let value =
                scalar_of_text(tables, kind, text, true).map_err(TranscodeError::of_value)?;
            put_scalar(out, kind, value);
        }
    }
    Ok(())
}

fn message(
    tables: &Tables,
    field: &FieldTable,
    id: MessageId,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<()> {
    const PATHS: u32 = 1;

    let invalid = |expected| TranscodeError::of_value(Problem::Value { expected });
    let table = tables.message(id);
    match table.shape {
        Shape::Timestamp => {
            let time = time::parse_timestamp(text).ok_or_else(|| invalid(time::TIMESTAMP))?;
            put_time(time, true, out);
        }
        Shape::Duration => {
            let duration = time::parse_duration(text).or_else(|| go_duration(text));
            put_time(duration.ok_or_else(|| invalid(time::DURATION))?, true, out);
        }
        Shape::FieldMask => {
            for path in split_mask(text) {
                put_tag(out, PATHS, WireType::Len);
                put_bytes(out, path.as_bytes());
            }
        }
        Shape::Wrapper => return write(tables, &table.fields[0], text, out),
        Shape::Struct | Shape::Value | Shape::ListValue => {
            return json_to_wire(tables, id, text.as_bytes(), out, &ParseOptions::default());
        }
        Shape::Object | Shape::Any => {
            let found = match field.cardinality {
                Cardinality::Repeated => "a list of messages",
                _ => "a message",
            };
            let expected = "a field with a value that is text";
            return Err(TranscodeError::of_value(Problem::Type { expected, found }));
        }
    }
    Ok(())
}

/// Reads a duration as Go writes it: numbers with units, `1h2m3.5s`.
fn go_duration(text: &str) -> Option<Time> {
    const UNITS: [(&str, i128); 8] = [
        ("ns", 1),
        ("us", 1000),
        ("µs", 1000),
        ("μs", 1000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    const SECOND: i128 = 1_000_000_000;
    /// More digits than any duration in range has.
    const MAX_DIGITS: usize = 20;

    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some((0, 0));
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos = 0_i128;
    while !rest.is_empty() {
        let end = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (number, after) = rest.split_at(end);
        let (unit, size) = *UNITS.iter().rev().find(|(unit, _)| {
            let tail = after.strip_prefix(unit);
            // `ms` is not `m` before an `s`.
            tail.is_some_and(|tail| !tail.starts_with(|char: char| char.is_alphabetic()))
        })?;
        rest = after.strip_prefix(unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || whole.len() > MAX_DIGITS {
            return None;
        }
        if !whole.is_empty() {
            nanos += whole.parse::<i128>().ok()? * size;
        }
        let mut unit = size;
        for digit in fraction.bytes() {
            unit /= 10;
            nanos += i128::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?) * unit;
        }
    }
    let nanos = if negative { -nanos } else { nanos };
    let time = (i64::try_from(nanos / SECOND).ok()?, i32::try_from(nanos % SECOND).ok()?);
    time::put_duration(time, &mut Vec::new()).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go_are_read() {
        assert_eq!(go_duration("1h2m3.5s"), Some((3723, 500_000_000)));
        assert_eq!(go_duration("-1.5h"), Some((-5400, 0)));
        assert_eq!(go_duration("250ms"), Some((0, 250_000_000)));
        assert_eq!(go_duration("3µs4ns"), Some((0, 3004)));
        assert_eq!(go_duration("0"), Some((0, 0)));
        assert_eq!(go_duration(".5s"), Some((0, 500_000_000)));
        for text in ["", "-", "1", "1x", "1.2.3s", "s", ".s", "1h2", "999999999999h", "1 s"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
