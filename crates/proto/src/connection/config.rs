use std::time::Duration;

use super::Role;
use crate::keepalive::DEFAULT_MIN_RATE;

/// Limits and timeouts of a connection.
///
/// Each field has a setter of the same name, which documents it and its default.
///
/// ```
/// use std::time::Duration;
/// use sockeye_proto::Config;
///
/// let config = Config::new()
///     .max_message_length(64 * 1024)
///     .ping_after(Some(Duration::from_secs(10)));
/// # let _ = config;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// See [`max_frame_length`](Self::max_frame_length()).
    pub max_frame_length: u64,
    /// See [`max_message_length`](Self::max_message_length()).
    pub max_message_length: usize,
    /// See [`max_streamed_length`](Self::max_streamed_length()).
    pub max_streamed_length: u64,
    /// See [`ping_after`](Self::ping_after()).
    pub ping_after: Option<Duration>,
    /// See [`pong_timeout`](Self::pong_timeout()).
    pub pong_timeout: Duration,
    /// See [`close_timeout`](Self::close_timeout()).
    pub close_timeout: Duration,
    /// See [`write_timeout`](Self::write_timeout()).
    pub write_timeout: Option<Duration>,
    /// See [`read_timeout`](Self::read_timeout()).
    pub read_timeout: Option<Duration>,
    /// See [`report_frames`](Self::report_frames()).
    pub report_frames: bool,
    pub(crate) min_message_rate: MinRate,
}

/// The minimum rate of a message in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MinRate {
    /// [`DEFAULT_MIN_RATE`] on servers, none on clients.
    OfRole,
    /// A rate in bytes per second; 0 for none.
    Of(u16),
}

impl Config {
    /// Returns the default configuration: each field has the default that its setter documents.
    pub const fn new() -> Self {
        Self {
            max_frame_length: u64::MAX,
            max_message_length: 16 << 20,
            max_streamed_length: u64::MAX,
            ping_after: Some(Duration::from_secs(20)),
            pong_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(5),
            write_timeout: Some(Duration::from_secs(30)),
            read_timeout: None,
            min_message_rate: MinRate::OfRole,
            report_frames: false,
        }
    }

    /// Sets the maximum length of a frame from the peer, in bytes of payload on the wire. Default:
    /// no limit besides that of messages, which is what bounds memory.
    ///
    /// A longer frame fails the connection with 1009 as soon as its header has arrived
    /// ([`ProtocolError::FrameTooLong`](crate::ProtocolError::FrameTooLong)). A compressed frame
    /// can be slightly longer than the message it carries.
    pub const fn max_frame_length(self, bytes: u64) -> Self {
        Self { max_frame_length: bytes, ..self }
    }

    /// Sets the maximum length of a message from the peer, in bytes, all fragments together and
    /// after decompression. Default: 16 MiB.
    ///
    /// A longer message fails the connection with 1009 as soon as the excess is known: for an
    /// uncompressed message when the header that exceeds the limit has arrived, for a compressed
    /// message when its output passes the limit
    /// ([`ProtocolError::MessageTooLong`](crate::ProtocolError::MessageTooLong)).
    pub const fn max_message_length(self, bytes: usize) -> Self {
        Self { max_message_length: bytes, ..self }
    }

    /// Sets the maximum length of a message that is received in pieces
    /// ([`Connection::stream_messages`](crate::Connection::stream_messages)), in bytes, all
    /// fragments together and after decompression. Replaces
    /// [`max_message_length`](Self::max_message_length()) for such messages, as they are not held
    /// in memory. Default: no limit.
    ///
    /// A longer message fails the connection as [`max_message_length`](Self::max_message_length())
    /// describes; the pieces before the limit have been delivered.
    pub const fn max_streamed_length(self, bytes: u64) -> Self {
        Self { max_streamed_length: bytes, ..self }
    }

    /// Sets how long either direction may be silent; `None` for no limit. Default: 20 s.
    ///
    /// If the peer is silent, the connection sends a ping, whose pong breaks the silence; if only
    /// the local end is silent, the connection sends an unsolicited pong (RFC 6455 section 5.5.3).
    /// Silence is measured in halves of the interval, without reading the clock for each message,
    /// so the connection sends either frame between one half and the whole of the interval after
    /// the last byte. The default is less than half of the time after which nginx (60 s) and
    /// `HAProxy` (50 s) cut an idle connection by default.
    pub const fn ping_after(self, interval: Option<Duration>) -> Self {
        Self { ping_after: interval, ..self }
    }

    /// Sets the timeout for the pong that answers a keepalive ping. Afterwards the connection
    /// counts as lost ([`TimedOut::Keepalive`](crate::TimedOut::Keepalive)). Default: 20 s.
    ///
    /// The timeout starts when the peer's transport has the ping, as far as the driver knows, and
    /// restarts while the output before the ping makes progress: a ping may wait behind megabytes
    /// on a slow line. While the peer accepts none of that output, the timeout is doubled. Other
    /// input extends the deadline only if it arrives at 240 bytes per second or faster, since a
    /// pong may wait behind a long message from the peer.
    pub const fn pong_timeout(self, timeout: Duration) -> Self {
        Self { pong_timeout: timeout, ..self }
    }

    /// Sets the timeout of the closing handshake, from the writing of the local close frame to the
    /// end of the transport ([`TimedOut::Closing`](crate::TimedOut::Closing)). Default: 5 s.
    ///
    /// The timeout does not cut off messages that were sent before the close frame: while they are
    /// written, the [`write_timeout`](Self::write_timeout()) applies. If the peer broke the
    /// protocol, the timeout starts at once.
    pub const fn close_timeout(self, timeout: Duration) -> Self {
        Self { close_timeout: timeout, ..self }
    }

    /// Sets how long output may wait for a transport that accepts not one byte of it. Afterwards
    /// the connection counts as lost ([`TimedOut::Writing`](crate::TimedOut::Writing)). `None` for
    /// no limit, or for the [`close_timeout`](Self::close_timeout()) once the connection is being
    /// closed. Default: 30 s.
    ///
    /// A peer that reads slowly never exceeds this timeout, as long as it reads: a program that
    /// needs a deadline for a send wraps the send in `tokio::time::timeout`. Enforced by the
    /// driver, if it waits for its transport.
    pub const fn write_timeout(self, timeout: Option<Duration>) -> Self {
        Self { write_timeout: timeout, ..self }
    }

    /// Sets how long a message may take from its first byte to its last. Afterwards the connection
    /// counts as lost ([`TimedOut::Reading`](crate::TimedOut::Reading)). `None` for no limit.
    /// Default: `None`.
    ///
    /// For a message that is read as a stream, the timeout applies from one piece to the next.
    /// Between messages the peer may be silent: [`ping_after`](Self::ping_after()) covers that
    /// case. Control frames within the message do not extend the timeout. Enforced by the driver,
    /// if it waits for its transport.
    pub const fn read_timeout(self, timeout: Option<Duration>) -> Self {
        Self { read_timeout: timeout, ..self }
    }

    /// Sets the minimum rate, in bytes per second, at which a message in progress must arrive;
    /// `None` for none. At most 65,535. Default: 240 on servers, none on clients.
    ///
    /// The rate is averaged over 20 s or more, and the first 20 s of a message are not checked, so
    /// that an upload over a slow line survives. A slower message, which a peer may send to make
    /// the connection hold memory, fails the connection with 1008
    /// ([`TimedOut::MessageTooSlow`](crate::TimedOut::MessageTooSlow)). Time in which the driver
    /// does not read is not counted, and neither are messages that are read as a stream, since the
    /// connection does not hold them.
    pub const fn min_message_rate(self, bytes_per_second: Option<u16>) -> Self {
        let rate = match bytes_per_second {
            Some(rate) => rate,
            None => 0,
        };
        Self { min_message_rate: MinRate::Of(rate), ..self }
    }

    pub(crate) const fn min_rate_for(&self, role: Role) -> u16 {
        match (self.min_message_rate, role) {
            (MinRate::Of(rate), _) => rate,
            (MinRate::OfRole, Role::Server) => DEFAULT_MIN_RATE,
            (MinRate::OfRole, Role::Client) => 0,
        }
    }

    /// Sets whether the connection reports the header of every frame as an event
    /// ([`Event::Frame`](crate::Event::Frame)), for programs that inspect frames. Every message is
    /// then assembled in a buffer. Default: no.
    pub const fn report_frames(self, report_frames: bool) -> Self {
        Self { report_frames, ..self }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
