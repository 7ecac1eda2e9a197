//! The metrics of gateways, in a process of its own, as there is one recorder.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use http::Request;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use sockeye_gateway::Gateway;
use sockeye_gateway::upstream::{Upstream, UpstreamConfig};
use sockeye_gateway_testing::Server;

/// Returns the values of a metric, each with its labels.
fn values(snapshotter: &Snapshotter, name: &str) -> Vec<(String, DebugValue)> {
    let metrics = snapshotter.snapshot().into_vec().into_iter();
    let named = metrics.filter(|(key, ..)| key.key().name() == name);
    let values = named.map(|(key, _, _, value)| {
        let labels = key.key().labels().map(|label| format!("{}={}", label.key(), label.value()));
        (labels.collect::<Vec<_>>().join(" "), value)
    });
    values.collect()
}

#[tokio::test]
async fn calls_are_counted_by_dialect_method_and_code() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    sockeye_gateway::metrics::describe();
    let server = Server::start().await;
    let config = UpstreamConfig::new(server.url().parse().unwrap());
    let gateway = Gateway::builder().upstream(Upstream::new(config).unwrap()).build();
    gateway.ready().await.unwrap();
    for path in ["/v1/echo/x", "/v1/nothing"] {
        let request = Request::get(path).body(String::new()).unwrap();
        drop(gateway.handle(request).await);
    }

    let mut calls = values(&snapshotter, "sockeye_gateway_calls_total");
    calls.sort_by(|one, other| one.0.cmp(&other.0));
    let unary = "/sockeye.gateway.testing.Echo/Unary";
    let expected = [
        ("dialect=http method=none code=NOT_FOUND".to_owned(), DebugValue::Counter(1)),
        (format!("dialect=json method={unary} code=OK"), DebugValue::Counter(1)),
    ];
    assert_eq!(calls, expected);
}
