//! One call in JSON on a socket, as grpc-websocket-proxy makes of a route of grpc-gateway.
//!
//! Each text message is one JSON value.
//!
//! | method | requests | responses |
//! |---|---|---|
//! | unary | the first message; none if the route has no body | the message |
//! | server stream | the same | `{"result":…}` for each message |
//! | client stream | each message, until an empty one | the message |
//! | both | the same | `{"result":…}` for each message |
//!
//! An error is `{"error":{"code":…,"message":…,"details":[…]}}` for methods that respond with a
//! stream, and the object in it for others. Afterwards the server closes the socket, with 1000 for
//! success, and with 4000 and the number of the gRPC code for an error.
//!
//! An empty text message ends the requests: grpc-websocket-proxy has no such end, and no JSON value
//! is empty.
//!
//! Where a body is a `google.api.HttpBody`, messages are bytes as over HTTP: requests are messages of
//! any kind, without a content type, and responses are binary messages, so that a text message is an
//! error.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use sockeye::split::{Receiver, Sender};
use sockeye::{CloseCode, Message, Utf8Bytes, WebSocket};
use tokio::time::{Instant, timeout_at};

use super::ends::deadline_exceeded;
use super::requests::{self, SocketBody};
use super::single_call::{Stop, first_message, read_requests, run_call};
use super::token;
use crate::catalog::MethodEntry;
use crate::deadline::TimeoutForm;
use crate::metadata::Convention;
use crate::record::Dialect;
use crate::service::call::{Prepared, Reply};
use crate::service::held_bytes::HeldBytes;
use crate::service::inner::Inner;
use crate::service::json::{JsonCall, JsonMessages, JsonRequests};
use crate::service::raw_body::Place;
use crate::service::scope::Counters;
use crate::service::transcoder::{ResponsePrinter, any_to_json};
use crate::status::{Code, Status, rest_body};

/// The first of the close codes of errors, to which the number of the gRPC code is added.
const CLOSE_CODES: u32 = 4000;

/// Serves the call of a socket, and closes the socket after the last message.
pub(super) async fn serve(inner: &Inner, call: JsonCall, mut head: Parts, socket: WebSocket) {
    token::set_authorization(&mut head.headers, inner.settings.sockets.token_cookie.as_deref());
    let (sender, mut receiver) = socket.split();
    let JsonMessages { requests, printer, raw_response } = call.messages(&inner.settings);
    let output = Output { sender, printer, raw: raw_response };
    let code = match run(inner, requests, head, &mut receiver, &output).await {
        Ok(()) => CloseCode::NORMAL_CLOSURE,
        Err(Stop::Gone) => return,
        Err(Stop::Failed(status)) => {
            if output.error(&status).await.is_err() {
                return;
            }
            let code = u16::try_from(CLOSE_CODES + status.code.number());
            code.map_or(CloseCode::INTERNAL_ERROR, CloseCode::from)
        }
    };
    // An error means that the client is gone.
    let _ = receiver.close(code, "").await;
}

async fn run(
    inner: &Inner,
    mut form: JsonRequests,
    mut head: Parts,
    receiver: &mut Receiver,
    output: &Output,
) -> Result<(), Stop> {
    let method = Arc::clone(form.method());
    let is_stream = method.descriptor().client_streaming;
    let has_body = form.has_body();
    let first = if has_body && !is_stream {
        let message = first_message(receiver).await?;
        check_kind(&message, &form)?;
        message
    } else {
        Message::Text(Utf8Bytes::new())
    };
    let scope = inner.begin_call(Dialect::JsonWebSocket, Some(method.path()), &mut head)?;
    let counters = scope.counters();
    let (mut requests, body) = requests::channel(Arc::clone(counters), &inner.settings.budget);
    if !is_stream {
        let written = form.write_only(first.as_bytes(), None);
        let written = written.inspect_err(|status| scope.set_code(status.code));
        requests.send(written?, first.len(), true)?;
    }
    let responding = async {
        let (convention, timeout) = (Convention::Rest, TimeoutForm::Server);
        let prepared = inner.prepare(method.path().path(), convention, timeout, &head).await?;
        let deadline = prepared.deadline;
        until(deadline, respond(inner, &method, prepared, body, output, counters)).await
    };
    let reading = read_requests(receiver, &mut requests, |message, requests| {
        check_kind(&message, &form)?;
        if message.as_text().is_some_and(str::is_empty) {
            requests.finish();
        } else if is_stream || has_body {
            requests.send(form.write(message.as_bytes(), None)?, message.len(), false)?;
        }
        Ok(())
    });
    run_call(&scope, pin!(responding), pin!(reading)).await
}

/// Ends a response at the deadline of its call, also while the client does not read it.
async fn until(
    deadline: Option<Instant>,
    responding: impl Future<Output = Result<(), Stop>>,
) -> Result<(), Stop> {
    match deadline {
        None => responding.await,
        Some(deadline) => timeout_at(deadline, responding)
            .await
            .unwrap_or_else(|_| Err(deadline_exceeded().into())),
    }
}

async fn respond(
    inner: &Inner,
    method: &MethodEntry,
    prepared: Prepared,
    body: SocketBody,
    output: &Output,
    counters: &Counters,
) -> Result<(), Stop> {
    if !output.is_stream() {
        let reply = inner.call_unary(method, prepared, body).await;
        let reply = reply.map_err(|failure| failure.end.status)?;
        return output.message(&reply.message, counters, reply.held).await;
    }
    let reply = inner.call(method, prepared, body).await;
    let Reply { mut messages, .. } = reply.map_err(|failure| failure.end.status)?;
    loop {
        match messages.next().await {
            Ok(wire) => {
                let held = HeldBytes::of_call(&inner.settings.budget);
                output.message(&wire, counters, held).await?;
            }
            Err(end) if end.status.code == Code::Ok => return Ok(()),
            Err(end) => return Err(end.status.into()),
        }
    }
}

/// Refuses bytes in the place of JSON.
fn check_kind(message: &Message, form: &JsonRequests) -> Result<(), Status> {
    if message.as_text().is_some() || form.is_raw() {
        return Ok(());
    }
    Err(Status::new(Code::InvalidArgument, "messages must be text with JSON"))
}

/// The messages of the server.
struct Output {
    sender: Sender,
    printer: ResponsePrinter,
    /// The `HttpBody` whose data is the response.
    raw: Option<Place>,
}

impl Output {
    fn is_stream(&self) -> bool {
        self.printer.method.descriptor().server_streaming
    }

    async fn message(
        &self,
        wire: &Bytes,
        counters: &Counters,
        mut held: HeldBytes,
    ) -> Result<(), Stop> {
        let message = if let Some(place) = &self.raw {
            Message::Binary(place.read(&self.printer.method, wire)?.data)
        } else {
            let json = String::from_utf8(self.printer.print(wire)?)
                .map_err(|_| Status::new(Code::Internal, "the response is not UTF-8"))?;
            let is_wrapped = self.is_stream();
            Message::from(if is_wrapped { format!("{{\"result\":{json}}}") } else { json })
        };
        counters.count_response_bytes(message.len());
        held.wait(message.len(), self.send(message)).await
    }

    async fn error(&self, status: &Status) -> Result<(), Stop> {
        let schema = self.printer.method.schema();
        let json = rest_body(status, |detail| any_to_json(schema, detail));
        let is_wrapped = self.is_stream();
        let text = if is_wrapped { format!("{{\"error\":{json}}}") } else { json };
        self.send(text.into()).await
    }

    async fn send(&self, message: Message) -> Result<(), Stop> {
        self.sender.send(message).await.map_err(|_| Stop::Gone)
    }
}
