//! Sockets with many calls: the loop that reads, and the tasks of the calls.

use std::pin::pin;

use sockeye::split::Receiver;
use sockeye::{CloseCode, Message};
use tokio::task::JoinSet;

use crate::service::shared::Shared;

/// A close code and a reason.
pub(super) type Close = (CloseCode, String);

/// The reader of a socket, each call of which is a task.
pub(super) trait ManyCalls {
    /// Returns the tasks of calls.
    fn tasks(&mut self) -> &mut JoinSet<()>;

    /// Handles a message of the client.
    ///
    /// # Errors
    /// The close frame after a message that breaks a rule.
    fn on_message(&mut self, message: Message) -> impl Future<Output = Result<(), Close>> + Send;

    /// Handles the end of a task.
    fn on_ended(&mut self);
}

/// Serves a socket until the client ends it or breaks a rule, or until the gateway drains and all
/// calls have ended.
pub(super) async fn serve(gateway: &Shared, mut calls: impl ManyCalls, mut receiver: Receiver) {
    let close = run(gateway, &mut calls, &mut receiver).await;
    // Cancels the calls, before the closing handshake may take its time.
    drop(calls);
    if let Some((code, reason)) = close {
        // An error means that the client is gone.
        let _ = receiver.close(code, reason).await;
    }
}

async fn run(
    gateway: &Shared,
    calls: &mut impl ManyCalls,
    receiver: &mut Receiver,
) -> Option<Close> {
    let mut draining = pin!(gateway.draining());
    let mut is_draining = false;
    loop {
        if is_draining && calls.tasks().is_empty() {
            return Some((CloseCode::GOING_AWAY, String::new()));
        }
        tokio::select! {
            message = receiver.recv() => match message {
                Ok(Some(message)) => {
                    if let Err(close) = calls.on_message(message).await {
                        return Some(close);
                    }
                }
                Ok(None) | Err(_) => return None,
            },
            () = &mut draining, if !is_draining => is_draining = true,
            Some(ended) = calls.tasks().join_next() => {
                if ended.is_err() {
                    // A task has panicked, and the client would wait for the end of its call.
                    return Some((CloseCode::INTERNAL_ERROR, String::new()));
                }
                calls.on_ended();
            }
        }
    }
}
