//! The server of the browser tests: see `ci/web.sh`.
//!
//!     cargo run -p sockeye-grpc --example browser_peer
//!
//! Prints on one line the URLs of the service, of the same service through a relay, and of a
//! control WebSocket, the URL of the service with TLS inside, and its certificate in hexadecimal.
//! The service accepts sessions that outlive their WebSocket too.
//! The control WebSocket accepts `die`, which ends all connections of the relay and refuses new
//! ones, and `live`, which allows them again; both are echoed when done.

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;

use sockeye::resume::{self, SUBPROTOCOL};
use sockeye::upgrade::{HostPolicy, Options, OriginPolicy};
use sockeye::{Server, WebSocket};
use sockeye_grpc::Incoming;
use sockeye_grpc_testing::service::services;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::transport::{Identity, ServerTlsConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The pages of the tests come from the test runner's own server.
    let options = Options::new().allow_hosts(HostPolicy::loopback()).origins(OriginPolicy::any());
    let with_sessions = options.clone().subprotocols([SUBPROTOCOL]);
    let websockets = Server::bind("127.0.0.1:0").await?.options(with_sessions);
    let address = websockets.local_addr()?;
    let (incoming, accept) = sockeye_grpc::incoming();
    let (streams, sessions) = resume::listener();
    tokio::spawn(websockets.serve(move |ws| {
        let (accept, sessions) = (accept.clone(), sessions.clone());
        async move {
            if ws.subprotocol() == Some(SUBPROTOCOL) {
                // A failed WebSocket is what the tests are about.
                let _ = sessions.serve(ws, "anyone").await;
            } else {
                accept.deliver(ws).await;
            }
        }
    }));

    let (lives, _) = watch::channel(true);
    let relay = TcpListener::bind("127.0.0.1:0").await?;
    let relay_address = relay.local_addr()?;
    tokio::spawn(pass(relay, address, lives.subscribe()));

    let control = Server::bind("127.0.0.1:0").await?.options(options.clone());
    let control_address = control.local_addr()?;
    tokio::spawn(control.serve(move |ws| obey(ws, lives.clone())));

    let with_tls = Server::bind("127.0.0.1:0").await?.options(options);
    let tls_address = with_tls.local_addr()?;
    let (inner, accept) = sockeye_grpc::incoming();
    tokio::spawn(with_tls.serve(move |ws| accept.deliver(ws)));
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let identity = Identity::from_pem(certified.cert.pem(), certified.signing_key.serialize_pem());
    let mut tls = sockeye_grpc::server().tls_config(ServerTlsConfig::new().identity(identity))?;

    print!("ws://{address}/ ws://{relay_address}/ ws://{control_address}/ ws://{tls_address}/ ");
    for byte in certified.cert.der().iter() {
        print!("{byte:02x}");
    }
    println!();
    let (greeter, test_service) = services();
    let routes = Routes::new(greeter).add_service(test_service);
    tokio::spawn(sockeye_grpc::serve(Incoming::from(streams), routes.clone()).into_future());
    tokio::spawn(sockeye_grpc::serve(incoming, routes).into_future());
    let (greeter, test_service) = services();
    tls.add_service(greeter).add_service(test_service).serve_with_incoming(inner).await?;
    Ok(())
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
                passed = tokio::io::copy_bidirectional(&mut client, &mut server) => passed.map(|_| ()),
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
