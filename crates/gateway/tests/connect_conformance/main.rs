//! Runs the server's cases of Connect's conformance suite against a gateway: see
//! `tests/connect-conformance/README.md`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod body;
mod check;
mod client;
mod expected;
mod messages;
mod reply;
mod schema;
mod service;
mod suites;
mod tls;
mod wire;
mod yaml;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use sockeye_gateway::Gateway;
use sockeye_gateway::catalog::{Descriptors, Source};
use sockeye_gateway::reflection::FileSet;
use sockeye_gateway::upstream::{Upstream, UpstreamConfig};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use client::Target;
use schema::Schema;
use service::Service;
use suites::{Permutation, REQUEST_LIMIT, Setup};
use tls::Tls;

/// Number of calls at the same time.
const CONCURRENCY: usize = 16;

/// Longer than any case takes, and the time after which a case fails.
const LIMIT: Duration = Duration::from_secs(20);

/// Maximum length of messages without a limit of the suite, in bytes: the default of the gateway.
const NO_LIMIT: u32 = 4 * 1024 * 1024;

/// A gateway in front of the service, until it is dropped.
struct Served {
    address: SocketAddr,
    tls: Option<Tls>,
    task: JoinHandle<()>,
    _service: Service,
}

impl Served {
    async fn start(schema: &Arc<Schema>, service_limit: u32, gateway_limit: u32) -> Self {
        Self::start_with(schema, service_limit, gateway_limit, None).await
    }

    /// Starts both with these certificates of theirs and of their clients.
    async fn start_with(
        schema: &Arc<Schema>,
        service_limit: u32,
        gateway_limit: u32,
        tls: Option<Tls>,
    ) -> Self {
        let acceptor = tls.as_ref().map(Tls::acceptor);
        let service = Service::start(Arc::clone(schema), service_limit, acceptor.clone()).await;
        let mut config = UpstreamConfig::new(service.url().parse().unwrap());
        if let Some(tls) = &tls {
            config = config.tls(tls.of_upstream());
        }
        let files = FileSet::from_descriptor_set(schema.descriptors.clone()).unwrap();
        let source = Source::new(Upstream::new(config).unwrap());
        let source = source.descriptors(Descriptors::Fixed(files));
        let gateway = Gateway::builder().source(source).max_message_length(gateway_limit).build();
        gateway.ready().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(gateway.clone());
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    let Some(stream) = tls::accept(acceptor.as_ref(), stream).await else { return };
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, tls, task, _service: service }
    }

    fn target(&self) -> Target<'_> {
        Target { address: self.address, tls: self.tls.as_ref() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns what is wrong with the response to a permutation; `None` if it passes.
async fn run(schema: &Schema, permutation: &Permutation, target: Target<'_>) -> Option<String> {
    let called = timeout(LIMIT, client::call(schema, permutation, target)).await;
    let problems = match called {
        Ok(Ok(actual)) => check::differences(schema, permutation, &actual),
        Ok(Err(problem)) => vec![problem],
        Err(_) => vec![format!("no end within {} s", LIMIT.as_secs())],
    };
    (!problems.is_empty())
        .then(|| format!("{}:\n    {}", permutation.name, problems.join("\n    ")))
}

#[test]
fn a_response_without_anything_passes_no_case() {
    if !schema::folder().exists() {
        return;
    }
    let schema = Schema::load();
    let nothing = messages::CallResponse::default();
    for permutation in suites::load(&schema).1 {
        let differences = check::differences(&schema, &permutation, &nothing);
        let expects_nothing = permutation.expected == nothing;
        assert_eq!(differences.is_empty(), expects_nothing, "{}", permutation.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_passes_in_every_form() {
    // A published crate comes without the cases.
    if !schema::folder().exists() {
        return;
    }
    let schema = Arc::new(Schema::load());
    let (cases, permutations) = suites::load(&schema);
    let served = Arc::new([
        Served::start(&schema, NO_LIMIT, NO_LIMIT).await,
        Served::start(&schema, REQUEST_LIMIT, NO_LIMIT).await,
        Served::start(&schema, NO_LIMIT, REQUEST_LIMIT).await,
        Served::start_with(&schema, NO_LIMIT, NO_LIMIT, Some(Tls::new())).await,
    ]);
    let count = permutations.len();
    let free = Arc::new(Semaphore::new(CONCURRENCY));
    let mut calls = JoinSet::new();
    for permutation in permutations {
        let (schema, free, served) = (Arc::clone(&schema), Arc::clone(&free), Arc::clone(&served));
        calls.spawn(async move {
            let _permit = free.acquire().await.unwrap();
            let [default, limited_service, limited_gateway, tls] = &*served;
            let served = match permutation.setup {
                Setup::Default => default,
                Setup::Service => limited_service,
                Setup::Gateway => limited_gateway,
                Setup::Tls => tls,
            };
            run(&schema, &permutation, served.target()).await
        });
    }
    let mut failures: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
    failures.sort();
    println!("{cases} cases, {count} permutations, {} failures", failures.len());
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}
