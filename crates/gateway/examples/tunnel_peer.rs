//! The gateway of the browser tests of sockeye-grpc: see `ci/web.sh`.
//!
//!     cargo run -p sockeye-gateway --example tunnel_peer
//!
//! Serves the test service of sockeye-grpc over TCP, and a gateway before it with a tunnel, and prints
//! the URL of the tunnel.

use std::convert::Infallible;
use std::path::Path;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use protox::Compiler;
use sockeye::upgrade::OriginPolicy;
use sockeye_gateway::Gateway;
use sockeye_gateway::catalog::{Descriptors, Source};
use sockeye_gateway::reflection::FileSet;
use sockeye_gateway::upstream::{Upstream, UpstreamConfig};
use sockeye_grpc_testing::service::{MAX_MESSAGE_LENGTH, services};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let upstream = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", upstream.local_addr()?);
    let (greeter, test_service) = services();
    let server = sockeye_grpc::server().add_service(greeter).add_service(test_service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(upstream)));

    let mut compiler =
        Compiler::new([Path::new(env!("CARGO_MANIFEST_DIR")).join("../grpc/testing/proto")])?;
    compiler.include_imports(true).open_file("testing.proto")?;
    let files = FileSet::from_descriptor_set(compiler.encode_file_descriptor_set().into())?;
    let source = Source::new(Upstream::new(UpstreamConfig::new(url.parse()?))?);
    let gateway = Gateway::builder()
        .source(source.descriptors(Descriptors::Fixed(files)))
        // The pages of the tests come from the test runner's own server.
        .origins(OriginPolicy::any())
        .max_message_length(u32::try_from(MAX_MESSAGE_LENGTH)?)
        .tunnel_path("/grpc")
        .build();
    gateway.ready().await?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("ws://{}/grpc", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let gateway = gateway.clone();
        let service = service_fn(move |request| {
            let gateway = gateway.clone();
            async move { Ok::<_, Infallible>(gateway.handle(request).await) }
        });
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}
