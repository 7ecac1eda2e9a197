//! The output: messages on a terminal, or framed for a pipe.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::Instant;

use sockeye::{CloseFrame, Message, MessageRef, escape};
use tokio::io::{AsyncWriteExt as _, Stdout};

use super::arguments::Connect;
use super::framing::Framing;
use super::prompt::Prompt;
use super::recorder::{Direction, Record};
use crate::client::Failure;

/// Number of bytes of a binary message that a terminal shows.
const SHOWN_BINARY: usize = 64;

/// Size of the output above which it is written although more messages are at hand, in bytes: that
/// of a pipe on Linux.
const MAX_PENDING: usize = 64 * 1024;

/// The standard output. Messages that are at hand together are written together: see
/// [`Output::flush`].
pub(super) struct Output {
    framing: Framing,
    is_terminal: bool,
    escapes: bool,
    /// The prompt of the line editor, if there is one.
    prompt: Option<Arc<Prompt>>,
    stdout: Stdout,
    /// Output that is not written: at most [`MAX_PENDING`] bytes and one message.
    pending: Vec<u8>,
}

impl Output {
    pub(super) fn new(options: &Connect, prompt: Option<Arc<Prompt>>) -> Self {
        Self {
            framing: options.frame,
            is_terminal: io::stdout().is_terminal(),
            escapes: !options.no_escape,
            prompt,
            stdout: tokio::io::stdout(),
            pending: Vec::new(),
        }
    }

    /// Shows a received message.
    pub(super) async fn show(
        &mut self,
        message: &Message,
        opened_at: Instant,
    ) -> Result<(), Failure> {
        if self.framing == Framing::Ndjson {
            let record = Record::of_message(opened_at, Direction::In, message.as_ref());
            return self.write(record.to_line().as_bytes()).await;
        }
        if self.is_terminal {
            let text = self.on_terminal(message.as_ref());
            return self.print(text).await;
        }
        let payload = message.as_bytes();
        if self.framing == Framing::Len32 {
            let length = u32::try_from(payload.len())
                .map_err(|_| Failure::usage("a received message is too long for --frame len32"))?;
            self.pending.extend(length.to_be_bytes());
        }
        self.pending.extend(payload);
        let separator: &[u8] = match self.framing {
            Framing::Line => b"\n",
            Framing::Nul => b"\0",
            Framing::Len32 | Framing::Raw | Framing::Whole | Framing::Ndjson => b"",
        };
        self.write(separator).await
    }

    /// Shows the close frame of the peer.
    pub(super) async fn show_close(
        &mut self,
        frame: &CloseFrame,
        opened_at: Instant,
    ) -> Result<(), Failure> {
        if self.framing == Framing::Ndjson {
            let record = Record::of_close(opened_at, frame);
            return self.write(record.to_line().as_bytes()).await;
        }
        self.note(&format!("closed by the server: {frame}")).await
    }

    /// Shows a note of the program, where there is a prompt.
    pub(super) async fn note(&mut self, note: &str) -> Result<(), Failure> {
        if self.prompt.is_none() {
            return Ok(());
        }
        self.print(format!("* {note}\n")).await
    }

    fn on_terminal(&self, message: MessageRef<'_>) -> String {
        let mark = if self.prompt.is_some() { "< " } else { "" };
        match message {
            MessageRef::Text(text) if self.escapes => format!("{mark}{}\n", escape(text)),
            MessageRef::Text(text) => format!("{mark}{text}\n"),
            MessageRef::Binary(bytes) => {
                let mut shown = format!("{mark}binary, {} bytes:", bytes.len());
                for byte in bytes.iter().take(SHOWN_BINARY) {
                    // Writing to a string cannot fail.
                    let _ = write!(shown, " {byte:02x}");
                }
                if bytes.len() > SHOWN_BINARY {
                    shown.push_str(" …");
                }
                shown + "\n"
            }
        }
    }

    async fn print(&mut self, text: String) -> Result<(), Failure> {
        match &self.prompt {
            Some(prompt) => prompt.print(&text).map_err(|error| Failure::output(&error)),
            None => self.write(text.as_bytes()).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.pending.extend(bytes);
        if self.pending.len() < MAX_PENDING { Ok(()) } else { self.flush().await }
    }

    /// Returns whether output waits to be written.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Writes the pending output. The session does so before it waits or ends.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        // Each write is a task of another thread, for which this one waits.
        let pending = std::mem::take(&mut self.pending);
        let written = self.stdout.write_all(&pending).await;
        let written = written.and(self.stdout.flush().await);
        written.map_err(|error| Failure::output(&error))
    }
}
