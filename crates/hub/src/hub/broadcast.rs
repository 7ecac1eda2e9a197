use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use sockeye::{CloseCode, CloseFrame, Message};
use tokio::sync::mpsc;

use super::command::{Action, Command, Envelope};
use super::fan_out::{Encoded, Encoding};
use super::recipients::Recipients;
use super::{Hub, Shared};
use crate::core::{NodeId, RoomName, SessionId};
use crate::error::Result;
use crate::join::{JoinOptions, JoinTerms};
use crate::session::{SessionHandle, SessionShared, spawn_pump};
use crate::to_room_name::ToRoomName;

impl<S: Send + Sync + 'static> Hub<S> {
    /// Sends a message to all sessions of all nodes: see [`send_to`](Self::send_to).
    ///
    /// # Errors
    /// Same as [`send_to`](Self::send_to).
    pub async fn broadcast(&self, message: impl Into<Message>) -> Result<()> {
        self.send_to(Recipients::All, message).await
    }

    /// Sends a message to sessions of all nodes, at most once. The message is encoded once for all
    /// sessions with the same encoder. It is not dropped for sessions that read too slowly: their
    /// connections are closed with 1013 when more waits than
    /// [`OutboxLimits::reply_bytes`](crate::core::outbox::OutboxLimits::reply_bytes).
    ///
    /// ```
    /// # use sockeye_hub::{Hub, Recipients, core::{SessionId, UserId}};
    /// # async fn example(hub: Hub, session: SessionId) -> sockeye_hub::Result<()> {
    /// hub.send_to(UserId::new("ada"), "to all devices of Ada").await?;
    /// hub.send_to(session, "to one session").await?;
    /// hub.send_to(Recipients::AllExcept(session), "to the others").await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`HubError::Bus`](crate::HubError::Bus) if the message could not be sent to other nodes. The
    /// sessions of this node have it.
    pub async fn send_to(
        &self,
        recipients: impl Into<Recipients>,
        message: impl Into<Message>,
    ) -> Result<()> {
        self.command(recipients.into(), Action::Send(message.into())).await
    }

    /// Sends a message to the sessions of this node that a function chooses: see
    /// [`send_to`](Self::send_to). Returns their number.
    pub fn send_where(
        &self,
        message: impl Into<Message>,
        mut filter: impl FnMut(&SessionHandle<S>) -> bool,
    ) -> usize {
        let chosen: Vec<_> = self.sessions().into_iter().filter(|s| filter(s)).collect();
        self.shared.send_all(chosen.iter().map(SessionHandle::shared), &message.into());
        chosen.len()
    }

    /// Closes the connections of sessions of all nodes.
    ///
    /// # Errors
    /// [`HubError::Usage`](crate::HubError::Usage) for a code that must not be sent or a reason of
    /// more than 123 bytes; [`HubError::Bus`](crate::HubError::Bus) if other nodes could not be
    /// asked. The sessions of this node are closed then.
    pub async fn close(
        &self,
        recipients: impl Into<Recipients>,
        code: impl Into<CloseCode>,
        reason: &str,
    ) -> Result<()> {
        let frame = CloseFrame::new(code, reason.to_owned())?;
        self.command(recipients.into(), Action::Close(frame)).await
    }

    /// Makes sessions of all nodes join a room, without asking the application's hook. A session
    /// that cannot join is left out. Each other node carries out joins and leaves in the order in
    /// which it receives them, and drops those beyond 1,024 that wait.
    ///
    /// # Errors
    /// [`HubError::RoomName`](crate::HubError::RoomName), [`HubError::Bus`](crate::HubError::Bus).
    pub async fn join(
        &self,
        recipients: impl Into<Recipients>,
        room: impl ToRoomName,
    ) -> Result<()> {
        self.command(recipients.into(), Action::Join(room.to_room_name()?)).await
    }

    /// Makes sessions of all nodes leave a room.
    ///
    /// # Errors
    /// [`HubError::RoomName`](crate::HubError::RoomName), [`HubError::Bus`](crate::HubError::Bus).
    pub async fn leave(
        &self,
        recipients: impl Into<Recipients>,
        room: impl ToRoomName,
    ) -> Result<()> {
        self.command(recipients.into(), Action::Leave(room.to_room_name()?)).await
    }

    /// Carries out a command on this node, and passes it to the other nodes that it concerns.
    async fn command(&self, to: Recipients, action: Action) -> Result<()> {
        let shared = &self.shared;
        let Recipients::Sessions(sessions) = to else {
            let command = Command { to, action };
            shared.carry_out_here(&command).await;
            shared.bus.send(None, Envelope::Command.wrap(&command.encode())).await?;
            return Ok(());
        };
        let mut nodes: BTreeMap<NodeId, Vec<SessionId>> = BTreeMap::new();
        for session in sessions {
            nodes.entry(session.node).or_default().push(session);
        }
        let mut sent = Ok(());
        for (node, sessions) in nodes {
            let command = Command { to: sessions.into(), action: action.clone() };
            if node == shared.node {
                shared.carry_out_here(&command).await;
            } else {
                let command = Envelope::Command.wrap(&command.encode());
                sent = sent.and(shared.bus.send(Some(node), command).await);
            }
        }
        Ok(sent?)
    }
}

/// Carries out the joins and leaves of other nodes until the hub is dropped.
pub(super) async fn run_membership_commands<S: Send + Sync + 'static>(
    hub: Weak<Shared<S>>,
    mut commands: mpsc::Receiver<Command>,
) {
    while let Some(command) = commands.recv().await {
        let Some(hub) = hub.upgrade() else { return };
        hub.carry_out_here(&command).await;
    }
}

impl<S: Send + Sync + 'static> Shared<S> {
    /// Handles a message of another node; ignores what it does not understand.
    pub(super) fn on_message(self: &Arc<Self>, from: NodeId, bytes: &Bytes) {
        let content = match Envelope::unwrap(bytes) {
            Some((Envelope::Command, content)) => content,
            Some((Envelope::Presence, content)) => return self.on_presence(&content),
            Some((Envelope::Survey, content)) => return self.on_survey(from, content),
            None => return,
        };
        let Some(command) = Command::decode(content) else { return };
        match command.action {
            // A leave must not overtake a join, which waits for the bus.
            Action::Join(_) | Action::Leave(_) => drop(self.membership_commands.try_send(command)),
            Action::Send(_) | Action::Close(_) => self.carry_out(&command),
        }
    }

    /// Carries out a command that does not wait.
    fn carry_out(self: &Arc<Self>, command: &Command) {
        let sessions = self.find(&command.to);
        match &command.action {
            Action::Send(message) => self.send_all(&sessions, message),
            Action::Close(frame) => {
                for session in sessions {
                    session.connection.close(frame.clone());
                }
            }
            Action::Join(_) => {}
            Action::Leave(room) => {
                for session in sessions {
                    self.leave_and_tell(&session, room);
                }
            }
        }
    }

    async fn carry_out_here(self: &Arc<Self>, command: &Command) {
        match &command.action {
            Action::Join(room) => self.join_all(self.find(&command.to), room).await,
            _ => self.carry_out(command),
        }
    }

    async fn join_all(self: &Arc<Self>, sessions: Vec<Arc<SessionShared<S>>>, room: &RoomName) {
        for session in sessions {
            // A session that is in too many rooms, or ends, does not join.
            let options = JoinOptions::new().presence(session.sees_presence(room));
            let terms = JoinTerms::new();
            let _ = self.join_authorized(&session, room, options, terms, None).await;
        }
    }

    fn find(self: &Arc<Self>, recipients: &Recipients) -> Vec<Arc<SessionShared<S>>> {
        if let Recipients::Selected { selector, argument } = recipients {
            return self.select(selector, argument);
        }
        let registry = self.registry();
        match recipients {
            Recipients::All => registry.iter().cloned().collect(),
            Recipients::AllExcept(except) => {
                registry.iter().filter(|session| session.id != *except).cloned().collect()
            }
            Recipients::Sessions(ids) => {
                ids.iter().filter_map(|id| registry.by_id(*id)).cloned().collect()
            }
            Recipients::User(user) => registry.by_user(user).cloned().collect(),
            Recipients::UserExcept(user, except) => {
                registry.by_user(user).filter(|session| session.id != *except).cloned().collect()
            }
            // Handled above, without the lock.
            Recipients::Selected { .. } => Vec::new(),
        }
    }

    fn select(self: &Arc<Self>, name: &str, argument: &[u8]) -> Vec<Arc<SessionShared<S>>> {
        let Some(selector) = self.hooks.selectors.get(name) else { return Vec::new() };
        let sessions: Vec<_> = self.registry().iter().cloned().collect();
        let is_chosen = |session: &Arc<SessionShared<S>>| {
            let handle = self.handle(session);
            self.panics.contain("a selector", || selector(&handle, argument)) == Some(true)
        };
        sessions.into_iter().filter(is_chosen).collect()
    }

    fn send_all<'a>(
        self: &Arc<Self>,
        sessions: impl IntoIterator<Item = &'a Arc<SessionShared<S>>>,
        message: &Message,
    ) {
        let mut encoded = Encoded::new(&self.panics, |encoder| Some(encoder.message(message)));
        for session in sessions {
            let connection = &session.connection;
            if let Encoding::Message(multicast) = encoded.for_encoder(connection.encoder()) {
                spawn_pump(self, session, connection.reply_in(multicast));
            }
        }
    }
}
