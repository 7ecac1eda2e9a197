//! `--max-connections` counts WebSockets as well, and a slot is reused as soon as it is free.

use crate::program;
use std::io::Read;

#[test]
fn a_full_server_serves_the_next_client_when_one_leaves() {
    let mut server = program::Server::start(&["--max-connections", "1", "-v"]);
    let mut first = server.dial();
    program::upgrade(&mut first, &server.address);
    server.wait_for("WebSocket opened");
    // The system completes this connection; the server accepts it when the first has ended.
    let mut second = server.send_get("/healthz");
    drop(first);
    assert_eq!(server.wait_for_any(&["WebSocket failed", "accepted"]), "WebSocket failed");
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
}
