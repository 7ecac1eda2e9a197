use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::uri::PathAndQuery;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sockeye::{Message, Utf8Bytes};

use super::{
    CallFault, CallMessage, FrameError, HALF_CLOSE, INITIAL_CREDIT, MAX_INTEGER, decode_binary,
    decode_object, encode_binary, metadata, metadata_json,
};
use crate::dispatch::Codec;

/// A message of a client. All but `Auth` begin with the id of a call, from 1 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// Sets the metadata with which later calls begin.
    Auth(HeaderMap),
    /// Begins a call.
    Start(u32, Box<CallStart>),
    /// A request, and whether it is the last one.
    Message(u32, CallMessage, bool),
    /// Ends the requests.
    HalfClose(u32),
    /// Cancels the call.
    Cancel(u32),
    /// Allows the server further bytes of messages.
    Credit(u32, u64),
}

/// The beginning of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallStart {
    /// The path of the method: `/package.Service/Method`.
    pub method: PathAndQuery,
    /// The encoding of messages. Default: JSON.
    pub codec: Codec,
    /// The metadata. Default: none.
    pub metadata: HeaderMap,
    /// The timeout, in whole milliseconds, of 1 ms or more. Default: none.
    pub timeout: Option<Duration>,
    /// The number of bytes of messages that the server may send at first. Default: 65536.
    pub credit: u64,
    /// The first request, for the codec JSON. Default: none.
    pub message: Option<Utf8Bytes>,
    /// `true` if the requests end here. Default: `false`.
    pub half_close: bool,
}

impl CallStart {
    /// Creates the start of a call of a method by its path, `/package.Service/Method`, with the
    /// default of each field.
    pub fn new(method: PathAndQuery) -> Self {
        Self {
            method,
            codec: Codec::Json,
            metadata: HeaderMap::new(),
            timeout: None,
            credit: INITIAL_CREDIT,
            message: None,
            half_close: false,
        }
    }
}

/// A text message. Other fields are ignored.
#[derive(Deserialize)]
struct Text<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(borrow, default, deserialize_with = "present")]
    auth: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    start: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    message: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    half_close: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    cancel: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    credit: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Auth<'a> {
    #[serde(borrow)]
    metadata: &'a RawValue,
}

#[derive(Deserialize)]
struct Start<'a> {
    method: String,
    #[serde(default)]
    codec: TextCodec,
    #[serde(borrow, default, deserialize_with = "present")]
    metadata: Option<&'a RawValue>,
    timeout_ms: Option<u64>,
    credit: Option<u64>,
    #[serde(borrow, default, deserialize_with = "present")]
    message: Option<&'a RawValue>,
    #[serde(default)]
    half_close: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TextCodec {
    #[default]
    Json,
    Proto,
}

/// Reads a field whose `null` is a value.
pub(super) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl ClientFrame {
    /// Decodes a WebSocket message. Requests share its bytes.
    ///
    /// # Errors
    /// [`FrameError`]. One of [`FrameError::Call`] ends a call, all others the connection.
    pub fn decode(message: &Message) -> Result<Self, FrameError> {
        match message {
            Message::Text(text) => decode_text(text),
            Message::Binary(payload) => {
                let mut wire = payload.clone();
                let (flags, id) = decode_binary(&mut wire, HALF_CLOSE)?;
                Ok(Self::Message(id, CallMessage::Proto(wire), flags & HALF_CLOSE != 0))
            }
        }
    }

    /// Encodes the WebSocket message, for clients.
    pub fn encode(&self) -> Message {
        let json = match self {
            Self::Auth(metadata) => json!({ "auth": { "metadata": metadata_json(metadata) } }),
            Self::Start(id, start) => return encode_start(*id, start),
            Self::Message(id, CallMessage::Proto(wire), half_close) => {
                return encode_binary(*id, wire, if *half_close { HALF_CLOSE } else { 0 });
            }
            Self::Message(id, CallMessage::Json(json), half_close) => {
                let end = if *half_close { ",\"half_close\":true}" } else { "}" };
                return format!("{{\"id\":{id},\"message\":{json}{end}").into();
            }
            Self::HalfClose(id) => json!({ "id": id, "half_close": true }),
            Self::Cancel(id) => json!({ "id": id, "cancel": true }),
            Self::Credit(id, bytes) => json!({ "id": id, "credit": bytes }),
        };
        json.to_string().into()
    }
}

fn decode_text(text: &Utf8Bytes) -> Result<ClientFrame, FrameError> {
    let fields: Text<'_> = decode_object(text).ok_or(FrameError::NotAnObject)?;
    let Text { id, auth, start, message, half_close, cancel, credit } = fields;
    // `half_close` may follow a message.
    let closes_alone = half_close.filter(|_| message.is_none());
    let names = [auth, start, message, closes_alone, cancel, credit];
    match names.iter().flatten().count() {
        0 => return Err(FrameError::NoName),
        1 => {}
        _ => return Err(FrameError::SeveralNames),
    }
    if let Some(auth) = auth {
        let auth: Auth<'_> = decode_object(auth.get()).ok_or(FrameError::Auth)?;
        return metadata::decode(auth.metadata).map(ClientFrame::Auth).ok_or(FrameError::Auth);
    }
    let id = id.as_ref().and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
    let id = id.filter(|id| *id > 0).ok_or(FrameError::InvalidId)?;
    let decoded = if let Some(start) = start {
        decode_start(text, start).map(|start| ClientFrame::Start(id, Box::new(start)))
    } else if let Some(message) = message {
        let half_close = half_close.map_or(Ok(false), |flag| is_true(flag).map(|()| true));
        let message = CallMessage::Json(shared(text, message));
        half_close.map(|half_close| ClientFrame::Message(id, message, half_close))
    } else if let Some(flag) = half_close {
        is_true(flag).map(|()| ClientFrame::HalfClose(id))
    } else if let Some(flag) = cancel {
        is_true(flag).map(|()| ClientFrame::Cancel(id))
    } else {
        let bytes = credit.and_then(|credit| credit.get().parse::<u64>().ok());
        let bytes = bytes.filter(|bytes| (1..=MAX_INTEGER).contains(bytes));
        bytes.map(|bytes| ClientFrame::Credit(id, bytes)).ok_or(CallFault::Credit)
    };
    decoded.map_err(|fault| FrameError::Call { id, fault })
}

fn is_true(flag: &RawValue) -> Result<(), CallFault> {
    if flag.get() == "true" { Ok(()) } else { Err(CallFault::NotTrue) }
}

/// Returns a value of a text, sharing its bytes.
pub(super) fn shared(text: &Utf8Bytes, value: &RawValue) -> Utf8Bytes {
    let bytes = text.clone().into_bytes().slice_ref(value.get().as_bytes());
    // A part of a text that is a `str` itself is UTF-8.
    Utf8Bytes::try_from(bytes).unwrap_or_default()
}

fn decode_start(text: &Utf8Bytes, start: &RawValue) -> Result<CallStart, CallFault> {
    let fields: Start<'_> = decode_object(start.get()).ok_or(CallFault::Malformed)?;
    let metadata = match fields.metadata {
        Some(metadata) => metadata::decode(metadata).ok_or(CallFault::Metadata)?,
        None => HeaderMap::new(),
    };
    let timeout = match fields.timeout_ms {
        Some(millis @ 1..=MAX_INTEGER) => Some(Duration::from_millis(millis)),
        Some(_) => return Err(CallFault::Timeout),
        None => None,
    };
    let credit = fields.credit.unwrap_or(INITIAL_CREDIT);
    if credit > MAX_INTEGER {
        return Err(CallFault::Credit);
    }
    let codec = match fields.codec {
        TextCodec::Json => Codec::Json,
        TextCodec::Proto if fields.message.is_some() => return Err(CallFault::MessageOfProto),
        TextCodec::Proto => Codec::Proto,
    };
    Ok(CallStart {
        method: method_path(&fields.method).ok_or(CallFault::Method)?,
        codec,
        metadata,
        timeout,
        credit,
        message: fields.message.map(|message| shared(text, message)),
        half_close: fields.half_close,
    })
}

fn method_path(method: &str) -> Option<PathAndQuery> {
    let name = method.strip_prefix('/').unwrap_or(method);
    let (service, method) = name.split_once('/')?;
    let is_name = |name: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        !name.is_empty() && name.bytes().all(is_part)
    };
    if !is_name(service) || !is_name(method) {
        return None;
    }
    PathAndQuery::from_maybe_shared(Bytes::from(format!("/{name}"))).ok()
}

fn encode_start(id: u32, start: &CallStart) -> Message {
    let mut fields = Map::new();
    fields.insert("method".to_owned(), start.method.path().trim_start_matches('/').into());
    if start.codec == Codec::Proto {
        fields.insert("codec".to_owned(), "proto".into());
    }
    if !start.metadata.is_empty() {
        fields.insert("metadata".to_owned(), metadata_json(&start.metadata).into());
    }
    if let Some(timeout) = start.timeout {
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(MAX_INTEGER);
        fields.insert("timeout_ms".to_owned(), millis.clamp(1, MAX_INTEGER).into());
    }
    if start.credit != INITIAL_CREDIT {
        fields.insert("credit".to_owned(), start.credit.min(MAX_INTEGER).into());
    }
    if start.half_close {
        fields.insert("half_close".to_owned(), true.into());
    }
    let mut text = format!("{{\"id\":{id},\"start\":{}", Value::Object(fields));
    if let Some(message) = &start.message {
        // The object has fields before: at least the method.
        text.pop();
        text.push_str(",\"message\":");
        text.push_str(message);
        text.push('}');
    }
    text.push('}');
    text.into()
}
