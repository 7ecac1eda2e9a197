//! Values are sent and received as JSON messages, on whole and split connections and by clients
//! that reconnect; a message that does not fit leaves the connection open.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;

use sockeye::reconnect::Reconnecting;
use sockeye::{Client, JsonError, Message, Server, WebSocket, connect};

/// Returns the URL of a server that echoes messages.
async fn serve() -> String {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    tokio::spawn(server.serve(async |mut ws: WebSocket| -> sockeye::Result<()> {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok(())
    }));
    url
}

async fn served() -> WebSocket {
    connect(&serve().await).await.unwrap()
}

#[tokio::test]
async fn by_a_whole_connection() {
    let mut ws = served().await;
    ws.send_json(&("salmon", 3)).await.unwrap();
    assert_eq!(ws.recv_json().await.unwrap(), Some((String::from("salmon"), 3)));
    ws.send_json("text").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), r#""text""#);
    ws.send(&b"[1, 2]"[..]).await.unwrap();
    assert_eq!(ws.recv_json().await.unwrap(), Some([1, 2]), "in a binary message as well");
}

#[tokio::test]
async fn by_halves() {
    let (sender, mut receiver) = served().await.split();
    sender.send_json(&["salmon"]).await.unwrap();
    assert_eq!(receiver.recv_json().await.unwrap(), Some([String::from("salmon")]));
}

#[tokio::test]
async fn by_a_client_that_reconnects() {
    let mut client = Reconnecting::new(Client::new(serve().await));
    client.send_json(&("salmon", 3)).await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), r#"["salmon",3]"#);
    let unfit = HashMap::from([((1, 2), 3)]);
    assert!(matches!(client.send_json(&unfit).await, Err(JsonError::Json(_))));
    let (sender, mut receiver) = client.split();
    sender.send_json(&4).await.unwrap();
    assert_eq!(receiver.recv().await.unwrap().unwrap(), "4");
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_refused_and_the_connection_continues() {
    let mut ws = served().await;
    let unfit = HashMap::from([((1, 2), 3)]);
    assert!(matches!(ws.send_json(&unfit).await, Err(JsonError::Json(_))), "a key is no string");
    ws.send("salmon").await.unwrap();
    let error = ws.recv_json::<u8>().await.unwrap_err();
    assert!(matches!(&error, JsonError::Json(error) if error.is_syntax()), "{error:?}");
    assert_eq!(error.to_string(), "expected value at line 1 column 1");
    ws.send_json(&4).await.unwrap();
    assert_eq!(ws.recv_json().await.unwrap(), Some(4_u8));
    assert_eq!(ws.send(Message::from("")).await.ok(), Some(()));
}
