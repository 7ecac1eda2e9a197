//! The hook before the upgrade may wait, refuse with any response, or admit a client with data.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::peer;
use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use sockeye::handshake::HandshakeError;
use sockeye::upgrade::{Admission, Options, Refusal, UpgradeRequest, Upgrader};
use sockeye::{Client, ConnectError, Server, UpgradeError, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::task::yield_now;

#[derive(Clone, Debug, PartialEq)]
struct User(String);

#[derive(Clone, Debug, PartialEq)]
struct Peer(Option<SocketAddr>);

/// Admits a client with a token, wherever the request has it.
async fn admit(request: UpgradeRequest) -> Result<Admission, Refusal> {
    // Like a hook that queries another service.
    yield_now().await;
    let by_subprotocol = || request.subprotocols().iter().find_map(|s| s.strip_prefix("bearer."));
    let query = request.query("access_token");
    let token = request.bearer_token().or_else(by_subprotocol).or(query.as_deref());
    match token.or_else(|| request.cookie("session")) {
        Some("s3cret") => Ok(Admission::new()
            .data(User("Ada".into()))
            .data(Peer(request.peer_addr()))
            .header(header::SET_COOKIE, HeaderValue::from_static("seen=1"))),
        Some("v1") => Ok(Admission::new().subprotocol("chat.v1")),
        Some(_) => Err(Refusal::forbidden("this token is not valid")),
        None => Err(Refusal::new(StatusCode::UNAUTHORIZED, "")
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            .content(HeaderValue::from_static("application/json"), r#"{"error":"no token"}"#)),
    }
}

fn upgrader() -> Upgrader {
    let options = Options::new().subprotocols(["chat.v2", "chat.v1"]);
    Upgrader::new().options(options).admit(admit)
}

async fn who(mut ws: WebSocket) -> sockeye::Result<()> {
    let user = format!("{:?} {:?}", ws.data::<User>(), ws.subprotocol());
    assert!(ws.data::<Peer>().is_none_or(|peer| peer.0.is_some() && peer.0 == ws.peer_addr()));
    ws.send(user).await?;
    while ws.recv().await?.is_some() {}
    Ok(())
}

/// Starts a server that sends clients their identity, and returns its address.
async fn serve() -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.unwrap().upgrader(upgrader());
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(who));
    address
}

async fn status_and_body(client: Client) -> (StatusCode, Vec<u8>) {
    match client.connect().await.unwrap_err() {
        ConnectError::Handshake(HandshakeError::Status { status, body, .. }) => {
            (status, body.to_vec())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_is_taken_from_header_subprotocol_query_and_cookie() {
    let url = format!("ws://{}/chat", serve().await);
    let by_cookie = Client::new(&url).header("Cookie", "a=b; session=s3cret");
    for (client, subprotocol) in [
        (Client::new(&url).header("Authorization", "Bearer s3cret"), "None"),
        (Client::new(&url).subprotocols(["chat.v2", "bearer.s3cret"]), "Some(\"chat.v2\")"),
        (Client::new(format!("{url}?access_token=s3cr%65t")), "None"),
        (by_cookie, "None"),
    ] {
        let mut ws = client.connect().await.unwrap();
        let expected = format!("Some(User(\"Ada\")) {subprotocol}");
        assert_eq!(ws.recv().await.unwrap(), Some(expected.into()));
    }
}

#[tokio::test]
async fn who_is_refused_gets_the_status_and_body_of_the_hook() {
    let url = format!("ws://{}/chat", serve().await);
    let (status, body) = status_and_body(Client::new(&url)).await;
    assert_eq!((status, body), (StatusCode::UNAUTHORIZED, br#"{"error":"no token"}"#.to_vec()));
    let guess = Client::new(&url).header("Authorization", "Bearer guess");
    let (status, body) = status_and_body(guess).await;
    assert_eq!((status, body), (StatusCode::FORBIDDEN, b"this token is not valid".to_vec()));
}

#[tokio::test]
async fn the_hook_chooses_the_subprotocol() {
    let url = format!("ws://{}/chat?access_token=v1", serve().await);
    let client = Client::new(&url).subprotocols(["chat.v2", "chat.v1"]);
    let mut ws = client.connect().await.unwrap();
    assert_eq!(ws.subprotocol(), Some("chat.v1"));
    assert_eq!(ws.recv().await.unwrap(), Some("None Some(\"chat.v1\")".into()));
    // A subprotocol that the client did not offer must not be sent.
    let (status, body) = status_and_body(Client::new(&url).subprotocols(["chat.v2"])).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body, b"no subprotocol could be agreed on\n");
}

#[tokio::test]
async fn the_answer_has_the_headers_and_the_stream_the_address_that_it_was_given() {
    let (stream, mut client) = duplex(4096);
    let request = peer::request("/?access_token=s3cret", "");
    client.write_all(request.as_bytes()).await.unwrap();
    let from: SocketAddr = "192.0.2.7:1234".parse().unwrap();
    let mut ws = upgrader().accept_from(stream, from).await.unwrap();
    assert_eq!(ws.data::<Peer>(), Some(&Peer(Some(from))));
    assert_eq!(ws.set_data(User("Grace".into())), Some(User("Ada".into())));
    ws.data_mut::<User>().unwrap().0.push('!');
    assert_eq!(ws.data::<User>(), Some(&User("Grace!".into())));
    let mut answer = vec![0; 1024];
    let length = client.read(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer[..length].to_vec()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    assert!(answer.contains("\r\nset-cookie: seen=1\r\n"), "{answer}");
}

#[tokio::test]
async fn a_whole_refusal_is_on_the_wire() {
    let (stream, mut client) = duplex(4096);
    client.write_all(peer::request("/", "").as_bytes()).await.unwrap();
    let server = tokio::spawn(async move { upgrader().accept(stream).await });
    let answer = peer::read_all(&mut client).await;
    drop(client);
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    assert!(answer.contains("\r\nwww-authenticate: Bearer\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"error\":\"no token\"}"), "{answer}");
    assert!(matches!(
        server.await.unwrap().unwrap_err(),
        UpgradeError::Handshake(HandshakeError::Refused(refusal)) if refusal.status() == 401
    ));
}

#[tokio::test]
async fn a_hook_that_never_decides_is_dropped_at_the_deadline_and_the_client_refused() {
    struct Dropped(Option<tokio::sync::oneshot::Sender<()>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    let (notify, notified) = tokio::sync::oneshot::channel();
    let notify = std::sync::Mutex::new(Some(notify));
    let timeout = Duration::from_millis(20);
    let upgrader =
        Upgrader::new().options(Options::new().handshake_timeout(timeout)).admit(move |_| {
            let dropped = Dropped(notify.lock().unwrap().take());
            async move {
                let _dropped = dropped;
                std::future::pending().await
            }
        });
    let (stream, mut client) = duplex(4096);
    client.write_all(peer::request("/", "").as_bytes()).await.unwrap();
    let server = tokio::spawn(async move { upgrader.accept(stream).await });
    let answer = peer::read_all(&mut client).await;
    drop(client);
    notified.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(
        answer.ends_with("\r\n\r\nthe server did not decide on the request in time\n"),
        "{answer}"
    );
    let error = server.await.unwrap().unwrap_err();
    assert!(matches!(error, UpgradeError::TimedOut { after } if after == timeout), "{error:?}");
}
