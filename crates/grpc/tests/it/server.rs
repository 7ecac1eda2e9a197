//! Servers of the test services.

use std::convert::Infallible;
use std::future::IntoFuture;
use std::io;
use std::sync::Arc;

use http::{Request, Response};

#[cfg(feature = "tls")]
use sockeye::Client;
use sockeye_grpc::{Channel, Endpoint, incoming};
use sockeye_grpc_testing::proto::Empty;
use sockeye_grpc_testing::proto::test_service_client::TestServiceClient;
use sockeye_grpc_testing::service::services;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
#[cfg(feature = "tls")]
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider};
use tonic::codegen::Service;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
#[cfg(feature = "tls")]
use tonic::transport::{Identity, ServerTlsConfig};

/// Returns a channel over TCP without a WebSocket, to its own server.
pub(crate) async fn over_tcp() -> Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (greeter, test_service) = services();
    // Without a `Connection`, tonic's server reads without limit before it handles calls that were
    // reset.
    let mut server = sockeye_grpc::server().http2_max_pending_accept_reset_streams(Some(16_384));
    let server = server.add_service(greeter).add_service(test_service);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true))));
    let connector = move || async move {
        let stream = TcpStream::connect(address).await?;
        // HTTP/2 makes small writes, which Nagle's algorithm would delay by 40 ms.
        stream.set_nodelay(true)?;
        Ok::<_, io::Error>(stream)
    };
    Endpoint::with_connector(connector).connect().await.unwrap()
}

/// Returns a channel through a WebSocket, to its own tonic server.
pub(crate) async fn over_websocket() -> Channel {
    sockeye_grpc::connect(at_websocket().await).await.unwrap()
}

/// Returns a channel through a WebSocket, to its own server that is not tonic's.
pub(crate) async fn served_over_websocket() -> Channel {
    let (greeter, test_service) = services();
    serve_service(Routes::new(greeter).add_service(test_service)).await
}

/// Same as [`served_over_websocket`], with another service.
pub(crate) async fn serve_service<S>(service: S) -> Channel
where
    S: Service<
            Request<tonic::body::Body>,
            Response = Response<tonic::body::Body>,
            Error = Infallible,
            Future: Send,
        > + Clone
        + Send
        + 'static,
{
    let websockets = sockeye::Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/grpc", websockets.local_addr().unwrap());
    let (incoming, accept) = incoming();
    tokio::spawn(websockets.serve(move |ws| accept.deliver(ws)));
    tokio::spawn(sockeye_grpc::serve(incoming, service).into_future());
    sockeye_grpc::connect(url).await.unwrap()
}

/// Returns a channel through TLS inside a WebSocket, to its own server.
#[cfg(feature = "tls")]
pub(crate) async fn over_tls_inside() -> Channel {
    let (url, tls) = with_tls_inside().await;
    Endpoint::new(Client::new(url)).tls(tls).connect().await.unwrap()
}

/// Starts a server, and returns its URL.
pub(crate) async fn at_websocket() -> String {
    serve(sockeye_grpc::server()).await
}

/// Serves the services through WebSockets, and returns the URL.
async fn serve(mut server: Server) -> String {
    let websockets = sockeye::Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/grpc", websockets.local_addr().unwrap());
    let (incoming, accept) = incoming();
    tokio::spawn(websockets.serve(move |ws| accept.deliver(ws)));
    let (greeter, test_service) = services();
    let server = server.add_service(greeter).add_service(test_service);
    tokio::spawn(server.serve_with_incoming(incoming));
    url
}

/// Starts a server with TLS inside the WebSocket. Returns its URL, and the configuration of a
/// client that trusts its certificate for 127.0.0.1.
#[cfg(feature = "tls")]
pub(crate) async fn with_tls_inside() -> (String, Arc<ClientConfig>) {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let identity = Identity::from_pem(certified.cert.pem(), certified.signing_key.serialize_pem());
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let tls = ServerTlsConfig::new().identity(identity);
    let server = sockeye_grpc::server().tls_config(tls).unwrap();
    (serve(server).await, trusting(roots))
}

/// Returns the configuration of a client that trusts these roots.
#[cfg(feature = "tls")]
pub(crate) fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// A server that can be stopped, in its own runtime.
pub(crate) struct Stoppable {
    pub(crate) url: String,
    runtime: Option<Runtime>,
    stop: Arc<Notify>,
    stopped: Option<JoinHandle<()>>,
}

impl Stoppable {
    pub(crate) async fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let stop = Arc::new(Notify::new());
        let signal = Arc::clone(&stop);
        let (url_sender, listening) = oneshot::channel();
        let stopped = runtime.spawn(async move {
            let websockets = sockeye::Server::bind("127.0.0.1:0").await.unwrap();
            let url = format!("ws://{}/grpc", websockets.local_addr().unwrap());
            url_sender.send(url).unwrap();
            let (incoming, accept) = incoming();
            tokio::spawn(websockets.serve(move |ws| accept.deliver(ws)));
            let (greeter, test_service) = services();
            let server = sockeye_grpc::server().add_service(greeter).add_service(test_service);
            let stopped = async move { signal.notified().await };
            server.serve_with_incoming_shutdown(incoming, stopped).await.unwrap();
        });
        let url = listening.await.unwrap();
        Self { url, runtime: Some(runtime), stop, stopped: Some(stopped) }
    }

    /// Waits until the server has this many calls in progress.
    pub(crate) async fn wait_for_calls(&self, number: i64) {
        let mut test_service =
            TestServiceClient::new(sockeye_grpc::connect(&self.url).await.unwrap());
        while test_service.report(Empty {}).await.unwrap().into_inner().in_progress < number {}
    }

    /// Stops the server gracefully, as tonic's servers do: connections end when their calls do.
    pub(crate) async fn stop(mut self) {
        self.stop.notify_one();
        self.stopped.take().unwrap().await.unwrap();
    }
}

/// Cuts all connections.
impl Drop for Stoppable {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
