use sockeye_proto::{Connection, Input, Message, ProtocolError};

use crate::harness::server;
use crate::wire::{BINARY, FIN, PING, RSV1, TEXT, masked};

/// Takes a whole message from `wire`, and returns it with the number of bytes taken.
fn take(
    connection: &mut Connection,
    wire: &[u8],
) -> (Option<Result<Message, ProtocolError>>, usize) {
    let (mut wire, mut out) = (wire.to_vec(), Vec::new());
    let mut input = Input::new(&mut wire);
    let before = input.len();
    let taken = connection.receive_whole(&mut input, &mut out);
    let taken = taken.map(|received| received.map(Message::from));
    let length = before - input.len();
    (taken, length)
}

#[test]
fn a_message_that_is_whole_may_be_taken_first() {
    let whole = masked(FIN | BINARY, b"whole");
    let two = [&whole[..], &whole].concat();
    assert_eq!(take(&mut server(), &two), (Some(Ok((&b"whole"[..]).into())), whole.len()));
}

#[test]
fn of_anything_else_nothing_is_taken() {
    let whole = masked(FIN | BINARY, b"whole");
    for wire in [
        &whole[..whole.len() - 1],
        &masked(BINARY, b"a fragment"),
        &masked(FIN | PING, b"ping"),
        &masked(FIN | RSV1 | BINARY, b"compressed"),
        b"",
    ] {
        assert_eq!(take(&mut server(), wire), (None, 0), "{wire:x?}");
    }
    let mut streaming = server();
    streaming.stream_messages(true);
    assert_eq!(take(&mut streaming, &whole), (None, 0));
}

#[test]
fn one_that_breaks_a_rule_is_an_error() {
    let (taken, _) = take(&mut server(), &masked(FIN | TEXT, b"\xff"));
    assert_eq!(taken, Some(Err(ProtocolError::InvalidUtf8)));
}
