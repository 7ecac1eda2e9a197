//! The properties of the transcoder.

use super::schema::TYPES;
use crate::descriptor::MessageId;
use crate::transcode::{
    ParseOptions, PrintOptions, Tables, TranscodeError, json_to_wire, rewrite_wire, wire_to_json,
};

fn parse(tables: &Tables, id: MessageId, json: &[u8]) -> Result<Vec<u8>, TranscodeError> {
    let mut wire = Vec::new();
    json_to_wire(tables, id, json, &mut wire, &ParseOptions::default()).map(|()| wire)
}

fn print(
    tables: &Tables,
    id: MessageId,
    wire: &[u8],
    options: &PrintOptions,
) -> Result<Vec<u8>, TranscodeError> {
    let mut json = Vec::new();
    wire_to_json(tables, id, wire, &mut json, options).map(|()| json)
}

fn rewrite(tables: &Tables, id: MessageId, wire: &[u8]) -> Result<Vec<u8>, TranscodeError> {
    let mut out = Vec::new();
    rewrite_wire(tables, id, wire, &mut out).map(|()| out)
}

pub(super) fn check_json(input: &[u8]) {
    let Some((id, json)) = TYPES.choose(input) else { return };
    let tables = &TYPES.tables;
    let Ok(wire) = parse(tables, id, json) else {
        return;
    };
    // Every text that is read is JSON to others, too.
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(json).is_ok());
    let printed = print(tables, id, &wire, &PrintOptions::default());
    let printed = printed.expect("a message that was read prints");
    let again = parse(tables, id, &printed).expect("printed JSON is read");
    // The content of an `Any` has the order of the text, so that bytes do not compare.
    let reprinted = print(tables, id, &again, &PrintOptions::default());
    assert_eq!(reprinted.expect("a message that was read prints"), printed);
    rewrite(tables, id, &wire).expect("a message that was read is valid");
}

pub(super) fn check_wire(input: &[u8]) {
    let Some((id, wire)) = TYPES.choose(input) else { return };
    check_message(&TYPES.tables, id, wire);
}

/// Checks a message of any type.
pub(super) fn check_message(tables: &Tables, id: MessageId, wire: &[u8]) {
    let rewritten = rewrite(tables, id, wire);
    if let Ok(rewritten) = &rewritten {
        let twice = rewrite(tables, id, rewritten).expect("a rewritten message is valid");
        assert_eq!(&twice, rewritten);
    }
    if let Ok(json) = print(tables, id, wire, &PrintOptions::rest()) {
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok());
    }
    let Ok(json) = print(tables, id, wire, &PrintOptions::default()) else {
        return;
    };
    let again = parse(tables, id, &json).expect("printed JSON is read");
    let printed = print(tables, id, &again, &PrintOptions::default());
    assert_eq!(printed.expect("a message that was read prints"), json);
}
