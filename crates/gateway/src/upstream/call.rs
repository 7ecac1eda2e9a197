//! Calls to an upstream: admission, the choice of an address, attempts and the deadline.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use sockeye_grpc::ResponseBody;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Status;
use tower_service::Service as _;

use super::body::Occupied;
use super::replay::ReplayBody;
use super::resolve::Resolved;
use super::subchannel::{PendingCall, Subchannel};
use super::{Shared, UpstreamBody, random, retry};
use crate::deadline::{Deadline, TimeoutForm};
use crate::status::GRPC_STATUS;

/// The options of a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallOptions {
    /// The time at which the call ends as `deadline_exceeded`, whether the upstream enforces it or
    /// not; `None` for no deadline. The upstream receives the rest of the time as `grpc-timeout`.
    pub deadline: Option<Instant>,
    /// Set for methods that may be executed twice: `idempotency_level` in their options.
    pub is_idempotent: bool,
}

impl Shared {
    /// See [`Upstream::call`](super::Upstream::call).
    pub(super) async fn call<B>(
        &self,
        request: Request<B>,
        options: CallOptions,
    ) -> Result<Response<UpstreamBody>, Status>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let permit = self.admit(options.deadline).await?;
        self.budget.on_call();
        let (mut head, body) = request.into_parts();
        if !self.budget.is_enabled() {
            let call = self.choose(&[], options.deadline).await?.begin();
            let request = Request::from_parts(head, tonic::body::Body::new(body));
            let response = self.send(&call, request, options.deadline).await?;
            return Ok(finish(response, call, permit));
        }
        let body = ReplayBody::new(body);
        let mut tried = Vec::new();
        loop {
            let Some(attempt) = body.attempt() else {
                return Err(Status::internal("the body of the call cannot be sent again"));
            };
            let call = self.choose(&tried, options.deadline).await?.begin();
            // The attempt has the original, with its room for more headers.
            let copy = head.clone();
            let head = std::mem::replace(&mut head, copy);
            let request = Request::from_parts(head, tonic::body::Body::new(attempt));
            let outcome = self.send(&call, request, options.deadline).await;
            tried.push(Arc::clone(&call.subchannel));
            match retry_delay(&outcome, options, tried.len()) {
                Some(delay) if body.can_repeat() && self.budget.withdraw() => {
                    // Ends the failed attempt before the next one begins.
                    drop((outcome, call));
                    sleep(delay).await;
                }
                _ => {
                    body.commit();
                    return Ok(finish(outcome?, call, permit));
                }
            }
        }
    }

    /// Makes one attempt.
    async fn send(
        &self,
        call: &PendingCall,
        mut request: Request<tonic::body::Body>,
        deadline: Option<Instant>,
    ) -> Result<Response<ResponseBody>, Status> {
        if let Some(deadline) = deadline {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Err(deadline_exceeded());
            }
            let now = std::time::Instant::now();
            if let Some(rest) = Deadline::new(now, Some(rest)).grpc_timeout(now) {
                request.headers_mut().insert(TimeoutForm::Grpc.header_name(), rest);
            }
        }
        // The channel enforces the timeout of the request, to the end of the response.
        let subchannel = &call.subchannel;
        let outcome = subchannel.channels.current().call(request).await;
        match &outcome {
            Ok(_) => subchannel.set_reachable(),
            Err(status) => {
                if let Some(error) = sockeye_grpc::connect_error(status) {
                    subchannel.set_unreachable(error);
                    // The address may have changed.
                    self.refresh.notify_one();
                }
            }
        }
        outcome
    }

    /// Chooses an address. Waits for the first resolution.
    async fn choose(
        &self,
        tried: &[Arc<Subchannel>],
        deadline: Option<Instant>,
    ) -> Result<Arc<Subchannel>, Status> {
        let is_known =
            |resolved: &Resolved| !resolved.subchannels.is_empty() || resolved.failure.is_some();
        if !is_known(&self.resolved.borrow()) {
            let mut changes = self.resolved.subscribe();
            let known = changes.wait_for(is_known);
            let is_over = match deadline {
                Some(deadline) => timeout_at(deadline, known).await.is_err(),
                // The timeout of the resolution bounds the wait.
                None => known.await.is_err(),
            };
            if is_over {
                return Err(deadline_exceeded());
            }
        }
        let resolved = self.resolved.borrow();
        let subchannels = &resolved.subchannels;
        let chosen = self.balancer.choose(subchannels.len(), |index| {
            let subchannel = &subchannels[index];
            subchannel.condition(tried.iter().any(|tried| Arc::ptr_eq(tried, subchannel)))
        });
        match (chosen, &resolved.failure) {
            (Some(chosen), _) => Ok(Arc::clone(&subchannels[chosen])),
            (None, Some(failure)) if subchannels.is_empty() => Err(failure.status()),
            (None, _) => Err(Status::unavailable("no address of the upstream is healthy")),
        }
    }

    /// Waits until another call may begin.
    async fn admit(&self, deadline: Option<Instant>) -> Result<OwnedSemaphorePermit, Status> {
        let permits = Arc::clone(&self.permits);
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            return Ok(permit);
        }
        let max_waiting = self.config.max_waiting_calls;
        let _waiting = Waiting::begin(&self.waiting, max_waiting).ok_or_else(|| {
            Status::unavailable(format!(
                "{} calls to the upstream are in progress, and {max_waiting} wait",
                self.config.max_calls
            ))
        })?;
        let end = Instant::now() + self.config.max_wait;
        let until = deadline.map_or(end, |deadline| deadline.min(end));
        match timeout_at(until, permits.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Err(_) if until < end => Err(deadline_exceeded()),
            _ => Err(Status::unavailable(format!(
                "the upstream had {} calls in progress for {} s",
                self.config.max_calls,
                self.config.max_wait.as_secs_f64()
            ))),
        }
    }
}

/// Returns the delay before the call is sent again; `None` if this outcome is final.
fn retry_delay(
    outcome: &Result<Response<ResponseBody>, Status>,
    options: CallOptions,
    attempts: usize,
) -> Option<Duration> {
    let delay = match outcome {
        Err(status) => retry::delay(status, options.is_idempotent, attempts, random()),
        Ok(response) => {
            // A response of trailers only. In any other, the call has begun.
            let status = response.headers().contains_key(GRPC_STATUS);
            let status = status.then(|| Status::from_header_map(response.headers()))??;
            retry::delay(&status, options.is_idempotent, attempts, random())
        }
    }?;
    let is_late = options.deadline.is_some_and(|deadline| Instant::now() + delay >= deadline);
    (!is_late).then_some(delay)
}

fn finish(
    response: Response<ResponseBody>,
    call: PendingCall,
    permit: OwnedSemaphorePermit,
) -> Response<UpstreamBody> {
    response.map(|body| UpstreamBody::new(body, Occupied { _call: call, _permit: permit }))
}

fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the deadline of the call has passed")
}

/// A call that waits for admission.
struct Waiting<'a> {
    count: &'a AtomicUsize,
}

impl<'a> Waiting<'a> {
    /// Counts another call, unless as many wait as may.
    fn begin(count: &'a AtomicUsize, max: usize) -> Option<Self> {
        let counted = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            (waiting < max).then(|| waiting + 1)
        });
        counted.is_ok().then_some(Self { count })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}
