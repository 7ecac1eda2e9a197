//! `sockeye tunnel`: forwards TCP connections, Unix sockets and UDP over one WebSocket, and over the
//! next one when that is lost.
//!
//! ```text
//!  open: local, dynamic (socks, http_proxy), stdio, udp ─► link ═ QMux ═ resume ═ WebSocket
//!                                          remote ◄──────┘                          ║
//!  serve: tcp, udp, bind ◄─ streams ◄──────────────────── QMux ═ resume ════════════╝
//!          └─► target (allow rules on each resolved address)
//! ```
//!
//! `protocol` and `allow` are pure data. `relay` copies bytes between a stream and a local
//! connection at both ends.

use clap::{Args, Subcommand};
use sockeye::mux;

use crate::parsed::ParseAgain;

mod allow;
mod bounded_listener;
mod datagrams;
mod open;
mod protocol;
mod relay;
mod serve;
mod socket;

pub(crate) use self::serve::Serve;

/// Forward TCP, UDP and Unix sockets through one WebSocket, which may be lost and replaced
#[derive(Debug, Args)]
pub(crate) struct Tunnel {
    #[command(subcommand)]
    end: End,
}

#[derive(Debug, Subcommand)]
enum End {
    Open(Box<open::Open>),
    Serve(Box<Serve>),
}

/// Runs one end of a tunnel until it is stopped. `parse_again` is called for each reload of a
/// server.
///
/// # Errors
/// When the server cannot start, or when the client cannot begin or has to end.
pub(crate) fn run(tunnel: Tunnel, parse_again: ParseAgain<Serve>) -> anyhow::Result<()> {
    match tunnel.end {
        End::Open(options) => open::run(&options),
        End::Serve(options) => serve::run(*options, parse_again),
    }
}

impl Tunnel {
    /// Returns the arguments of a server.
    pub(crate) fn into_server(self) -> Option<Serve> {
        match self.end {
            End::Open(_) => None,
            End::Serve(options) => Some(*options),
        }
    }

    /// Checks the files that the flags of a server name.
    ///
    /// # Errors
    /// A sentence about the first file that cannot be used.
    pub(crate) fn check_files(&self) -> anyhow::Result<()> {
        match &self.end {
            End::Open(_) => Ok(()),
            End::Serve(options) => options.check_files(),
        }
    }
}

/// Window of a connection before it grows, in bytes.
const STREAM_WINDOW: u32 = 64 << 10;

/// Minimum window of a session, in bytes: windows of connections grow by at most half of it.
const MIN_SESSION_WINDOW: u32 = 32 << 20;

/// Returns the limits of a session in which the other end opens at most `max_streams` connections.
/// All of them may stall without holding up others, since half of the window is theirs.
fn mux_config(max_streams: u32) -> mux::Config {
    let stalled = max_streams.saturating_mul(STREAM_WINDOW).saturating_mul(2);
    mux::Config::new()
        .max_bi_streams(max_streams)
        .max_uni_streams(0)
        .stream_window(STREAM_WINDOW)
        .session_window(stalled.max(MIN_SESSION_WINDOW))
        // The session below has its own timeouts and pings.
        .idle_timeout(None)
        .keep_alive(None)
}

/// Parses the length of the buffers of a session, which its protocol states in four bytes.
fn buffer(text: &str) -> Result<u32, String> {
    let too_long = |_| "at most 1GiB".to_owned();
    let length = u32::try_from(crate::units::size(text)?).map_err(too_long)?;
    if length > 1 << 30 { Err("at most 1GiB".to_owned()) } else { Ok(length) }
}
