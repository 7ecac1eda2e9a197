//! Native gRPC, passed as it is: only headers and trailers are looked at.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version};
use http_body::Frame;

use super::body::{Body, BoxError, RequestBody};
use super::call::Prepared;
use super::error;
use super::inner::Inner;
use super::messages::check_head;
use super::prefixes::{CountedBody, Prefixes};
use super::request_body::unasked_flags;
use super::scope::CallScope;
use super::settings::Settings;
use crate::catalog::Catalog;
use crate::deadline::TimeoutForm;
use crate::metadata::{Convention, Part};
use crate::status::{Code, GRPC_MESSAGE, GRPC_STATUS, GRPC_STATUS_DETAILS_BIN, Status};
use crate::upstream::{CallOptions, UpstreamBody};

impl Inner {
    /// Answers a call of native gRPC.
    pub(super) async fn grpc(
        &self,
        catalog: &Catalog,
        head: Parts,
        body: RequestBody,
    ) -> Response<Body> {
        let content_type = head.headers.get(CONTENT_TYPE).cloned();
        // The content type chose this dialect.
        let content_type = content_type.unwrap_or(HeaderValue::from_static("application/grpc"));
        match self.pass(catalog, head, body).await {
            Ok(response) => {
                let settings = Arc::clone(&self.settings);
                response.map(|body| Body::stream(PassedBody { inner: Some(body), settings }))
            }
            Err(status) => error::trailers_only(&status, content_type),
        }
    }

    /// Passes a call with length-prefixed messages to its upstream, with the timeout of gRPC.
    pub(super) async fn pass(
        &self,
        catalog: &Catalog,
        head: Parts,
        body: RequestBody,
    ) -> Result<Response<WatchedBody>, Status> {
        let path = head.uri.path();
        let upstream = catalog.upstream(path).ok_or_else(|| unknown_service(catalog, path))?;
        let prepared = self.prepare(path, Convention::Rpc, TimeoutForm::Grpc, &head).await?;
        let Prepared { metadata, deadline, scope } = prepared;
        let is_idempotent = catalog.method(path).is_some_and(|method| method.is_idempotent());
        let body = LengthCheck::new(body, self.settings.max_message_length);
        let mut request = Request::new(CountedBody::new(body, Arc::clone(scope.counters())));
        *request.method_mut() = head.method;
        *request.version_mut() = Version::HTTP_2;
        // Without the authority that the client named: calls name the upstream's own.
        let path = head.uri.path_and_query().cloned();
        *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
        *request.headers_mut() = metadata;
        copy(&REQUEST_HEADERS, &head.headers, request.headers_mut());
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        let response = upstream.call(request, CallOptions { deadline, is_idempotent }).await;
        let response = response.map_err(|status| error::from_call(&status, head.uri.path()))?;
        check_head(response.status(), response.headers())?;
        if let Some(status) = Status::from_trailers(response.headers()) {
            scope.set_code(status.code);
            self.look_at(&status);
        }
        let (mut head, inner) = response.into_parts();
        head.headers = self.settings.native_headers(Part::Headers, &head.headers);
        let body = WatchedBody { inner, prefixes: Prefixes::default(), scope };
        Ok(Response::from_parts(head, body))
    }
}

/// Headers of requests that belong to gRPC itself, beside the timeout, which is written anew.
const REQUEST_HEADERS: [HeaderName; 3] = [
    CONTENT_TYPE,
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
];

/// Headers of responses that belong to gRPC itself.
const RESPONSE_HEADERS: [HeaderName; 6] = [
    CONTENT_TYPE,
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
    GRPC_STATUS,
    GRPC_MESSAGE,
    GRPC_STATUS_DETAILS_BIN,
];

impl Settings {
    /// Returns the headers or trailers of a response, with the headers of gRPC's own.
    pub(super) fn native_headers(&self, part: Part, metadata: &HeaderMap) -> HeaderMap {
        let mut headers = self.metadata.response_headers(Convention::Rpc, part, metadata);
        copy(&RESPONSE_HEADERS, metadata, &mut headers);
        headers
    }
}

fn copy(names: &[HeaderName], from: &HeaderMap, to: &mut HeaderMap) {
    // There are few headers, and a comparison costs less than a look-up.
    for name in from.keys().filter(|name| names.contains(name)) {
        if let Some(value) = from.get(name) {
            to.insert(name.clone(), value.clone());
        }
    }
}

fn unknown_service(catalog: &Catalog, path: &str) -> Status {
    if catalog.schemas().is_empty() {
        return error::unknown_services();
    }
    // The path is the client's, and the message is escaped.
    Status::new(Code::Unimplemented, format!("no upstream has the method {path:?}"))
}

/// The body of an upstream's response, whose messages and status are noted.
pub(super) struct WatchedBody {
    inner: UpstreamBody,
    prefixes: Prefixes,
    scope: CallScope,
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let count = this.prefixes.count(data);
                    this.scope.counters().count_response_messages(count);
                } else if let Some(status) = frame.trailers_ref().and_then(Status::from_trailers) {
                    this.scope.set_code(status.code);
                }
            }
            Some(Err(status)) => this.scope.set_code(error::from_channel(status).code),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

/// The body of a response. A failure of the upstream becomes the status in the trailers.
struct PassedBody {
    /// `None` once the call is over.
    inner: Option<WatchedBody>,
    settings: Arc<Settings>,
}

impl http_body::Body for PassedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(inner).poll_frame(cx));
        let trailers = match frame {
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(trailers) => this.settings.native_headers(Part::Trailers, &trailers),
                Err(data) => return Poll::Ready(Some(Ok(data))),
            },
            Some(Err(status)) => {
                let mut trailers = HeaderMap::new();
                error::from_channel(&status).set_trailers(&mut trailers);
                trailers
            }
            None => {
                this.inner = None;
                return Poll::Ready(None);
            }
        };
        // The end of the call: an upstream's stream is reset if it has not ended by itself.
        this.inner = None;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}

/// A request body whose messages are not longer than the limit.
pub(super) struct LengthCheck {
    inner: RequestBody,
    max: u32,
    prefixes: Prefixes,
    has_flags: bool,
}

impl LengthCheck {
    pub(super) fn new(inner: RequestBody, max: u32) -> Self {
        Self { inner, max, prefixes: Prefixes::default(), has_flags: true }
    }

    /// Refuses messages with flags.
    pub(super) fn without_flags(self) -> Self {
        Self { has_flags: false, ..self }
    }

    fn check(&mut self, data: &[u8]) -> Result<(), tonic::Status> {
        let (max, has_flags) = (self.max, self.has_flags);
        self.prefixes.scan(data, |flags, length| {
            if flags != 0 && !has_flags {
                let status = unasked_flags();
                return Err(tonic::Status::internal(status.message));
            }
            if length > max {
                return Err(tonic::Status::resource_exhausted(format!(
                    "a message has {length} bytes, of at most {max}"
                )));
            }
            Ok(())
        })
    }
}

impl http_body::Body for LengthCheck {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(status) = this.check(data)
        {
            return Poll::Ready(Some(Err(status.into())));
        }
        // gRPC has no trailers of requests.
        match frame {
            Some(Ok(frame)) if frame.is_trailers() => Poll::Ready(None),
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::body::boxed;

    fn check(max: u32, pieces: &[&[u8]]) -> Result<(), tonic::Code> {
        let body = boxed(tonic::body::Body::empty());
        let mut check = LengthCheck::new(body, max);
        pieces.iter().try_for_each(|piece| check.check(piece)).map_err(|status| status.code())
    }

    #[test]
    fn messages_are_measured_however_they_are_split() {
        let stream = b"\0\0\0\0\x03abc\0\0\0\0\0\0\0\0\0\x04defg";
        for split in 0..stream.len() {
            let (first, second) = stream.split_at(split);
            assert_eq!(check(4, &[first, second]), Ok(()));
            assert_eq!(check(3, &[first, second]), Err(tonic::Code::ResourceExhausted));
        }
    }
}
