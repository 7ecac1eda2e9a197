use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// Prefix of the payloads of these pings. The pings of the keepalive and of the transport do not
/// begin with it, and most likely neither do those of the program.
const TAG: &[u8; 4] = b"ping";

/// The length of a payload, in bytes: [`TAG`] and a number.
pub(super) const LENGTH: usize = TAG.len() + size_of::<u64>();

/// Pings whose pongs senders wait for, as pure data.
#[derive(Debug, Default)]
pub(super) struct Pings {
    /// The number of the last ping that was requested.
    last: u64,
    /// `true` if the writer has not taken that ping yet.
    due: bool,
    /// The waiting senders, in the order of their ping numbers.
    waiting: VecDeque<PingWaiter>,
}

/// A sender that waits for the pong of a ping.
#[derive(Debug)]
struct PingWaiter {
    number: u64,
    pong: oneshot::Sender<Instant>,
}

impl Pings {
    /// Requests a ping, or shares a requested ping that the writer has not taken yet.
    pub(super) fn request(&mut self) -> oneshot::Receiver<Instant> {
        // Senders that gave up must not accumulate while the peer answers nothing.
        self.waiting.retain(|waiting| !waiting.pong.is_closed());
        if !self.due {
            self.due = true;
            self.last += 1;
        }
        let (pong, receiver) = oneshot::channel();
        self.waiting.push_back(PingWaiter { number: self.last, pong });
        receiver
    }

    /// Returns the payload of the ping that is due, and marks it as taken.
    pub(super) fn take(&mut self) -> Option<[u8; LENGTH]> {
        if !std::mem::take(&mut self.due) {
            return None;
        }
        let mut payload = [0; LENGTH];
        let (tag, number) = payload.split_at_mut(TAG.len());
        tag.copy_from_slice(TAG);
        number.copy_from_slice(&self.last.to_be_bytes());
        Some(payload)
    }

    /// Handles a pong of the peer, which may answer any ping.
    //= https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3
    //# If an endpoint receives a Ping frame and has not yet sent Pong
    //# frame(s) in response to previous Ping frame(s), the endpoint MAY
    //# elect to send a Pong frame for only the most recently processed Ping
    //# frame.
    pub(super) fn handle_pong(&mut self, payload: &[u8], now: Instant) {
        let Some(number) = payload.strip_prefix(TAG) else { return };
        let Ok(number) = number.try_into().map(u64::from_be_bytes) else { return };
        let sent = self.last - u64::from(self.due);
        while let Some(first) = self.waiting.front() {
            if first.number > number.min(sent) {
                return;
            }
            if let Some(answered) = self.waiting.pop_front() {
                // Fails if the sender gave up.
                let _ = answered.pong.send(now);
            }
        }
    }

    /// Notifies all waiting senders that no pong will arrive.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.due = false;
    }
}
