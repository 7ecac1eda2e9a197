use std::collections::BTreeMap;

use sockeye::Message;
use tokio::sync::oneshot;

use super::ClientError;
use crate::core::RoomName;
use crate::protocol::v1::Encoding;
use crate::protocol::v1::message::{ClientMessage, ServerMessage};

/// The outcome of a command.
pub(super) type Reply = Result<ServerMessage, ClientError>;

/// The maximum number of commands that wait for a connection or a reply; more wait with their
/// callers. Chosen: with the limit of a command they hold some megabytes.
const MAX_WAITING: usize = 256;

/// The commands that wait for a connection or a reply.
#[derive(Default)]
pub(super) struct Requests {
    waiting: BTreeMap<u64, Request>,
    last_id: u64,
}

/// A command, and the receiver of its reply.
pub(super) struct Request {
    pub(super) message: ClientMessage,
    pub(super) receiver: ReplyTo,
    sent: bool,
}

/// The receiver of a reply.
pub(super) enum ReplyTo {
    Caller(oneshot::Sender<Reply>),
    Connect,
    /// The rooms of a `join`, each of which has a reply of its own.
    Join(Vec<RoomName>),
    /// The token of a room, or of the connection.
    Refresh(Option<RoomName>),
}

impl Requests {
    /// Returns whether another command is accepted.
    pub(super) fn accepts(&mut self) -> bool {
        if self.waiting.len() >= MAX_WAITING {
            // The callers have given up.
            self.waiting.retain(|_, request| request.is_awaited());
        }
        self.waiting.len() < MAX_WAITING
    }

    /// Adds a command, and encodes it if it is to be sent now.
    pub(super) fn add(
        &mut self,
        message: ClientMessage,
        receiver: ReplyTo,
        send: Option<Encoding>,
    ) -> Option<Message> {
        self.last_id += 1;
        let encoded = send.map(|encoding| encoding.encode(Some(self.last_id), &message));
        let request = Request { message, receiver, sent: encoded.is_some() };
        self.waiting.insert(self.last_id, request);
        encoded
    }

    /// Encodes the commands that were not sent yet.
    pub(super) fn send_all(&mut self, encoding: Encoding) -> Vec<Message> {
        self.waiting.retain(|_, request| request.is_awaited());
        let unsent = self.waiting.iter_mut().filter(|(_, request)| !request.sent);
        unsent
            .map(|(id, request)| {
                request.sent = true;
                encoding.encode(Some(*id), &request.message)
            })
            .collect()
    }

    /// Returns whether a `leave` of a room waits for its reply.
    pub(super) fn is_leaving(&self, room: &RoomName) -> bool {
        self.waiting.values().any(|request| match &request.message {
            ClientMessage::Leave(rooms) => rooms.iter().any(|name| **name == *room.as_str()),
            _ => false,
        })
    }

    pub(super) fn take(&mut self, id: u64) -> Option<Request> {
        self.waiting.remove(&id)
    }

    /// Handles the loss of the connection: commands that were sent fail, or are sent again if
    /// `repeats` allows it.
    pub(super) fn on_lost(&mut self, repeats: impl Fn(&ClientMessage) -> bool) {
        let waiting = std::mem::take(&mut self.waiting);
        for (id, mut request) in waiting {
            if !request.sent || repeats(&request.message) {
                request.sent = false;
                self.waiting.insert(id, request);
            } else if let ReplyTo::Caller(caller) = request.receiver {
                // The caller may have given up.
                let _ = caller.send(Err(ClientError::Lost));
            }
        }
    }
}

impl Request {
    fn is_awaited(&self) -> bool {
        !matches!(&self.receiver, ReplyTo::Caller(caller) if caller.is_closed())
    }
}
