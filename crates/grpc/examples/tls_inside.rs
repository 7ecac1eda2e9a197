//! TLS inside the WebSocket: intermediaries that carry the WebSocket, such as a proxy that
//! terminates `wss`, see only ciphertext.
//!
//!     cargo run -p sockeye-grpc --features tls --example tls_inside
//!
//! The certificate is generated here and trusted only by this client; a real program has its own.

use std::sync::Arc;

use sockeye::Client;
use sockeye::upgrade::HostPolicy;
use sockeye_grpc::Endpoint;
use sockeye_grpc_testing::proto::HelloRequest;
use sockeye_grpc_testing::proto::greeter_client::GreeterClient;
use sockeye_grpc_testing::service::services;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::transport::{Identity, ServerTlsConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let certified = rcgen::generate_simple_self_signed(["greeter.internal".to_owned()])?;

    let websockets =
        sockeye::Server::bind("127.0.0.1:0").await?.allow_hosts(HostPolicy::loopback());
    let url = format!("ws://{}/grpc", websockets.local_addr()?);
    let (incoming, accept) = sockeye_grpc::incoming();
    tokio::spawn(websockets.serve(move |ws| accept.deliver(ws)));
    let identity = Identity::from_pem(certified.cert.pem(), certified.signing_key.serialize_pem());
    let mut server =
        sockeye_grpc::server().tls_config(ServerTlsConfig::new().identity(identity))?;
    tokio::spawn(server.add_service(services().0).serve_with_incoming(incoming));

    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone())?;
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let endpoint = Endpoint::new(Client::new(url))
        .tls(Arc::new(tls))
        // The WebSocket ends at one host, and TLS at another.
        .origin(&"https://greeter.internal".parse()?);
    let mut greeter = GreeterClient::new(endpoint.connect().await?);
    let reply = greeter.say_hello(HelloRequest { name: "Ada".into() }).await?;
    println!("{}", reply.into_inner().message);
    Ok(())
}
