use sockeye_proto::Input;

use crate::harness::server;
use crate::wire::{FIN, PING, PONG, bare, masked};

#[test]
fn output_that_nobody_writes_stays_bounded() {
    let mut connection = server();
    let mut out = Vec::new();
    for number in 0..10_000u32 {
        let mut wire = masked(FIN | PING, &[&number.to_be_bytes()[..], &[0; 100]].concat());
        let mut input = Input::new(&mut wire);
        while connection.receive(&mut input, &mut out).unwrap().is_some() {}
        assert!(out.len() < 17 * 1024, "{}", out.len());
    }
    out.clear();
    connection.poll_pending_pong(&mut out);
    let last = [&9_999u32.to_be_bytes()[..], &[0; 100]].concat();
    assert_eq!(out, bare(FIN | PONG, &last));
    out.clear();
    connection.poll_pending_pong(&mut out);
    assert_eq!(out, b"");
}
