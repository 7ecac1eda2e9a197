use std::mem;

use crate::close_payload::ClosePayload;

/// The progress of the sending half to its end: the stage and the close frame only go forward.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    pub(super) stage: OutboxStage,
    pub(super) close: Close,
    /// `true` if the receiving half no longer needs the transport, so that the writer is to end the
    /// writing half.
    pub(super) finish: bool,
    /// `true` if the receiving half has to send the peer a close frame.
    answers: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OutboxStage {
    #[default]
    Open,
    Closing,
    Ended,
}

/// The one close frame of this side.
#[derive(Debug, Default)]
pub(super) enum Close {
    #[default]
    None,
    /// To be sent after the queue.
    Requested(ClosePayload),
    /// On its way to the transport.
    Taken,
    /// Written to the transport.
    Written,
}

impl Lifecycle {
    /// Requests a close frame, unless there is one.
    pub(super) fn request_close(&mut self, frame: ClosePayload) {
        if let Close::None = self.close {
            self.close = Close::Requested(frame);
        }
    }

    /// Records that the receiving half closes. Returns whether its close frame is to be sent: only
    /// if the sending half has requested none.
    pub(super) fn answer(&mut self) -> bool {
        self.answers = true;
        let none = matches!(self.close, Close::None);
        if none {
            self.close = Close::Taken;
        }
        none
    }

    /// Takes the requested frame, which is on its way from now on.
    pub(super) fn take_close(&mut self) -> Option<ClosePayload> {
        match mem::replace(&mut self.close, Close::Taken) {
            Close::Requested(frame) => Some(frame),
            other => {
                self.close = other;
                None
            }
        }
    }

    /// Records that all taken output is written. Returns whether the close frame was among it.
    pub(super) fn on_close_written(&mut self) -> bool {
        let taken = matches!(self.close, Close::Taken);
        if taken {
            self.close = Close::Written;
        }
        taken
    }

    pub(super) fn is_close_written(&self) -> bool {
        matches!(self.close, Close::Written)
    }

    /// Returns whether the receiving half has to wait for the close frame to be written.
    pub(super) fn is_close_pending(&self) -> bool {
        matches!(self.close, Close::Taken)
            || self.answers && matches!(self.close, Close::Requested(_))
    }
}
