//! A chat that was a program of melody, the Go library: `docs/from-melody.md` has both, side by
//! side.
//!
//!     cargo run -p sockeye-hub --example from_melody -- 127.0.0.1:5000
//!
//! Clients connect to `ws://127.0.0.1:5000/ws?name=ada&room=lobby`.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use sockeye::upgrade::Options;
use sockeye::{Server, WebSocket};
use sockeye_hub::{Hub, Session, SessionHandle};
use tokio::net::TcpListener;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The keys of a session.
struct User {
    name: String,
    room: String,
    away: AtomicBool,
}

#[tokio::main]
async fn main() -> Result {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".into());
    serve(TcpListener::bind(address).await?).await
}

pub(crate) async fn serve(listener: TcpListener) -> Result {
    let hub = Hub::builder().build();
    let server = Server::from_listener(listener).options(Options::new().keep_request(true));
    Ok(server.serve(move |ws| chat(hub.clone(), ws)).await?)
}

async fn chat(hub: Hub<User>, ws: WebSocket) -> Result {
    let user = User {
        name: query(&ws, "name").unwrap_or_default(),
        room: query(&ws, "room").unwrap_or_else(|| "lobby".into()),
        away: AtomicBool::new(false),
    };
    let mut session = hub.connect(ws, user);
    if session.state().name.is_empty() {
        session.close(4000, "a name is missing")?;
        while session.recv().await?.is_some() {}
        return Ok(());
    }
    session.join(&session.state().room).await?;
    say(&hub, &session, "is here").await?;
    let ended = listen(&hub, &mut session).await;
    say(&hub, &session, "has left").await?;
    ended
}

/// Handles messages until the connection ends.
async fn listen(hub: &Hub<User>, session: &mut Session<User>) -> Result {
    while let Some(message) = session.recv().await? {
        let user = session.state();
        match message.as_text().unwrap_or_default() {
            "/away" => user.away.store(true, Ordering::Relaxed),
            "/back" => user.away.store(false, Ordering::Relaxed),
            "/quit" => {
                session.close(1000, "goodbye")?;
            }
            text => match text.strip_prefix("/all ") {
                Some(text) => {
                    let line = format!("{} to all: {text}", user.name);
                    hub.send_where(line, |other| !other.state().away.load(Ordering::Relaxed));
                }
                None => say(hub, session, &format!("says {text}")).await?,
            },
        }
    }
    Ok(())
}

/// Sends a line to the session's room.
async fn say(hub: &Hub<User>, session: &SessionHandle<User>, text: &str) -> Result {
    let user = session.state();
    hub.room(&user.room).publish(format!("{} {text}", user.name)).await?;
    Ok(())
}

fn query(ws: &WebSocket, name: &str) -> Option<String> {
    Some(ws.request()?.query(name)?.into_owned())
}
