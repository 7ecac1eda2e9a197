//! The load driver: puts load on one echo server and prints one line of JSON.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use rustls::pki_types::ServerName;
use sockeye_bench::report::Report;
use sockeye_bench::scenario::RATE;
use sockeye_bench::{certificate, files};
use sockeye_load::{DeflateMode, Load, PayloadKind, TrafficPattern, WireProtocol};

/// Puts load on one echo server, checks every byte that comes back, and prints one line of JSON.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address of the server.
    address: SocketAddr,
    /// Traffic pattern: echo, fan-out, open-loop or idle.
    #[arg(long, default_value_t)]
    pattern: TrafficPattern,
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
    /// Content of messages: binary, ascii, utf8 or json.
    #[arg(short, long, default_value_t)]
    payload: PayloadKind,
    /// websocket, raw for the same bytes to a bare echo server, or socket-io for events of
    /// Socket.IO.
    #[arg(long, default_value_t)]
    protocol: WireProtocol,
    /// permessage-deflate with or without context takeover, for text: takeover or no-takeover.
    #[arg(long)]
    deflate: Option<DeflateMode>,
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
    files::raise_limit()?;
    let mut load = Load::new(arguments.address)
        .path(arguments.path)
        .protocol(arguments.protocol)
        .pattern(arguments.pattern)
        .payload(arguments.payload)
        .length(arguments.length)
        .connections(arguments.connections)
        .in_flight(arguments.in_flight)
        .rate(arguments.rate)
        .warm_up(Duration::try_from_secs_f64(arguments.warm_up).context("--warm-up")?)
        .duration(Duration::try_from_secs_f64(arguments.seconds).context("--seconds")?);
    if let Some(streams) = arguments.streams {
        load = load.streams(streams);
    }
    if let Some(mode) = arguments.deflate {
        load = load.deflate(mode);
    }
    if let Some(path) = &arguments.certificate {
        let name = ServerName::IpAddress(arguments.address.ip().into());
        load = load.tls(certificate::client_config(path)?, name);
    }
    if let Some(pid) = arguments.server_pid {
        load = load.server_process(pid);
    }
    let report = Report::new(&load.run()?).context("/proc has no processor time of the driver")?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
