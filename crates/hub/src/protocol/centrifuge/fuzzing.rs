//! The property of the decoders that a fuzz target checks: see [`crate::fuzzing`].

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use sockeye::{CloseFrame, Message, Utf8Bytes};

use super::commands::classify;
use super::{Encoding, filter, position};
use crate::protocol::ClientLimits;

pub(crate) fn check(input: &[u8]) {
    let Some((encoding, rest)) = input.split_first() else { return };
    let limits = ClientLimits { commands: 8, command_bytes: 8 << 10, ..ClientLimits::default() };
    let bytes = Bytes::copy_from_slice(rest);
    let (encoding, message) = if encoding & 1 == 0 {
        let Ok(text) = Utf8Bytes::try_from(bytes) else { return };
        (Encoding::Json, Message::Text(text))
    } else {
        (Encoding::Protobuf, Message::Binary(bytes))
    };
    let commands = match encoding.decode(message, &limits) {
        Ok(commands) => commands,
        Err(frame) => {
            CloseFrame::new(frame.code, frame.reason.to_string()).expect("a valid close frame");
            return;
        }
    };
    assert!(!commands.is_empty() && commands.len() <= limits.commands);
    if encoding == Encoding::Protobuf {
        let mut again = BytesMut::new();
        for command in &commands {
            command.encode_length_delimited(&mut again).expect("the buffer grows");
        }
        let unbounded = ClientLimits { command_bytes: usize::MAX, ..limits };
        let again = encoding.decode(Message::Binary(again.freeze()), &unbounded);
        assert_eq!(again.as_ref(), Ok(&commands));
    }
    for command in commands {
        let subs = command.connect.iter().flat_map(|connect| connect.subs.values());
        for request in command.subscribe.iter().chain(subs) {
            let _ = position::from_wire(&request.epoch, request.offset);
            let _ = request.tf.clone().map(filter::from_wire);
        }
        let _ = classify(command);
    }
}
