//! The property of the decoders that a fuzz target checks: see [`crate::fuzzing`].

use std::fmt::Debug;

use bytes::Bytes;
use sockeye::{Message, Utf8Bytes};

use super::message::{Body, ClientMessage, ServerMessage};
use super::{Encoding, Envelope};

pub(crate) fn check(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    let bytes = Bytes::copy_from_slice(rest);
    let (encoding, message) = if kind & 1 == 0 {
        let Ok(text) = Utf8Bytes::try_from(bytes) else { return };
        (Encoding::Json, Message::Text(text))
    } else {
        (Encoding::Binary, Message::Binary(bytes))
    };
    if kind & 2 == 0 {
        check_round_trip::<ClientMessage>(encoding, &message);
    } else {
        check_round_trip::<ServerMessage>(encoding, &message);
    }
}

fn check_round_trip<T: Body + PartialEq + Debug>(encoding: Encoding, message: &Message) {
    match encoding.decode::<T>(message) {
        Ok(Envelope { id, body }) => {
            let encoded = encoding.encode(id, &body);
            assert_eq!(encoding.decode(&encoded), Ok(Envelope { id, body }), "{encoded:?}");
        }
        Err(undecodable) => drop(undecodable.to_string()),
    }
}
