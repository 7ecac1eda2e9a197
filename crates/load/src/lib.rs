//! A load client for WebSocket servers: puts load on an echo or fan-out server, checks every byte
//! that comes back, and measures throughput, latency and processor time.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use sockeye_load::{Load, PayloadKind};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let report = Load::new("127.0.0.1:8080".parse()?)
//!     .path("/echo")
//!     .connections(100)
//!     .in_flight(16)
//!     .payload(PayloadKind::Json)
//!     .length(512)
//!     .duration(Duration::from_secs(10))
//!     .run_with_progress(Duration::from_secs(1), |progress| {
//!         eprintln!("{:?}: {} messages", progress.phase, progress.messages);
//!     })?;
//! println!("{} messages in {:?}", report.messages, report.elapsed);
//! if let Some(latency) = report.latency {
//!     println!("median {:?}, p99 {:?}", latency.quantile(0.5), latency.quantile(0.99));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Traffic
//!
//! [`TrafficPattern`] selects between echo in a closed loop, fan-out, an open loop with a fixed
//! rate, and idle connections. Messages may be compressed ([`Load::deflate`]) and encrypted
//! ([`Load::tls`]), and WebSockets may share HTTP/2 connections (`Load::streams`, with the feature
//! `http2`).
//!
//! # What is checked
//!
//! All bytes of a run are prepared before it begins: a short cycle of messages that every
//! connection repeats. So the client knows the reply stream to the byte and compares it as it
//! arrives; it inflates compressed replies first. The first wrong byte ends the run with
//! [`LoadError::WrongByte`].
//!
//! A server must send nothing but replies: a ping, an unsolicited pong or a fragmented reply counts
//! as a wrong byte too. Sockeye's own servers send pings when many streams share an HTTP/2
//! connection.
//!
//! The crate shares no code with Sockeye: a bug there must not be cancelled out by the same bug
//! here.
//!
//! # What is measured
//!
//! * Messages that came back whole, and the counted time.
//! * In a closed loop, the [`Latency`] from queueing a message to its whole echo or delivery. A
//!   closed loop says nothing about latency at a given rate, since a slow server slows the client
//!   too.
//! * On Linux, [`CpuTime`] of this process and of the server's, as the scheduler counts it, and the
//!   server's memory. On other systems, these are `None`.
//!
//! [`LatencyTest`] measures the latency at a rate instead: by a schedule that is fixed before the
//! test begins, on several threads, and with a count of late, lost, doubled and reordered messages.
//! The test accepts pings and fragmented replies, and checks the payload of every message.
//!
//! # Cost
//!
//! A run has one thread. For each wake-up of a connection, the client makes one read and one write
//! and copies nothing, so that it costs about as much as a bare TCP echo on epoll. HTTP/2 costs
//! more. A client that uses its core completely measures itself: compare
//! [`LoadReport::client`] with [`LoadReport::elapsed`].

#![forbid(unsafe_code)]

mod connection;
mod connector;
mod deflate;
mod error;
mod exchange;
mod frame;
mod handshake;
mod inflater;
mod latency;
mod latency_test;
mod limits;
mod load;
mod measurement;
mod message_cycle;
mod names;
mod patterns;
mod payload;
mod poller;
mod process;
mod progress;
mod report;
mod send_times;
mod socket_io;
mod transport;

pub use deflate::DeflateMode;
pub use error::LoadError;
pub use latency::Latency;
pub use latency_test::{LatencyCounts, LatencyProgress, LatencyReport, LatencyTest};
pub use limits::{
    MAX_BYTES_IN_FLIGHT, MAX_CONNECTIONS, MAX_DURATION, MAX_IN_FLIGHT, MAX_LENGTH, REPLY_TIMEOUT,
};
pub use load::{Load, TrafficPattern, WireProtocol};
pub use names::UnknownName;
pub use payload::PayloadKind;
pub use process::CpuTime;
pub use progress::{RunPhase, RunProgress};
pub use report::{LoadReport, ServerMemory};
