//! Traces and metrics go to a collector of OpenTelemetry, when the environment names one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, metric, number_data_point};

use crate::program::collector::{Collector, Export, attributes};
use crate::program::{self, Server, sockeye};

/// A time in milliseconds that does not pass in a test.
const NEVER: &str = "3600000";

fn serve(flags: &[&str]) -> Command {
    let mut command = sockeye(&["serve", "--listen", "127.0.0.1:0"]);
    command.args(flags);
    command
}

fn gateway() -> Command {
    sockeye(&["gateway", "--listen", "127.0.0.1:0", "--demo"])
}

/// Returns the sum of the points of a counter that have this label.
fn sum(metric: &metric::Data, label: (&str, &str)) -> i64 {
    let metric::Data::Sum(sum) = metric else { panic!("no counter: {metric:?}") };
    assert!(sum.is_monotonic);
    let points = sum.data_points.iter().filter(|point| {
        attributes(&point.attributes).get(label.0).map(String::as_str) == Some(label.1)
    });
    points
        .map(|point| match point.value {
            Some(number_data_point::Value::AsInt(number)) => number,
            _ => panic!("no integer: {point:?}"),
        })
        .sum()
}

#[test]
fn a_websocket_is_a_span_within_that_of_its_connection() {
    let collector = Collector::start();
    let mut command = serve(&[]);
    collector.receive_from(&mut command);
    command.env("OTEL_BSP_SCHEDULE_DELAY", "100").env("OTEL_METRICS_EXPORTER", "none");
    command.env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=top");
    let server = Server::start_command(command);
    let mut stream = server.dial();
    program::upgrade(&mut stream, &server.address);
    let peer = stream.local_addr().unwrap().to_string();
    // A close frame with 1000, under the mask key 0.
    stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 232]).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    let (websocket, export) = collector.span("websocket");
    let connection = match export.spans.iter().find(|span| span.name == "connection") {
        Some(connection) => connection.clone(),
        None => collector.span("connection").0,
    };
    assert_eq!(websocket.parent_span_id, connection.span_id);
    assert_eq!(websocket.trace_id, connection.trace_id);
    assert!(connection.parent_span_id.is_empty());
    assert!(connection.start_time_unix_nano <= websocket.start_time_unix_nano);
    assert!(websocket.end_time_unix_nano > websocket.start_time_unix_nano);
    assert_eq!(attributes(&connection.attributes)["peer"], peer);
    assert_eq!(attributes(&websocket.attributes)["path"], "/echo");
    assert_eq!(export.resource["service.name"], "sockeye");
    assert_eq!(export.resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(export.resource["deployment.environment.name"], "test");
    assert_eq!(export.resource["service.instance.id"].len(), 32);
    assert!(export.head.contains("\r\nx-api-key: top\r\n"), "{}", export.head);
    let host = format!("\r\nhost: {}\r\n", collector.address);
    assert!(export.head.contains(&host), "{}", export.head);
}

#[cfg(unix)]
#[test]
fn what_waits_is_sent_when_the_program_ends() {
    let collector = Collector::start();
    let mut command = gateway();
    collector.receive_from(&mut command);
    command.env("OTEL_BSP_SCHEDULE_DELAY", NEVER).env("OTEL_METRIC_EXPORT_INTERVAL", NEVER);
    command.env("OTEL_SERVICE_NAME", "books");
    let server = Server::start_command(command);
    server.wait_for_status("/readyz", 200);
    let parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let headers = format!("{parent}x-request-id: r-7\r\n");
    let answer = server.get_with("/v1/books/maps-of-fog?token=top-secret", &headers);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.signal("TERM");
    assert!(server.wait().success());

    let exports = [collector.next(), collector.next()];
    let find = |has: fn(&Export) -> bool| exports.iter().find(|export| has(export)).unwrap();
    let (spans, metrics) = (find(|it| !it.spans.is_empty()), find(|it| !it.metrics.is_empty()));
    let name = "sockeye.library.v1.Library/GetBook";
    let call = spans.spans.iter().find(|span| span.name == name).unwrap();
    assert_eq!(call.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
    assert_eq!(call.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert_eq!(call.kind, 2, "the span of a server");
    assert!(call.end_time_unix_nano > call.start_time_unix_nano);
    let found = attributes(&call.attributes);
    for (key, value) in [
        ("rpc.system", "grpc"),
        ("rpc.service", "sockeye.library.v1.Library"),
        ("rpc.method", "GetBook"),
        ("rpc.grpc.status_code", "0"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.request.header.x-request-id", "r-7"),
        ("url.path", "/v1/books/maps-of-fog"),
        ("client.address", "127.0.0.1"),
        ("sockeye.dialect", "json"),
    ] {
        assert_eq!(found.get(key).map(String::as_str), Some(value), "{key} in {found:?}");
    }
    assert!(!format!("{spans:?}").contains("top-secret"));
    assert_eq!(spans.resource["service.name"], "books");

    let metric = |name| metrics.metrics.iter().find(|metric| metric.name == name).unwrap();
    let calls = metric("sockeye_gateway_calls_total");
    assert_eq!(sum(calls.data.as_ref().unwrap(), ("code", "OK")), 1);
    assert_eq!(calls.description, "Calls that have ended, by status");
    let seconds = metric("sockeye_gateway_call_seconds");
    assert_eq!(seconds.unit, "s");
    let Some(metric::Data::Histogram(seconds)) = &seconds.data else { panic!("{seconds:?}") };
    let of_call = |point: &&HistogramDataPoint| {
        attributes(&point.attributes).get("method").is_some_and(|it| it.ends_with("/GetBook"))
    };
    let point = seconds.data_points.iter().find(of_call).unwrap();
    assert_eq!((point.count, point.explicit_bounds.len()), (1, 15));
}

#[test]
fn an_unsampled_parent_means_no_span() {
    let collector = Collector::start();
    let mut command = gateway();
    collector.receive_from(&mut command);
    command.env("OTEL_BSP_SCHEDULE_DELAY", "100").env("OTEL_METRICS_EXPORTER", "none");
    let server = Server::start_command(command);
    server.wait_for_status("/readyz", 200);
    let parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n";
    server.get_with("/v1/books/maps-of-fog", parent);
    server.get_with("/v1/books/none", "");
    let is_call = |name: &str| name == "sockeye.library.v1.Library/GetBook";
    loop {
        let export = collector.next();
        if let Some(call) = export.spans.iter().find(|span| is_call(&span.name)) {
            assert_eq!(attributes(&call.attributes)["url.path"], "/v1/books/none");
            let status = call.status.as_ref().map_or(0, |status| status.code);
            assert_eq!(status, 0, "NOT_FOUND is no failure of the server");
            return;
        }
    }
}

#[test]
fn metrics_are_exported_and_served_alike() {
    let collector = Collector::start();
    let mut command = serve(&["--metrics"]);
    collector.receive_from(&mut command);
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "100").env("OTEL_TRACES_EXPORTER", "none");
    let server = Server::start_command(command);
    let mut stream = server.dial();
    program::upgrade(&mut stream, &server.address);
    let line = "sockeye_connections_opened_total{role=\"server\"} 1";
    // It is counted once the upgrade is done, a little after the answer.
    while !server.get("/metrics").lines().any(|found| found == line) {
        std::thread::yield_now();
    }
    while sum(
        &collector.metric("sockeye_connections_opened_total").data.unwrap(),
        ("role", "server"),
    ) != 1
    {}
    let sessions = collector.metric("sockeye_hub_sessions");
    assert_eq!(sessions.description, "Sessions of this node");
    assert!(matches!(sessions.data, Some(metric::Data::Gauge(_))), "{sessions:?}");
}

#[cfg(unix)]
#[test]
fn a_collector_that_is_silent_or_gone_stops_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    serve_without_a_collector(address);
    drop(silent);
    serve_without_a_collector(address);
}

#[cfg(unix)]
fn serve_without_a_collector(address: SocketAddr) {
    let mut command = gateway();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
    command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "200").env("OTEL_BSP_SCHEDULE_DELAY", "100");
    let mut server = Server::start_command(command);
    server.wait_for_status("/readyz", 200);
    let answer = server.get("/v1/books/maps-of-fog");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.wait_for("the collector cannot be reached: ");
    server.signal("TERM");
    server.wait_for("the last traces or metrics were not exported");
    assert!(server.wait().success());
}

#[test]
fn variables_that_cannot_be_used_are_named() {
    for (variable, value, problem) in [
        ("OTEL_TRACES_EXPORTER", "jaeger", "expected otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "expected http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "expected milliseconds"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem", "cannot read /nowhere.pem"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "a b", "cannot export traces"),
    ] {
        let mut command = serve(&[]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").env(variable, value);
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(problem), "{variable}: {error}");
    }
}
