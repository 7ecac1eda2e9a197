//! One process for all connections.

use std::sync::{Arc, Mutex, PoisonError};

use sockeye::bytes::Bytes;
use sockeye::split::{Receiver, SendQueue, Sender};
use sockeye::{CloseCode, Drain, Message, WebSocket};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc;
use tracing::warn;

use super::{Pipes, TOKEN_REMOVED, input, output, streams};
use crate::commands::exec::access::{Access, Grant};
use crate::commands::exec::exit::Exit;
use crate::commands::exec::journal::{Journal, Next, Reader};
use crate::commands::exec::process::Processes;

/// Size of the kept output, in bytes. A client that is further behind the foremost one is closed.
const CAPACITY: u64 = 1024 * 1024;

/// Maximum lead of the process over its foremost client, in bytes, besides the send queue.
const WINDOW: u64 = 64 * 1024;

/// Capacity of the send queue of a client, in bytes.
const SEND_QUEUE: u32 = 128 * 1024;

/// Number of messages of all clients that wait for the process.
const INPUT_QUEUE: usize = 4;

/// The process of all connections, started by the first one, and again by the first one after its
/// end.
#[derive(Debug)]
pub(in super::super) struct Shared {
    processes: Processes,
    running: Mutex<Option<Running>>,
}

/// The running process. Clones share it.
#[derive(Clone, Debug)]
struct Running {
    journal: Arc<Journal<Message>>,
    input: mpsc::Sender<Bytes>,
}

/// The way in which the process ends.
enum End {
    Exited(Exit),
    /// The output cannot be passed on.
    Failed,
    /// The server stops.
    Stopped,
}

impl Shared {
    pub(in super::super) fn new(processes: Processes) -> Self {
        Self { processes, running: Mutex::new(None) }
    }

    /// Joins a connection to the process until one of them ends.
    pub(in super::super) async fn serve(
        &self,
        ws: WebSocket,
        pipes: Pipes,
        command: impl FnOnce() -> std::io::Result<Command>,
        client: (&Grant, &Access),
        drain: &Drain,
    ) {
        let (grant, access) = client;
        let joined = self.join(pipes, command, drain);
        let (sender, mut receiver) = ws.split_with(SendQueue::new().capacity(SEND_QUEUE));
        let (running, reader) = match joined {
            Ok(joined) => joined,
            Err(error) => {
                warn!("the process cannot be started: {error}");
                let reason = "the process cannot be started";
                let _ = receiver.close(CloseCode::INTERNAL_ERROR, reason).await;
                return;
            }
        };
        tokio::select! {
            (code, reason) = send_all(reader, &sender) => {
                let _ = receiver.close(code, reason).await;
            }
            () = receive_all(&mut receiver, &sender, &running, pipes, grant) => {}
            () = access.wait_until_removed(&grant.owner) => {
                let _ = receiver.close(CloseCode::POLICY_VIOLATION, TOKEN_REMOVED).await;
            }
        }
    }

    /// Returns the running process, started if need be, and a reader of its output from now on.
    fn join(
        &self,
        pipes: Pipes,
        command: impl FnOnce() -> std::io::Result<Command>,
        drain: &Drain,
    ) -> std::io::Result<(Running, Reader<Message>)> {
        // Starting a process does not wait, so that the lock is held shortly.
        let mut current = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match current.take().filter(|running| running.journal.exit().is_none()) {
            Some(running) => running,
            None => self.start(pipes, command()?, drain.clone())?,
        };
        *current = Some(running.clone());
        let reader = running.journal.reader(running.journal.end());
        Ok((running, reader))
    }

    fn start(&self, pipes: Pipes, command: Command, drain: Drain) -> std::io::Result<Running> {
        let slot = self.processes.slot().ok_or(std::io::ErrorKind::ResourceBusy)?;
        let streams = streams::start(command, pipes.stderr, &self.processes, slot)?;
        let streams::Running { mut process, slot, stdin, stdout, stderr } = streams;
        let journal = Journal::new(CAPACITY, WINDOW);
        let (input, queue) = mpsc::channel(INPUT_QUEUE);
        let running = Running { journal: Arc::clone(&journal), input };
        let output = output::start(pipes, stdout, stderr, process.id());
        tokio::spawn(async move {
            let _slot = slot;
            let _guard = drain.guard();
            let writer = tokio::spawn(write_all(stdin, queue));
            let grace = process.grace();
            let mut output = std::pin::pin!(collect(output, &journal));
            let mut is_open = true;
            let end = loop {
                tokio::select! {
                    exit = process.wait() => break End::Exited(exit),
                    failed = &mut output, if is_open => {
                        is_open = false;
                        if failed {
                            break End::Failed;
                        }
                    }
                    () = drain.begun() => break End::Stopped,
                }
            };
            // The end of standard input.
            writer.abort();
            match end {
                End::Exited(exit) => {
                    if is_open {
                        // Another process of the group may keep the pipe open.
                        let _ = tokio::time::timeout(grace, &mut output).await;
                    }
                    journal.finish(exit);
                    process.end().await;
                }
                End::Failed => journal.finish(process.end().await),
                // The drain closes the clients, one after the other: not with the end of the
                // process.
                End::Stopped => drop(process.end().await),
            }
        });
        Ok(running)
    }
}

/// Passes the messages of a client to the process. Returns when the connection has ended.
async fn receive_all(
    receiver: &mut Receiver,
    sender: &Sender,
    running: &Running,
    pipes: Pipes,
    grant: &Grant,
) {
    while let Ok(Some(message)) = receiver.recv().await {
        if !grant.writes {
            let _ = receiver.close(CloseCode::POLICY_VIOLATION, "read-only").await;
            return;
        }
        let bytes = pipes.framing.encode(message);
        tokio::select! {
            // Fails once the process takes no more input: its end closes the connection.
            _ = running.input.send(bytes) => {}
            () = input::wait_until_gone(sender) => return,
        }
    }
}

/// Puts the output into the journal. Returns whether it failed.
async fn collect(
    mut output: mpsc::Receiver<Result<Message, super::framing::OutputError>>,
    journal: &Journal<Message>,
) -> bool {
    while let Some(message) = output.recv().await {
        match message {
            Ok(message) => {
                journal.wait_for_room().await;
                journal.push(message);
            }
            Err(error) => {
                warn!("the shared process is ended: {error}");
                return true;
            }
        }
    }
    false
}

async fn write_all(mut stdin: ChildStdin, mut queue: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = queue.recv().await {
        if stdin.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Sends the output to a client. Returns the close frame that follows.
async fn send_all(mut reader: Reader<Message>, sender: &Sender) -> (CloseCode, String) {
    let consumer = reader.consumer();
    loop {
        reader.wait().await;
        match reader.take(WINDOW) {
            Next::Pieces(messages) => {
                for message in messages {
                    if sender.send(message).await.is_err() {
                        // The receiver reports the end of the connection.
                        std::future::pending::<()>().await;
                    }
                }
                consumer.consume(reader.position());
            }
            Next::Lagged => return (CloseCode::TRY_AGAIN_LATER, "too slow for the output".into()),
            Next::Ended(exit) => return (Exit::close_code(exit), exit.to_string()),
        }
    }
}
