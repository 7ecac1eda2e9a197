//! Code that the fuzz targets share: connections that a few bytes configure, and runs of them over
//! the same input in different pieces.

use std::time::Duration;

use sockeye_proto::deflate::{Deflate, Parameters};
use sockeye_proto::{Config, Connection, Role, State};

#[path = "../../../crates/proto/tests/protocol/driving.rs"]
mod driving;

pub use driving::{InputMethod, Outcome, OwnedEvent, feed};

/// Returns permessage-deflate settings from 16 bits of input: windows, takeovers and level.
pub fn deflate(bits: u16) -> Deflate {
    let window_bits = |bits: u16| 8 + (bits & 7) as u8;
    Deflate::new()
        .no_context_takeover(bits & 1 != 0)
        .peer_no_context_takeover(bits & 2 != 0)
        .threshold(usize::from(bits >> 2 & 1) * 20)
        .level((bits >> 3) as u8 % 10)
        .and_then(|deflate| deflate.max_window_bits(window_bits(bits >> 8)))
        .and_then(|deflate| deflate.peer_max_window_bits(window_bits(bits >> 11)))
        .expect("within the ranges")
}

/// Returns the parameters that a client and a server with these settings negotiate.
pub fn negotiate(client: &Deflate, server: &Deflate) -> Parameters {
    server.accept(&[client.offer()]).expect("our own offer").0
}

/// Returns a function that creates a connection configured by the first three bytes of the input,
/// and the rest of the input.
pub fn connection(role: Role, input: &[u8]) -> Option<(impl Fn() -> Connection, &[u8])> {
    let [limits, high, low, rest @ ..] = input else { return None };
    let mut config = Config::new();
    if limits & 1 != 0 {
        config = config.max_frame_length(u64::from(limits & 0xf0));
    }
    // A bomb of a few bytes must not slow the fuzzer down.
    let longest = if limits & 2 != 0 { u16::from(limits & 0xf0) * 4 } else { u16::MAX };
    config = config.max_message_length(longest.into()).max_streamed_length(longest.into());
    let (compressed, closing, streaming) = (limits & 4 != 0, limits & 8 != 0, high & 0x80 != 0);
    let half_close = high & 0x40 != 0;
    let deflate = deflate(u16::from_be_bytes([*high, *low]));
    let make = move || {
        let mut connection = match role {
            Role::Client => Connection::client(&config, || [1, 2, 3, 4]),
            Role::Server => Connection::server(&config),
        };
        if compressed {
            connection = connection.with_deflate(&deflate, negotiate(&deflate, &deflate));
        }
        connection.stream_messages(streaming);
        connection.allow_half_close(half_close.then_some(Duration::from_secs(60)));
        if closing {
            connection.close(None, &mut Vec::new()).expect("the first one");
        }
        connection
    };
    Some((make, rest))
}

/// Runs the connection over the input whole and in pieces, by each method that a driver has, and
/// asserts that the results are equal.
pub fn assert_chunking_changes_nothing(make: impl Fn() -> Connection, wire: &[u8]) {
    let whole = feed(&mut make(), [wire], InputMethod::Borrowed);
    for method in [InputMethod::Borrowed, InputMethod::Shared, InputMethod::Direct] {
        for size in [1, wire.len() / 2 + 1, wire.len().max(1)] {
            assert_eq!(feed(&mut make(), wire.chunks(size), method), whole, "{size}, {method:?}");
        }
    }
    if whole.error.is_some() {
        assert_eq!(whole.state, State::Closed);
    }
}
