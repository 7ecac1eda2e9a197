//! JSON over HTTP: routes of HTTP rules, and methods by their path.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use tokio::time::{Instant, timeout_at};

use super::body::{Body, RequestBody};
use super::call::{Failure, Prepared, Reply, UnaryReply};
use super::charged_body::ChargedBody;
use super::compression::Compression;
use super::error;
use super::held_bytes::HeldBytes;
use super::inner::Inner;
use super::messages::End;
use super::raw_body::{Place, RawInput};
use super::reply_body::{Calling, ReplyBody, StreamForm};
use super::request_body::{Input, TranscodedBody, read_whole};
use super::settings::Settings;
use super::transcoder::{RequestWriter, ResponsePrinter, any_to_json, invalid};
use crate::catalog::{MethodEntry, RouteBody, RouteTarget};
use crate::deadline::TimeoutForm;
use crate::dialect::framing::{JsonStreamForm, JsonStreamWriter};
use crate::dispatch::{Codec, MediaType, RequestHead};
use crate::metadata::{Convention, Part};
use crate::route::Match;
use crate::route::binding::{Bindings, Schema as _, UnknownNames, parse_query};
use crate::status::{Code, Status, rest_body};
use crate::transcode::{FieldPath, json_to_wire, mask_of_body, put_mask};

/// Maximum time for which the headers of a stream's response wait for the first message, so that an
/// error before it has its own HTTP status. Longer waits end in load balancers' timeouts.
const MAX_WAIT_FOR_FIRST: Duration = Duration::from_secs(1);

/// The parameter of a query that asks for JSON on many lines, unless the request has such a field.
const PRETTY: &str = "pretty";

/// A call by JSON.
pub(super) struct JsonCall {
    target: RouteTarget,
    /// The part of the request that path and query give, on the wire.
    bound: Vec<u8>,
    is_pretty: bool,
    /// The request's only field mask, if the call is a `PATCH` whose query does not give it.
    mask: Option<FieldPath>,
    /// The `HttpBody` that the body of the request is.
    raw_request: Option<Place>,
    /// The `HttpBody` that is the body of the response.
    raw_response: Option<Place>,
}

/// The forms of the messages of a call by JSON.
pub(super) struct JsonMessages {
    pub(super) requests: JsonRequests,
    pub(super) printer: ResponsePrinter,
    /// The `HttpBody` whose data is the response.
    pub(super) raw_response: Option<Place>,
}

/// Writes the requests of a call by JSON: each has the part that path and query give.
pub(super) struct JsonRequests {
    writer: RequestWriter,
    mask: Option<FieldPath>,
    /// The `HttpBody` whose data is the request.
    raw: Option<Place>,
}

impl JsonCall {
    /// Creates the call of a method by its path, without an HTTP rule.
    pub(super) fn of_method(method: Arc<MethodEntry>) -> Self {
        let target = RouteTarget { method, body: RouteBody::Whole, response_body: None };
        let (bound, is_pretty, mask) = (Vec::new(), false, None);
        Self { target, bound, is_pretty, mask, raw_request: None, raw_response: None }
    }

    /// Creates the call of a route.
    ///
    /// # Errors
    /// `invalid_argument` if a value of the path or the query is not one of its field.
    pub(super) fn of_route(
        found: &Match<'_, '_, RouteTarget>,
        http_method: &Method,
        query: Option<&str>,
        inner: &Inner,
    ) -> Result<Self, Status> {
        let target = found.value().clone();
        let tables = target.method.schema().tables();
        let wrong =
            |error: &dyn std::fmt::Display| Status::new(Code::InvalidArgument, error.to_string());
        let unknown_names = if inner.settings.parse.ignore_unknown {
            UnknownNames::Ignore
        } else {
            UnknownNames::Refuse
        };
        let bindings = Bindings::new(tables, target.method.input());
        let mut bindings = bindings.unknown_names(unknown_names);
        for binding in found.bindings() {
            bindings
                .bind_variable(binding.field_path, &binding.value)
                .map_err(|error| wrong(&error))?;
        }
        let mut is_pretty = false;
        let mut mask = match *http_method {
            Method::PATCH => FieldPath::of_only_mask(tables, target.method.input()),
            _ => None,
        };
        if let RouteBody::Field(path) = &target.body {
            bindings.exclude(path.text());
        }
        if let Some(query) = query {
            for (name, value) in parse_query(query).map_err(|error| wrong(&error))? {
                if name == PRETTY && tables.field(target.method.input(), PRETTY).is_none() {
                    is_pretty = matches!(&*value, "" | "true" | "1");
                    continue;
                }
                if target.body == RouteBody::Whole {
                    continue;
                }
                bindings.bind_parameter(&name, &value).map_err(|error| wrong(&error))?;
                if !value.is_empty() {
                    let number = |name: &str| {
                        tables.field(target.method.input(), name).map(|field| field.number)
                    };
                    mask = mask.filter(|mask| number(mask.text()) != number(&name));
                }
            }
        }
        let mut bound = Vec::new();
        if !bindings.is_empty() {
            let (id, json) = (target.method.input(), bindings.to_json());
            // A zero in the path wins over the body as well.
            let options = inner.settings.parse.clone().write_zeros(true);
            json_to_wire(tables, id, json.as_bytes(), &mut bound, &options)
                .map_err(|error| invalid(&error))?;
        }
        let raw_request = Place::of_request(&target);
        let raw_response = Place::of_response(&target);
        Ok(Self { target, bound, is_pretty, mask, raw_request, raw_response })
    }

    /// Returns the writer of the call's requests and the printer of its responses.
    pub(super) fn messages(self, settings: &Settings) -> JsonMessages {
        let Self { target, bound, is_pretty, mask, raw_request, raw_response } = self;
        let is_stream = target.method.descriptor().server_streaming;
        let writer = RequestWriter {
            method: Arc::clone(&target.method),
            // Messages with raw bytes are written before.
            codec: if raw_request.is_some() { Codec::Proto } else { Codec::Json },
            body: target.body,
            bound,
            options: settings.parse.clone(),
            max_length: settings.max_message_length,
        };
        let printer = ResponsePrinter {
            method: target.method,
            field: target.response_body,
            options: settings.print.clone().pretty(is_pretty && !is_stream),
        };
        let requests = JsonRequests { writer, mask, raw: raw_request };
        JsonMessages { requests, printer, raw_response }
    }

    fn descriptor(&self) -> &crate::descriptor::Method {
        self.target.method.descriptor()
    }
}

impl JsonRequests {
    /// Returns the method of the call.
    pub(super) fn method(&self) -> &Arc<MethodEntry> {
        &self.writer.method
    }

    /// Reports whether the client gives a part of each request.
    pub(super) fn has_body(&self) -> bool {
        self.writer.body != RouteBody::None
    }

    /// Reports whether that part is bytes, and no JSON.
    pub(super) fn is_raw(&self) -> bool {
        self.raw.is_some()
    }

    /// Returns a request with its length prefix.
    pub(super) fn write(
        &self,
        body: &[u8],
        content_type: Option<&HeaderValue>,
    ) -> Result<Bytes, Status> {
        match &self.raw {
            Some(place) => self.writer.write(&place.message(self.method(), content_type, body)),
            None => self.writer.write(body),
        }
    }

    /// Returns the request of a call that has one, with the field mask of a `PATCH`.
    pub(super) fn write_only(
        &mut self,
        body: &[u8],
        content_type: Option<&HeaderValue>,
    ) -> Result<Bytes, Status> {
        if let Some(mask) = self.mask.take().filter(|_| self.raw.is_none()) {
            add_mask(&mut self.writer, &mask, body)?;
        }
        self.write(body, content_type)
    }

    /// Returns the requests in the body of a request of HTTP.
    fn read_stream(
        self,
        body: RequestBody,
        content_type: Option<&HeaderValue>,
        held: HeldBytes,
    ) -> TranscodedBody {
        let max_length = self.writer.max_length;
        let input = match self.raw {
            None => Input::values(max_length),
            Some(place) => {
                let method = Arc::clone(&self.writer.method);
                Input::Raw(RawInput::new(method, place, content_type.cloned(), max_length))
            }
        };
        TranscodedBody::new(body, input, self.writer, held)
    }
}

impl Inner {
    /// Reads the call of a form, whose query is in the body.
    ///
    /// # Errors
    /// `invalid_argument` if the route takes a body, or the form is malformed.
    pub(super) async fn form_call(
        &self,
        found: &Match<'_, '_, RouteTarget>,
        head: &Parts,
        body: RequestBody,
    ) -> Result<JsonCall, Status> {
        let wrong = |message| Status::new(Code::InvalidArgument, message);
        if found.value().body != RouteBody::None {
            return Err(wrong("a form cannot be the body of the request: expected JSON"));
        }
        let deadline = self.deadline(TimeoutForm::Server, &head.headers)?;
        let mut arriving = HeldBytes::of_request(&self.settings.budget);
        let form =
            read_whole(body, self.settings.max_message_length, deadline, &mut arriving).await?;
        let form = std::str::from_utf8(&form).map_err(|_| wrong("the form is not UTF-8"))?;
        let query = match head.uri.query() {
            Some(query) if !query.is_empty() => format!("{query}&{form}"),
            _ => form.to_owned(),
        };
        JsonCall::of_route(found, &head.method, Some(&query), self)
    }

    /// Answers a call by JSON.
    pub(super) async fn json(
        self: &Arc<Self>,
        call: JsonCall,
        head: Parts,
        body: RequestBody,
    ) -> Response<Body> {
        let is_bidi = call.descriptor().client_streaming && call.descriptor().server_streaming;
        if is_bidi && head.version < Version::HTTP_2 {
            let message = "a stream in both directions needs HTTP/2, or a WebSocket";
            return error::http(StatusCode::HTTP_VERSION_NOT_SUPPORTED, message);
        }
        // Pages of other origins can send every other type without asking first.
        let media_type = RequestHead::new(&head, false).media_type();
        let is_json = matches!(media_type, MediaType::Json | MediaType::Missing);
        let needs_json = call.target.body != RouteBody::None && call.raw_request.is_none();
        if needs_json && !is_json {
            let message = "the content type of the request must be application/json";
            return error::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
        }
        let method = Arc::clone(&call.target.method);
        match self.answer_json(call, &head, body).await {
            Ok(response) => response,
            Err(failure) => self.json_failure(&method, &failure),
        }
    }

    async fn answer_json(
        self: &Arc<Self>,
        call: JsonCall,
        head: &Parts,
        body: RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let method = call.target.method.path().as_str();
        let prepared = self.prepare(method, Convention::Rest, TimeoutForm::Server, head).await?;
        let encoding = head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
        let compression = Compression::named(encoding)?;
        let (client_streaming, server_streaming) =
            (call.descriptor().client_streaming, call.descriptor().server_streaming);
        let JsonMessages { mut requests, printer, raw_response } = call.messages(&self.settings);
        let method = Arc::clone(requests.method());
        let content_type = head.headers.get(CONTENT_TYPE);
        let budget = &self.settings.budget;
        let mut arriving = HeldBytes::of_request(budget);
        let body = if client_streaming {
            if compression != Compression::Identity {
                let message = "a stream of JSON or bytes cannot be compressed";
                return Err(Status::new(Code::Unimplemented, message).into());
            }
            let arriving = HeldBytes::of_call(budget);
            ChargedBody::new(requests.read_stream(body, content_type, arriving), budget)
        } else {
            let max_length = self.settings.max_message_length;
            let body = if requests.has_body() {
                read_whole(body, max_length, prepared.deadline, &mut arriving).await?
            } else {
                Bytes::new()
            };
            let body = compression.decompress(body, max_length)?;
            ChargedBody::once(requests.write_only(&body, content_type)?, arriving, budget)?
        };
        if let Some(place) = raw_response {
            return self.answer_raw(method, prepared, body, place).await;
        }
        if server_streaming {
            let form = JsonStream {
                writer: self.stream_writer(&head.headers),
                printer,
                inner: Arc::clone(self),
            };
            return self.json_stream(method, prepared, body, form).await;
        }
        let reply = self.call_unary(&method, prepared, body).await?;
        let UnaryReply { headers, message, trailers, held } = reply;
        let json = printer.print(&message).map_err(|status| Failure {
            headers: headers.clone(),
            end: End { status, trailers: trailers.clone() },
        })?;
        let mut metadata = self.json_headers(&headers, &trailers);
        metadata.insert(CONTENT_TYPE, error::JSON);
        let json = self.settings.compress_body(&head.headers, json.into(), &mut metadata);
        let mut response = Response::new(Body::charged(json, held)?);
        *response.headers_mut() = metadata;
        Ok(response)
    }

    /// Returns the response to a call that failed before its first message.
    pub(super) fn json_failure(&self, method: &MethodEntry, failure: &Failure) -> Response<Body> {
        let status = &failure.end.status;
        let schema = method.schema();
        let body = rest_body(status, |detail| any_to_json(schema, detail));
        let mut response = error::json(status.code, status.code.http_status(), body);
        let metadata = self.json_headers(&failure.headers, &failure.end.trailers);
        for (name, value) in &metadata {
            response.headers_mut().append(name, value.clone());
        }
        response
    }

    fn stream_writer(&self, headers: &HeaderMap) -> JsonStreamWriter {
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        let accept = accept.unwrap_or_default();
        let form = if accept.contains("text/event-stream") {
            JsonStreamForm::Events
        } else if self.settings.array_streams && !accept.contains("ndjson") {
            JsonStreamForm::Array
        } else {
            JsonStreamForm::Lines
        };
        let writer = JsonStreamWriter::new(form);
        if self.settings.unwrapped_streams { writer.unwrapped() } else { writer }
    }

    /// Answers with a stream. The headers of the response wait for the first message, but not for
    /// long.
    async fn json_stream(
        self: &Arc<Self>,
        method: Arc<MethodEntry>,
        prepared: Prepared,
        body: ChargedBody,
        form: JsonStream,
    ) -> Result<Response<Body>, Failure> {
        let content_type = form.writer.form().content_type();
        let is_events = form.writer.form() == JsonStreamForm::Events;
        let until = Instant::now() + MAX_WAIT_FOR_FIRST;
        let inner = Arc::clone(self);
        let scope = prepared.scope.clone();
        let mut calling: Calling =
            Box::pin(async move { inner.call(&method, prepared, body).await });
        let mut metadata = HeaderMap::new();
        let body = match timeout_at(until, &mut calling).await {
            Err(_) => ReplyBody::calling(calling, form, scope),
            Ok(reply) => {
                let Reply { headers, mut messages } = reply?;
                let first = match timeout_at(until, messages.next()).await {
                    Err(_) => None,
                    Ok(Ok(first)) => Some(first),
                    Ok(Err(end)) if end.status.code == Code::Ok => None,
                    Ok(Err(end)) => return Err(Failure { headers, end }),
                };
                metadata = self.json_headers(&headers, &HeaderMap::new());
                ReplyBody::messages(messages, first, form)
            }
        };
        let body = ChargedBody::new(body, &self.settings.budget);
        let mut response = Response::new(Body::stream(body));
        *response.headers_mut() = metadata;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if is_events {
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            // nginx otherwise collects the events.
            let buffering = HeaderName::from_static("x-accel-buffering");
            response.headers_mut().insert(buffering, HeaderValue::from_static("no"));
        }
        Ok(response)
    }
}

/// Adds the mask of the fields that the body of a `PATCH` gives, if the body is another field.
fn add_mask(writer: &mut RequestWriter, mask: &FieldPath, json: &[u8]) -> Result<(), Status> {
    let RouteBody::Field(field) = &writer.body else { return Ok(()) };
    let tables = writer.method.schema().tables();
    let Some(message) = field.message(tables).filter(|_| field != mask) else { return Ok(()) };
    if !json.trim_ascii().is_empty() {
        let paths = mask_of_body(tables, message, json, &writer.options);
        let paths = paths.map_err(|error| invalid(&error))?;
        put_mask(tables, mask, &paths, &mut writer.bound);
    }
    Ok(())
}

/// A stream of JSON values.
struct JsonStream {
    writer: JsonStreamWriter,
    printer: ResponsePrinter,
    inner: Arc<Inner>,
}

impl StreamForm for JsonStream {
    fn message(&mut self, wire: &[u8], out: &mut BytesMut) -> Result<(), Status> {
        let json = self.printer.print(wire)?;
        let json = std::str::from_utf8(&json)
            .map_err(|_| Status::new(Code::Internal, "the response is not UTF-8"))?;
        self.writer.write_message(json, out);
        Ok(())
    }

    fn end(&mut self, end: &End, out: &mut BytesMut) {
        let schema = self.printer.method.schema();
        let status = rest_body(&end.status, |detail| any_to_json(schema, detail));
        if end.status.code != Code::Ok {
            self.writer.write_error(&status, out);
        }
        let policy = &self.inner.settings.metadata;
        let trailers = policy.response_headers(Convention::Rest, Part::Trailers, &end.trailers);
        let mut names = serde_json::Map::new();
        for (name, value) in &trailers {
            if let Ok(value) = value.to_str() {
                let values =
                    names.entry(name.as_str()).or_insert_with(|| Vec::<String>::new().into());
                if let Some(values) = values.as_array_mut() {
                    values.push(value.into());
                }
            }
        }
        // The map is JSON.
        let trailers = serde_json::Value::Object(names);
        self.writer.write_end(&format!("{{\"status\":{status},\"trailers\":{trailers}}}"), out);
    }

    fn keep_alive(&mut self, out: &mut BytesMut) {
        self.writer.write_keep_alive(out);
    }
}
