//! The addresses of an upstream, and the task that keeps them current.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::Status;

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
    /// Set if the last resolution has failed.
    pub(super) failure: Option<Arc<ResolveError>>,
}

/// The error of a name that has no addresses. The source of the status of calls that need one.
#[derive(Debug)]
pub(super) struct ResolveError {
    url: String,
    cause: io::Error,
}

impl ResolveError {
    /// Returns the status of a call without an address.
    pub(super) fn status(self: &Arc<Self>) -> Status {
        let mut status = Status::unavailable(self.to_string());
        status.set_source(Arc::<Self>::clone(self));
        status
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} could not be resolved: {}", self.url, self.cause)
    }
}

impl Error for ResolveError {}

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

/// Resolves the names of the upstream again and again. Calls that fail bring the next resolution
/// forward, except after a failed one, whose delay grows.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut failures = Failures::default();
    loop {
        let mut results = Vec::new();
        for url in &shared.config.urls {
            results.push(resolve(url).await);
        }
        let outcome = failures.count(results.iter().all(Result::is_ok));
        log(&shared, &results, outcome);
        update(&shared, results);
        let begin = Instant::now();
        sleep(MIN_INTERVAL).await;
        if let Some(earlier) = failures.earlier() {
            let delay = shared.config.backoff.delay(earlier, super::random());
            sleep_until(begin + delay).await;
            continue;
        }
        tokio::select! {
            () = sleep_until(begin + shared.config.resolve_interval) => {}
            () = shared.refresh.notified() => {}
        }
    }
}

/// Counts failed resolutions that follow each other.
#[derive(Debug, Default)]
struct Failures(u32);

/// The lines that the log gets after a resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogLine {
    Nothing,
    Failed,
    Recovered,
}

impl Failures {
    /// Counts a resolution. The log gets the first failure, and further ones ever more seldom: the
    /// second, the fourth, the eighth and so on.
    fn count(&mut self, is_complete: bool) -> LogLine {
        if is_complete {
            let was_failing = std::mem::take(&mut self.0) > 0;
            return if was_failing { LogLine::Recovered } else { LogLine::Nothing };
        }
        self.0 = self.0.saturating_add(1);
        if self.0.is_power_of_two() { LogLine::Failed } else { LogLine::Nothing }
    }

    /// Returns the number of failures before the last one; `None` if the last resolution succeeded.
    fn earlier(&self) -> Option<u32> {
        self.0.checked_sub(1)
    }
}

fn log(shared: &Shared, results: &[io::Result<Vec<Socket>>], line: LogLine) {
    for (url, result) in shared.config.urls.iter().zip(results) {
        match (line, result) {
            (LogLine::Failed, Err(error)) => {
                tracing::warn!(upstream = %url, %error, "an upstream could not be resolved");
            }
            (LogLine::Recovered, Ok(_)) => {
                tracing::info!(upstream = %url, "an upstream is resolved");
            }
            _ => {}
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
/// addresses. Connections to addresses that stay are kept.
fn update(shared: &Arc<Shared>, results: Vec<io::Result<Vec<Socket>>>) {
    let current = shared.resolved.borrow().subchannels.clone();
    let mut kept: HashMap<&Address, &Arc<Subchannel>> =
        current.iter().map(|subchannel| (&subchannel.address, subchannel)).collect();
    let (mut wanted, mut seen, mut failure) = (Vec::new(), HashSet::new(), None);
    for (url, result) in results.into_iter().enumerate() {
        match result {
            Ok(sockets) => wanted.extend(sockets.into_iter().map(|socket| Address { url, socket })),
            Err(cause) => {
                let name = shared.config.urls[url].to_string();
                failure = Some(Arc::new(ResolveError { url: name, cause }));
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
    let subchannels = wanted.into_iter().map(|address| match kept.remove(&address) {
        Some(subchannel) => Arc::clone(subchannel),
        None => open(shared, address),
    });
    let subchannels: Arc<[_]> = subchannels.collect();
    shared.resolved.send_replace(Resolved { subchannels, failure });
}

fn open(shared: &Arc<Shared>, address: Address) -> Arc<Subchannel> {
    let connections = Arc::clone(&shared.connections);
    let subchannel =
        Arc::new(Subchannel::new(address, &shared.config, shared.tls.as_ref(), connections));
    health::watch(&subchannel, shared.config.health_check.clone(), shared.config.backoff);
    subchannel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_follow_each_other_are_logged_ever_more_seldom() {
        let mut failures = Failures::default();
        assert_eq!((failures.count(true), failures.earlier()), (LogLine::Nothing, None));
        let logged: Vec<u32> =
            (1..=40).filter(|_| failures.count(false) == LogLine::Failed).collect();
        assert_eq!((logged, failures.earlier()), (vec![1, 2, 4, 8, 16, 32], Some(39)));
        assert_eq!((failures.count(true), failures.earlier()), (LogLine::Recovered, None));
        assert_eq!(failures.count(false), LogLine::Failed);
    }
}
