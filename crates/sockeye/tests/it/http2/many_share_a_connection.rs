use sockeye::handshake::RequestError;
use sockeye::upgrade::Options;
use sockeye::{Client, CloseCode, ConnectError, Deflate};
use tokio::sync::mpsc;

use super::serving::{self, MAX_STREAMS, client, echo};

#[tokio::test]
async fn many_share_a_connection_and_each_has_its_own_messages() {
    let options = Options::new().subprotocols(["chat"]).deflate(Deflate::new());
    let (stream, server) = serving::serve(options, echo);
    let client = client().subprotocols(["chat"]).deflate(Deflate::new());
    let http2 = client.handshake_http2(stream).await.unwrap();
    let mut sockets = Vec::new();
    for at in 0..MAX_STREAMS {
        let ws = http2.open(&format!("/{at}")).await.unwrap();
        assert_eq!(ws.subprotocol(), Some("chat"));
        assert!(ws.extensions().unwrap().starts_with("permessage-deflate"));
        sockets.push(ws);
    }
    for round in 0..5 {
        for (at, ws) in sockets.iter_mut().enumerate() {
            ws.send(format!("{at} says {round}")).await.unwrap();
        }
        for (at, ws) in sockets.iter_mut().enumerate().rev() {
            assert_eq!(ws.recv().await.unwrap(), Some(format!("{at} says {round}").into()));
        }
    }
    for mut ws in sockets {
        ws.close(CloseCode::NORMAL_CLOSURE, "done").await.unwrap();
        assert_eq!(ws.close_frame().unwrap().code, CloseCode::NORMAL_CLOSURE);
    }
    drop(http2);
    // The connection ends with its last user.
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_more_than_the_server_allows_waits_until_another_ends() {
    let (http2, _server) = serving::connect(Options::new(), echo).await;
    let mut sockets = Vec::new();
    for _ in 0..MAX_STREAMS {
        sockets.push(http2.open("/").await.unwrap());
    }
    let opening = tokio::spawn(async move { http2.open("/").await });
    // An open WebSocket still works while another one waits.
    for _ in 0..10 {
        sockets[0].send("still here").await.unwrap();
        assert_eq!(sockets[0].recv().await.unwrap(), Some("still here".into()));
    }
    assert!(!opening.is_finished());
    sockets.pop().unwrap().close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    let mut ws = opening.await.unwrap().unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("hello".into()));
}

#[tokio::test]
async fn each_may_have_a_path_and_headers_of_its_own() {
    let (paths, mut seen) = mpsc::unbounded_channel();
    let handler = move |ws, path: String| {
        paths.send(path.clone()).unwrap();
        echo(ws, path)
    };
    let options = Options::new().subprotocols(["a", "b"]);
    let (http2, _server) = serving::connect(options, handler).await;
    let _first = http2.open("/chat").await.unwrap();
    let _second = http2.open("prices").await.unwrap();
    let other = Client::new("ws://example.com/feed").subprotocols(["b"]);
    let third = http2.open_as(&other).await.unwrap();
    assert_eq!(third.subprotocol(), Some("b"));
    for path in ["/chat", "/prices", "/feed"] {
        assert_eq!(seen.recv().await.unwrap(), path);
    }

    match http2.open("/#fragment").await.unwrap_err() {
        ConnectError::Request(RequestError::Fragment) => {}
        other => panic!("{other:?}"),
    }
    for url in ["wss://example.com/", "ws://example.org/", "ws://example.com:81/"] {
        match http2.open_as(&Client::new(url)).await.unwrap_err() {
            ConnectError::OtherServer { connected, .. } => assert_eq!(connected, "example.com"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_connection_goes_on_with_its_websockets_when_the_handle_is_dropped() {
    let (http2, server) = serving::connect(Options::new(), echo).await;
    let mut ws = http2.clone().open("/").await.unwrap();
    drop(http2);
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("hello".into()));
    drop(ws);
    server.await.unwrap().unwrap();
}
