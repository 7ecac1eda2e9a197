//! The output of a process as messages.

use sockeye::Message;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::framing::{Framing, Messages, OutputError};
use super::{Pipes, StandardError};

/// Maximum length of a line of standard error in the log, in bytes; a longer one is logged in
/// parts.
const LOG_LINE: u64 = 4096;

/// Number of messages that wait between the pipes and their destination. Each is at most a message
/// of the maximum length.
const QUEUE: usize = 1;

/// Reads the output of a process: the messages for its clients, in order, then the end or an error.
/// The pipes are read while the queue has space.
pub(super) fn start(
    pipes: Pipes,
    stdout: pipe::Receiver,
    stderr: Option<pipe::Receiver>,
    id: i32,
) -> mpsc::Receiver<Result<Message, OutputError>> {
    let (queue, messages) = mpsc::channel(QUEUE);
    let is_tagged = pipes.stderr == StandardError::Tag;
    match stderr {
        Some(stderr) if is_tagged => {
            tokio::spawn(forward(pipes, stderr, Some(b'2'), queue.clone()));
        }
        Some(stderr) => {
            tokio::spawn(log(stderr, id));
        }
        None => {}
    }
    tokio::spawn(forward(pipes, stdout, is_tagged.then_some(b'1'), queue));
    messages
}

/// Reads a pipe to its end. Once the queue is closed, the messages are discarded, so that
/// the process can go on to its end.
async fn forward(
    pipes: Pipes,
    pipe: pipe::Receiver,
    tag: Option<u8>,
    queue: mpsc::Sender<Result<Message, OutputError>>,
) {
    // Standard error has lines, whatever standard output has, unless both are bytes.
    let framing = match (tag, pipes.framing) {
        (Some(b'2'), Framing::Messages) => Framing::Lines,
        (_, framing) => framing,
    };
    let mut messages = Messages::new(pipe, framing, pipes.max_message);
    loop {
        let message = match messages.next().await {
            Ok(Some(message)) => Ok(tagged(message, tag)),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        let is_error = message.is_err();
        // The queue is closed once the client has left.
        let _ = queue.send(message).await;
        if is_error {
            return;
        }
    }
}

/// Adds the number of the stream in front of a message.
fn tagged(message: Message, tag: Option<u8>) -> Message {
    let Some(tag) = tag else { return message };
    match message {
        Message::Text(text) => format!("{}{text}", char::from(tag)).into(),
        Message::Binary(bytes) => [&[tag], &bytes[..]].concat().into(),
    }
}

/// Writes the lines of standard error to the log.
async fn log(stderr: pipe::Receiver, id: i32) {
    let mut stderr = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match (&mut stderr).take(LOG_LINE).read_until(b'\n', &mut line).await {
            Ok(0) => return,
            Ok(_) => info!(pid = id, "stderr: {}", String::from_utf8_lossy(line.trim_ascii_end())),
            Err(error) => {
                warn!(pid = id, "standard error cannot be read: {error}");
                return;
            }
        }
    }
}
