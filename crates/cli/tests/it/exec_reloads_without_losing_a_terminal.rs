//! SIGHUP replaces the settings of `sockeye exec` while terminals and processes go on, or keeps the
//! old ones.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};

use serde_json::json;
use sockeye::Client;

use crate::program::exec::{Viewer, client, closed, connect, text};
use crate::program::{self, Server, any_issuer, file};

const ADA: &str = "ada-0123456789abcdef";
const BOB: &str = "bob-0123456789abcdef";
const EVE: &str = "eve-0123456789abcdef";

/// Starts `sockeye exec` with a file of settings.
fn start(config: &std::path::Path, flags: &[&str], command: &[&str]) -> Server {
    let mut program = program::sockeye(&["exec", "--config", config.to_str().unwrap()]);
    program.args(["--listen", "127.0.0.1:0"]).args(flags).arg("--").args(command);
    Server::start_command(program)
}

fn reload(server: &mut Server) {
    server.signal("HUP");
    let line = server.wait_for_line("reloaded");
    assert!(!line.contains("not reloaded"), "{line}");
}

/// Returns the answer to a request for another host.
fn for_app(server: &Server) -> String {
    let mut stream = server.dial();
    write!(stream, "GET / HTTP/1.1\r\nhost: app.example\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

async fn status(client: Client) -> String {
    match client.connect().await {
        Ok(_) => "101".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn limits_hosts_and_origins_change_and_a_terminal_goes_on() {
    let config = file("exec-reload.toml", "max-processes = 1\n");
    let mut server = start(&config, &["--pty", "--no-auth", "--env", "PS1=$ "], &["sh"]);
    let mut viewer = Viewer::open(&server).await;
    viewer.enter("kept=yes\r").await;
    viewer.wait_for("kept=yes").await;
    let full = Viewer::attach(client(&server), json!({})).await;
    assert_eq!(full.err(), Some((1013, "too many processes".to_owned())));
    let app = || client(&server).header("origin", "https://app.example").subprotocols(["tty"]);
    assert!(status(app()).await.contains("403"));
    assert!(for_app(&server).starts_with("HTTP/1.1 421 "));

    let new = "max-processes = 2\nallow-origin = \"https://app.example\"\n\
               allow-host = \"app.example\"\n";
    std::fs::write(&config, new).unwrap();
    reload(&mut server);
    let app = client(&server).header("origin", "https://app.example").subprotocols(["tty"]);
    assert_eq!(status(app).await, "101");
    assert!(for_app(&server).starts_with("HTTP/1.1 200 "));
    assert!(Viewer::attach(client(&server), json!({})).await.is_ok());
    viewer.enter("echo still=$kept\r").await;
    viewer.wait_for("still=yes").await;
    let mut again = Viewer::attach(client(&server), viewer.resuming()).await.unwrap();
    again.enter("echo resumed=$kept\r").await;
    again.wait_for("resumed=yes").await;

    for (text, problem) in [
        ("max-processes = \"many\"\n", "max-processes"),
        ("token-file = \"nowhere.txt\"\n", "--no-auth"),
        ("max-message = \"4GiB\"\n", "--max-message is at most 2 GiB"),
    ] {
        std::fs::write(&config, text).unwrap();
        server.signal("HUP");
        let line = server.wait_for_line("not reloaded, so the old settings stay: ");
        assert!(line.contains(problem), "{line}");
    }
    again.enter("echo after=$kept\r").await;
    again.wait_for("after=yes").await;
}

#[tokio::test]
async fn tokens_change_and_sessions_stay_with_theirs() {
    let tokens = file("exec-reload-tokens.txt", &format!("{ADA}\n{BOB}\n"));
    let config = file("exec-reload-tokens.toml", "");
    let token_file = tokens.to_str().unwrap();
    let mut server = start(&config, &["--pty", "--token-file", token_file], &["sh"]);
    let mut ada = Viewer::attach(client(&server).bearer_auth(ADA), json!({})).await.unwrap();
    let mut bob = Viewer::attach(client(&server), json!({ "token": BOB })).await.unwrap();
    let (of_ada, of_bob) = (ada.resuming(), bob.resuming());

    // The token of ada is gone, and another one is in its line.
    std::fs::write(&tokens, format!("{EVE}\n{BOB}\n")).unwrap();
    reload(&mut server);
    let removed = (4401, "a valid token is required".to_owned());
    assert_eq!(ada.closed().await, removed);
    let eve = || client(&server).bearer_auth(EVE);
    let missing = (4404, "there is no such session".to_owned());
    for session in [&of_ada, &of_bob] {
        let stolen = Viewer::attach(eve(), session.clone()).await;
        assert_eq!(stolen.err(), Some(missing.clone()));
    }
    assert!(Viewer::attach(eve(), json!({})).await.is_ok());
    let refused = Viewer::attach(client(&server), json!({ "token": ADA })).await;
    assert_eq!(refused.err(), Some(removed));
    bob.enter("echo bob is he''re\r").await;
    bob.wait_for("bob is here").await;
    assert!(Viewer::attach(client(&server).bearer_auth(BOB), of_bob).await.is_ok());
}

#[tokio::test]
async fn a_removed_token_ends_its_connections_to_a_process_on_pipes() {
    for flags in [&[][..], &["--shared"]] {
        let tokens = file("exec-reload-pipes.txt", &format!("{ADA}\n{BOB}\n"));
        let config = file("exec-reload-pipes.toml", "");
        let flags = [flags, &["--token-file", tokens.to_str().unwrap()]].concat();
        let mut server = start(&config, &flags, &["cat"]);
        let mut ada = client(&server).bearer_auth(ADA).connect().await.unwrap();
        let mut bob = client(&server).bearer_auth(BOB).connect().await.unwrap();
        std::fs::write(&tokens, format!("{BOB}\n")).unwrap();
        reload(&mut server);
        assert_eq!(closed(&mut ada).await, (1008, "the token is no longer valid".to_owned()));
        bob.send("still").await.unwrap();
        assert_eq!(text(&mut bob).await, "still");
    }
}

#[tokio::test]
async fn a_lower_limit_of_processes_holds_for_new_ones() {
    let config = file("exec-reload-limit.toml", "max-processes = 2\n");
    let mut server = start(&config, &[], &["cat"]);
    let mut first = connect(&server).await;
    let mut second = connect(&server).await;
    std::fs::write(&config, "max-processes = 1\nmax-message = \"4\"\n").unwrap();
    reload(&mut server);
    for ws in [&mut first, &mut second] {
        ws.send("longer than four").await.unwrap();
        assert_eq!(text(ws).await, "longer than four", "open connections keep their limits");
    }
    drop(first);
    second.send("on").await.unwrap();
    assert_eq!(text(&mut second).await, "on");
    assert!(status(client(&server)).await.contains("503"));
}

#[tokio::test]
async fn a_new_certificate_is_used_for_new_connections() {
    let (cert, key) = (file("exec-reload-cert.pem", ""), file("exec-reload-key.pem", ""));
    program::write_certificate(&cert, &key);
    let config = file("exec-reload-tls.toml", "");
    let paths = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let mut server = start(&config, &paths, &["cat"]);
    let (trusting, _) = any_issuer::client_config();
    let url = format!("wss://{}/", server.address);
    let mut open = Client::new(url).tls(trusting).connect().await.unwrap();
    let first = any_issuer::certificate(&server.address).await;
    program::write_certificate(&cert, &key);
    reload(&mut server);
    assert_ne!(any_issuer::certificate(&server.address).await, first);
    open.send("still").await.unwrap();
    assert_eq!(text(&mut open).await, "still");
}
