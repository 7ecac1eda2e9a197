//! Sessions, rooms, presence and history with exact recovery, over any WebSocket of `sockeye`.
//!
//! ```no_run
//! use sockeye::{Server, WebSocket};
//! use sockeye_hub::{Hub, Result};
//!
//! #[tokio::main]
//! async fn main() -> sockeye::Result<()> {
//!     let hub = Hub::builder().build();
//!     Server::bind("127.0.0.1:8080").await?.serve(move |ws| chat(hub.clone(), ws)).await
//! }
//!
//! async fn chat(hub: Hub, ws: WebSocket) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//!     let mut session = hub.connect(ws, ());
//!     session.join("room:42").await?;
//!     while let Some(message) = session.recv().await? {
//!         hub.room("room:42").publish(message).await?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # I want to
//!
//! | to | use |
//! |---|---|
//! | make a connection a session | [`Hub::connect`], also in a handler of axum; [`Hub::attach`] for connections of `sockeye::push` |
//! | attach state to a session, or a user | the argument of [`Hub::connect`], [`SessionOptions::user`] |
//! | join and leave rooms | [`SessionHandle::join`], [`SessionHandle::leave`]; on all nodes: [`Hub::join`], [`Hub::leave`] |
//! | publish | [`Room::publish`], [`SessionHandle::publish`] |
//! | publish once, whatever happens to the acknowledgement | [`Room::publish_with`] and an id |
//! | keep a history, and read it | [`RoomOptions::history`], [`Room::history`] |
//! | recover what a client missed | [`JoinOptions::from`] |
//! | see who is in a room | [`RoomOptions::presence`], [`Room::presence`], [`Room::counts`] |
//! | receive some publications only | [`JoinOptions::filter`], [`SessionHandle::set_filter`]; forced by the server: [`JoinTerms::filter`] |
//! | choose what happens to members that read too slowly | [`RoomOptions::policy`] |
//! | send state that supersedes older state, such as prices or a game | [`DeliveryPolicy::LatestByKey`], [`DeliveryPolicy::Conflate`] and [`RoomOptions::key_tag`]: the example `game_state` |
//! | notify a user on all devices, also after an absence | a room with history for each user: the example `notifications` |
//! | send to sessions without a room: one, some, a user's, all | [`SessionHandle::send`], [`Hub::send_to`], [`Hub::send_where`], [`Hub::broadcast`] |
//! | close sessions | [`SessionHandle::close`], [`Hub::close`] |
//! | decide who may join and publish | [`Builder::authorize_join`], [`Builder::authorize_publish`] |
//! | publish, read and disconnect from a backend over HTTP | [`api`] |
//! | measure a node | [`Hub::metrics`] |
//! | list the nodes and the rooms of all nodes | [`Hub::node_reports`], [`Hub::list_rooms`] |
//! | let operators decide by a file | [`namespaces`] |
//! | know clients by tokens of a backend | [`token`] |
//! | let clients in that speak a protocol: ours, or that of centrifugo's SDKs | [`protocol`] |
//! | connect to a hub as a client, native or in the browser | the module `client`, with the feature `client`; `crates/hub/js` for JavaScript |
//! | know when sessions come and go | [`Builder::on_connect`], [`Builder::on_disconnect`] |
//! | choose sessions on all nodes by their state | [`Builder::selector`], [`Recipients::Selected`] |
//! | know when rooms come and go | [`Builder::on_occupied`], [`Builder::on_vacated`] |
//! | tell clients positions, gaps and presence, by a protocol | [`Encoder`] |
//! | connect several nodes | [`bus`] |
//! | route a client's commands to async functions | [`router`] |
//! | stop a node | [`Hub::shutdown`]; move its clients to others first: [`Hub::drain`] |
//!
//! [`DeliveryPolicy::LatestByKey`]: core::outbox::DeliveryPolicy::LatestByKey
//! [`DeliveryPolicy::Conflate`]: core::outbox::DeliveryPolicy::Conflate
//!
//! # Examples
//! Whole programs in `crates/hub/examples`. Each begins with the command that runs it.
//!
//! | program | shows |
//! |---|---|
//! | `rooms` | a chat with a protocol of its own: rooms, history, presence, recovery from a position |
//! | `hub_v1`, `hub_v1_client` | a chat in the protocol sockeye.hub.v1, and its client |
//! | `notifications` | a REST handler of axum notifies all sessions of a user, and clients that were away recover |
//! | `game_state` | the state of a game at 30 ticks a second, on `sockeye::push`: a slow client receives the latest state of each body |
//! | `commands` | commands routed to async functions |
//! | `centrifuge` | a server for the SDKs of centrifugo |
//! | `from_melody` | a program of melody, the Go library: `docs/from-melody.md` compares both |
//! | `several-nodes.sh` | a broker and three servers on one machine, which are one hub |
//!
//! # Guarantees
//! | room | delivery | order |
//! |---|---|---|
//! | without history | at most once; what a slow member does not take is dropped by the policy of the room and counted | per publisher |
//! | with history | exactly once per session while it stays or returns within the retention; else the client is told of a gap | one for all members |
//!
//! A publication is stored once for each id. A loss of the store, such as a broker that restarts
//! from an old snapshot, is not prevented; it is found by the tags of positions, and told as a gap.
//!
//! # The path of a publication
//! ```text
//!  publish ──► with history: bus ──► chain of the room ──┐        (one order; holes are healed)
//!         └──► without: ─────────────────────────────────┴─► members ──► outlet of each
//!                 └──► bus ──► other nodes                     │            or its outbox
//!                                                              └─► those that recover: held
//! ```
//! A publication is encoded once for all members with the same [`Encoder`], and framed once. While
//! a connection takes what it is sent, nothing is queued in the hub. Once its queue is full, what
//! follows waits in the session's [outbox](core::outbox), and a task drains it.

// In browsers there is the client, and what it shares with servers.
#![cfg_attr(
    target_family = "wasm",
    allow(dead_code, unreachable_pub, reason = "the rest is for servers")
)]

#[cfg(feature = "client")]
pub mod client;
pub mod core;
mod encoder;
mod join;
pub mod protocol;
mod random;
mod to_room_name;

pub use encoder::{Missed, MissedReason};
pub use join::{JoinOptions, Joined, Recovered};
pub use to_room_name::ToRoomName;

cfg_if::cfg_if! {
    if #[cfg(not(target_family = "wasm"))] {
        pub mod api;
        pub mod bus;
        mod disconnect;
        mod error;
        #[cfg(any(fuzzing, test))]
        #[doc(hidden)]
        pub mod fuzzing;
        mod hub;
        pub mod namespaces;
        mod panics;
        mod room_options;
        pub mod router;
        mod session;
        pub mod token;

        pub use disconnect::Disconnect;
        pub use encoder::{Delivery, Encoder, Plain};
        pub use error::{Denied, HubError, Result};
        pub use hub::{
            Builder, BusMetrics, GapCounts, Hub, HubMetrics, NodeReport, NodeReports, Recipients,
            Room, RoomList, RoomQuery, RoomReport, SessionOptions, Timing,
        };
        pub use join::JoinTerms;
        pub use room_options::RoomOptions;
        pub use session::{Session, SessionHandle, SessionMetrics};
    }
}
