//! The types of the suite.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use protox::Compiler;
use serde_json::Value;
use sockeye_gateway::descriptor::{MessageId, Pool};
use sockeye_gateway::transcode::{
    ParseOptions, PrintOptions, Tables, TranscodeError, json_to_wire, wire_to_json,
};

use crate::messages::PACKAGE;

/// The compiled definitions.
#[derive(Debug)]
pub(crate) struct Schema {
    tables: Tables,
    /// The encoded `FileDescriptorSet`.
    pub(crate) descriptors: Bytes,
}

/// The encoding of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Proto,
    Json,
}

/// Returns the folder of the suites.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/connect-conformance")
}

impl Schema {
    pub(crate) fn load() -> Self {
        let mut compiler = Compiler::new([folder().join("proto")]).unwrap();
        let package = PACKAGE.replace('.', "/");
        let files = ["suite.proto", "service.proto"].map(|file| format!("{package}/{file}"));
        compiler.include_imports(true).open_files(files).unwrap();
        let set = compiler.encode_file_descriptor_set();
        let tables = Tables::new(&Pool::from_set(&set).unwrap()).unwrap();
        Self { tables, descriptors: set.into() }
    }

    fn id(&self, type_name: &str) -> MessageId {
        self.tables.find_message(type_name).unwrap_or_else(|| panic!("no type {type_name}"))
    }

    /// Encodes a message of the suite's package.
    pub(crate) fn to_wire(&self, name: &str, json: &[u8]) -> Result<Vec<u8>, TranscodeError> {
        let id = self.id(&format!("{PACKAGE}.{name}"));
        let options = ParseOptions::default().ignore_unknown(false);
        let mut wire = Vec::new();
        json_to_wire(&self.tables, id, json, &mut wire, &options)?;
        Ok(wire)
    }

    /// Prints a message by the full name of its type.
    pub(crate) fn to_json(&self, type_name: &str, wire: &[u8]) -> Result<Vec<u8>, TranscodeError> {
        let mut json = Vec::new();
        let id = self.id(type_name);
        wire_to_json(&self.tables, id, wire, &mut json, &PrintOptions::default())?;
        Ok(json)
    }

    /// Returns a message as a value that compares by its meaning.
    pub(crate) fn value(&self, type_name: &str, wire: &[u8]) -> Result<Value, String> {
        let json = self.to_json(type_name, wire).map_err(|error| error.to_string())?;
        serde_json::from_slice(&json).map_err(|error| error.to_string())
    }
}
