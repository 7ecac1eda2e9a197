//! The path of a connection from the listener to its handler.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::TlsAcceptor;

use crate::opening::Deadline;
use crate::quota::{self, Entry, Quota, QuotaPermit, RefusalPermit};
use crate::transport::Transport;
use crate::upgrade::Upgrader;
use crate::{ErrorChain, WebSocket};

/// The steps of every connection before its handler: the PROXY header, TLS, the quota of its
/// address, the upgrade.
pub(super) struct ConnectionSetup {
    pub(super) upgrader: Upgrader,
    pub(super) quota: Option<Arc<Quota>>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsAcceptor>,
}

/// The decision on a connection that was accepted.
pub(super) enum QuotaDecision {
    /// The connection proceeds, with a place in the quota if there is one, or without one yet if a
    /// proxy has to report the client's address.
    Accepted(Option<QuotaPermit>),
    /// The address has too many connections, and the client is to be refused.
    Full(RefusalPermit),
    /// Too many clients are being refused: the connection is dropped.
    Dropped,
}

impl ConnectionSetup {
    /// Counts a connection by its address; behind a trusted proxy, that is not the client's, and is
    /// not counted here.
    pub(super) fn enter(&self, peer: SocketAddr) -> QuotaDecision {
        let Some(quota) = &self.quota else { return QuotaDecision::Accepted(None) };
        if self.upgrader.proxies().trusts(peer.ip()) {
            return QuotaDecision::Accepted(None);
        }
        match quota.enter(peer.ip()) {
            Entry::Free(place) => QuotaDecision::Accepted(Some(place)),
            Entry::Full(refusing) => QuotaDecision::Full(refusing),
            Entry::Dropped => QuotaDecision::Dropped,
        }
    }

    /// Opens a WebSocket on a connection. Returns it with its place in the quota.
    pub(super) async fn open(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        place: Option<QuotaPermit>,
    ) -> Option<(WebSocket, Option<QuotaPermit>)> {
        let (transport, client) = match self.secure_transport(stream, peer).await {
            Ok(secured) => secured,
            Err(error) => {
                tracing::debug!(%peer, error = %ErrorChain(&error), "the PROXY header or the TLS handshake failed");
                return None;
            }
        };
        let enter = |client: Option<SocketAddr>| match (place, &self.quota, client) {
            (None, Some(quota), Some(client)) => match quota.enter(client.ip()) {
                Entry::Free(place) => Ok(Some(place)),
                Entry::Full(_) | Entry::Dropped => Err(quota::refusal()),
            },
            (place, ..) => Ok(place),
        };
        self.upgrader.accept_client(transport, Some(client), enter).await.ok()
    }

    /// Responds that the client's address has too many connections.
    pub(super) async fn refuse_connection(&self, stream: TcpStream, peer: SocketAddr) {
        let refusing = async {
            if let Ok((transport, _)) = self.secure_transport(stream, peer).await {
                let refusal = quota::refusal();
                self.upgrader.refuse_connection(transport, &refusal, quota::REFUSAL_TIMEOUT).await;
            }
        };
        Deadline::after(quota::REFUSAL_TIMEOUT).watch(refusing).await;
    }

    /// Reads the PROXY header and does the TLS handshake, within the timeout of the opening
    /// handshake. Returns the client's address according to the PROXY protocol.
    async fn secure_transport(
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
        // Boxed, so that the task of a connection does not keep the size of this future.
        let deadline = Deadline::after(self.upgrader.handshake_timeout());
        deadline
            .watch(Box::pin(secured))
            .await
            .unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}
