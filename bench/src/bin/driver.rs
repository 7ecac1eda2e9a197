//! The load driver: puts load on one echo server and prints one line of JSON.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use sockeye_bench::cycle::Wire;
use sockeye_bench::files;
use sockeye_bench::load::{self, Load, Pattern};
use sockeye_bench::mode::Deflate;
use sockeye_bench::payload::Payload;
use sockeye_bench::scenario::RATE;

/// Puts load on one echo server, checks every byte that comes back, and prints one line of JSON.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address of the server.
    address: SocketAddr,
    /// Traffic pattern.
    #[arg(long, value_enum, default_value_t = Pattern::Echo)]
    pattern: Pattern,
    /// Connections open at once.
    #[arg(short, long, default_value_t = 100)]
    connections: usize,
    /// HTTP/2 streams on each connection, each a WebSocket, with prior knowledge (for echo only).
    #[arg(long, conflicts_with = "certificate")]
    streams: Option<usize>,
    /// Messages in flight per connection or stream, in a closed loop.
    #[arg(short = 'f', long, default_value_t = 1)]
    in_flight: usize,
    /// Messages per second on each connection, in an open loop.
    #[arg(long, default_value_t = RATE)]
    rate: u32,
    /// Payload bytes of each message.
    #[arg(short, long, default_value_t = 20)]
    length: usize,
    /// Content of messages.
    #[arg(short, long, value_enum, default_value_t = Payload::Binary)]
    payload: Payload,
    /// WebSocket frames, or the same bytes to a raw echo server.
    #[arg(short, long, value_enum, default_value_t = Wire::WebSocket)]
    wire: Wire,
    /// permessage-deflate with or without context takeover, for text: takeover or no-takeover.
    #[arg(long, value_parser = deflate)]
    deflate: Option<Deflate>,
    /// The server's certificate, in PEM: use TLS and trust only this certificate.
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// Request target of the opening handshake.
    #[arg(long, default_value = "/")]
    path: String,
    /// Counted time, in seconds.
    #[arg(short, long, default_value_t = 3.0)]
    seconds: f64,
    /// Time at full load before the counted time, in seconds, in a closed loop.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Process id of the server, to measure its processor time and memory.
    #[arg(long)]
    server_pid: Option<u32>,
}

fn main() -> ExitCode {
    match drive(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // On one line, which the runner prints.
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn drive(arguments: Arguments) -> anyhow::Result<()> {
    anyhow::ensure!(arguments.connections > 0, "at least one connection is needed");
    anyhow::ensure!(arguments.streams != Some(0), "at least one stream is needed");
    anyhow::ensure!(
        arguments.streams.is_none() || arguments.pattern == Pattern::Echo,
        "--streams is for echo only"
    );
    anyhow::ensure!(arguments.in_flight > 0, "at least one message in flight is needed");
    anyhow::ensure!(
        arguments.deflate.is_none() || arguments.payload != Payload::Binary,
        "--deflate needs a --payload of text"
    );
    files::raise_limit()?;
    let report = load::run(&Load {
        address: arguments.address,
        path: arguments.path,
        wire: arguments.wire,
        pattern: arguments.pattern,
        payload: arguments.payload,
        length: arguments.length,
        connections: arguments.connections,
        streams: arguments.streams,
        in_flight: arguments.in_flight,
        rate: arguments.rate,
        deflate: arguments.deflate,
        certificate: arguments.certificate,
        warm_up: Duration::try_from_secs_f64(arguments.warm_up).context("--warm-up")?,
        duration: Duration::try_from_secs_f64(arguments.seconds).context("--seconds")?,
        server_pid: arguments.server_pid,
    })?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn deflate(name: &str) -> Result<Deflate, &'static str> {
    [Deflate::Takeover, Deflate::NoTakeover]
        .into_iter()
        .find(|deflate| deflate.name() == name)
        .ok_or("takeover or no-takeover")
}
