//! The task that sends, so that a peer that does not read never stops the session from receiving.

use std::num::NonZeroUsize;
use std::time::Duration;

use sockeye::split::Sender;
use sockeye::{CloseCode, Message};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use super::input::Input;
use crate::client::Failure;

/// Number of events that wait for the session.
const EVENT_QUEUE: usize = 16;

/// An event of the input for the session.
#[derive(Debug)]
pub(super) enum Event {
    Sent(Message),
    /// The close frame of this code is queued.
    Closing(CloseCode),
    /// A pong arrived after this time.
    Pong(Duration),
    Note(String),
    Failed(Failure),
    /// The input has ended, and all of it was written.
    Ended,
}

/// Starts the task. The events end with the input, or when the connection takes no more messages.
pub(super) fn start(
    sender: Sender,
    mut inputs: mpsc::Receiver<Result<Input, Failure>>,
    fragment: Option<NonZeroUsize>,
) -> mpsc::Receiver<Event> {
    let (events, session) = mpsc::channel(EVENT_QUEUE);
    tokio::spawn(async move {
        while let Some(input) = inputs.recv().await {
            let event = match input {
                Ok(Input::Message(message)) => {
                    // The receiver reports why the connection takes no more messages.
                    let Ok(()) = send(&sender, &message, fragment).await else { return };
                    Event::Sent(message)
                }
                Ok(Input::Ping) => {
                    let (sender, events) = (sender.clone(), events.clone());
                    tokio::spawn(async move {
                        if let Ok(time) = sender.ping().await {
                            let _ = events.send(Event::Pong(time)).await;
                        }
                    });
                    continue;
                }
                Ok(Input::Close(frame)) => match sender.close(frame.code, frame.reason) {
                    Ok(()) => Event::Closing(frame.code),
                    Err(error) => Event::Note(error.to_string()),
                },
                Ok(Input::Interrupt) => Event::Failed(Failure::interrupted("interrupted")),
                Ok(Input::Note(note)) => Event::Note(note),
                Err(failure) => Event::Failed(failure),
            };
            if events.send(event).await.is_err() {
                return;
            }
        }
        if sender.flush().await.is_ok() {
            let _ = events.send(Event::Ended).await;
        }
    });
    session
}

/// Sends a message, in fragments of this size if it is longer.
pub(super) async fn send(
    sender: &Sender,
    message: &Message,
    fragment: Option<NonZeroUsize>,
) -> sockeye::Result<()> {
    let Some(fragment) = fragment.filter(|length| message.len() > length.get()) else {
        return sender.send(message.clone()).await;
    };
    let mut writer = sender.send_stream(message.kind()).await?;
    let mut fragments = message.as_bytes().chunks(fragment.get()).peekable();
    while let Some(fragment) = fragments.next() {
        writer.write_all(fragment).await?;
        // The end of the message sends the last fragment.
        if fragments.peek().is_some() {
            writer.flush().await?;
        }
    }
    writer.finish().await
}
