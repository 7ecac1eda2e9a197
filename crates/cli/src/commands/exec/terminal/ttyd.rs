//! The subprotocol `tty` of ttyd, for its clients. They acknowledge nothing, and have no sessions.

use std::time::Duration;

use serde::Deserialize;
use sockeye::bytes::Bytes;
use sockeye::split::{Receiver, SendQueue, Sender};
use sockeye::{Message, WebSocket};
use tokio::sync::watch;

use super::format::Format;
use super::output;
use super::pty::Size;
use super::session::View;
use super::sessions::{Client, Sessions};
use super::{Refused, authorize, close, first_message, typing};
use crate::commands::exec::access::{Access, Grant};
use crate::commands::exec::environment::Request;
use crate::commands::exec::exit::Exit;

pub(super) const NAME: &str = "tty";

/// The first byte of a message of the server, besides that of output.
const TITLE: char = '1';
const PREFERENCES: &str = "2{}";

/// The first byte of a message of the client.
const INPUT: u8 = b'0';
const RESIZE: u8 = b'1';
const PAUSE: u8 = b'2';
const RESUME: u8 = b'3';
const HELLO: u8 = b'{';

/// Capacity of the send queue, in bytes.
const SEND_QUEUE: u32 = 128 * 1024;

/// The size of a terminal whose client names none.
const SIZE: Size = Size { columns: 80, rows: 24 };

#[derive(Deserialize)]
struct Hello {
    #[serde(rename = "AuthToken")]
    token: Option<String>,
    columns: Option<u64>,
    rows: Option<u64>,
}

pub(super) async fn serve(
    ws: WebSocket,
    request: Request,
    grant: Option<Grant>,
    access: &Access,
    sessions: &Sessions,
) {
    let peer = ws.peer_addr();
    let (sender, mut receiver) = ws.split_with(SendQueue::new().capacity(SEND_QUEUE));
    let ended = async {
        let message = first_message(&mut receiver).await?;
        let hello: Hello =
            serde_json::from_slice(message.as_bytes()).map_err(|_| Refused::malformed())?;
        let grant = authorize(grant, hello.token.as_deref(), access)?;
        let size = match (hello.columns, hello.rows) {
            (Some(columns), Some(rows)) => Size::within_bounds(columns, rows),
            _ => SIZE,
        };
        let client = Client { request, peer, owner: grant.owner.clone(), size };
        let view = sessions.open(client, Duration::ZERO)?;
        if grant.writes {
            view.attachment.session.resize(size);
        }
        tokio::select! {
            ended = show(view, &sender, &mut receiver, &grant, sessions) => ended,
            () = access.wait_until_removed(&grant.owner) => Err(Refused::unauthorized()),
        }
    };
    let ended = ended.await;
    close(receiver, ended).await;
}

async fn show(
    view: View,
    sender: &Sender,
    receiver: &mut Receiver,
    grant: &Grant,
    sessions: &Sessions,
) -> Result<Exit, Refused> {
    let View { attachment, reader, sizes: _, screen: state } = view;
    let session = attachment.session.clone();
    let binary = |text: String| Message::from(text.into_bytes());
    // The receiver reports the end of the connection.
    let _ = sender.send(binary(format!("{TITLE}{}", sessions.command()))).await;
    let _ = sender.send(binary(PREFERENCES.to_owned())).await;
    if let Some(state) = state {
        let _ = sender.send(Format::Ttyd.screen(reader.position(), &state)).await;
    }
    let keyboard = grant.writes.then(|| session.keyboard(None, &grant.owner));
    let (pausing, is_paused) = watch::channel(false);
    let handle = |message: Message| {
        let mut input = message.into_bytes();
        if input.is_empty() {
            return Ok(input);
        }
        let kind = input.split_to(1)[0];
        match kind {
            INPUT if grant.writes => return Ok(input),
            RESIZE => {
                let size: Hello =
                    serde_json::from_slice(&input).map_err(|_| Refused::malformed())?;
                if let (Some(columns), Some(rows), true) = (size.columns, size.rows, grant.writes) {
                    session.resize(Size::within_bounds(columns, rows));
                }
            }
            PAUSE => {
                pausing.send_replace(true);
            }
            RESUME => {
                pausing.send_replace(false);
            }
            INPUT | HELLO => {}
            _ => return Err(Refused::malformed()),
        }
        Ok(Bytes::new())
    };
    tokio::select! {
        exit = output::send_all(reader, &session, sender, Format::Ttyd, is_paused) => Ok(exit),
        refused = typing::receive(receiver, &session.pty, keyboard.as_ref(), handle) => {
            Err(refused)
        }
    }
}
