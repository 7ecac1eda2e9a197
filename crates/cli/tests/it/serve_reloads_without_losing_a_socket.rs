//! SIGHUP replaces the settings of `sockeye serve` while sockets stay open, or keeps the old ones.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::program::{self, Server, any_issuer, file};

/// Sends a text of two bytes on a WebSocket, and reads its echo.
fn echo(stream: &mut TcpStream) {
    // A masked frame, under the mask key 0.
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).unwrap();
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, &[0x81, 2, b'h', b'i']);
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

fn with_origin(server: &Server) -> String {
    let upgrade = "origin: https://app.example\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut stream = server.dial();
    let host = &server.address;
    write!(stream, "GET /echo HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\n{upgrade}\r\n")
        .unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    String::from_utf8(head[9..].to_vec()).unwrap()
}

#[test]
fn settings_change_and_open_sockets_go_on() {
    let config = file("serve-reload.toml", "max-message = 100\n");
    let mut server = Server::start(&["--config", config.to_str().unwrap()]);
    let mut old = server.dial();
    program::upgrade(&mut old, &server.address);
    echo(&mut old);
    assert_eq!(with_origin(&server), "403");
    assert_eq!(status(&server.get_with("/healthz", "")), "200");

    let new = "max-message = 200\nallow-origin = \"https://app.example\"\nverbose = 1\n\
               allow-host = \"app.example\"\nmax-connections = 20\n";
    std::fs::write(&config, new).unwrap();
    server.signal("HUP");
    server.wait_for("reloaded");
    echo(&mut old);
    assert_eq!(with_origin(&server), "101");
    assert!(server.get("/server.json").contains("\"maxMessage\":200"));
    // The log is verbose now.
    server.wait_for("accepted");

    for (text, problem) in [
        ("max-mesage = 1\n", "there is no key \"max-mesage\"; did you mean max-message?"),
        ("max-message = \"big\"\n", "line 1, column 1: max-message: "),
        ("tls-cert = \"a\"\n", "--tls-key"),
        ("hub-secret-file = \"nowhere.txt\"\n", "cannot read nowhere.txt"),
    ] {
        std::fs::write(&config, text).unwrap();
        server.signal("HUP");
        let line = server.wait_for_line("not reloaded, so the old settings stay: ");
        assert!(line.contains(problem), "{line}");
        assert!(server.get("/server.json").contains("\"maxMessage\":200"));
    }
    std::fs::write(&config, "listen = \"127.0.0.1:1\"\nmetrics = true\n").unwrap();
    server.signal("HUP");
    server.wait_for("--metrics changes when the program is started again");
    server.wait_for("reloaded");
    assert_eq!(with_origin(&server), "403");
    echo(&mut old);
}

#[test]
fn a_lower_limit_of_connections_holds_for_new_ones() {
    let config = file("serve-reload-limit.toml", "max-connections = 3\n");
    let mut server = Server::start(&["--config", config.to_str().unwrap()]);
    let mut open = [server.dial(), server.dial()];
    for stream in &mut open {
        program::upgrade(stream, &server.address);
    }
    std::fs::write(&config, "max-connections = 1\n").unwrap();
    server.signal("HUP");
    server.wait_for("reloaded");
    let mut waiting = server.send_get("/healthz");
    for stream in &mut open {
        echo(stream);
    }
    drop(open);
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), "200");
}

#[test]
fn new_keys_admit_other_clients_to_the_hub() {
    let (config, secret) =
        (file("serve-reload-hub.toml", ""), file("serve-reload.txt", &"s".repeat(32)));
    let mut server = Server::start(&["--config", config.to_str().unwrap()]);
    assert!(server.get("/server.json").contains("\"hub\":\"anybody\""));
    std::fs::write(&config, format!("hub-secret-file = {secret:?}\n")).unwrap();
    server.signal("HUP");
    server.wait_for("reloaded");
    assert!(server.get("/server.json").contains("\"hub\":\"token\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_used_for_new_connections() {
    let (cert, key) = (file("serve-reload.pem", ""), file("serve-reload.key", ""));
    program::write_certificate(&cert, &key);
    let flags = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let mut server = Server::start(&flags);
    let first = any_issuer::certificate(&server.address).await;
    program::write_certificate(&cert, &key);
    server.signal("HUP");
    server.wait_for("reloaded");
    assert_ne!(any_issuer::certificate(&server.address).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_whose_key_is_not_there_yet_is_not_used() {
    let names = ["reload-pair.pem", "reload-pair.key", "reload-pair-2.pem", "reload-pair-2.key"];
    let [cert, key, new_cert, new_key] = names.map(|name| file(name, ""));
    program::write_certificate(&cert, &key);
    program::write_certificate(&new_cert, &new_key);
    let flags = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let mut server = Server::start(&flags);
    let first = any_issuer::certificate(&server.address).await;
    std::fs::copy(&new_cert, &cert).unwrap();
    server.signal("HUP");
    let line = server.wait_for_line("not reloaded, so the old settings stay: ");
    assert!(line.contains("does not belong to the certificate"), "{line}");
    assert_eq!(any_issuer::certificate(&server.address).await, first);
    std::fs::copy(&new_key, &key).unwrap();
    server.signal("HUP");
    server.wait_for("reloaded");
    assert_ne!(any_issuer::certificate(&server.address).await, first);
}
