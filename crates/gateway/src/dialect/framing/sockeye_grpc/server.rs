use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sockeye::{Message, Utf8Bytes};

use super::client::{present, shared};
use super::{
    CallFault, CallMessage, FrameError, MAX_INTEGER, decode_binary, decode_object, encode_binary,
    metadata, metadata_json,
};
use crate::status::Code;

/// A message of the server, with the id of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    /// The headers of the response.
    Headers(u32, HeaderMap),
    /// A response.
    Message(u32, CallMessage),
    /// Allows the client further bytes of messages.
    Credit(u32, u64),
    /// The end of the call.
    End(u32, Box<CallEnd>),
}

/// The end of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallEnd {
    /// The code.
    pub code: Code,
    /// The message of the status.
    pub message: String,
    /// The details of the status: a JSON array.
    pub details: String,
    /// The trailers, as metadata.
    pub trailers: HeaderMap,
}

impl CallEnd {
    /// Creates an end without details and trailers.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let details = "[]".to_owned();
        Self { code, message: message.into(), details, trailers: HeaderMap::new() }
    }
}

/// A text message. Other fields are ignored.
#[derive(Deserialize)]
struct Text<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(borrow, default, deserialize_with = "present")]
    headers: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    message: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    credit: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    end: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ReadEnd<'a> {
    code: u32,
    #[serde(default)]
    message: String,
    #[serde(borrow, default, deserialize_with = "present")]
    details: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    trailers: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct WrittenEnd<'a> {
    code: u32,
    status: &'static str,
    message: &'a str,
    details: WrittenDetails<'a>,
    trailers: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WrittenDetails<'a> {
    Json(&'a RawValue),
    None([Value; 0]),
}

impl ServerFrame {
    /// Decodes a WebSocket message, for clients. Responses share its bytes.
    ///
    /// # Errors
    /// [`FrameError`]. A client ignores messages without a name that it knows:
    /// [`FrameError::NoName`].
    pub fn decode(message: &Message) -> Result<Self, FrameError> {
        match message {
            Message::Text(text) => decode_text(text),
            Message::Binary(payload) => {
                let mut wire = payload.clone();
                let (_flags, id) = decode_binary(&mut wire, 0)?;
                Ok(Self::Message(id, CallMessage::Proto(wire)))
            }
        }
    }

    /// Encodes the WebSocket message.
    pub fn encode(&self) -> Message {
        let json = match self {
            Self::Headers(id, headers) => json!({ "id": id, "headers": metadata_json(headers) }),
            Self::Message(id, CallMessage::Proto(wire)) => return encode_binary(*id, wire, 0),
            Self::Message(id, CallMessage::Json(json)) => {
                return format!("{{\"id\":{id},\"message\":{json}}}").into();
            }
            Self::Credit(id, bytes) => json!({ "id": id, "credit": bytes }),
            Self::End(id, end) => return encode_end(*id, end),
        };
        json.to_string().into()
    }
}

fn encode_end(id: u32, end: &CallEnd) -> Message {
    // Details that are no JSON are left out.
    let details = serde_json::from_str(&end.details);
    let end = WrittenEnd {
        code: end.code.number(),
        status: end.code.connect_name(),
        message: &end.message,
        details: details.map_or(WrittenDetails::None([]), WrittenDetails::Json),
        trailers: metadata_json(&end.trailers),
    };
    // Strings, numbers and JSON can always be written.
    let end = serde_json::to_string(&end).unwrap_or_default();
    format!("{{\"id\":{id},\"end\":{end}}}").into()
}

fn decode_text(text: &Utf8Bytes) -> Result<ServerFrame, FrameError> {
    let fields: Text<'_> = decode_object(text).ok_or(FrameError::NotAnObject)?;
    let Text { id, headers, message, credit, end } = fields;
    match [headers, message, credit, end].iter().flatten().count() {
        0 => return Err(FrameError::NoName),
        1 => {}
        _ => return Err(FrameError::SeveralNames),
    }
    let id = id.as_ref().and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
    let id = id.filter(|id| *id > 0).ok_or(FrameError::InvalidId)?;
    let fault = |fault| FrameError::Call { id, fault };
    if let Some(headers) = headers {
        let headers = metadata::decode(headers).ok_or(fault(CallFault::Metadata))?;
        return Ok(ServerFrame::Headers(id, headers));
    }
    if let Some(message) = message {
        return Ok(ServerFrame::Message(id, CallMessage::Json(shared(text, message))));
    }
    if let Some(end) = end {
        return decode_end(end).map(|end| ServerFrame::End(id, Box::new(end))).map_err(fault);
    }
    let bytes = credit.and_then(|credit| credit.get().parse::<u64>().ok());
    let bytes = bytes.filter(|bytes| (1..=MAX_INTEGER).contains(bytes));
    bytes.map(|bytes| ServerFrame::Credit(id, bytes)).ok_or(fault(CallFault::Credit))
}

fn decode_end(end: &RawValue) -> Result<CallEnd, CallFault> {
    let fields: ReadEnd<'_> = decode_object(end.get()).ok_or(CallFault::Malformed)?;
    let trailers = match fields.trailers {
        Some(trailers) => metadata::decode(trailers).ok_or(CallFault::Metadata)?,
        None => HeaderMap::new(),
    };
    Ok(CallEnd {
        code: Code::from_number(fields.code),
        message: fields.message,
        details: fields.details.map_or("[]", RawValue::get).to_owned(),
        trailers,
    })
}
