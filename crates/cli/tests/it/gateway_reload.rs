//! SIGHUP replaces the settings without losing a call, or keeps the old ones.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};

use sockeye_gateway_testing::Server as Upstream;

use crate::program::{self, Server, any_issuer, file};

/// Returns the status of an answer.
fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_rules_change_and_calls_go_on() {
    let upstream = Upstream::start().await;
    let rules = file("gateway-reload-rules.toml", "");
    let upstream_key = format!("upstream = [\"{}\"]\n", upstream.url());
    let settings = |more: &str| format!("{upstream_key}rules = {rules:?}\n{more}");
    let config = file("gateway-reload.toml", &settings("max-message = \"90\"\n"));
    let mut server = Server::start_gateway(&["--config", config.to_str().unwrap()]);
    server.wait_for_status("/readyz", 200);
    let long = format!("{{\"text\":\"{}\"}}", "a".repeat(100));
    assert_eq!(status(&server.post_json("/v1/echo", &long)), "429");
    assert_eq!(status(&server.get("/alias")), "404");
    let mut call = BufReader::new(server.send_get("/v1/stall"));
    let mut line = String::new();
    while !line.contains("result") {
        line.clear();
        assert_ne!(call.read_line(&mut line).unwrap(), 0);
    }

    let selector = "sockeye.gateway.testing.Echo.Unary";
    let rule = format!("[[http.rules]]\nselector = \"{selector}\"\nget = \"/alias\"\n");
    std::fs::write(&rules, rule).unwrap();
    std::fs::write(&config, settings("max-message = \"1MiB\"\n")).unwrap();
    server.signal("HUP");
    server.wait_for("reloaded");
    assert_eq!(status(&server.post_json("/v1/echo", &long)), "200");
    assert_eq!(status(&server.get("/alias")), "200");
    assert_eq!(*upstream.echo.in_progress().borrow(), 1, "the call goes on");

    for (file, text, problem) in [
        (
            &config,
            settings("max-messages = \"1MiB\"\n"),
            "there is no key \"max-messages\"; did you mean max-message?",
        ),
        (&config, settings("max-message = \"big\"\n"), "line 3, column 1: max-message: "),
        (&rules, "[[http.rules]]\nselector = 1\n".to_owned(), "line 2, column 12: "),
    ] {
        let old = std::fs::read_to_string(file).unwrap();
        std::fs::write(file, text).unwrap();
        server.signal("HUP");
        let expected = "not reloaded, so the old settings stay: ";
        let line = server.wait_for_line(expected);
        assert!(line.contains(problem), "{line}");
        assert_eq!(status(&server.get("/alias")), "200");
        std::fs::write(file, old).unwrap();
    }

    std::fs::write(&config, settings("metrics = true\n")).unwrap();
    server.signal("HUP");
    server.wait_for("--metrics changes when the program is started again");
    server.wait_for("reloaded");
    assert_eq!(*upstream.echo.in_progress().borrow(), 1, "the call goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_used_for_new_connections() {
    let (cert, key) = (file("gateway-reload.pem", ""), file("gateway-reload.key", ""));
    program::write_certificate(&cert, &key);
    let flags = ["--demo", "--tls-cert", cert.to_str().unwrap(), "--tls-key"];
    let mut server = Server::start_gateway(&[&flags[..], &[key.to_str().unwrap()]].concat());
    let first = any_issuer::certificate(&server.address).await;
    assert_eq!(any_issuer::certificate(&server.address).await, first);
    program::write_certificate(&cert, &key);
    server.signal("HUP");
    server.wait_for("reloaded");
    assert_ne!(any_issuer::certificate(&server.address).await, first);
}
