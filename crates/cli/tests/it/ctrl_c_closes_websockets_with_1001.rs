//! Graceful shutdown: every WebSocket gets a close frame with a retry hint, and the exit status is
//! 0.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::program;
use std::io::{Read, Write};

use sockeye::{CloseCode, CloseFrame, Shutdown};

/// Reads an unmasked Close frame and returns its code and reason.
fn read_close(stream: &mut impl Read) -> (u16, String) {
    let mut header = [0; 2];
    stream.read_exact(&mut header).expect("a close frame before the end");
    assert_eq!(header[0], 0x88, "a Close frame in one piece");
    let mut payload = vec![0; usize::from(header[1])];
    stream.read_exact(&mut payload).unwrap();
    let reason = String::from_utf8(payload.split_off(2)).unwrap();
    (u16::from_be_bytes([payload[0], payload[1]]), reason)
}

fn closes_with_1001_upon(signal: &str) {
    let server = program::Server::start(&["--shutdown-timeout", "1h"]);
    let mut client = server.dial();
    program::upgrade(&mut client, &server.address);
    server.signal(signal);
    let (code, reason) = read_close(&mut client);
    let frame = CloseFrame::new(code, reason).unwrap();
    assert_eq!(frame.code, CloseCode::GOING_AWAY);
    assert!(Shutdown::retry_hint(&frame).is_some(), "{frame}");
    // The reply: a masked Close frame with the same code, under the mask key 0.
    client.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"", "nothing follows a Close frame");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn ctrl_c_closes_websockets_with_1001_and_exits_with_0() {
    closes_with_1001_upon("INT");
}

#[test]
fn sigterm_closes_websockets_with_1001_and_exits_with_0() {
    closes_with_1001_upon("TERM");
}
