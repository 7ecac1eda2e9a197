//! Receives the messages of a viewer, and types its input.

use std::collections::VecDeque;

use sockeye::bytes::{Buf as _, Bytes};
use sockeye::split::Receiver;
use sockeye::{CloseCode, Message};

use super::Refused;
use super::pty::Pty;

/// Maximum length of the input of a viewer that waits for the process, in bytes. Messages go on
/// being received meanwhile: a process that waits for its output to be acknowledged takes no input
/// either. Chosen: more than is pasted.
const MAX_WAITING: usize = 4 * 1024 * 1024;

/// Receives messages until the connection ends or `handle` refuses one. `handle` returns the input
/// within a message.
pub(super) async fn receive(
    receiver: &mut Receiver,
    pty: &Pty,
    mut handle: impl FnMut(Message) -> Result<Bytes, Refused>,
) -> Refused {
    let mut waiting: VecDeque<Bytes> = VecDeque::new();
    let mut length = 0;
    loop {
        let first = waiting.front().cloned().unwrap_or_default();
        tokio::select! {
            message = receiver.recv() => {
                let Ok(Some(message)) = message else {
                    return Refused::new(CloseCode::NORMAL_CLOSURE, "");
                };
                let input = match handle(message) {
                    Ok(input) => input,
                    Err(refused) => return refused,
                };
                length += input.len();
                if length > MAX_WAITING {
                    let reason = "the process takes no input";
                    return Refused::new(CloseCode::TRY_AGAIN_LATER, reason);
                }
                if !input.is_empty() {
                    waiting.push_back(input);
                }
            }
            written = pty.write(&first), if !first.is_empty() => {
                if let Ok(written) = written {
                    length -= written;
                    if let Some(first) = waiting.front_mut() {
                        first.advance(written);
                        if first.is_empty() {
                            waiting.pop_front();
                        }
                    }
                } else {
                    // No process has the terminal open any more.
                    waiting.clear();
                    length = 0;
                }
            }
        }
    }
}
