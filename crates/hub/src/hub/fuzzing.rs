//! The property of messages between nodes that a fuzz target checks: see [`crate::fuzzing`].

use bytes::Bytes;

use super::command::{Command, Envelope};
use super::survey::check_round_trip;
use crate::core::presence::PresenceMessage;

pub(crate) fn check(input: &[u8]) {
    let Some((envelope, content)) = Envelope::unwrap(&Bytes::copy_from_slice(input)) else {
        return;
    };
    match envelope {
        Envelope::Command => {
            if let Some(command) = Command::decode(content) {
                assert_eq!(Command::decode(command.encode()), Some(command));
            }
        }
        Envelope::Presence => match PresenceMessage::decode(&content) {
            Ok(message) => {
                assert_eq!(PresenceMessage::decode(&message.encode()).as_ref(), Ok(&message));
            }
            Err(error) => drop(error.to_string()),
        },
        Envelope::Survey => check_round_trip(content),
    }
}
