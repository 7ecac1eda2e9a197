//! Metrics of all connections of the process, for whatever recorder of the crate `metrics` the
//! program installs: that of a service, or one of its own.
//!
//! ```
//! # fn install() {}
//! // First the recorder, for example with `PrometheusBuilder::new().install_recorder()` of metrics-exporter-prometheus.
//! install();
//! // Then, if all figures shall be there at zero before the first connection:
//! # #[cfg(feature = "metrics")]
//! sockeye::metrics::describe();
//! ```
//!
//! The recorder must be installed before the first connection: the figures go to the one that is there then, and to none
//! if there is none. They are counted with or without compression and TLS, by every kind of server and client. A
//! connection whose frames a program takes into its own hands ([`WebSocket::into_frames`](crate::WebSocket::into_frames)) counts as
//! ended.
//!
//! | name | labels | what |
//! |---|---|---|
//! | `sockeye_connections_opened_total` | `role` | connections whose opening handshake was done |
//! | `sockeye_connections_open` | `role` | connections that are open now, or closing: a gauge |
//! | `sockeye_connections_failed_total` | `role`, `cause` | connections that ended with an error instead of a closing handshake |
//! | `sockeye_handshakes_refused_total` | `role`, `status` | opening handshakes that were answered with another status than that of an upgrade |
//! | `sockeye_messages_received_total` | `role`, `kind` | messages received |
//! | `sockeye_messages_received_bytes_total` | `role`, `kind` | their length, after decompression |
//! | `sockeye_messages_sent_total` | `role`, `kind` | messages sent: taken to be written |
//! | `sockeye_messages_sent_bytes_total` | `role`, `kind` | their length, before compression |
//! | `sockeye_messages_dropped_total` | `reason` | messages that were given to Sockeye to be sent, and are not |
//! | `sockeye_wire_received_bytes_total` | `role` | bytes of frames received, control frames included, within TLS |
//! | `sockeye_wire_sent_bytes_total` | `role` | bytes of the frames that messages were sent in, within TLS |
//! | `sockeye_close_frames_received_total` | `role`, `code` | close frames received |
//! | `sockeye_close_frames_sent_total` | `role`, `code` | close frames sent |
//! | `sockeye_rtt_seconds` | `role` | round-trip times, one for each keepalive ping that was answered: a histogram |
//!
//! The ratio of compression is that of the bytes of messages to the bytes on the wire. As Prometheus asks it, for what is sent:
//! `rate(sockeye_messages_sent_bytes_total[5m]) / rate(sockeye_wire_sent_bytes_total[5m])`, each summed over its labels.
//!
//! | label | values |
//! |---|---|
//! | `role` | of the local end: `server`, `client` |
//! | `kind` | `text`, `binary` |
//! | `cause` | `protocol`: the peer broke a rule; `over_budget`: the connection held most of a [`MemoryBudget`](crate::MemoryBudget) that was used up; `disconnected`: the transport ended without a close frame; `closed_mid_message`; `keepalive`, `closing`, `writing`, `reading`, `too_slow`: which [time](crate::TimedOut) was up; `io`: the transport failed; `panic`: a callback of the handler server panicked |
//! | `status` | the status code; `none` where a client left or took too long before it could be answered, or a server's answer is none to a handshake |
//! | `reason` | `newest`, `oldest`, `replaced`, `unsent`: see [`split::Dropped`](crate::split::Dropped); `full`: the handler server had as much unwritten for the connection as it may (`push::Server::max_unwritten`), whether the message was for it or for all |
//! | `code` | the close code; `none` for a frame without one, `3xxx` and `4xxx` for those of applications, `other` for any other: a peer cannot make as many labels as it likes |
//!
//! # Cost
//! Handles are looked up once for the process. The handler server adds its messages up in plain numbers and hands them over
//! once for each turn of a worker; other connections count a message with two or three atomic additions. Without the feature
//! `metrics` nothing of it is compiled.

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

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Newest,
    Oldest,
    Replaced,
    Unsent,
}
