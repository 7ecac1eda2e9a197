use super::error::MAX_BINDINGS;
use super::raw::RawRule;
use super::{ParsedRules, RuleError, RuleFault};
use crate::wire::{MalformedMessage, WireFields, WireValue};

/// The number of the extension `google.api.http` in `google.protobuf.MethodOptions`.
pub const HTTP_EXTENSION: u32 = 72_295_728;

/// Returns the bindings of a method by the option `google.api.http`.
///
/// `method` is the full name, for errors. `options` is the method's `MethodOptions` as it was in
/// the descriptor, with extensions. A method without the option has no bindings.
pub fn annotation_rules(method: &str, options: &[u8]) -> ParsedRules {
    let mut parsed = ParsedRules::default();
    match extension(options) {
        Ok(Some(rule)) => rule.parse_into(method, &mut parsed),
        Ok(None) => {}
        Err(MalformedMessage) => {
            let error =
                RuleError { method: method.into(), binding: 0, fault: RuleFault::Malformed };
            parsed.errors.push(error);
        }
    }
    parsed
}

fn extension(options: &[u8]) -> Result<Option<RawRule>, MalformedMessage> {
    let mut rule = None;
    for field in WireFields::new(options) {
        if let (HTTP_EXTENSION, WireValue::Bytes(message)) = field? {
            // A message that is there twice is merged.
            merge(rule.get_or_insert_default(), message, false)?;
        }
    }
    Ok(rule)
}

/// Merges a `google.api.HttpRule` into a rule.
fn merge(rule: &mut RawRule, message: &[u8], is_additional: bool) -> Result<(), MalformedMessage> {
    for field in WireFields::new(message) {
        let (number, value) = field?;
        let WireValue::Bytes(bytes) = value else { continue };
        match number {
            2 => set_pattern(rule, "GET", bytes)?,
            3 => set_pattern(rule, "PUT", bytes)?,
            4 => set_pattern(rule, "POST", bytes)?,
            5 => set_pattern(rule, "DELETE", bytes)?,
            6 => set_pattern(rule, "PATCH", bytes)?,
            7 => rule.body = text(bytes)?,
            8 => rule.pattern = Some(custom(bytes)?),
            11 if rule.additional_bindings.len() <= MAX_BINDINGS => {
                let mut additional = RawRule::default();
                // Rules in additional bindings are a fault, whatever is in them.
                if !is_additional {
                    merge(&mut additional, bytes, true)?;
                }
                rule.additional_bindings.push(additional);
            }
            12 => rule.response_body = text(bytes)?,
            _ => {}
        }
    }
    Ok(())
}

fn set_pattern(rule: &mut RawRule, kind: &str, path: &[u8]) -> Result<(), MalformedMessage> {
    rule.pattern = Some((kind.to_owned(), text(path)?));
    Ok(())
}

/// Returns the kind and the path of a `google.api.CustomHttpPattern`.
fn custom(message: &[u8]) -> Result<(String, String), MalformedMessage> {
    let (mut kind, mut path) = (String::new(), String::new());
    for field in WireFields::new(message) {
        match field? {
            (1, WireValue::Bytes(bytes)) => kind = text(bytes)?,
            (2, WireValue::Bytes(bytes)) => path = text(bytes)?,
            _ => {}
        }
    }
    Ok((kind, path))
}

fn text(bytes: &[u8]) -> Result<String, MalformedMessage> {
    String::from_utf8(bytes.to_vec()).map_err(|_| MalformedMessage)
}
