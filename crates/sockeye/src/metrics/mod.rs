//! Metrics of all connections of the process, for any recorder of the crate `metrics` that the
//! program installs.
//!
//! ```
//! # fn install() {}
//! // First the recorder, for example with `PrometheusBuilder::new().install_recorder()` of
//! // metrics-exporter-prometheus.
//! install();
//! // Then, to register all metrics at zero before the first connection:
//! # #[cfg(feature = "metrics")]
//! sockeye::metrics::describe();
//! ```
//!
//! The recorder must be installed before the first connection: all metrics go to the recorder
//! present at that time, or nowhere if there is none. Every kind of server and client is counted,
//! with or without compression and TLS. A connection whose frames a program handles itself
//! ([`WebSocket::into_frames`](crate::WebSocket::into_frames)) counts as ended.
//!
//! | name | labels | meaning |
//! |---|---|---|
//! | `sockeye_connections_opened_total` | `role` | connections whose opening handshake was done |
//! | `sockeye_connections_open` | `role` | connections that are open now, or closing: a gauge |
//! | `sockeye_connections_failed_total` | `role`, `cause` | connections that ended with an error instead of a closing handshake |
//! | `sockeye_handshakes_refused_total` | `role`, `status` | opening handshakes that were answered with a status other than that of an upgrade |
//! | `sockeye_messages_received_total` | `role`, `kind` | messages received |
//! | `sockeye_messages_received_bytes_total` | `role`, `kind` | their length, after decompression |
//! | `sockeye_messages_sent_total` | `role`, `kind` | messages sent: accepted for writing |
//! | `sockeye_messages_sent_bytes_total` | `role`, `kind` | their length, before compression |
//! | `sockeye_messages_dropped_total` | `reason` | messages that were passed to Sockeye for sending, and dropped |
//! | `sockeye_wire_received_bytes_total` | `role` | bytes of frames received, control frames included, within TLS |
//! | `sockeye_wire_sent_bytes_total` | `role` | bytes of the frames that messages were sent in, within TLS |
//! | `sockeye_close_frames_received_total` | `role`, `code` | close frames received |
//! | `sockeye_close_frames_sent_total` | `role`, `code` | close frames sent |
//! | `sockeye_rtt_seconds` | `role` | round-trip times, one for each keepalive ping that was answered: a histogram |
//!
//! The compression ratio is that of the bytes of messages to the bytes on the wire. In `PromQL`,
//! for sent messages:
//! `rate(sockeye_messages_sent_bytes_total[5m]) / rate(sockeye_wire_sent_bytes_total[5m])`, each
//! summed over its labels.
//!
//! | label | values |
//! |---|---|
//! | `role` | of the local end: `server`, `client` |
//! | `kind` | `text`, `binary` |
//! | `cause` | `protocol`: the peer broke a rule; `over_budget`: the connection held most of a [`MemoryBudget`](crate::MemoryBudget) that was used up; `disconnected`: the transport ended without a close frame; `closed_mid_message`; `keepalive`, `closing`, `writing`, `reading`, `too_slow`: the [timeout](crate::TimedOut) that passed; `io`: the transport failed; `panic`: a callback of the handler server panicked |
//! | `status` | the status code; `none` if the client left or timed out before it could be answered, or if the server's answer was not that of a handshake |
//! | `reason` | `newest`, `oldest`, `replaced`, `unsent`: see [`split::Dropped`](crate::split::Dropped); `full`: in the handler server, unwritten output of the connection had reached `push::Server::max_unwritten`, for messages to one connection and to all |
//! | `code` | the close code; `none` for a frame without one, `3xxx` and `4xxx` for those of applications, `other` for any other: the number of labels is bounded, whatever a peer sends |
//!
//! # Cost
//! Handles are looked up once per process. A worker of the handler server counts messages in plain
//! numbers and flushes the counts once per turn; other connections count a message with two or
//! three atomic additions. Without the feature `metrics`, none of this is compiled.

#[cfg(not(feature = "metrics"))]
mod absent;
#[cfg(feature = "metrics")]
mod connection;
#[cfg(all(unix, feature = "metrics"))]
mod counts;
#[cfg(feature = "metrics")]
mod descriptions;
#[cfg(feature = "metrics")]
mod recorded;

#[cfg(all(unix, not(feature = "metrics")))]
pub(crate) use absent::Counts;
#[cfg(not(feature = "metrics"))]
pub(crate) use absent::{ConnectionMetrics, RoleMetrics, count_dropped};
#[cfg(feature = "metrics")]
pub(crate) use connection::ConnectionMetrics;
#[cfg(all(unix, feature = "metrics"))]
pub(crate) use counts::Counts;
#[cfg(feature = "metrics")]
pub use recorded::describe;
#[cfg(feature = "metrics")]
pub(crate) use recorded::{RoleMetrics, count_dropped};

/// The reason that a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Newest,
    Oldest,
    Replaced,
    Unsent,
}
