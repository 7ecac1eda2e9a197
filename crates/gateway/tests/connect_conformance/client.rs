//! The client's side of a call, in each protocol.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, Version};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockeye_gateway::dialect::framing::Envelope;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::body::{QueueBody, queue_body};
use crate::messages::{Any, CallResponse, Contents, RawRequest, StreamType};
use crate::reply::Reply;
use crate::schema::{Codec, Schema};
use crate::suites::{Permutation, Protocol};
use crate::tls::{Stream, Tls};
use crate::wire::gzip;

const SERVICE: &str = "/connectrpc.conformance.v1.ConformanceService";

/// The gateway that a call is made to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) address: SocketAddr,
    /// The certificates of both sides, if the gateway has TLS.
    pub(crate) tls: Option<&'a Tls>,
}

type Sending = JoinHandle<Result<Response<Incoming>, hyper::Error>>;

/// Makes the call of a permutation.
///
/// # Errors
/// The reason why there is no response of HTTP.
pub(crate) async fn call(
    schema: &Schema,
    permutation: &Permutation,
    target: Target<'_>,
) -> Result<CallResponse, String> {
    let Permutation { request, .. } = permutation;
    let call = Call { schema, permutation };
    if let Some(raw) = &request.raw_request {
        return call.raw(raw, target).await;
    }
    let (frames, body) = queue_body();
    if call.is_get() {
        drop(frames);
        let sending = call.begin(target, Method::GET, &call.get_path(), body).await;
        return Reply::new(call.schema, permutation, response(sending).await?).rest().await;
    }
    let path = format!("{SERVICE}/{}", call.method());
    let sending = call.begin(target, Method::POST, &path, body).await;
    let mut sending = Some(sending);
    let mut reply = None;
    for message in &request.request_messages {
        sleep(Duration::from_millis(request.request_delay_ms.into())).await;
        if frames.send(Frame::data(call.frame(message))).await.is_err() {
            // The server has answered already.
            break;
        }
        if request.stream_type() == StreamType::FullDuplex {
            if let Some(sending) = sending.take() {
                reply = Some(Reply::new(schema, permutation, response(sending).await?));
            }
            if let Some(reply) = &mut reply
                && !reply.read_one().await?
            {
                break;
            }
        }
    }
    drop(frames);
    let reply = match (reply, sending) {
        (Some(reply), _) => reply,
        (None, Some(sending)) => Reply::new(schema, permutation, response(sending).await?),
        (None, None) => return Err("there is no response".to_owned()),
    };
    reply.rest().await
}

async fn response(sending: Sending) -> Result<Response<Incoming>, String> {
    let response = sending.await.map_err(|error| error.to_string())?;
    response.map_err(|error| format!("no response: {error:?}"))
}

#[derive(Clone, Copy)]
struct Call<'a> {
    schema: &'a Schema,
    permutation: &'a Permutation,
}

impl Call<'_> {
    fn is_get(self) -> bool {
        self.permutation.request.use_get_http_method
    }

    fn is_unary(self) -> bool {
        self.permutation.request.stream_type() == StreamType::Unary
    }

    fn method(&self) -> &str {
        let request = &self.permutation.request;
        request.method.as_deref().unwrap_or(match request.stream_type() {
            StreamType::Unspecified | StreamType::Unary => "Unary",
            StreamType::ClientStream => "ClientStream",
            StreamType::ServerStream => "ServerStream",
            StreamType::HalfDuplex | StreamType::FullDuplex => "BidiStream",
        })
    }

    fn codec_name(self) -> &'static str {
        if self.permutation.codec == Codec::Json { "json" } else { "proto" }
    }

    /// Returns a message in the codec of the call.
    fn encoded(self, message: &Any) -> Vec<u8> {
        match self.permutation.codec {
            Codec::Proto => message.value.clone(),
            Codec::Json => self.schema.to_json(message.type_name(), &message.value).unwrap(),
        }
    }

    /// Returns the bytes of the body for a message.
    fn frame(self, message: &Any) -> Bytes {
        let mut message = self.encoded(message);
        let is_compressed = self.permutation.is_compressed;
        if is_compressed {
            message = gzip(&message);
        }
        if self.is_unary() && self.permutation.protocol == Protocol::Connect {
            return message.into();
        }
        let mut frame = BytesMut::new();
        Envelope::encode(u8::from(is_compressed), &message, &mut frame).unwrap();
        match self.permutation.protocol {
            Protocol::GrpcWebText => STANDARD.encode(frame).into(),
            _ => frame.freeze(),
        }
    }

    fn get_path(self) -> String {
        let message = self.encoded(&self.permutation.request.request_messages[0]);
        let message = URL_SAFE_NO_PAD.encode(message);
        let (method, codec) = (self.method(), self.codec_name());
        format!("{SERVICE}/{method}?base64=1&connect=v1&encoding={codec}&message={message}")
    }

    /// Connects, and sends a request with the headers of the protocol and of the case.
    async fn begin(
        self,
        target: Target<'_>,
        method: Method,
        path: &str,
        body: QueueBody,
    ) -> Sending {
        let mut request = Request::builder().method(method);
        for (name, value) in self.protocol_headers() {
            request = request.header(name, value);
        }
        for header in &self.permutation.request.request_headers {
            for value in &header.value {
                request = request.header(header.name.as_str(), value.as_str());
            }
        }
        send(target, self.permutation.is_http2, path, request.body(body).unwrap()).await
    }

    fn protocol_headers(self) -> Vec<(&'static str, String)> {
        let Permutation { request, protocol, is_compressed, .. } = self.permutation;
        let (codec, gzip) = (self.codec_name(), "gzip".to_owned());
        let mut headers = Vec::new();
        match protocol {
            Protocol::Connect => {
                let timeout = request.timeout_ms.map(|timeout| timeout.to_string());
                headers.extend(timeout.map(|timeout| ("connect-timeout-ms", timeout)));
                if self.is_get() {
                    return headers;
                }
                headers.push(("connect-protocol-version", "1".to_owned()));
                let (content_type, encoding, accept) = if self.is_unary() {
                    (format!("application/{codec}"), "content-encoding", "accept-encoding")
                } else {
                    let encodings = ("connect-content-encoding", "connect-accept-encoding");
                    (format!("application/connect+{codec}"), encodings.0, encodings.1)
                };
                headers.push(("content-type", content_type));
                if *is_compressed {
                    headers.extend([(encoding, gzip.clone()), (accept, gzip)]);
                }
            }
            Protocol::Grpc | Protocol::GrpcWeb | Protocol::GrpcWebText => {
                let timeout = request.timeout_ms.map(|timeout| format!("{timeout}m"));
                headers.extend(timeout.map(|timeout| ("grpc-timeout", timeout)));
                let (content_type, other) = match protocol {
                    Protocol::GrpcWeb => ("application/grpc-web", ("x-grpc-web", "1")),
                    Protocol::GrpcWebText => ("application/grpc-web-text", ("x-grpc-web", "1")),
                    _ => ("application/grpc", ("te", "trailers")),
                };
                headers.push(("content-type", format!("{content_type}+{codec}")));
                headers.push((other.0, other.1.to_owned()));
                if *is_compressed {
                    headers
                        .extend([("grpc-encoding", gzip.clone()), ("grpc-accept-encoding", gzip)]);
                }
            }
        }
        headers
    }

    /// Sends a request as the case spells it.
    async fn raw(self, raw: &RawRequest, target: Target<'_>) -> Result<CallResponse, String> {
        let (frames, body) = queue_body();
        let mut request = Request::builder().method(raw.verb.as_str());
        for header in &raw.headers {
            for value in &header.value {
                request = request.header(header.name.as_str(), value.as_str());
            }
        }
        let mut content = Vec::new();
        if let Some(unary) = &raw.unary {
            content.extend(unary.bytes());
        }
        for item in raw.stream.iter().flat_map(|stream| &stream.items) {
            let payload = item.payload.as_ref().map(Contents::bytes).unwrap_or_default();
            let length = item.length.unwrap_or(u32::try_from(payload.len()).unwrap());
            content.push(u8::try_from(item.flags).unwrap());
            content.extend(length.to_be_bytes());
            content.extend(payload);
        }
        if !content.is_empty() {
            frames.send(Frame::data(content.into())).await.unwrap();
        }
        drop(frames);
        let request = request.body(body).unwrap();
        let sending = send(target, self.permutation.is_http2, &raw.uri, request).await;
        Reply::new(self.schema, self.permutation, response(sending).await?).rest().await
    }
}

/// Sends a request on a connection of its own.
async fn send(
    target: Target<'_>,
    is_http2: bool,
    path: &str,
    request: Request<QueueBody>,
) -> Sending {
    let Target { address, tls } = target;
    let stream: Stream = match tls {
        None => Box::new(TcpStream::connect(address).await.unwrap()),
        Some(tls) => tls.connect(address, is_http2).await,
    };
    let stream = TokioIo::new(stream);
    let (mut head, body) = request.into_parts();
    if is_http2 {
        head.version = Version::HTTP_2;
        let scheme = if tls.is_some() { "https" } else { "http" };
        head.uri = format!("{scheme}://{address}{path}").parse().unwrap();
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let request = Request::from_parts(head, body);
        return tokio::spawn(async move { sender.send_request(request).await });
    }
    head.uri = path.parse().unwrap();
    head.headers.insert("host", HeaderValue::from_str(&address.to_string()).unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::from_parts(head, body);
    tokio::spawn(async move { sender.send_request(request).await })
}

/// Returns the next frame of a body.
pub(crate) async fn next_frame(body: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}
