//! Server reflection about all upstreams: with several, none of them knows the services of the
//! others.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use tokio::time::{Sleep, sleep_until};

use super::body::{BoxError, RequestBody};
use super::call::Prepared;
use super::messages::envelope_error;
use super::scope::CallScope;
use super::{Body, Inner, error};
use crate::catalog::Catalog;
use crate::deadline::TimeoutForm;
use crate::dialect::framing::{Envelope, EnvelopeDecoder, EnvelopeFormat};
use crate::metadata::Convention;
use crate::reflection::{Answers, is_reflection};
use crate::status::{Code, Status};

/// Maximum length of a request, in bytes: 64 times the longest name of a type.
const MAX_REQUEST: u32 = 64 * 1024;

impl Inner {
    /// Reports whether the gateway answers a call itself: one of server reflection, if there are
    /// several upstreams and none is named for it.
    pub(super) fn answers_reflection(catalog: &Catalog, path: &str) -> bool {
        is_reflection(path) && catalog.upstreams() > 1 && !catalog.has_owner(path)
    }

    /// Answers a call of server reflection.
    pub(super) async fn reflect(
        &self,
        catalog: Arc<Catalog>,
        head: Parts,
        body: RequestBody,
    ) -> Response<Body> {
        let content_type = HeaderValue::from_static("application/grpc");
        let path = head.uri.path();
        let prepared = self.prepare(path, Convention::Rpc, TimeoutForm::Grpc, &head).await;
        let Prepared { deadline, scope, .. } = match prepared {
            Ok(prepared) => prepared,
            Err(status) => return error::trailers_only(&status, content_type),
        };
        let body = ReflectionBody {
            requests: Some(body),
            decoder: EnvelopeDecoder::new(EnvelopeFormat::Grpc, MAX_REQUEST),
            answers: Answers::new(catalog),
            deadline: deadline.map(|deadline| Box::pin(sleep_until(deadline))),
            scope,
        };
        let mut response = Response::new(Body::stream(body));
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

/// The answers to the requests of a call, and its status. An answer is made when it is asked for, so
/// that the client's reading limits them.
struct ReflectionBody {
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
        if envelope.is_compressed() {
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
                let mut trailers = HeaderMap::new();
                status.set_trailers(&mut trailers);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }
}
