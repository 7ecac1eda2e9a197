use std::collections::HashMap;

use tokio::sync::oneshot;

use super::ClientError;
use crate::core::{Position, RoomName};
use crate::join::{JoinOptions, Joined};
use crate::protocol::v1::message::{Join, Resume};
use crate::protocol::v1::{AsText, FilterField, Json};

/// The rooms of a client: those that it has joined, or tries to, and those that the server has made
/// it join.
#[derive(Default)]
pub(super) struct Rooms {
    rooms: HashMap<RoomName, ClientRoom>,
}

/// The state of a room.
#[derive(Default)]
pub(super) struct ClientRoom {
    pub(super) options: JoinOptions,
    pub(super) position: Option<Position>,
    pub(super) joined: bool,
    /// `true` if the server has made the client join.
    pub(super) by_server: bool,
    /// Temporary refusals in a row.
    pub(super) refusals: u32,
    waiting: Vec<oneshot::Sender<Result<Joined, ClientError>>>,
}

impl Rooms {
    /// Adds a room to join. Returns whether a command is needed; the outcome is sent to `reply`.
    pub(super) fn join(
        &mut self,
        room: &RoomName,
        options: JoinOptions,
        reply: oneshot::Sender<Result<Joined, ClientError>>,
    ) -> bool {
        let is_new = !self.rooms.contains_key(room);
        let state = self.rooms.entry(room.clone()).or_default();
        if state.joined {
            let (position, recovery) = (state.position, crate::join::Recovered::NotAsked);
            // The caller may have given up.
            let _ = reply.send(Ok(Joined { position, recovery, already: true }));
            return false;
        }
        state.position = options.from.or(state.position);
        state.options = options;
        state.waiting.retain(|waiting| !waiting.is_closed());
        state.waiting.push(reply);
        is_new
    }

    pub(super) fn contains(&self, room: &RoomName) -> bool {
        self.rooms.contains_key(room)
    }

    pub(super) fn get_mut(&mut self, room: &RoomName) -> Option<&mut ClientRoom> {
        self.rooms.get_mut(room)
    }

    /// Returns a room that the server has made the client join, and adds it if it is new.
    pub(super) fn forced(&mut self, room: &RoomName) -> &mut ClientRoom {
        self.rooms
            .entry(room.clone())
            .or_insert_with(|| ClientRoom { by_server: true, ..ClientRoom::default() })
    }

    /// Removes a room; those who wait for it get the error.
    pub(super) fn remove(&mut self, room: &RoomName, error: &ClientError) {
        let Some(mut state) = self.rooms.remove(room) else { return };
        for waiting in state.waiting.drain(..) {
            // The caller may have given up.
            let _ = waiting.send(Err(error.clone()));
        }
    }

    /// Returns the rooms to join with a new connection.
    pub(super) fn to_join(&self) -> Vec<RoomName> {
        let own = self.rooms.iter().filter(|(_, state)| !state.by_server);
        own.map(|(room, _)| room.clone()).collect()
    }

    /// Returns the positions in rooms that the server makes the client join.
    pub(super) fn to_resume(&self) -> Vec<Resume> {
        let forced = self.rooms.iter().filter(|(_, state)| state.by_server);
        let resume = forced.filter_map(|(room, state)| {
            Some(Resume { room: room.as_str().into(), from: AsText(state.position?) })
        });
        resume.collect()
    }

    /// Returns whether the client knows that a room has a history.
    pub(super) fn has_history(&self, room: &str) -> bool {
        self.rooms.get(room).is_some_and(|state| state.position.is_some())
    }

    pub(super) fn on_lost(&mut self) {
        for state in self.rooms.values_mut() {
            state.joined = false;
        }
    }
}

impl ClientRoom {
    pub(super) fn command(&self, room: &RoomName, token: Option<&str>) -> Join {
        Join {
            room: room.as_str().into(),
            from: self.position.map(AsText),
            filter: self.options.filter.clone().map(FilterField),
            info: Json(self.options.info.clone()),
            token: token.map(Into::into),
            presence: !self.options.quiet,
        }
    }

    pub(super) fn on_joined(&mut self, joined: &Joined) {
        self.joined = true;
        self.refusals = 0;
        self.position = joined.position;
        for waiting in self.waiting.drain(..) {
            // The caller may have given up.
            let _ = waiting.send(Ok(*joined));
        }
    }
}
