//! The example `rooms`.

#[allow(dead_code, reason = "its main is not called")]
#[path = "../../examples/rooms.rs"]
mod rooms;

use sockeye::WebSocket;
use tokio::net::TcpListener;

use crate::support::line;

/// Returns the next line that is a message and no notice.
async fn message(client: &mut WebSocket) -> String {
    loop {
        let line = line(client).await;
        if line.starts_with('[') {
            return line;
        }
    }
}

/// Splits a line such as `[5eed.1.c0de] ada: hello` into the position and the text.
fn split(line: &str) -> (&str, &str) {
    line.strip_prefix('[').and_then(|line| line.split_once("] ")).expect("a position and a text")
}

#[tokio::test]
async fn whose_clients_see_each_other_and_recover() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/?room=lobby", listener.local_addr().unwrap());
    tokio::spawn(async { rooms::serve(listener).await.unwrap() });
    let mut ada = sockeye::connect(&format!("{url}&name=ada")).await.unwrap();
    assert_eq!(line(&mut ada).await, "* in lobby");
    let mut grace = sockeye::connect(&format!("{url}&name=grace")).await.unwrap();
    assert_eq!(line(&mut grace).await, "* in lobby");
    while !line(&mut ada).await.contains("grace is here") {}

    ada.send("hello").await.unwrap();
    let first = message(&mut grace).await;
    let (position, text) = split(&first);
    assert_eq!(text, "ada: hello");
    grace.close(1000, "").await.unwrap();
    ada.send("are you there?").await.unwrap();
    while split(&message(&mut ada).await).1 != "ada: are you there?" {}
    let url = format!("{url}&name=grace&after={position}");
    let mut grace = sockeye::connect(&url).await.unwrap();
    assert_eq!(line(&mut grace).await, "* in lobby");
    assert_eq!(split(&message(&mut grace).await).1, "ada: are you there?");
}
