use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Notify;

use super::Shared;
use super::bus_task::sleep_until;
use super::command::Envelope;
use super::fan_out::{Encoded, Encoding};
use super::recovering::Held;
use super::rooms::Rooms;
use crate::bus::BusError;
use crate::core::presence::{
    Presence, PresenceDiff, PresenceError, PresenceMessage, PresenceOutput, Profile,
};
use crate::core::{NodeId, RoomName};
use crate::session::{SessionShared, spawn_pump};

/// Carries out what the presence of this node wants, until the node is dropped.
pub(super) async fn run<S: Send + Sync + 'static>(hub: Weak<Shared<S>>, work: Arc<Notify>) {
    loop {
        let next = {
            let Some(hub) = hub.upgrade() else { return };
            hub.presence().handle_timeout(Instant::now());
            hub.carry_out_presence().await;
            hub.presence().next_timeout()
        };
        tokio::select! {
            () = work.notified() => {}
            () = sleep_until(next) => {}
        }
    }
}

impl<S: Send + Sync + 'static> Shared<S> {
    /// Carries out all outputs of the presence. Messages to other nodes are sent in their order; a
    /// message that the bus fails to send is missed by the other nodes, who ask for it.
    pub(super) async fn carry_out_presence(self: &Arc<Self>) {
        // A diff would overtake an earlier one, if two tasks carried out outputs at a time.
        let _turn = self.presence_outputs.lock().await;
        loop {
            // The lock must not be held during the match.
            let output = self.presence().poll_output();
            match output {
                None => return,
                Some(PresenceOutput::Send { to, message }) => {
                    let _ = self.send_presence(to, &message).await;
                }
                Some(PresenceOutput::Diff { room, diff }) => self.deliver_diff(&room, &diff),
                Some(PresenceOutput::Occupied(room)) => {
                    if let Some(hook) = &self.hooks.occupied {
                        self.panics.contain("the hook for occupied rooms", || hook(&room));
                    }
                }
                Some(PresenceOutput::Vacated(room)) => {
                    if let Some(hook) = &self.hooks.vacated {
                        self.panics.contain("the hook for vacated rooms", || hook(&room));
                    }
                }
            }
        }
    }

    async fn send_presence(
        &self,
        to: Option<NodeId>,
        message: &PresenceMessage,
    ) -> Result<(), BusError> {
        self.bus.send(to, Envelope::Presence.wrap(&message.encode())).await
    }

    fn deliver_diff(self: &Arc<Self>, name: &RoomName, diff: &PresenceDiff) {
        let mut rooms = self.rooms();
        let Rooms { topics, states, quiet, .. } = &mut *rooms;
        let Some(room) = topics.room(name.as_str()) else { return };
        let Some(state) = states.occupied_mut(room) else { return };
        let mut encoded = Encoded::new(&self.panics, |encoder| encoder.presence(name, diff));
        let registry = self.registry();
        for member in topics.members(room) {
            if quiet.contains(*member, room) {
                continue;
            }
            let Some(session) = registry.by_slot(member.0) else { continue };
            let connection = &session.connection;
            let Encoding::Message(multicast) = encoded.for_encoder(connection.encoder()) else {
                continue;
            };
            let max_bytes = self.config.outbox_limits.reply_bytes;
            let recovery = state.recovery_mut(*member);
            let held = recovery
                .map_or(Held::Joined, |recovery| recovery.hold(multicast.prepared(), max_bytes));
            match held {
                Held::Kept => {}
                Held::Joined => spawn_pump(self, session, connection.reply_in(multicast)),
                Held::Full => connection.disconnect(),
            }
        }
    }
}

impl<S> Shared<S> {
    pub(crate) fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handles a message of another node's presence.
    pub(super) fn on_presence(&self, message: &Bytes) {
        if let Ok(message) = PresenceMessage::decode(message) {
            self.presence().handle_message(Instant::now(), message);
            self.presence_work.notify_one();
        }
    }

    pub(super) fn join_presence(
        &self,
        session: &SessionShared<S>,
        room: &RoomName,
        info: &[u8],
    ) -> Result<(), PresenceError> {
        // It may be a small part of the session's receive buffer, which it would keep.
        let info = Bytes::copy_from_slice(info);
        let profile = Profile { user: session.user.clone(), info };
        self.presence().join(Instant::now(), room, session.id, profile)?;
        self.presence_work.notify_one();
        Ok(())
    }

    pub(crate) fn update_presence(
        &self,
        session: &SessionShared<S>,
        room: &RoomName,
        info: &[u8],
    ) -> Result<(), PresenceError> {
        self.presence().update(Instant::now(), room, session.id, info)?;
        self.presence_work.notify_one();
        Ok(())
    }

    pub(super) fn leave_presence(&self, session: &SessionShared<S>, room: &RoomName) {
        if self.presence().leave(Instant::now(), room, session.id) {
            self.presence_work.notify_one();
        }
    }

    pub(super) fn leave_presence_everywhere(&self, session: &SessionShared<S>) {
        if self.presence().leave_all(Instant::now(), session.id) > 0 {
            self.presence_work.notify_one();
        }
    }
}
