//! The error of a failed connect names the address.

use std::io;

use sockeye::{ConnectError, connect};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_refused_connection_names_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = connect(format!("ws://{address}/")).await.unwrap_err();
    let ConnectError::Connect { authority, attempts } = &error else { panic!("{error:?}") };
    assert_eq!(*authority, address.to_string());
    let [attempt] = &attempts[..] else { panic!("{attempts:?}") };
    assert_eq!(attempt.address, address);
    assert_eq!(attempt.error.kind(), io::ErrorKind::ConnectionRefused);
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("could not connect to {address}: Connection refused")),
        "{text}"
    );
}

#[tokio::test]
async fn a_host_without_an_address_is_named() {
    // A name that must never resolve (RFC 6761 section 6.4).
    let error = connect("ws://no-such-host.invalid/").await.unwrap_err();
    let ConnectError::Resolve { host, .. } = &error else { panic!("{error:?}") };
    assert_eq!(host, "no-such-host.invalid");
    let text = error.to_string();
    assert!(text.starts_with("the host `no-such-host.invalid` was not found: "), "{text}");
}
