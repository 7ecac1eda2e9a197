//! The server of the browser tests: see `ci/web.sh`.
//!
//!     cargo run -p sockeye-hub --example hub_browser_peer
//!
//! Prints on one line the URLs of a hub, of the same hub through a relay, and of a control
//! WebSocket. The control WebSocket accepts `die`, which ends all connections of the relay and
//! refuses new ones, and `live`, which allows them again; both are echoed when done.

use std::io;
use std::net::SocketAddr;

use sockeye::upgrade::{HostPolicy, Options, OriginPolicy};
use sockeye::{Server, WebSocket};
use sockeye_hub::core::history::Retention;
use sockeye_hub::core::outbox::DeliveryPolicy;
use sockeye_hub::protocol::Endpoint;
use sockeye_hub::{Hub, RoomOptions};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let room = RoomOptions::new().history(Retention::default()).policy(DeliveryPolicy::CatchUp);
    let hub: Hub = Hub::builder().rooms(move |_| room.clone()).build();
    let endpoint = Endpoint::builder(hub).build();
    // The pages of the tests come from the test runner's own server.
    let options = Options::new().allow_hosts(HostPolicy::loopback()).origins(OriginPolicy::any());
    let subprotocols = Endpoint::<()>::subprotocols().iter().copied();
    let server =
        Server::bind("127.0.0.1:0").await?.options(options.clone().subprotocols(subprotocols));
    let address = server.local_addr()?;

    let (lives, _) = watch::channel(true);
    let relay = TcpListener::bind("127.0.0.1:0").await?;
    let relay_address = relay.local_addr()?;
    tokio::spawn(pass(relay, address, lives.subscribe()));

    let control = Server::bind("127.0.0.1:0").await?.options(options);
    let control_address = control.local_addr()?;
    tokio::spawn(control.serve(move |ws| obey(ws, lives.clone())));

    println!("ws://{address}/ ws://{relay_address}/ ws://{control_address}/");
    server
        .serve(move |ws: WebSocket| {
            let endpoint = endpoint.clone();
            async move { endpoint.serve(ws).await }
        })
        .await
}

async fn pass(relay: TcpListener, to: SocketAddr, lives: watch::Receiver<bool>) -> io::Result<()> {
    loop {
        let (mut client, _) = relay.accept().await?;
        let mut lives = lives.clone();
        tokio::spawn(async move {
            if !*lives.borrow_and_update() {
                return Ok(());
            }
            let mut server = TcpStream::connect(to).await?;
            tokio::select! {
                passed = copy_bidirectional(&mut client, &mut server) => passed.map(drop),
                _dies = lives.changed() => Ok(()),
            }
        });
    }
}

async fn obey(mut ws: WebSocket, lives: watch::Sender<bool>) -> sockeye::Result<()> {
    while let Some(order) = ws.recv().await? {
        lives.send_replace(order.as_text() == Some("live"));
        ws.send(order).await?;
    }
    Ok(())
}
