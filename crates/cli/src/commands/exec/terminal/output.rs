//! Sends the output of a session to a viewer.

use std::time::Duration;

use sockeye::bytes::Bytes;
use sockeye::split::Sender;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::format::Format;
use super::session::Session;
use crate::commands::exec::exit::Exit;
use crate::commands::exec::journal::{Next, Reader};

/// Least time between two messages of output. The first output after a pause is sent at once; a
/// flood comes in messages that are worth a repaint of the viewer's screen.
const INTERVAL: Duration = Duration::from_millis(8);

/// Length of a message of output, in bytes, to which a last read is added.
const MESSAGE_LENGTH: u64 = 32 * 1024;

/// Sends output as it comes while `paused` is false, and the screen to a viewer that is too slow
/// for all of it. Returns the end of the process, and never once the connection takes nothing more.
pub(super) async fn send_all(
    mut reader: Reader<Bytes>,
    session: &Session,
    sender: &Sender,
    format: Format,
    mut paused: watch::Receiver<bool>,
) -> Exit {
    let consumer = reader.consumer();
    let mut next_at = None;
    loop {
        reader.wait().await;
        if let Some(at) = next_at {
            sleep_until(at).await;
        }
        // Never fails: the sender outlives this call.
        let _ = paused.wait_for(|paused| !paused).await;
        let position = reader.position();
        let message = match reader.take(MESSAGE_LENGTH) {
            Next::Pieces(pieces) if pieces.is_empty() => continue,
            Next::Pieces(pieces) => format.output(position, &pieces),
            Next::Lagged => {
                let (state, position) = session.screen();
                reader.move_to(position);
                format.screen(position, &state)
            }
            Next::Ended(exit) => return exit,
        };
        let mut sent = sender.send(message).await;
        if format == Format::Ttyd && sent.is_ok() {
            // Viewers of this subprotocol acknowledge nothing.
            sent = sender.flush().await;
            consumer.consume(reader.position());
        }
        if sent.is_err() {
            return std::future::pending().await;
        }
        next_at = Some(Instant::now() + INTERVAL);
    }
}
