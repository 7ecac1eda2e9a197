//! Bytes that are JSON inside of JSON, and opaque in Protobuf.

use std::str;

use bytes::Bytes;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Writes JSON as it is, in one line, and other text as a JSON string.
pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(raw) = serde_json::from_slice::<&RawValue>(bytes) {
        // Lines separate replies. In JSON, line breaks are only between tokens.
        if !raw.get().contains(['\n', '\r']) {
            return raw.serialize(serializer);
        }
        let line = raw.get().replace(['\n', '\r'], " ");
        return RawValue::from_string(line).map_err(S::Error::custom)?.serialize(serializer);
    }
    let text = str::from_utf8(bytes).map_err(|_| S::Error::custom("the data is not text"))?;
    serializer.serialize_str(text)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(Bytes::copy_from_slice(raw.get().as_bytes()))
}
