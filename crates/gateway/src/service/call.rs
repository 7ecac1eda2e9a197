//! Calls of the dialects that read and write messages.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, TE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use sockeye::upgrade::PeerAddr;
use tokio::time::{Instant, timeout_at};

use super::body::BoxError;
use super::error;
use super::held_bytes::HeldBytes;
use super::inner::Inner;
use super::messages::{End, Messages, check_head};
use super::prefixes::CountedBody;
use super::scope::CallScope;
use crate::auth::{self, Authorized, CallHead};
use crate::catalog::MethodEntry;
use crate::deadline::TimeoutForm;
use crate::dialect::framing::Envelope;
use crate::metadata::{ConnectionScheme, Convention, Part, Peer};
use crate::record::Dialect;
use crate::status::{Code, Status};
use crate::upstream::CallOptions;

/// Length of the prefix of a message, in bytes: a flag and four bytes of length.
const PREFIX: usize = 5;

/// Maximum time that an authorizer has. Chosen: longer than a lookup elsewhere takes, and shorter
/// than clients wait.
const AUTHORIZE_TIMEOUT: Duration = Duration::from_secs(10);

/// A call that can be made: its metadata, its deadline and its place among all calls.
pub(super) struct Prepared {
    pub(super) metadata: HeaderMap,
    pub(super) deadline: Option<Instant>,
    pub(super) scope: CallScope,
}

/// The beginning of a response.
pub(super) struct Reply {
    pub(super) headers: HeaderMap,
    pub(super) messages: Messages,
}

/// A response with one message.
pub(super) struct UnaryReply {
    pub(super) headers: HeaderMap,
    pub(super) message: Bytes,
    pub(super) trailers: HeaderMap,
    /// The charge of the message, which its form for the client takes over.
    pub(super) held: HeldBytes,
}

/// A call that failed: the headers that had arrived, and its end.
pub(super) struct Failure {
    pub(super) headers: HeaderMap,
    pub(super) end: End,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self { headers: HeaderMap::new(), end: End::failed(status) }
    }
}

impl Inner {
    /// Decides whether a call may be made, and reads its metadata and its timeout. `method` is the
    /// path of calls of the method.
    ///
    /// All dialects begin their calls here.
    ///
    /// # Errors
    /// The status of a call over the rate limit, of one that the authorizer refuses, and of one
    /// whose headers are invalid.
    pub(super) async fn prepare(
        &self,
        method: &str,
        convention: Convention,
        timeout: TimeoutForm,
        head: &Parts,
    ) -> Result<Prepared, Status> {
        let scope = CallScope::of(head).unwrap_or_else(|| self.unplaced(Dialect::Http, head));
        let deadline = self.deadline(timeout, &head.headers)?;
        self.limit_rate(&scope)?;
        let authorized = self.authorize(method, head, &scope, deadline).await?;
        let mut metadata = self.metadata(convention, head)?;
        auth::add_metadata(&authorized.metadata, &mut metadata);
        Ok(Prepared { metadata, deadline, scope })
    }

    /// Returns the deadline of a call that begins now.
    pub(super) fn deadline(
        &self,
        form: TimeoutForm,
        headers: &HeaderMap,
    ) -> Result<Option<Instant>, Status> {
        let requested = form.from_headers(headers);
        let requested =
            requested.map_err(|error| Status::new(Code::InvalidArgument, error.to_string()))?;
        let timeout = self.settings.timeouts.clamp(requested);
        // A timeout beyond the range of the clock is none.
        Ok(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    fn limit_rate(&self, scope: &CallScope) -> Result<(), Status> {
        let (Some(limiter), Some(peer)) = (&self.settings.rate_limiter, scope.peer()) else {
            return Ok(());
        };
        limiter.charge(peer.ip(), Instant::now()).map_err(|delay| {
            scope.set_retry_after(delay);
            let status = Status::new(Code::ResourceExhausted, "too many calls in a short time");
            status.with_retry_delay(delay)
        })
    }

    async fn authorize(
        &self,
        method: &str,
        head: &Parts,
        scope: &CallScope,
        deadline: Option<Instant>,
    ) -> Result<Authorized, Status> {
        let Some(authorizer) = &self.settings.hooks.authorizer else {
            return Ok(Authorized::default());
        };
        let (headers, peer, dialect) = (&head.headers, scope.peer(), scope.dialect());
        let call = CallHead { method, headers, peer, dialect };
        let end = Instant::now() + AUTHORIZE_TIMEOUT;
        let until = deadline.map_or(end, |deadline| deadline.min(end));
        let decision = timeout_at(until, authorizer.authorize(&call)).await;
        decision.unwrap_or_else(|_| {
            let code = if until < end { Code::DeadlineExceeded } else { Code::Unavailable };
            Err(Status::new(code, "the authorization of the call took too long"))
        })
    }

    /// Returns the metadata of a request.
    pub(super) fn metadata(
        &self,
        convention: Convention,
        head: &Parts,
    ) -> Result<HeaderMap, Status> {
        let address = head.extensions.get::<PeerAddr>().map(|peer| peer.0.ip());
        let host = match head.uri.authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => head.headers.get(HOST).cloned(),
        };
        let peer = Peer {
            address,
            is_trusted: address.is_some_and(|address| self.settings.proxies.trusts(address)),
            host,
            scheme: ConnectionScheme::of(&head.extensions, &head.uri).as_str(),
        };
        self.settings
            .metadata
            .request_metadata(convention, &head.headers, &peer)
            .map_err(|error| Status::new(Code::InvalidArgument, error.to_string()))
    }

    /// Returns the headers of a response for the metadata of the upstream.
    pub(super) fn json_headers(&self, headers: &HeaderMap, trailers: &HeaderMap) -> HeaderMap {
        let policy = &self.settings.metadata;
        let mut response = policy.response_headers(Convention::Rest, Part::Headers, headers);
        let trailers = policy.response_headers(Convention::Rest, Part::Trailers, trailers);
        for (name, value) in &trailers {
            response.append(name, value.clone());
        }
        response
    }

    /// Makes a call with a body of gRPC's length-prefixed messages.
    pub(super) async fn call<B>(
        &self,
        method: &MethodEntry,
        prepared: Prepared,
        body: B,
    ) -> Result<Reply, Failure>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let Prepared { metadata, deadline, scope } = prepared;
        let mut request = Request::new(CountedBody::new(body, Arc::clone(scope.counters())));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = method.path().clone().into();
        *request.headers_mut() = metadata;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        let options = CallOptions { deadline, is_idempotent: method.is_idempotent() };
        let response = method.upstream().call(request, options).await;
        let response =
            response.map_err(|status| error::from_call(&status, method.path().path()))?;
        let (head, body) = response.into_parts();
        check_head(head.status, &head.headers)?;
        if let Some(status) = Status::from_trailers(&head.headers) {
            self.look_at(&status);
        }
        let limit = self.settings.max_message_length;
        let partial = HeldBytes::of_call(&self.settings.budget);
        let messages = Messages::new(&head.headers, body, limit, partial, scope);
        Ok(Reply { headers: head.headers, messages })
    }

    /// Makes a call and waits for its one message.
    pub(super) async fn call_unary<B>(
        &self,
        method: &MethodEntry,
        prepared: Prepared,
        body: B,
    ) -> Result<UnaryReply, Failure>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let Reply { headers, messages } = self.call(method, prepared, body).await?;
        let mut messages = messages.once();
        let message = match messages.next().await {
            Ok(message) => message,
            Err(mut end) => {
                if end.status.code == Code::Ok {
                    end.status = Status::new(Code::Internal, "the upstream sent no message");
                }
                return Err(Failure { headers, end });
            }
        };
        let mut held = HeldBytes::of_call(&self.settings.budget);
        match held.wait(message.len(), messages.next()).await {
            Err(End { status, trailers }) if status.code == Code::Ok => {
                Ok(UnaryReply { headers, message, trailers, held })
            }
            Err(end) => Err(Failure { headers, end }),
            Ok(_) => {
                let status = Status::new(Code::Internal, "the upstream sent a second message");
                Err(Failure { headers, end: End::failed(status) })
            }
        }
    }
}

/// Creates a buffer for a message, which begins with space for the prefix.
pub(super) fn message_buffer(capacity: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(PREFIX + capacity);
    buffer.resize(PREFIX, 0);
    buffer
}

/// Completes the prefix of a buffer of [`message_buffer`].
///
/// # Errors
/// `resource_exhausted` if the message is longer than the limit.
pub(super) fn finish_message(mut buffer: Vec<u8>, max: u32) -> Result<Bytes, Status> {
    let length = buffer.len().saturating_sub(PREFIX);
    match Envelope::header(0, length) {
        Ok(header) if length <= max as usize => {
            buffer[..PREFIX].copy_from_slice(&header);
            Ok(buffer.into())
        }
        _ => Err(too_long(length, max)),
    }
}

pub(super) fn too_long(length: usize, max: u32) -> Status {
    let message = format!("a message has {length} bytes, of at most {max}");
    Status::new(Code::ResourceExhausted, message)
}
