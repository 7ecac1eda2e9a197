//! An HTTP/2 server on an in-memory pipe.

use std::convert::Infallible;
use std::future::Future;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockeye::upgrade::{self, Options, Refusal};
use sockeye::{Client, Http2, WebSocket};
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;

/// Receive window of a stream of the server, in bytes.
pub(crate) const STREAM_WINDOW: u32 = 256 * 1024;

/// Maximum number of concurrent WebSockets.
pub(crate) const MAX_STREAMS: u32 = 10;

/// Connects a client to a server that passes each WebSocket and its path to `handler`. Returns the
/// client and the server's task, which ends with the connection.
pub(crate) async fn connect<H, F>(
    options: Options,
    handler: H,
) -> (Http2, JoinHandle<hyper::Result<()>>)
where
    H: Fn(WebSocket, String) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (stream, server) = serve(options, handler);
    (client().handshake_http2(stream).await.unwrap(), server)
}

/// Starts the server of [`connect`], and returns the client's end of the pipe and the task.
pub(crate) fn serve<H, F>(
    options: Options,
    handler: H,
) -> (DuplexStream, JoinHandle<hyper::Result<()>>)
where
    H: Fn(WebSocket, String) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (client, server) = duplex(16 * 1024);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let answer = answer(&mut request, &options, handler.clone());
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .enable_connect_protocol()
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(MAX_STREAMS * STREAM_WINDOW)
        .serve_connection(TokioIo::new(server), service);
    (client, tokio::spawn(connection))
}

pub(crate) fn client() -> Client {
    Client::new("ws://example.com/")
}

/// Echoes every message.
pub(crate) async fn echo(mut ws: WebSocket, _: String) {
    while let Ok(Some(message)) = ws.recv().await {
        if ws.send(message).await.is_err() {
            break;
        }
    }
}

fn answer<H, F>(request: &mut Request<Incoming>, options: &Options, handler: H) -> Response<String>
where
    H: Fn(WebSocket, String) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let path = request.uri().path().to_owned();
    match upgrade::hyper(request, options) {
        Ok((response, upgrading)) => {
            tokio::spawn(async move { handler(upgrading.await.unwrap(), path).await });
            response
        }
        Err(error) => Refusal::from(&error).into_response(),
    }
}
