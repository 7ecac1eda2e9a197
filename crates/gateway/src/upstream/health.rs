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

use super::health_check::HealthCheck;
use super::subchannel::Subchannel;

/// Method of gRPC's health protocol.
const CHECK: &str = "/grpc.health.v1.Health/Check";

/// Maximum length of an answer, in bytes: a hundred times that of the answer that the protocol
/// defines.
const MAX_ANSWER: usize = 1024;

/// Minimum delay between two attempts to reach an address: a random delay may be zero.
const MIN_DELAY: Duration = Duration::from_millis(50);

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
        let outcome = ask(&current.channels.current(), &check).await;
        note_reachability(&current, &outcome);
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
        let outcome = ask(&current.channels.current(), &check).await;
        note_reachability(&current, &outcome);
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

fn note_reachability(subchannel: &Subchannel, outcome: &Result<i32, Status>) {
    match outcome.as_ref().err().and_then(sockeye_grpc::connect_error) {
        None => subchannel.set_reachable(),
        Some(error) => subchannel.set_unreachable(error),
    }
}
