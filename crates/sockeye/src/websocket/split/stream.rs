//! A message that a sender writes in fragments.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sockeye_proto::text::Validator;
use sockeye_proto::{Kind, UsageError};

use super::outbox::Outbox;
use crate::error::Result;

/// Maximum number of fragments that are not written to the transport: while one is written, the
/// next is gathered.
const MAX_UNWRITTEN: usize = 2;

/// The fragments on their way to the writer, as pure data.
#[derive(Debug)]
pub(super) struct Stream {
    kind: Kind,
    /// The number of the first queued message that follows this one, once this one has a fragment.
    before: Option<u64>,
    waiting: VecDeque<Vec<u8>>,
    /// Number of fragments that are not written to the transport, including those that wait.
    unwritten: usize,
    /// `true` once the writer has taken a part of the message, which then cannot be taken back.
    begun: bool,
    /// `true` once the last fragment was added.
    finished: bool,
    /// The task that adds the fragments, while it waits for the writer.
    task: Option<Waker>,
}

/// The part of a message that the writer takes at a time.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// `true` if the message begins with this part.
    pub(super) begins: bool,
    pub(super) fragments: VecDeque<Vec<u8>>,
    /// `true` if the message ends with the last of the fragments.
    pub(super) ends: bool,
}

impl Stream {
    pub(super) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            before: None,
            waiting: VecDeque::new(),
            unwritten: 0,
            begun: false,
            finished: false,
            task: None,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.unwritten < MAX_UNWRITTEN
    }

    /// Adds a fragment; `next` is the number of the message that would be queued now.
    pub(super) fn push(&mut self, fragment: Vec<u8>, last: bool, next: u64) {
        self.before.get_or_insert(next);
        self.waiting.push_back(fragment);
        self.unwritten += 1;
        self.finished = last;
    }

    /// Returns the number of the first queued message that must wait for this message.
    pub(super) fn before(&self) -> u64 {
        self.before.unwrap_or(u64::MAX)
    }

    /// Takes the waiting fragments, if there are any.
    pub(super) fn take(&mut self) -> Option<Part> {
        if self.waiting.is_empty() {
            return None;
        }
        let begins = !mem::replace(&mut self.begun, true);
        let fragments = mem::take(&mut self.waiting);
        Some(Part { kind: self.kind, begins, fragments, ends: self.finished })
    }

    /// Records that `fragments` fragments are written to the transport.
    pub(super) fn written(&mut self, fragments: usize) {
        self.unwritten -= fragments;
        self.wake();
    }

    pub(super) const fn is_written(&self) -> bool {
        self.unwritten == 0
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.begun
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Returns whether the message is finished, and the writer has not taken all of it.
    pub(super) fn is_left(&self) -> bool {
        self.finished && !self.waiting.is_empty()
    }

    pub(super) fn watch(&mut self, cx: &Context<'_>) {
        self.task = Some(cx.waker().clone());
    }

    pub(super) fn wake(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }
}

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
        let number = outbox.begin_stream(kind).await.map_err(|_| outbox.too_late())?;
        let validator = (kind == Kind::Text).then(Validator::new);
        Ok(Self { outbox, number, validator, finished: false })
    }

    pub(in crate::websocket) fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<()>> {
        self.outbox.poll_stream_room(cx).map_err(|_| self.outbox.too_late())
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
        self.outbox.poll_stream_written(cx, self.number).map_err(|_| self.outbox.too_late())
    }
}

impl Drop for StreamSender {
    fn drop(&mut self) {
        if !self.finished {
            self.outbox.cancel_stream();
        }
    }
}
