//! Consecutive messages to the same connections.

use std::mem;

use sockeye_proto::Prepared;
use sockeye_proto::frame::{Header, MAX_HEADER_SIZE};

use super::{BackendSocket, ConnectionDriver, KEPT_COMMANDS, Worker, WorkerContext, write_if_full};
use crate::metrics::Counts;
use crate::push::send_capacity::wire_bound;
use crate::push::{ConnectionId, Handler};

/// Maximum total length of the messages of a run that are encoded once for all connections, in
/// bytes: output that one write takes at once is worth a copy for each connection.
const MAX_ENCODED: usize = 16 * 1024;

/// Messages to be sent together, to each connection all of them at once.
#[derive(Default)]
pub(super) struct Run {
    recipients: Recipients,
    messages: Vec<Prepared>,
}

/// The connections that messages are sent to.
#[derive(Default, PartialEq, Eq)]
pub(super) enum Recipients {
    /// All connections of the worker.
    #[default]
    All,
    /// Connections of the worker, by handles, which count the messages.
    Listed(Vec<ConnectionId>),
}

impl<H: Handler, S: BackendSocket> Worker<H, S> {
    /// Adds a message to the run, after sending a run to other recipients. Comparing two lists
    /// costs a hundredth of walking the drivers once.
    pub(super) fn add_to_run(
        &mut self,
        recipients: Recipients,
        message: Prepared,
        write: &mut impl FnMut(&mut ConnectionDriver<S>, &mut WorkerContext<H>) -> bool,
    ) {
        if self.run.recipients != recipients {
            self.send_run(false, write);
            self.run.recipients = recipients;
        }
        self.run.messages.push(message);
    }

    /// Sends the run, which `is_last` in this turn or has other commands behind it: encoded once,
    /// up to a length from which the messages are shared rather than copied.
    pub(super) fn send_run(
        &mut self,
        is_last: bool,
        write: &mut impl FnMut(&mut ConnectionDriver<S>, &mut WorkerContext<H>) -> bool,
    ) {
        if self.run.messages.is_empty() {
            return;
        }
        let Run { recipients, mut messages } = mem::take(&mut self.run);
        let is_listed = matches!(recipients, Recipients::Listed(_));
        // A connection in several lists has one write in a turn.
        let write_now = is_last || !is_listed;
        let length: usize = messages.iter().map(Prepared::len).sum();
        let size = messages.iter().map(|prepared| wire_bound(prepared.len())).sum();
        let is_encoded = length <= MAX_ENCODED;
        let (frames, counts) = encode(if is_encoded { &messages } else { &[] });
        self.for_recipients(&recipients, |driver, context| {
            if is_encoded {
                write_if_full(driver, context, write);
                driver.send_encoded(context, (&frames, &counts), &messages);
            } else {
                for prepared in &messages {
                    write_if_full(driver, context, write);
                    driver.send_prepared(context, prepared);
                }
            }
            if is_listed {
                driver.on_prepared_executed(size);
            }
            !write_now || write(driver, context)
        });
        messages.clear();
        messages.shrink_to(KEPT_COMMANDS);
        self.run.messages = messages;
    }

    /// Applies `act` to the driver of each recipient, and marks those for which it returns `true`
    /// as dirty.
    fn for_recipients(
        &mut self,
        recipients: &Recipients,
        mut act: impl FnMut(&mut ConnectionDriver<S>, &mut WorkerContext<H>) -> bool,
    ) {
        let Recipients::Listed(connections) = recipients else { return self.for_all(act) };
        for id in connections {
            let slot = id.slot();
            if let Some(driver) = self.drivers.get_mut(slot).filter(|driver| driver.id == *id) {
                if act(driver, &mut self.context) {
                    self.mark_dirty(slot);
                }
            }
        }
    }
}

/// Encodes messages as a connection without extensions sends them.
fn encode(messages: &[Prepared]) -> (Vec<u8>, Counts) {
    let length: usize = messages.iter().map(Prepared::len).sum();
    let mut frames = Vec::with_capacity(length + messages.len() * MAX_HEADER_SIZE);
    let mut counts = Counts::default();
    for message in messages.iter().map(Prepared::message) {
        let before = frames.len();
        Header::new(message.kind().opcode(), message.len() as u64).encode(&mut frames);
        frames.extend_from_slice(message.as_bytes());
        counts.count_sent(message.kind(), message.len(), frames.len() - before);
    }
    (frames, counts)
}
