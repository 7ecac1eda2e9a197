//! A gateway on hyper, in front of the server at a URL:
//!
//! ```text
//! cargo run -p sockeye-gateway --example hyper_gateway -- http://127.0.0.1:50051
//! curl localhost:8080/package.Service/Method -H content-type:application/json -d '{}'
//! ```

use std::convert::Infallible;
use std::error::Error;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sockeye::upgrade::PeerAddr;
use sockeye_gateway::Gateway;
use sockeye_gateway::upstream::{Upstream, UpstreamConfig};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: hyper_gateway URL-OF-THE-UPSTREAM")?;
    let upstream = Upstream::new(UpstreamConfig::new(url.parse()?))?;
    let gateway = Gateway::builder().upstream(upstream).build();
    gateway.ready().await?;
    for source in gateway.sources() {
        match (source.schema, source.problem) {
            (Some(schema), _) => println!("services: {:?}", schema.services()),
            (None, problem) => println!("no services yet: {}", problem.unwrap_or_default()),
        }
    }
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    loop {
        let (stream, peer) = listener.accept().await?;
        let gateway = gateway.clone();
        tokio::spawn(async move {
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddr(peer));
                let gateway = gateway.clone();
                async move { Ok::<_, Infallible>(gateway.handle(request).await) }
            });
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http2().enable_connect_protocol();
            let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            if let Err(error) = serving.await {
                eprintln!("the connection from {peer} failed: {error}");
            }
        });
    }
}
