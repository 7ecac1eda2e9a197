//! Receives the messages of a viewer, and types its input.

use std::collections::VecDeque;

use sockeye::bytes::{Buf as _, Bytes};
use sockeye::split::Receiver;
use sockeye::{CloseCode, Message};

use super::keyboard::Keyboard;
use super::pty::Pty;
use super::{REPLACED, Refused};

/// Maximum length of the input of a viewer that waits for the process, in bytes. Messages go on
/// being received meanwhile: a process that waits for its output to be acknowledged takes no input
/// either. Chosen: more than is pasted. Clients that number their input keep as much.
const MAX_WAITING: usize = 4 * 1024 * 1024;

/// Receives messages until the connection ends or `handle` refuses one. `handle` returns the input
/// within a message; a viewer without a keyboard has none.
pub(super) async fn receive(
    receiver: &mut Receiver,
    pty: &Pty,
    keyboard: Option<&Keyboard>,
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
            taken = write(pty, keyboard, &first), if !first.is_empty() => {
                let Some(taken) = taken else {
                    return Refused::new(REPLACED, "attached elsewhere");
                };
                length -= taken;
                if let Some(first) = waiting.front_mut() {
                    first.advance(taken);
                    if first.is_empty() {
                        waiting.pop_front();
                    }
                }
            }
        }
    }
}

async fn write(pty: &Pty, keyboard: Option<&Keyboard>, input: &[u8]) -> Option<usize> {
    match keyboard {
        Some(keyboard) => keyboard.write(pty, input).await,
        None => Some(input.len()),
    }
}
