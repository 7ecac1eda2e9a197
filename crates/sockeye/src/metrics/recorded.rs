//! Metrics that go to the recorder of the crate `metrics`.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use sockeye_proto::handshake::{HandshakeError, Refusal};
use sockeye_proto::{CloseCode, Kind, ProtocolError, Role, TimedOut};

use super::{Reason, descriptions};
use crate::Error;

const CLIENT: &str = "client";

/// Cause of the failure of a connection whose callback panicked.
#[cfg(unix)]
pub(super) const PANIC: &str = "panic";

static METRICS: OnceLock<AllMetrics> = OnceLock::new();

/// Describes the metrics to the recorder, and registers each at zero. Otherwise the first
/// connection does so.
pub fn describe() {
    metrics();
}

fn metrics() -> &'static AllMetrics {
    METRICS.get_or_init(|| {
        descriptions::describe();
        AllMetrics::new()
    })
}

/// The handles of all metrics whose labels are known in advance.
struct AllMetrics {
    client: RoleCounters,
    server: RoleCounters,
    newest: Counter,
    oldest: Counter,
    replaced: Counter,
    unsent: Counter,
    #[cfg(unix)]
    full: Counter,
}

struct RoleCounters {
    role: &'static str,
    opened: Counter,
    open: Gauge,
    text: KindCounters,
    binary: KindCounters,
    wire_received: Counter,
    wire_sent: Counter,
    rtt: Histogram,
}

struct KindCounters {
    received: Counter,
    received_bytes: Counter,
    sent: Counter,
    sent_bytes: Counter,
}

impl AllMetrics {
    fn new() -> Self {
        let dropped =
            |reason: &'static str| counter!("sockeye_messages_dropped_total", "reason" => reason);
        Self {
            client: RoleCounters::new(CLIENT),
            server: RoleCounters::new("server"),
            newest: dropped("newest"),
            oldest: dropped("oldest"),
            replaced: dropped("replaced"),
            unsent: dropped("unsent"),
            #[cfg(unix)]
            full: dropped("full"),
        }
    }
}

impl RoleCounters {
    fn new(role: &'static str) -> Self {
        Self {
            role,
            opened: counter!("sockeye_connections_opened_total", "role" => role),
            open: gauge!("sockeye_connections_open", "role" => role),
            text: KindCounters::new(role, "text"),
            binary: KindCounters::new(role, "binary"),
            wire_received: counter!("sockeye_wire_received_bytes_total", "role" => role),
            wire_sent: counter!("sockeye_wire_sent_bytes_total", "role" => role),
            rtt: histogram!("sockeye_rtt_seconds", "role" => role),
        }
    }

    #[inline]
    const fn of(&self, kind: Kind) -> &KindCounters {
        match kind {
            Kind::Text => &self.text,
            Kind::Binary => &self.binary,
        }
    }
}

impl KindCounters {
    fn new(role: &'static str, kind: &'static str) -> Self {
        let of = |name: &'static str| counter!(name, "role" => role, "kind" => kind);
        Self {
            received: of("sockeye_messages_received_total"),
            received_bytes: of("sockeye_messages_received_bytes_total"),
            sent: of("sockeye_messages_sent_total"),
            sent_bytes: of("sockeye_messages_sent_bytes_total"),
        }
    }
}

/// Counts dropped messages.
#[cold]
pub(crate) fn count_dropped(reason: Reason, count: u64) {
    let metrics = metrics();
    let counter = match reason {
        Reason::Newest => &metrics.newest,
        Reason::Oldest => &metrics.oldest,
        Reason::Replaced => &metrics.replaced,
        Reason::Unsent => &metrics.unsent,
    };
    counter.increment(count);
}

/// Counts messages dropped because unwritten output of a connection of the handler server had
/// reached its limit.
#[cfg(unix)]
#[cold]
pub(super) fn count_dropped_full(count: u64) {
    metrics().full.increment(count);
}

/// The metrics of all clients, or of all servers.
#[derive(Clone, Copy)]
pub(crate) struct RoleMetrics(&'static RoleCounters);

impl RoleMetrics {
    pub(crate) fn of(role: Role) -> Self {
        let metrics = metrics();
        match role {
            Role::Client => Self(&metrics.client),
            Role::Server => Self(&metrics.server),
        }
    }

    pub(super) fn count_opened(self) {
        self.0.opened.increment(1);
        self.0.open.increment(1);
    }

    pub(super) fn count_ended(self) {
        self.0.open.decrement(1);
    }

    #[inline]
    pub(crate) fn count_received(self, kind: Kind, length: usize) {
        self.add_received(kind, 1, length as u64);
    }

    /// Counts a part of an incomplete message.
    pub(crate) fn count_received_part(self, kind: Kind, length: usize) {
        self.add_received(kind, 0, length as u64);
    }

    /// Counts a sent message, in `wire` bytes of frames.
    #[inline]
    pub(crate) fn count_sent(self, kind: Kind, length: usize, wire: usize) {
        self.add_sent(kind, 1, length as u64);
        self.add_wire(0, wire as u64);
    }

    /// Counts a part of an incomplete message.
    pub(crate) fn count_sent_part(self, kind: Kind, length: usize, wire: usize) {
        self.add_sent(kind, 0, length as u64);
        self.add_wire(0, wire as u64);
    }

    #[inline]
    pub(crate) fn count_wire_received(self, length: usize) {
        self.add_wire(length as u64, 0);
    }

    #[inline]
    pub(super) fn add_received(self, kind: Kind, messages: u64, bytes: u64) {
        let kind_counters = self.0.of(kind);
        add(&kind_counters.received, messages);
        add(&kind_counters.received_bytes, bytes);
    }

    #[inline]
    pub(super) fn add_sent(self, kind: Kind, messages: u64, bytes: u64) {
        let kind_counters = self.0.of(kind);
        add(&kind_counters.sent, messages);
        add(&kind_counters.sent_bytes, bytes);
    }

    #[inline]
    pub(super) fn add_wire(self, received: u64, sent: u64) {
        add(&self.0.wire_received, received);
        add(&self.0.wire_sent, sent);
    }

    pub(super) fn count_close_received(self, code: Option<CloseCode>) {
        let (role, code) = (self.0.role, code_label(code));
        counter!("sockeye_close_frames_received_total", "role" => role, "code" => code)
            .increment(1);
    }

    pub(crate) fn count_close_sent(self, code: Option<CloseCode>) {
        let (role, code) = (self.0.role, code_label(code));
        counter!("sockeye_close_frames_sent_total", "role" => role, "code" => code).increment(1);
    }

    pub(super) fn count_failed(self, error: &Error) {
        self.count_failed_by(cause_label(error));
    }

    pub(super) fn count_failed_by(self, cause: &'static str) {
        let role = self.0.role;
        counter!("sockeye_connections_failed_total", "role" => role, "cause" => cause).increment(1);
    }

    /// Counts a refused handshake: on a server with the status of the answer to `error`, on a
    /// client with the status of the answer that it received.
    pub(crate) fn count_refused(self, error: &HandshakeError) {
        self.count_refused_with(match error {
            HandshakeError::Status { status, .. } => Some(*status),
            HandshakeError::Truncated { .. } => None,
            // The server's answer was not that of a handshake.
            _ if self.0.role == CLIENT => None,
            error => Some(Refusal::from(error).status()),
        });
    }

    /// Counts a handshake that was answered with `status`, or not at all.
    pub(crate) fn count_refused_with(self, status: Option<StatusCode>) {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.as_str().to_owned());
        let role = self.0.role;
        counter!("sockeye_handshakes_refused_total", "role" => role, "status" => status)
            .increment(1);
    }

    pub(crate) fn record_rtt(self, rtt: Duration) {
        self.0.rtt.record(rtt);
    }
}

impl fmt::Debug for RoleMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RoleMetrics").field(&self.0.role).finish()
    }
}

#[inline]
fn add(counter: &Counter, count: u64) {
    // An atomic addition of zero costs as much as any other.
    if count > 0 {
        counter.increment(count);
    }
}

const fn cause_label(error: &Error) -> &'static str {
    match error {
        Error::Protocol(ProtocolError::OverBudget { .. }) => "over_budget",
        Error::Protocol(_) => "protocol",
        Error::Disconnected => "disconnected",
        Error::ClosedMidMessage(_) => "closed_mid_message",
        Error::TimedOut(TimedOut::Keepalive) => "keepalive",
        Error::TimedOut(TimedOut::Closing) => "closing",
        Error::TimedOut(TimedOut::Writing) => "writing",
        Error::TimedOut(TimedOut::Reading) => "reading",
        Error::TimedOut(TimedOut::MessageTooSlow) => "too_slow",
        Error::TimedOut(_) => "timed_out",
        // An open connection does not fail with the other errors.
        Error::Io(_)
        | Error::Usage(_)
        | Error::Closed(_)
        | Error::Connect(_)
        | Error::Upgrade(_) => "io",
    }
}

/// Returns the label of a close code. The number of labels is bounded, whatever a peer sends.
fn code_label(code: Option<CloseCode>) -> String {
    match code.map(u16::from) {
        None => "none".into(),
        Some(code @ 1000..=1015) => code.to_string(),
        Some(3000..=3999) => "3xxx".into(),
        Some(4000..=4999) => "4xxx".into(),
        Some(_) => "other".into(),
    }
}
