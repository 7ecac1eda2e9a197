//! `--listen unix:PATH` listens on a socket in the file system.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::program::{self, Server};

/// Returns a path that is short enough for a socket, and free.
fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("sockeye-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

fn start(path: &Path, flags: &[&str]) -> Server {
    Server::start_on(&format!("unix:{}", path.display()), flags)
}

fn get(path: &Path, target: &str, headers: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    write!(stream, "{head}{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_has_its_mode_serves_and_is_removed_at_the_end() {
    let path = path("mode.sock");
    let server = start(&path, &["--listen-mode", "600"]);
    assert_eq!(server.url, format!("unix:{}", path.display()));
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert!(get(&path, "/healthz", "").ends_with("ok\n"));
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn websockets_pass_and_proxies_on_it_report_the_client() {
    let path = path("echo.sock");
    let flags = ["-v", "--trust-proxy", "127.0.0.1", "--client-header", "x-forwarded-for"];
    let mut server = start(&path, &flags);
    let mut stream = UnixStream::connect(&path).unwrap();
    write!(
        stream,
        "GET /echo HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         x-forwarded-for: 203.0.113.7\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).unwrap();
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, &[0x81, 2, b'h', b'i']);
    server.wait_for("WebSocket opened peer=203.0.113.7:0");
}

#[test]
fn http2_and_tls_pass_too() {
    let path = path("tls.sock");
    let _server = start(&path, &["--self-signed"]);
    assert!(get(&path, "/healthz", "").starts_with("HTTP/1.1 307 "), "plain HTTP is redirected");
    let path = self::path("gateway.sock");
    let listen = format!("unix:{}", path.display());
    let command = program::sockeye(&["gateway", "--demo", "--listen", &listen]);
    let _server = Server::start_command(command);
    let mut stream = UnixStream::connect(&path).unwrap();
    // The preface of HTTP/2 with empty SETTINGS, which the server answers with its own.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "a SETTINGS frame");
}

#[test]
fn the_socket_of_an_ended_server_is_replaced_but_not_that_of_a_running_one() {
    let path = path("stale.sock");
    drop(UnixListener::bind(&path).unwrap());
    let server = start(&path, &[]);
    let listen = format!("unix:{}", path.display());
    let error = program::error_output(&["serve", "--listen", &listen]);
    assert!(error.contains("another program listens there"), "{error}");
    assert!(get(&path, "/healthz", "").ends_with("ok\n"));
    drop(server);
    assert!(path.exists(), "a server that was killed leaves its socket");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_is_never_removed() {
    let path = path("text.sock");
    std::fs::write(&path, "important").unwrap();
    let listen = format!("unix:{}", path.display());
    let error = program::error_output(&["serve", "--listen", &listen]);
    assert!(error.contains("the file exists, and is no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "important");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_socket_of_another_server_stays_at_the_end() {
    let path = path("other.sock");
    let server = start(&path, &[]);
    std::fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    let inode = std::fs::metadata(&path).unwrap().ino();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode);
    drop(other);
    std::fs::remove_file(&path).unwrap();
}
