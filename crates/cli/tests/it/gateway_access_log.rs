//! The access log has one line of JSON for each call.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::BufRead;

use serde_json::Value;

use crate::program::{Server, file, log_lines as lines};

#[test]
fn a_line_tells_of_the_call_without_secrets() {
    let log = file("gateway-access.log", "");
    let server = Server::start_gateway(&["--demo", "--access-log", log.to_str().unwrap()]);
    server.wait_for_status("/readyz", 200);
    let headers = "authorization: Bearer top-secret\r\nx-request-id: r-7\r\n";
    let answer = server.get_with("/v1/books/maps-of-fog?token=top-secret", headers);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.get("/v1/books/none");
    let lines = lines(&log, 2);
    let line = &lines[0];
    for (key, value) in [
        ("protocol", "json"),
        ("http_method", "GET"),
        ("path", "/v1/books/maps-of-fog"),
        ("method", "/sockeye.library.v1.Library/GetBook"),
        ("code", "OK"),
        ("request_id", "r-7"),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(line["http_status"], 200);
    assert_eq!(line["response_bytes"], body.len());
    assert_eq!((&line["request_messages"], &line["response_messages"]), (&1.into(), &1.into()));
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    assert_eq!((&lines[1]["code"], &lines[1]["http_status"]), (&"NOT_FOUND".into(), &404.into()));
    assert!(!std::fs::read_to_string(&log).unwrap().contains("top-secret"));
}

#[cfg(unix)]
#[test]
fn a_renamed_file_is_opened_anew_by_sighup() {
    let log = file("gateway-rotated.log", "");
    let old = log.with_extension("old");
    let mut server = Server::start_gateway(&["--demo", "--access-log", log.to_str().unwrap()]);
    server.wait_for_status("/readyz", 200);
    server.get("/v1/books/maps-of-fog");
    assert_eq!(lines(&log, 1).len(), 1);
    std::fs::rename(&log, &old).unwrap();
    server.signal("HUP");
    server.wait_for("reloaded");
    server.get("/v1/books/maps-of-fog");
    assert_eq!(lines(&log, 1).len(), 1);
    assert_eq!(lines(&old, 1).len(), 1);
}

#[test]
fn a_hyphen_means_standard_output() {
    let mut server = Server::start_gateway(&["--demo", "--console=false", "--access-log", "-"]);
    server.wait_for_status("/readyz", 200);
    server.get("/v1/books/none");
    loop {
        let mut line = String::new();
        assert_ne!(server.out.read_line(&mut line).unwrap(), 0);
        if line.starts_with('{') {
            let line: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(line["path"], "/v1/books/none");
            return;
        }
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let flags = ["gateway", "--demo", "--listen", "127.0.0.1:0", "--access-log", "/nowhere/a.log"];
    let output = crate::program::error_output(&flags);
    assert!(
        output.starts_with("sockeye: cannot write the access log /nowhere/a.log: "),
        "{output}"
    );
}
