//! A server for the SDKs of centrifugo: JavaScript, Dart, Swift, Java, Python, Go and C#. Everybody
//! may join, publish to and read all rooms. The clients recover what they missed when they return.
//!
//!     cargo run --release -p sockeye-hub --example centrifuge -- 127.0.0.1:8000
//!
//! In a browser or in Node:
//!
//!     const client = new Centrifuge('ws://127.0.0.1:8000/connection/websocket')
//!     const lobby = client.newSubscription('lobby', { joinLeave: true })
//!     lobby.on('publication', (ctx) => console.log(ctx.data, ctx.offset))
//!     lobby.on('join', (ctx) => console.log(ctx.info.client, 'is here'))
//!     lobby.subscribe()
//!     client.connect()
//!     await lobby.publish({ text: 'hello' })
//!     await client.rpc('time', {})

use std::time::{SystemTime, UNIX_EPOCH};

use sockeye::upgrade::{HostPolicy, Options};
use sockeye::{Server, WebSocket};
use sockeye_hub::core::history::Retention;
use sockeye_hub::core::outbox::DeliveryPolicy;
use sockeye_hub::protocol::{Endpoint, Protocol, Refusal};
use sockeye_hub::{Hub, RoomOptions};

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".into());
    let room =
        RoomOptions::new().history(Retention::default()).policy(DeliveryPolicy::CatchUp).presence();
    let hub: Hub = Hub::builder().rooms(move |_| room.clone()).build();
    let endpoint = Endpoint::builder(hub)
        .on_rpc(async |_, method, _| match &*method {
            "time" => {
                let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Ok(time.as_secs().to_string().into())
            }
            _ => Err(Refusal::METHOD_NOT_FOUND),
        })
        .build();
    // Protobuf clients without a subprotocol say so in the URL.
    let options = Options::new()
        .keep_request(true)
        .subprotocols(Endpoint::<()>::subprotocols().iter().copied());
    let server = Server::bind(address).await?.options(options);
    println!("listening on {}", server.local_addr()?);
    server
        .allow_hosts(HostPolicy::loopback().allow_addresses())
        .serve(move |ws: WebSocket| {
            let endpoint = endpoint.clone();
            async move {
                let format = ws.request().and_then(|request| request.query("format"));
                if format.is_some_and(|format| format == "protobuf") {
                    return endpoint.serve_as(ws, Protocol::CentrifugeProtobuf).await;
                }
                endpoint.serve(ws).await
            }
        })
        .await
}
