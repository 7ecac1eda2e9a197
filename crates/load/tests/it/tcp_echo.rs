//! A TCP echo server, and loads for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use sockeye_load::{Load, WireProtocol};

/// Starts a TCP echo server for `connections` connections, with a thread for each; `corrupt` may
/// change the bytes.
pub(crate) fn serve(connections: usize, corrupt: fn(&mut [u8])) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().take(connections) {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                // The thread ends when the client closes the connection, in whichever way.
                while let Ok(size @ 1..) = stream.read(&mut buffer) {
                    corrupt(&mut buffer[..size]);
                    if stream.write_all(&buffer[..size]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// Returns a short load of raw echo on three connections.
pub(crate) fn load(address: SocketAddr) -> Load {
    Load::new(address)
        .protocol(WireProtocol::Raw)
        .length(1000)
        .connections(3)
        .in_flight(2)
        .warm_up(Duration::from_millis(5))
        .duration(Duration::from_millis(50))
}
