//! grpc-web: gRPC's messages as they are, and its trailers as a last frame of the body, all of it
//! in base64 if the client cannot read bytes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;

use super::body::{Body, BoxError, RequestBody};
use super::error;
use super::grpc::WatchedBody;
use super::inner::Inner;
use super::settings::Settings;
use crate::catalog::Catalog;
use crate::dialect::framing::{Envelope, TextDecoder, encode_header_block, encode_text};
use crate::metadata::Part;
use crate::status::{GRPC_STATUS, Status};

const BINARY: &str = "application/grpc-web";
const TEXT: &str = "application/grpc-web-text";

impl Inner {
    /// Answers a call of grpc-web.
    pub(super) async fn grpc_web(
        &self,
        catalog: &Catalog,
        mut head: Parts,
        body: RequestBody,
        is_text: bool,
    ) -> Response<Body> {
        // A client that sends bytes may ask for text.
        let is_text_wanted = match head.headers.get(ACCEPT).map(HeaderValue::as_bytes) {
            Some(accept) if accept.starts_with(b"application/grpc-web-text") => true,
            Some(accept) if accept.starts_with(b"application/grpc-web") => false,
            _ => is_text,
        };
        let format = format_of(head.headers.get(CONTENT_TYPE));
        let content_type = if is_text_wanted { TEXT } else { BINARY };
        let content_type = of_format(content_type, format.as_deref().unwrap_or("proto"));
        let upstream_type = match &format {
            Some(format) => of_format("application/grpc", format),
            None => HeaderValue::from_static("application/grpc"),
        };
        head.headers.insert(CONTENT_TYPE, upstream_type);
        let body = if is_text { Box::pin(TextBody::new(body)) as RequestBody } else { body };
        let mut response = match self.pass(catalog, head, body).await {
            Ok(response) => {
                let has_status = response.headers().contains_key(GRPC_STATUS);
                let settings = Arc::clone(&self.settings);
                response.map(|body| {
                    // A response without messages has its status in the headers, and no frame.
                    if has_status && http_body::Body::is_end_stream(&body) {
                        return Body::default();
                    }
                    let is_text = is_text_wanted;
                    Body::stream(WebBody { inner: Some(body), has_status, is_text, settings })
                })
            }
            Err(status) => return error::trailers_only(&status, content_type),
        };
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

/// Returns the format of messages that a content type names, such as `proto`.
fn format_of(content_type: Option<&HeaderValue>) -> Option<String> {
    // Some clients send several types in one header.
    let essence = content_type?.to_str().ok()?.split([';', ',']).next()?;
    essence.split_once('+').map(|(_, format)| format.trim().to_owned())
}

/// Returns a content type with the format of its messages.
fn of_format(content_type: &'static str, format: &str) -> HeaderValue {
    // The format comes from such a value.
    HeaderValue::from_str(&format!("{content_type}+{format}"))
        .unwrap_or(HeaderValue::from_static(content_type))
}

/// A request body in base64.
struct TextBody {
    inner: RequestBody,
    decoder: TextDecoder,
    is_over: bool,
}

impl TextBody {
    fn new(inner: RequestBody) -> Self {
        Self { inner, decoder: TextDecoder::default(), is_over: false }
    }
}

impl http_body::Body for TextBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        while !this.is_over {
            let decoded = match ready!(this.inner.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(text) => this.decoder.decode(&text),
                    // gRPC has no trailers of requests.
                    Err(_) => continue,
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    this.is_over = true;
                    this.decoder.finish().map(|()| Bytes::new())
                }
            };
            match decoded {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(error) => {
                    let status = tonic::Status::invalid_argument(error.to_string());
                    return Poll::Ready(Some(Err(status.into())));
                }
            }
        }
        Poll::Ready(None)
    }
}

/// The body of a response.
struct WebBody {
    /// `None` once the call is over.
    inner: Option<WatchedBody>,
    /// Set while the status in the headers is that of the call: the body has had no bytes.
    has_status: bool,
    is_text: bool,
    settings: Arc<Settings>,
}

impl WebBody {
    fn frame(&self, data: Bytes) -> Frame<Bytes> {
        // Each piece is padded, so that the client can decode it as it arrives.
        Frame::data(if self.is_text { encode_text(&data).into() } else { data })
    }

    fn trailers(&self, trailers: &HeaderMap) -> Result<Frame<Bytes>, BoxError> {
        let mut frame = BytesMut::new();
        Envelope::encode(Envelope::TRAILERS, &encode_header_block(trailers), &mut frame)?;
        Ok(self.frame(frame.freeze()))
    }
}

impl http_body::Body for WebBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let trailers = match ready!(Pin::new(inner).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    this.has_status &= data.is_empty();
                    return Poll::Ready(Some(Ok(this.frame(data))));
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    this.settings.native_headers(Part::Trailers, &trailers)
                }
            },
            Some(Err(status)) => {
                let mut trailers = HeaderMap::new();
                error::from_channel(&status).set_trailers(&mut trailers);
                trailers
            }
            None if this.has_status => {
                this.inner = None;
                return Poll::Ready(None);
            }
            None => {
                let mut trailers = HeaderMap::new();
                let message = "the upstream ended the call without a status";
                Status::new(crate::status::Code::Internal, message).set_trailers(&mut trailers);
                trailers
            }
        };
        this.inner = None;
        Poll::Ready(Some(this.trailers(&trailers)))
    }
}
