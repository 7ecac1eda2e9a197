//! The common part of echo servers over HTTP/2, as [`serve`](crate::serve) is over HTTP/1.1, with
//! the same flow-control windows for all servers.
//!
//! The servers expect HTTP/2 with prior knowledge (RFC 9113 section 3.3), and each WebSocket is a
//! stream opened by an extended CONNECT (RFC 8441).

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use hyper::body::{Body, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::task::unconstrained;

use crate::serve::{block_on, log_failure};

/// Flow-control window of a stream, in bytes: the amount that a client may send before the server
/// reads. hyper's default.
pub const STREAM_WINDOW: u32 = 1024 * 1024;

/// Flow-control window of a connection, in bytes. Chosen: sixteen streams, far more than a
/// connection of the race has in flight (100 messages of 20 bytes, or one of 1 MiB), so that it
/// never limits a server.
pub const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;

/// Maximum number of streams on a connection: hyper's default.
pub const MAX_STREAMS: u32 = 200;

/// Serves connections with hyper until the process is killed.
///
/// # Errors
///
/// The errors of [`serve::run`](crate::serve::run).
pub fn run<S>(address: SocketAddr, service: S) -> io::Result<()>
where
    S: HttpService<Incoming> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResBody: Send + 'static,
    <S::ResBody as Body>::Data: Send,
    <S::ResBody as Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    block_on(address, move |stream| {
        let connection = Builder::new(Unconstrained)
            .enable_connect_protocol()
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .serve_connection(TokioIo::new(stream), service.clone());
        async move { log_failure(connection.await) }
    })
}

/// Runs the echo on a separate task, as a stream outlives the answer to its request.
pub fn spawn<E: fmt::Display>(echo: impl Future<Output = Result<(), E>> + Send + 'static) {
    Unconstrained.execute(async move { log_failure(echo.await) });
}

/// An executor that spawns tasks without tokio's cooperative budget, as every server of the
/// benchmark does.
#[derive(Clone, Copy, Debug)]
struct Unconstrained;

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Unconstrained {
    fn execute(&self, future: F) {
        tokio::spawn(unconstrained(future));
    }
}
