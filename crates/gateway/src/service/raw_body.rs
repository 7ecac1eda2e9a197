//! `google.api.HttpBody`: bodies of HTTP that are bytes of any type, rather than JSON.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;

use super::body::{Body, BoxError};
use super::call::{Failure, Prepared, Reply};
use super::charged_body::ChargedBody;
use super::inner::Inner;
use super::messages::{End, Messages};
use crate::catalog::{MethodEntry, RouteBody, RouteTarget};
use crate::protobuf::{Reader, Span, WireError, WireType, put_len_field};
use crate::status::{Code, Status};
use crate::transcode::FieldPath;

/// The numbers of the fields of `HttpBody`.
const TYPE_FIELD: u32 = 1;
const DATA_FIELD: u32 = 2;

/// Length that an `HttpBody` and its parent have beside the data, in bytes: six tags and lengths,
/// and a content type.
const OVERHEAD: usize = 1024;

/// Maximum length of a content type that is passed on, in bytes.
const MAX_TYPE: usize = 512;

/// The content type of data whose type is missing or is not a header value.
const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The place of an `HttpBody` in a message.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The message itself.
    Whole,
    /// A field.
    Field(FieldPath),
}

impl Place {
    /// Returns the place of the request's body, if it is an `HttpBody`.
    pub(super) fn of_request(target: &RouteTarget) -> Option<Self> {
        target.has_raw_request().then(|| match &target.body {
            RouteBody::Field(path) => Self::Field(path.clone()),
            RouteBody::None | RouteBody::Whole => Self::Whole,
        })
    }

    /// Returns the place of the response's body, if it is an `HttpBody`.
    pub(super) fn of_response(target: &RouteTarget) -> Option<Self> {
        let field = target.response_body.clone();
        target.has_raw_response().then(|| field.map_or(Self::Whole, Self::Field))
    }

    /// Returns the message of a method whose body is these bytes.
    pub(super) fn message(
        &self,
        method: &MethodEntry,
        content_type: Option<&HeaderValue>,
        data: &[u8],
    ) -> Vec<u8> {
        let mut body = Vec::with_capacity(data.len() + 64);
        let content_type = content_type.map_or(&b""[..], HeaderValue::as_bytes);
        // A string of protobuf is UTF-8.
        if !content_type.is_empty()
            && content_type.len() <= MAX_TYPE
            && simdutf8::basic::from_utf8(content_type).is_ok()
        {
            put_len_field(&mut body, TYPE_FIELD, content_type);
        }
        if !data.is_empty() {
            put_len_field(&mut body, DATA_FIELD, data);
        }
        match self {
            Self::Whole => body,
            Self::Field(path) => {
                let mut message = Vec::with_capacity(body.len() + 16);
                path.put_message(method.schema().tables(), &body, &mut message);
                message
            }
        }
    }

    /// Returns the `HttpBody` in a message.
    ///
    /// # Errors
    /// `internal` if the message is malformed.
    pub(super) fn read(&self, method: &MethodEntry, wire: &Bytes) -> Result<HttpBody, Status> {
        let read = match self {
            Self::Whole => HttpBody::decode(wire),
            Self::Field(path) => path
                .message_in(method.schema().tables(), wire)
                .and_then(|part| HttpBody::decode(&part.into())),
        };
        read.map_err(|error| {
            let message = format!("the response of the upstream cannot be read: {error}");
            Status::new(Code::Internal, message)
        })
    }
}

/// A body of any type.
#[derive(Debug, Default)]
pub(super) struct HttpBody {
    content_type: Option<HeaderValue>,
    pub(super) data: Bytes,
}

impl HttpBody {
    fn decode(wire: &Bytes) -> Result<Self, WireError> {
        let mut body = Self { content_type: None, data: Bytes::new() };
        let mut reader = Reader::new(wire, Span::of(wire))?;
        while let Some(field) = reader.field()? {
            match (field.number, field.wire_type) {
                (TYPE_FIELD, WireType::Len) => {
                    let text = field.span().bytes(wire);
                    body.content_type =
                        HeaderValue::from_bytes(text).ok().filter(|value| !value.is_empty());
                }
                (DATA_FIELD, WireType::Len) => {
                    body.data = wire.slice_ref(field.span().bytes(wire));
                }
                _ => {}
            }
        }
        Ok(body)
    }

    /// Sets the content type of a response, and forbids browsers to guess another one.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, self.content_type.clone().unwrap_or(OCTET_STREAM));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
}

/// A stream of requests with an `HttpBody`, of the pieces of a body as they arrive. The first has
/// the content type. A body without bytes is one request.
#[derive(Debug)]
pub(super) struct RawInput {
    method: Arc<MethodEntry>,
    place: Place,
    /// `None` once it is sent, or if there is none.
    content_type: Option<HeaderValue>,
    has_sent: bool,
    pieces: VecDeque<Bytes>,
    max_length: usize,
}

impl RawInput {
    pub(super) fn new(
        method: Arc<MethodEntry>,
        place: Place,
        content_type: Option<HeaderValue>,
        max_length: u32,
    ) -> Self {
        // Of a limit that is smaller than the overhead, one byte is left.
        let max_length = (max_length as usize).saturating_sub(OVERHEAD).max(1);
        let (pieces, has_sent) = (VecDeque::new(), false);
        Self { method, place, content_type, has_sent, pieces, max_length }
    }

    pub(super) fn push(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.pieces.push_back(data);
        }
    }

    /// Returns the number of bytes that were not taken.
    pub(super) fn buffered_length(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    pub(super) fn next(&mut self) -> Option<Bytes> {
        let mut piece = self.pieces.pop_front()?;
        if piece.len() > self.max_length {
            self.pieces.push_front(piece.split_off(self.max_length));
        }
        Some(self.message(&piece))
    }

    /// Returns the only request of a body without bytes.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        self.next().or_else(|| (!self.has_sent).then(|| self.message(b"")))
    }

    fn message(&mut self, data: &[u8]) -> Bytes {
        self.has_sent = true;
        let content_type = self.content_type.take();
        self.place.message(&self.method, content_type.as_ref(), data).into()
    }
}

impl Inner {
    /// Answers with the data of `HttpBody`. The headers of a stream wait for its first message,
    /// which has the content type.
    pub(super) async fn answer_raw(
        &self,
        method: Arc<MethodEntry>,
        prepared: Prepared,
        body: ChargedBody,
        place: Place,
    ) -> Result<Response<Body>, Failure> {
        if !method.descriptor().server_streaming {
            let reply = self.call_unary(&method, prepared, body).await?;
            let raw = place.read(&method, &reply.message)?;
            let body = Body::charged(raw.data.clone(), reply.held)?;
            let mut metadata = self.json_headers(&reply.headers, &reply.trailers);
            raw.describe(&mut metadata);
            let mut response = Response::new(body);
            *response.headers_mut() = metadata;
            return Ok(response);
        }
        let Reply { headers, mut messages } = self.call(&method, prepared, body).await?;
        let first = match messages.next().await {
            Ok(wire) => place.read(&method, &wire)?,
            Err(end) if end.status.code == Code::Ok => HttpBody::default(),
            Err(end) => return Err(Failure { headers, end }),
        };
        let mut metadata = self.json_headers(&headers, &HeaderMap::new());
        first.describe(&mut metadata);
        let body = RawBody::new(messages, method, place, first.data);
        let body = ChargedBody::new(body, &self.settings.budget);
        let mut response = Response::new(Body::stream(body));
        *response.headers_mut() = metadata;
        Ok(response)
    }
}

/// The body of a response that is the data of a stream of `HttpBody`. A failure of the call cuts it
/// off: it has no form for errors.
pub(super) struct RawBody {
    messages: Messages,
    method: Arc<MethodEntry>,
    place: Place,
    /// The data of a message that was read for the headers of the response.
    first: Bytes,
    is_over: bool,
}

impl RawBody {
    pub(super) fn new(
        messages: Messages,
        method: Arc<MethodEntry>,
        place: Place,
        first: Bytes,
    ) -> Self {
        Self { messages, method, place, first, is_over: false }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, End>> {
        match ready!(self.messages.poll_next(cx)) {
            Ok(wire) => {
                let body = self.place.read(&self.method, &wire);
                Poll::Ready(body.map(|body| body.data).map_err(|status| {
                    self.messages.scope().set_code(status.code);
                    End::failed(status)
                }))
            }
            Err(end) => Poll::Ready(Err(end)),
        }
    }
}

impl http_body::Body for RawBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if !this.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.first)))));
        }
        while !this.is_over {
            match ready!(this.poll_data(cx)) {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(End { status, .. }) => {
                    this.is_over = true;
                    if status.code != Code::Ok {
                        let message = format!("{}: {}", status.code, status.message);
                        return Poll::Ready(Some(Err(message.into())));
                    }
                }
            }
        }
        Poll::Ready(None)
    }
}
