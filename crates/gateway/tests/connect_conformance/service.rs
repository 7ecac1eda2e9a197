//! The suite's `ConformanceService` in gRPC: what a gateway passes on must reach it, and what it
//! answers must reach the client. It is strict about gRPC, so that a fault of the gateway shows.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::body::QueueBody;
use crate::messages::{
    Any, BidiStreamRequest, Error, Header, Payload, REQUEST_INFO, RequestInfo, ServerStreamRequest,
    StreamDefinition, UnaryRequest,
};
use crate::schema::Schema;
use crate::tls;
use crate::wire::{Exchange, Failure, begin};

/// The numbers of the codes that the service itself uses.
const UNIMPLEMENTED: i32 = 12;

/// The service on a port of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct Service {
    address: SocketAddr,
    is_secure: bool,
    task: JoinHandle<()>,
}

impl Service {
    /// Starts the service with this maximum length of requests, in bytes.
    pub(crate) async fn start(
        schema: Arc<Schema>,
        limit: u32,
        acceptor: Option<TlsAcceptor>,
    ) -> Self {
        let is_secure = acceptor.is_some();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let schema = Arc::clone(&schema);
                let service =
                    service_fn(move |request| answer(Arc::clone(&schema), limit, request));
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    let Some(stream) = tls::accept(acceptor.as_ref(), stream).await else { return };
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, is_secure, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.is_secure { "https" } else { "http" }, self.address)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers a call once its first headers are known.
async fn answer(
    schema: Arc<Schema>,
    limit: u32,
    request: Request<Incoming>,
) -> Result<Response<QueueBody>, Infallible> {
    let (head, body) = request.into_parts();
    let (mut exchange, response) = begin(schema, limit, &head, body);
    tokio::spawn(async move {
        let outcome = call(&mut exchange, &head).await;
        exchange.finish(outcome.err()).await;
    });
    Ok(response.await)
}

async fn call(exchange: &mut Exchange, head: &Parts) -> Result<(), Failure> {
    exchange.check()?;
    match exchange.method() {
        "Unary" | "IdempotentUnary" => {
            let request = exchange.only_request().await?;
            unary(exchange, head, vec![request]).await
        }
        "ClientStream" => {
            let requests = exchange.all_requests().await?;
            unary(exchange, head, requests).await
        }
        "ServerStream" => {
            let request = exchange.only_request().await?;
            let definition = decode::<ServerStreamRequest>(&request).response_definition;
            let info = info(head, vec![request]);
            stream(exchange, definition.unwrap_or_default(), 0, Some(info)).await
        }
        "BidiStream" => bidi(exchange, head).await,
        _ => Err(Failure::new(UNIMPLEMENTED, "the method is not implemented")),
    }
}

async fn unary(exchange: &mut Exchange, head: &Parts, requests: Vec<Any>) -> Result<(), Failure> {
    let definition =
        requests.first().and_then(|first| decode::<UnaryRequest>(first).response_definition);
    let definition = definition.unwrap_or_default();
    let info = info(head, requests);
    exchange.set_metadata(&definition.response_headers, &definition.response_trailers);
    wait(definition.response_delay_ms).await;
    if let Some(error) = definition.error {
        return Err(failure(error, Some(&info)));
    }
    let data = definition.response_data.unwrap_or_default();
    exchange.send(Payload { data, request_info: Some(info) }).await
}

/// Sends the responses of a definition from this one on. The first one of the call has the
/// description of the request.
async fn stream(
    exchange: &mut Exchange,
    definition: StreamDefinition,
    sent: usize,
    mut info: Option<RequestInfo>,
) -> Result<(), Failure> {
    exchange.set_metadata(&definition.response_headers, &definition.response_trailers);
    if !definition.response_data.is_empty() {
        exchange.send_headers();
    }
    for data in definition.response_data.into_iter().skip(sent) {
        wait(definition.response_delay_ms).await;
        exchange.send(Payload { data, request_info: info.take() }).await?;
    }
    match definition.error {
        Some(error) => Err(failure(error, info.as_ref())),
        None => Ok(()),
    }
}

async fn bidi(exchange: &mut Exchange, head: &Parts) -> Result<(), Failure> {
    let Some(first) = exchange.request().await? else { return Ok(()) };
    let BidiStreamRequest { response_definition, full_duplex, .. } = decode(&first);
    let definition = response_definition.unwrap_or_default();
    if !full_duplex {
        let mut requests = vec![first];
        requests.extend(exchange.all_requests().await?);
        let info = info(head, requests);
        return stream(exchange, definition, 0, Some(info)).await;
    }
    exchange.set_metadata(&definition.response_headers, &definition.response_trailers);
    if !definition.response_data.is_empty() {
        exchange.send_headers();
    }
    let (mut sent, mut next) = (0, Some(first));
    let mut requests = Vec::new();
    while let Some(request) = next {
        requests.push(request);
        let Some(data) = definition.response_data.get(sent) else { break };
        let mut info =
            RequestInfo { requests: std::mem::take(&mut requests), ..RequestInfo::default() };
        if sent == 0 {
            let RequestInfo { request_headers, timeout_ms, .. } = self::info(head, Vec::new());
            (info.request_headers, info.timeout_ms) = (request_headers, timeout_ms);
        }
        wait(definition.response_delay_ms).await;
        exchange.send(Payload { data: data.clone(), request_info: Some(info) }).await?;
        sent += 1;
        next = exchange.request().await?;
    }
    let info = (sent == 0).then(|| info(head, requests));
    stream(exchange, definition, sent, info).await
}

fn decode<M: prost::Message + Default>(request: &Any) -> M {
    // The exchange has checked that the bytes are a message.
    M::decode(request.value.as_slice()).unwrap_or_default()
}

fn failure(mut error: Error, info: Option<&RequestInfo>) -> Failure {
    let info = info.map(|info| Any::of(REQUEST_INFO, info.encode_to_vec()));
    error.details.extend(info);
    Failure { code: error.code, message: error.message.unwrap_or_default(), details: error.details }
}

fn info(head: &Parts, requests: Vec<Any>) -> RequestInfo {
    let mut request_headers: Vec<Header> = Vec::new();
    for name in head.headers.keys() {
        let values = head.headers.get_all(name).iter();
        let value = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        request_headers.push(Header { name: name.to_string(), value: value.collect() });
    }
    let timeout = head.headers.get("grpc-timeout").and_then(|value| value.to_str().ok());
    RequestInfo { request_headers, timeout_ms: timeout.map(milliseconds), requests }
}

/// Returns the milliseconds of a `grpc-timeout`; -1 if it is malformed.
fn milliseconds(timeout: &str) -> i64 {
    let (digits, unit) = timeout.split_at(timeout.len().saturating_sub(1));
    let Ok(number) = digits.parse::<i64>() else { return -1 };
    match unit {
        "H" => number * 3_600_000,
        "M" => number * 60_000,
        "S" => number * 1000,
        "m" => number,
        "u" => number / 1000,
        "n" => number / 1_000_000,
        _ => -1,
    }
}

async fn wait(milliseconds: u32) {
    if milliseconds > 0 {
        sleep(Duration::from_millis(milliseconds.into())).await;
    }
}
