use std::mem;

/// Size of the waiting pongs, pings and close frames, in bytes, from which on the receiving half
/// waits before it adds more; meanwhile it answers only the last ping (RFC 6455 section 5.5.3).
const MAX_CONTROL: usize = 16 * 1024;

/// Whole control frames of the receiving half, which are written before messages.
#[derive(Debug, Default)]
pub(super) struct Control {
    frames: Vec<u8>,
    /// `true` if the writer has taken frames and not written them.
    in_flight: bool,
}

impl Control {
    pub(super) fn is_full(&self) -> bool {
        self.frames.len() >= MAX_CONTROL
    }

    pub(super) fn push(&mut self, frames: &[u8]) {
        self.frames.extend_from_slice(frames);
    }

    /// Takes all frames into `batch`, which is empty.
    pub(super) fn take(&mut self, batch: &mut Vec<u8>) {
        mem::swap(batch, &mut self.frames);
        self.in_flight = !batch.is_empty();
    }

    /// Records that the taken frames are written. Returns whether there were any.
    pub(super) fn on_written(&mut self) -> bool {
        mem::take(&mut self.in_flight)
    }

    pub(super) fn is_written(&self) -> bool {
        self.frames.is_empty() && !self.in_flight
    }
}
