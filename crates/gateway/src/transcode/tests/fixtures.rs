use std::sync::LazyLock;

use protox::Compiler;

use super::super::{
    ParseOptions, PrintOptions, Tables, TranscodeError, json_to_wire, rewrite_wire, wire_to_json,
};
use crate::descriptor::{MessageId, Pool};
pub(super) use crate::protobuf::fields::{field, varint};

/// A message type of the `.proto` files beside this one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    pub(super) tables: &'static Tables,
    pub(super) id: MessageId,
}

/// The types of `mapping.proto`, `legacy.proto` and of the edition that [`edition`] has.
static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/transcode/tests");
    let mut compiler = Compiler::new([folder]).unwrap();
    compiler.include_imports(false);
    compiler.open_files(["mapping.proto", "legacy.proto"]).unwrap();
    let set = [compiler.encode_file_descriptor_set(), edition()].concat();
    Tables::new(&Pool::from_set(&set).unwrap()).unwrap()
});

impl Type {
    pub(super) fn named(name: &str) -> Self {
        Self { tables: &TABLES, id: TABLES.find_message(name).unwrap() }
    }

    pub(super) fn all() -> Self {
        Self::named("mapping.All")
    }

    pub(super) fn legacy() -> Self {
        Self::named("legacy.Legacy")
    }

    pub(super) fn edition() -> Self {
        Self::named("modern.Modern")
    }

    /// Reads JSON strictly.
    pub(super) fn parse(self, json: &str) -> Result<Vec<u8>, TranscodeError> {
        self.parse_with(json, &ParseOptions::default().ignore_unknown(false))
    }

    pub(super) fn parse_with(
        self,
        json: &str,
        options: &ParseOptions,
    ) -> Result<Vec<u8>, TranscodeError> {
        let mut wire = Vec::new();
        json_to_wire(self.tables, self.id, json.as_bytes(), &mut wire, options)?;
        Ok(wire)
    }

    pub(super) fn print(self, wire: &[u8]) -> Result<String, TranscodeError> {
        self.print_with(wire, &PrintOptions::default())
    }

    pub(super) fn print_with(
        self,
        wire: &[u8],
        options: &PrintOptions,
    ) -> Result<String, TranscodeError> {
        let mut json = Vec::new();
        wire_to_json(self.tables, self.id, wire, &mut json, options)?;
        Ok(String::from_utf8(json).unwrap())
    }

    pub(super) fn rewrite(self, wire: &[u8]) -> Result<Vec<u8>, TranscodeError> {
        let mut out = Vec::new();
        rewrite_wire(self.tables, self.id, wire, &mut out)?;
        Ok(out)
    }
}

/// A set with a file of edition 2023, which no compiler in Rust reads:
///
/// ```text
/// message Modern {
///   int32 explicit = 1;
///   int32 implicit = 2 [features.field_presence = IMPLICIT];
///   repeated int32 expanded = 3 [features.repeated_field_encoding = EXPANDED];
///   repeated int32 packed = 4;
///   Modern delimited = 5 [features.message_encoding = DELIMITED];
///   string unchecked = 6 [features.utf8_validation = NONE];
///   Closed closed = 7;
/// }
/// enum Closed { option features.enum_type = CLOSED; ONE = 1; }
/// ```
fn edition() -> Vec<u8> {
    const OPTIONAL: u64 = 1;
    const REPEATED: u64 = 3;
    const INT32: u64 = 5;
    const STRING: u64 = 9;
    const MESSAGE: u64 = 11;
    const ENUM: u64 = 14;

    let declare = |name: &str, number, label, kind, type_name: &str, features: &[u8]| {
        let options = field(8, &field(21, features));
        let parts = [
            field(1, name.as_bytes()),
            varint(3, number),
            varint(4, label),
            varint(5, kind),
            if type_name.is_empty() { Vec::new() } else { field(6, type_name.as_bytes()) },
            if features.is_empty() { Vec::new() } else { options },
        ];
        field(2, &parts.concat())
    };
    let message = [
        field(1, b"Modern"),
        declare("explicit", 1, OPTIONAL, INT32, "", b""),
        declare("implicit", 2, OPTIONAL, INT32, "", &varint(1, 2)),
        declare("expanded", 3, REPEATED, INT32, "", &varint(3, 2)),
        declare("packed", 4, REPEATED, INT32, "", b""),
        declare("delimited", 5, OPTIONAL, MESSAGE, ".modern.Modern", &varint(5, 2)),
        declare("unchecked", 6, OPTIONAL, STRING, "", &varint(4, 3)),
        declare("closed", 7, OPTIONAL, ENUM, ".modern.Closed", b""),
    ];
    let value = [field(1, b"ONE"), varint(2, 1)].concat();
    let closed = [field(1, b"Closed"), field(2, &value), field(3, &field(7, &varint(2, 2)))];
    let file = [
        field(1, b"modern.proto"),
        field(2, b"modern"),
        field(4, &message.concat()),
        field(5, &closed.concat()),
        field(12, b"editions"),
        varint(14, 1000),
    ];
    field(1, &file.concat())
}
