//! A call of `sockeye.grpc.v1`.

use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use serde::Deserialize;
use serde_json::value::RawValue;
use sockeye::split::Sender;
use sockeye::{Message, Utf8Bytes};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout_at;

use crate::catalog::MethodEntry;
use crate::deadline::TimeoutForm;
use crate::dialect::framing::{CallEnd, CallMessage, INITIAL_CREDIT, ServerFrame};
use crate::metadata::{Convention, Part};
use crate::service::call::Reply;
use crate::service::held_bytes::HeldBytes;
use crate::service::inner::Inner;
use crate::service::messages::End;
use crate::service::scope::{CallScope, Counters};
use crate::service::transcoder::{ResponsePrinter, any_to_json};
use crate::service::websocket::ends::{deadline_exceeded, trailers_only};
use crate::service::websocket::requests::SocketBody;
use crate::status::{Code, Status, rest_body};

/// The cost of requests that the upstream has taken before the client gets credit for them. Chosen:
/// half of the window, so that the client does not wait for credit that is on its way.
const GRANT: u64 = INITIAL_CREDIT / 2;

/// A call in progress.
pub(super) struct RunningCall {
    pub(super) inner: Arc<Inner>,
    pub(super) method: Arc<MethodEntry>,
    pub(super) head: Parts,
    pub(super) body: SocketBody,
    /// The cost of the requests that the upstream has taken.
    pub(super) taken: watch::Receiver<u64>,
    pub(super) output: Output,
    /// The status with which the reader ends the call.
    pub(super) stopped: oneshot::Receiver<Status>,
    pub(super) scope: CallScope,
}

impl RunningCall {
    /// Makes the call, and sends its responses and its end.
    pub(super) async fn run(self) {
        let Self { inner, method, head, body, taken, mut output, stopped, scope } = self;
        let granting = grant(output.id, taken, output.sender.clone());
        let end = tokio::select! {
            biased;
            Ok(status) = stopped => End::failed(status),
            end = respond(&inner, &method, head, body, &mut output) => end,
            end = granting => end,
        };
        scope.set_code(end.status.code);
        // The place of the call is free before the client learns of the end.
        drop(scope);
        output.end(&inner, &method, end).await;
    }
}

async fn respond(
    inner: &Inner,
    method: &MethodEntry,
    head: Parts,
    body: SocketBody,
    output: &mut Output,
) -> End {
    let (convention, timeout) = (Convention::Rpc, TimeoutForm::Connect);
    let prepared = match inner.prepare(method.path().path(), convention, timeout, &head).await {
        Ok(prepared) => prepared,
        Err(status) => return End::failed(status),
    };
    // It holds the scope of the call.
    drop(head);
    let deadline = prepared.deadline;
    let responding = async {
        let Reply { headers, mut messages } = match inner.call(method, prepared, body).await {
            Ok(reply) => reply,
            Err(failure) => return failure.end,
        };
        if let Some(end) = trailers_only(&headers) {
            return end;
        }
        let metadata = &inner.settings.metadata;
        let headers = metadata.response_headers(Convention::Rpc, Part::Headers, &headers);
        if let Err(status) = output.headers(headers).await {
            return End::failed(status);
        }
        loop {
            match messages.next().await {
                Ok(wire) => {
                    let waiting = HeldBytes::of_call(&inner.settings.budget);
                    if let Err(status) = output.message(wire, waiting).await {
                        return End::failed(status);
                    }
                }
                Err(end) => return end,
            }
        }
    };
    match deadline {
        None => responding.await,
        // Also while the client gives no credit.
        Some(deadline) => timeout_at(deadline, responding)
            .await
            .unwrap_or_else(|_| End::failed(deadline_exceeded())),
    }
}

/// Gives the client credit for the requests that the upstream takes. Ends only with the socket.
async fn grant(id: u32, mut taken: watch::Receiver<u64>, sender: Sender) -> End {
    let mut granted = 0;
    loop {
        let due = taken.wait_for(|taken| *taken - granted >= GRANT).await.map(|taken| *taken);
        let Ok(total) = due else {
            // The upstream takes no more requests.
            return pending().await;
        };
        let credit = ServerFrame::Credit(id, total - granted);
        granted = total;
        if sender.send(credit.encode()).await.is_err() {
            return End::failed(gone());
        }
    }
}

/// The messages of the server for a call.
pub(super) struct Output {
    id: u32,
    sender: Sender,
    /// `None` for the codec proto.
    printer: Option<ResponsePrinter>,
    /// The bytes of messages that the client has allowed so far.
    allowed: watch::Receiver<u64>,
    sent: u64,
    counters: Arc<Counters>,
}

impl Output {
    pub(super) fn new(
        id: u32,
        sender: Sender,
        printer: Option<ResponsePrinter>,
        allowed: watch::Receiver<u64>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { id, sender, printer, allowed, sent: 0, counters }
    }

    async fn headers(&self, headers: HeaderMap) -> Result<(), Status> {
        self.send(ServerFrame::Headers(self.id, headers).encode()).await
    }

    /// Sends a response once the client allows it.
    async fn message(&mut self, wire: Bytes, mut held: HeldBytes) -> Result<(), Status> {
        let message = match &self.printer {
            None => CallMessage::Proto(wire),
            Some(printer) => {
                let json = Utf8Bytes::try_from(Bytes::from(printer.print(&wire)?));
                CallMessage::Json(
                    json.map_err(|_| Status::new(Code::Internal, "the response is not UTF-8"))?,
                )
            }
        };
        let message = ServerFrame::Message(self.id, message).encode();
        let (length, sent) = (message.len(), self.sent);
        let allowed = self.allowed.wait_for(|allowed| *allowed > sent);
        held.wait(length, async { allowed.await.map(drop).map_err(|_| gone()) }).await?;
        self.sent += length as u64;
        self.counters.count_response_bytes(length);
        held.wait(length, self.send(message)).await
    }

    /// Sends the end.
    async fn end(self, inner: &Inner, method: &MethodEntry, end: End) {
        let End { status, trailers } = end;
        let metadata = &inner.settings.metadata;
        let mut frame = CallEnd::new(status.code, status.message.clone());
        frame.trailers = metadata.response_headers(Convention::Rpc, Part::Trailers, &trailers);
        if !status.details.is_empty() {
            frame.details = details(&status, method);
        }
        // An error means that the socket is over.
        let _ = self.send(ServerFrame::End(self.id, Box::new(frame)).encode()).await;
    }

    async fn send(&self, message: Message) -> Result<(), Status> {
        self.sender.send(message).await.map_err(|_| gone())
    }
}

/// Returns the details of a status as they are in an error of REST.
fn details(status: &Status, method: &MethodEntry) -> String {
    #[derive(Deserialize)]
    struct Error<'a> {
        #[serde(borrow)]
        details: &'a RawValue,
    }

    let schema = method.schema();
    let body = rest_body(status, |detail| any_to_json(schema, detail));
    let error = serde_json::from_str::<Error<'_>>(&body);
    error.map_or_else(|_| "[]".to_owned(), |error| error.details.get().to_owned())
}

/// Returns the status of a call whose socket is over. Nobody receives it.
fn gone() -> Status {
    Status::new(Code::Canceled, "the socket is closed")
}
