use std::fmt;
use std::future::ready;
use std::sync::Arc;

use sockeye::{Error, WebSocket};

use super::builder::Config;
use super::centrifuge::{self, Encoding};
use super::{Accepted, EndpointBuilder, v1};
use crate::hub::Hub;

/// A protocol between clients and a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// `sockeye.hub.v1`, in JSON.
    V1Json,
    /// `sockeye.hub.v1`, in its binary encoding.
    V1Binary,
    /// Centrifuge's client protocol, in JSON.
    CentrifugeJson,
    /// Centrifuge's client protocol, in Protobuf.
    CentrifugeProtobuf,
}

/// The subprotocols in the order of [`Protocol`].
const SUBPROTOCOLS: [&str; 4] =
    ["sockeye.hub.v1", "sockeye.hub.v1.binary", "centrifuge-json", "centrifuge-protobuf"];

impl Protocol {
    /// All protocols.
    const ALL: [Self; 4] =
        [Self::V1Json, Self::V1Binary, Self::CentrifugeJson, Self::CentrifugeProtobuf];

    /// Returns the name of the subprotocol, for `Sec-WebSocket-Protocol`.
    pub const fn subprotocol(self) -> &'static str {
        SUBPROTOCOLS[self as usize]
    }

    /// Returns the protocol of a subprotocol.
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.subprotocol() == name)
    }
}

/// Serves the clients of a hub in the protocols that they speak. Clones share the endpoint.
///
/// Without [tokens](EndpointBuilder::tokens) and [namespaces](EndpointBuilder::namespaces), all
/// clients are anonymous, and may join, publish to and read all rooms.
pub struct Endpoint<S = ()> {
    inner: Arc<Inner<S>>,
}

struct Inner<S> {
    hub: Hub<S>,
    config: Config<S>,
}

impl<S: Send + Sync + 'static> Endpoint<S> {
    /// Returns the settings of an endpoint whose sessions have the default state. Another state is
    /// set by [`EndpointBuilder::new`].
    pub fn builder(hub: Hub<S>) -> EndpointBuilder<S>
    where
        S: Default,
    {
        EndpointBuilder::new(hub, |_| ready(Ok(Accepted::new(S::default()))))
    }

    pub(super) fn new(hub: Hub<S>, config: Config<S>) -> Self {
        Self { inner: Arc::new(Inner { hub, config }) }
    }

    /// Serves a client in the protocol of its subprotocol, or in the
    /// [default protocol](EndpointBuilder::default_protocol) if it has none. Returns when the
    /// connection is over.
    ///
    /// The server must choose among [`subprotocols`](Self::subprotocols) in the opening handshake:
    /// without one, a client of `sockeye.hub.v1` is taken for one of the default protocol. In a
    /// route of axum:
    ///
    /// ```
    /// use axum::extract::State;
    /// use axum::response::Response;
    /// use sockeye::axum::WebSocketUpgrade;
    /// use sockeye::upgrade::Options;
    /// use sockeye_hub::protocol::Endpoint;
    ///
    /// async fn hub(State(endpoint): State<Endpoint>, upgrade: WebSocketUpgrade) -> Response {
    ///     let subprotocols = Endpoint::<()>::subprotocols().iter().copied();
    ///     let options = Options::new().subprotocols(subprotocols);
    ///     upgrade.options(options).on_upgrade(async move |ws| endpoint.serve(ws).await)
    /// }
    /// ```
    ///
    /// # Errors
    /// Same as [`WebSocket::recv`]. A client that breaks the protocol is no error: its connection
    /// is closed.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    /// If the future is dropped, the session ends and the connection is closed with 1001 (going
    /// away).
    pub async fn serve(&self, ws: WebSocket) -> Result<(), Error> {
        let chosen = ws.subprotocol().and_then(Protocol::from_subprotocol);
        let protocol = chosen.unwrap_or(self.config().default_protocol);
        self.serve_as(ws, protocol).await
    }

    /// Serves a client in a protocol, whatever its subprotocol: for example where the URL of the
    /// connection chooses the protocol.
    ///
    /// # Errors
    /// Same as [`serve`](Self::serve).
    ///
    /// # Panics
    /// Same as [`serve`](Self::serve).
    pub async fn serve_as(&self, ws: WebSocket, protocol: Protocol) -> Result<(), Error> {
        match protocol {
            Protocol::CentrifugeJson => centrifuge::serve(self, ws, Encoding::Json).await,
            Protocol::CentrifugeProtobuf => centrifuge::serve(self, ws, Encoding::Protobuf).await,
            Protocol::V1Json => v1::serve(self, ws, v1::Encoding::Json).await,
            Protocol::V1Binary => v1::serve(self, ws, v1::Encoding::Binary).await,
        }
    }
}

impl<S> Endpoint<S> {
    /// Returns the names of the subprotocols, for the server to choose from.
    pub const fn subprotocols() -> &'static [&'static str] {
        &SUBPROTOCOLS
    }

    /// Returns the hub.
    pub fn hub(&self) -> &Hub<S> {
        &self.inner.hub
    }

    pub(crate) fn config(&self) -> &Config<S> {
        &self.inner.config
    }
}

impl<S> Clone for Endpoint<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<S> fmt::Debug for Endpoint<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("hub", &self.inner.hub)
            .field("config", &self.inner.config)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_is_found_by_its_subprotocol() {
        for protocol in Protocol::ALL {
            assert_eq!(Protocol::from_subprotocol(protocol.subprotocol()), Some(protocol));
        }
        assert_eq!(Protocol::from_subprotocol("chat"), None);
    }
}
