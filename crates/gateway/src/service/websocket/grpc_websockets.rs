//! The subprotocol `grpc-websockets` of improbable-eng/grpc-web: one call of gRPC-Web on a socket,
//! whose path is that of the method.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use http_body::Body as _;
use sockeye::split::{Receiver, Sender};
use sockeye::{CloseCode, Message, WebSocket};

use super::ends::trailers_only;
use super::handshake;
use super::requests::{self, SocketBody};
use super::single_call::{Stop, first_message, read_requests, run_call};
use crate::catalog::Catalog;
use crate::dialect::framing::{WebSocketMessage, WebSocketRequest, encode_header_frame};
use crate::dispatch::{MediaType, RequestHead};
use crate::metadata::Part;
use crate::record::Dialect;
use crate::service::error;
use crate::service::inner::Inner;
use crate::service::scope::Counters;
use crate::status::{Code, GRPC_MESSAGE, GRPC_STATUS, GRPC_STATUS_DETAILS_BIN, Status};

/// Serves the call of a socket, and closes the socket after the trailers.
pub(super) async fn serve(inner: &Inner, head: Parts, socket: WebSocket) {
    let (sender, mut receiver) = socket.split();
    let mut output = Output { sender, has_headers: false, counters: None };
    match run(inner, head, &mut receiver, &mut output).await {
        Ok(()) => {}
        Err(Stop::Gone) => return,
        Err(Stop::Failed(status)) => {
            let mut trailers = HeaderMap::new();
            status.set_trailers(&mut trailers);
            if output.trailers(&trailers).await.is_err() {
                return;
            }
        }
    }
    // The close frame follows the trailers. An error means that the client is gone.
    let _ = receiver.close(CloseCode::NORMAL_CLOSURE, "").await;
}

async fn run(
    inner: &Inner,
    mut head: Parts,
    receiver: &mut Receiver,
    output: &mut Output,
) -> Result<(), Stop> {
    let mut decoder = WebSocketRequest::new();
    let message = first_message(receiver).await?;
    let WebSocketMessage::Headers(headers) = decode(&mut decoder, message)? else {
        return Err(invalid("the first message must be headers").into());
    };
    handshake::replace(&mut head.headers, &headers);
    if !matches!(
        RequestHead::new(&head, false).media_type(),
        MediaType::GrpcWeb | MediaType::Missing
    ) {
        return Err(invalid("the content type must be application/grpc-web+proto").into());
    }
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let catalog = inner.catalogs.current();
    let method = catalog.method(head.uri.path()).map(|method| method.path());
    let scope = inner.begin_call(Dialect::GrpcWebSockets, method, &mut head)?;
    output.counters = Some(Arc::clone(scope.counters()));
    let (mut requests, body) =
        requests::channel(Arc::clone(scope.counters()), &inner.settings.budget);
    let responding = respond(inner, &catalog, head, body, output);
    let reading = read_requests(receiver, &mut requests, |message, requests| {
        let cost = message.len();
        match decode(&mut decoder, message)? {
            WebSocketMessage::Data(data) if data.is_empty() => Ok(()),
            WebSocketMessage::Data(data) => requests.send(data, cost, false),
            // The decoder yields headers once only.
            WebSocketMessage::Headers(_) | WebSocketMessage::Finish => {
                requests.finish();
                Ok(())
            }
        }
    });
    run_call(&scope, pin!(responding), pin!(reading)).await
}

async fn respond(
    inner: &Inner,
    catalog: &Catalog,
    head: Parts,
    body: SocketBody,
    output: &mut Output,
) -> Result<(), Stop> {
    let response = inner.pass(catalog, head, Box::pin(body)).await?;
    let (head, mut body) = response.into_parts();
    if trailers_only(&head.headers).is_some() {
        return output.trailers(&head.headers).await;
    }
    output.headers(head.headers).await?;
    loop {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => output.send(data).await?,
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let trailers = inner.settings.native_headers(Part::Trailers, &trailers);
                    return output.trailers(&trailers).await;
                }
            },
            Some(Err(status)) => return Err(error::from_channel(&status).into()),
            None => {
                let message = "the upstream ended the call without a status";
                return Err(Status::new(Code::Internal, message).into());
            }
        }
    }
}

fn decode(decoder: &mut WebSocketRequest, message: Message) -> Result<WebSocketMessage, Status> {
    match message {
        Message::Binary(payload) => {
            decoder.decode(payload).map_err(|error| invalid(&error.to_string()))
        }
        Message::Text(_) => Err(invalid("messages must be binary")),
    }
}

fn invalid(message: &str) -> Status {
    Status::new(Code::InvalidArgument, message)
}

/// The messages of the server.
struct Output {
    sender: Sender,
    has_headers: bool,
    /// The counters of the call, once it has begun.
    counters: Option<Arc<Counters>>,
}

impl Output {
    /// Sends the headers of the response, without a status: clients take the first frame for
    /// headers only.
    async fn headers(&mut self, mut headers: HeaderMap) -> Result<(), Stop> {
        for name in [GRPC_STATUS, GRPC_MESSAGE, GRPC_STATUS_DETAILS_BIN] {
            headers.remove(name);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc-web+proto"));
        self.has_headers = true;
        self.header_frame(&headers).await
    }

    /// Sends the trailers, after headers if there were none.
    async fn trailers(&mut self, trailers: &HeaderMap) -> Result<(), Stop> {
        if !self.has_headers {
            self.headers(HeaderMap::new()).await?;
        }
        self.header_frame(trailers).await
    }

    async fn header_frame(&self, headers: &HeaderMap) -> Result<(), Stop> {
        // Headers are never as long as 32 bits count.
        let frame = encode_header_frame(headers);
        self.send(frame.map_err(|error| Status::new(Code::Internal, error.to_string()))?).await
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Stop> {
        if let Some(counters) = &self.counters {
            counters.count_response_bytes(bytes.len());
        }
        self.sender.send(bytes).await.map_err(|_| Stop::Gone)
    }
}
