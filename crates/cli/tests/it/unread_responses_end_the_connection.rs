//! A client that requests pages and reads nothing loses its slot.

use std::io::{Read, Write};
use std::time::Duration;

use crate::program;

#[test]
fn a_client_that_reads_no_response_loses_its_slot() {
    let server = program::Server::start(&["--max-connections", "1", "--write-timeout", "200ms"]);
    let mut silent = server.dial();
    let request = format!("GET /app.js HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    // Enough requests to fill all buffers on the path, so that the server stops reading: from then
    // on nothing moves.
    silent.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    while silent.write_all(request.as_bytes()).is_ok() {}
    // The only slot is taken, so this is answered once the silent client was disconnected.
    let answer = server.get("/healthz");
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest);
}

#[test]
fn a_client_that_reads_slowly_gets_the_whole_response() {
    let server = program::Server::start(&["--write-timeout", "500ms"]);
    let mut slow = server.send_get("/app.js");
    let mut received = Vec::new();
    let mut piece = [0; 16];
    loop {
        match slow.read(&mut piece).unwrap() {
            0 => break,
            length => received.extend_from_slice(&piece[..length]),
        }
    }
    assert!(received.ends_with(include_bytes!("../../page/app.js")));
}
