//! A gRPC client over a WebSocket. In the browser, only `main` would differ.
//!
//!     cargo run -p sockeye-grpc --example greeter_client -- ws://127.0.0.1:8080/grpc

use std::time::Duration;

use sockeye_grpc_testing::proto::greeter_client::GreeterClient;
use sockeye_grpc_testing::proto::{HelloRequest, HellosRequest};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("ws://127.0.0.1:8080/grpc".into());
    let mut greeter = GreeterClient::new(sockeye_grpc::connect(url).await?);

    let mut request = tonic::Request::new(HelloRequest { name: "Ada".into() });
    request.set_timeout(Duration::from_secs(5));
    println!("{}", greeter.say_hello(request).await?.into_inner().message);

    let request = HellosRequest { name: "Grace".into(), count: 3 };
    let mut replies = greeter.say_hellos(request).await?.into_inner();
    while let Some(reply) = replies.message().await? {
        println!("{}", reply.message);
    }
    Ok(())
}
