//! A server takes the socket that systemd passes (`LISTEN_FDS`), and tells systemd of its state
//! (`sd_notify`).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::process::{Command, Stdio};

use crate::program::{self, Server};

/// Returns a command that starts the program as systemd does: the socket has the number 3, and the
/// variables name the process.
fn with_socket(socket: OwnedFd, names: &str, listen: &str) -> Command {
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    let program = env!("CARGO_BIN_EXE_sockeye");
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", program, "serve", "--listen", listen]);
    command.env("LISTEN_FDNAMES", names).env_remove("RUST_LOG").stdin(Stdio::from(socket));
    command
}

#[test]
fn a_tcp_socket_is_taken_by_its_name_or_as_the_first() {
    for listen in ["systemd", "systemd:web"] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let server = Server::start_with_input(with_socket(socket.into(), "web", listen));
        assert_eq!(server.address, address);
        assert!(server.get("/healthz").ends_with("ok\n"));
    }
}

#[test]
fn a_socket_in_the_file_system_stays_there() {
    let path = std::env::temp_dir().join(format!("sockeye-{}-passed.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let socket = UnixListener::bind(&path).unwrap();
    let server = Server::start_with_input(with_socket(socket.into(), "", "systemd"));
    assert_eq!(server.address, path.to_str().unwrap());
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(path.exists(), "the socket belongs to systemd");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_socket_that_is_missing_is_explained() {
    let error = program::error_output(&["serve", "--listen", "systemd"]);
    assert!(error.contains("it has passed none"), "{error}");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = with_socket(socket.into(), "web", "systemd:other").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("systemd:other: the sockets that systemd has passed are web"),
        "{error}"
    );
}

#[test]
fn a_socket_of_another_kind_is_refused() {
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let output = with_socket(datagrams.into(), "web", "systemd").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("expected a stream socket"), "{error}");
}

/// Returns the next message.
fn receive(socket: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let length = socket.recv(&mut message).unwrap();
    String::from_utf8(message[..length].to_vec()).unwrap()
}

#[test]
fn systemd_is_told_of_every_change() {
    let name = format!("sockeye-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = UnixDatagram::bind_addr(&address).unwrap();
    let mut command = program::sockeye(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    let server = Server::start_command(command);
    assert!(receive(&manager).starts_with("READY=1\n"));
    server.signal("HUP");
    let message = receive(&manager);
    let time = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    assert!(time.parse::<u64>().unwrap() > 0);
    assert_eq!(receive(&manager), "READY=1\nSTATUS=Serving.");
    server.signal("TERM");
    assert!(receive(&manager).starts_with("STOPPING=1\n"));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn the_watchdog_gets_signs_of_life() {
    let path = std::env::temp_dir().join(format!("sockeye-{}-watchdog", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let manager = UnixDatagram::bind(&path).unwrap();
    let mut command = program::sockeye(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "20000");
    let _server = Server::start_command(command);
    assert!(receive(&manager).starts_with("READY=1\n"));
    for _ in 0..3 {
        assert_eq!(receive(&manager), "WATCHDOG=1");
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_watchdog_gets_signs_of_life_of_a_process_that_took_over() {
    let path = std::env::temp_dir().join(format!("sockeye-{}-watched", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let manager = UnixDatagram::bind(&path).unwrap();
    // The manager names the process that it started.
    let mut command = Command::new("sh");
    command.args(["-c", r#"WATCHDOG_PID=$$ exec "$0" "$@""#, env!("CARGO_BIN_EXE_sockeye")]);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "20000");
    let server = Server::start_command(command);
    server.signal("USR2");
    let new = loop {
        if let Some(message) = receive(&manager).strip_prefix("MAINPID=") {
            break message.split('\n').next().unwrap().to_owned();
        }
    };
    assert_eq!(server.wait().code(), Some(0));
    // Those that the old process has sent are waiting.
    manager.set_nonblocking(true).unwrap();
    while manager.recv(&mut [0; 1024]).is_ok() {}
    manager.set_nonblocking(false).unwrap();
    for _ in 0..3 {
        assert_eq!(receive(&manager), "WATCHDOG=1");
    }
    assert!(Command::new("kill").arg(&new).status().unwrap().success());
    std::fs::remove_file(&path).unwrap();
}
