//! A call in progress: its place among all calls, and the record of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::{HeaderName, RETRY_AFTER};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Response, StatusCode, Uri};
use sockeye::upgrade::PeerAddr;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::inner::Inner;
use super::lifecycle::InProgress;
use super::settings::Settings;
use crate::metrics;
use crate::record::{CallRecord, Dialect};
use crate::status::{Code, Status};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A call in progress. It ends when the last clone is dropped: the observer is told then, and the
/// place of the call is free.
///
/// A request of HTTP has its scope as an extension of its head.
#[derive(Clone, Debug)]
pub(super) struct CallScope {
    call: Arc<Call>,
}

#[derive(Debug)]
struct Call {
    settings: Arc<Settings>,
    request: RequestFacts,
    begin: Instant,
    counters: Arc<Counters>,
    facts: Mutex<Facts>,
    /// `None` for a request that was refused at once.
    _place: Option<(InProgress, OwnedSemaphorePermit)>,
}

/// The facts that the head of the request tells.
#[derive(Debug)]
struct RequestFacts {
    method: Method,
    uri: Uri,
    id: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
    peer: Option<SocketAddr>,
    started: SystemTime,
}

/// The facts that are learned later.
#[derive(Debug)]
struct Facts {
    dialect: Dialect,
    method: Option<PathAndQuery>,
    code: Option<Code>,
    http_status: Option<StatusCode>,
    retry_after: Option<Duration>,
    /// `false` for the opening handshakes of WebSockets, whose calls have records of their own.
    has_record: bool,
}

/// Bytes and messages of a call. Bodies count, and may outlive the call.
#[derive(Debug, Default)]
pub(super) struct Counters {
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    request_messages: AtomicU64,
    response_messages: AtomicU64,
}

impl Counters {
    pub(super) fn count_request_bytes(&self, length: usize) {
        self.request_bytes.fetch_add(length as u64, Ordering::Relaxed);
    }

    pub(super) fn count_response_bytes(&self, length: usize) {
        self.response_bytes.fetch_add(length as u64, Ordering::Relaxed);
    }

    pub(super) fn count_request_messages(&self, count: u64) {
        self.request_messages.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn count_response_messages(&self, count: u64) {
        self.response_messages.fetch_add(count, Ordering::Relaxed);
    }
}

impl Inner {
    /// Begins a call with a place among all calls.
    ///
    /// # Errors
    /// `unavailable` while the gateway drains, or if too many calls are in progress.
    pub(super) fn begin(&self, dialect: Dialect, head: &Parts) -> Result<CallScope, Status> {
        let unavailable = |message| Status::new(Code::Unavailable, message);
        let call = self.lifecycle.begin();
        let call = call.ok_or_else(|| unavailable("the gateway is shutting down"))?;
        let permit = Arc::clone(&self.calls).try_acquire_owned();
        let permit = permit.map_err(|_| unavailable("too many calls are in progress"))?;
        Ok(self.scope(dialect, head, Some((call, permit))))
    }

    /// Returns the scope of a request that has no place.
    pub(super) fn unplaced(&self, dialect: Dialect, head: &Parts) -> CallScope {
        self.scope(dialect, head, None)
    }

    /// Begins a call on a socket, whose scope is in the head from then on.
    ///
    /// # Errors
    /// `unavailable` while the gateway drains, or if too many calls are in progress.
    pub(super) fn begin_call(
        &self,
        dialect: Dialect,
        method: Option<&PathAndQuery>,
        head: &mut Parts,
    ) -> Result<CallScope, Status> {
        let begun = self.begin(dialect, head);
        let scope = match &begun {
            Ok(scope) => scope.clone(),
            Err(_) => self.unplaced(dialect, head),
        };
        scope.set_method(dialect, method);
        if let Err(status) = &begun {
            scope.set_code(status.code);
        }
        head.extensions.insert(scope);
        begun
    }

    fn scope(
        &self,
        dialect: Dialect,
        head: &Parts,
        place: Option<(InProgress, OwnedSemaphorePermit)>,
    ) -> CallScope {
        let request = RequestFacts {
            method: head.method.clone(),
            uri: head.uri.clone(),
            id: head.headers.get(REQUEST_ID).cloned(),
            traceparent: head.headers.get(TRACEPARENT).cloned(),
            peer: self.peer(head),
            started: SystemTime::now(),
        };
        let facts = Facts {
            dialect,
            method: None,
            code: None,
            http_status: None,
            retry_after: None,
            has_record: true,
        };
        metrics::on_begin();
        let call = Call {
            settings: Arc::clone(&self.settings),
            request,
            begin: Instant::now(),
            counters: Arc::default(),
            facts: Mutex::new(facts),
            _place: place,
        };
        CallScope { call: Arc::new(call) }
    }

    /// Returns the address of the client, or of the client that a trusted proxy names.
    fn peer(&self, head: &Parts) -> Option<SocketAddr> {
        let peer = head.extensions.get::<PeerAddr>()?.0;
        Some(self.settings.proxies.client(peer, &head.headers))
    }
}

impl CallScope {
    /// Returns the scope of a request.
    pub(super) fn of(head: &Parts) -> Option<Self> {
        head.extensions.get::<Self>().cloned()
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.call.counters
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.call.request.peer
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.facts().dialect
    }

    /// Sets the dialect, and the method if the catalog has it.
    pub(super) fn set_method(&self, dialect: Dialect, method: Option<&PathAndQuery>) {
        let mut facts = self.facts();
        facts.dialect = dialect;
        facts.method = method.cloned();
    }

    /// Sets the status with which the call ends. The last one counts.
    pub(super) fn set_code(&self, code: Code) {
        self.facts().code = Some(code);
    }

    /// Sets the time after which the client may try again.
    pub(super) fn set_retry_after(&self, delay: Duration) {
        self.facts().retry_after = Some(delay);
    }

    /// Notes the head of the response, and adds the headers that the facts of the call ask for.
    pub(super) fn on_response<B>(&self, response: &mut Response<B>) {
        let mut facts = self.facts();
        let status = response.status();
        facts.http_status = Some(status);
        if let Some(code) = response.extensions().get::<Code>() {
            facts.code = Some(*code);
        } else if facts.dialect == Dialect::Http {
            facts.code = Some(if status.is_success() { Code::Ok } else { Code::Unknown });
        }
        let is_upgrade = status == StatusCode::SWITCHING_PROTOCOLS
            || self.call.request.method == Method::CONNECT && status.is_success();
        facts.has_record = !is_upgrade;
        if let Some(delay) = facts.retry_after {
            // In whole seconds, of which part of one is one.
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.call.facts()
    }
}

impl Call {
    fn facts(&self) -> MutexGuard<'_, Facts> {
        // No code panics while holding the lock.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self) -> Option<CallRecord> {
        let facts = self.facts();
        if !facts.has_record {
            return None;
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let text = |value: &HeaderValue| value.to_str().ok().map(Into::into);
        Some(CallRecord {
            dialect: facts.dialect,
            http_method: self.request.method.clone(),
            path: self.request.uri.path().into(),
            method: facts.method.as_ref().map(|method| method.as_str().into()),
            peer: self.request.peer,
            request_id: self.request.id.as_ref().and_then(text),
            traceparent: self.request.traceparent.as_ref().and_then(text),
            code: facts.code.unwrap_or(Code::Canceled),
            http_status: facts.http_status,
            started: self.request.started,
            duration: self.begin.elapsed(),
            request_bytes: count(&self.counters.request_bytes),
            response_bytes: count(&self.counters.response_bytes),
            request_messages: count(&self.counters.request_messages),
            response_messages: count(&self.counters.response_messages),
        })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let observer = self.settings.hooks.observer.as_ref();
        if observer.is_none() && !metrics::IS_ENABLED {
            return;
        }
        let record = self.record();
        metrics::on_end(record.as_ref());
        if let (Some(observer), Some(record)) = (observer, &record) {
            observer(record);
        }
    }
}
