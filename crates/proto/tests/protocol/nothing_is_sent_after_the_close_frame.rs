use sockeye_proto::{CloseCode, CloseFrame, MessageRef, UsageError};

use crate::harness::{client, server};
use crate::wire::{CLOSE, FIN, bare, masked};

#[test]
fn every_kind_of_frame_is_refused() {
    let mut connection = server();
    let mut out = Vec::new();
    let frame = CloseFrame::new(CloseCode::GOING_AWAY, "bye").unwrap();
    connection.close(Some(&frame), &mut out).unwrap();
    assert_eq!(out, bare(FIN | CLOSE, b"\x03\xe9bye"));
    out.clear();
    let refused = Err(UsageError::Closing);
    assert_eq!(connection.send(MessageRef::Text("x"), &mut out), refused);
    let in_place = connection.send_in_place(MessageRef::Binary(&vec![0; 100_000]), &mut out);
    assert_eq!(in_place, Err(UsageError::Closing));
    assert_eq!(connection.ping(b"", &mut out), refused);
    assert_eq!(connection.pong(b"", &mut out), refused);
    assert_eq!(connection.close(None, &mut out), refused);
    assert_eq!(out, b"");
}

#[test]
fn a_close_frame_that_must_not_be_sent_leaves_the_connection_open() {
    let mut connection = client();
    let mut out = Vec::new();
    let code = CloseCode::from(1005);
    let bad = CloseFrame::from(code);
    let refused = Err(UsageError::InvalidCloseCode { code });
    assert_eq!(connection.close(Some(&bad), &mut out), refused);
    let long = CloseFrame::from(CloseCode::NORMAL_CLOSURE).with_reason("r".repeat(124));
    let refused = Err(UsageError::ControlTooLong { length: 126 });
    assert_eq!(connection.close(Some(&long), &mut out), refused);
    let refused = Err(UsageError::ControlTooLong { length: 126 });
    assert_eq!(connection.ping(&[0; 126], &mut out), refused);
    assert_eq!(out, b"");
    connection.close(None, &mut out).unwrap();
    assert_eq!(out, masked(FIN | CLOSE, b""));
}
