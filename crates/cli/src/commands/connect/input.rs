//! The orders of the user.

use sockeye::{CloseFrame, Message};
use tokio::sync::mpsc::Sender;

use crate::client::Failure;

/// An order of the user.
#[derive(Debug)]
pub(super) enum Input {
    Message(Message),
    /// Send a ping, and report the time until its pong.
    Ping,
    Close(CloseFrame),
    /// End with the exit code of Ctrl-C.
    Interrupt,
    /// Report a wrong command.
    Note(String),
}

impl Input {
    /// Returns the order to close with this code and reason.
    pub(super) fn close(code: u16, reason: &str) -> Result<Self, Failure> {
        let frame = CloseFrame::new(code, reason.to_owned());
        frame.map(Self::Close).map_err(|error| Failure::usage(error.to_string()))
    }
}

/// The queue of orders, which ends with the input.
pub(super) type Inputs = Sender<Result<Input, Failure>>;
