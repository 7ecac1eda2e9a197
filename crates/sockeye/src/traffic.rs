//! Counts the messages of one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use sockeye_proto::{CloseCode, CloseFrame};

/// The number and the length of the messages of one connection, and its close code: for logs and
/// quotas. Clones share the counts, which remain after the connection has ended.
///
/// [`WebSocket::traffic`](crate::WebSocket::traffic) returns the counts of a connection.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    received_messages: AtomicU64,
    received_bytes: AtomicU64,
    sent_messages: AtomicU64,
    sent_bytes: AtomicU64,
    /// 0 while no close frame has passed.
    close_code: AtomicU16,
}

impl Traffic {
    /// Returns the number of messages that were received to their end. The end of a message that is
    /// read in pieces may be found by the read after its last piece.
    pub fn received_messages(&self) -> u64 {
        self.0.received_messages.load(Ordering::Relaxed)
    }

    /// Returns the length of the messages that were received, in bytes, after decompression.
    pub fn received_bytes(&self) -> u64 {
        self.0.received_bytes.load(Ordering::Relaxed)
    }

    /// Returns the number of whole messages that were put into frames to be sent.
    pub fn sent_messages(&self) -> u64 {
        self.0.sent_messages.load(Ordering::Relaxed)
    }

    /// Returns the length of the messages that were put into frames, in bytes, before compression.
    pub fn sent_bytes(&self) -> u64 {
        self.0.sent_bytes.load(Ordering::Relaxed)
    }

    /// Returns the code of the first close frame in either direction, which is
    /// [`NO_STATUS_RCVD`](CloseCode::NO_STATUS_RCVD) for one without a code; `None` without a close
    /// frame.
    pub fn close_code(&self) -> Option<CloseCode> {
        match self.0.close_code.load(Ordering::Relaxed) {
            0 => None,
            code => Some(CloseCode::from(code)),
        }
    }

    pub(crate) fn count_received(&self, length: usize) {
        self.0.received_messages.fetch_add(1, Ordering::Relaxed);
        self.count_received_part(length);
    }

    pub(crate) fn count_received_part(&self, length: usize) {
        self.0.received_bytes.fetch_add(length as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_sent(&self, length: usize) {
        self.0.sent_messages.fetch_add(1, Ordering::Relaxed);
        self.count_sent_part(length);
    }

    pub(crate) fn count_sent_part(&self, length: usize) {
        self.0.sent_bytes.fetch_add(length as u64, Ordering::Relaxed);
    }

    pub(crate) fn record_close(&self, frame: Option<&CloseFrame>) {
        let code = frame.map_or(CloseCode::NO_STATUS_RCVD, |frame| frame.code);
        // The first one stays.
        let _ = self.0.close_code.compare_exchange(
            0,
            code.into(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }
}
