//! Which clients `sockeye exec` admits: by host, origin, token and session.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};

use serde_json::json;
use sockeye::Client;

use crate::program;
use crate::program::Server;
use crate::program::exec::{Viewer, client, closed, start, start_on};

const ADA: &str = "ada-0123456789abcdef";
const EVE: &str = "eve-0123456789abcdef";
const BOB: &str = "bob-0123456789abcdef";

fn tokens(name: &str, tokens: &[&str]) -> String {
    let file = program::file(&format!("exec-{name}.txt"), &(tokens.join("\n") + "\n"));
    file.to_str().unwrap().to_owned()
}

fn status(error: &sockeye::ConnectError) -> String {
    error.to_string()
}

#[test]
fn off_loopback_a_token_or_its_waiver_is_needed() {
    let arguments = ["exec", "--listen", "0.0.0.0:0", "--pty", "--", "sh"];
    let error = program::error_output(&arguments);
    assert!(error.contains("--token-file") && error.contains("--no-auth"), "{error}");
    let server = start_on("0.0.0.0:0", &["--pty", "--no-auth"], &["sh"]);
    assert!(server.get("/").starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_token_comes_in_a_header_a_cookie_or_the_first_message() {
    let file = tokens("ways", &[ADA, EVE]);
    let server = start(&["--pty", "--token-file", &file], &["sh"]);
    let attach = |client: Client, fields| Viewer::attach(client, fields);
    for (client, fields) in [
        (client(&server).bearer_auth(ADA), json!({})),
        (client(&server).header("cookie", format!("a=b; sockeye-exec={ADA}")), json!({})),
        (client(&server), json!({ "token": ADA })),
    ] {
        assert!(attach(client, fields).await.is_ok());
    }
    let unauthorized = (4401, "a valid token is required".to_owned());
    for fields in [json!({}), json!({ "token": "wrong" }), json!({ "token": "" })] {
        assert_eq!(attach(client(&server), fields).await.err(), Some(unauthorized.clone()));
    }
    let cookie = client(&server).header("cookie", "sockeye-exec=wrong");
    assert_eq!(attach(cookie, json!({})).await.err(), Some(unauthorized));
    let wrong = client(&server).bearer_auth("wrong").subprotocols(["tty"]).connect().await;
    assert!(status(&wrong.unwrap_err()).contains("401"));

    let mut ws = client(&server).subprotocols(["tty"]).connect().await.unwrap();
    ws.send(r#"{"AuthToken":"wrong"}"#).await.unwrap();
    assert_eq!(closed(&mut ws).await.0, 4401);

    // A command on pipes has no first message of its own.
    let server = start(&["--token-file", &file], &["cat"]);
    assert!(status(&client(&server).connect().await.unwrap_err()).contains("401"));
    assert!(client(&server).bearer_auth(EVE).connect().await.is_ok());
}

#[test]
fn a_login_sets_a_cookie_that_scripts_cannot_read() {
    let file = tokens("login", &[ADA]);
    let server = start(&["--pty", "--token-file", &file], &["sh"]);
    let same = format!("origin: http://{}\r\n", server.address);
    let answer = server.post("/login", &same, ADA);
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    let cookie = format!("set-cookie: sockeye-exec={ADA}; HttpOnly; SameSite=Strict");
    assert!(answer.contains(&cookie), "{answer}");
    assert!(server.post("/login", &same, "wrong").starts_with("HTTP/1.1 401 "));
    let foreign = "origin: http://evil.example\r\n";
    assert!(server.post("/login", foreign, ADA).starts_with("HTTP/1.1 403 "));
    assert!(server.post("/login", &same, &"x".repeat(5000)).starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_session_of_another_token_is_not_found() {
    let file = tokens("owners", &[ADA, EVE]);
    let server = start(&["--pty", "--token-file", &file], &["sh"]);
    let ada = || client(&server).bearer_auth(ADA);
    let viewer = Viewer::attach(ada(), json!({})).await.unwrap();
    let session = json!({ "session": viewer.session["session"] });
    let not_found = (4404, "there is no such session".to_owned());
    let stolen = Viewer::attach(client(&server).bearer_auth(EVE), session.clone()).await;
    assert_eq!(stolen.err(), Some(not_found.clone()));
    let invented = Viewer::attach(ada(), json!({ "session": "AAAAAAAAAAAAAAAAAAAAAA" })).await;
    assert_eq!(invented.err(), Some(not_found));
    assert!(Viewer::attach(ada(), session).await.is_ok(), "the attempts changed nothing");
}

#[tokio::test]
async fn a_read_only_token_watches_a_shared_process() {
    let (writers, readers) = (tokens("writers", &[ADA]), tokens("readers", &[BOB]));
    let flags = ["--shared", "--token-file", &writers, "--read-only-token-file", &readers];
    let server = start(&[&["--pty"], &flags[..]].concat(), &["sh", "-c", "echo shown; cat"]);
    let mut ada = Viewer::attach(client(&server).bearer_auth(ADA), json!({})).await.unwrap();
    let mut bob = Viewer::attach(client(&server), json!({ "token": BOB })).await.unwrap();
    assert_eq!((&ada.session["writes"], &bob.session["writes"]), (&json!(true), &json!(false)));
    bob.enter("by bob\r").await;
    ada.enter("by ada\r").await;
    bob.wait_for("by ada").await;
    ada.wait_for("by ada").await;
    assert!(!ada.contents().contains("by bob"), "{}", ada.contents());

    let server = start(&flags, &["cat"]);
    let mut bob = client(&server).bearer_auth(BOB).connect().await.unwrap();
    bob.send("by bob").await.unwrap();
    assert_eq!(closed(&mut bob).await, (1008, "read-only".to_owned()));
}

/// Returns the status of the response to an upgrade with these headers, each with its line end.
fn upgrade(server: &Server, headers: &str) -> String {
    let mut stream = server.dial();
    write!(
        stream,
        "GET /ws HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: tty\r\n{headers}\r\n"
    )
    .unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    String::from_utf8_lossy(&status[9..]).into_owned()
}

#[test]
fn foreign_pages_and_rebound_names_get_nothing() {
    let server = start(&["--pty"], &["sh"]);
    let address = &server.address;
    let port = address.rsplit(':').next().unwrap();
    let host = format!("host: {address}\r\n");
    assert_eq!(upgrade(&server, &format!("{host}origin: http://{address}\r\n")), "101");
    assert_eq!(upgrade(&server, &format!("{host}origin: http://evil.example\r\n")), "403");
    let evil = format!("evil.example:{port}");
    assert_eq!(upgrade(&server, &format!("host: {evil}\r\norigin: http://{evil}\r\n")), "421");
    // A proxy on this machine passes on requests from elsewhere.
    assert_eq!(upgrade(&server, &format!("{host}x-forwarded-for: 203.0.113.9\r\n")), "403");
}

#[test]
fn origins_that_only_look_like_the_own_one_get_nothing() {
    let server = start(&["--pty"], &["sh"]);
    let address = &server.address;
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let next_port = port.checked_add(1).unwrap_or(1);
    for origin in [
        // A frame in a sandbox, a file, and no name at all.
        "null".to_owned(),
        "file://".to_owned(),
        String::new(),
        // Another server of this machine.
        format!("http://127.0.0.1:{next_port}"),
        format!("http://localhost:{port}"),
        format!("http://[::1]:{port}"),
        format!("http://{address}.evil.example"),
        format!("http://evil.example/{address}"),
        format!("http://evil@{address}"),
        format!("http://{address}, http://evil.example"),
        format!("http://{address}/"),
    ] {
        let headers = format!("host: {address}\r\norigin: {origin}\r\n");
        assert_eq!(upgrade(&server, &headers), "403", "{origin}");
    }
    for host in [
        format!("127.0.0.1.evil.example:{port}"),
        "localhost.evil.example".to_owned(),
        "evil.example".to_owned(),
    ] {
        let headers = format!("host: {host}\r\norigin: http://{host}\r\n");
        assert_eq!(upgrade(&server, &headers), "421", "{host}");
    }
    let user = format!("host: evil.example@{address}\r\n");
    assert_eq!(upgrade(&server, &user), "400");
    for proxy in ["forwarded: for=203.0.113.9", "x-real-ip: 203.0.113.9", "via: 1.1 proxy"] {
        let headers = format!("host: {address}\r\n{proxy}\r\n");
        assert_eq!(upgrade(&server, &headers), "403", "{proxy}");
    }
}

#[tokio::test]
async fn a_session_of_another_token_gives_its_keyboard_to_nobody() {
    let file = tokens("keyboards", &[ADA, EVE]);
    let server = start(&["--pty", "--shared", "--token-file", &file], &["cat"]);
    let mut ada = Viewer::attach(client(&server).bearer_auth(ADA), json!({})).await.unwrap();
    ada.enter("by ada\r").await;
    ada.wait_for("by ada").await;
    let stolen = json!({
        "session": ada.session["session"],
        "keyboard": ada.session["keyboard"],
    });
    let mut eve = Viewer::attach(client(&server).bearer_auth(EVE), stolen).await.unwrap();
    assert_ne!(eve.session["keyboard"], ada.session["keyboard"]);
    assert_eq!(eve.session["input"], json!(0));
    eve.enter("by eve\r").await;
    ada.wait_for("by eve").await;
    ada.enter("ada again\r").await;
    ada.wait_for("ada again").await;
}
