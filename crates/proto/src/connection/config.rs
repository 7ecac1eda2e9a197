use std::time::Duration;

use super::Role;
use crate::keepalive::LEAST_RATE;

/// Limits and deadlines of a connection.
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
pub struct Config {
    pub(crate) max_frame_length: u64,
    pub(crate) max_message_length: usize,
    pub(crate) max_streamed_length: u64,
    pub(crate) ping_after: Option<Duration>,
    pub(crate) pong_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) min_message_rate: MinRate,
    pub(crate) report_frames: bool,
}

/// The least rate of a message that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MinRate {
    /// [`LEAST_RATE`] on servers, none on clients.
    OfRole,
    /// In bytes a second; 0 for none.
    Of(u16),
}

impl Config {
    /// The defaults, as each setter states them.
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

    /// The longest frame taken from the peer, in bytes of payload as it is on the wire. Default: no limit beside that
    /// of messages, which is what bounds memory.
    ///
    /// A longer one fails the connection with 1009 as soon as its header is there
    /// ([`ProtocolError::FrameTooLong`](crate::ProtocolError::FrameTooLong)). A compressed frame can be a little longer
    /// than the message it carries.
    pub const fn max_frame_length(self, bytes: u64) -> Self {
        Self { max_frame_length: bytes, ..self }
    }

    /// The longest message taken from the peer, in bytes, all fragments together and after decompression.
    /// Default: 16 MiB.
    ///
    /// A longer one fails the connection with 1009 as soon as that is known: for an uncompressed message when the
    /// header that leads over the limit is there, for a compressed one when its output passes the limit
    /// ([`ProtocolError::MessageTooLong`](crate::ProtocolError::MessageTooLong)).
    pub const fn max_message_length(self, bytes: usize) -> Self {
        Self { max_message_length: bytes, ..self }
    }

    /// The longest message taken from the peer in pieces
    /// ([`Connection::stream_messages`](crate::Connection::stream_messages)), in bytes, all fragments together and after
    /// decompression: in place of [`max_message_length`](Self::max_message_length), as such a message takes no memory.
    /// Default: no limit.
    ///
    /// A longer one fails the connection as a message that is too long does; what came before the limit was given.
    pub const fn max_streamed_length(self, bytes: u64) -> Self {
        Self { max_streamed_length: bytes, ..self }
    }

    /// How long either direction may be silent; `None` for ever. Default: 20 s.
    ///
    /// A peer that sends nothing is sent a ping, whose pong breaks the silence; when only this end sends nothing, it sends a
    /// pong that nobody asked for (RFC 6455 section 5.5.3). Silence is measured in halves of the interval, without reading the
    /// clock for each message, so that both leave between one half and the whole of it after the last byte. The default is
    /// less than half of the time after which nginx (60 s) and `HAProxy` (50 s) cut an idle connection by default.
    pub const fn ping_after(self, interval: Option<Duration>) -> Self {
        Self { ping_after: interval, ..self }
    }

    /// How long the pong to that ping may take before the connection counts as lost
    /// ([`TimedOut::Keepalive`](crate::TimedOut::Keepalive)). Default: 20 s.
    ///
    /// The time begins when the peer's transport has the ping, as far as the driver knows that, and begins anew while the output
    /// before the ping makes progress: a ping may wait behind megabytes on a slow line. While the peer takes nothing of that
    /// output, it is twice as long. Other input puts the end off only if it
    /// arrives at 240 bytes a second or faster, since a pong may wait behind a long message of the peer.
    pub const fn pong_timeout(self, timeout: Duration) -> Self {
        Self { pong_timeout: timeout, ..self }
    }

    /// Timeout of the closing handshake, from when the local close frame is written to the end of the transport
    /// ([`TimedOut::Closing`](crate::TimedOut::Closing)). Default: 5 s.
    ///
    /// Messages that were sent before the close frame are not cut by it: while they are written, the
    /// [`write_timeout`](Self::write_timeout) applies. Where the peer broke the protocol, the time runs from then on.
    pub const fn close_timeout(self, timeout: Duration) -> Self {
        Self { close_timeout: timeout, ..self }
    }

    /// How long what is to be written may wait for a transport that takes not one byte of it, before the connection counts
    /// as lost ([`TimedOut::Writing`](crate::TimedOut::Writing)); `None` for as long as that lasts, or for the
    /// [`close_timeout`](Self::close_timeout) once the connection is being closed. Default: 30 s.
    ///
    /// A peer that reads slowly is given all the time that it needs, as long as it reads: a program that has an end of its own
    /// puts `tokio::time::timeout` around a send. Meant for the driver of a connection that waits for its transport.
    pub const fn write_timeout(self, timeout: Option<Duration>) -> Self {
        Self { write_timeout: timeout, ..self }
    }

    /// How long a message may take from its first byte to its last, before the connection counts as lost
    /// ([`TimedOut::Reading`](crate::TimedOut::Reading)); `None` for as long as it likes. Default: `None`.
    ///
    /// A message that is read as a stream has this long from one piece to the next. Between messages the peer may be silent:
    /// that is for [`ping_after`](Self::ping_after) to end. Control frames within
    /// the message do not extend its time. Meant for the driver of a connection that waits for its transport.
    pub const fn read_timeout(self, timeout: Option<Duration>) -> Self {
        Self { read_timeout: timeout, ..self }
    }

    /// The least rate, in bytes a second, at which a message that has begun must go on to arrive; `None` for none. At most
    /// 65,535. Default: 240 on servers, none on clients.
    ///
    /// It is an average over 20 s or more, and the first 20 s of a message are not judged, so that an upload over a slow line
    /// lives and a message that is dribbled to hold memory does not: that one fails the connection with 1008
    /// ([`TimedOut::MessageTooSlow`](crate::TimedOut::MessageTooSlow)). Time in which the driver does not read is not counted,
    /// and neither are messages that are read as a stream, of which nothing is held.
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
            (MinRate::OfRole, Role::Server) => LEAST_RATE,
            (MinRate::OfRole, Role::Client) => 0,
        }
    }

    /// For a driver: the [`max_message_length`](Self::max_message_length).
    pub const fn longest_message(&self) -> usize {
        self.max_message_length
    }

    /// For a driver: the [`close_timeout`](Self::close_timeout).
    pub const fn longest_closing(&self) -> Duration {
        self.close_timeout
    }

    /// For a driver: the [`write_timeout`](Self::write_timeout).
    pub const fn longest_write(&self) -> Option<Duration> {
        self.write_timeout
    }

    /// For a driver: the [`read_timeout`](Self::read_timeout).
    pub const fn longest_read(&self) -> Option<Duration> {
        self.read_timeout
    }

    /// Whether the header of every frame is an event of its own ([`Event::Frame`](crate::Event::Frame)): for programs that
    /// look at the frames themselves. Every message is then put together in a buffer. Default: no.
    pub const fn report_frames(self, report_frames: bool) -> Self {
        Self { report_frames, ..self }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
