//! A client of a hub, in the protocol `sockeye.hub.v1`: it reconnects, joins its rooms again and
//! recovers exactly what it missed. Needs the feature `client`. On `wasm32-unknown-unknown` it runs
//! in the browser, in a page or a worker, with the same API: see [below](#in-the-browser).
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sockeye_hub::client::{ClientEvent, HubClient};
//!
//! let (hub, mut events) = HubClient::builder("wss://example.com/hub").connect();
//! tokio::spawn(async move {
//!     while let Some(event) = events.next().await {
//!         match event {
//!             ClientEvent::Publication { room, publication, .. } => {
//!                 println!("{room}: {}", publication.message);
//!             }
//!             ClientEvent::Missed { room, missed } => println!("{room}: {missed:?}"),
//!             _ => {}
//!         }
//!     }
//! });
//! hub.join("lobby").await?;
//! hub.publish("lobby", r#"{"text":"hello"}"#).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The documentation of the protocol, `docs/hub-protocol.md`, has the meaning of all commands and
//! events.
//!
//! # In the browser
//! The client uses the browser's WebSocket, through `sockeye-web`, which documents what a page may
//! not do. Of this crate there are only the client and the types that it shares with servers. The
//! futures of token functions need not be `Send`, so that a function may await a promise, and tasks
//! are spawned on the event loop of the page, as `wasm_bindgen_futures::spawn_local` does.
//!
//! ```toml
//! [dependencies]
//! sockeye-hub = { version = "0.1", features = ["client"] }
//! ```

mod builder;
mod connection;
mod driver;
mod error;
mod event;
mod requests;
mod rooms;
mod runtime;
mod settings;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use sockeye::Message;
use tokio::sync::{mpsc, oneshot};

pub use builder::HubClientBuilder;
pub use error::ClientError;
pub use event::{ClientEvent, ClientEvents, HistoryPage};

use crate::core::presence::{Member, PresenceCounts, PresencePage};
use crate::core::{Position, Publication, RoomName, SessionId, UserId};
use crate::join::{JoinOptions, Joined};
use crate::protocol::v1::message::{
    ClientMessage, ListMembers, ListUsers, OneRoom, PayloadOnly, Publish, ReadHistory, Rpc,
    ServerMessage, Update,
};
use crate::protocol::v1::{AsText, Json, Payload};
use crate::to_room_name::ToRoomName;
use event::{member, page_of};
use requests::Reply;

/// A client of a hub. Clones share the connection; the client is closed when all of them are
/// dropped.
///
/// Commands that are called without a connection wait for one. When the connection is lost,
/// commands without reply fail with [`ClientError::Lost`], except publishing to a room with history
/// that the client is in, which is repeated: the server stores the publication once.
///
/// The replies arrive together with the events: a program must read the [`ClientEvents`] in a task
/// of its own, or drop them, as commands time out while 256 events wait.
#[derive(Clone)]
pub struct HubClient {
    orders: mpsc::Sender<Order>,
    timeout: Duration,
}

/// An order of the program to the task that drives the connection.
enum Order {
    Request {
        message: ClientMessage,
        reply: oneshot::Sender<Reply>,
    },
    Join {
        room: RoomName,
        options: JoinOptions,
        reply: oneshot::Sender<Result<Joined, ClientError>>,
    },
    Leave {
        room: RoomName,
        reply: oneshot::Sender<Reply>,
    },
    Close,
}

/// The part of a room's history to read: see [`HubClient::history`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryRequest {
    /// The position to begin at, exclusive. Default: the oldest publication, or the newest.
    pub from: Option<Position>,
    /// The maximum number of publications. Default: 100, and at most 1,000.
    pub limit: Option<usize>,
    /// `true` to read from new to old.
    pub reverse: bool,
}

impl HubClient {
    /// Returns the settings of a client for a URL such as `wss://example.com/hub`.
    pub fn builder(url: &str) -> HubClientBuilder {
        HubClientBuilder::new(url)
    }

    /// Joins a room, now and after each reconnection, from the client's position at that time. A
    /// room that the client is in already has its current position as the result.
    ///
    /// # Errors
    /// [`ClientError::RoomName`], and [`ClientError::Refused`] if the server refuses the client for
    /// good: the client does not try again. [`ClientError::TimedOut`]: the client continues to
    /// try. [`ClientError::Closed`].
    pub async fn join(&self, room: impl ToRoomName) -> Result<Joined, ClientError> {
        self.join_with(room, JoinOptions::new()).await
    }

    /// Joins a room like [`join`](Self::join), from a position, with a filter or with an info,
    /// which is JSON.
    ///
    /// # Errors
    /// Same as [`join`](Self::join).
    pub async fn join_with(
        &self,
        room: impl ToRoomName,
        options: JoinOptions,
    ) -> Result<Joined, ClientError> {
        let room = room.to_room_name()?;
        self.order(|reply| Order::Join { room, options, reply }).await
    }

    /// Leaves a room. The client's position in it is forgotten.
    ///
    /// # Errors
    /// [`ClientError::RoomName`], [`ClientError::Closed`].
    pub async fn leave(&self, room: impl ToRoomName) -> Result<(), ClientError> {
        let room = room.to_room_name()?;
        match self.order(|reply| Order::Leave { room, reply }).await {
            // The server ends the membership with the connection.
            Ok(_) | Err(ClientError::Lost) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Publishes a message to a room. Returns its position, in rooms with history. Clients in
    /// JavaScript expect text messages with JSON.
    ///
    /// # Errors
    /// [`ClientError::RoomName`], [`ClientError::Refused`], [`ClientError::Lost`],
    /// [`ClientError::TimedOut`], [`ClientError::Closed`].
    pub async fn publish(
        &self,
        room: impl ToRoomName,
        message: impl Into<Message>,
    ) -> Result<Option<Position>, ClientError> {
        self.publish_with(room, Publication::new(message.into())).await
    }

    /// Publishes a publication with an id or tags: see
    /// [`Room::publish_with`](crate::Room::publish_with).
    ///
    /// # Errors
    /// Same as [`publish`](Self::publish).
    pub async fn publish_with(
        &self,
        room: impl ToRoomName,
        publication: Publication,
    ) -> Result<Option<Position>, ClientError> {
        let message = ClientMessage::Publish(Publish {
            payload: Payload(publication.message),
            room: room.to_room_name()?.as_str().into(),
            id: publication.id.map(|id| id.as_str().into()),
            tags: publication.tags.into_iter().collect(),
            key: None,
        });
        match self.request(message).await? {
            ServerMessage::Publish(published) => Ok(published.position.map(|at| at.0)),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Lists sessions in a room with presence: the first page with `None`, each further one with
    /// the cursor of its predecessor.
    ///
    /// # Errors
    /// Same as [`publish`](Self::publish).
    pub async fn members(
        &self,
        room: impl ToRoomName,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<PresencePage<Member, SessionId>, ClientError> {
        let message = ClientMessage::Members(ListMembers {
            room: room.to_room_name()?.as_str().into(),
            after: after.map(AsText),
            limit: Some(limit as u64),
        });
        match self.request(message).await? {
            ServerMessage::Members(page) => Ok(PresencePage {
                items: page.members.into_iter().map(member).collect(),
                next: page.next.map(|next| next.0),
            }),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Lists users in a room with presence, as [`members`](Self::members) lists sessions.
    ///
    /// # Errors
    /// Same as [`publish`](Self::publish).
    pub async fn users(
        &self,
        room: impl ToRoomName,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<PresencePage<UserId, UserId>, ClientError> {
        let message = ClientMessage::Users(ListUsers {
            room: room.to_room_name()?.as_str().into(),
            after: after.map(|user| user.as_str().into()),
            limit: Some(limit as u64),
        });
        match self.request(message).await? {
            ServerMessage::Users(page) => Ok(PresencePage {
                items: page.users.iter().map(|user| UserId::new(user)).collect(),
                next: page.next.map(|user| UserId::new(&user)),
            }),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Returns the numbers of sessions and users in a room with presence.
    ///
    /// # Errors
    /// Same as [`publish`](Self::publish).
    pub async fn counts(&self, room: impl ToRoomName) -> Result<PresenceCounts, ClientError> {
        let room = room.to_room_name()?.as_str().into();
        match self.request(ClientMessage::Counts(OneRoom { room })).await? {
            ServerMessage::Counts(counts) => Ok(PresenceCounts {
                sessions: usize::try_from(counts.sessions).unwrap_or(usize::MAX),
                users: usize::try_from(counts.users).unwrap_or(usize::MAX),
            }),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Replaces the info of this client in a room with presence. The info is JSON.
    ///
    /// # Errors
    /// Same as [`publish`](Self::publish).
    pub async fn update_presence(
        &self,
        room: impl ToRoomName,
        info: impl Into<Bytes>,
    ) -> Result<(), ClientError> {
        let room = room.to_room_name()?.as_str().into();
        let update = Update { room, info: Json(info.into()) };
        self.request(ClientMessage::Update(update)).await.map(drop)
    }

    /// Reads a part of a room's history.
    ///
    /// # Errors
    /// Same as [`publish`](Self::publish).
    pub async fn history(
        &self,
        room: impl ToRoomName,
        request: HistoryRequest,
    ) -> Result<HistoryPage, ClientError> {
        let message = ClientMessage::History(ReadHistory {
            room: room.to_room_name()?.as_str().into(),
            from: request.from.map(AsText),
            limit: request.limit.map(|limit| limit as u64),
            reverse: request.reverse,
        });
        match self.request(message).await? {
            ServerMessage::History(history) => Ok(page_of(history)),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Calls a method of the application. The data is JSON, or empty for none.
    ///
    /// # Errors
    /// Same as [`publish`](Self::publish).
    pub async fn rpc(&self, method: &str, data: impl Into<Bytes>) -> Result<Bytes, ClientError> {
        let message = ClientMessage::Rpc(Rpc { method: method.into(), data: Json(data.into()) });
        match self.request(message).await? {
            ServerMessage::Rpc(result) => Ok(result.data.0),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Sends a message to the application.
    ///
    /// # Errors
    /// Same as [`publish`](Self::publish).
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), ClientError> {
        let payload = Payload(message.into());
        self.request(ClientMessage::Send(PayloadOnly { payload })).await.map(drop)
    }

    /// Closes the connection for good. Commands without reply fail with [`ClientError::Closed`].
    pub async fn close(&self) {
        // If the task has ended, the client is closed.
        let _ = self.orders.send(Order::Close).await;
    }

    async fn request(&self, message: ClientMessage) -> Result<ServerMessage, ClientError> {
        self.order(|reply| Order::Request { message, reply }).await
    }

    async fn order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, ClientError>>) -> Order,
    ) -> Result<T, ClientError> {
        let (sender, receiver) = oneshot::channel();
        let order = order(sender);
        let replied = runtime::timeout(self.timeout, async {
            self.orders.send(order).await.map_err(|_| ClientError::Closed)?;
            receiver.await.map_err(|_| ClientError::Closed)?
        });
        replied.await.ok_or(ClientError::TimedOut)?
    }
}

impl fmt::Debug for HubClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubClient").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
