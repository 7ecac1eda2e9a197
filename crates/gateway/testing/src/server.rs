//! The server that the tests start.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::Routes;

use crate::proto::echo_server::EchoServer;
use crate::proto::health::health_server::HealthServer;
use crate::proto::reflection_v1::server_reflection_server::ServerReflectionServer as V1;
use crate::proto::reflection_v1alpha::server_reflection_server::ServerReflectionServer as V1Alpha;
use crate::reflection::Reflection;
use crate::{DESCRIPTORS, Echo, Health, ReflectionVersion};

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to bind.
    pub address: SocketAddr,
    /// The versions of reflection that the server has.
    pub reflection: ReflectionVersion,
    /// The descriptors that reflection sends at first.
    pub descriptors: Vec<u8>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            reflection: ReflectionVersion::default(),
            descriptors: DESCRIPTORS.to_vec(),
        }
    }
}

/// A server on a port of its own, until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// The service.
    pub echo: Echo,
    /// The health that the server reports.
    pub health: Health,
    reflection: Reflection,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts a server with the default settings.
    ///
    /// # Panics
    /// Panics if no port can be bound.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await.expect("a port of 127.0.0.1 can be bound")
    }

    /// Starts a server.
    ///
    /// # Errors
    /// The error of binding the address.
    pub async fn start_with(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.address).await?;
        let address = listener.local_addr()?;
        let (echo, health) = (Echo::default(), Health::default());
        let reflection = Reflection::new(&options.descriptors);
        let mut routes = Routes::new(EchoServer::new(echo.clone()))
            .add_service(HealthServer::new(health.clone()));
        if options.reflection != ReflectionVersion::None {
            routes = routes.add_service(V1Alpha::new(reflection.clone()));
        }
        if options.reflection == ReflectionVersion::Both {
            routes = routes.add_service(V1::new(reflection.clone()));
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let serving = tonic::transport::Server::builder()
                .add_routes(routes)
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
                    let _ = stopped.await;
                });
            if let Err(error) = serving.await {
                eprintln!("the server of the test failed: {error}");
            }
        });
        Ok(Self { address, echo, health, reflection, stop: Some(stop), task })
    }

    /// Returns the address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces the descriptors that reflection sends.
    pub fn set_descriptors(&self, descriptors: &[u8]) {
        self.reflection.replace(descriptors);
    }

    /// Stops the server: calls in progress end first.
    pub async fn shutdown(mut self) {
        self.stop.take();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
