//! Plain gRPC, grpc-web, and gRPC over a WebSocket, on one port.
//!
//!     cargo run -p sockeye-grpc --example one_port
//!
//! Native and grpc-web clients call `http://127.0.0.1:8080`, and `sockeye_grpc::connect` takes
//! `ws://127.0.0.1:8080/grpc`.

use std::future::IntoFuture;

use axum::Router;
use axum::routing::any_service;
use sockeye::upgrade::{HostPolicy, Options};
use sockeye_grpc_testing::service::services;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic_web::GrpcWebLayer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    println!("http://{}", listener.local_addr()?);
    serve(listener).await
}

/// Serves all three protocols, until an error occurs.
pub(crate) async fn serve(listener: TcpListener) -> Result<(), Box<dyn std::error::Error>> {
    let (greeter, test_service) = services();
    let (incoming, accept) = sockeye_grpc::incoming();
    let accept = accept.options(Options::new().allow_hosts(HostPolicy::loopback()));
    let services = Routes::new(greeter).add_service(test_service);
    let app = Router::new()
        .merge(services.clone().into_axum_router().layer(GrpcWebLayer::new()))
        .route("/grpc", any_service(accept));
    tokio::spawn(sockeye_grpc::serve(incoming, services).into_future());
    axum::serve(listener, app).await?;
    Ok(())
}
