//! Python `websockets`, as a server and as a client, with every combination of permessage-deflate's
//! parameters.
//!
//! `websockets` compresses with zlib, which has no window of 8 bits: `websockets` accepts 8 only
//! for the window of the peer.

use crate::foreign::pairing::{
    Answer, our_client_is_closed_by, our_client_with, our_server_closes, our_server_with, pairs,
};
use crate::foreign::parameters::Bits::{Absent, Any, Most};
use crate::foreign::parameters::{Parameters, combinations};

const SERVER: &str = "websockets_server.py";
const CLIENT: &str = "websockets_client.py";

/// Returns the expected answer of its server, which continues without permessage-deflate where it
/// would have to compress with 8 bits.
fn answer(set: Parameters, offer: Parameters) -> Answer {
    let server = match (set.server_max_window_bits, offer.server_max_window_bits) {
        (Most(set), Most(offered)) => Most(set.min(offered)),
        (Absent, bits) | (bits, _) => bits,
    };
    let client = match (set.client_max_window_bits, offer.client_max_window_bits) {
        (_, Absent) | (Absent, Any) => Absent,
        (Most(set), Most(offered)) => Most(set.min(offered)),
        (set, Any) => set,
        (_, offered) => offered,
    };
    Answer::Agreed((server != Most(8)).then(|| Parameters {
        server_max_window_bits: server,
        client_max_window_bits: client,
        ..set.takeovers(offer)
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_and_their_server_agree_on_every_combination() {
    let settings = combinations(
        &[Absent, Most(9), Most(12), Most(15)],
        &[Absent, Most(8), Most(12), Most(15)],
    );
    let offers =
        combinations(&[Absent, Most(8), Most(9), Most(12)], &[Any, Most(8), Most(9), Most(12)]);
    let default = Parameters { client_max_window_bits: Any, ..Parameters::default() };
    our_client_with(SERVER, pairs(&settings, &offers, default), answer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_and_their_client_agree_on_every_combination() {
    let settings =
        combinations(&[Absent, Most(8), Most(9), Most(12)], &[Absent, Most(8), Most(9), Most(12)]);
    let offers = combinations(
        &[Absent, Most(8), Most(9), Most(12), Most(15)],
        &[Absent, Any, Most(9), Most(12), Most(15)],
    );
    let default = Parameters { client_max_window_bits: Any, ..Parameters::default() };
    let can_compress = |agreed: Parameters| agreed.client_max_window_bits != Most(8);
    our_server_with(CLIENT, pairs(&settings, &offers, default), can_compress).await;
}

#[tokio::test]
async fn our_client_is_closed_by_their_server() {
    our_client_is_closed_by(SERVER).await;
}

#[tokio::test]
async fn our_server_closes_their_client() {
    our_server_closes(CLIENT).await;
}
