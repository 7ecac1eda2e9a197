//! A message that a sender writes in fragments.

use std::sync::Arc;
use std::task::{Context, Poll};

use sockeye_proto::text::Validator;
use sockeye_proto::{Kind, UsageError};

use super::outbox::Outbox;
use crate::error::Result;

/// The sender of a message in fragments on a split connection.
pub(in crate::websocket) struct StreamSender {
    outbox: Arc<Outbox>,
    /// The number of the message among those in fragments.
    number: u64,
    /// The validator of a text: only valid text reaches the writer.
    validator: Option<Validator>,
    finished: bool,
}

impl StreamSender {
    /// Waits for the end of any other message in fragments, and begins this one.
    pub(super) async fn begin(outbox: Arc<Outbox>, kind: Kind) -> Result<Self> {
        let number = outbox.begin_fragments(kind).await.map_err(|_| outbox.send_error())?;
        let validator = (kind == Kind::Text).then(Validator::new);
        Ok(Self { outbox, number, validator, finished: false })
    }

    pub(in crate::websocket) fn poll_capacity(&self, cx: &Context<'_>) -> Poll<Result<()>> {
        self.outbox.poll_fragment_capacity(cx).map_err(|_| self.outbox.send_error())
    }

    /// Takes a fragment, for which there must be send capacity.
    pub(in crate::websocket) fn push(
        &mut self,
        fragment: &[u8],
        last: bool,
    ) -> Result<(), UsageError> {
        if let Some(validator) = &mut self.validator {
            let mut after = *validator;
            after.push(fragment).map_err(|_| UsageError::InvalidUtf8)?;
            if last {
                after.finish().map_err(|_| UsageError::InvalidUtf8)?;
            }
            *validator = after;
        }
        self.outbox.push_fragment(fragment.to_vec(), last).map_err(|_| UsageError::Closing)?;
        self.finished = last;
        Ok(())
    }

    /// Waits until all fragments are written to the transport.
    pub(in crate::websocket) fn poll_flush(&self, cx: &Context<'_>) -> Poll<Result<()>> {
        self.outbox.poll_fragments_written(cx, self.number).map_err(|_| self.outbox.send_error())
    }
}

impl Drop for StreamSender {
    fn drop(&mut self) {
        if !self.finished {
            self.outbox.cancel_fragments();
        }
    }
}
