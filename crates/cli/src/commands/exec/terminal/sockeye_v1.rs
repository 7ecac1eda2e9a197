//! The subprotocol `sockeye.tty.v1`, which `docs/exec.md` describes: output with offsets,
//! acknowledgements, and sessions that are resumed.

use serde::Deserialize;
use serde_json::json;
use sockeye::bytes::Bytes;
use sockeye::split::{Receiver, Sender};
use sockeye::{Message, WebSocket};
use tokio::sync::watch;

use super::format::Format;
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
        show(view, &sender, &mut receiver, &grant, sessions).await
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
    sender: &Sender,
    receiver: &mut Receiver,
    grant: &Grant,
    sessions: &Sessions,
) -> Result<Exit, Refused> {
    let View { mut attachment, reader, mut sizes, screen } = view;
    let session = attachment.session.clone();
    let consumer = reader.consumer();
    let size = *sizes.borrow_and_update();
    let greeting = json!({
        "type": "session",
        "session": session.id,
        "command": sessions.command(),
        "offset": reader.position(),
        "columns": size.columns,
        "rows": size.rows,
        "writes": grant.writes,
        "linger": session.linger().map(|linger| linger.as_secs_f64()),
    });
    // The receiver reports the end of the connection.
    let _ = sender.send(greeting.to_string()).await;
    if let Some(state) = screen {
        let _ = sender.send(Format::SockeyeV1.screen(reader.position(), &state)).await;
    }
    let handle = |message: Message| match message {
        Message::Binary(input) if grant.writes => Ok(input),
        Message::Binary(_) => Ok(Bytes::new()),
        Message::Text(_) => {
            match parse(&message)? {
                ClientMessage::Resize { columns, rows } if grant.writes => {
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
        refused = typing::receive(receiver, &session.pty, handle) => Err(refused),
        () = send_sizes(&mut sizes, sender) => Err(Refused::malformed()),
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

/// Tells the viewer each new size. Never returns.
async fn send_sizes(sizes: &mut watch::Receiver<Size>, sender: &Sender) {
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
