//! Serves WebSockets over HTTP/1.1 and HTTP/2, many on one connection, in an axum application over
//! TLS. The server generates its certificate and writes it to the folder for temporary files, where
//! the example `http2_client` finds it.
//!
//!     cargo run -p sockeye --features axum --example http2_server

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{any, get};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use sockeye::axum::WebSocketUpgrade;
use sockeye::upgrade::{HostPolicy, Http2Guard, TcpAcceptor};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Window of a WebSocket, in bytes, and maximum number of WebSockets of a connection. The window of
/// the connection holds the windows of all of them, so that a WebSocket that the program does not
/// receive from never stalls the others. It is larger because of clients that send a frame for each
/// short message: see `upgrade::hyper`.
const STREAM_WINDOW: u32 = 64 * 1024;
const MAX_STREAMS: u32 = 100;
const CONNECTION_WINDOW: u32 = 10 * MAX_STREAMS * STREAM_WINDOW;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    println!("a WebSocket over {:?}", upgrade.version());
    upgrade.allow_hosts(HostPolicy::loopback()).on_upgrade(async |mut ws| {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok::<_, sockeye::Error>(())
    })
}

#[tokio::main]
async fn main() -> Result<()> {
    let app = Router::new().route("/", get(|| async { "hello" })).route("/echo/{name}", any(echo));
    let tls = TlsAcceptor::from(Arc::new(certificate()?));
    let mut acceptor = TcpAcceptor::new(TcpListener::bind("127.0.0.1:8443").await?);
    println!("wss://localhost:{}/echo/1", acceptor.local_addr()?.port());
    loop {
        let (stream, peer) = acceptor.accept().await;
        let (tls, app) = (tls.clone(), app.clone());
        tokio::spawn(async move {
            if let Err(error) = serve(stream, tls, app).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn serve(stream: TcpStream, tls: TlsAcceptor, app: Router) -> Result<()> {
    let stream = tls.accept(stream).await?;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        // Without this setting, clients do not open WebSockets (RFC 8441 section 3).
        .enable_connect_protocol()
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let service = TowerToHyperService::new(app);
    // Limits the cost of resets, pings and similar frames of one client.
    let stream = TokioIo::new(Http2Guard::new(stream));
    builder.serve_connection_with_upgrades(stream, service).await
}

fn certificate() -> Result<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(std::env::temp_dir().join("sockeye-http2.pem"), made.cert.pem())?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
