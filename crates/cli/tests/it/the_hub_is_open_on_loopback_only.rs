//! On loopback anybody may use the hub. Elsewhere it is off until a flag says who may.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};

use serde_json::{Value, json};

#[cfg(feature = "nats")]
use crate::program::broker::Broker;
use crate::program::hub::HubClient;
use crate::program::token::{EXPIRED, SECRET, TOKEN};
use crate::program::{self, Server, file};

/// Returns the whole response to a request for a WebSocket that is refused, with further headers,
/// each with its line end.
fn refusal_of_websocket(server: &Server, path: &str, headers: &str) -> String {
    let mut stream = server.dial();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close, upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n",
        server.address
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Returns how a client is refused that connects with these contents.
async fn refusal(server: &Server, content: Value) -> String {
    let mut client = HubClient::open(server).await;
    client.ws.send(json!({ "id": 1, "connect": content }).to_string()).await.unwrap();
    match client.ws.recv().await.unwrap() {
        Some(message) => {
            let reply: Value = serde_json::from_str(message.as_text().unwrap()).unwrap();
            format!("error {}", reply["error"]["code"])
        }
        None => format!("close {}", client.ws.close_frame().unwrap().code),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_anybody_joins_and_publishes() {
    let server = Server::start(&[]);
    let mut client = HubClient::connect(&server).await;
    client.join(json!({ "room": "lobby" })).await;
    client.request("publish", json!({ "room": "lobby", "data": 1 })).await;
    assert!(server.get("/server.json").contains(r#""hub":"anybody""#));
}

#[test]
fn elsewhere_the_hub_is_off_and_says_how_to_turn_it_on() {
    // A proxy on this machine passes clients from elsewhere on.
    let beyond = Server::start_on("0.0.0.0:0", &[]);
    let proxied = Server::start(&["--trust-proxy", "127.0.0.1/32"]);
    let named = Server::start(&["--allow-host", "chat.example.com"]);
    for server in [beyond, proxied, named] {
        for path in ["/hub", "/connection/websocket"] {
            let answer = refusal_of_websocket(&server, path, "");
            assert!(answer.starts_with("HTTP/1.1 403 "), "{path}: {answer}");
            assert!(answer.contains("--hub-secret-file"), "{path}: {answer}");
            assert!(answer.contains("--no-auth"), "{path}: {answer}");
        }
        for answer in [server.get("/hub.json"), server.post("/rooms/lobby/messages", "", "hi")] {
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        }
        assert!(server.get("/server.json").contains(r#""hub":"off""#));
        // The rest works as before.
        assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn on_loopback_it_is_off_for_requests_that_a_proxy_passes_on() {
    let server = Server::start(&[]);
    for header in ["X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via"] {
        let header = format!("{header}: for=192.0.2.7\r\n");
        for path in ["/hub", "/connection/websocket"] {
            let answer = refusal_of_websocket(&server, path, &header);
            assert!(answer.starts_with("HTTP/1.1 403 "), "{header} {path}: {answer}");
            assert!(answer.contains("--no-auth"), "{header} {path}: {answer}");
        }
        let answer = server.post("/rooms/lobby/messages", &header, "hi");
        assert!(answer.starts_with("HTTP/1.1 403 "), "{header}: {answer}");
    }
    let open = Server::start(&["--no-auth"]);
    let answer = open.post("/rooms/lobby/messages", "via: 1.1 proxy\r\n", "hi");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_certificate_for_another_name_turns_it_off() {
    for (names, is_off) in [
        (["localhost", "app.localhost"], false),
        (["localhost", "chat.example.com"], true),
        (["localhost", "localhost.example.com"], true),
    ] {
        let made = rcgen::generate_simple_self_signed(names.map(str::to_owned)).unwrap();
        let cert = file(&format!("hub-{}.pem", names[1]), &made.cert.pem());
        let key = file(&format!("hub-{}.key", names[1]), &made.signing_key.serialize_pem());
        // A flag that needs the hub says whether it is off.
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0"];
        arguments.extend(["--tls-cert", cert.to_str().unwrap()]);
        arguments.extend(["--tls-key", key.to_str().unwrap()]);
        arguments.extend(["--hub-config", "/no/such/file"]);
        let error = program::error_output(&arguments);
        assert_eq!(error.contains("--hub-config needs the hub"), is_off, "{names:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_auth_opens_it_to_anybody() {
    let server = Server::start_on("0.0.0.0:0", &["--no-auth"]);
    HubClient::connect(&server).await.join(json!({ "room": "lobby" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_secret_only_clients_with_its_tokens_are_admitted() {
    // The end of the line is not part of the secret.
    let secret = file("hub-secret", &format!("{SECRET}\n"));
    let server = Server::start(&["--hub-secret-file", secret.to_str().unwrap()]);
    let mut client = HubClient::open(&server).await;
    let reply = client.try_request("connect", json!({ "token": TOKEN })).await;
    assert_eq!(reply["connect"]["user"], "ada", "{reply}");
    client.join(json!({ "room": "lobby" })).await;

    for (content, expected) in [
        (json!({}), "error 101"),
        (json!({ "token": "no token" }), "close 3500"),
        (json!({ "token": EXPIRED }), "error 109"),
        (json!({ "token": TOKEN.replace("YQN", "YQM") }), "close 3500"),
    ] {
        assert_eq!(refusal(&server, content.clone()).await, expected, "{content}");
    }
    // Rooms and servers are shown to programs with the key only.
    assert!(server.get("/hub.json").starts_with("HTTP/1.1 401 "));
    for header in ["", "authorization: Bearer x\r\n"] {
        let answer = server.post("/rooms/lobby/messages", header, "hi");
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.contains("Start the server with --api-key-file to post"), "{answer}");
    }
}

#[test]
fn flags_that_need_the_hub_are_refused_while_it_is_off() {
    let config = file("hub-empty.toml", "");
    let key = file("hub-key", "0123456789abcdef");
    for (flag, value) in [
        ("--bus", "redis://127.0.0.1"),
        ("--hub-config", config.to_str().unwrap()),
        ("--api-key-file", key.to_str().unwrap()),
    ] {
        let error = program::error_output(&["serve", "--listen", "0.0.0.0:0", flag, value]);
        assert!(error.contains(&format!("{flag} needs the hub")), "{error}");
        assert!(error.contains("--hub-secret-file"), "{error}");
    }
}

#[test]
fn contradicting_flags_are_refused() {
    for flags in [
        ["--no-auth", "--hub-secret-file", "secret"],
        ["--no-auth", "--hub-jwks-file", "keys.json"],
    ] {
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0"];
        arguments.extend(flags);
        let error = program::error_output(&arguments);
        assert!(error.contains("cannot be used with"), "{error}");
    }
    let error = program::error_output(&["serve", "--listen", "127.0.0.1:0", "--hub-issuer", "me"]);
    assert!(error.contains("--hub-issuer needs tokens"), "{error}");
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_is_wrong() {
    for (flag, name, text, expected) in [
        ("--hub-secret-file", "short-secret", "secret", "32"),
        ("--hub-jwks-file", "no-keys.json", "{}", "a JWK set"),
        ("--api-key-file", "short-key", "0123456789", "16 or more"),
        ("--api-key-file", "odd-key", "ein Schlüssel mit Umlaut", "visible ASCII"),
        ("--hub-config", "wrong.toml", "history = 3\nnonsense = 1\n", "line"),
    ] {
        let path = file(name, text);
        let path = path.to_str().unwrap();
        let error = program::error_output(&["serve", "--listen", "127.0.0.1:0", flag, path]);
        assert!(error.contains(path), "{flag}: {error}");
        assert!(error.contains(expected), "{flag}: {error}");
    }
    for flag in ["--hub-secret-file", "--hub-jwks-file", "--api-key-file", "--hub-config"] {
        let error =
            program::error_output(&["serve", "--listen", "127.0.0.1:0", flag, "/no/such/file"]);
        assert!(error.contains("cannot read /no/such/file"), "{flag}: {error}");
    }
}

#[test]
fn an_unknown_bus_lists_the_known_ones() {
    let error = program::error_output(&["serve", "--bus", "kafka://localhost"]);
    assert!(error.contains("kafka:// is no bus"), "{error}");
    for scheme in KNOWN_BUSES {
        assert!(error.contains(&format!("{scheme}://")), "{error}");
        for url in [format!("{scheme}:localhost"), format!("{scheme}://"), format!("{scheme}:///x")]
        {
            let error = program::error_output(&["serve", "--bus", &url]);
            assert!(error.contains("--bus") && error.contains("expected"), "{url}: {error}");
            assert!(error.contains("://127.0.0.1"), "{url}: {error}");
        }
    }
}

#[test]
fn a_bus_that_is_absent_is_named_without_its_password() {
    for scheme in KNOWN_BUSES {
        let url = format!("{scheme}://ada:hunter2@127.0.0.1:1");
        let error = program::error_output(&["serve", "--listen", "127.0.0.1:0", "--bus", &url]);
        assert!(error.contains("cannot reach the bus"), "{error}");
        assert!(error.contains(&format!("{scheme}://127.0.0.1:1")), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn no_error_of_a_bus_has_its_password() {
    let mut urls = vec!["kafka://ada:hunter2@127.0.0.1:1".to_owned(), "ada:hunter2@b".to_owned()];
    for scheme in KNOWN_BUSES {
        for password in ["hunter2,", "hunter2/", ",hunter2", "x/hunter2", "x,y/hunter2#"] {
            urls.push(format!("{scheme}://ada:{password}@127.0.0.1:1"));
        }
    }
    for url in urls {
        let arguments = ["serve", "--listen", "127.0.0.1:0"];
        let by_flag = program::error_output(&[&arguments[..], &["--bus", &url]].concat());
        let by_variable = program::sockeye(&arguments).env("SOCKEYE_BUS", &url).output().unwrap();
        let by_variable = String::from_utf8(by_variable.stderr).unwrap();
        for error in [by_flag, by_variable] {
            assert!(error.contains("bus"), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
    }
    let help = program::sockeye(&["serve", "--help"]).env("SOCKEYE_BUS", "hunter2").output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    assert!(help.contains("SOCKEYE_BUS") && !help.contains("hunter2"), "{help}");
}

#[cfg(feature = "nats")]
#[test]
fn a_nats_server_without_jetstream_is_refused_with_what_to_do() {
    let Some(broker) = Broker::nats_without_jetstream() else { return };
    let error = program::error_output(&["serve", "--listen", "127.0.0.1:0", "--bus", &broker.url]);
    assert!(error.contains("JetStream is off: start nats-server with -js"), "{error}");
}

const KNOWN_BUSES: &[&str] = &[
    #[cfg(feature = "nats")]
    "nats",
    #[cfg(feature = "redis")]
    "redis",
    #[cfg(feature = "redis")]
    "rediss",
    #[cfg(feature = "redis")]
    "redis+cluster",
];
