//! `--max-message` is the maximum length of an echoed message.

use crate::program;
use sockeye::CloseCode;

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009() {
    let server = program::Server::start(&["--max-message", "1KiB"]);
    let mut ws = sockeye::connect(&format!("ws://{}/echo", server.address)).await.unwrap();
    ws.send(vec![1; 1024]).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().map(|message| message.len()), Some(1024));
    ws.send(vec![1; 1025]).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
    let frame = ws.close_frame().expect("a close frame with a code");
    assert_eq!(frame.code, CloseCode::MESSAGE_TOO_BIG);
}
