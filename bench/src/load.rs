//! The load: one thread, one epoll instance, and one of four traffic patterns.
//!
//! Per wake-up of a connection the driver makes one `read` and one `write`, and copies nothing. The
//! driver thus costs as much as the bare epoll echo server, as the race against that server shows.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::cycle::{Cycle, Wire};
use crate::exchange::Exchange;
use crate::handshake::HandshakeError;
use crate::mode::Deflate;
use crate::payload::Payload;
use crate::report::Report;
use crate::transport::Transport;
use crate::{closed_loop, fan_out, idle, open_loop, streams};

/// Maximum number of bytes read per wake-up of a connection.
pub(crate) const READ_SIZE: usize = 256 * 1024;

/// Timeout without any reply, after which a loop fails.
pub(crate) const STALL: Duration = Duration::from_secs(5);

/// Maximum time of one wait for events.
pub(crate) const WAIT: Duration = Duration::from_millis(50);

/// The traffic pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// A closed loop: each connection sends a new message when it has received an echo.
    Echo,
    /// Fan-out in a closed loop: one connection sends and all receive. A new message goes out when
    /// an earlier one has reached all connections.
    FanOut,
    /// An open loop: messages go out on schedule, regardless of replies.
    OpenLoop,
    /// One message over each connection, then nothing, to measure the server's memory.
    Idle,
}

/// The settings of a run: target, messages and duration.
#[derive(Clone, Debug)]
pub struct Load {
    /// The server's address.
    pub address: SocketAddr,
    /// The request target of the opening handshake.
    pub path: String,
    /// WebSocket frames, or the same bytes without a handshake.
    pub wire: Wire,
    /// The traffic pattern.
    pub pattern: Pattern,
    /// The content of messages.
    pub payload: Payload,
    /// Payload bytes of each message.
    pub length: usize,
    /// Connections open at once.
    pub connections: usize,
    /// HTTP/2 streams on each connection, each a WebSocket. `None`: each connection is a WebSocket
    /// over HTTP/1.1. For echo only, and without TLS.
    pub streams: Option<usize>,
    /// Messages in flight per connection or stream, in a closed loop.
    pub in_flight: usize,
    /// Messages per second on each connection, in an open loop.
    pub rate: u32,
    /// The kind of permessage-deflate, if any.
    pub deflate: Option<Deflate>,
    /// The server's certificate in PEM; if set, connections use TLS.
    pub certificate: Option<PathBuf>,
    /// Time at full load before anything is counted, in a closed loop.
    pub warm_up: Duration,
    /// Time that is counted.
    pub duration: Duration,
    /// Process id of the server, if its processor time is to be measured.
    pub server_pid: Option<u32>,
}

/// Runs the load to its end.
///
/// # Errors
///
/// The first error on any connection ends the run, because a measurement of a server that does not
/// echo is worthless.
pub fn run(load: &Load) -> Result<Report, LoadError> {
    match (load.streams, load.pattern) {
        (Some(streams), _) => streams::run(load, streams),
        (None, Pattern::Echo) => closed_loop::run(load),
        (None, Pattern::FanOut) => fan_out::run(load),
        (None, Pattern::OpenLoop) => open_loop::run(load),
        (None, Pattern::Idle) => idle::run(load),
    }
}

impl Load {
    /// Returns the bytes of the run, where one write holds up to `window` messages.
    pub(crate) fn cycle(&self, window: usize) -> Cycle {
        match self.deflate {
            None => Cycle::new(self.wire, self.payload, self.length, window),
            Some(deflate) => Cycle::compressed(deflate, self.payload, self.length, window),
        }
    }

    /// Returns an exchange that begins with message `first` of the cycle. A compressed cycle has to
    /// be started at its first message.
    pub(crate) fn exchange(&self, cycle: &Cycle, first: u64) -> Exchange {
        match self.deflate {
            None => Exchange::new(cycle, first),
            Some(deflate) => Exchange::compressed(deflate),
        }
    }

    /// Returns such an exchange over a socket.
    pub(crate) fn connection(&self, transport: Transport, cycle: &Cycle, first: u64) -> Connection {
        Connection::new(transport, self.exchange(cycle, first))
    }
}

/// The reason why a run has no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// A system call failed, or TLS failed after its configuration.
    Io(io::Error),
    /// TLS cannot be used with this certificate.
    Tls(rustls::Error),
    /// The opening handshake failed.
    Handshake(HandshakeError),
    /// HTTP/2 failed.
    Http2(h2::Error),
    /// The server speaks HTTP/2, but does not allow WebSockets over it.
    NoExtendedConnect,
    /// The server closed a connection.
    Closed,
    /// The server sent a byte that the driver did not send, or not in this order.
    WrongByte {
        /// The number of the message, counted from the first of the cycle.
        message: u64,
        /// The offset of the byte in the reply, including the header unless the reply was
        /// compressed.
        offset: u64,
    },
    /// A reply is not a compressed text message in one frame.
    NotCompressed {
        /// The number of the message, counted from the first of the cycle.
        message: u64,
    },
    /// A reply cannot be inflated.
    NotDeflate {
        /// The number of the message, counted from the first of the cycle.
        message: u64,
    },
    /// Replies stopped coming.
    Stalled,
    /// No reply arrived in the counted time.
    NoReplies,
    /// A server did not answer a ping with a pong.
    NoPong {
        /// The first bytes that the server sent instead.
        answer: [u8; 2],
    },
    /// Memory can only be measured if the server's process id is given.
    NoProcess,
    /// Any of the above errors, on one connection.
    On {
        /// Index of the connection, in the order of opening.
        connection: usize,
        /// The error of that connection.
        error: Box<LoadError>,
    },
}

impl LoadError {
    pub(crate) fn on(self, connection: usize) -> Self {
        Self::On { connection, error: Box::new(self) }
    }
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rustix::io::Errno> for LoadError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<h2::Error> for LoadError {
    fn from(error: h2::Error) -> Self {
        Self::Http2(error)
    }
}

impl From<HandshakeError> for LoadError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("a system call or TLS failed"),
            Self::Tls(_) => f.write_str("TLS cannot be configured"),
            Self::Handshake(_) => f.write_str("the opening handshake failed"),
            Self::Http2(_) => f.write_str("HTTP/2 failed"),
            Self::NoExtendedConnect => f.write_str("the server allows no WebSockets over HTTP/2"),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::WrongByte { message, offset } => {
                write!(f, "byte {offset} of reply {message} is not what was sent")
            }
            Self::NotCompressed { message } => {
                write!(f, "reply {message} is not one compressed text frame")
            }
            Self::NotDeflate { message } => write!(f, "reply {message} cannot be inflated"),
            Self::Stalled => write!(f, "no reply for {} s", STALL.as_secs()),
            Self::NoReplies => f.write_str("no reply in the counted time"),
            Self::NoPong { answer } => write!(f, "{answer:02x?} is no pong"),
            Self::NoProcess => f.write_str("memory needs the server's process to be named"),
            Self::On { connection, .. } => write!(f, "connection {connection} failed"),
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Http2(error) => Some(error),
            Self::On { error, .. } => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    /// Starts a TCP echo server with a thread for each connection; `spoil` may change the bytes.
    fn serve(connections: usize, spoil: fn(&mut [u8])) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().take(connections) {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut buffer = vec![0; 64 * 1024];
                    // The thread ends when the driver closes the connection, in whichever way.
                    while let Ok(size @ 1..) = stream.read(&mut buffer) {
                        spoil(&mut buffer[..size]);
                        if stream.write_all(&buffer[..size]).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        address
    }

    /// Returns a short load of raw echo.
    pub(crate) fn raw(address: SocketAddr, pattern: Pattern) -> Load {
        Load {
            address,
            path: "/".to_owned(),
            wire: Wire::Raw,
            pattern,
            payload: Payload::Binary,
            length: 1000,
            connections: 3,
            streams: None,
            in_flight: 2,
            rate: 1000,
            deflate: None,
            certificate: None,
            warm_up: Duration::from_millis(5),
            duration: Duration::from_millis(50),
            server_pid: Some(std::process::id()),
        }
    }

    #[test]
    fn a_closed_loop_counts_echoes_and_an_open_one_what_it_sent_too() {
        let echo = run(&raw(serve(3, |_| {}), Pattern::Echo)).unwrap();
        assert!(echo.messages > 0 && echo.sent.is_none() && echo.latency.is_some());
        let open = run(&raw(serve(3, |_| {}), Pattern::OpenLoop)).unwrap();
        assert!(open.sent >= Some(open.messages) && open.latency.is_none());
    }

    #[test]
    fn memory_is_measured_over_all_connections() {
        let mut load = raw(serve(103, |_| {}), Pattern::Idle);
        let report = run(&load).unwrap();
        assert!(report.messages == 3 && report.memory.is_some());
        load.server_pid = None;
        assert!(matches!(run(&load), Err(LoadError::NoProcess)));
    }

    #[test]
    fn one_wrong_byte_ends_the_run_and_says_where() {
        let address = serve(3, |bytes| bytes[0] ^= 1);
        let error = run(&raw(address, Pattern::Echo)).unwrap_err();
        let LoadError::On { error, .. } = error else { panic!("{error:?}") };
        assert!(matches!(*error, LoadError::WrongByte { offset: 0, .. }), "{error:?}");
    }

    #[test]
    fn a_server_that_closes_ends_the_run() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || listener.incoming().take(3).for_each(drop));
        let error = run(&raw(address, Pattern::Echo)).unwrap_err();
        let LoadError::On { error, .. } = error else { panic!("{error:?}") };
        // Reset or orderly close, whichever the driver encounters first.
        assert!(matches!(*error, LoadError::Closed | LoadError::Io(_)), "{error:?}");
    }
}
