//! The upstream of `--demo`: a library of books, on a port of this machine.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use sockeye::upgrade::{HostPolicy, TcpAcceptor, TrustedProxies};
use sockeye_gateway::catalog::{Descriptors, Source};
use sockeye_gateway::reflection::FileSet;
use sockeye_gateway::upstream::{Upstream, UpstreamConfig};
use sockeye_library::v1::library_server::{LibraryServer, SERVICE_NAME};
use sockeye_library::{DESCRIPTORS, Service};
use tokio::task::JoinSet;

use crate::host::server::Server;
use crate::host::settings::HostSettings;
use crate::host::{Hosting, listen};

/// The running upstream, until it is dropped.
#[derive(Debug)]
pub(crate) struct Demo {
    upstream: Upstream,
    _server: JoinSet<()>,
}

impl Demo {
    /// Starts the upstream with the limits of the gateway's own server.
    ///
    /// # Errors
    /// When there is no free port.
    pub(crate) async fn start(hosting: &Hosting) -> anyhow::Result<Self> {
        let listener = listen::bind("127.0.0.1:0").await?;
        let address = listener.local_addr().context("cannot read the address of the demo")?;
        let library = LibraryServer::new(Service::default());
        let router = Router::new().route_service(&format!("/{SERVICE_NAME}/{{method}}"), library);
        let host = HostSettings {
            hosts: Arc::new(HostPolicy::loopback()),
            proxies: TrustedProxies::default(),
            tls: None,
        };
        let server = Server::new(hosting, router, host).plain_http2();
        let mut task = JoinSet::new();
        task.spawn(async move { server.accept_all(TcpAcceptor::new(listener)).await });
        let config = UpstreamConfig::new(format!("http://{address}").parse()?);
        Ok(Self { upstream: Upstream::new(config)?, _server: task })
    }

    /// Returns the library as a source of services.
    pub(crate) fn source(&self) -> anyhow::Result<Source> {
        let set = FileSet::from_descriptor_set(DESCRIPTORS.into())?;
        Ok(Source::new(self.upstream.clone()).descriptors(Descriptors::Fixed(set)))
    }
}

/// Returns commands to try the demo with.
pub(crate) fn examples(url: &str) -> Vec<String> {
    let url = url.trim_end_matches('/');
    // The certificate of --self-signed is known to no authority.
    let (curl, over_http2) = if url.starts_with("https:") {
        ("curl -k", "curl -k")
    } else {
        ("curl", "curl --http2-prior-knowledge")
    };
    vec![
        format!("{curl} {url}/v1/books/maps-of-fog"),
        format!("{curl} '{url}/v1/books?author=lind'"),
        format!(
            "{curl} {url}/v1/books -H 'content-type: application/json' \
             -d '{{\"title\": \"Low Tide\", \"author\": \"A. Reader\", \"year\": 2024}}'"
        ),
        format!(
            "{curl} -X PATCH {url}/v1/books/low-tide -H 'content-type: application/json' \
             -d '{{\"genre\": \"NOVEL\"}}'"
        ),
        format!("{curl} {url}/v1/books/none"),
        format!(
            "{curl} {url}/v1/books:import -H 'content-type: application/json' \
             -d '{{\"title\": \"Dry Land\", \"author\": \"B. Reader\"}} {{\"title\": \"\"}}'"
        ),
        format!("{curl} -N {url}/v1/books:watch"),
        format!("{curl} -N {url}/v1/books:watch -H 'accept: text/event-stream'"),
        format!(
            "{over_http2} {url}/v1/books:recommend -H 'content-type: application/json' \
             -d '{{\"genre\": \"POETRY\"}} {{\"genre\": \"POETRY\"}}'"
        ),
        format!(
            "{curl} {url}/{SERVICE_NAME}/GetBook -H 'content-type: application/json' \
             -d '{{\"id\": \"maps-of-fog\"}}'"
        ),
    ]
}
