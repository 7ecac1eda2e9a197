use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::object::quoted;
use super::{FieldKind, Schema, duration};
use crate::status::base64_any;

/// Returns the JSON of a value that is given as text.
///
/// # Errors
/// The form that was expected. The forms of timestamps and masks are left to the transcoder, as
/// far as they are the same in JSON.
pub(super) fn to_json<S: Schema>(
    schema: &S,
    kind: FieldKind<S::Message, S::Enum>,
    text: &str,
) -> Result<String, &'static str> {
    match kind {
        FieldKind::Bool => bool(text).map(|value| value.to_string()).ok_or("true or false"),
        FieldKind::Int32 => {
            integer::<i32>(text).map(|value| value.to_string()).ok_or("a signed 32-bit integer")
        }
        FieldKind::Uint32 => {
            integer::<u32>(text).map(|value| value.to_string()).ok_or("an unsigned 32-bit integer")
        }
        // JSON numbers are exact up to 53 bits only.
        FieldKind::Int64 => integer::<i64>(text)
            .map(|value| quoted(&value.to_string()))
            .ok_or("a signed 64-bit integer"),
        FieldKind::Uint64 => integer::<u64>(text)
            .map(|value| quoted(&value.to_string()))
            .ok_or("an unsigned 64-bit integer"),
        FieldKind::Float => float::<f32>(text, f32::is_finite).ok_or("a 32-bit number"),
        FieldKind::Double => float::<f64>(text, f64::is_finite).ok_or("a number"),
        FieldKind::String | FieldKind::Timestamp => Ok(quoted(text)),
        FieldKind::Bytes => bytes(text).ok_or("base64"),
        FieldKind::Enum(enumeration) => enum_number(schema, enumeration, text)
            .map(|number| number.to_string())
            .ok_or("the name or number of a value of the enum"),
        FieldKind::Duration => duration::to_json(text)
            .map(|value| quoted(&value))
            .ok_or("a duration such as 1.5s or 1h30m"),
        FieldKind::FieldMask => {
            field_mask(text).map(|mask| quoted(&mask)).ok_or("names of fields between commas")
        }
        FieldKind::Json => serde_json::from_str::<&RawValue>(text)
            .map(|value| value.get().to_owned())
            .map_err(|_| "JSON"),
        FieldKind::Message(_) => Err("the fields of the message, one by one"),
    }
}

/// The forms of Go's `ParseBool`, which grpc-gateway accepts.
fn bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn integer<T: std::str::FromStr>(text: &str) -> Option<T> {
    // Rust's parser also takes a plus sign.
    if text.starts_with('+') { None } else { text.parse().ok() }
}

/// Reads a number in the grammar of JSON, or one of the three names that JSON strings may have.
fn float<T>(text: &str, is_finite: impl Fn(T) -> bool) -> Option<String>
where
    T: std::str::FromStr + Copy,
{
    if matches!(text, "NaN" | "Infinity" | "-Infinity") {
        return Some(quoted(text));
    }
    let number: &RawValue = serde_json::from_str(text).ok()?;
    let is_number = number.get().len() == text.len()
        && text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let value: T = text.parse().ok()?;
    (is_number && is_finite(value)).then(|| text.to_owned())
}

fn bytes(text: &str) -> Option<String> {
    let decoded = base64_any::decode(text.as_bytes())?;
    Some(quoted(&STANDARD.encode(decoded)))
}

fn enum_number<S: Schema>(schema: &S, enumeration: S::Enum, text: &str) -> Option<i32> {
    schema
        .enum_number(enumeration, text)
        .or_else(|| integer(text).filter(|number| schema.enum_accepts(enumeration, *number)))
}

/// Returns a mask with the names of JSON.
fn field_mask(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            // Only an underscore before a lowercase letter has a form in JSON.
            '_' => match characters.next() {
                Some(letter) if letter.is_ascii_lowercase() => {
                    out.push(letter.to_ascii_uppercase());
                }
                _ => return None,
            },
            ',' | '.' => out.push(character),
            _ if character.is_ascii_alphanumeric() => out.push(character),
            _ => return None,
        }
    }
    Some(out)
}
