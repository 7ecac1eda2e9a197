//! One accepted connection: TLS where it is on, then HTTP/1.1 with upgrades, each with a deadline.

use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::plain;
use super::shutdown::Guest;

/// What holds for every connection.
#[derive(Clone)]
pub(crate) struct Limits {
    /// Time for the TLS handshake, and again for the head of each request.
    pub(crate) handshake: Duration,
    /// Present when the server speaks TLS.
    pub(crate) tls: Option<TlsAcceptor>,
}

/// Room for the head of a request; a larger one is answered with 431. Browsers send 1 to 4 KiB,
/// and many servers in front of ours allow 8 to 32 KiB.
const HEAD_SIZE: usize = 64 * 1024;

/// Serves `stream` until the client leaves, breaks the rules or dawdles, or the server stops.
///
/// # Errors
/// Why the connection ended before its time; for the log only.
pub(crate) async fn serve(
    stream: TcpStream,
    router: Router,
    guest: Guest,
    limits: Limits,
) -> anyhow::Result<()> {
    let Some(tls) = limits.tls else {
        return serve_http(stream, router, guest, limits.handshake).await;
    };
    let opened = tokio::select! {
        opened = tokio::time::timeout(limits.handshake, open(stream, &tls)) => opened
            .context("the TLS handshake took too long")?
            .context("the TLS handshake failed")?,
        () = guest.shutdown_begun() => return Ok(()),
    };
    match opened {
        Opened::Tls(stream) => serve_http(*stream, router, guest, limits.handshake).await,
        Opened::Plain(stream) => serve_http(stream, plain::router(), guest, limits.handshake).await,
    }
}

/// A connection to a port that speaks TLS, after its first bytes.
enum Opened {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

async fn open(stream: TcpStream, tls: &TlsAcceptor) -> std::io::Result<Opened> {
    let mut first = [plain::TLS_HANDSHAKE];
    stream.peek(&mut first).await?;
    if first == [plain::TLS_HANDSHAKE] {
        Ok(Opened::Tls(Box::new(tls.accept(stream).await?)))
    } else {
        Ok(Opened::Plain(stream))
    }
}

async fn serve_http<S>(
    stream: S,
    router: Router,
    guest: Guest,
    head_timeout: Duration,
) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(guest.clone());
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HEAD_SIZE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return Ok(result?),
        () = guest.shutdown_begun() => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}
