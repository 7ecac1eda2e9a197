//! Server reflection about all upstreams: with several, none of them knows the services of the
//! others; with descriptors from a file, the upstream may not have reflection; and in Connect none
//! of them would answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, Version};
use http_body::Frame;
use tokio::time::{Sleep, sleep_until};

use super::body::{Body, BoxError, RequestBody};
use super::call::Prepared;
use super::error;
use super::inner::Inner;
use super::messages::envelope_error;
use super::scope::CallScope;
use crate::catalog::Catalog;
use crate::deadline::TimeoutForm;
use crate::dialect::framing::{
    EndStream, Envelope, EnvelopeDecoder, EnvelopeFormat, encode_header_block,
};
use crate::dispatch::{MediaType, RequestHead};
use crate::metadata::Convention;
use crate::record::Dialect;
use crate::reflection::{Answers, is_reflection};
use crate::status::{Code, ConnectError, Status};

/// Maximum length of a request, in bytes: 64 times the longest name of a type.
const MAX_REQUEST: u32 = 64 * 1024;

/// The dialect of a call that the gateway answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReflectionForm {
    Grpc,
    GrpcWeb,
    Connect,
}

impl ReflectionForm {
    /// Returns the dialect of a call of server reflection that the gateway answers itself.
    ///
    /// gRPC and grpc-web pass to the upstream if there is only one and it has reflection, or if one
    /// is named for reflection. Connect cannot: servers of gRPC do not speak it.
    pub(super) fn of(catalog: &Catalog, head: &RequestHead<'_>) -> Option<Self> {
        if !is_reflection(head.path) || *head.method != Method::POST {
            return None;
        }
        let is_ours = !catalog.passes_reflection() && !catalog.has_owner(head.path);
        match head.media_type() {
            MediaType::Grpc if is_ours && head.version >= Version::HTTP_2 => Some(Self::Grpc),
            MediaType::GrpcWeb if is_ours => Some(Self::GrpcWeb),
            MediaType::ConnectProto if catalog.method(head.path).is_none() => Some(Self::Connect),
            _ => None,
        }
    }

    pub(super) fn dialect(self) -> Dialect {
        match self {
            Self::Grpc => Dialect::Grpc,
            Self::GrpcWeb => Dialect::GrpcWeb,
            Self::Connect => Dialect::Connect,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Grpc => "application/grpc",
            Self::GrpcWeb => "application/grpc-web+proto",
            Self::Connect => "application/connect+proto",
        })
    }

    fn timeout(self) -> TimeoutForm {
        if self == Self::Connect { TimeoutForm::Connect } else { TimeoutForm::Grpc }
    }

    fn envelopes(self) -> EnvelopeFormat {
        if self == Self::Connect { EnvelopeFormat::Connect } else { EnvelopeFormat::Grpc }
    }

    /// Returns the last frame of a response.
    fn end(self, status: &Status) -> Frame<Bytes> {
        let mut trailers = HeaderMap::new();
        status.set_trailers(&mut trailers);
        let (flags, payload) = match self {
            Self::Grpc => return Frame::trailers(trailers),
            Self::GrpcWeb => (Envelope::TRAILERS, encode_header_block(&trailers)),
            Self::Connect => {
                let error = Some(status).filter(|status| status.code != Code::Ok);
                let error = error.map(|status| ConnectError::new(status, |_| None));
                let end = EndStream { error, metadata: HeaderMap::new() };
                (Envelope::END_STREAM, end.to_json().into())
            }
        };
        let mut frame = BytesMut::new();
        // A status of the gateway's own is short.
        let _ = Envelope::encode(flags, &payload, &mut frame);
        Frame::data(frame.freeze())
    }
}

impl Inner {
    /// Answers a call of server reflection.
    pub(super) async fn reflect(
        &self,
        form: ReflectionForm,
        catalog: Arc<Catalog>,
        head: Parts,
        body: RequestBody,
    ) -> Response<Body> {
        let path = head.uri.path();
        let prepared = self.prepare(path, Convention::Rpc, form.timeout(), &head).await;
        let Prepared { deadline, scope, .. } = match prepared {
            Ok(prepared) => prepared,
            Err(status) => return error::refusal(&RequestHead::new(&head, false), &status),
        };
        let body = ReflectionBody {
            form,
            requests: Some(body),
            decoder: EnvelopeDecoder::new(form.envelopes(), MAX_REQUEST),
            answers: Answers::new(catalog),
            deadline: deadline.map(|deadline| Box::pin(sleep_until(deadline))),
            scope,
        };
        let mut response = Response::new(Body::stream(body));
        response.headers_mut().insert(CONTENT_TYPE, form.content_type());
        response
    }
}

/// The answers to the requests of a call, and its status. An answer is made when it is asked for,
/// so that the client's reading limits them.
struct ReflectionBody {
    form: ReflectionForm,
    /// `None` once the call is over.
    requests: Option<RequestBody>,
    decoder: EnvelopeDecoder,
    answers: Answers,
    deadline: Option<Pin<Box<Sleep>>>,
    scope: CallScope,
}

impl ReflectionBody {
    /// Returns the next answer. `None` if more of the requests is needed.
    fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(envelope) = self.decoder.next_envelope().map_err(envelope_error)? else {
            return Ok(None);
        };
        if envelope.flags != 0 {
            let message = "requests of reflection must not be compressed";
            return Err(Status::new(Code::Unimplemented, message));
        }
        let answer = self.answers.answer(envelope.payload).map_err(|_| {
            Status::new(Code::InvalidArgument, "the request is not one of server reflection")
        })?;
        let mut out = BytesMut::new();
        Envelope::encode(0, &answer, &mut out).map_err(envelope_error)?;
        self.scope.counters().count_response_messages(1);
        Ok(Some(out.freeze()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Status>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            let status = Status::new(Code::DeadlineExceeded, "the deadline of the call has passed");
            return Poll::Ready(Err(status));
        }
        loop {
            if let Some(answer) = self.next()? {
                return Poll::Ready(Ok(answer));
            }
            let ended = || Status::new(Code::Ok, "");
            let Some(requests) = &mut self.requests else { return Poll::Ready(Err(ended())) };
            match ready!(requests.as_mut().poll_frame(cx)) {
                None => {
                    let finished = self.decoder.finish().map_err(envelope_error);
                    return Poll::Ready(Err(finished.err().unwrap_or_else(ended)));
                }
                Some(Err(_)) => {
                    let message = "the requests did not arrive whole";
                    return Poll::Ready(Err(Status::new(Code::Canceled, message)));
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.decoder.push(data);
                    }
                }
            }
        }
    }
}

impl http_body::Body for ReflectionBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if this.requests.is_none() {
            return Poll::Ready(None);
        }
        match ready!(this.poll_next(cx)) {
            Ok(answer) => Poll::Ready(Some(Ok(Frame::data(answer)))),
            Err(status) => {
                this.requests = None;
                this.scope.set_code(status.code);
                Poll::Ready(Some(Ok(this.form.end(&status))))
            }
        }
    }
}
