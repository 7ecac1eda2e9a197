//! Metrics that go to the recorder of the crate `metrics`.

use std::sync::OnceLock;

use metrics::{
    Counter, Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::record::{CallRecord, Dialect};

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
    let dialect = record.dialect.name();
    let method = record.method.as_deref().unwrap_or("none").to_owned();
    let code = record.code.name();
    counter!(CALLS, "dialect" => dialect, "method" => method.clone(), "code" => code).increment(1);
    let seconds = histogram!(CALL_SECONDS, "dialect" => dialect, "method" => method);
    seconds.record(record.duration.as_secs_f64());
    let metrics = DialectMetrics::of(record.dialect);
    metrics.request_bytes.increment(record.request_bytes);
    metrics.response_bytes.increment(record.response_bytes);
    metrics.request_messages.increment(record.request_messages);
    metrics.response_messages.increment(record.response_messages);
}
