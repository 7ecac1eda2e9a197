//! A chat: clients of the protocol sockeye.hub.v1 join rooms, publish, see each other, and recover
//! what they miss.
//!
//!     cargo run --release -p sockeye-hub --example hub_v1 -- 127.0.0.1:8080
//!     cargo run --release -p sockeye-hub --features client --example hub_v1_client -- ws://127.0.0.1:8080/ lobby ada

use sockeye::upgrade::{HostPolicy, Options};
use sockeye::{Server, WebSocket};
use sockeye_hub::core::RoomName;
use sockeye_hub::core::history::Retention;
use sockeye_hub::core::outbox::DeliveryPolicy;
use sockeye_hub::protocol::{Endpoint, Refusal};
use sockeye_hub::{Hub, RoomOptions};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener).await
}

pub(crate) async fn serve(listener: TcpListener) -> sockeye::Result<()> {
    let room =
        RoomOptions::new().history(Retention::default()).policy(DeliveryPolicy::CatchUp).presence();
    let hub: Hub = Hub::builder().rooms(move |_| room.clone()).build();
    let endpoint = Endpoint::builder(hub)
        .on_rpc(async |session, method, _| match &*method {
            "rooms" => {
                let rooms = session.rooms();
                let names: Vec<_> = rooms.iter().map(RoomName::as_str).collect();
                Ok(serde_json::json!(names).to_string().into())
            }
            _ => Err(Refusal::METHOD_NOT_FOUND),
        })
        .build();
    let subprotocols = Endpoint::<()>::subprotocols().iter().copied();
    Server::from_listener(listener)
        .options(Options::new().subprotocols(subprotocols))
        .allow_hosts(HostPolicy::loopback().allow_addresses())
        .serve(move |ws: WebSocket| {
            let endpoint = endpoint.clone();
            async move { endpoint.serve(ws).await }
        })
        .await
}
