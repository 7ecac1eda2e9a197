use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use http::Version;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ClientConfig;
use sockeye::axum::WebSocketUpgrade;
use sockeye::{Client, CloseCode, ConnectError};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificate::certificate;

/// Upgrades a request, and sends its HTTP version.
async fn route(upgrade: WebSocketUpgrade) -> Response {
    let version = upgrade.version();
    upgrade.subprotocols(["chat"]).on_upgrade(async move |mut ws| {
        ws.send(format!("{version:?}")).await?;
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok::<_, sockeye::Error>(())
    })
}

fn app() -> Router {
    Router::new().route("/ws", any(route)).nest("/in", Router::new().route("/ws", any(route)))
}

/// A TLS listener for `axum::serve`.
struct Secured {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, peer) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Starts a TLS server that offers these protocols; returns its address and a configuration that
/// trusts it.
async fn serve_tls(protocols: &[&str]) -> (SocketAddr, Arc<ClientConfig>) {
    let (mut config, trusting) = certificate("127.0.0.1");
    Arc::make_mut(&mut config).alpn_protocols =
        protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(config);
    tokio::spawn(async move { axum::serve(Secured { listener, acceptor }, app()).await });
    (address, trusting)
}

#[tokio::test]
async fn axum_serves_both_versions_on_a_plain_port() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app()).await });
    let client = Client::new(format!("ws://{address}/ws")).subprotocols(["chat"]);

    let mut ws = client.connect().await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(format!("{:?}", Version::HTTP_11).into()));
    assert_eq!(ws.subprotocol(), Some("chat"));

    let http2 = client.connect_http2().await.unwrap();
    for path in ["/ws", "/in/ws?x=1"] {
        let mut ws = http2.open(path).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(format!("{:?}", Version::HTTP_2).into()));
        assert_eq!((ws.subprotocol(), ws.peer_addr()), (Some("chat"), Some(address)));
        ws.send("hello").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some("hello".into()));
    }
    match http2.open("/elsewhere").await.unwrap_err() {
        ConnectError::Handshake(sockeye::handshake::HandshakeError::Status { status, .. }) => {
            assert_eq!(status, 404);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn both_versions_are_chosen_by_alpn_over_tls() {
    let (address, trusting) = serve_tls(&["h2", "http/1.1"]).await;
    let client = Client::new(format!("wss://{address}/ws")).tls(trusting);
    let mut ws = client.connect().await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(format!("{:?}", Version::HTTP_11).into()));
    let http2 = client.connect_http2().await.unwrap();
    let mut ws = http2.open("/ws").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(format!("{:?}", Version::HTTP_2).into()));
}

#[tokio::test]
async fn one_call_takes_http2_where_it_is_offered() {
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["h2"], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let (address, trusting) = serve_tls(protocols).await;
        let client = Client::new(format!("wss://{address}/ws")).tls(trusting).prefer_http2();
        let mut ws = client.connect().await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(format!("{version:?}").into()), "{protocols:?}");
        ws.send("hello").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some("hello".into()));
        ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    }
}

#[tokio::test]
async fn one_call_takes_http1_where_http2_has_no_websockets() {
    let (mut config, trusting) = certificate("127.0.0.1");
    Arc::make_mut(&mut config).alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut secured = Secured { listener, acceptor: TlsAcceptor::from(config) };
    tokio::spawn(async move {
        loop {
            let (stream, _) = axum::serve::Listener::accept(&mut secured).await;
            let service = TowerToHyperService::new(app());
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await
            });
        }
    });
    let client = Client::new(format!("wss://{address}/ws")).tls(trusting);
    let error = client.connect_http2().await.unwrap_err();
    assert!(matches!(error, ConnectError::NoExtendedConnect), "{error:?}");
    let mut ws = client.prefer_http2().connect().await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(format!("{:?}", Version::HTTP_11).into()));
}

#[tokio::test]
async fn a_server_that_chooses_another_protocol_is_named() {
    let (address, trusting) = serve_tls(&[]).await;
    let client = Client::new(format!("wss://{address}/ws")).tls(trusting);
    match client.connect_http2().await.unwrap_err() {
        ConnectError::NoHttp2 { host } => assert_eq!(host, "127.0.0.1"),
        other => panic!("{other:?}"),
    }
    let (address, trusting) = serve_tls(&["http/1.1"]).await;
    let client = Client::new(format!("wss://{address}/ws")).tls(trusting);
    let error = client.connect_http2().await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
}
