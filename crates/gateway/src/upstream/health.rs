//! Checks of the addresses of an upstream: gRPC's health protocol, and attempts to reach an address
//! again.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::uri::PathAndQuery;
use sockeye_grpc::{Backoff, Channel};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tonic::client::Grpc;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::subchannel::Subchannel;

/// Method of gRPC's health protocol.
const CHECK: &str = "/grpc.health.v1.Health/Check";

/// Maximum length of an answer, in bytes: a hundred times that of the answer that the protocol
/// defines.
const MAX_ANSWER: usize = 1024;

/// Default interval of checks. Taken from the usual default of load balancers.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);

/// Default timeout of a check.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Minimum delay between two attempts to reach an address: a random delay may be zero.
const MIN_DELAY: Duration = Duration::from_millis(50);

/// Health checks of each address of an upstream, by `grpc.health.v1.Health/Check`.
///
/// An address whose server answers anything but `SERVING`, fails or does not answer in time
/// receives no calls until a later check succeeds. A server without the health protocol
/// (`unimplemented`) counts as healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    service: String,
    interval: Duration,
    timeout: Duration,
}

impl HealthCheck {
    /// Creates checks of the whole server, every 10 s with a timeout of 5 s.
    pub fn new() -> Self {
        Self { service: String::new(), interval: DEFAULT_INTERVAL, timeout: DEFAULT_TIMEOUT }
    }

    /// Sets the service that the server is asked about; empty for the whole server, which is the
    /// default.
    pub fn service(self, service: impl Into<String>) -> Self {
        Self { service: service.into(), ..self }
    }

    /// Sets the interval between checks. Default: 10 s.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Sets the timeout of a check. Default: 5 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// The status of a service that accepts calls.
const SERVING: i32 = 1;

/// Starts the task that checks a subchannel until the subchannel is dropped.
pub(super) fn watch(subchannel: &Arc<Subchannel>, check: Option<HealthCheck>, backoff: Backoff) {
    let weak = Arc::downgrade(subchannel);
    let task = match check {
        Some(check) => tokio::spawn(check_regularly(weak, check)),
        None => tokio::spawn(reach_again(weak, Arc::clone(&subchannel.lost), backoff)),
    };
    let _ = subchannel.monitor.set(task.abort_handle());
}

async fn check_regularly(subchannel: Weak<Subchannel>, check: HealthCheck) {
    loop {
        let Some(current) = subchannel.upgrade() else { return };
        let outcome = ask(&current.channel, &check).await;
        let is_unreachable = outcome.as_ref().is_err_and(is_unreachable);
        current.set_reachable(!is_unreachable);
        current.set_healthy(match outcome {
            Ok(status) => status == SERVING,
            Err(status) => status.code() == Code::Unimplemented,
        });
        drop(current);
        sleep(check.interval).await;
    }
}

/// Waits until the subchannel is unreachable, and then calls it, with the backoff's delays, until
/// it is reachable. Calls of clients use other addresses meanwhile.
async fn reach_again(subchannel: Weak<Subchannel>, lost: Arc<Notify>, backoff: Backoff) {
    let check = HealthCheck::new();
    let mut failures = 0;
    loop {
        let is_reachable = match subchannel.upgrade() {
            Some(current) => current.is_reachable(),
            None => return,
        };
        if is_reachable {
            failures = 0;
            lost.notified().await;
            continue;
        }
        sleep(backoff.delay(failures, super::random()).max(MIN_DELAY)).await;
        failures += 1;
        let Some(current) = subchannel.upgrade() else { return };
        let outcome = ask(&current.channel, &check).await;
        current.set_reachable(!outcome.is_err_and(|status| is_unreachable(&status)));
    }
}

/// Returns the answer to a check.
async fn ask(channel: &Channel, check: &HealthCheck) -> Result<i32, Status> {
    let mut client = Grpc::new(channel.clone()).max_decoding_message_size(MAX_ANSWER);
    let request = HealthCheckRequest { service: check.service.clone() };
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let asked = client.unary(Request::new(request), PathAndQuery::from_static(CHECK), codec);
    let answered = timeout(check.timeout, asked).await;
    let answer = answered.map_err(|_| Status::deadline_exceeded("no answer to a health check"))?;
    Ok(answer?.into_inner().status)
}

fn is_unreachable(status: &Status) -> bool {
    sockeye_grpc::connect_error(status).is_some()
}
