//! A process for one connection.

use sockeye::split::{SendQueue, Sender};
use sockeye::{CloseCode, Message, WebSocket};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::framing::OutputError;
use super::{Pipes, TOKEN_REMOVED, input, output, streams};
use crate::commands::exec::access::{Access, Grant};
use crate::commands::exec::exit::Exit;
use crate::commands::exec::process::{Process, Processes, Slot};

/// Capacity of the send queue, in bytes: the maximum lead of the process over the socket.
const SEND_QUEUE: u32 = 256 * 1024;

/// The way in which a connection and its process end.
#[derive(Debug)]
enum End {
    ClientGone,
    Exited(Exit),
    Failed(OutputError),
    TokenRemoved,
}

/// Runs a process for a connection until both have ended.
pub(in super::super) async fn serve(
    ws: WebSocket,
    command: Command,
    pipes: Pipes,
    client: (&Grant, &Access),
    processes: &Processes,
    slot: Slot,
) {
    let (grant, access) = client;
    let (sender, mut receiver) = ws.split_with(SendQueue::new().capacity(SEND_QUEUE));
    let running = match streams::start(command, pipes.stderr, processes, slot) {
        Ok(running) => running,
        Err(error) => {
            warn!("the process cannot be started: {error}");
            let _ =
                receiver.close(CloseCode::INTERNAL_ERROR, "the process cannot be started").await;
            return;
        }
    };
    let streams::Running { mut process, slot: _slot, stdin, stdout, stderr } = running;
    let mut messages = output::start(pipes, stdout, stderr, process.id());
    let end = {
        let input = async {
            if grant.writes {
                input::forward(&mut receiver, &sender, stdin, pipes.framing).await;
            } else {
                // The process waits for input that never comes.
                let _stdin = stdin;
                while let Ok(Some(_)) = receiver.recv().await {}
            }
        };
        let mut input = std::pin::pin!(input);
        let end = tokio::select! {
            end = run(&mut process, &mut messages, &sender, input.as_mut()) => end,
            () = access.wait_until_removed(&grant.owner) => End::TokenRemoved,
        };
        if !matches!(end, End::ClientGone) {
            let (code, reason) = close_frame(&end);
            let _ = sender.close(code, reason);
            // The rest of the group ends while the client answers. The input is discarded.
            tokio::join!(input, async {
                process.end().await;
            });
        }
        end
    };
    debug!(?end, "connection of a process ended");
    // Standard input is closed. Further output is discarded.
    drop(messages);
    process.end().await;
}

/// Sends the output until the process, its output or the connection has ended.
async fn run(
    process: &mut Process,
    messages: &mut mpsc::Receiver<Result<Message, OutputError>>,
    sender: &Sender,
    mut input: std::pin::Pin<&mut impl Future<Output = ()>>,
) -> End {
    let grace = process.grace();
    let mut unsent: Option<Message> = None;
    let mut is_open = true;
    let mut exit = None;
    // The time at which output is no longer waited for: another process of the group may keep the
    // pipe open.
    let mut at_most = None;
    loop {
        if let (false, None, Some(exit)) = (is_open, &unsent, exit) {
            return End::Exited(exit);
        }
        let is_waiting = is_open && unsent.is_none();
        tokio::select! {
            message = messages.recv(), if is_waiting => match message {
                Some(Ok(message)) => unsent = Some(message),
                Some(Err(error)) => return End::Failed(error),
                None => is_open = false,
            },
            // The input reports why the connection takes no more messages.
            _ = send(sender, unsent.as_ref()), if unsent.is_some() => {
                unsent = None;
                at_most = exit.map(|_| Instant::now() + grace);
            }
            () = input.as_mut() => return End::ClientGone,
            ended = process.wait(), if exit.is_none() => {
                exit = Some(ended);
                at_most = Some(Instant::now() + grace);
            }
            () = until(at_most), if is_waiting && at_most.is_some() => is_open = false,
        }
    }
}

/// Sends a message. Cancel safe: the message is then not queued.
async fn send(sender: &Sender, message: Option<&Message>) -> sockeye::Result<()> {
    match message {
        Some(message) => sender.send(message.clone()).await,
        None => Ok(()),
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn close_frame(end: &End) -> (CloseCode, String) {
    match end {
        End::Exited(exit) => (exit.close_code(), exit.to_string()),
        End::TokenRemoved => (CloseCode::POLICY_VIOLATION, TOKEN_REMOVED.to_owned()),
        End::Failed(error) => (CloseCode::INTERNAL_ERROR, error.to_string()),
        End::ClientGone => (CloseCode::GOING_AWAY, String::new()),
    }
}
