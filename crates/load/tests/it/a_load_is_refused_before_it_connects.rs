//! Invalid settings are refused before a connection is opened.

use std::io;
use std::net::TcpListener;

use sockeye_load::{Load, LoadError};

#[test]
fn a_load_is_refused_before_it_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let load = Load::new(listener.local_addr().unwrap()).in_flight(0);
    assert!(matches!(load.run(), Err(LoadError::InvalidInFlight { in_flight: 0 })));
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}
