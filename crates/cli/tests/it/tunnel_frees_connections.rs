//! Connections of `sockeye tunnel` end with either end, also while nothing is read or sent.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::program::tunnel::{Client, serve, target};

/// The greeting of targets. The part that a client leaves unread makes the system reset the
/// connection when the client drops it.
const GREETING: &[u8] = b"hello";

/// Starts a target that sends its greeting, reads nothing, and keeps its connections.
fn deaf() -> (SocketAddr, Arc<Mutex<Vec<TcpStream>>>) {
    let connections: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let kept = Arc::clone(&connections);
    let address = target(move |mut stream| {
        let mut kept = kept.lock().unwrap();
        stream.write_all(GREETING).unwrap();
        kept.push(stream);
    });
    (address, connections)
}

/// Reads the begin of the greeting.
fn begin(stream: &mut TcpStream) {
    stream.read_exact(&mut [0]).unwrap();
}

/// Writes until nothing takes more.
fn fill(stream: &mut TcpStream) {
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let data = vec![0; 1 << 20];
    let error = loop {
        if let Err(error) = stream.write(&data) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn clients_that_are_reset_leave_their_places_to_others() {
    let (target, _connections) = deaf();
    let server = serve(&["--allow", &target.to_string(), "--max-streams", "4"]);
    let client = Client::start(&server.url, 1, &["-L", &format!("0:{target}")]);
    for _ in 0..5 {
        let mut stream = client.dial(0);
        begin(&mut stream);
        fill(&mut stream);
    }
    // The client waits for the rest of an answer.
    for _ in 0..5 {
        let mut stream = client.dial(0);
        begin(&mut stream);
        stream.shutdown(Shutdown::Write).unwrap();
    }
    begin(&mut client.dial(0));
}

#[test]
fn a_client_program_that_is_killed_leaves_no_connection_to_a_target() {
    let (target, connections) = deaf();
    let mut server = serve(&["-v", "--allow", &target.to_string(), "--session-expiry", "1s"]);
    let client = Client::start(&server.url, 1, &["-L", &format!("0:{target}")]);
    let mut stream = client.dial(0);
    begin(&mut stream);
    fill(&mut stream);
    drop(client);
    server.wait_for("session ended");
    let mut connection = connections.lock().unwrap().pop().unwrap();
    let error = std::io::copy(&mut connection, &mut std::io::sink());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionReset);
}
