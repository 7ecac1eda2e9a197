use std::collections::VecDeque;
use std::mem;

use sockeye_proto::Kind;

use super::waiting_task::WaitingTask;
use super::{Closed, Part};

/// Maximum number of fragments that are not written to the transport: while one is written, the
/// next is gathered.
const MAX_UNWRITTEN: usize = 2;

/// The message that is sent in fragments. Such messages are numbered from 1; none is begun before
/// the last one is written or cancelled, so that `written <= finished <= begun`.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    current: Option<FragmentedMessage>,
    begun: u64,
    /// The number of the last message whose last fragment was added.
    finished: u64,
    /// The number of the last message that was written.
    written: u64,
    /// `true` if the last finished message will not be written.
    lost: bool,
    /// The task that adds the fragments, while it waits for the writer.
    pub(super) task: WaitingTask,
}

/// A message whose fragments are on their way to the writer.
#[derive(Debug)]
struct FragmentedMessage {
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
}

impl Fragments {
    pub(super) const fn is_empty(&self) -> bool {
        self.current.is_none()
    }

    /// Begins a message, and returns its number.
    pub(super) fn begin(&mut self, kind: Kind) -> u64 {
        self.current = Some(FragmentedMessage {
            kind,
            before: None,
            waiting: VecDeque::new(),
            unwritten: 0,
            begun: false,
            finished: false,
        });
        self.begun += 1;
        self.begun
    }

    /// Returns whether the current message may be given another fragment.
    pub(super) fn has_capacity(&self) -> Result<bool, Closed> {
        let message = self.current.as_ref().ok_or(Closed)?;
        Ok(message.unwritten < MAX_UNWRITTEN)
    }

    /// Adds a fragment; `next` is the number of the message that would be queued now.
    pub(super) fn push(&mut self, fragment: Vec<u8>, last: bool, next: u64) -> Result<(), Closed> {
        let message = self.current.as_mut().ok_or(Closed)?;
        message.before.get_or_insert(next);
        message.waiting.push_back(fragment);
        message.unwritten += 1;
        message.finished = last;
        if last {
            self.finished = self.begun;
        }
        Ok(())
    }

    /// Returns the number of the first queued message that must wait for the message in fragments.
    pub(super) fn before(&self) -> u64 {
        self.current.as_ref().and_then(|message| message.before).unwrap_or(u64::MAX)
    }

    /// Takes the waiting fragments, if there are any.
    pub(super) fn take(&mut self) -> Option<Part> {
        let message = self.current.as_mut().filter(|message| !message.waiting.is_empty())?;
        let begins = !mem::replace(&mut message.begun, true);
        let fragments = mem::take(&mut message.waiting);
        Some(Part { kind: message.kind, begins, fragments, ends: message.finished })
    }

    /// Records that `fragments` fragments are written. Returns whether the message ended with them.
    pub(super) fn on_written(&mut self, fragments: usize) -> bool {
        let Some(message) = self.current.as_mut().filter(|_| fragments > 0) else { return false };
        message.unwritten -= fragments;
        self.task.wake();
        let ends = message.finished && message.unwritten == 0;
        if ends {
            self.current = None;
            self.written = self.begun;
        }
        ends
    }

    pub(super) const fn finished(&self) -> u64 {
        self.finished
    }

    /// Returns whether the message of this number is written.
    pub(super) const fn is_written(&self, number: u64) -> bool {
        self.written >= number
    }

    /// Returns whether all fragments so far of the message of this number are written.
    pub(super) fn are_written(&self, number: u64) -> Result<bool, Closed> {
        if self.is_written(number) {
            return Ok(true);
        }
        let message = self.current.as_ref().ok_or(Closed)?;
        Ok(message.unwritten == 0)
    }

    /// Returns whether the message of this number will not be written.
    pub(super) const fn is_lost(&self, number: u64) -> bool {
        self.lost && !self.is_written(number)
    }

    /// Returns whether the current message is not finished, and the writer has taken a part of it.
    pub(super) fn is_partly_taken(&self) -> bool {
        self.current.as_ref().is_some_and(|message| message.begun && !message.finished)
    }

    /// Drops a message that is not finished, and of which the writer has taken nothing.
    pub(super) fn drop_unfinished(&mut self) {
        self.current.take_if(|message| !message.begun && !message.finished);
    }

    /// Drops the message unless the writer has taken all of it. Returns whether a finished message
    /// was dropped.
    pub(super) fn drop_waiting(&mut self) -> bool {
        let Some(message) = &self.current else { return false };
        let left = message.finished && !message.waiting.is_empty();
        if !message.finished || left {
            self.task.wake();
            self.current = None;
        }
        self.lost |= left;
        left
    }

    /// Drops the message, as nothing more is written.
    pub(super) fn on_end(&mut self) {
        if let Some(message) = self.current.take() {
            self.lost |= message.finished;
            self.task.wake();
        }
    }
}
