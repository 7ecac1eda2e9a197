//! Messages of a method between JSON and the wire.

use std::sync::Arc;

use bytes::Bytes;

use super::call::{finish_message, message_buffer};
use crate::catalog::{MethodEntry, RouteBody, Schema};
use crate::dispatch::Codec;
use crate::status::{Code, Detail, Status};
use crate::transcode::{
    FieldPath, ParseOptions, PrintOptions, Problem, TranscodeError, UnknownAny, body_to_wire,
    field_to_json, json_to_wire, wire_to_json,
};

/// Writes requests of a method.
#[derive(Debug)]
pub(super) struct RequestWriter {
    pub(super) method: Arc<MethodEntry>,
    /// The encoding of the body.
    pub(super) codec: Codec,
    /// The part of the request that the body gives. The whole for [`Codec::Proto`].
    pub(super) body: RouteBody,
    /// The part of each request that path and query give, on the wire.
    pub(super) bound: Vec<u8>,
    pub(super) options: ParseOptions,
    pub(super) max_length: u32,
}

impl RequestWriter {
    /// Returns a request with its length prefix. Empty text is an empty body.
    pub(super) fn write(&self, body: &[u8]) -> Result<Bytes, Status> {
        let mut message = message_buffer(body.len() + self.bound.len());
        match self.codec {
            Codec::Proto => message.extend_from_slice(body),
            Codec::Json => self.write_json(body, &mut message)?,
        }
        // Of two values of a field, the last one counts: the path before the body.
        message.extend_from_slice(&self.bound);
        finish_message(message, self.max_length)
    }

    fn write_json(&self, json: &[u8], message: &mut Vec<u8>) -> Result<(), Status> {
        let tables = self.method.schema().tables();
        if !json.trim_ascii().is_empty() {
            let written = match &self.body {
                RouteBody::None => Ok(()),
                RouteBody::Whole => {
                    json_to_wire(tables, self.method.input(), json, message, &self.options)
                }
                RouteBody::Field(path) => body_to_wire(tables, path, json, message, &self.options),
            };
            written.map_err(|error| invalid(&error))?;
        }
        Ok(())
    }
}

/// Maximum spare capacity of a printed response, in bytes: less is not worth a copy.
const MAX_SPARE: usize = 64 * 1024;

/// Prints responses of a method.
#[derive(Debug)]
pub(super) struct ResponsePrinter {
    pub(super) method: Arc<MethodEntry>,
    /// The field that is printed; `None` for the whole message.
    pub(super) field: Option<FieldPath>,
    pub(super) options: PrintOptions,
}

impl ResponsePrinter {
    /// Returns the JSON of a response.
    pub(super) fn print(&self, wire: &[u8]) -> Result<Vec<u8>, Status> {
        let tables = self.method.schema().tables();
        let mut json = Vec::with_capacity(wire.len() * 2 + 64);
        let printed = match &self.field {
            None => wire_to_json(tables, self.method.output(), wire, &mut json, &self.options),
            Some(path) => field_to_json(tables, path, wire, &mut json, &self.options),
        };
        match printed {
            Ok(()) => {
                // A client that does not read makes the answer stay.
                if json.capacity() - json.len() > MAX_SPARE {
                    json.shrink_to_fit();
                }
                Ok(json)
            }
            Err(error) => Err(unprintable(&error)),
        }
    }
}

/// Returns the status of a request that cannot be read.
pub(super) fn invalid(error: &TranscodeError) -> Status {
    let code = match error.problem() {
        Problem::TooLarge { .. } => Code::ResourceExhausted,
        _ => Code::InvalidArgument,
    };
    Status::new(code, error.to_string())
}

fn unprintable(error: &TranscodeError) -> Status {
    let code = match error.problem() {
        Problem::TooLarge { .. } => Code::ResourceExhausted,
        _ => Code::Internal,
    };
    Status::new(code, format!("the response of the upstream cannot be printed: {error}"))
}

/// Returns the JSON of a detail of a status as its `google.protobuf.Any`, if its type is known.
pub(super) fn any_to_json(schema: &Schema, detail: &Detail) -> Option<String> {
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    struct Any {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(bytes = "bytes", tag = "2")]
        value: Bytes,
    }

    let tables = schema.tables();
    tables.find_message(detail.type_name())?;
    let any = Any { type_url: detail.type_url.to_string(), value: detail.value.clone() };
    let wire = prost::Message::encode_to_vec(&any);
    let mut json = Vec::new();
    let options = PrintOptions::default().unknown_any(UnknownAny::Base64);
    let id = tables.find_message("google.protobuf.Any")?;
    wire_to_json(tables, id, &wire, &mut json, &options).ok()?;
    String::from_utf8(json).ok()
}

/// Returns the JSON of the message in a detail of a status, if its type is known.
pub(super) fn detail_to_json(schema: &Schema, detail: &Detail) -> Option<String> {
    let tables = schema.tables();
    let id = tables.find_message(detail.type_name())?;
    let mut json = Vec::new();
    wire_to_json(tables, id, &detail.value, &mut json, &PrintOptions::default()).ok()?;
    String::from_utf8(json).ok()
}
