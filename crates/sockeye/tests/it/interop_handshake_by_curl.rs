//! The opening handshake with curl, which knows nothing of WebSockets here: it sends the headers
//! given to it.

#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use crate::foreign::{find_program, miss, within_deadline};
use sockeye::upgrade::Options;
use sockeye::{CloseCode, Config, Server, WebSocket};
use tokio::process::Command;

/// The example of RFC 6455 section 1.3, and the required answer.
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const UPGRADE: [&str; 4] =
    ["Connection: Upgrade", "Upgrade: websocket", KEY, "Sec-WebSocket-Version: 13"];

/// A response: status, headers and the bytes after them.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there once");
        value
    }
}

/// Sends a request with these headers by curl to a server that sends hello and closes. Returns
/// `None` if curl is missing.
async fn ask(headers: &[&str], arguments: &[&str]) -> Option<Answer> {
    if find_program(&["curl"]).is_none() {
        miss("curl");
        return None;
    }
    within_deadline(async {
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/chat", server.local_addr().unwrap());
        let options = Options::new().subprotocols(["chat.v2", "chat"]);
        let options = options.allow_origin("https://*.example.com").unwrap();
        // curl does not answer a close frame.
        let options = options.config(Config::new().close_timeout(Duration::from_millis(50)));
        tokio::spawn(server.options(options).serve(hello));
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include", "--no-buffer", "--http1.1", "--noproxy", "*"]);
        curl.args(["--max-time", "20"]).args(headers.iter().flat_map(|line| ["--header", line]));
        let output = curl.args(arguments).arg(url).kill_on_drop(true).output().await.unwrap();
        assert!(output.status.success(), "curl ended with {}", output.status);
        Some(parse(&output.stdout))
    })
    .await
}

async fn hello(mut ws: WebSocket) -> sockeye::Result<()> {
    ws.send("hello").await?;
    ws.close(CloseCode::NORMAL_CLOSURE, "").await
}

fn parse(output: &[u8]) -> Answer {
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&output[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Answer { status, headers, body: output[end + 4..].to_vec() }
}

/// Returns the headers of an upgrade without those of one name, and with others.
fn upgrade_but<'a>(without: &str, with: &[&'a str]) -> Vec<&'a str> {
    let kept = UPGRADE.into_iter().filter(|line| !line.starts_with(without));
    kept.chain(with.iter().copied()).collect()
}

async fn assert_refused(headers: &[&str], arguments: &[&str], status: u16) -> Option<Answer> {
    let answer = ask(headers, arguments).await?;
    assert_eq!(answer.status, status);
    assert_eq!(answer.header("sec-websocket-accept"), None);
    let upgrade = answer.header("upgrade").map(|_| "close, upgrade");
    assert_eq!(answer.header("connection"), Some(upgrade.unwrap_or("close")));
    assert!(answer.body.ends_with(b"\n"), "the body is a line that says why");
    Some(answer)
}

#[tokio::test]
async fn an_upgrade_is_answered_with_101_and_frames() {
    let headers = upgrade_but("-", &["Sec-WebSocket-Protocol: chat, chat.v2, other"]);
    let Some(answer) = ask(&headers, &[]).await else { return };
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
    assert_eq!(answer.header("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
    assert_eq!(answer.header("connection").map(str::to_lowercase).as_deref(), Some("upgrade"));
    assert_eq!(answer.header("sec-websocket-protocol"), Some("chat.v2"));
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(answer.body, b"\x81\x05hello\x88\x02\x03\xe8");
}

#[tokio::test]
async fn names_and_tokens_are_taken_in_any_case() {
    let headers = ["connection: keep-alive, UPGRADE", "upgrade: WebSocket"];
    let headers = [&headers[..], &["SEC-WEBSOCKET-VERSION: 13", KEY]].concat();
    let Some(answer) = ask(&headers, &[]).await else { return };
    assert_eq!((answer.status, answer.header("sec-websocket-accept")), (101, Some(ACCEPT)));
}

#[tokio::test]
async fn another_version_is_answered_with_the_supported_one() {
    for version in ["8", "14"] {
        let version = format!("Sec-WebSocket-Version: {version}");
        let headers = upgrade_but("Sec-WebSocket-Version", &[&version]);
        let Some(answer) = assert_refused(&headers, &[], 426).await else { return };
        assert_eq!(answer.header("sec-websocket-version"), Some("13"));
    }
}

#[tokio::test]
async fn a_plain_request_gets_426() {
    let Some(answer) = assert_refused(&[], &[], 426).await else { return };
    assert_eq!(answer.header("upgrade"), Some("websocket"));
}

#[tokio::test]
async fn a_missing_or_wrong_key_is_a_bad_request() {
    for with in
        [&[][..], &["Sec-WebSocket-Key: c2hvcnQ="], &["Sec-WebSocket-Key: ???"], &[KEY, KEY]]
    {
        assert_refused(&upgrade_but("Sec-WebSocket-Key", with), &[], 400).await;
    }
}

#[tokio::test]
async fn another_method_is_not_allowed() {
    for arguments in [["--request", "POST"], ["--data", "x"]] {
        let Some(answer) = assert_refused(&UPGRADE, &arguments, 405).await else { return };
        assert_eq!(answer.header("allow"), Some("GET"));
    }
}

#[tokio::test]
async fn an_old_http_version_is_refused() {
    assert_refused(&UPGRADE, &["--http1.0"], 505).await;
}

#[tokio::test]
async fn only_allowed_origins_are_let_in() {
    for origin in ["https://example.org", "http://app.example.com", "null"] {
        let origin = format!("Origin: {origin}");
        assert_refused(&upgrade_but("-", &[&origin]), &[], 403).await;
    }
    let allowed = upgrade_but("-", &["Origin: https://app.example.com"]);
    let Some(answer) = ask(&allowed, &[]).await else { return };
    assert_eq!(answer.status, 101);
}
