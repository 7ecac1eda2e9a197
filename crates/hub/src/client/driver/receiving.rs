//! Replies and events of the server.

use std::time::Duration;

use sockeye::Message;
use sockeye::reconnect::{Backoff, Event};

use super::{Driver, MAX_HELD, Phase, Task};
use crate::client::ClientError;
use crate::client::event::{self, ClientEvent};
use crate::client::requests::ReplyTo;
use crate::client::runtime::{Tasks, sleep};
use crate::core::{RoomName, UserId};
use crate::protocol::Refusal;
use crate::protocol::v1::AsText;
use crate::protocol::v1::message::{ClientMessage, Connected, Empty, Entry, ServerMessage};
use crate::random;

impl Driver {
    pub(super) fn on_event(&mut self, event: sockeye::Result<Option<Event>>) {
        match event {
            Ok(Some(Event::Message(message))) => self.on_message(&message),
            Ok(Some(Event::Connected)) => {
                self.phase = Phase::Connecting;
                self.await_token(Duration::ZERO);
            }
            Ok(Some(Event::Scheduled { delay, .. })) => self.emit(ClientEvent::Scheduled(delay)),
            Ok(Some(event)) => self.on_lost(event.to_string()),
            Ok(None) => self.close("the server closed the connection".into()),
            Err(error) => self.close(error.to_string()),
        }
    }

    fn on_lost(&mut self, reason: String) {
        self.phase = Phase::Offline;
        self.tasks = Tasks::new();
        self.refreshes.clear();
        self.rejoining.clear();
        self.connection.clear();
        self.rooms.on_lost();
        let rooms = &self.rooms;
        self.requests.on_lost(|message| match message {
            ClientMessage::Publish(publish) => {
                publish.id.is_some() && rooms.has_history(&publish.room)
            }
            _ => false,
        });
        self.emit(ClientEvent::Disconnected { reason });
    }

    fn on_message(&mut self, message: &Message) {
        let decoded = self.settings.encoding.decode::<ServerMessage>(message);
        match decoded {
            Ok(envelope) => match envelope.id {
                Some(id) => self.on_reply(id, envelope.body),
                None => self.on_push(envelope.body),
            },
            // A later version of the protocol has events that this one does not know.
            Err(undecodable) if undecodable.is_unknown() => {}
            Err(undecodable) => {
                self.close(format!("the server broke the protocol: {undecodable}"));
            }
        }
    }

    fn on_reply(&mut self, id: u64, reply: ServerMessage) {
        let Some(request) = self.requests.take(id) else { return };
        let reply = match reply {
            ServerMessage::Error(error) => Err(Refusal::from(error)),
            reply => Ok(reply),
        };
        match (request.receiver, reply) {
            (ReplyTo::Caller(caller), reply) => {
                // The caller may have given up.
                let _ = caller.send(reply.map_err(ClientError::Refused));
            }
            (ReplyTo::Connect, Ok(ServerMessage::Connect(connected))) => self.on_open(connected),
            (ReplyTo::Connect, Err(refusal)) => {
                // The server closes the connection, and another attempt follows.
                if !may_repeat(&refusal, self.settings.token.is_some()) {
                    self.close(refusal.to_string());
                }
            }
            // Each room was answered by an event.
            (ReplyTo::Join(_), Ok(ServerMessage::Join(_))) => {}
            (ReplyTo::Join(rooms), Err(refusal)) => {
                for room in rooms {
                    self.on_refused(&room, refusal.clone());
                }
            }
            // The client has left the room meanwhile.
            (ReplyTo::Refresh(room), _) if !self.refreshes.contains_key(&room) => {}
            (ReplyTo::Refresh(room), Ok(ServerMessage::Refresh(refreshed))) => {
                if let Some(expires) = refreshed.expires {
                    self.refresh_in(expires, room);
                }
            }
            (ReplyTo::Refresh(_), Err(refusal)) => self.emit(ClientEvent::Failed(refusal)),
            (_, Ok(_)) => self.close("the server sent the reply of another command".into()),
        }
    }

    fn on_open(&mut self, connected: Connected) {
        self.phase = Phase::Open;
        let Connected { session: AsText(session), user, data, expires, .. } = connected;
        if let Some(expires) = expires.filter(|_| self.settings.token.is_some()) {
            self.refresh_in(expires, None);
        }
        let user = user.map(|user| UserId::new(&user));
        self.emit(ClientEvent::Connected { session, user, data: data.0 });
        let rooms = self.rooms.to_join();
        if self.settings.room_token.is_some() {
            self.rejoining = rooms.iter().cloned().collect();
        }
        self.join(rooms);
        if self.rejoining.is_empty() {
            return self.release();
        }
        self.tasks.spawn(async {
            sleep(MAX_HELD).await;
            Task::Release
        });
    }

    fn on_push(&mut self, event: ServerMessage) {
        match event {
            ServerMessage::Publication(entry) => {
                let room = entry.room.as_deref().and_then(|room| RoomName::new(room).ok());
                if let Some(room) = room {
                    self.on_publication(room, entry);
                }
            }
            ServerMessage::Message(message) => {
                self.emit(ClientEvent::Message(message.payload.0));
            }
            ServerMessage::Joined(fields) => {
                let Ok(room) = RoomName::new(&fields.room) else { return };
                // The client has left the room before it was in it.
                if !self.rooms.contains(&room) && self.requests.is_leaving(&room) {
                    return;
                }
                let joined = event::joined(&fields);
                self.rooms.forced(&room).on_joined(&joined);
                self.emit(ClientEvent::Joined { room: room.clone(), joined });
                for entry in fields.publications {
                    self.on_publication(room.clone(), entry);
                }
                match fields.expires.filter(|_| self.settings.room_token.is_some()) {
                    Some(expires) => self.refresh_in(expires, Some(room)),
                    None => self.end_refresh(Some(&room)),
                }
            }
            ServerMessage::Refused(fields) => {
                let Ok(room) = RoomName::new(&fields.room) else { return };
                let message = fields.message.into_string().into();
                let refusal = Refusal { code: fields.code, message, temporary: fields.temporary };
                self.on_refused(&room, refusal);
            }
            ServerMessage::Left(fields) => {
                let Ok(room) = RoomName::new(&fields.room) else { return };
                let expired = fields.code == Some(Refusal::TOKEN_EXPIRED.code);
                if expired && self.settings.room_token.is_some() {
                    self.end_refresh(Some(&room));
                    if let Some(state) = self.rooms.get_mut(&room) {
                        state.joined = false;
                        self.join([room]);
                    }
                    return;
                }
                self.remove(&room, &ClientError::Closed);
                let reason = fields.reason.unwrap_or_default();
                self.emit(ClientEvent::Left { room, code: fields.code, reason });
            }
            ServerMessage::Presence(change) => {
                let Ok(room) = RoomName::new(&change.room) else { return };
                self.emit(ClientEvent::Presence { room, diff: event::diff(change) });
            }
            ServerMessage::Missed(fields) => {
                let Ok(room) = RoomName::new(&fields.room) else { return };
                let missed = event::missed(&fields);
                if let Some(state) = self.rooms.get_mut(&room) {
                    state.position = missed.position.or(state.position);
                }
                self.emit(ClientEvent::Missed { room, missed });
            }
            ServerMessage::Error(error) => self.emit(ClientEvent::Failed(error.into())),
            ServerMessage::Ping(_) => {
                let pong = ClientMessage::Pong(Empty {});
                self.connection.send(self.settings.encoding.encode(None, &pong));
            }
            // A reply without an id answers nothing.
            _ => {}
        }
    }

    fn on_publication(&mut self, room: RoomName, entry: Entry) {
        // The client has left the room meanwhile.
        let Some(state) = self.rooms.get_mut(&room) else { return };
        let (publication, position) = event::publication(entry);
        state.position = position.or(state.position);
        self.emit(ClientEvent::Publication { room, publication, position });
    }

    /// Handles that a room cannot be joined, for now or for good.
    pub(super) fn on_refused(&mut self, room: &RoomName, refusal: Refusal) {
        let repeats = may_repeat(&refusal, self.settings.room_token.is_some());
        let Some(state) = self.rooms.get_mut(room) else { return };
        if state.joined {
            return;
        }
        if repeats {
            let delay = Backoff::new().delay(state.refusals, random::bits());
            state.refusals = state.refusals.saturating_add(1);
            let room = room.clone();
            self.tasks.spawn(async move {
                sleep(delay).await;
                Task::Rejoin(room)
            });
            return;
        }
        self.remove(room, &ClientError::Refused(refusal.clone()));
        self.emit(ClientEvent::Refused { room: room.clone(), refusal });
    }
}

/// Returns whether the same command may succeed later, or with a new token.
fn may_repeat(refusal: &Refusal, has_tokens: bool) -> bool {
    let renewable = [Refusal::TOKEN_EXPIRED.code, Refusal::TOKEN_REVOKED.code];
    refusal.temporary || has_tokens && renewable.contains(&refusal.code)
}
