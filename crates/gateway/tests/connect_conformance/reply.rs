//! The response to a call, read by the rules of its protocol.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::response::Parts;
use http::{HeaderMap, Response};
use hyper::body::Incoming;
use prost::Message as _;
use serde_json::{Map, Value};
use sockeye_gateway::dialect::framing::{
    Envelope, EnvelopeDecoder, EnvelopeFormat, decode_header_block,
};
use sockeye_gateway::status::Code;

use crate::client::next_frame;
use crate::messages::{self, Any, CallResponse, Error, Header, RpcStatus, StreamType};
use crate::schema::{Codec, Schema};
use crate::suites::{Permutation, Protocol};

/// Maximum length of a response, in bytes.
const LIMIT: u32 = 4 * 1024 * 1024;

/// A response as far as it was read.
pub(crate) struct Reply<'a> {
    schema: &'a Schema,
    permutation: &'a Permutation,
    head: Parts,
    body: Incoming,
    /// Base64 that is no whole group.
    text: Vec<u8>,
    decoder: EnvelopeDecoder,
    result: CallResponse,
    is_over: bool,
}

impl<'a> Reply<'a> {
    pub(crate) fn new(
        schema: &'a Schema,
        permutation: &'a Permutation,
        response: Response<Incoming>,
    ) -> Self {
        let (head, body) = response.into_parts();
        let format = match permutation.protocol {
            Protocol::Connect => EnvelopeFormat::Connect,
            Protocol::Grpc => EnvelopeFormat::Grpc,
            Protocol::GrpcWeb | Protocol::GrpcWebText => EnvelopeFormat::GrpcWeb,
        };
        let result = CallResponse {
            http_status_code: Some(head.status.as_u16().into()),
            ..CallResponse::default()
        };
        let decoder = EnvelopeDecoder::new(format, LIMIT);
        let text = Vec::new();
        Self { schema, permutation, head, body, text, decoder, result, is_over: false }
    }

    /// Reads the rest of the response.
    pub(crate) async fn rest(mut self) -> Result<CallResponse, String> {
        let is_connect = self.permutation.protocol == Protocol::Connect;
        if self.content_type() == "application/json" && self.head.status != 200 {
            self.http_error().await?;
        } else if is_connect && self.permutation.request.stream_type() == StreamType::Unary {
            self.connect_unary().await?;
        } else {
            while self.read_one().await? {}
        }
        Ok(self.result)
    }

    /// Reads one message of a stream. `false` if the stream is over.
    pub(crate) async fn read_one(&mut self) -> Result<bool, String> {
        if self.is_over {
            return Ok(false);
        }
        if self.result.response_headers.is_empty() {
            self.result.response_headers = headers(&self.head.headers, Some);
        }
        let content_type = self.stream_type();
        if self.head.status != 200 || !self.content_type().starts_with(content_type) {
            self.http_error().await?;
            return Ok(false);
        }
        if self.permutation.protocol != Protocol::Connect
            && self.head.headers.contains_key("grpc-status")
        {
            // A response without messages: its headers are its trailers.
            self.result.response_headers.clear();
            let trailers = self.head.headers.clone();
            self.grpc_end(&trailers);
            return Ok(false);
        }
        loop {
            let envelope = self.decoder.next_envelope().map_err(|error| error.to_string())?;
            if let Some(envelope) = envelope {
                return self.envelope(&envelope);
            }
            let Some(frame) = next_frame(&mut self.body).await else {
                return Err("the stream has no end".to_owned());
            };
            let frame = frame.map_err(|error| format!("the stream was cut off: {error:?}"))?;
            match frame.into_data() {
                Ok(data) => self.push(data)?,
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    if self.permutation.protocol != Protocol::Grpc {
                        self.feedback("the response has trailers of HTTP");
                    }
                    self.decoder.finish().map_err(|error| error.to_string())?;
                    self.grpc_end(&trailers);
                    return Ok(false);
                }
            }
        }
    }

    fn push(&mut self, data: Bytes) -> Result<(), String> {
        if self.permutation.protocol != Protocol::GrpcWebText {
            self.decoder.push(data);
            return Ok(());
        }
        // Each piece may have its own padding, so that groups are decoded by themselves.
        self.text.extend_from_slice(&data);
        let mut decoded = Vec::new();
        for group in self.text.drain(..self.text.len() / 4 * 4).collect::<Vec<_>>().chunks(4) {
            decoded.extend(STANDARD.decode(group).map_err(|error| error.to_string())?);
        }
        self.decoder.push(decoded.into());
        Ok(())
    }

    fn envelope(&mut self, envelope: &Envelope) -> Result<bool, String> {
        let encoding = match self.permutation.protocol {
            Protocol::Connect => "connect-content-encoding",
            _ => "grpc-encoding",
        };
        let is_end = envelope.is_end();
        let payload = if envelope.is_compressed() {
            if self.text(encoding) != "gzip" {
                return Err("a message is compressed without an announcement".to_owned());
            }
            gunzip(&envelope.payload)?
        } else {
            envelope.payload.to_vec()
        };
        if !is_end {
            self.message(&payload)?;
            return Ok(true);
        }
        if self.permutation.protocol == Protocol::Connect {
            self.end_of_stream(&payload)?;
        } else {
            let trailers = decode_header_block(&payload).map_err(|error| error.to_string())?;
            self.grpc_end(&trailers);
        }
        Ok(false)
    }

    /// Adds the payload of a message.
    fn message(&mut self, message: &[u8]) -> Result<(), String> {
        let wire = match self.permutation.codec {
            Codec::Proto => message.to_vec(),
            Codec::Json => {
                // All responses have the same field.
                let wire = self.schema.to_wire("UnaryResponse", message);
                wire.map_err(|error| error.to_string())?
            }
        };
        let response = messages::Response::decode(wire.as_slice());
        let response = response.map_err(|error| error.to_string())?;
        self.result.payloads.push(response.payload.unwrap_or_default());
        Ok(())
    }

    async fn connect_unary(&mut self) -> Result<(), String> {
        let expected = match self.permutation.codec {
            Codec::Proto => "application/proto",
            Codec::Json => "application/json",
        };
        if self.head.status != 200 || self.content_type() != expected {
            return self.http_error().await;
        }
        self.split_headers();
        let body = self.whole_body().await?;
        self.message(&body)
    }

    /// Tells the trailers of a unary response of Connect from its headers.
    fn split_headers(&mut self) {
        const PREFIX: &str = "trailer-";

        let map = &self.head.headers;
        self.result.response_headers =
            headers(map, |name| (!name.starts_with(PREFIX)).then_some(name));
        self.result.response_trailers = headers(map, |name| name.strip_prefix(PREFIX));
    }

    /// Reads a response that is no message: an error of Connect, or of HTTP only.
    async fn http_error(&mut self) -> Result<(), String> {
        self.is_over = true;
        if self.permutation.protocol == Protocol::Connect {
            self.split_headers();
        }
        let fallback = Code::from_http_status(self.head.status);
        let mut error = Error { code: code_number(fallback), ..Error::default() };
        if self.content_type() == "application/json" && self.head.status != 200 {
            let body = self.whole_body().await?;
            match serde_json::from_slice(&body) {
                Ok(Value::Object(members)) => error = self.connect_error(&members, fallback),
                _ => self.feedback("the error is not an object of JSON"),
            }
        }
        self.result.error = Some(error);
        Ok(())
    }

    /// Reads an error of Connect, and notes what is not as specified.
    fn connect_error(&mut self, members: &Map<String, Value>, fallback: Code) -> Error {
        let known = |name: &String| matches!(name.as_str(), "code" | "message" | "details");
        if !members.keys().all(known) {
            self.feedback("the error has other members");
        }
        let code = members.get("code").and_then(Value::as_str).and_then(Code::from_connect_name);
        if code.is_none() {
            self.feedback("the code of the error is not one of Connect");
        }
        let message = members.get("message").map(Value::as_str);
        if message == Some(None) {
            self.feedback("the message of the error is no string");
        }
        let mut details = Vec::new();
        let list = members.get("details").map(|details| details.as_array().cloned());
        for detail in list.unwrap_or_default().unwrap_or_default() {
            let value =
                detail["value"].as_str().and_then(|value| STANDARD_NO_PAD.decode(value).ok());
            match (detail["type"].as_str(), value) {
                (Some(name), Some(value)) => {
                    let type_url = format!("type.googleapis.com/{name}");
                    details.push(Any { type_url, value });
                }
                _ => self.feedback("a detail of the error has no type or no unpadded base64"),
            }
        }
        Error {
            code: code_number(code.unwrap_or(fallback)),
            message: message.flatten().map(str::to_owned),
            details,
        }
    }

    /// Reads the end of a stream of Connect.
    fn end_of_stream(&mut self, json: &[u8]) -> Result<(), String> {
        self.is_over = true;
        let end: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let Some(members) = end.as_object() else { return Err("the end is no object".to_owned()) };
        if !members.keys().all(|name| matches!(name.as_str(), "error" | "metadata")) {
            self.feedback("the end of the stream has other members");
        }
        if let Some(error) = members.get("error").and_then(Value::as_object) {
            self.result.error = Some(self.connect_error(error, Code::Unknown));
        }
        for (name, values) in
            members.get("metadata").and_then(Value::as_object).into_iter().flatten()
        {
            let values = values.as_array().into_iter().flatten();
            let value = values.filter_map(Value::as_str).map(str::to_owned).collect();
            self.result.response_trailers.push(Header { name: name.clone(), value });
        }
        Ok(())
    }

    /// Reads the end of a call of gRPC or gRPC-Web.
    fn grpc_end(&mut self, trailers: &HeaderMap) {
        self.is_over = true;
        self.result.response_trailers = headers(trailers, Some);
        let Some(status) = tonic::Status::from_header_map(trailers) else {
            self.result.error = Some(Error { code: 13, ..Error::default() });
            return self.feedback("there is no grpc-status");
        };
        if status.code() == tonic::Code::Ok {
            return;
        }
        let mut details = Vec::new();
        if !status.details().is_empty() {
            match RpcStatus::decode(status.details()) {
                Ok(decoded) => {
                    if decoded.code != i32::from(status.code())
                        || decoded.message != status.message()
                    {
                        self.feedback("the details have another status than the trailers");
                    }
                    details = decoded.details;
                }
                Err(_) => self.feedback("grpc-status-details-bin is no google.rpc.Status"),
            }
        }
        let message = Some(status.message().to_owned());
        self.result.error = Some(Error { code: status.code().into(), message, details });
    }

    async fn whole_body(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        while let Some(frame) = next_frame(&mut self.body).await {
            let frame = frame.map_err(|error| format!("the response was cut off: {error:?}"))?;
            match frame.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(_) => self.feedback("the response has trailers of HTTP"),
            }
        }
        if self.text("content-encoding") == "gzip" { gunzip(&body) } else { Ok(body) }
    }

    fn text(&self, name: &str) -> &str {
        let value = self.head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    fn content_type(&self) -> &str {
        self.text("content-type")
    }

    /// Returns the beginning of the content type of the protocol's streams.
    fn stream_type(&self) -> &'static str {
        match (self.permutation.protocol, self.permutation.codec) {
            (Protocol::Connect, Codec::Proto) => "application/connect+proto",
            (Protocol::Connect, Codec::Json) => "application/connect+json",
            (Protocol::Grpc, _) => "application/grpc",
            (Protocol::GrpcWeb, _) => "application/grpc-web",
            (Protocol::GrpcWebText, _) => "application/grpc-web-text",
        }
    }

    fn feedback(&mut self, problem: &str) {
        self.result.feedback.push(problem.to_owned());
    }
}

/// Returns the number of a code, as the suite's `Code` has it.
fn code_number(code: Code) -> i32 {
    i32::try_from(code.number()).unwrap()
}

fn gunzip(compressed: &[u8]) -> Result<Vec<u8>, String> {
    let mut message = Vec::new();
    let mut limited = GzDecoder::new(compressed).take(LIMIT.into());
    limited.read_to_end(&mut message).map_err(|error| error.to_string())?;
    Ok(message)
}

/// Returns the headers for which `rename` returns a name.
fn headers<'m>(map: &'m HeaderMap, rename: impl Fn(&'m str) -> Option<&'m str>) -> Vec<Header> {
    let mut headers = Vec::new();
    for name in map.keys() {
        if let Some(renamed) = rename(name.as_str()) {
            let values = map.get_all(name).iter();
            let value = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            headers.push(Header { name: renamed.to_owned(), value: value.collect() });
        }
    }
    headers
}
