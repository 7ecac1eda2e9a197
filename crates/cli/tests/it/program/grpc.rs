//! A gRPC server and a gateway before it, and calls of them by the program.

use std::future::Future;
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::sync::Arc;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use sockeye_gateway::upstream::{Upstream, UpstreamConfig};
use sockeye_gateway::{Builder, Gateway};
use sockeye_gateway_testing::{Options, Server};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// The service of the server.
pub(crate) const ECHO: &str = "sockeye.gateway.testing.Echo";

/// A server with the service [`ECHO`], in a runtime of its own.
pub(crate) struct Grpc {
    pub(crate) server: Server,
    runtime: Runtime,
}

impl Grpc {
    /// Starts a server with reflection.
    pub(crate) fn start() -> Self {
        Self::start_with(Options::default())
    }

    pub(crate) fn start_with(options: Options) -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start_with(options)).unwrap();
        Self { server, runtime }
    }

    /// Returns the address of the server.
    pub(crate) fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// Runs a future in the runtime.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Starts a gateway before the server, and returns its address.
    pub(crate) fn gateway(&self) -> String {
        self.gateway_with(|builder| builder)
    }

    /// Starts a gateway with these settings before the server, and returns its address.
    pub(crate) fn gateway_with(&self, settings: impl FnOnce(Builder) -> Builder) -> String {
        let gateway = self.start_gateway(settings);
        self.serve(Router::new().fallback_service(gateway))
    }

    /// Starts a gateway below a path before the server, and returns its address with the path.
    pub(crate) fn gateway_below(&self, path: &str) -> String {
        let gateway = self.start_gateway(|builder| builder);
        self.serve(Router::new().nest_service(path, gateway)) + path
    }

    fn start_gateway(&self, settings: impl FnOnce(Builder) -> Builder) -> Gateway {
        let config = UpstreamConfig::new(self.server.url().parse().unwrap());
        self.block_on(async {
            let upstream = Upstream::new(config).unwrap();
            let gateway = settings(Gateway::builder().upstream(upstream)).build();
            gateway.ready().await.unwrap();
            gateway
        })
    }

    fn serve(&self, app: Router) -> String {
        let listener = self.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        self.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(app.clone());
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let stream = TokioIo::new(stream);
                    let _ = builder.serve_connection_with_upgrades(stream, service).await;
                });
            }
        });
        address.to_string()
    }

    /// Starts a proxy that terminates TLS before an address, and returns its own.
    pub(crate) fn tls_proxy(&self, target: SocketAddr, config: ServerConfig) -> String {
        let listener = self.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        self.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // The client may refuse the certificate.
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut server = TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
        address.to_string()
    }
}

/// Runs `sockeye call` with these arguments and without input.
pub(crate) fn call(arguments: &[&str]) -> Output {
    let mut command = super::sockeye(&["call"]);
    command.args(arguments).stdin(Stdio::null());
    command.output().expect("sockeye can be started")
}

/// The outcome of `sockeye call`.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) errors: String,
}

/// Runs `sockeye call` with these arguments and without input, and returns its texts.
pub(crate) fn outcome(arguments: &[&str]) -> Outcome {
    let output = call(arguments);
    Outcome {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}
