//! The way of a connection from the listener to its handler.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::TlsAcceptor;

use crate::WebSocket;
use crate::opening::Deadline;
use crate::quota::{self, Entry, Place, Quota, Refusing};
use crate::transport::Transport;
use crate::upgrade::Upgrader;

/// What every connection goes through: the header of a proxy, TLS, the quota of its address, the upgrade.
pub(super) struct Door {
    pub(super) upgrader: Upgrader,
    pub(super) quota: Option<Arc<Quota>>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsAcceptor>,
}

/// What becomes of a connection that was accepted.
pub(super) enum Entering {
    /// It goes on, with a place where its address has some, or without one yet where a proxy has to tell its address.
    At(Option<Place>),
    /// Its address has too many, and it is to be told so.
    Full(Refusing),
    /// Its address has far too many.
    Flood,
}

impl Door {
    /// Counts a connection by the address that it comes from; behind a trusted proxy, that is not the client's.
    pub(super) fn enter(&self, peer: SocketAddr) -> Entering {
        let Some(quota) = &self.quota else { return Entering::At(None) };
        if self.upgrader.proxies().trusts(peer.ip()) {
            return Entering::At(None);
        }
        match quota.enter(peer.ip()) {
            Entry::Free(place) => Entering::At(Some(place)),
            Entry::Full(refusing) => Entering::Full(refusing),
            Entry::Flood => Entering::Flood,
        }
    }

    /// Makes a WebSocket of a connection. Gives it with the place that it takes.
    pub(super) async fn open(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        place: Option<Place>,
    ) -> Option<(WebSocket, Option<Place>)> {
        let (transport, client) = match self.secured(stream, peer).await {
            Ok(secured) => secured,
            Err(error) => {
                tracing::debug!(%peer, %error, "connection not opened");
                return None;
            }
        };
        let enter = |client: Option<SocketAddr>| match (place, &self.quota, client) {
            (None, Some(quota), Some(client)) => match quota.enter(client.ip()) {
                Entry::Free(place) => Ok(Some(place)),
                Entry::Full(_) | Entry::Flood => Err(quota::refusal()),
            },
            (place, ..) => Ok(place),
        };
        self.upgrader.accept_client(transport, Some(client), enter).await.ok()
    }

    /// Tells a client that its address has too many connections.
    pub(super) async fn turn_away(&self, stream: TcpStream, peer: SocketAddr) {
        let told = async {
            if let Ok((transport, _)) = self.secured(stream, peer).await {
                let refusal = quota::refusal();
                self.upgrader.turn_away(transport, &refusal, quota::REFUSAL_TIMEOUT).await;
            }
        };
        Deadline::after(quota::REFUSAL_TIMEOUT).watch(told).await;
    }

    /// Reads what a proxy says and does the handshake of TLS, in the time for the handshake of the WebSocket. Gives the
    /// client's address by the PROXY protocol.
    async fn secured(
        &self,
        mut stream: TcpStream,
        peer: SocketAddr,
    ) -> io::Result<(Transport, SocketAddr)> {
        let secured = async {
            let client = self.upgrader.proxies().read_proxy_header(&mut stream, peer).await?;
            #[cfg(feature = "tls")]
            if let Some(tls) = &self.tls {
                let stream = tls.accept(stream).await?;
                return Ok((Transport::boxed(stream, Some(client)), client));
            }
            Ok((stream.into(), client))
        };
        // In a box, so that the task of a connection is not as large for ever as this.
        let deadline = Deadline::after(self.upgrader.handshake_timeout());
        deadline
            .watch(Box::pin(secured))
            .await
            .unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}
