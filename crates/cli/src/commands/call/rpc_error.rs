//! Errors that end a call, with their details as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sockeye_gateway::catalog::Schema;
use sockeye_gateway::status::{Code, ConnectError, Status};
use sockeye_gateway::transcode::{PrintOptions, UnknownAny, wire_to_json};

use super::json_text::lay_out;
use crate::client::Failure;

/// The error with which a server ended a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RpcError {
    pub(super) code: Code,
    pub(super) message: String,
    /// Each as the JSON of its `google.protobuf.Any`; those of unknown types with their bytes in
    /// base64.
    pub(super) details: Vec<String>,
}

impl RpcError {
    /// Creates the error of a gRPC status. `None` if the status is a success.
    pub(super) fn of_status(schema: &Schema, status: &Status) -> Option<Self> {
        if status.code == Code::Ok {
            return None;
        }
        let details = status.decode_details();
        let details =
            details.iter().map(|detail| detail_to_json(schema, &detail.type_url, &detail.value));
        Some(Self {
            code: status.code,
            message: status.message.clone(),
            details: details.collect(),
        })
    }

    /// Creates the error of an error of Connect.
    pub(super) fn of_connect(schema: &Schema, error: &ConnectError) -> Self {
        let details = error.details.iter().map(|detail| {
            let url = format!("type.googleapis.com/{}", detail.type_name);
            detail_to_json(schema, &url, &detail.value)
        });
        Self { code: error.code, message: error.message.clone(), details: details.collect() }
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        let details: Vec<_> = error.details.iter().map(|json| lay_out(json, false)).collect();
        Self::status(error.code, &error.message, &details)
    }
}

fn detail_to_json(schema: &Schema, type_url: &str, value: &[u8]) -> String {
    // A string can always be written.
    let url = serde_json::to_string(type_url).unwrap_or_default();
    let type_name = type_url.rsplit('/').next().unwrap_or_default();
    let Some(json) = message_to_json(schema, type_name, value) else {
        return format!("{{\"@type\":{url},\"value\":\"{}\"}}", STANDARD.encode(value));
    };
    match json.strip_prefix('{') {
        Some("}") => format!("{{\"@type\":{url}}}"),
        Some(fields) => format!("{{\"@type\":{url},{fields}"),
        // A well-known type with a form of its own.
        None => format!("{{\"@type\":{url},\"value\":{json}}}"),
    }
}

fn message_to_json(schema: &Schema, type_name: &str, wire: &[u8]) -> Option<String> {
    let tables = schema.tables();
    let id = tables.find_message(type_name)?;
    let options = PrintOptions::default().unknown_any(UnknownAny::Base64);
    let mut json = Vec::new();
    wire_to_json(tables, id, wire, &mut json, &options).ok()?;
    String::from_utf8(json).ok()
}

#[cfg(test)]
mod tests {
    use sockeye_gateway::reflection::FileSet;

    use super::*;

    #[test]
    fn details_are_json_with_their_type() {
        let schema = Schema::new(&FileSet::default()).unwrap();
        let json = |name: &str, value: &[u8]| {
            detail_to_json(&schema, &format!("type.googleapis.com/{name}"), value)
        };
        assert_eq!(
            json("google.rpc.Status", b"\x08\x05"),
            r#"{"@type":"type.googleapis.com/google.rpc.Status","code":5}"#
        );
        assert_eq!(
            json("google.protobuf.Empty", b""),
            r#"{"@type":"type.googleapis.com/google.protobuf.Empty"}"#
        );
        assert_eq!(
            json("google.protobuf.Duration", b"\x08\x05"),
            r#"{"@type":"type.googleapis.com/google.protobuf.Duration","value":"5s"}"#
        );
        for (name, value) in [("a.Unknown", &b"\xff"[..]), ("google.rpc.Status", b"\xff")] {
            let expected =
                format!("{{\"@type\":\"type.googleapis.com/{name}\",\"value\":\"/w==\"}}");
            assert_eq!(json(name, value), expected);
        }
    }
}
