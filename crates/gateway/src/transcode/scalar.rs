use super::error::Problem;
use super::number;
use super::tables::Tables;
use crate::descriptor::Kind;

/// Reads a value of a kind that is neither a message nor has a length, as its bits on the wire.
/// `lenient` allows more than the keys of JSON maps: names of enum values, and other booleans.
#[expect(clippy::cast_sign_loss, reason = "the wire has two's complement")]
pub(super) fn scalar_of_text(
    tables: &Tables,
    kind: Kind,
    text: &str,
    lenient: bool,
) -> Result<u64, Problem> {
    let invalid = |expected| Problem::Value { expected };
    match kind {
        Kind::Bool => match text {
            "true" => Ok(1),
            "false" => Ok(0),
            "1" | "t" | "T" | "TRUE" | "True" if lenient => Ok(1),
            "0" | "f" | "F" | "FALSE" | "False" if lenient => Ok(0),
            _ => Err(invalid("true or false")),
        },
        Kind::Double => number::double(text).ok_or(invalid("a number in the range of a double")),
        Kind::Float => number::float(text).ok_or(invalid("a number in the range of a float")),
        Kind::Enum(id) => {
            let values = tables.enumeration(id);
            let by_number = || {
                let number = number::integer(text).filter(|_| number::is_number(text))?.as_i32()?;
                values.admits(number).then_some(number)
            };
            match values.number_of(text).or_else(by_number) {
                Some(number) => Ok(i64::from(number) as u64),
                None => Err(Problem::UnknownEnumValue),
            }
        }
        _ => number::integer(text)
            .filter(|_| number::is_number(text))
            .and_then(|integer| integer.to_wire(kind))
            .ok_or(invalid(number::range(kind))),
    }
}
