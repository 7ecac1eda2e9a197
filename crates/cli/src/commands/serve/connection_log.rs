//! The WebSockets in the access log: a line when one opens, and one when it ends.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;
use sockeye::{Traffic, WebSocket};

use crate::host::access_log::{self, AccessLog};

/// The access log of WebSockets, if there is one. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionLog {
    log: Option<AccessLog>,
    /// The number of the last WebSocket.
    last: Arc<AtomicU64>,
}

/// An open WebSocket, whose last line is written when this is dropped.
#[derive(Debug)]
pub(crate) struct LoggedConnection {
    log: AccessLog,
    id: u64,
    path: &'static str,
    peer: Option<SocketAddr>,
    traffic: Traffic,
    opened: Instant,
}

/// The fields of a line.
#[derive(Serialize)]
struct Line {
    event: &'static str,
    /// Number of the WebSocket since the server was started.
    id: u64,
    ip: Option<IpAddr>,
    /// Without the query, which may have secrets.
    path: &'static str,
    #[serde(flatten)]
    end: Option<End>,
}

/// The fields of the last line.
#[derive(Serialize)]
struct End {
    /// `None` if no close frame has passed: browsers report that as 1006.
    close_code: Option<u16>,
    duration_ms: f64,
    received_messages: u64,
    received_bytes: u64,
    sent_messages: u64,
    sent_bytes: u64,
}

impl ConnectionLog {
    /// Creates a log of connections that writes to the access log, if there is one.
    pub(crate) fn new(log: Option<AccessLog>) -> Self {
        Self { log, last: Arc::default() }
    }

    /// Writes the line of a WebSocket that was opened at `path`.
    pub(crate) fn begin(&self, path: &'static str, ws: &mut WebSocket) -> Option<LoggedConnection> {
        let log = self.log.clone()?;
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (peer, traffic) = (ws.peer_addr(), ws.traffic());
        let logged = LoggedConnection { log, id, path, peer, traffic, opened: Instant::now() };
        logged.write("open", None);
        Some(logged)
    }
}

impl LoggedConnection {
    fn write(&self, event: &'static str, end: Option<End>) {
        let ip = self.peer.map(|peer| peer.ip());
        self.log.write(&Line { event, id: self.id, ip, path: self.path, end });
    }
}

impl Drop for LoggedConnection {
    fn drop(&mut self) {
        let traffic = &self.traffic;
        let end = End {
            close_code: traffic.close_code().map(u16::from),
            duration_ms: access_log::milliseconds(self.opened.elapsed()),
            received_messages: traffic.received_messages(),
            received_bytes: traffic.received_bytes(),
            sent_messages: traffic.sent_messages(),
            sent_bytes: traffic.sent_bytes(),
        };
        self.write("close", Some(end));
    }
}
