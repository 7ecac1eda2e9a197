use sockeye_proto::deflate::Deflate;
use sockeye_proto::{Config, MessageRef, ProtocolError};

use crate::harness::{InputMethod, compressing, feed};

#[test]
fn a_message_that_grows_beyond_the_limit_is_refused() {
    let limit = 1 << 20;
    let config = Config::new().max_message_length(limit);
    for (length, error) in [
        (limit, None),
        (limit + 1, Some(ProtocolError::MessageTooLong { limit })),
        (64 * limit, Some(ProtocolError::MessageTooLong { limit })),
    ] {
        for method in [InputMethod::Borrowed, InputMethod::Shared, InputMethod::Direct] {
            let mut pair = compressing(&config, &Deflate::new(), &Deflate::new());
            let (mut wire, payload) = (Vec::new(), vec![0; length]);
            pair.client.send(MessageRef::Binary(&payload), &mut wire).unwrap();
            assert!(wire.len() < length / 50, "{}", wire.len());
            let seen = feed(&mut pair.server, wire.chunks(4096), method);
            assert_eq!(seen.error, error);
            assert_eq!(seen.events.len(), usize::from(error.is_none()));
        }
    }
}
