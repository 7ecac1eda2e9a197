//! The state of a hub as pure data: no socket, clock or randomness. Time and random values are
//! arguments, so that every transition can be tested and simulated.

pub mod filter;
pub mod history;
pub mod presence;

pub(crate) mod capacity;
mod position;
mod publication;
mod room_name;
mod session_id;

pub use position::{Epoch, ParsePositionError, Position, Tag};
pub use publication::{Publication, PublicationId};
pub use room_name::{RoomName, RoomNameError};
pub use session_id::{NodeId, ParseSessionIdError, SessionId, UserId};

cfg_if::cfg_if! {
    if #[cfg(not(target_family = "wasm"))] {
        pub mod continuity;
        pub mod outbox;
        mod room_key;
        pub mod topics;

        pub use room_key::RoomKey;
    }
}
