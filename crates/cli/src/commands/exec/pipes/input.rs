//! The messages of a client as the input of a process.

use std::time::Duration;

use sockeye::bytes::{Buf as _, Bytes};
use sockeye::split::{Receiver, Sender};
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::time::sleep;

use super::Framing;

/// Interval of pings while the process takes nothing, so that the socket is not read: only a write
/// shows then that the client is gone. Chosen: a vanished client keeps its process this much
/// longer.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// Writes the messages of a client to standard input, and reads the next message only when the last
/// one is written. Returns when the connection has ended or broken; messages for a process that
/// takes no more input are discarded.
pub(super) async fn forward(
    receiver: &mut Receiver,
    sender: &Sender,
    stdin: ChildStdin,
    framing: Framing,
) {
    let mut stdin = Some(stdin);
    while let Ok(Some(message)) = receiver.recv().await {
        let Some(pipe) = &mut stdin else { continue };
        match write(pipe, framing.encode(message), sender).await {
            Written::All => {}
            Written::Refused => stdin = None,
            Written::ClientGone => return,
        }
    }
}

enum Written {
    All,
    Refused,
    ClientGone,
}

async fn write(pipe: &mut ChildStdin, mut bytes: Bytes, sender: &Sender) -> Written {
    while bytes.has_remaining() {
        tokio::select! {
            written = pipe.write(&bytes) => match written {
                Ok(length @ 1..) => bytes.advance(length),
                Ok(0) | Err(_) => return Written::Refused,
            },
            () = wait_until_gone(sender) => return Written::ClientGone,
        }
    }
    Written::All
}

/// Waits until writes show that the connection is over. Cancel safe.
pub(super) async fn wait_until_gone(sender: &Sender) {
    loop {
        sleep(PROBE_INTERVAL).await;
        if sender.is_closed() {
            return;
        }
        // The pong is not read before the next message.
        tokio::select! {
            biased;
            _ = sender.ping() => {}
            () = std::future::ready(()) => {}
        }
    }
}
