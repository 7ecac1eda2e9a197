//! The example `from_melody`, and the document that compares it with its original.

#[allow(dead_code, reason = "its main is not called")]
#[path = "../../examples/from_melody.rs"]
mod from_melody;

use std::net::SocketAddr;

use sockeye::WebSocket;
use tokio::net::TcpListener;

use crate::support::{line, lines};

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { from_melody::serve(listener).await.unwrap() });
    address
}

async fn connect(server: SocketAddr, query: &str) -> WebSocket {
    sockeye::connect(&format!("ws://{server}/ws?{query}")).await.unwrap()
}

fn close_frame(ws: &WebSocket) -> (u16, &str) {
    let frame = ws.close_frame().unwrap();
    (frame.code.into(), &frame.reason)
}

#[tokio::test]
async fn and_behaves_as_its_original() {
    let server = serve().await;
    let mut ada = connect(server, "name=ada").await;
    assert_eq!(line(&mut ada).await, "ada is here");
    let mut grace = connect(server, "name=grace&room=lobby").await;
    for client in [&mut ada, &mut grace] {
        assert_eq!(line(client).await, "grace is here");
    }
    // A line goes to one room.
    let mut edsger = connect(server, "name=edsger&room=den").await;
    assert_eq!(line(&mut edsger).await, "edsger is here");
    ada.send("hello").await.unwrap();
    for client in [&mut ada, &mut grace] {
        assert_eq!(line(client).await, "ada says hello");
    }
    // A filter of sessions by a key.
    grace.send("/away").await.unwrap();
    grace.send("at tea").await.unwrap();
    assert_eq!(lines(&mut ada, 1).await, ["grace says at tea"]);
    ada.send("/all the server stops").await.unwrap();
    for client in [&mut ada, &mut edsger] {
        assert_eq!(line(client).await, "ada to all: the server stops");
    }
    grace.send("/back").await.unwrap();
    grace.send("again").await.unwrap();
    assert_eq!(lines(&mut grace, 2).await, ["grace says at tea", "grace says again"]);
    // Close codes.
    grace.send("/quit").await.unwrap();
    assert_eq!(grace.recv().await.unwrap(), None);
    assert_eq!(close_frame(&grace), (1000, "goodbye"));
    assert_eq!(lines(&mut ada, 2).await, ["grace says again", "grace has left"]);
    let mut nameless = connect(server, "room=lobby").await;
    assert_eq!(nameless.recv().await.unwrap(), None);
    assert_eq!(close_frame(&nameless), (4000, "a name is missing"));
}

#[test]
fn and_the_document_shows_this_translation() {
    let document = include_str!("../../../../docs/from-melody.md");
    let example = include_str!("../../examples/from_melody.rs");
    // Without the comment on top.
    let code = &example[example.find("use ").unwrap()..];
    assert!(document.contains(code), "docs/from-melody.md differs from the example");
}
