//! The first failure of a server ends the run, and its error says where and why.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use sockeye_load::{LoadError, WireProtocol};

use crate::tcp_echo::{load, serve};

fn on_connection(error: LoadError) -> LoadError {
    match error {
        LoadError::Connection { error, .. } => *error,
        error => panic!("{error:?}"),
    }
}

#[test]
fn one_wrong_byte_ends_the_run_and_says_where() {
    let error = load(serve(3, |bytes| bytes[0] ^= 1)).run().unwrap_err();
    let error = on_connection(error);
    assert!(matches!(error, LoadError::WrongByte { offset: 0, .. }), "{error:?}");
}

#[test]
fn a_server_that_closes_ends_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().take(3).for_each(drop));
    let error = on_connection(load(address).run().unwrap_err());
    // Reset or orderly close, whichever the client encounters first.
    assert!(matches!(error, LoadError::Closed | LoadError::Io(_)), "{error:?}");
}

#[test]
fn a_server_that_closes_behind_its_last_reply_ends_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // One message of 1,000 bytes with its header of 8, and then the end.
        let mut message = [0; 1008];
        stream.read_exact(&mut message).unwrap();
        stream.write_all(&message).unwrap();
    });
    let error = on_connection(load(address).connections(1).in_flight(1).run().unwrap_err());
    assert!(matches!(error, LoadError::Closed | LoadError::Io(_)), "{error:?}");
}

#[test]
fn a_server_that_refuses_the_upgrade_is_named_with_its_status() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap();
        // Until the client has gone.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = load(address).protocol(WireProtocol::WebSocket).run().unwrap_err();
    assert_eq!(
        error.to_string(),
        "connection 0 failed: the server refused the opening handshake with status 403"
    );
    let error = on_connection(error);
    assert!(matches!(error, LoadError::HandshakeRefused { status: Some(403) }), "{error:?}");
}
