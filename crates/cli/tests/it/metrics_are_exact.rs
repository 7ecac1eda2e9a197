//! `--metrics` shows exact counts at `/metrics`, to the byte.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::program;
use std::io::{Read, Write};
use std::thread;

use crate::program::Server;
use crate::program::hub::HubClient;
use serde_json::json;
use sockeye::CloseCode;

/// Returns the metrics that are not zero.
fn metrics(server: &Server) -> Vec<String> {
    let page = server.get("/metrics");
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let metrics = body.lines().filter(|line| line.starts_with("sockeye_") && !line.ends_with(" 0"));
    let mut metrics: Vec<String> = metrics.map(str::to_owned).collect();
    metrics.sort();
    metrics
}

/// Polls until a metric has appeared: the server counts the end of a connection when it notices it.
fn wait_for_metric(server: &Server, line: &str) -> Vec<String> {
    loop {
        let metrics = metrics(server);
        if metrics.iter().any(|metric| metric == line) {
            return metrics;
        }
        thread::yield_now();
    }
}

/// Returns the status that a page of another origin gets instead of a WebSocket.
fn request_from_another_origin(server: &Server) -> String {
    let mut stream = server.dial();
    write!(
        stream,
        "GET /echo HTTP/1.1\r\nhost: {}\r\norigin: https://elsewhere.example\r\n\
         connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.address
    )
    .unwrap();
    let mut answer = [0; "HTTP/1.1 403".len()];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_a_refusal_and_a_close_code_are_counted() {
    let server = Server::start(&["--metrics"]);
    // The node itself is one.
    assert_eq!(metrics(&server), ["sockeye_hub_bus_up 1", "sockeye_hub_nodes 1"]);

    assert_eq!(request_from_another_origin(&server), "HTTP/1.1 403");
    let mut ws = sockeye::connect(&format!("ws://{}/echo", server.address)).await.unwrap();
    ws.send("Grüße").await.unwrap();
    ws.send(vec![0; 1000]).await.unwrap();
    for _ in 0..2 {
        ws.recv().await.unwrap().unwrap();
    }
    assert_eq!(
        metrics(&server),
        [
            r#"sockeye_connections_opened_total{role="server"} 1"#,
            r#"sockeye_connections_open{role="server"} 1"#,
            r#"sockeye_handshakes_refused_total{role="server",status="403"} 1"#,
            "sockeye_hub_bus_up 1",
            "sockeye_hub_nodes 1",
            r#"sockeye_messages_received_bytes_total{role="server",kind="binary"} 1000"#,
            r#"sockeye_messages_received_bytes_total{role="server",kind="text"} 7"#,
            r#"sockeye_messages_received_total{role="server",kind="binary"} 1"#,
            r#"sockeye_messages_received_total{role="server",kind="text"} 1"#,
            r#"sockeye_messages_sent_bytes_total{role="server",kind="binary"} 1000"#,
            r#"sockeye_messages_sent_bytes_total{role="server",kind="text"} 7"#,
            r#"sockeye_messages_sent_total{role="server",kind="binary"} 1"#,
            r#"sockeye_messages_sent_total{role="server",kind="text"} 1"#,
            r#"sockeye_wire_received_bytes_total{role="server"} 1021"#,
            r#"sockeye_wire_sent_bytes_total{role="server"} 1013"#,
        ]
    );

    ws.close(CloseCode::NORMAL_CLOSURE, "done").await.unwrap();
    let sent = r#"sockeye_close_frames_sent_total{role="server",code="1000"} 1"#;
    let closed = wait_for_metric(&server, sent);
    let received = r#"sockeye_close_frames_received_total{role="server",code="1000"} 1"#;
    assert_eq!(closed[..2], [received, sent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_is_counted() {
    let server = Server::start(&["--metrics"]);
    let mut client = HubClient::connect(&server).await;
    client.join(json!({ "room": "lobby" })).await;
    client.request("publish", json!({ "room": "lobby", "data": 1 })).await;
    client.publications(1).await;
    let metrics = metrics(&server);
    // Times and the memory of histories are not exact.
    let hub = metrics.iter().filter(|line| line.starts_with("sockeye_hub_"));
    let hub = hub.filter(|line| !line.contains("microseconds") && !line.contains("_bytes"));
    let hub: Vec<_> = hub.collect();
    assert_eq!(
        hub,
        [
            "sockeye_hub_bus_up 1",
            "sockeye_hub_deliveries_total 1",
            "sockeye_hub_fan_outs_total 1",
            "sockeye_hub_histories 1",
            "sockeye_hub_members 1",
            "sockeye_hub_memberships 1",
            "sockeye_hub_nodes 1",
            "sockeye_hub_publications_received_total 1",
            "sockeye_hub_publications_total 1",
            "sockeye_hub_rooms 1",
            "sockeye_hub_sessions 1",
        ]
    );
    let page = server.get("/metrics");
    assert!(page.contains("# HELP sockeye_hub_gaps_total Gaps that"), "{page}");
    assert!(
        page.contains("\nsockeye_hub_publications_dropped_total{reason=\"slow\"} 0\n"),
        "{page}"
    );
}

#[test]
fn metrics_are_shown_only_with_the_flag() {
    let answer = Server::start(&[]).get("/metrics");
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
}

#[test]
fn every_metric_is_described_and_begins_at_zero() {
    let page = Server::start(&["--metrics"]).get("/metrics");
    for line in [
        "# HELP sockeye_messages_received_total Messages received",
        "# TYPE sockeye_messages_received_total counter",
        r#"sockeye_messages_received_total{role="server",kind="text"} 0"#,
        "# TYPE sockeye_connections_open gauge",
        r#"sockeye_connections_open{role="server"} 0"#,
        r#"sockeye_messages_dropped_total{reason="full"} 0"#,
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in {page}");
    }
}

#[test]
fn the_help_says_who_can_read_the_metrics() {
    let help = program::run(&["serve", "--help"]).stdout;
    let help = String::from_utf8(help).unwrap();
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("to anyone who can reach the port"), "{help}");
}
