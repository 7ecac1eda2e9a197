//! npm `ws`, as a server and as a client, with every combination of permessage-deflate's
//! parameters.
//!
//! `ws` accepts 8 bits for either side: Node then compresses with zlib's window of 9 bits, in which
//! zlib refers back no further than 250 bytes.

use crate::foreign::pairing::{
    Answer, our_client_is_closed_by, our_client_with, our_server_closes, our_server_with, pairs,
};
use crate::foreign::parameters::Bits::{Absent, Any, Most};
use crate::foreign::parameters::{Bits, Parameters, combinations};

const SERVER: &str = "ws_server.cjs";
const CLIENT: &str = "ws_client.cjs";

const WINDOWS: [Bits; 5] = [Absent, Most(8), Most(9), Most(12), Most(15)];

/// Returns the expected answer of its server, which refuses an offer of less than its setting.
fn answer(set: Parameters, offer: Parameters) -> Answer {
    let is_less = |offered: Bits, set: Bits| match (offered, set) {
        (Most(offered), Most(set)) => offered < set,
        _ => false,
    };
    if is_less(offer.server_max_window_bits, set.server_max_window_bits)
        || is_less(offer.client_max_window_bits, set.client_max_window_bits)
    {
        return Answer::Refused { status: 400 };
    }
    let either = |set: Bits, offered: Bits| match (set, offered) {
        (Most(_), _) => set,
        (_, Most(_)) => offered,
        _ => Absent,
    };
    Answer::Agreed(Some(Parameters {
        server_max_window_bits: either(set.server_max_window_bits, offer.server_max_window_bits),
        client_max_window_bits: either(set.client_max_window_bits, offer.client_max_window_bits),
        ..set.takeovers(offer)
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_and_their_server_agree_on_every_combination() {
    let settings = combinations(&WINDOWS, &WINDOWS);
    let offers =
        combinations(&[Absent, Most(8), Most(9), Most(12)], &[Any, Most(8), Most(9), Most(12)]);
    let default = Parameters { client_max_window_bits: Any, ..Parameters::default() };
    let mut pairs = pairs(&settings, &offers, default);
    // An offer below the server's setting.
    let strict = Parameters { server_max_window_bits: Most(12), ..default };
    let requested = Parameters { server_max_window_bits: Most(9), ..default };
    pairs.push((Some(Parameters { client_max_window_bits: Absent, ..strict }), Some(requested)));
    our_client_with(SERVER, pairs, answer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_and_their_client_agree_on_every_combination() {
    let settings = combinations(&WINDOWS[..4], &WINDOWS[..4]);
    let offers = combinations(&WINDOWS, &[Absent, Any, Most(8), Most(9), Most(12), Most(15)]);
    let default = Parameters { client_max_window_bits: Any, ..Parameters::default() };
    our_server_with(CLIENT, pairs(&settings, &offers, default), |_| true).await;
}

#[tokio::test]
async fn our_client_is_closed_by_their_server() {
    our_client_is_closed_by(SERVER).await;
}

#[tokio::test]
async fn our_server_closes_their_client() {
    our_server_closes(CLIENT).await;
}
