//! Queries of HTTP rules, and percent-encoding.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use sockeye_gateway::descriptor::{EnumId, MessageId};
use sockeye_gateway::route::binding::{Cardinality, Field, FieldKind, Schema as _};
use sockeye_gateway::transcode::Tables;

use super::node::Node;

/// Characters that a segment of a path has without escapes, beside the unreserved ones
/// (RFC 3986 section 3.3).
const SEGMENT: &str = "!$&'()*+,;=:@";

/// Returns the query with the members of an object: the fields that neither the path nor the body
/// has.
///
/// # Errors
/// The reason why a field has no form in a query.
pub(super) fn write(tables: &Tables, id: MessageId, object: &Node) -> Result<String, String> {
    let mut query = String::new();
    if let Node::Object(members) = object {
        write_members(tables, id, "", members, &mut query)?;
    }
    Ok(query)
}

fn write_members(
    tables: &Tables,
    id: MessageId,
    prefix: &str,
    members: &BTreeMap<String, Node>,
    query: &mut String,
) -> Result<(), String> {
    for (name, value) in members {
        let full_name = format!("{prefix}{name}");
        match tables.field(id, name) {
            Some(field) => write_field(tables, &field, &full_name, value, query)?,
            None => return Err(format!("{full_name} has no form in a query")),
        }
    }
    Ok(())
}

fn write_field(
    tables: &Tables,
    field: &Field<'_, MessageId, EnumId>,
    name: &str,
    value: &Node,
    query: &mut String,
) -> Result<(), String> {
    let no_form = || format!("{name} has no form in a query");
    match (field.cardinality, field.kind, value) {
        (Cardinality::Singular, FieldKind::Message(inner), Node::Object(members)) => {
            if members.is_empty() {
                return Err(format!("{name} is an empty message, which has no form in a query"));
            }
            write_members(tables, inner, &format!("{name}."), members, query)
        }
        (_, FieldKind::Message(_), _) => Err(no_form()),
        (Cardinality::Singular, FieldKind::Json, value) => {
            push_parameter(name, &value.to_json(), query);
            Ok(())
        }
        (Cardinality::Singular, _, Node::Value(json)) => {
            push_parameter(name, &text(json), query);
            Ok(())
        }
        (Cardinality::Repeated, kind, Node::Value(json)) => {
            let elements: Vec<&RawValue> =
                serde_json::from_str(json.get()).map_err(|_| no_form())?;
            for element in elements {
                push_parameter(name, &of_kind(kind, element), query);
            }
            Ok(())
        }
        (Cardinality::Map, kind, Node::Object(entries)) => {
            for (key, value) in entries {
                let value = match value {
                    Node::Value(json) => of_kind(kind, json),
                    object @ Node::Object(_) => object.to_json(),
                };
                push_parameter(&format!("{name}[{key}]"), &value, query);
            }
            Ok(())
        }
        _ => Err(no_form()),
    }
}

/// Returns the text of a value. The values of Struct and its kin stay JSON.
fn of_kind(kind: FieldKind<MessageId, EnumId>, json: &RawValue) -> String {
    if kind == FieldKind::Json { json.get().to_owned() } else { text(json) }
}

/// Returns the text of a scalar: that of a string without quotes and escapes.
pub(super) fn text(json: &RawValue) -> String {
    match serde_json::from_str(json.get()) {
        Ok(serde_json::Value::String(text)) => text,
        _ => json.get().to_owned(),
    }
}

fn push_parameter(name: &str, value: &str, query: &mut String) {
    if !query.is_empty() {
        query.push('&');
    }
    push_encoded(name, "", query);
    query.push('=');
    push_encoded(value, "", query);
}

/// Appends segments of a path with slashes between them.
pub(super) fn push_segments(segments: &str, out: &mut String) {
    for (index, segment) in segments.split('/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        push_encoded(segment, SEGMENT, out);
    }
}

/// Appends text, percent-encoded but for the unreserved characters and those of `kept`.
pub(super) fn push_encoded(text: &str, kept: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        let character = char::from(byte);
        if byte.is_ascii_alphanumeric() || "-._~".contains(character) || kept.contains(character) {
            out.push(character);
        } else {
            let digits = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
            out.extend(['%', digits[0].into(), digits[1].into()]);
        }
    }
}
