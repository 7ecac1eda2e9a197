use std::error::Error;
use std::fmt;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::HeaderMap;

use super::{Envelope, EnvelopeError, HeaderBlockError, decode_header_block, encode_header_block};

/// The prefix of a message with data.
const DATA: u8 = 0;

/// The message by which a client ends its side of a call.
pub const FINISH: Bytes = Bytes::from_static(&[1]);

/// A message of a client of the subprotocol `grpc-websockets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebSocketMessage {
    /// The headers of the request: the first message.
    Headers(HeaderMap),
    /// Bytes of the request's body, in the form of gRPC-Web. They need not be whole envelopes.
    Data(Bytes),
    /// The end of the request. The response may go on.
    Finish,
}

/// The client's side of a call in the subprotocol `grpc-websockets`, which has one socket for each
/// call.
///
/// ```text
///  client                                        server
///  headers, in the form of HTTP/1.1 ───────────►
///  0, bytes of envelopes            ───────────►
///                                   ◄─────────── 0x80, length, headers
///                                   ◄─────────── envelopes
///  1                                ───────────►
///                                   ◄─────────── 0x80, length, trailers
/// ```
///
/// Every message is binary. A client may close the socket without `1`: the call is then cancelled.
#[derive(Clone, Debug, Default)]
pub struct WebSocketRequest {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Headers,
    Body,
    Finished,
}

/// The reason why a message is not one of `grpc-websockets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebSocketMessageError {
    /// The first message is not headers.
    Headers(HeaderBlockError),
    /// The message is empty, or its prefix is neither that of data nor of the end.
    UnknownPrefix,
    /// The message follows the end of the request.
    AfterEnd,
}

impl WebSocketRequest {
    /// Creates the state before the first message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the payload of the next message. Data share its bytes.
    ///
    /// # Errors
    /// [`WebSocketMessageError`]. The call must then end.
    pub fn decode(
        &mut self,
        mut payload: Bytes,
    ) -> Result<WebSocketMessage, WebSocketMessageError> {
        match self.state {
            State::Headers => {
                let headers = decode_header_block(&payload);
                self.state = State::Body;
                headers.map(WebSocketMessage::Headers).map_err(WebSocketMessageError::Headers)
            }
            State::Body if payload == FINISH => {
                self.state = State::Finished;
                Ok(WebSocketMessage::Finish)
            }
            State::Body if payload.first() == Some(&DATA) => {
                payload.advance(1);
                Ok(WebSocketMessage::Data(payload))
            }
            State::Body => Err(WebSocketMessageError::UnknownPrefix),
            State::Finished => Err(WebSocketMessageError::AfterEnd),
        }
    }
}

/// Encodes the headers or the trailers of a response: an [`Envelope`] of gRPC-Web with trailers.
///
/// # Errors
/// [`EnvelopeError::TooLong`] beyond 4 GiB.
pub fn encode_header_frame(headers: &HeaderMap) -> Result<Bytes, EnvelopeError> {
    let mut out = BytesMut::new();
    Envelope::encode(Envelope::TRAILERS, &encode_header_block(headers), &mut out)?;
    Ok(out.freeze())
}

/// Encodes data of a request, for clients.
pub fn encode_data(data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(1 + data.len());
    out.put_u8(DATA);
    out.put_slice(data);
    out.freeze()
}

impl fmt::Display for WebSocketMessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Headers(error) => write!(f, "the first message must be headers: {error}"),
            Self::UnknownPrefix => f.write_str("a message must begin with 0, or be 1"),
            Self::AfterEnd => f.write_str("a message follows the end of the request"),
        }
    }
}

impl Error for WebSocketMessageError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::framing::{EnvelopeDecoder, EnvelopeFormat};

    #[test]
    fn a_request_is_headers_data_and_an_end() {
        let mut request = WebSocketRequest::new();
        let headers = request.decode(Bytes::from_static(b"X-A: 1\r\n")).unwrap();
        let WebSocketMessage::Headers(headers) = headers else { panic!("{headers:?}") };
        assert_eq!(headers["x-a"], "1");
        assert_eq!(
            request.decode(encode_data(b"\x01")),
            Ok(WebSocketMessage::Data(Bytes::from_static(b"\x01")))
        );
        assert_eq!(request.decode(encode_data(b"")), Ok(WebSocketMessage::Data(Bytes::new())));
        assert_eq!(request.decode(FINISH), Ok(WebSocketMessage::Finish));
        assert_eq!(request.decode(FINISH), Err(WebSocketMessageError::AfterEnd));
    }

    #[test]
    fn other_messages_are_refused() {
        for payload in [&b""[..], b"\x02", b"\x01\x01", b"{}"] {
            let mut request = WebSocketRequest::new();
            request.decode(Bytes::new()).unwrap();
            let payload = Bytes::copy_from_slice(payload);
            assert_eq!(request.decode(payload), Err(WebSocketMessageError::UnknownPrefix));
        }
        let error = WebSocketRequest::new().decode(FINISH).unwrap_err();
        assert_eq!(error, WebSocketMessageError::Headers(HeaderBlockError::NoColon { line: 1 }));
    }

    #[test]
    fn headers_of_a_response_are_an_envelope_of_trailers() {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", "0".parse().unwrap());
        let mut decoder = EnvelopeDecoder::new(EnvelopeFormat::GrpcWeb, 64);
        decoder.push(encode_header_frame(&headers).unwrap());
        let envelope = decoder.next_envelope().unwrap().unwrap();
        assert_eq!((envelope.flags, &envelope.payload[..]), (0x80, &b"grpc-status: 0\r\n"[..]));
    }
}
