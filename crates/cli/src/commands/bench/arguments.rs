//! The arguments of `sockeye bench`.

use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Args;

use super::criterion::Criterion;
use crate::units;

/// Measure the latency of a WebSocket server at a rate
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye bench ws://localhost:8080/echo --rate 10k
  sockeye bench ws://localhost:8080/echo -c 50 --in-flight 16 --duration 30s
  sockeye bench ws://localhost:8080/echo --rate 10k --fail-if 'p99>5ms' --json result.json
  sockeye bench ws://localhost:8080/echo --find-max 'p99<5ms'
  sockeye bench ws://localhost:8080/room --fan-out -c 500 --rate 100

With --rate, messages are due by a schedule that is fixed before the test, and response times run \
from when a message was due: a server that stalls delays every message that was due meanwhile. \
Service times run from the write of the message. Without --rate, the test is a closed loop, which \
sends the next message when one is answered and says little about latency.

Conditions of --fail-if and --find-max compare p50, p99.9 or another percentile, mean or max with \
a time, or timeouts, lost, doubled, reordered or achieved (messages per second) with a number.

On a terminal, the keys + and - change the time that the statistics cover. Ctrl-C and q end the \
test; the result is that of the time so far.

Exit codes: 0 done, 1 other errors and conditions of --fail-if that hold, 2 wrong arguments, 3 the \
host was not found, 4 no connection, 5 TLS failed, 6 the server refused the WebSocket, 7 the \
server broke the protocol or did not return what was sent, 8 the server closed a connection, 10 \
the server did not answer the handshake or any message, 130 Ctrl-C.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Bench {
    #[arg(value_name = "URL", help = "The server: ws://HOST:PORT/PATH or wss://HOST/PATH")]
    pub(super) url: String,

    /// Number of connections
    #[arg(short, long, value_name = "NUMBER", default_value = "100")]
    #[arg(value_parser = units::connections)]
    pub(super) connections: usize,

    /// Messages per second on all connections together, such as 500 or 10k
    #[arg(short, long, value_name = "RATE", value_parser = units::count)]
    pub(super) rate: Option<u64>,

    /// Messages in flight on each connection at most. Default: 1; with --rate, no limit
    #[arg(long, value_name = "NUMBER", value_parser = units::connections)]
    pub(super) in_flight: Option<usize>,

    /// Length of each message, such as 64 or 16KiB
    #[arg(short, long, value_name = "SIZE", default_value = "64", value_parser = units::size)]
    pub(super) size: usize,

    /// Time that is counted
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub(super) duration: Duration,

    /// Time before it at the same load, which is not counted. Without a value: 2s
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "2s")]
    #[arg(require_equals = true, value_parser = units::duration)]
    pub(super) warm_up: Option<Duration>,

    /// Timeout of an answer; later and missing ones count with the time that was waited
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    pub(super) timeout: Duration,

    /// Send text messages instead of binary ones
    #[arg(long)]
    pub(super) text: bool,

    /// Send on the first connection, and expect each message on all of them
    #[arg(long, requires = "rate")]
    pub(super) fan_out: bool,

    /// Threads of the client. Default: half the cores
    #[arg(long, value_name = "NUMBER", value_parser = units::connections)]
    pub(super) threads: Option<usize>,

    /// Write the result as JSON; docs/bench.md describes the schema
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Write a plot of the percentiles
    #[arg(long, value_name = "FILE", conflicts_with_all = ["compare", "find_max"])]
    pub(super) svg: Option<PathBuf>,

    /// Write the response and service times of each second as an interval log of `HdrHistogram`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["compare", "find_max"])]
    pub(super) hdr: Option<PathBuf>,

    /// Write the percentiles of the response times in the format of the `HdrHistogram` plotter
    #[arg(long, value_name = "FILE", conflicts_with_all = ["compare", "find_max"])]
    pub(super) percentiles: Option<PathBuf>,

    /// Measure a second server in turns with the first, and compare them
    #[arg(long, value_name = "URL", conflicts_with_all = ["find_max", "fail_if"])]
    pub(super) compare: Option<String>,

    /// Number of turns of each server with --compare; each takes its share of the duration
    #[arg(long, value_name = "NUMBER", default_value = "5", requires = "compare")]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub(super) turns: u32,

    /// Find the highest rate at which a condition holds, such as 'p99<5ms', from --rate or 1000 on
    #[arg(long, value_name = "CONDITION", conflicts_with = "fail_if")]
    pub(super) find_max: Option<Criterion>,

    /// Fail if a condition such as 'p99>5ms' holds, or if the client was the bottleneck
    #[arg(long, value_name = "CONDITION")]
    pub(super) fail_if: Vec<Criterion>,

    /// Add a header to the opening handshake, such as 'Sec-WebSocket-Protocol: chat'
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(super) headers: Vec<(String, String)>,

    /// Accept any certificate of the server
    #[arg(short = 'k', long)]
    pub(super) insecure: bool,

    /// Trust the certificates in this PEM file instead of the usual ones
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(super) cacert: Option<PathBuf>,

    /// Print no progress
    #[arg(short, long)]
    pub(super) quiet: bool,
}

impl Bench {
    /// Returns the number of threads. Half of the cores are left to a server on the same machine.
    pub(super) fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| available_parallelism().map_or(1, |cores| cores.get() / 2))
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected a header such as 'name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
