//! Metrics that go to the recorder of the crate `metrics`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::OnceLock;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use crate::record::{CallRecord, Dialect};
use crate::status::Code;

/// `true`: each call needs a record.
pub(crate) const IS_ENABLED: bool = true;

const IN_PROGRESS: &str = "sockeye_gateway_calls_in_progress";
const CALLS: &str = "sockeye_gateway_calls_total";
/// The name of the histogram of calls, for its buckets.
pub const CALL_SECONDS: &str = "sockeye_gateway_call_seconds";
const REQUEST_BYTES: &str = "sockeye_gateway_request_bytes_total";
const RESPONSE_BYTES: &str = "sockeye_gateway_response_bytes_total";
const REQUEST_MESSAGES: &str = "sockeye_gateway_request_messages_total";
const RESPONSE_MESSAGES: &str = "sockeye_gateway_response_messages_total";

/// Describes the metrics to the recorder.
pub fn describe() {
    describe_gauge!(IN_PROGRESS, Unit::Count, "Requests that the gateway is answering now");
    describe_counter!(CALLS, Unit::Count, "Calls that have ended, by status");
    describe_histogram!(CALL_SECONDS, Unit::Seconds, "Time to the end of a call");
    describe_counter!(REQUEST_BYTES, Unit::Bytes, "Length of the bodies of requests");
    describe_counter!(RESPONSE_BYTES, Unit::Bytes, "Length of the bodies of responses");
    describe_counter!(REQUEST_MESSAGES, Unit::Count, "Messages sent to upstreams");
    describe_counter!(RESPONSE_MESSAGES, Unit::Count, "Messages received from upstreams");
}

/// The handles of a dialect's metrics that have no other label.
struct DialectMetrics {
    request_bytes: Counter,
    response_bytes: Counter,
    request_messages: Counter,
    response_messages: Counter,
}

impl DialectMetrics {
    /// Returns the handles, which are looked up once.
    fn of(dialect: Dialect) -> &'static Self {
        static HANDLES: [OnceLock<DialectMetrics>; Dialect::COUNT] =
            [const { OnceLock::new() }; Dialect::COUNT];
        let name = dialect.name();
        HANDLES[dialect as usize].get_or_init(|| Self {
            request_bytes: counter!(REQUEST_BYTES, "dialect" => name),
            response_bytes: counter!(RESPONSE_BYTES, "dialect" => name),
            request_messages: counter!(REQUEST_MESSAGES, "dialect" => name),
            response_messages: counter!(RESPONSE_MESSAGES, "dialect" => name),
        })
    }
}

/// The handles of a method's metrics in one dialect.
struct MethodMetrics {
    seconds: Histogram,
    calls: Vec<(Code, Counter)>,
}

impl MethodMetrics {
    fn new(dialect: Dialect, method: &str) -> Self {
        let (dialect, method) = (dialect.name(), method.to_owned());
        let seconds = histogram!(CALL_SECONDS, "dialect" => dialect, "method" => method);
        Self { seconds, calls: Vec::new() }
    }

    /// Returns the counter of calls with a code.
    fn calls(&mut self, dialect: Dialect, method: &str, code: Code) -> &Counter {
        let known = self.calls.iter().position(|(known, _)| *known == code);
        let place = known.unwrap_or_else(|| {
            let (dialect, method) = (dialect.name(), method.to_owned());
            let calls =
                counter!(CALLS, "dialect" => dialect, "method" => method, "code" => code.name());
            self.calls.push((code, calls));
            self.calls.len() - 1
        });
        &self.calls[place].1
    }
}

thread_local! {
    /// The handles that this thread has looked up, by dialect and method: to make the key of a
    /// handle takes longer than to use the handle. As many as the recorder has itself.
    static METHODS: RefCell<[HashMap<Box<str>, MethodMetrics>; Dialect::COUNT]> =
        RefCell::new(std::array::from_fn(|_| HashMap::new()));
}

/// Counts a call of a method.
fn count_call(record: &CallRecord) {
    let CallRecord { dialect, code, .. } = *record;
    let method = record.method.as_deref().unwrap_or("none");
    let count = |metrics: &mut MethodMetrics| {
        metrics.calls(dialect, method, code).increment(1);
        metrics.seconds.record(record.duration.as_secs_f64());
    };
    // A thread that ends has no handles any more.
    let counted = METHODS.try_with(|methods| {
        let known = &mut methods.borrow_mut()[dialect as usize];
        match known.get_mut(method) {
            Some(metrics) => count(metrics),
            None => count(
                known.entry(method.into()).or_insert_with(|| MethodMetrics::new(dialect, method)),
            ),
        }
    });
    if counted.is_err() {
        count(&mut MethodMetrics::new(dialect, method));
    }
}

fn in_progress() -> &'static Gauge {
    static HANDLE: OnceLock<Gauge> = OnceLock::new();
    HANDLE.get_or_init(|| gauge!(IN_PROGRESS))
}

pub(crate) fn on_begin() {
    in_progress().increment(1.0);
}

pub(crate) fn on_end(record: Option<&CallRecord>) {
    in_progress().decrement(1.0);
    let Some(record) = record else { return };
    count_call(record);
    let metrics = DialectMetrics::of(record.dialect);
    metrics.request_bytes.increment(record.request_bytes);
    metrics.response_bytes.increment(record.response_bytes);
    metrics.request_messages.increment(record.request_messages);
    metrics.response_messages.increment(record.response_messages);
}
