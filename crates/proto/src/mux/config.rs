use std::time::Duration;

use super::parameters::{DEFAULT_MAX_RECORD_SIZE, TransportParameters};

/// Default of `stream_window`: one record, which a stream at 5 Mbit/s and 100 ms fills.
const DEFAULT_STREAM_WINDOW: u32 = 64 << 10;

/// Default of `max_stream_window`: the product of 800 Mbit/s and 167 ms.
const DEFAULT_MAX_STREAM_WINDOW: u32 = 16 << 20;

/// Default of `session_window`. One half is what windows grow by, the other the windows of all
/// streams before they grow: streams whose data is never read do not hold up others.
const DEFAULT_SESSION_WINDOW: u32 = 2 * 2 * DEFAULT_MAX_STREAMS * DEFAULT_STREAM_WINDOW;

/// Default of `send_buffer`: some records ahead of the transport. Sent data is not kept.
const DEFAULT_SEND_BUFFER: u32 = 128 << 10;

/// Default of the limits of streams.
const DEFAULT_MAX_STREAMS: u32 = 256;

/// Maximum of the limits of streams. A peer that opens the last stream opens those before it, each
/// of which takes some hundred bytes.
const MAX_STREAMS: u32 = 1 << 16;

/// Default of `max_record_size`: long enough to make headers negligible.
const DEFAULT_RECORD_SIZE: u32 = 64 << 10;

/// Default of `datagrams`.
const DEFAULT_DATAGRAMS: u32 = 256 << 10;

/// Default of `idle_timeout`.
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Default of `keep_alive`, that of the WebSocket's own keepalive.
const DEFAULT_KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The limits of one end of a session.
///
/// The sum of unread data is at most `session_window`, whatever the peer sends. No limit reserves
/// memory: memory is allocated for data that has arrived or that the program has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub(super) stream_window: u32,
    pub(super) max_stream_window: u32,
    pub(super) session_window: u32,
    pub(super) send_buffer: u32,
    pub(super) max_bi_streams: u32,
    pub(super) max_uni_streams: u32,
    pub(super) max_record_size: u32,
    pub(super) datagrams: u32,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) keep_alive: Option<Duration>,
}

impl Config {
    /// Creates the default limits.
    pub const fn new() -> Self {
        Self {
            stream_window: DEFAULT_STREAM_WINDOW,
            max_stream_window: DEFAULT_MAX_STREAM_WINDOW,
            session_window: DEFAULT_SESSION_WINDOW,
            send_buffer: DEFAULT_SEND_BUFFER,
            max_bi_streams: DEFAULT_MAX_STREAMS,
            max_uni_streams: DEFAULT_MAX_STREAMS,
            max_record_size: DEFAULT_RECORD_SIZE,
            datagrams: DEFAULT_DATAGRAMS,
            idle_timeout: Some(DEFAULT_IDLE_TIMEOUT),
            keep_alive: Some(DEFAULT_KEEP_ALIVE),
        }
    }

    /// Sets the window of a new stream: the length of data that the peer may send before the
    /// program reads, in bytes; at least 1. Default: 64 KiB.
    pub const fn stream_window(self, stream_window: u32) -> Self {
        Self { stream_window: if stream_window == 0 { 1 } else { stream_window }, ..self }
    }

    /// Sets the maximum to which the window of a stream grows, in bytes. Default: 16 MiB. The window
    /// doubles when the peer was blocked by it although the program has read everything. Together,
    /// the windows grow by at most half of `session_window`. A value below `stream_window` prevents
    /// growth.
    pub const fn max_stream_window(self, max_stream_window: u32) -> Self {
        Self { max_stream_window, ..self }
    }

    /// Sets the maximum length of unread data of all streams, in bytes; at least 1. Default: 64 MiB.
    /// Unread streams hold up other streams only when this limit is reached, which it never is if
    /// one half of it holds a `stream_window` for each stream that the peer may open, as by default.
    pub const fn session_window(self, session_window: u32) -> Self {
        Self { session_window: if session_window == 0 { 1 } else { session_window }, ..self }
    }

    /// Sets the maximum length of data that a stream keeps until the transport takes it, in bytes;
    /// at least 1. Default: 128 KiB. A write waits while the buffer is full.
    pub const fn send_buffer(self, send_buffer: u32) -> Self {
        Self { send_buffer: if send_buffer == 0 { 1 } else { send_buffer }, ..self }
    }

    /// Sets the maximum number of bidirectional streams that the peer has open at a time, at most
    /// 65,536. Default: 256. The peer may open all of them with one frame.
    pub const fn max_bi_streams(self, max_bi_streams: u32) -> Self {
        Self { max_bi_streams: at_most(max_bi_streams, MAX_STREAMS), ..self }
    }

    /// Sets the maximum number of unidirectional streams that the peer has open at a time, at most
    /// 65,536. Default: 256. The peer may open all of them with one frame.
    pub const fn max_uni_streams(self, max_uni_streams: u32) -> Self {
        Self { max_uni_streams: at_most(max_uni_streams, MAX_STREAMS), ..self }
    }

    /// Sets the maximum length of a record, in bytes; at least 16,382. Default: 64 KiB. A longer
    /// record ends the session.
    pub const fn max_record_size(self, max_record_size: u32) -> Self {
        let is_less = max_record_size < DEFAULT_MAX_RECORD_SIZE;
        Self {
            max_record_size: if is_less { DEFAULT_MAX_RECORD_SIZE } else { max_record_size },
            ..self
        }
    }

    /// Sets the maximum size of the datagrams that wait to be sent, and of those that wait to be
    /// read, in bytes; a datagram counts as 64 bytes more than its length. Default: 256 KiB. With 0,
    /// the peer may send none. Datagrams beyond the limit are dropped.
    pub const fn datagrams(self, datagrams: u32) -> Self {
        Self { datagrams, ..self }
    }

    /// Sets the time without a record from the peer after which the session ends. Default: 60 s. The
    /// shorter value of both ends applies. Over a transport that survives longer interruptions, such
    /// as `resume::ResumableStream`, use `None`.
    pub const fn idle_timeout(self, idle_timeout: Option<Duration>) -> Self {
        Self { idle_timeout, ..self }
    }

    /// Sets the time without a record from the peer after which this end sends a ping. Default: 20
    /// s. A third of the idle timeout applies if that is shorter, and at least 100 ms.
    pub const fn keep_alive(self, keep_alive: Option<Duration>) -> Self {
        Self { keep_alive, ..self }
    }

    pub(super) fn parameters(&self) -> TransportParameters {
        let window = self.stream_window.into();
        let idle_timeout = self.idle_timeout.map_or(0, |timeout| timeout.as_millis().max(1));
        TransportParameters {
            max_idle_timeout: u64::try_from(idle_timeout).unwrap_or(u64::MAX),
            initial_max_data: self.session_window.into(),
            initial_max_stream_data_bidi_local: window,
            initial_max_stream_data_bidi_remote: window,
            initial_max_stream_data_uni: window,
            initial_max_streams_bidi: self.max_bi_streams.into(),
            initial_max_streams_uni: self.max_uni_streams.into(),
            max_datagram_frame_size: if self.datagrams == 0 {
                0
            } else {
                self.max_record_size.into()
            },
            max_record_size: self.max_record_size.into(),
        }
    }
}

const fn at_most(value: u32, limit: u32) -> u32 {
    if value > limit { limit } else { value }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
