//! `POST /rooms/ROOM/messages`: the body is the message.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use serde_json::value::{RawValue, to_raw_value};
use sockeye::{Message, Utf8Bytes};

use super::error::ApiError;
use super::request::publication_id;
use super::{Api, response};
use crate::core::Publication;

impl<S: Send + Sync + 'static> Api<S> {
    pub(super) async fn handle_message(
        &self,
        room: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response<Bytes> {
        match self.publish_body(room, headers, body).await {
            Ok(result) => response::result(&result),
            Err(error) => response::error(error.status(), &error),
        }
    }

    async fn publish_body(
        &self,
        room: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Box<RawValue>, ApiError> {
        let room = decode(room)
            .ok_or_else(|| ApiError::bad_request("the room's name is encoded wrongly"))?;
        let id = match headers.get("idempotency-key").map(|id| id.to_str()) {
            None => None,
            Some(Ok(id)) => publication_id(id)?,
            Some(Err(_)) => {
                let message = "Idempotency-Key: expected visible ASCII characters";
                return Err(ApiError::bad_request(message));
            }
        };
        let publication = Publication { id, ..Publication::new(message(headers, body)?) };
        let position = self.publish_to(&room, publication).await?;
        to_raw_value(&position).map_err(|error| ApiError::bad_request(error.to_string()))
    }
}

/// Makes the message: bytes for `application/octet-stream`, or else a text.
fn message(headers: &HeaderMap, body: Bytes) -> Result<Message, ApiError> {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    if essence.trim_ascii().eq_ignore_ascii_case(b"application/octet-stream") {
        return Ok(Message::Binary(body));
    }
    let expected = "expected UTF-8, or the Content-Type application/octet-stream";
    let text = Utf8Bytes::try_from(body).map_err(|_| ApiError::bad_request(expected))?;
    Ok(Message::Text(text))
}

/// Decodes a segment of a path (RFC 3986 section 2.1).
pub(super) fn decode(segment: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        decoded.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(decoded).ok()
}
