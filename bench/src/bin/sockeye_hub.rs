//! Fan-out by a hub: all connections are sessions in one room, in which each message is published.
//! The connections are of the handler server on one worker (`push`), of `Server` (`server`), or of
//! an axum application (`axum`).

use std::io;
use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::any;
use futures_util::FutureExt;
use sockeye::axum::WebSocketUpgrade;
use sockeye::push::{self, Backend, Connection, Handler};
use sockeye::upgrade::Request;
use sockeye::{CloseFrame, Message, MessageRef, Server, WebSocket};
use sockeye_bench::mode::Ability;
use sockeye_bench::serve::{self, Arguments};
use sockeye_hub::{Disconnect, Hub, SessionHandle, SessionOptions};

const ROOM: &str = "all";

fn main() -> anyhow::Result<()> {
    let words = ["push", "server", "axum"];
    let (arguments, connections) = Arguments::parse_with(&[Ability::FanOut], &words)?;
    let address = arguments.address;
    // The hub's tasks run on this thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let hub: Hub = Hub::builder().build();
        match connections {
            "push" => serve_push(hub, address).await,
            "server" => serve_tasks(hub, address).await,
            _ => serve_axum(hub, address).await,
        }
    })
}

/// The callbacks of the handler server. The bus in memory never lets a future wait.
#[derive(Clone)]
struct Members(Hub);

impl Handler for Members {
    fn open(&mut self, connection: &mut Connection, _: &Request<'_>) {
        let session = self.0.attach(connection.handle(), (), SessionOptions::new());
        if !matches!(session.join(ROOM).now_or_never(), Some(Ok(_))) {
            connection.abort();
        }
        connection.set_data(session);
    }

    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        let Some(session) = connection.data::<SessionHandle>() else { return };
        let message = Message::from(message);
        if !matches!(session.publish(ROOM, message).now_or_never(), Some(Ok(_))) {
            connection.abort();
        }
    }

    fn close(&mut self, connection: &mut Connection, frame: Option<&CloseFrame>) {
        if let Some(session) = connection.data::<SessionHandle>() {
            session.end(&Disconnect::Client(frame.cloned()));
        }
    }
}

async fn serve_push(hub: Hub, address: SocketAddr) -> anyhow::Result<()> {
    let members = Members(hub);
    let server = push::Server::new(move || members.clone()).workers(1).max_connections(20_000);
    let listening = server.backend(Backend::Readiness).listen(address)?;
    serve::print_address(listening.local_addr()?);
    tokio::task::spawn_blocking(|| listening.run()).await?.context("the server has stopped")
}

async fn serve_tasks(hub: Hub, address: SocketAddr) -> anyhow::Result<()> {
    let server = Server::bind(address).await?.max_connections(20_000);
    serve::print_address(server.local_addr()?);
    let handler = move |ws| run_session(hub.clone(), ws);
    server.serve(handler).await.context("the server has stopped")
}

async fn serve_axum(hub: Hub, address: SocketAddr) -> anyhow::Result<()> {
    let app = Router::new().route("/", any(upgrade)).with_state(hub);
    Ok(serve::serve_app(address, app).await?)
}

async fn upgrade(upgrade: WebSocketUpgrade, State(hub): State<Hub>) -> Response {
    upgrade.on_upgrade(async move |ws| serve::log_failure(run_session(hub, ws).await))
}

async fn run_session(hub: Hub, ws: WebSocket) -> io::Result<()> {
    let mut session = hub.connect(ws, ());
    session.join(ROOM).await.map_err(io::Error::other)?;
    while let Some(message) = session.recv().await.map_err(io::Error::other)? {
        session.publish(ROOM, message).await.map_err(io::Error::other)?;
    }
    Ok(())
}
