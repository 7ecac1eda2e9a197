//! The access log of `sockeye serve` has a line for the beginning of each WebSocket and one for its
//! end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::program::{Server, file, log_lines as lines};

#[tokio::test(flavor = "multi_thread")]
async fn lines_tell_of_the_client_the_messages_and_the_close_code() {
    let log = file("serve-access.log", "");
    let server = Server::start(&["--access-log", log.to_str().unwrap()]);
    let url = format!("ws://{}/echo?token=top-secret", server.address);
    let mut ws = sockeye::connect(&url).await.unwrap();
    for _ in 0..3 {
        ws.send("12345").await.unwrap();
        assert!(ws.recv().await.unwrap().is_some());
    }
    let open = &lines(&log, 1)[0];
    assert_eq!((&open["event"], &open["path"]), (&"open".into(), &"/echo".into()), "{open}");
    assert_eq!((&open["ip"], &open["id"]), (&"127.0.0.1".into(), &1.into()), "{open}");
    assert!(open.get("close_code").is_none(), "{open}");
    ws.close(1000, "bye").await.unwrap();
    let close = &lines(&log, 2)[1];
    for (key, value) in [
        ("id", 1),
        ("close_code", 1000),
        ("received_messages", 3),
        ("received_bytes", 15),
        ("sent_messages", 3),
        ("sent_bytes", 15),
    ] {
        assert_eq!(close[key], value, "{key} in {close}");
    }
    assert_eq!((&close["event"], &close["path"]), (&"close".into(), &"/echo".into()));
    assert!(close["duration_ms"].as_f64().unwrap() > 0.0, "{close}");
    assert!(!std::fs::read_to_string(&log).unwrap().contains("top-secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_the_hub_and_those_that_vanish_are_told_of_too() {
    let log = file("serve-access-hub.log", "");
    let server = Server::start(&["--access-log", log.to_str().unwrap()]);
    let mut ws = sockeye::connect(&format!("ws://{}/hub", server.address)).await.unwrap();
    ws.send("{\"id\":1,\"connect\":{}}").await.unwrap();
    assert!(ws.recv().await.unwrap().is_some());
    drop(ws);
    let lines = lines(&log, 2);
    assert_eq!(lines[1]["path"], "/hub");
    assert!(lines[1]["received_messages"].as_u64().unwrap() >= 1, "{}", lines[1]);
    assert!(lines[1]["sent_bytes"].as_u64().unwrap() > 0, "{}", lines[1]);
}

#[cfg(unix)]
#[test]
fn connections_that_a_server_closes_at_its_end_have_their_lines() {
    let log = file("serve-access-end.log", "");
    let log_name = log.to_str().unwrap();
    let server = Server::start(&["--access-log", log_name, "--shutdown-timeout", "100ms"]);
    let mut stream = server.dial();
    crate::program::upgrade(&mut stream, &server.address);
    lines(&log, 1);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    let lines = lines(&log, 2);
    assert_eq!(lines[1]["close_code"], 1001, "{}", lines[1]);
}

/// Makes the server log a WebSocket.
fn log_one(server: &Server) {
    let mut stream = server.dial();
    crate::program::upgrade(&mut stream, &server.address);
}

#[test]
fn a_log_that_was_copied_and_truncated_goes_on_at_its_beginning() {
    let log = file("serve-access-truncated.log", "");
    let server = Server::start(&["--access-log", log.to_str().unwrap()]);
    log_one(&server);
    lines(&log, 2);
    std::fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
    log_one(&server);
    assert_eq!(lines(&log, 2)[0]["id"], 2);
}

#[cfg(unix)]
#[test]
fn a_renamed_log_is_opened_anew_even_if_the_settings_cannot_be_used() {
    let log = file("serve-access-rotated.log", "");
    let old = log.with_extension("old");
    let config = file("serve-access-rotated.toml", "");
    let flags = ["--access-log", log.to_str().unwrap(), "--config", config.to_str().unwrap()];
    let mut server = Server::start(&flags);
    log_one(&server);
    lines(&log, 2);
    std::fs::rename(&log, &old).unwrap();
    std::fs::write(&config, "nonsense = 1\n").unwrap();
    server.signal("HUP");
    server.wait_for("not reloaded, so the old settings stay");
    log_one(&server);
    assert_eq!(lines(&log, 2)[0]["id"], 2);
    assert_eq!(lines(&old, 2).len(), 2);
}
