//! The server's side of a call of gRPC, as the service reads and writes it.

use std::io::Read as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use flate2::read::{GzDecoder, GzEncoder};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Frame;
use hyper::body::Incoming;
use prost::Message as _;
use sockeye_gateway::dialect::framing::{Envelope, EnvelopeDecoder, EnvelopeError, EnvelopeFormat};
use tokio::sync::oneshot;

use crate::body::{FrameSender, QueueBody, queue_body};
use crate::client::next_frame;
use crate::messages::{self, Any, Header, Payload, RpcStatus};
use crate::schema::{Codec, Schema};

const RESOURCE_EXHAUSTED: i32 = 8;
const CANCELED: i32 = 1;
const INVALID_ARGUMENT: i32 = 3;
const UNIMPLEMENTED: i32 = 12;
const INTERNAL: i32 = 13;

/// The end of a call that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: i32,
    pub(crate) message: String,
    pub(crate) details: Vec<Any>,
}

impl Failure {
    pub(crate) fn new(code: i32, message: &str) -> Self {
        Self { code, message: message.to_owned(), details: Vec::new() }
    }
}

/// A call: its requests, and the response as far as it was sent.
pub(crate) struct Exchange {
    schema: Arc<Schema>,
    method: String,
    content_type: String,
    encoding: String,
    accepts_gzip: bool,
    limit: u32,
    body: Incoming,
    decoder: EnvelopeDecoder,
    is_body_over: bool,
    /// Sends the head of the response; `None` once it was sent.
    head: Option<oneshot::Sender<Head>>,
    frames: FrameSender,
    headers: HeaderMap,
    trailers: HeaderMap,
}

struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

/// Begins a call. The future is the response, whose body comes from the call.
pub(crate) fn begin(
    schema: Arc<Schema>,
    limit: u32,
    head: &Parts,
    body: Incoming,
) -> (Exchange, impl Future<Output = Response<QueueBody>> + use<>) {
    let text = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (sender, received) = oneshot::channel::<Head>();
    let (frames, response_body) = queue_body();
    let method = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let exchange = Exchange {
        schema,
        method,
        content_type: text("content-type"),
        encoding: text("grpc-encoding"),
        accepts_gzip: text("grpc-accept-encoding").contains("gzip"),
        limit,
        body,
        decoder: EnvelopeDecoder::new(EnvelopeFormat::Grpc, limit),
        is_body_over: false,
        head: Some(sender),
        frames,
        headers: HeaderMap::new(),
        trailers: HeaderMap::new(),
    };
    let response = async move {
        let mut response = Response::new(response_body);
        match received.await {
            Ok(head) => {
                *response.status_mut() = head.status;
                *response.headers_mut() = head.headers;
            }
            Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        }
        response
    };
    (exchange, response)
}

impl Exchange {
    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    fn codec(&self) -> Option<Codec> {
        match self.content_type.as_str() {
            "application/grpc" | "application/grpc+proto" => Some(Codec::Proto),
            "application/grpc+json" => Some(Codec::Json),
            _ => None,
        }
    }

    /// Checks the codec and the compression of the requests.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        if self.codec().is_none() {
            let headers = HeaderMap::new();
            let head = Head { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, headers };
            if let Some(sender) = self.head.take() {
                let _ = sender.send(head);
            }
            return Err(Failure::new(UNIMPLEMENTED, "the codec is unknown"));
        }
        match self.encoding.as_str() {
            "" | "identity" | "gzip" => Ok(()),
            _ => Err(Failure::new(UNIMPLEMENTED, "the compression is unknown")),
        }
    }

    /// Reads the next request.
    pub(crate) async fn request(&mut self) -> Result<Option<Any>, Failure> {
        loop {
            let envelope = self.decoder.next_envelope().map_err(|error| match error {
                EnvelopeError::TooLong { .. } => too_long(),
                error => Failure::new(INTERNAL, &error.to_string()),
            })?;
            if let Some(envelope) = envelope {
                return self.message(&envelope).map(Some);
            }
            if self.is_body_over {
                let finished = self.decoder.finish();
                return match finished {
                    Ok(()) => Ok(None),
                    Err(error) => Err(Failure::new(INTERNAL, &error.to_string())),
                };
            }
            match next_frame(&mut self.body).await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.decoder.push(data);
                    }
                }
                Some(Err(_)) => return Err(Failure::new(CANCELED, "the request was cut off")),
                None => self.is_body_over = true,
            }
        }
    }

    fn message(&self, envelope: &Envelope) -> Result<Any, Failure> {
        let mut payload = envelope.payload.to_vec();
        if envelope.is_compressed() {
            if self.encoding != "gzip" {
                return Err(Failure::new(INTERNAL, "the message is compressed, and must not be"));
            }
            let mut inflated = Vec::new();
            let mut limited = GzDecoder::new(&payload[..]).take(u64::from(self.limit) + 1);
            let read = limited.read_to_end(&mut inflated);
            read.map_err(|_| Failure::new(INVALID_ARGUMENT, "the message is not gzip"))?;
            payload = inflated;
        }
        if payload.len() > self.limit as usize {
            return Err(too_long());
        }
        let name = format!("{}Request", self.method);
        if self.codec() == Some(Codec::Json) {
            let wire = self.schema.to_wire(&name, &payload);
            payload = wire.map_err(|error| Failure::new(INVALID_ARGUMENT, &error.to_string()))?;
        }
        let request = Any::of(&name, payload);
        let value = self.schema.value(request.type_name(), &request.value);
        value.map_err(|error| Failure::new(INVALID_ARGUMENT, &error))?;
        Ok(request)
    }

    /// Reads the remaining requests.
    pub(crate) async fn all_requests(&mut self) -> Result<Vec<Any>, Failure> {
        let mut requests = Vec::new();
        while let Some(request) = self.request().await? {
            requests.push(request);
        }
        Ok(requests)
    }

    /// Reads the request of a method that has one.
    pub(crate) async fn only_request(&mut self) -> Result<Any, Failure> {
        let wrong = || Failure::new(UNIMPLEMENTED, "the method takes one message");
        let request = self.request().await?.ok_or_else(wrong)?;
        if self.request().await?.is_some() { Err(wrong()) } else { Ok(request) }
    }

    /// Sets the metadata of the response, until its headers are sent.
    pub(crate) fn set_metadata(&mut self, headers: &[Header], trailers: &[Header]) {
        (self.headers, self.trailers) = (header_map(headers), header_map(trailers));
    }

    /// Sends the headers of the response, unless they were sent.
    pub(crate) fn send_headers(&mut self) {
        let Some(sender) = self.head.take() else { return };
        let mut headers = std::mem::take(&mut self.headers);
        self.add_headers(&mut headers);
        let _ = sender.send(Head { status: StatusCode::OK, headers });
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, self.content_type.parse().unwrap());
        if self.accepts_gzip {
            headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        }
    }

    /// Sends a response.
    pub(crate) async fn send(&mut self, payload: Payload) -> Result<(), Failure> {
        self.send_headers();
        let mut message = messages::Response { payload: Some(payload) }.encode_to_vec();
        if self.codec() == Some(Codec::Json) {
            let name = format!("{}.{}Response", messages::PACKAGE, self.method);
            message = self.schema.to_json(&name, &message).unwrap();
        }
        let mut flags = 0;
        if self.accepts_gzip {
            flags = Envelope::COMPRESSED;
            message = gzip(&message);
        }
        let mut frame = BytesMut::new();
        Envelope::encode(flags, &message, &mut frame).unwrap();
        let sent = self.frames.send(Frame::data(frame.freeze())).await;
        sent.map_err(|_| Failure::new(CANCELED, "the call was cancelled"))
    }

    /// Ends the call: without headers of its own, a response without messages has its status in the
    /// headers.
    pub(crate) async fn finish(mut self, failure: Option<Failure>) {
        let mut trailers = std::mem::take(&mut self.trailers);
        let failure = failure.unwrap_or_else(|| Failure::new(0, ""));
        let Failure { code, message, details } = failure;
        let encoded = if details.is_empty() {
            Bytes::new()
        } else {
            RpcStatus { code, message: message.clone(), details }.encode_to_vec().into()
        };
        let status = tonic::Status::with_details(tonic::Code::from(code), message, encoded);
        status.add_header(&mut trailers).unwrap();
        if code != 0 && self.head.is_some() && self.headers.is_empty() {
            self.add_headers(&mut trailers);
            if let Some(sender) = self.head.take() {
                let _ = sender.send(Head { status: StatusCode::OK, headers: trailers });
            }
            return;
        }
        self.send_headers();
        let _ = self.frames.send(Frame::trailers(trailers)).await;
    }
}

fn too_long() -> Failure {
    Failure::new(RESOURCE_EXHAUSTED, "the message is too long")
}

/// Returns the metadata of these headers.
fn header_map(headers: &[Header]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for header in headers {
        let name: HeaderName = header.name.parse().unwrap();
        for value in &header.value {
            map.append(name.clone(), value.parse().unwrap());
        }
    }
    map
}

/// Compresses a message.
pub(crate) fn gzip(message: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    GzEncoder::new(message, flate2::Compression::fast()).read_to_end(&mut compressed).unwrap();
    compressed
}
