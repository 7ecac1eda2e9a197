//! Tests WebSockets over HTTP/2 with the Autobahn suite, which supports HTTP/1.1 only: a relay
//! between them translates the opening handshake and then passes bytes on unchanged.
//!
//!     cargo run --release -p sockeye --all-features --example autobahn_http2 -- server 127.0.0.1:9001
//!     cargo run --release -p sockeye --all-features --example autobahn_http2 -- client ws://127.0.0.1:9001
//!
//! ```text
//! suite ── HTTP/1.1 ──► relay ── HTTP/2 ──► our server      our client ── HTTP/2 ──► relay ── HTTP/1.1 ──► suite
//! ```

use http::header::{
    CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::{http1 as client_http1, http2 as client_http2};
use hyper::ext::Protocol;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockeye::handshake::{self, Key};
use sockeye::upgrade::{self, HostPolicy, Options};
use sockeye::{Client, Deflate, Error, WebSocket};
use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::net::{TcpListener, TcpStream};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", address] => server(address).await,
        ["client", suite] => client(suite).await,
        _ => Err("`server` and an address, or `client` and a URL".into()),
    }
}

async fn server(address: &str) -> Result<()> {
    let (near, far) = duplex(64 * 1024);
    let echoing = service_fn(|mut request: Request<Incoming>| async move {
        let options = Options::new()
            .allow_hosts(HostPolicy::loopback().allow_addresses())
            .deflate(Deflate::default());
        let (response, upgrading) = upgrade::hyper(&mut request, &options)?;
        tokio::spawn(async move {
            if let Ok(ws) = upgrading.await {
                report("", echo(ws).await);
            }
        });
        Ok::<Response<String>, handshake::HandshakeError>(response)
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.enable_connect_protocol();
    tokio::spawn(builder.serve_connection(TokioIo::new(far), echoing));
    let (sender, connection) =
        client_http2::handshake(TokioExecutor::new(), TokioIo::new(near)).await?;
    tokio::spawn(connection);

    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        // The relay writes in pieces: the last piece of a message must not wait for the suite's
        // acknowledgement.
        stream.set_nodelay(true)?;
        let sender = sender.clone();
        let relaying = service_fn(move |request| relay_to_http2(request, sender.clone()));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), relaying);
        tokio::spawn(connection.with_upgrades());
    }
}

/// Turns an upgrade into an extended CONNECT.
async fn relay_to_http2(
    mut request: Request<Incoming>,
    mut sender: client_http2::SendRequest<String>,
) -> Result<Response<String>> {
    let (method, version) = (request.method(), request.version());
    let key = handshake::Request::from_http(method, version, request.uri(), request.headers())?
        .key()
        .ok_or("HTTP/1.1 has a key")?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut asked = Request::new(String::new());
    *asked.method_mut() = Method::CONNECT;
    *asked.uri_mut() = format!("http://{}{path}", request.headers()[HOST].to_str()?).parse()?;
    asked.extensions_mut().insert(Protocol::from_static("websocket"));
    pass_on(request.headers(), asked.headers_mut());
    let far = sender.send_request(asked).await?;
    let mut response = Response::new(String::new());
    pass_on(far.headers(), response.headers_mut());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(UPGRADE, "websocket".parse()?);
    response.headers_mut().insert(CONNECTION, "Upgrade".parse()?);
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, key.accept().as_str().parse()?);
    tokio::spawn(pass_bytes(hyper::upgrade::on(&mut request), hyper::upgrade::on(far)));
    Ok(response)
}

async fn client(suite: &str) -> Result<()> {
    let http2 =
        Client::new(suite).deflate(Deflate::default()).handshake_http2(relay(suite)).await?;
    let mut ws = http2.open("/getCaseCount").await?;
    let count = ws.recv().await?;
    let count: u32 = count.as_ref().and_then(|count| count.as_text()?.parse().ok()).unwrap_or(0);
    for case in 1..=count {
        let ws = http2.open(&format!("/runCase?case={case}&agent=sockeye")).await?;
        report(&format!("case {case}: "), echo(ws).await);
    }
    println!("ran {count} cases");
    Ok(echo(http2.open("/updateReports?agent=sockeye").await?).await?)
}

/// Returns the HTTP/2 end of a relay to the suite.
fn relay(suite: &str) -> DuplexStream {
    let (near, far) = duplex(64 * 1024);
    let suite = suite.trim_start_matches("ws://").to_owned();
    let relaying = service_fn(move |request| relay_to_http1(request, suite.clone()));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.enable_connect_protocol();
    tokio::spawn(builder.serve_connection(TokioIo::new(far), relaying));
    near
}

/// Turns an extended CONNECT into an upgrade.
async fn relay_to_http1(mut request: Request<Incoming>, suite: String) -> Result<Response<String>> {
    let stream = TcpStream::connect(&suite).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = client_http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection.with_upgrades());
    let mut asked = Request::new(String::new());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *asked.uri_mut() = path.parse()?;
    pass_on(request.headers(), asked.headers_mut());
    // The client checks nothing of this handshake: it is between the relay and the suite.
    let key = Key::new(*b"one key for all.");
    for (name, value) in [
        (HOST, suite.as_str()),
        (UPGRADE, "websocket"),
        (CONNECTION, "Upgrade"),
        (SEC_WEBSOCKET_KEY, key.as_str()),
    ] {
        asked.headers_mut().insert(name, value.parse()?);
    }
    let far = sender.send_request(asked).await?;
    let mut response = Response::new(String::new());
    if far.status() != StatusCode::SWITCHING_PROTOCOLS {
        *response.status_mut() = far.status();
        return Ok(response);
    }
    pass_on(far.headers(), response.headers_mut());
    tokio::spawn(pass_bytes(hyper::upgrade::on(&mut request), hyper::upgrade::on(far)));
    Ok(response)
}

/// Copies the headers of the handshake that both versions have. The suite requests no subprotocol.
fn pass_on(from: &HeaderMap, to: &mut HeaderMap) {
    for name in [SEC_WEBSOCKET_VERSION, SEC_WEBSOCKET_EXTENSIONS] {
        for value in from.get_all(&name) {
            to.append(&name, value.clone());
        }
    }
}

async fn pass_bytes(near: OnUpgrade, far: OnUpgrade) -> Result<()> {
    let (mut near, mut far) = (TokioIo::new(near.await?), TokioIo::new(far.await?));
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

fn report(what: &str, result: sockeye::Result<()>) {
    match result {
        // The suite breaks every rule on purpose.
        Ok(()) | Err(Error::Protocol(_) | Error::Disconnected | Error::ClosedMidMessage(_)) => {}
        Err(error) => eprintln!("{what}{error:?}"),
    }
}

async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}
