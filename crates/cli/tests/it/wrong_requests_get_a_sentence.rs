//! The response to a wrong request names the right path.

use crate::program;

#[test]
fn an_unknown_path_says_what_there_is() {
    let answer = program::Server::start(&[]).page("/nothing");
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    assert!(answer.contains("The page is at /, the WebSocket at /echo"), "{answer}");
}

#[test]
fn echo_without_an_upgrade_asks_for_one() {
    let answer = program::Server::start(&[]).page("/echo");
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert!(answer.contains("\r\nupgrade: websocket\r\n"), "{answer}");
    assert!(answer.contains("point a WebSocket client here"), "{answer}");
}
