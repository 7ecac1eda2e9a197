use std::collections::VecDeque;

use sockeye::reconnect::{Event, Receiver, Sender};
use sockeye::{CloseFrame, Message};

use super::runtime::BoxFuture;
use crate::protocol::close;

/// The connections of a client, one after the other, and the messages that wait for the current
/// one.
pub(super) struct Connection {
    sender: Sender,
    receiver: Receiver,
    waiting: VecDeque<Message>,
    /// The message that is being queued. It would wait for the next connection, so that it is
    /// dropped with the current one.
    sending: Option<BoxFuture<()>>,
}

impl Connection {
    pub(super) fn new((sender, receiver): (Sender, Receiver)) -> Self {
        Self { sender, receiver, waiting: VecDeque::new(), sending: None }
    }

    pub(super) fn send(&mut self, message: Message) {
        self.waiting.push_back(message);
    }

    /// Drops the messages that wait for a connection that was lost.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.sending = None;
    }

    /// Returns the next event, and meanwhile sends what waits. If `receives` is `false`, it only
    /// sends.
    ///
    /// # Cancel safety
    /// No event and no message is lost.
    pub(super) async fn next(&mut self, receives: bool) -> sockeye::Result<Option<Event>> {
        loop {
            if self.sending.is_none() {
                self.sending = self.waiting.pop_front().map(|message| {
                    let sender = self.sender.clone();
                    // An error is the end of the connection, which is an event as well.
                    let sending = async move { drop(sender.send(message).await) };
                    Box::pin(sending) as BoxFuture<()>
                });
            }
            tokio::select! {
                event = self.receiver.next(), if receives => return event,
                () = finish(&mut self.sending) => self.sending = None,
            }
        }
    }
}

/// Waits for the end of a future; forever if there is none.
async fn finish(sending: &mut Option<BoxFuture<()>>) {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}

/// Returns whether a client connects again after a close frame of the server. Beside the codes with
/// which every connection would be closed, these are the codes by which a hub ends a session for
/// good; a hub closes a client whose token came too late with [`close::STALE`], which is not final.
pub(super) fn may_reopen(frame: Option<&CloseFrame>) -> bool {
    frame.is_none_or(|frame| {
        let code = u16::from(frame.code);
        code == close::STALE.0
            || !matches!(code, 1000 | 1002 | 1003 | 1007..=1010 | 3500..=3999 | 4500..=4999)
    })
}
