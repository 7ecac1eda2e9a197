//! The handler of a connection can read the head of its request if the server keeps it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use http::HeaderValue;
use sockeye::upgrade::{Admission, Options, Upgrader};
use sockeye::{Server, WebSocket, connect};
use tokio::io::{AsyncWriteExt, duplex};

use crate::peer;

async fn upgraded(upgrader: Upgrader) -> WebSocket {
    let (mut client, server) = duplex(4096);
    let request = peer::request("/chat/red?name=ada", "X-Key: a\r\nCookie: sid=1\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let ws = upgrader.accept(server).await.unwrap();
    // The test only inspects the connection and sends nothing on it.
    std::mem::forget(client);
    ws
}

#[tokio::test]
async fn a_handler_sees_path_query_and_headers() {
    let server = Server::bind("127.0.0.1:0").await.unwrap().keep_request(true);
    let url = format!("ws://{}/chat/red?name=ada+l", server.local_addr().unwrap());
    tokio::spawn(server.serve(async |mut ws| {
        let request = ws.request().unwrap();
        let said = format!("{} {}", request.path(), request.query("name").unwrap());
        assert_eq!(request.peer_addr(), ws.peer_addr());
        assert!(request.headers().contains_key("host"));
        ws.send(said).await?;
        ws.recv().await.map(drop)
    }));
    let mut ws = connect(url).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("/chat/red ada l".into()));
}

#[tokio::test]
async fn it_is_kept_beside_the_data_of_an_admission_and_only_when_asked() {
    let kept = Options::new().keep_request(true);
    let upgrader = Upgrader::new().options(kept);
    let ws = upgraded(upgrader.admit(async |_| Ok(Admission::new().data(7u8)))).await;
    let request = ws.request().unwrap();
    assert_eq!((request.path(), request.cookie("sid")), ("/chat/red", Some("1")));
    assert_eq!(request.headers().get("x-key"), Some(&HeaderValue::from_static("a")));
    assert_eq!(ws.data(), Some(&7u8));
    assert!(upgraded(Upgrader::new()).await.request().is_none());
}

#[cfg(feature = "hyper")]
#[tokio::test]
async fn requests_of_hyper_are_kept_and_their_peer_is_taken_from_an_extension() {
    use std::convert::Infallible;

    use http::{Request, Response};
    use hyper::body::Incoming;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use sockeye::Client;
    use sockeye::upgrade::{self, PeerAddr};
    use tokio::sync::mpsc;

    let (opened, mut connections) = mpsc::unbounded_channel();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let opened = opened.clone();
        async move {
            request.extensions_mut().insert(PeerAddr(([203, 0, 113, 7], 9).into()));
            let options = Options::new().keep_request(true);
            let (response, upgrading) =
                upgrade::hyper::<_, String>(&mut request, &options).unwrap();
            tokio::spawn(async move { opened.send(upgrading.await.unwrap()) });
            Ok::<Response<String>, Infallible>(response)
        }
    });
    let (near, far) = duplex(4096);
    let io = TokioIo::new(far);
    tokio::spawn(http1::Builder::new().serve_connection(io, service).with_upgrades());
    let _ws = Client::new("ws://example.com/chat?x=1").handshake(near).await.unwrap();
    let ws = connections.recv().await.unwrap();
    assert_eq!(ws.request().unwrap().uri(), "/chat?x=1");
    assert_eq!(ws.peer_addr(), Some(([203, 0, 113, 7], 9).into()));
}
