//! SIGHUP replaces the rules, tokens and certificates of `sockeye tunnel serve` while connections stay
//! open, or keeps the old ones.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use crate::program::tunnel::{Client, echo, exchange, failed_open, serve};
use crate::program::{self, any_issuer, file};

const LEAVES: &str = "a-token-that-is-removed";
const STAYS: &str = "a-token-that-stays-there";
const COMES: &str = "a-token-that-is-added-later";

/// Exchanges a byte with a target that echoes, on a connection that stays open.
fn ping(connection: &mut TcpStream) {
    connection.write_all(b"!").unwrap();
    connection.read_exact(&mut [0]).unwrap();
}

#[test]
fn rules_change_for_new_connections_and_open_ones_stay() {
    let (old, new) = (echo(), echo());
    let rules = |target: &str| format!("allow = [\"{target}\"]\n");
    let config = file("tunnel-reload.toml", &rules(&old.to_string()));
    let mut server = serve(&["--config", config.to_str().unwrap()]);
    let client =
        Client::start(&server.url, 2, &["-L", &format!("0:{old}"), "-L", &format!("0:{new}")]);
    let is_refused = |index: usize| {
        let end = client.dial(index).read(&mut [0]);
        end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
    };
    let mut open = client.dial(0);
    ping(&mut open);
    assert!(is_refused(1));

    std::fs::write(&config, rules(&new.to_string())).unwrap();
    server.signal("HUP");
    server.wait_for("reloaded");
    ping(&mut open);
    assert_eq!(exchange(client.dial(1), "hello"), "hello");
    assert!(is_refused(0));

    std::fs::write(&config, "allow = [\"nonsense\"]\n").unwrap();
    server.signal("HUP");
    server.wait_for("not reloaded, so the old settings stay");
    std::fs::write(&config, rules(&new.to_string()) + "memory-budget = \"1MiB\"\n").unwrap();
    server.signal("HUP");
    server.wait_for("--memory-budget changes when the program is started again");
    server.wait_for("reloaded");
    ping(&mut open);
    assert_eq!(exchange(client.dial(1), "hello"), "hello");
}

#[test]
fn a_listener_that_no_rule_allows_any_more_ends_and_its_connections_stay() {
    let target = echo();
    let config = file("tunnel-reload-bind.toml", "allow-bind = [\"127.0.0.1:*\"]\n");
    let mut server = serve(&["--config", config.to_str().unwrap()]);
    let mut client = Client::start(&server.url, 1, &["-R", &format!("127.0.0.1:0:{target}")]);
    let mut open = client.dial(0);
    ping(&mut open);

    // The listener is allowed by another rule, and then by none.
    let rule = format!("allow-bind = [\"{}\"]\n", client.addresses[0]);
    std::fs::write(&config, rule + "max-streams = 8\n").unwrap();
    server.signal("HUP");
    server.wait_for("reloaded");
    ping(&mut client.dial(0));
    std::fs::write(&config, "").unwrap();
    server.signal("HUP");
    server.wait_for("reloaded");
    client.wait_for("no longer listens");
    client.wait_for("--allow-bind");
    let error = TcpStream::connect(&client.addresses[0]).expect_err("nothing listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    ping(&mut open);
}

#[test]
fn a_token_that_is_removed_ends_its_sessions_only() {
    let target = echo();
    let tokens = file("tunnel-reload-tokens.txt", &format!("{LEAVES}\n{STAYS}\n"));
    let own = |token| file(&format!("tunnel-reload-{token}.txt"), &format!("{token}\n"));
    let forward = format!("0:{target}");
    let allow = target.to_string();
    let mut server = serve(&["--token-file", tokens.to_str().unwrap(), "--allow", &allow]);
    let start = |token| {
        let file = own(token);
        let flags = ["-L", &forward, "--token-file", file.to_str().unwrap()];
        Client::start(&server.url, 1, &flags)
    };
    let (leaves, stays) = (start(LEAVES), start(STAYS));
    let mut open = stays.dial(0);
    ping(&mut open);

    std::fs::write(&tokens, format!("{COMES}\n{STAYS}\n")).unwrap();
    server.signal("HUP");
    server.wait_for("reloaded");
    assert_eq!(leaves.wait(), Some(6), "the token is refused");
    ping(&mut open);
    assert_eq!(exchange(stays.dial(0), "hello"), "hello");
    let file = own(COMES);
    let comes = ["-L", &forward, "--token-file", file.to_str().unwrap()];
    let comes = Client::start(&server.url, 1, &comes);
    assert_eq!(exchange(comes.dial(0), "hello"), "hello");

    // A file that cannot be used changes nothing.
    std::fs::write(&tokens, "short\n").unwrap();
    server.signal("HUP");
    server.wait_for("not reloaded, so the old settings stay");
    ping(&mut open);
    let file = own(LEAVES);
    let leaves = [&server.url, "-L", &forward, "--token-file", file.to_str().unwrap()];
    assert_eq!(failed_open(&leaves).0, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_used_for_new_connections() {
    let (cert, key) = (file("tunnel-reload.pem", ""), file("tunnel-reload.key", ""));
    program::write_certificate(&cert, &key);
    let mut server =
        serve(&["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()]);
    let first = any_issuer::certificate(&server.address).await;
    program::write_certificate(&cert, &key);
    server.signal("HUP");
    server.wait_for("reloaded");
    assert_ne!(any_issuer::certificate(&server.address).await, first);
}
