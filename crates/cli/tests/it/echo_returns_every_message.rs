//! `/echo` works with any WebSocket client; this test uses the library's.

use crate::program;
use sockeye::{CloseCode, Message};

#[tokio::test]
async fn echo_returns_text_and_binary_of_any_length_in_order() {
    let server = program::Server::start(&[]);
    let mut ws = sockeye::connect(&format!("ws://{}/echo", server.address)).await.unwrap();
    let messages = [
        Message::from("Grüße"),
        Message::from(""),
        Message::from(vec![0, 255, 1, 254]),
        Message::from("salmon ".repeat(100_000)),
        Message::from(vec![7; 3 << 20]),
    ];
    for message in &messages {
        ws.feed(message.clone()).await.unwrap();
    }
    for message in &messages {
        assert_eq!(ws.recv().await.unwrap().as_ref(), Some(message));
    }
    ws.close(CloseCode::NORMAL_CLOSURE, "done").await.unwrap();
}
