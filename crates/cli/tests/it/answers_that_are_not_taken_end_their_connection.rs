//! A client that asks for pages and reads nothing does not keep its place.

use std::io::{Read, Write};
use std::time::Duration;

use crate::program;

#[test]
fn a_client_that_reads_no_answer_gives_its_place_to_another() {
    let server = program::Server::start(&["--max-connections", "1", "--write-timeout", "200ms"]);
    let mut silent = server.dial();
    let request = format!("GET /app.js HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    // As many as fill all buffers on the way, which takes the server's reading with it: from then on nothing moves.
    silent.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    while silent.write_all(request.as_bytes()).is_ok() {}
    // With the only place taken, this is answered once the silent client was let go.
    let answer = server.page("/healthz");
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest);
}

#[test]
fn a_client_that_reads_slowly_gets_all_of_its_answer() {
    let server = program::Server::start(&["--write-timeout", "500ms"]);
    let mut slow = server.ask("/app.js");
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
