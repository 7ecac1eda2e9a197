//! The types of the targets: a field of each kind in each cardinality, a closed enum, groups and
//! required fields, and the well-known types.

use std::sync::LazyLock;

use crate::descriptor::{MessageId, Pool};
use crate::protobuf::fields::{field, varint};
use crate::transcode::Tables;

const OPTIONAL: u64 = 1;
const REQUIRED: u64 = 2;
const REPEATED: u64 = 3;

/// The numbers of kinds in `FieldDescriptorProto.Type`.
const INT32: u64 = 5;
const STRING: u64 = 9;
const GROUP: u64 = 10;
const MESSAGE: u64 = 11;
const ENUM: u64 = 14;

/// The fields of the well-known types, from 80 on.
const WELL_KNOWN: [&str; 12] = [
    "Any",
    "Duration",
    "Empty",
    "FieldMask",
    "ListValue",
    "Struct",
    "Timestamp",
    "Value",
    "BoolValue",
    "BytesValue",
    "DoubleValue",
    "Int64Value",
];

/// The types.
#[derive(Debug)]
pub(super) struct Types {
    pub(super) tables: Tables,
    ids: Vec<MessageId>,
}

/// The types that the targets use.
pub(super) static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let set = [modern(), legacy()].map(|file| field(1, &file)).concat();
    let pool = Pool::from_set(&set).expect("the set is consistent");
    let tables = Tables::new(&pool).expect("the set is within the limits");
    let well_known = WELL_KNOWN.map(|name| format!("google.protobuf.{name}"));
    let names = ["fuzz.All", "legacy.Legacy"].map(str::to_owned);
    let ids = names.iter().chain(&well_known).filter_map(|name| tables.find_message(name));
    let ids = ids.collect();
    Types { tables, ids }
});

impl Types {
    /// Returns the type that the first byte of an input chooses, and the rest of the input.
    pub(super) fn choose<'i>(&self, input: &'i [u8]) -> Option<(MessageId, &'i [u8])> {
        let (first, rest) = input.split_first()?;
        Some((*self.ids.get(usize::from(*first) % self.ids.len())?, rest))
    }
}

/// Returns a `FieldDescriptorProto` as a field with this number.
fn declare(place: u32, name: &str, number: u64, label: u64, kind: u64, type_name: &str) -> Vec<u8> {
    field(place, &declaration(name, number, label, kind, type_name))
}

fn declaration(name: &str, number: u64, label: u64, kind: u64, type_name: &str) -> Vec<u8> {
    let mut parts = [field(1, name.as_bytes()), varint(3, number), varint(4, label)].concat();
    parts.extend(varint(5, kind));
    if !type_name.is_empty() {
        parts.extend(field(6, type_name.as_bytes()));
    }
    parts
}

/// Returns the name of the type of a kind that needs one.
fn type_name(kind: u64) -> &'static str {
    match kind {
        MESSAGE => ".fuzz.All",
        ENUM => ".fuzz.Enum",
        _ => "",
    }
}

/// Returns a file of proto3 with the message `fuzz.All`: kinds as singular fields from 1, lists
/// from 21, lists that are not packed from 41, maps from 61, and members of a oneof from 101.
fn modern() -> Vec<u8> {
    let mut message = field(1, b"All");
    let kinds: Vec<_> = (1..=18).filter(|kind| *kind != GROUP).collect();
    for &kind in &kinds {
        let type_name = type_name(kind);
        message.extend(declare(2, &format!("one_{kind}"), kind, OPTIONAL, kind, type_name));
        message.extend(declare(2, &format!("list_{kind}"), 20 + kind, REPEATED, kind, type_name));
        if !matches!(kind, STRING | MESSAGE | 12) {
            let name = format!("loose_{kind}");
            let mut loose = declaration(&name, 40 + kind, REPEATED, kind, type_name);
            loose.extend(field(8, &varint(2, 0)));
            message.extend(field(2, &loose));
        }
        let mut member =
            declaration(&format!("member_{kind}"), 100 + kind, OPTIONAL, kind, type_name);
        member.extend(varint(9, 0));
        message.extend(field(2, &member));
    }
    for (number, kind) in (61..).zip([INT32, STRING, 4, 8, 17, 1, MESSAGE, ENUM]) {
        // Keys are neither floats nor messages.
        let key = if matches!(kind, 1 | MESSAGE | ENUM) { STRING } else { kind };
        let entry = format!("Map{number}Entry");
        let nested = [
            field(1, entry.as_bytes()),
            declare(2, "key", 1, OPTIONAL, key, ""),
            declare(2, "value", 2, OPTIONAL, kind, type_name(kind)),
            field(7, &varint(7, 1)),
        ];
        message.extend(field(3, &nested.concat()));
        let name = format!("map{number}");
        let type_name = format!(".fuzz.All.{entry}");
        message.extend(declare(2, &name, number, REPEATED, MESSAGE, &type_name));
    }
    for (number, name) in (80..).zip(WELL_KNOWN) {
        let type_name = format!(".google.protobuf.{name}");
        message.extend(declare(2, &format!("w{number}"), number, OPTIONAL, MESSAGE, &type_name));
    }
    message.extend(field(8, &field(1, b"choice")));
    let files = ["any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers"];
    let imports = files.map(|file| field(3, format!("google/protobuf/{file}.proto").as_bytes()));
    let parts = [
        field(1, b"fuzz.proto"),
        field(2, b"fuzz"),
        imports.concat(),
        field(4, &message),
        field(5, &enumeration(&[("ZERO", 0), ("ONE", 1), ("NEGATIVE", -1)])),
        field(12, b"proto3"),
    ];
    parts.concat()
}

/// Returns a file of proto2 with the message `legacy.Legacy`.
fn legacy() -> Vec<u8> {
    let group = [field(1, b"Item"), declare(2, "name", 1, OPTIONAL, STRING, "")].concat();
    let message = [
        field(1, b"Legacy"),
        declare(2, "id", 1, REQUIRED, INT32, ""),
        declare(2, "closed", 2, OPTIONAL, ENUM, ".legacy.Enum"),
        declare(2, "list", 3, REPEATED, ENUM, ".legacy.Enum"),
        declare(2, "item", 4, REPEATED, GROUP, ".legacy.Legacy.Item"),
        declare(2, "inner", 5, OPTIONAL, MESSAGE, ".legacy.Legacy"),
        declare(2, "text", 6, OPTIONAL, STRING, ""),
        field(3, &group),
    ];
    let parts = [
        field(1, b"legacy.proto"),
        field(2, b"legacy"),
        field(4, &message.concat()),
        field(5, &enumeration(&[("FIRST", 1), ("SECOND", 2)])),
    ];
    parts.concat()
}

fn enumeration(values: &[(&str, i64)]) -> Vec<u8> {
    let mut parts = field(1, b"Enum");
    for (name, number) in values {
        let value = [field(1, name.as_bytes()), varint(2, number.cast_unsigned())].concat();
        parts.extend(field(2, &value));
    }
    parts
}

#[test]
fn each_type_can_be_chosen() {
    let count = WELL_KNOWN.len() + 2;
    let ids: std::collections::HashSet<_> =
        (0..=u8::MAX).filter_map(|first| Some(TYPES.choose(&[first])?.0)).collect();
    assert_eq!(ids.len(), count);
}
