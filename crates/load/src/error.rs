//! The reasons why a run has no result.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::limits::{MAX_CONNECTIONS, MAX_DURATION, MAX_LENGTH, REPLY_TIMEOUT, STAMP_LENGTH};

/// The reason why a run has no result. The first error on any connection ends the run, because a
/// measurement of a server that does not answer correctly is worthless.
///
/// The text ends with the text of the cause, so that `{error}` alone is complete;
/// [`source`](Error::source) is therefore `None`.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The number of connections is 0 or exceeds [`MAX_CONNECTIONS`](crate::MAX_CONNECTIONS),
    /// counting each HTTP/2 stream as one.
    InvalidConnections {
        /// The number of connections, or of streams on all of them.
        connections: usize,
    },
    /// The number of messages in flight is 0, or their number or payload on all connections
    /// exceeds a limit: see [`Load::in_flight`](crate::Load::in_flight).
    InvalidInFlight {
        /// The number of messages in flight per connection.
        in_flight: usize,
    },
    /// The message is longer than [`MAX_LENGTH`](crate::MAX_LENGTH).
    MessageTooLong {
        /// The payload length, in bytes.
        length: usize,
    },
    /// The rate of an open loop is 0.
    NoRate,
    /// The warm-up or the counted time is longer than [`MAX_DURATION`](crate::MAX_DURATION).
    DurationTooLong {
        /// The duration.
        duration: Duration,
    },
    /// The request target is not an absolute path of visible ASCII characters.
    InvalidPath,
    /// The value of `Host` is empty or has other than visible ASCII characters.
    InvalidHost,
    /// The name or value of a header of the opening handshake is invalid, or the client sets the
    /// header itself.
    InvalidHeader {
        /// The name.
        name: String,
    },
    /// The messages of a fan-out are too short for their number and time.
    TooShortForFanOut {
        /// The payload length, in bytes.
        length: usize,
    },
    /// permessage-deflate works with [`Load::run`](crate::Load::run) only, not in a latency test.
    DeflateInLatencyTest,
    /// A message of a latency test waited for its place in flight behind too many others: the
    /// server is far slower than the schedule.
    Overloaded {
        /// The number of waiting messages on all connections of a thread.
        waiting: usize,
    },
    /// A latency test was stopped before the counted time began: see
    /// [`LatencyTest::stop_when`](crate::LatencyTest::stop_when).
    Stopped,
    /// A thread of a latency test panicked.
    ThreadPanicked,
    /// A frame of the server breaks the protocol, or is longer than any reply.
    WrongFrame {
        /// The first byte of the frame: FIN, the reserved bits and the opcode.
        first: u8,
        /// The length of its payload, in bytes.
        length: u64,
    },
    /// permessage-deflate needs a payload of text, whose reply is checked as a text frame.
    DeflateNeedsText,
    /// permessage-deflate needs [`WireProtocol::WebSocket`](crate::WireProtocol::WebSocket).
    DeflateNeedsWebSocket,
    /// HTTP/2 streams work with [`TrafficPattern::Echo`](crate::TrafficPattern::Echo) only.
    StreamsNeedEcho,
    /// HTTP/2 streams work without TLS only.
    StreamsWithTls,
    /// Socket.IO needs [`PayloadKind::Ascii`](crate::PayloadKind::Ascii).
    SocketIoNeedsAscii,
    /// Socket.IO works without HTTP/2 streams only.
    StreamsWithSocketIo,
    /// Socket.IO works with [`Load::run`](crate::Load::run) only, not in a latency test.
    SocketIoInLatencyTest,
    /// [`TrafficPattern::Idle`](crate::TrafficPattern::Idle) measures the memory of the server's
    /// process, which was not named.
    NoProcess,
    /// No TCP connection could be opened in a latency test.
    Connect(io::Error),
    /// A system call failed, or TLS failed after the handshake.
    Io(io::Error),
    /// TLS cannot be set up for this server name.
    Tls(rustls::Error),
    /// The transport failed or ended during the opening handshake.
    HandshakeIo(io::Error),
    /// The head of the server's answer exceeds 4096 bytes.
    HandshakeTooLong,
    /// The status is not 101, or over HTTP/2 not 200.
    HandshakeRefused {
        /// The status; `None` if the answer is not an HTTP/1.1 response.
        status: Option<u16>,
    },
    /// `Sec-WebSocket-Accept` is missing or wrong.
    WrongAccept,
    /// The server agreed to an extension that the client did not offer, or not to the one that it
    /// offered.
    WrongExtension {
        /// The server's `Sec-WebSocket-Extensions`; empty without one.
        answer: String,
    },
    /// The server sent data before it received a message.
    EarlyData,
    /// HTTP/2 failed.
    Http2(Box<dyn Error + Send + Sync>),
    /// The server supports HTTP/2, but not WebSockets over it: its settings lack
    /// `SETTINGS_ENABLE_CONNECT_PROTOCOL` (RFC 8441 section 3).
    NoExtendedConnect,
    /// The server closed a connection.
    Closed,
    /// The server closed the connection with a close frame that has a code.
    ClosedWith {
        /// The close code.
        code: u16,
        /// The reason, which may be empty.
        reason: String,
    },
    /// The server sent a byte that the client did not send, or not in this order.
    WrongByte {
        /// The number of the message, counted from the first of the cycle.
        message: u64,
        /// The offset of the byte in the reply, including the header unless the reply was
        /// compressed.
        offset: u64,
    },
    /// A reply is not a compressed text message in one frame of acceptable length.
    NotCompressed {
        /// The number of the message, counted from the first of the cycle.
        message: u64,
    },
    /// A reply cannot be inflated.
    NotDeflate {
        /// The number of the message, counted from the first of the cycle.
        message: u64,
    },
    /// No reply arrived on any connection for [`REPLY_TIMEOUT`](crate::REPLY_TIMEOUT), or a step of
    /// opening one took longer.
    ReplyTimeout,
    /// No reply arrived in the counted time.
    NoReplies,
    /// A server did not answer a ping with a pong.
    NoPong {
        /// The first bytes that the server sent instead.
        answer: [u8; 2],
    },
    /// The server did not open a session of Engine.IO, or did not connect the client to the
    /// namespace of Socket.IO.
    WrongPacket {
        /// The text with which the server's packet should have begun.
        expected: &'static str,
    },
    /// One of the above errors, on one connection.
    Connection {
        /// Index of the connection, in the order of opening.
        index: usize,
        /// The error of that connection.
        error: Box<LoadError>,
    },
}

impl LoadError {
    /// Names the connection on which the error occurred.
    pub(crate) fn on(self, index: usize) -> Self {
        Self::Connection { index, error: Box::new(self) }
    }

    /// Converts an error of opening a TCP connection.
    pub(crate) fn connect(error: io::Error) -> Self {
        if is_timeout(&error) { Self::ReplyTimeout } else { Self::Connect(error) }
    }

    /// Converts an error of a blocking socket during the opening handshake.
    pub(crate) fn handshake(error: io::Error) -> Self {
        if is_timeout(&error) { Self::ReplyTimeout } else { Self::HandshakeIo(error) }
    }
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        if is_timeout(&error) { Self::ReplyTimeout } else { Self::Io(error) }
    }
}

/// Returns whether the timeout of a blocking socket caused `error`. Event loops handle
/// [`io::ErrorKind::WouldBlock`] themselves.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidConnections { connections } => {
                write!(f, "{connections} connections are not between 1 and {MAX_CONNECTIONS}")
            }
            Self::InvalidInFlight { in_flight: 0 } => {
                f.write_str("at least one message in flight is needed")
            }
            Self::InvalidInFlight { in_flight } => {
                write!(f, "{in_flight} messages in flight per connection exceed the limit")
            }
            Self::MessageTooLong { length } => {
                write!(f, "{length} bytes exceed the limit of {MAX_LENGTH} for a message")
            }
            Self::NoRate => f.write_str("the rate of an open loop must not be 0"),
            Self::DurationTooLong { duration } => {
                let limit = MAX_DURATION.as_secs();
                write!(f, "{} s exceed the limit of {limit} s", duration.as_secs())
            }
            Self::InvalidPath => {
                f.write_str("the request target is not an absolute path of visible ASCII")
            }
            Self::InvalidHost => f.write_str("the host is not a text of visible ASCII"),
            Self::InvalidHeader { name } => {
                write!(f, "the header {name:?} is invalid, or the client sets it itself")
            }
            Self::TooShortForFanOut { length } => {
                write!(
                    f,
                    "{length} bytes are too short for a message of a fan-out, which needs {STAMP_LENGTH} for its number and time"
                )
            }
            Self::DeflateInLatencyTest => {
                f.write_str("a latency test does not work with permessage-deflate")
            }
            Self::Overloaded { waiting } => {
                write!(
                    f,
                    "{waiting} messages wait to be sent: the server is far slower than the schedule"
                )
            }
            Self::Stopped => f.write_str("the test was stopped before it had a result"),
            Self::ThreadPanicked => f.write_str("a thread of the client panicked"),
            Self::WrongFrame { first, length } => {
                write!(f, "a frame of {length} bytes that begins with {first:#04x} is no reply")
            }
            Self::DeflateNeedsText => f.write_str("permessage-deflate needs a payload of text"),
            Self::DeflateNeedsWebSocket => {
                f.write_str("permessage-deflate needs the protocol WebSocket")
            }
            Self::StreamsNeedEcho => f.write_str("HTTP/2 streams are for the pattern echo only"),
            Self::StreamsWithTls => f.write_str("HTTP/2 streams are for connections without TLS"),
            Self::SocketIoNeedsAscii => f.write_str("Socket.IO needs a payload of ASCII"),
            Self::StreamsWithSocketIo => f.write_str("HTTP/2 streams do not carry Socket.IO"),
            Self::SocketIoInLatencyTest => {
                f.write_str("a latency test does not work with Socket.IO")
            }
            Self::NoProcess => f.write_str("memory needs the server's process to be named"),
            Self::Connect(error) => write!(f, "could not connect: {error}"),
            Self::Io(error) => write!(f, "a system call or TLS failed: {error}"),
            Self::Tls(error) => write!(f, "TLS cannot be set up: {error}"),
            Self::HandshakeIo(error) => {
                write!(f, "the transport failed during the opening handshake: {error}")
            }
            Self::HandshakeTooLong => {
                f.write_str("the answer to the opening handshake is too long")
            }
            Self::HandshakeRefused { status: Some(status) } => {
                write!(f, "the server refused the opening handshake with status {status}")
            }
            Self::HandshakeRefused { status: None } => {
                f.write_str("the server did not answer with HTTP/1.1")
            }
            Self::WrongAccept => f.write_str("Sec-WebSocket-Accept is missing or wrong"),
            Self::WrongExtension { answer } => {
                write!(f, "the server agreed to {answer:?}, which is not what was offered")
            }
            Self::EarlyData => f.write_str("the server sent data before it received a message"),
            Self::Http2(error) => write!(f, "HTTP/2 failed: {error}"),
            Self::NoExtendedConnect => f.write_str("the server allows no WebSockets over HTTP/2"),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::ClosedWith { code, reason } => write_close(f, *code, reason),
            Self::WrongByte { message, offset } => {
                write!(f, "byte {offset} of reply {message} is not what was sent")
            }
            Self::NotCompressed { message } => {
                write!(f, "reply {message} is not one compressed text frame")
            }
            Self::NotDeflate { message } => write!(f, "reply {message} cannot be inflated"),
            Self::ReplyTimeout => {
                write!(f, "no reply for {} s", REPLY_TIMEOUT.as_secs())
            }
            Self::NoReplies => f.write_str("no reply in the counted time"),
            Self::NoPong { answer } => write!(f, "{answer:02x?} is no pong"),
            Self::WrongPacket { expected } => {
                write!(f, "a packet of the server does not begin with {expected:?}")
            }
            Self::Connection { index, error } => write!(f, "connection {index} failed: {error}"),
        }
    }
}

fn write_close(f: &mut fmt::Formatter<'_>, code: u16, reason: &str) -> fmt::Result {
    write!(f, "the server closed the connection with code {code}")?;
    // Quoted, because the reason may have control characters.
    if reason.is_empty() { Ok(()) } else { write!(f, ": {reason:?}") }
}

impl Error for LoadError {}
