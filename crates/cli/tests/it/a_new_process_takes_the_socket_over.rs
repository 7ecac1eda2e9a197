//! SIGUSR2 starts the program anew, and no connection is lost meanwhile.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::program::{self, Server, tunnel};

/// A process that is not a child of the test, killed when dropped.
struct NewProcess(String);

impl Drop for NewProcess {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.0]).status();
    }
}

/// Sends the signal, and returns the process that serves from then on.
fn replace(server: &mut Server) -> NewProcess {
    server.signal("USR2");
    let line = server.wait_for_line("serves from now on");
    let number = line.split("process ").nth(1).unwrap().split(' ').next().unwrap();
    assert_ne!(number, server.id().to_string());
    NewProcess(number.to_owned())
}

/// Returns the whole answer to a request on a new connection.
fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Reads an unmasked Close frame and returns its code.
fn read_close(stream: &mut TcpStream) -> u16 {
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[0], 0x88, "a Close frame");
    u16::from_be_bytes([frame[2], frame[3]])
}

#[test]
fn clients_that_connect_meanwhile_are_all_served_and_old_sockets_get_1012() {
    let mut server = Server::start(&[]);
    let address = server.address.clone();
    let mut old = server.dial();
    program::upgrade(&mut old, &address);
    let (stop, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    let new = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let answer = get(&address, "/healthz").expect("a connection was lost");
                        assert!(answer.ends_with("ok\n"), "{answer:?}");
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let new = replace(&mut server);
        assert_eq!(read_close(&mut old), 1012);
        old.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xf4]).unwrap();
        assert_eq!(server.wait().code(), Some(0));
        let before = answers.load(Ordering::Relaxed);
        while answers.load(Ordering::Relaxed) < before + 100
            && clients.iter().all(|client| !client.is_finished())
        {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
        new
    });
    // The new process has the socket for itself, and stops as any other.
    let _ = Command::new("kill").args(["-TERM", &new.0]).status();
    while TcpStream::connect(&address).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn old_sockets_may_go_on_for_a_time() {
    let mut server = Server::start(&["--drain", "1h"]);
    let mut old = server.dial();
    program::upgrade(&mut old, &server.address);
    let new = replace(&mut server);
    assert!(get(&server.address, "/healthz").unwrap().ends_with("ok\n"));
    server.wait_for("the open connections may go on for");
    old.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).unwrap();
    let mut frame = [0; 4];
    old.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, &[0x81, 2, b'h', b'i']);
    // The old process ends with its last connection.
    drop(old);
    assert_eq!(server.wait().code(), Some(0));
    drop(new);
}

#[test]
fn a_program_that_cannot_start_replaces_nothing() {
    let config = program::file("takeover.toml", "");
    let mut server = Server::start(&["--config", config.to_str().unwrap()]);
    std::fs::write(&config, "max-mesage = 1\n").unwrap();
    server.signal("USR2");
    let line = server.wait_for_line("not replaced, so this process goes on: ");
    assert!(line.contains("the new process has ended with exit status: 1"), "{line}");
    assert!(server.get("/healthz").ends_with("ok\n"));
    std::fs::write(&config, "max-message = 7\n").unwrap();
    let _new = replace(&mut server);
    let address = server.address.clone();
    assert_eq!(server.wait().code(), Some(0));
    assert!(get(&address, "/server.json").unwrap().contains("\"maxMessage\":7"));
}

#[test]
fn a_socket_in_the_file_system_is_handed_over_and_removed_by_the_last() {
    let path = std::env::temp_dir().join(format!("sockeye-{}-over.sock", std::process::id()));
    let mut server = Server::start_on(&format!("unix:{}", path.display()), &[]);
    let new = replace(&mut server);
    assert_eq!(server.wait().code(), Some(0));
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    write!(stream, "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("ok\n"));
    let _ = Command::new("kill").args(["-TERM", &new.0]).status();
    while path.exists() {
        std::thread::yield_now();
    }
}

#[test]
fn the_new_process_serves_on_when_the_old_one_is_killed() {
    let mut server = Server::start(&["--drain", "1h"]);
    let address = server.address.clone();
    let mut old = server.dial();
    program::upgrade(&mut old, &address);
    let new = replace(&mut server);
    // The old process was to let its connections end.
    server.signal("KILL");
    server.wait();
    assert_eq!(old.read(&mut [0; 1]).unwrap_or(0), 0, "its connections are lost");
    assert!(get(&address, "/healthz").unwrap().ends_with("ok\n"));
    drop(new);
}

#[test]
fn a_session_of_a_tunnel_goes_on_until_its_websocket_is_lost_and_the_client_is_told() {
    let target = tunnel::echo();
    let mut server = tunnel::serve(&["--allow", &target.to_string(), "--drain", "1h"]);
    let network = tunnel::Network::before(&server.address);
    let url = format!("ws://{}/tunnel", network.address);
    let client = tunnel::Client::start(&url, 1, &["-L", &format!("0:{target}")]);
    let mut stream = client.dial(0);
    let mut answer = [0; 5];
    let _new = {
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut answer).unwrap();
        replace(&mut server)
    };
    server.wait_for("the open connections may go on for");
    stream.write_all(b"still").unwrap();
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"still");
    // The new process does not know the session: no part of the stream is taken for the whole.
    network.cut();
    let error = stream.read(&mut answer).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(tunnel::exchange(client.dial(0), "another"), "another");
    assert_eq!(server.wait().code(), Some(0));
}
