//! On loopback anybody may make calls. Elsewhere the gateway does not start until a flag says who
//! may.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::program::token::{EXPIRED, SECRET, TOKEN};
use crate::program::{self, Server, file};

#[test]
fn elsewhere_it_does_not_start_and_says_how_to_admit_clients() {
    for flags in [
        &["--listen", "0.0.0.0:0"][..],
        &["--listen", "127.0.0.1:0", "--trust-proxy", "127.0.0.1/32"],
        &["--listen", "127.0.0.1:0", "--allow-host", "api.example.com"],
    ] {
        let output = program::error_output(&[&["gateway", "--demo"], flags].concat());
        for flag in ["--auth-secret-file", "--auth-jwks-file", "--no-auth"] {
            assert!(output.contains(flag), "{output}");
        }
    }
}

#[test]
fn a_flag_admits_anybody_but_the_console_stays_off() {
    let mut command =
        program::sockeye(&["gateway", "--demo", "--listen", "0.0.0.0:0", "--no-auth"]);
    command.stdin(std::process::Stdio::null());
    let mut server = Server::start_command(command);
    server.wait_for_status("/v1/books/maps-of-fog", 200);
    assert!(server.get("/console/").starts_with("HTTP/1.1 404 "));
    server.wait_for("without encryption");
}

#[test]
fn on_loopback_requests_that_a_proxy_passes_on_are_refused() {
    let server = Server::start_gateway(&["--demo"]);
    server.wait_for_status("/readyz", 200);
    let path = "/v1/books/maps-of-fog";
    for header in ["X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via"] {
        let answer = server.get_with(path, &format!("{header}: for=192.0.2.7\r\n"));
        assert!(answer.starts_with("HTTP/1.1 403 "), "{header}: {answer}");
        assert!(answer.contains("--no-auth"), "{header}: {answer}");
    }
    assert!(server.get_with("/healthz", "via: 1.1 proxy\r\n").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_rebound_name_gets_nothing() {
    let server = Server::start_gateway(&["--demo"]);
    server.wait_for_status("/readyz", 200);
    let port = server.address.rsplit_once(':').unwrap().1;
    for path in ["/v1/books", "/console/", "/readyz"] {
        let mut stream = server.dial();
        let host = format!("host: evil.example:{port}\r\norigin: http://evil.example:{port}\r\n");
        std::io::Write::write_all(
            &mut stream,
            format!("GET {path} HTTP/1.1\r\n{host}connection: close\r\n\r\n").as_bytes(),
        )
        .unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 421 "), "{path}: {answer}");
    }
}

#[test]
fn with_a_secret_calls_need_a_token() {
    let secret = file("gateway-secret", SECRET);
    let flags = ["--demo", "--auth-secret-file", secret.to_str().unwrap()];
    let server = Server::start_gateway(&flags);
    server.wait_for_status("/readyz", 200);
    let path = "/v1/books/maps-of-fog";
    let refused = [
        (String::new(), "a bearer token is required"),
        ("authorization: Basic YTpi\r\n".to_owned(), "a bearer token is required"),
        (format!("authorization: Bearer {EXPIRED}\r\n"), "the token has expired"),
        (format!("authorization: Bearer {TOKEN}x\r\n"), "the token is not valid"),
    ];
    for (headers, reason) in refused {
        let answer = server.get_with(path, &headers);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{headers}: {answer}");
        assert!(answer.contains("www-authenticate: Bearer"), "{headers}: {answer}");
        assert!(answer.contains(reason), "{headers}: {answer}");
    }
    let answer = server.get_with(path, &format!("authorization: Bearer {TOKEN}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // The checks of health have no token.
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_learns_the_subject_from_the_token_only() {
    let upstream = sockeye_gateway_testing::Server::start().await;
    let secret = file("gateway-subject-secret", SECRET);
    let url = upstream.url();
    let flags = ["--upstream", &url, "--auth-secret-file", secret.to_str().unwrap()];
    let with_tokens = Server::start_gateway(&flags);
    let open = Server::start_gateway(&["--upstream", &url, "--allow-metadata", "x-*"]);
    for server in [&with_tokens, &open] {
        server.wait_for_status("/readyz", 200);
    }
    let lie = "x-auth-subject: root\r\n";
    let answer =
        with_tokens.get_with("/v1/metadata", &format!("authorization: Bearer {TOKEN}\r\n{lie}"));
    assert!(answer.contains("{\"name\":\"x-auth-subject\",\"value\":\"ada\"}"), "{answer}");
    assert!(!answer.contains("root"), "{answer}");
    let answer = open.get_with("/v1/metadata", lie);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("x-auth-subject"), "{answer}");
}
