//! A peer cannot write lines of the log: its text is logged escaped.

use std::io::{BufRead, Write};

use crate::program;

/// Returns a close frame of a client, masked with zeros.
fn close_frame(reason: &str) -> Vec<u8> {
    let length = u8::try_from(2 + reason.len()).expect("a short reason");
    let mut frame = vec![0x88, 0x80 | length, 0, 0, 0, 0, 0x03, 0xe8];
    frame.extend_from_slice(reason.as_bytes());
    frame
}

#[test]
fn a_close_reason_forges_no_line_and_reorders_no_text() {
    let mut server = program::Server::start(&["-vv"]);
    let mut stream = server.dial();
    program::upgrade(&mut stream, &server.address);
    let reason = "bye\r\nFORGED a line\u{2028}\u{202e}\x1b[2J";
    stream.write_all(&close_frame(reason)).unwrap();
    let mut line = String::new();
    while !line.contains("bye") {
        line.clear();
        assert_ne!(
            server.log.read_line(&mut line).unwrap(),
            0,
            "the log does not contain the reason"
        );
    }
    assert!(line.contains(r"bye\r\nFORGED a line\u{2028}\u{202e}\u{1b}[2J"), "{line:?}");
}
