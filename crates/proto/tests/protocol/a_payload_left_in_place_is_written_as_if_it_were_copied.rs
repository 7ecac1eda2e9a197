use sockeye_proto::deflate::Deflate;
use sockeye_proto::{Config, Connection, Message};

use crate::harness::{client, compressing, server};

#[test]
fn both_ways_of_sending_give_the_same_bytes() {
    let compressing_server =
        || compressing(&Config::new(), &Deflate::new(), &Deflate::new()).server;
    let makes: [fn() -> Connection; 3] = [server, client, compressing_server];
    for make in makes {
        for length in [0, 1, 125, 126, 4095, 4096, 65_535, 65_536, 200_000] {
            let message = Message::from(vec![0x5a; length]);
            let mut copied = Vec::new();
            make().send(message.as_ref(), &mut copied).unwrap();
            let mut written = Vec::new();
            if make().send_in_place(message.as_ref(), &mut written).unwrap() {
                written.extend_from_slice(message.as_bytes());
            }
            assert!(written == copied, "{length}");
            for at in [0, 1, length].map(|at| at.min(length)) {
                let (head, rest) = message.as_bytes().split_at(at);
                let mut written = Vec::new();
                if make().send_in_place_after(head, rest, &mut written).unwrap() {
                    written.extend_from_slice(rest);
                }
                assert!(written == copied, "{length}, {at} before");
            }
        }
    }
}
