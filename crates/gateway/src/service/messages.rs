//! The messages of a gRPC response, and its end.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Body as _;

use super::error;
use super::held_bytes::HeldBytes;
use super::scope::CallScope;
use crate::dialect::framing::{EnvelopeDecoder, EnvelopeError, EnvelopeFormat};
use crate::status::{Code, GRPC_STATUS, Status};
use crate::upstream::UpstreamBody;

/// The messages of a response. Dropping it cancels the call.
pub(super) struct Messages {
    /// `None` once the call is over.
    body: Option<UpstreamBody>,
    decoder: EnvelopeDecoder,
    /// The part of a message that has arrived.
    held: HeldBytes,
    /// The status in the headers, which counts unless the body has bytes or trailers.
    head_status: Option<Status>,
    end: Option<End>,
    /// `false` where the end is asked for once.
    repeats_end: bool,
    scope: CallScope,
}

/// The end of a call.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) status: Status,
    /// The trailers. Empty if the status was in the headers of the response.
    pub(super) trailers: HeaderMap,
}

impl End {
    /// Creates an end without trailers.
    pub(super) fn failed(status: Status) -> Self {
        Self { status, trailers: HeaderMap::new() }
    }
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::failed(status)
    }
}

impl Messages {
    /// Creates the messages of a response with these headers.
    pub(super) fn new(
        headers: &HeaderMap,
        body: UpstreamBody,
        max_length: u32,
        held: HeldBytes,
        scope: CallScope,
    ) -> Self {
        // The headers of a response without messages are its trailers as well. A response with a
        // body has its status in the trailers, whatever a server or a proxy adds to the headers.
        let status = Status::from_trailers(headers);
        let (end, head_status) = match status {
            Some(status) if body.is_end_stream() => (Some(End::failed(status)), None),
            status => (None, status),
        };
        if let Some(end) = &end {
            scope.set_code(end.status.code);
        }
        let body = if end.is_none() { Some(body) } else { None };
        let decoder = EnvelopeDecoder::new(EnvelopeFormat::Grpc, max_length);
        Self { body, decoder, held, head_status, end, repeats_end: true, scope }
    }

    /// Returns the scope of the call.
    pub(super) fn scope(&self) -> &CallScope {
        &self.scope
    }

    /// Returns these messages for a caller that asks for nothing after the end.
    pub(super) fn once(self) -> Self {
        Self { repeats_end: false, ..self }
    }

    /// Returns the next message, or the end of the call. After the end, returns the end again.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Bytes, End> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, End>> {
        loop {
            if let Some(end) = &self.end {
                return Poll::Ready(Err(end.clone()));
            }
            match self.decoder.next_envelope() {
                Ok(Some(envelope)) if !envelope.is_compressed() => {
                    self.scope.counters().count_response_messages(1);
                    // Less is held now, which never fails.
                    let _ = self.held.set(0);
                    return Poll::Ready(Ok(envelope.payload));
                }
                Ok(Some(_)) => {
                    // The gateway accepts no compression.
                    let status = Status::new(Code::Internal, "a compressed message, unasked");
                    return Poll::Ready(Err(self.finish(End::failed(status))));
                }
                Ok(None) => {}
                Err(error) => {
                    let end = End::failed(envelope_error(error));
                    return Poll::Ready(Err(self.finish(end)));
                }
            }
            let Some(body) = &mut self.body else {
                return Poll::Ready(Err(self.finish(End::failed(without_status()))));
            };
            let Poll::Ready(polled) = Pin::new(body).poll_frame(cx) else {
                let held = self.held.wait_with(self.decoder.buffered_length(), cx);
                return match held {
                    Ok(()) => Poll::Pending,
                    Err(status) => Poll::Ready(Err(self.finish(status.into()))),
                };
            };
            let end = match polled {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        if !data.is_empty() {
                            self.head_status = None;
                        }
                        self.decoder.push(data);
                        continue;
                    }
                    Err(frame) => self.end_of(frame.into_trailers().unwrap_or_default()),
                },
                Some(Err(status)) => End::failed(error::from_channel(&status)),
                None => End::failed(self.head_status.take().unwrap_or_else(without_status)),
            };
            return Poll::Ready(Err(self.finish(end)));
        }
    }

    fn end_of(&self, trailers: HeaderMap) -> End {
        let Some(status) = Status::from_trailers(&trailers) else {
            return End::failed(without_status());
        };
        match self.decoder.finish() {
            Err(error) if status.code == Code::Ok => End::failed(envelope_error(error)),
            _ => End { status, trailers },
        }
    }

    /// Ends the call: the stream is reset if it has not ended by itself.
    fn finish(&mut self, end: End) -> End {
        self.body = None;
        self.scope.set_code(end.status.code);
        if self.repeats_end {
            self.end = Some(end.clone());
        }
        end
    }
}

/// Checks that a response is one of gRPC: a proxy in between may answer otherwise.
pub(super) fn check_head(status: StatusCode, headers: &HeaderMap) -> Result<(), Status> {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_grpc =
        content_type.starts_with(b"application/grpc") || headers.contains_key(GRPC_STATUS);
    if status == StatusCode::OK && is_grpc {
        return Ok(());
    }
    // A proxy in between may set both statuses: that of gRPC says more.
    if let Some(status) = Status::from_trailers(headers).filter(|status| status.code != Code::Ok) {
        return Err(status);
    }
    let code = Code::from_http_status(status);
    Err(Status::new(code, format!("the upstream answered HTTP {} without gRPC", status.as_u16())))
}

/// Returns the status of a call whose messages cannot be read.
pub(super) fn envelope_error(error: EnvelopeError) -> Status {
    let code = match error {
        EnvelopeError::TooLong { .. } => Code::ResourceExhausted,
        _ => Code::Internal,
    };
    Status::new(code, error.to_string())
}

fn without_status() -> Status {
    Status::new(Code::Internal, "the upstream ended the call without a status")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn responses_that_are_not_of_grpc_have_a_status() {
        let mut headers = HeaderMap::new();
        let code = |status: u16, headers: &HeaderMap| {
            check_head(StatusCode::from_u16(status).unwrap(), headers).map_err(|status| status.code)
        };
        assert_eq!(code(404, &headers), Err(Code::Unimplemented));
        assert_eq!(code(503, &headers), Err(Code::Unavailable));
        assert_eq!(code(200, &headers), Err(Code::Unknown));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto"));
        assert_eq!(code(200, &headers), Ok(()));
        assert_eq!(code(502, &headers), Err(Code::Unavailable));
        headers.insert(GRPC_STATUS, HeaderValue::from_static("8"));
        assert_eq!(code(503, &headers), Err(Code::ResourceExhausted));
        assert_eq!(code(200, &headers), Ok(()));
    }
}
