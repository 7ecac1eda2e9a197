//! Connect: one message in each direction as bodies of HTTP, or streams of envelopes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::body::{Body, RequestBody};
use super::call::{Failure, Prepared, Reply, UnaryReply};
use super::charged_body::ChargedBody;
use super::compression::{Compression, compress_message};
use super::error;
use super::grpc::LengthCheck;
use super::held_bytes::HeldBytes;
use super::inner::Inner;
use super::messages::{End, envelope_error};
use super::reply_body::{ReplyBody, StreamForm};
use super::request_body::{Input, TranscodedBody, read_only_message, read_whole};
use super::settings::Settings;
use super::transcoder::{RequestWriter, ResponsePrinter, detail_to_json};
use crate::catalog::{MethodEntry, RouteBody};
use crate::deadline::TimeoutForm;
use crate::dialect::framing::{EndStream, Envelope};
use crate::dispatch::{CONNECT_PROTOCOL_VERSION, Codec, MediaType, RequestHead, is_connect};
use crate::metadata::{Convention, Part};
use crate::route::binding::parse_query;
use crate::status::{Code, ConnectError, Status, base64_any};
use crate::transcode::{ParseOptions, PrintOptions};

const STREAM_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");

/// The parts of a request by GET.
#[derive(Debug, Default)]
struct GetQuery {
    message: Bytes,
    codec: Option<Codec>,
    compression: Option<String>,
    version: Option<String>,
}

/// Returns the content type of unary responses.
const fn unary_type(codec: Codec) -> HeaderValue {
    match codec {
        Codec::Proto => HeaderValue::from_static("application/proto"),
        Codec::Json => HeaderValue::from_static("application/json"),
    }
}

/// Returns the content type of streams.
const fn stream_type(codec: Codec) -> HeaderValue {
    match codec {
        Codec::Proto => HeaderValue::from_static("application/connect+proto"),
        Codec::Json => HeaderValue::from_static("application/connect+json"),
    }
}

/// Returns whether errors of a request without a method have the form of Connect: the request names
/// Connect's version, or its content type is one of RPC dialects only.
pub(super) fn expects_rpc_errors(head: &Parts) -> bool {
    let mut parameters = head.uri.query().unwrap_or_default().split('&');
    let media_type = RequestHead::new(head, false).media_type();
    is_connect(&head.headers)
        || parameters.any(|parameter| parameter == "connect=v1")
        || !matches!(
            media_type,
            MediaType::Missing | MediaType::Json | MediaType::Form | MediaType::Other
        )
}

impl Inner {
    /// Answers a unary call of Connect by POST.
    pub(super) async fn connect_unary(
        &self,
        method: &Arc<MethodEntry>,
        codec: Codec,
        head: Parts,
        body: RequestBody,
    ) -> Response<Body> {
        if is_stream(method) {
            let message = "the method is a stream: expected application/connect+proto or +json";
            return error::rpc(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
        }
        let answered = async {
            check_version(head.headers.get(CONNECT_PROTOCOL_VERSION).map(HeaderValue::as_bytes))?;
            let encoding = head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
            let compression = Compression::named(encoding)?;
            let prepared = self.prepare_connect(method, &head).await?;
            let limit = self.settings.max_message_length;
            let mut arriving = HeldBytes::of_request(&self.settings.budget);
            let message = read_whole(body, limit, prepared.deadline, &mut arriving).await?;
            let message = compression.decompress(message, limit)?;
            let message = self.connect_writer(method, codec).write(&message)?;
            let request = ChargedBody::once(message, arriving, &self.settings.budget)?;
            self.answer_unary(method, codec, prepared, request, &head.headers).await
        };
        answered.await.unwrap_or_else(|failure| self.connect_failure(method, &failure))
    }

    /// Answers a unary call of Connect by GET.
    pub(super) async fn connect_get(
        &self,
        method: &Arc<MethodEntry>,
        head: Parts,
    ) -> Response<Body> {
        if !method.is_safe() || is_stream(method) {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let response = error::rpc(status, "the method has side effects: expected POST");
            return error::allow(response, HeaderValue::from_static("POST"));
        }
        let query = match read_query(head.uri.query().unwrap_or_default()) {
            Ok(query) => query,
            Err(status) => return self.connect_failure(method, &status.into()),
        };
        let Some(codec) = query.codec else {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return error::rpc(status, "encoding must be proto or json");
        };
        let answered = async {
            let version = query.version.as_deref().map(|version| {
                version.strip_prefix('v').unwrap_or("an unknown version").as_bytes()
            });
            check_version(version)?;
            let compression = Compression::named(query.compression.as_deref().map(str::as_bytes))?;
            // Nothing is decompressed for clients that may not call.
            let prepared = self.prepare_connect(method, &head).await?;
            let limit = self.settings.max_message_length;
            let message = compression.decompress(query.message, limit)?;
            let message = self.connect_writer(method, codec).write(&message)?;
            let budget = &self.settings.budget;
            let request = ChargedBody::once(message, HeldBytes::of_request(budget), budget)?;
            self.answer_unary(method, codec, prepared, request, &head.headers).await
        };
        answered.await.unwrap_or_else(|failure| self.connect_failure(method, &failure))
    }

    async fn prepare_connect(
        &self,
        method: &MethodEntry,
        head: &Parts,
    ) -> Result<Prepared, Status> {
        let path = method.path().as_str();
        self.prepare(path, Convention::Rpc, TimeoutForm::Connect, head).await
    }

    async fn answer_unary(
        &self,
        method: &Arc<MethodEntry>,
        codec: Codec,
        prepared: Prepared,
        request: ChargedBody,
        request_headers: &HeaderMap,
    ) -> Result<Response<Body>, Failure> {
        let reply = self.call_unary(method, prepared, request).await?;
        let UnaryReply { headers, message, trailers, held } = reply;
        let body = match codec {
            Codec::Proto => message,
            Codec::Json => match self.connect_printer(method).print(&message) {
                Ok(json) => json.into(),
                Err(status) => {
                    return Err(Failure { headers, end: End { status, trailers } });
                }
            },
        };
        let mut metadata = self.connect_headers(&headers, &trailers);
        metadata.insert(CONTENT_TYPE, unary_type(codec));
        let body = self.settings.compress_body(request_headers, body, &mut metadata);
        let mut response = Response::new(Body::charged(body, held)?);
        *response.headers_mut() = metadata;
        Ok(response)
    }

    /// Answers a call of Connect with a stream of envelopes.
    pub(super) async fn connect_stream(
        &self,
        method: &Arc<MethodEntry>,
        codec: Codec,
        head: Parts,
        body: RequestBody,
    ) -> Response<Body> {
        if !is_stream(method) {
            let message = "the method is unary: expected application/proto or application/json";
            return error::rpc(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
        }
        let mut form = ConnectStream {
            printer: self.connect_printer(method),
            codec,
            compression: self.settings.stream_compression(&head.headers),
            settings: Arc::clone(&self.settings),
        };
        let mut response = match self.begin_stream(method, codec, &head, body).await {
            Ok(reply) => {
                let metadata = &self.settings.metadata;
                let metadata =
                    metadata.response_headers(Convention::Rpc, Part::Headers, &reply.headers);
                let is_compressed = form.compression == Compression::Gzip;
                let body = ReplyBody::messages(reply.messages, None, form);
                let body = ChargedBody::new(body, &self.settings.budget);
                let mut response = Response::new(Body::stream(body));
                *response.headers_mut() = metadata;
                if is_compressed {
                    response
                        .headers_mut()
                        .insert(STREAM_ENCODING, HeaderValue::from_static("gzip"));
                }
                response
            }
            Err(failure) => {
                let mut out = BytesMut::new();
                form.end(&failure.end, &mut out);
                let mut response = Response::new(Body::whole(out.freeze()));
                let metadata = &self.settings.metadata;
                *response.headers_mut() =
                    metadata.response_headers(Convention::Rpc, Part::Headers, &failure.headers);
                response.extensions_mut().insert(failure.end.status.code);
                response
            }
        };
        response.headers_mut().insert(CONTENT_TYPE, stream_type(codec));
        response
    }

    async fn begin_stream(
        &self,
        method: &Arc<MethodEntry>,
        codec: Codec,
        head: &Parts,
        body: RequestBody,
    ) -> Result<Reply, Failure> {
        check_version(head.headers.get(CONNECT_PROTOCOL_VERSION).map(HeaderValue::as_bytes))?;
        let encoding = head.headers.get(STREAM_ENCODING).map(HeaderValue::as_bytes);
        let compression = Compression::named(encoding)?;
        let prepared = self.prepare_connect(method, head).await?;
        let limit = self.settings.max_message_length;
        let is_one = !method.descriptor().client_streaming;
        let is_grpc = (codec, compression) == (Codec::Proto, Compression::Identity);
        if is_grpc && !is_one {
            // The messages are those of gRPC.
            let body = LengthCheck::new(body, limit).without_flags();
            return self.call(method, prepared, body).await;
        }
        let input = Input::envelopes(compression, limit);
        let budget = &self.settings.budget;
        let arriving =
            if is_one { HeldBytes::of_request(budget) } else { HeldBytes::of_call(budget) };
        let writer = self.connect_writer(method, codec);
        let body = TranscodedBody::new(body, input, writer, arriving);
        if is_one {
            // Servers differ in how they treat none or several messages.
            let message = read_only_message(body, prepared.deadline).await?;
            let body = ChargedBody::once(message, HeldBytes::of_request(budget), budget)?;
            return self.call(method, prepared, body).await;
        }
        self.call(method, prepared, ChargedBody::new(body, budget)).await
    }

    fn connect_writer(&self, method: &Arc<MethodEntry>, codec: Codec) -> RequestWriter {
        RequestWriter {
            method: Arc::clone(method),
            codec,
            body: RouteBody::Whole,
            bound: Vec::new(),
            options: ParseOptions::default().max_output(self.settings.max_message_length as usize),
            max_length: self.settings.max_message_length,
        }
    }

    fn connect_printer(&self, method: &Arc<MethodEntry>) -> ResponsePrinter {
        let options = PrintOptions::default().max_output(self.settings.print.max_output);
        ResponsePrinter { method: Arc::clone(method), field: None, options }
    }

    /// Returns the headers of a unary response, with the trailers under their prefix.
    fn connect_headers(&self, headers: &HeaderMap, trailers: &HeaderMap) -> HeaderMap {
        let policy = &self.settings.metadata;
        let mut response = policy.response_headers(Convention::Rpc, Part::Headers, headers);
        let trailers = policy.response_headers(Convention::Rpc, Part::Trailers, trailers);
        for (name, value) in &trailers {
            if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) {
                response.append(name, value.clone());
            }
        }
        response
    }

    fn connect_failure(&self, method: &MethodEntry, failure: &Failure) -> Response<Body> {
        let status = &failure.end.status;
        let error = ConnectError::new(status, |detail| detail_to_json(method.schema(), detail));
        let mut response = error::connect(&error);
        let metadata = self.connect_headers(&failure.headers, &failure.end.trailers);
        for (name, value) in &metadata {
            response.headers_mut().append(name, value.clone());
        }
        response
    }
}

pub(super) fn is_stream(method: &MethodEntry) -> bool {
    method.descriptor().client_streaming || method.descriptor().server_streaming
}

fn check_version(version: Option<&[u8]>) -> Result<(), Status> {
    match version {
        None | Some(b"1") => Ok(()),
        Some(_) => {
            Err(Status::new(Code::InvalidArgument, "the version of Connect's protocol must be 1"))
        }
    }
}

fn read_query(query: &str) -> Result<GetQuery, Status> {
    let wrong = |message: String| Status::new(Code::InvalidArgument, message);
    let parameters = parse_query(query).map_err(|error| wrong(error.to_string()))?;
    let mut read = GetQuery::default();
    let (mut message, mut is_base64) = (String::new(), false);
    for (name, value) in parameters {
        match &*name {
            "message" => message = value.into_owned(),
            "encoding" => {
                read.codec = match &*value {
                    "proto" => Some(Codec::Proto),
                    "json" => Some(Codec::Json),
                    _ => None,
                }
            }
            "base64" => is_base64 = value == "1",
            "compression" => read.compression = Some(value.into_owned()),
            "connect" => read.version = Some(value.into_owned()),
            // Others are for proxies and caches.
            _ => {}
        }
    }
    read.message = if is_base64 {
        let decoded = base64_any::decode(message.as_bytes());
        decoded.ok_or_else(|| wrong("the message is not base64".to_owned()))?.into()
    } else {
        message.into()
    };
    Ok(read)
}

/// A stream of envelopes.
struct ConnectStream {
    printer: ResponsePrinter,
    codec: Codec,
    compression: Compression,
    settings: Arc<Settings>,
}

impl StreamForm for ConnectStream {
    fn message(&mut self, wire: &[u8], out: &mut BytesMut) -> Result<(), Status> {
        let json;
        let message = match self.codec {
            Codec::Proto => wire,
            Codec::Json => {
                json = self.printer.print(wire)?;
                &json
            }
        };
        let written = match compress_message(self.compression, message) {
            Some(compressed) => Envelope::encode(Envelope::COMPRESSED, &compressed, out),
            None => Envelope::encode(0, message, out),
        };
        written.map_err(envelope_error)
    }

    fn end(&mut self, end: &End, out: &mut BytesMut) {
        let schema = self.printer.method.schema();
        let error = (end.status.code != Code::Ok)
            .then(|| ConnectError::new(&end.status, |detail| detail_to_json(schema, detail)));
        let policy = &self.settings.metadata;
        let metadata = policy.response_headers(Convention::Rpc, Part::Trailers, &end.trailers);
        let end = EndStream { error, metadata }.to_json();
        // The trailers of a response are not longer than 32 bits tell.
        let _ = Envelope::encode(Envelope::END_STREAM, end.as_bytes(), out);
    }

    fn keep_alive(&mut self, _out: &mut BytesMut) {}
}
