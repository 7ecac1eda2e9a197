//! The line of a stream in the access log.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use serde::Serialize;
use tracing::{debug, warn};

use super::client::Client;
use crate::commands::tunnel::protocol::{Answer, Code, Kind, Request};
use crate::commands::tunnel::relay::{Counts, End, Stream};

/// Collects what the line of a stream says, and writes the line when dropped.
pub(super) struct Record {
    client: Arc<Client>,
    kind: Kind,
    target: String,
    begun: Instant,
    /// The address of the target or of the listener, once it is known.
    pub(super) address: Option<String>,
    pub(super) counts: Counts,
    /// The name of the end; a stream whose task is dropped ends with its session.
    outcome: &'static str,
    error: Option<String>,
}

/// The fields of the line.
#[derive(Serialize)]
struct Line<'a> {
    peer: Option<String>,
    identity: &'a str,
    session: u64,
    kind: &'static str,
    /// The target as the client asked for it.
    target: &'a str,
    address: Option<&'a str>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    duration_ms: f64,
    /// Bytes from the client to the target.
    request_bytes: u64,
    /// Bytes from the target to the client.
    response_bytes: u64,
}

impl Record {
    pub(super) fn begin(client: &Arc<Client>, request: &Request) -> Self {
        Self::new(client, request.kind, request.target())
    }

    /// Begins the record of a connection that the server has accepted on `listener` for the client.
    pub(super) fn of_accepted(client: &Arc<Client>, listener: &str, peer: Option<String>) -> Self {
        let mut record = Self::new(client, Kind::Accepted, listener.to_owned());
        record.address = peer;
        record
    }

    fn new(client: &Arc<Client>, kind: Kind, target: String) -> Self {
        Self {
            client: Arc::clone(client),
            kind,
            target,
            begun: Instant::now(),
            address: None,
            counts: Counts::default(),
            outcome: "session-ended",
            error: None,
        }
    }

    /// Records the end of the connection.
    pub(super) fn end(&mut self, end: &End) {
        self.outcome = end.name();
        if !matches!(end, End::Finished | End::Reset) {
            self.error = Some(end.to_string());
        }
    }

    /// Refuses the request of the stream, and records the refusal.
    pub(super) async fn refuse(&mut self, stream: Stream, answer: Answer) {
        self.outcome = answer.code.name();
        self.error = Some(answer.text.clone().into());
        let (session, target) = (self.client.number, &self.target);
        let peer = self.client.peer.map(tracing::field::display);
        if answer.code == Code::DENIED {
            warn!(session, peer, target, "denied");
        } else {
            debug!(session, peer, target, "refused: {}", answer.text);
        }
        stream.refuse(&answer).await;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let counts = [&self.counts.received, &self.counts.sent];
        let [request_bytes, response_bytes] = counts.map(|count| count.load(Ordering::Relaxed));
        let Client { peer, identity, number, .. } = &*self.client;
        let line = Line {
            peer: peer.map(|peer| peer.to_string()),
            identity,
            session: *number,
            kind: self.kind.name(),
            target: &self.target,
            address: self.address.as_deref(),
            outcome: self.outcome,
            error: self.error.as_deref(),
            duration_ms: (self.begun.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            request_bytes,
            response_bytes,
        };
        debug!(
            session = line.session,
            kind = line.kind,
            target = line.target,
            outcome = line.outcome,
            "stream ended"
        );
        if let Some(log) = &self.client.service().log {
            log.write(&line);
        }
    }
}
