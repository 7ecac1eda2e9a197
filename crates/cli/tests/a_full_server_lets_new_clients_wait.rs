//! `--max-connections` counts WebSockets as well, and a place is given on as soon as it is free.

mod program;

use std::io::{Read, Write};

#[test]
fn a_full_server_serves_the_next_client_when_one_leaves() {
    let server = program::Server::start(&["--max-connections", "1"]);
    let mut first = server.dial();
    program::upgrade(&mut first, &server.address);
    // The system completes this connection; the server takes it up when the first has left.
    let mut second = server.dial();
    write!(second, "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    second.set_nonblocking(true).unwrap();
    assert_eq!(
        second.read(&mut [0]).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock,
        "served beside the first"
    );
    second.set_nonblocking(false).unwrap();
    drop(first);
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
}
