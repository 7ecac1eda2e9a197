//! The addresses of an upstream, and the task that keeps them current.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::subchannel::{Address, Socket, Subchannel};
use super::url::Target;
use super::{Shared, UpstreamUrl, health};

/// Maximum number of addresses of an upstream; further ones are ignored. Chosen: a connection and a
/// task each stay affordable, and an answer over UDP does not hold more of them.
const MAX_ADDRESSES: usize = 64;

/// Timeout of a name resolution. Chosen: the system's resolver asks its second server after 5 s.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Minimum time between two resolutions, so that failing calls do not flood the resolver.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The addresses in use.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolved {
    pub(super) subchannels: Arc<[Arc<Subchannel>]>,
    /// Set while there are no addresses: the reason, once a resolution has failed.
    pub(super) failure: Option<Arc<str>>,
}

/// Returns the addresses of a URL that needs no resolution.
fn fixed(target: &Target) -> Option<Socket> {
    match target {
        Target::Tcp { host, port, .. } => {
            let address: IpAddr = host.parse().ok()?;
            Some(Socket::Tcp(SocketAddr::new(address, *port)))
        }
        Target::Unix(path) => Some(Socket::Unix(path.clone())),
    }
}

/// Uses the addresses of the URLs at once if all of them are fixed, and returns whether they are.
pub(super) fn use_fixed(shared: &Arc<Shared>) -> bool {
    let sockets =
        shared.config.urls.iter().map(|url| fixed(&url.target)).collect::<Option<Vec<_>>>();
    let Some(sockets) = sockets else { return false };
    update(shared, sockets.into_iter().map(|socket| Ok(vec![socket])).collect());
    true
}

/// Resolves the names of the upstream again and again.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut failures = 0;
    loop {
        let mut results = Vec::new();
        for url in &shared.config.urls {
            results.push(resolve(url).await);
        }
        failures = if update(&shared, results) { 0 } else { failures + 1 };
        let delay = match failures {
            0 => shared.config.resolve_interval,
            _ => shared.config.backoff.delay(failures - 1, super::random()),
        };
        let next = Instant::now() + delay.max(MIN_INTERVAL);
        sleep(MIN_INTERVAL).await;
        tokio::select! {
            () = sleep_until(next) => {}
            () = shared.refresh.notified() => {}
        }
    }
}

async fn resolve(url: &UpstreamUrl) -> io::Result<Vec<Socket>> {
    if let Some(socket) = fixed(&url.target) {
        return Ok(vec![socket]);
    }
    let Target::Tcp { host, port, .. } = &url.target else { return Ok(Vec::new()) };
    let resolved = timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((host.as_str(), *port)));
    let sockets: Vec<_> = resolved.await??.map(Socket::Tcp).collect();
    if sockets.is_empty() {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    Ok(sockets)
}

/// Replaces the addresses, one result for each URL. A URL that could not be resolved keeps its
/// addresses. Connections to addresses that stay are kept. Returns whether all were resolved.
fn update(shared: &Arc<Shared>, results: Vec<io::Result<Vec<Socket>>>) -> bool {
    let current = shared.resolved.borrow().subchannels.clone();
    let mut kept: HashMap<&Address, &Arc<Subchannel>> =
        current.iter().map(|subchannel| (&subchannel.address, subchannel)).collect();
    let (mut wanted, mut seen, mut failure) = (Vec::new(), HashSet::new(), None);
    for (url, result) in results.into_iter().enumerate() {
        match result {
            Ok(sockets) => wanted.extend(sockets.into_iter().map(|socket| Address { url, socket })),
            Err(error) => {
                let name = &shared.config.urls[url];
                tracing::warn!(upstream = %name, %error, "an upstream could not be resolved");
                failure = Some(format!("{name} could not be resolved: {error}").into());
                let addresses = current.iter().map(|subchannel| &subchannel.address);
                wanted.extend(addresses.filter(|address| address.url == url).cloned());
            }
        }
    }
    wanted.retain(|address| seen.insert(address.clone()));
    if wanted.len() > MAX_ADDRESSES {
        tracing::warn!(
            addresses = wanted.len(),
            limit = MAX_ADDRESSES,
            "an upstream has too many addresses, and further ones are ignored"
        );
        wanted.truncate(MAX_ADDRESSES);
    }
    let is_complete = failure.is_none();
    let subchannels = wanted.into_iter().map(|address| match kept.remove(&address) {
        Some(subchannel) => Arc::clone(subchannel),
        None => open(shared, address),
    });
    let subchannels: Arc<[_]> = subchannels.collect();
    shared.resolved.send_replace(Resolved { subchannels, failure });
    is_complete
}

fn open(shared: &Arc<Shared>, address: Address) -> Arc<Subchannel> {
    let connections = Arc::clone(&shared.connections);
    let subchannel =
        Arc::new(Subchannel::new(address, &shared.config, shared.tls.as_ref(), connections));
    health::watch(&subchannel, shared.config.health_check.clone(), shared.config.backoff);
    subchannel
}
