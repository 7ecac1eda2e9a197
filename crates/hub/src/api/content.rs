//! Messages and infos in JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use sockeye::Message;

use super::error::ApiError;

/// The message of a publication: JSON, or bytes in base64.
#[derive(Debug, Serialize)]
pub(super) enum Content {
    #[serde(rename = "data")]
    Json(Box<RawValue>),
    #[serde(rename = "b64data")]
    Base64(String),
}

impl Content {
    /// Makes the content of a message. A text that is not JSON becomes a JSON text.
    pub(super) fn of(message: &Message) -> Self {
        match message.as_text() {
            Some(text) => Self::Json(json(text)),
            None => Self::Base64(STANDARD.encode(message.as_bytes())),
        }
    }
}

/// Makes the message of a request's `data` and `b64data`, of which it has one.
pub(super) fn message(data: Option<&RawValue>, b64data: Option<&str>) -> Result<Message, ApiError> {
    match (data, b64data.filter(|encoded| !encoded.is_empty())) {
        (_, Some(encoded)) => match STANDARD.decode(encoded) {
            Ok(bytes) => Ok(Message::Binary(bytes.into())),
            Err(_) => Err(ApiError::bad_request("b64data: expected base64")),
        },
        (Some(data), None) => Ok(data.get().into()),
        (None, None) => Err(ApiError::bad_request("data: expected a value")),
    }
}

/// Returns the info of a member: as it is if it is JSON, or else as a JSON text; bytes in base64.
pub(super) fn info(info: &[u8]) -> Option<Box<RawValue>> {
    match std::str::from_utf8(info) {
        Ok("") => None,
        Ok(text) => Some(json(text)),
        Err(_) => Some(json_text(&STANDARD.encode(info))),
    }
}

fn json(text: &str) -> Box<RawValue> {
    serde_json::from_str(text).unwrap_or_else(|_| json_text(text))
}

fn json_text(text: &str) -> Box<RawValue> {
    to_raw_value(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
