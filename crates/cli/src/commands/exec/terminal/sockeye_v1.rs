//! The subprotocol `sockeye.tty.v1`, which `docs/exec.md` describes: output and input with offsets
//! and acknowledgements, and sessions that are resumed.

use serde::Deserialize;
use serde_json::json;
use sockeye::bytes::{Buf as _, Bytes};
use sockeye::split::{Receiver, Sender};
use sockeye::{Message, WebSocket};
use tokio::sync::watch;

use super::format::Format;
use super::keyboard::Keyboard;
use super::output;
use super::pty::Size;
use super::session::View;
use super::sessions::{Client, Sessions};
use super::{NO_SESSION, REPLACED, Refused, authorize, close, first_message, typing};
use crate::commands::exec::access::{Access, Grant};
use crate::commands::exec::environment::Request;
use crate::commands::exec::exit::Exit;

pub(super) const NAME: &str = "sockeye.tty.v1";

/// The answer to a ping: pages cannot send those of WebSockets.
const PONG: &str = r#"{"type":"pong"}"#;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ClientMessage {
    Hello(Hello),
    Resize { columns: u64, rows: u64 },
    Ack { offset: u64 },
    Ping,
}

#[derive(Deserialize)]
struct Hello {
    columns: u64,
    rows: u64,
    token: Option<String>,
    session: Option<String>,
    /// The position after the output that the viewer has shown.
    offset: Option<u64>,
    /// The keyboard whose input goes on.
    keyboard: Option<u64>,
}

pub(super) async fn serve(
    ws: WebSocket,
    request: Request,
    grant: Option<Grant>,
    access: &Access,
    sessions: &Sessions,
) {
    let peer = ws.peer_addr();
    let (sender, mut receiver) = ws.split();
    let ended = async {
        let (grant, hello) = authenticate(&mut receiver, grant, access).await?;
        let size = Size::within_bounds(hello.columns, hello.rows);
        let client = Client { request, peer, owner: grant.owner.clone(), size };
        let view = match &hello.session {
            Some(id) => sessions
                .resume(id, &grant.owner, hello.offset)
                .ok_or(Refused::new(NO_SESSION, "there is no such session"))?,
            None => sessions.open(client, sessions.linger())?,
        };
        if grant.writes {
            view.attachment.session.resize(size);
        }
        let session = &view.attachment.session;
        let keyboard = grant.writes.then(|| session.keyboard(hello.keyboard, &grant.owner));
        tokio::select! {
            ended = show(view, keyboard, &sender, &mut receiver, sessions) => ended,
            () = access.wait_until_removed(&grant.owner) => Err(Refused::unauthorized()),
        }
    };
    let ended = ended.await;
    close(receiver, ended).await;
}

async fn authenticate(
    receiver: &mut Receiver,
    grant: Option<Grant>,
    access: &Access,
) -> Result<(Grant, Hello), Refused> {
    let Ok(ClientMessage::Hello(hello)) = parse(&first_message(receiver).await?) else {
        return Err(Refused::malformed());
    };
    Ok((authorize(grant, hello.token.as_deref(), access)?, hello))
}

/// Shows the session to the viewer until one of them ends.
async fn show(
    view: View,
    keyboard: Option<Keyboard>,
    sender: &Sender,
    receiver: &mut Receiver,
    sessions: &Sessions,
) -> Result<Exit, Refused> {
    let View { mut attachment, reader, mut sizes, screen } = view;
    let session = attachment.session.clone();
    let consumer = reader.consumer();
    let size = *sizes.borrow_and_update();
    let mut written = keyboard.as_ref().map(Keyboard::written);
    let mut next = written.as_mut().map(|written| *written.borrow_and_update());
    let greeting = json!({
        "type": "session",
        "session": session.id,
        "command": sessions.command(),
        "offset": reader.position(),
        "columns": size.columns,
        "rows": size.rows,
        "writes": keyboard.is_some(),
        "keyboard": keyboard.as_ref().map(Keyboard::id),
        "input": next,
        "linger": session.linger().map(|linger| linger.as_secs_f64()),
    });
    // The receiver reports the end of the connection.
    let _ = sender.send(greeting.to_string()).await;
    if let Some(state) = screen {
        let _ = sender.send(Format::SockeyeV1.screen(reader.position(), &state)).await;
    }
    let handle = |message: Message| match message {
        Message::Binary(message) => match &mut next {
            Some(next) => unseen(message, next),
            None => Ok(Bytes::new()),
        },
        Message::Text(_) => {
            match parse(&message)? {
                ClientMessage::Resize { columns, rows } if keyboard.is_some() => {
                    session.resize(Size::within_bounds(columns, rows));
                }
                ClientMessage::Ack { offset } => consumer.consume(offset),
                // A full queue holds output, which shows as well that the server is there.
                ClientMessage::Ping => drop(sender.try_send(PONG)),
                ClientMessage::Resize { .. } => {}
                ClientMessage::Hello(_) => return Err(Refused::malformed()),
            }
            Ok(Bytes::new())
        }
    };
    let (_unpaused, paused) = watch::channel(false);
    tokio::select! {
        exit = output::send_all(reader, &session, sender, Format::SockeyeV1, paused) => Ok(exit),
        refused = typing::receive(receiver, &session.pty, keyboard.as_ref(), handle) => {
            Err(refused)
        }
        never = send_sizes(&mut sizes, sender) => never,
        never = acknowledge(written, sender) => never,
        () = attachment.wait_until_replaced() => {
            Err(Refused::new(REPLACED, "attached elsewhere"))
        }
    }
}

fn parse(message: &Message) -> Result<ClientMessage, Refused> {
    match message {
        Message::Text(text) => serde_json::from_str(text).map_err(|_| Refused::malformed()),
        Message::Binary(_) => Err(Refused::malformed()),
    }
}

/// Returns the input of a message from the offset `next` on, which moves to its end.
fn unseen(mut message: Bytes, next: &mut u64) -> Result<Bytes, Refused> {
    let offset = message.try_get_u64().map_err(|_| Refused::malformed())?;
    let length = message.len() as u64;
    // Nothing may be missing before it.
    let seen = next.checked_sub(offset).ok_or_else(Refused::malformed)?.min(length);
    *next += length - seen;
    message.advance(usize::try_from(seen).map_err(|_| Refused::malformed())?);
    Ok(message)
}

/// Tells the viewer each new size. Never returns.
async fn send_sizes<T>(sizes: &mut watch::Receiver<Size>, sender: &Sender) -> T {
    loop {
        // Never fails: the session has the sender.
        let _ = sizes.changed().await;
        let Size { columns, rows } = *sizes.borrow_and_update();
        let message = json!({ "type": "size", "columns": columns, "rows": rows });
        if sender.send(message.to_string()).await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Tells the viewer how much of its input the terminal has taken. Never returns.
async fn acknowledge<T>(written: Option<watch::Receiver<u64>>, sender: &Sender) -> T {
    let Some(mut written) = written else { return std::future::pending().await };
    // A sender that waits for space skips the amounts meanwhile.
    while written.changed().await.is_ok() {
        let offset = *written.borrow_and_update();
        let message = json!({ "type": "ack", "offset": offset });
        if sender.send(message.to_string()).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_taken_once_at_every_split() {
        let input = b"echo one\r";
        for first in 0..=input.len() {
            for again in 0..=first {
                let mut next = 7;
                let mut taken = Vec::new();
                for (offset, part) in [(7, &input[..first]), (7 + again as u64, &input[again..])] {
                    let message = [&u64::to_be_bytes(offset), part].concat();
                    let unseen = unseen(message.into(), &mut next);
                    taken.extend_from_slice(&unseen.unwrap_or_default());
                }
                assert_eq!(taken, input, "{first} {again}");
                assert_eq!(next, 7 + input.len() as u64);
            }
        }
    }

    #[test]
    fn input_with_a_gap_before_it_is_refused() {
        let mut next = 7;
        for message in [&8_u64.to_be_bytes()[..], &u64::MAX.to_be_bytes(), b"short"] {
            assert!(unseen(Bytes::copy_from_slice(message), &mut next).is_err());
        }
        assert_eq!(next, 7);
    }
}
