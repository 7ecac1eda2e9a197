use std::time::Duration;

use super::Access;
use crate::core::history::Retention;
use crate::room_options::RoomOptions;

/// The rules of a room.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rules {
    /// The clients that may join the room. Never [`Access::Member`].
    pub join: Access,
    /// The clients that may publish to the room.
    pub publish: Access,
    /// The clients that may see who is in the room, and who joins and leaves.
    pub presence: Access,
    /// The clients that may read the history. The others recover what they missed from a position
    /// whose tag proves that they were in the room.
    pub history: Access,
    /// The properties of the room.
    pub options: RoomOptions,
}

impl Rules {
    /// Creates the rules by which nobody may do anything, without presence and history.
    pub fn closed() -> Self {
        Self {
            join: Access::Nobody,
            publish: Access::Nobody,
            presence: Access::Nobody,
            history: Access::Nobody,
            options: RoomOptions::new(),
        }
    }

    /// Creates the rules by which anybody may do everything, with presence and a history of 1,000
    /// publications and one hour.
    pub fn open() -> Self {
        let retention = Retention { age: Duration::from_secs(3_600), ..Retention::default() };
        Self {
            join: Access::Anybody,
            publish: Access::Anybody,
            presence: Access::Anybody,
            history: Access::Anybody,
            options: RoomOptions::new().history(retention).presence(),
        }
    }
}
