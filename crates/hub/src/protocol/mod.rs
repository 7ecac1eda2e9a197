//! Protocols by which clients join rooms, publish and recover what they missed, over a WebSocket.
//!
//! | protocol | subprotocol | clients |
//! |---|---|---|
//! | `sockeye.hub.v1`, in JSON | `sockeye.hub.v1` | the JavaScript client, `crates/hub/js` |
//! | `sockeye.hub.v1`, binary | `sockeye.hub.v1.binary` | the Rust client, `sockeye_hub::client` |
//! | centrifuge, in JSON | `centrifuge-json`, or none | the SDKs of centrifugo for JavaScript, Python, Go and C# |
//! | centrifuge, in Protobuf | `centrifuge-protobuf`, or none with `?format=protobuf` | the SDKs of centrifugo for Dart, Swift, Java, JavaScript, Python and Go |
//!
//! An [`Endpoint`] serves connections of all these protocols, and their clients meet in the same
//! rooms.
//!
//! ```no_run
//! use sockeye::upgrade::Options;
//! use sockeye::{Server, WebSocket};
//! use sockeye_hub::Hub;
//! use sockeye_hub::protocol::Endpoint;
//!
//! #[tokio::main]
//! async fn main() -> sockeye::Result<()> {
//!     let hub: Hub = Hub::builder().build();
//!     let endpoint = Endpoint::builder(hub).build();
//!     let subprotocols = Endpoint::<()>::subprotocols().iter().copied();
//!     Server::bind("127.0.0.1:8000")
//!         .await?
//!         .options(Options::new().subprotocols(subprotocols))
//!         .serve(move |ws: WebSocket| {
//!             let endpoint = endpoint.clone();
//!             async move { endpoint.serve(ws).await }
//!         })
//!         .await
//! }
//! ```
//!
//! # Centrifuge's protocol
//!
//! Rooms are channels. Everything of the protocol is there except delta compression, map
//! subscriptions, numeric channel identifiers, shared polls, dictionaries and the emulation over
//! HTTP: clients that offer these use the protocol without them.
//!
//! **Publications.** A publication of a client is a text message, and `data` of a text message is
//! the text where it is JSON, and otherwise a JSON string. Binary messages reach clients of the
//! Protobuf encoding only: others are disconnected with 3506. A Protobuf client publishes text if
//! its `data` is UTF-8, and else a binary message.
//!
//! **Positions.** `epoch` on the wire is the text of a whole [position], `EPOCH.OFFSET.TAG`, in
//! replies and in each publication. A client that returns the `epoch` of the last publication that
//! it received, as the SDK for JavaScript does, recovers exactly. A client that keeps the `epoch`
//! of its subscription and counts on by `offset` presents a position whose tag is unknown. The
//! server then takes the tag from the store, if it still knows the publication at the offset and
//! does not contradict the position that the client had before. It fails closed in all other cases.
//! A store that lost its latest publications is noticed for such clients by the nodes, which then
//! replace the epoch, and not by the client's own position. Offset 0 with an empty epoch, which
//! `getState` of the SDK for JavaScript returns where an application has no position yet, is the
//! beginning of whatever history the room has: the client recovers if the first publication of the
//! history is still retained. Over NATS, whose streams do not tell which publication was the first,
//! it does not recover. Where a client may not read the
//! history, one of the two positions must be that of a publication whose tag the client kept and
//! the store still has: other positions would be a way to read the history.
//!
//! **Recovery.** The reply to `subscribe` contains the first 300 missed publications at most; the
//! rest follows it as pushes. If publications are missing later on, the client is unsubscribed with
//! code 2500, subscribes again and recovers, or is told `recovered: false`. A client that misses
//! publications of a room that the server made it join is disconnected with 3010 for the same
//! purpose.
//!
//! **Presence.** Join and leave pushes go to clients that subscribed with `join_leave`, in rooms
//! with presence, batched as for all [presence](crate::RoomOptions::presence).
//!
//! # sockeye.hub.v1
//!
//! `docs/hub-protocol.md` defines each message. Beside what the protocol of centrifuge has, it
//! tells clients why publications are missing and how many, and is compact in its binary encoding.
//!
//! [position]: crate::core::Position

pub(crate) mod close;
mod refusal;
pub(crate) mod v1;

pub use refusal::Refusal;

cfg_if::cfg_if! {
    if #[cfg(not(target_family = "wasm"))] {
        mod builder;
        pub(crate) mod centrifuge;
        pub(crate) mod client;
        mod connect;
        mod endpoint;
        mod memberships;
        mod presented;
        pub(crate) mod serve;

        pub use builder::{ClientLimits, EndpointBuilder};
        pub use connect::{Accepted, ConnectRequest};
        pub use endpoint::{Endpoint, Protocol};
    }
}
