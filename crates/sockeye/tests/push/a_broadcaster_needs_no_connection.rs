//! A broadcaster exists before the first connection, and reaches all connections open when it is
//! used.

use sockeye::push::{Connection, HandleError, Server};

use crate::peer::Peer;
use crate::recorder::{Seen, record};
use crate::serving;

#[test]
fn a_broadcaster_needs_no_connection() {
    let (make, log) = record(|_: &mut Connection, _: &Seen| {});
    let server = Server::new(make).workers(2).backend(serving::backend());
    let listening = server.listen("127.0.0.1:0").unwrap();
    let (address, server_handle) = (listening.local_addr().unwrap(), listening.handle());
    let everybody = listening.broadcaster();
    everybody.broadcast("nobody hears this").unwrap();
    let thread = std::thread::spawn(move || listening.run());
    for count in 1..4 {
        let mut peers: Vec<_> = (0..count).map(|_| Peer::connect(address)).collect();
        for _ in &peers {
            log.opened();
        }
        everybody.clone().broadcast("hello").unwrap();
        for peer in &mut peers {
            assert_eq!(peer.message(), b"hello");
            peer.finish();
        }
    }
    server_handle.stop();
    thread.join().unwrap().unwrap();
    assert!(matches!(everybody.broadcast("anyone?"), Err(HandleError::Stopped)));
}
