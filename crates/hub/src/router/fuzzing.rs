//! The property of the codecs that a fuzz target checks: see [`crate::fuzzing`].

use bytes::Bytes;
use sockeye::{Message, Utf8Bytes};

use super::codec::{Codec, Decoded, Incoming, JsonCommands, Packets, TextCommands};
use super::{Failure, FailureCode};

pub(crate) fn check(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    let codec: &dyn Codec = match kind % 3 {
        0 => &JsonCommands::new(),
        1 => &TextCommands::new(),
        _ => &Packets::new().max_length(1 << 10).cancel_type(9),
    };
    let bytes = Bytes::copy_from_slice(rest);
    let is_text = (kind % 6 < 3) != (kind % 3 == 2);
    let message = if is_text {
        let Ok(text) = Utf8Bytes::try_from(bytes) else { return };
        Message::Text(text)
    } else {
        Message::Binary(bytes)
    };
    let mut next = Some(message);
    while let Some(message) = next {
        let length = message.len();
        let Decoded { command, rest } = codec.decode(message);
        assert!(rest.as_ref().is_none_or(|rest| rest.len() < length));
        next = rest;
        match command {
            Ok(Incoming::Command(command)) => {
                let (name, id) = (Some(&command.name), command.id.as_ref());
                // The content of a command need not be one that its codec can encode.
                let _ = codec.encode_reply(name, id, Ok(&command.content));
                let failure = Failure::new(FailureCode::NOT_FOUND, "no such command");
                codec.encode_reply(name, id, Err(&failure)).expect("a failure can be encoded");
            }
            Ok(Incoming::Cancel(_)) => {}
            Err(malformed) => {
                let (id, failure) = (malformed.id.as_ref(), &malformed.failure);
                codec.encode_reply(None, id, Err(failure)).expect("a failure can be encoded");
            }
        }
    }
}
