//! This library's client with foreign servers, and its servers with foreign clients.

use serde_json::{Value, json};
use sockeye::handshake::HandshakeError;
use sockeye::{Client, CloseCode, ConnectError, WebSocket};

use super::conversation::{
    self, CLOSE_CODE, CLOSE_REASON, SUBPROTOCOL, assert_plain_traffic, assert_traffic,
};
use super::parameters::{Parameters, step};
use super::{Peer, within_deadline};

type Combination = Option<Parameters>;

/// The expected answer of a foreign server, configured with the first parameters, to an offer of
/// the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The server upgrades, and answers with these parameters or without permessage-deflate.
    Agreed(Combination),
    /// The server does not upgrade.
    Refused { status: u16 },
}

/// Tests this library's client with a foreign server, for each pair of the server's setting and the
/// client's offer.
pub(crate) async fn our_client_with(
    program: &'static str,
    pairs: Vec<(Combination, Combination)>,
    answer: impl Fn(Parameters, Parameters) -> Answer,
) {
    let Some(mut server) = Peer::start(program) else { return };
    let tried = async {
        for (index, (set, offered)) in pairs.into_iter().enumerate() {
            let expected = match (set, offered) {
                (Some(set), Some(offered)) => answer(set, offered),
                _ => Answer::Agreed(None),
            };
            let context = format!("{program} set to {set:?}, offered {offered:?}");
            eprintln!("{context}");
            let port = start_server(&mut server, set).await;
            // The default threshold mixes compressed and uncompressed messages.
            let threshold = if index % 2 == 0 { 0 } else { 128 };
            let connected = connect(port, "/", offered, threshold).await;
            match (expected, connected) {
                (Answer::Agreed(agreed), Ok(mut ws)) => {
                    assert_eq!(ws.extensions().map(Parameters::parse), agreed, "{context}");
                    assert_eq!(ws.subprotocol(), Some(SUBPROTOCOL));
                    conversation::converse(&mut ws).await.expect(&context);
                    ws.close(CloseCode::NORMAL_CLOSURE, "done, 鮭").await.expect(&context);
                    assert_eq!(ws.close_frame().unwrap().code, CloseCode::NORMAL_CLOSURE);
                    let report = server.closed(port).await;
                    assert_eq!(report["close_code"], 1000, "{context}");
                    assert_eq!(report["close_reason"], "done, 鮭", "{context}");
                    let received = report["received"].as_u64().unwrap();
                    // The client's offer for its own direction holds even where the answer does not
                    // repeat it.
                    match (agreed, offered) {
                        (Some(agreed), Some(offered)) => assert_traffic(
                            received,
                            agreed.client_no_context_takeover || offered.client_no_context_takeover,
                            agreed.client_max_window_bits.window(),
                        ),
                        _ => assert_plain_traffic(received),
                    }
                }
                (Answer::Refused { status }, Err(error)) => assert_status(&error, status),
                (expected, connected) => panic!("{context}: {connected:?}, not {expected:?}"),
            }
        }
        server.stop().await;
    };
    within_deadline(tried).await;
}

/// Tests this library's server with a foreign client, for each pair of the server's setting and the
/// client's offer.
///
/// `takes` returns whether the client accepts an answer.
pub(crate) async fn our_server_with(
    program: &'static str,
    pairs: Vec<(Combination, Combination)>,
    takes: impl Fn(Parameters) -> bool,
) {
    let Some(mut client) = Peer::start(program) else { return };
    let tried = async {
        for (set, offered) in pairs {
            let context = format!("{program} offers {offered:?} to {set:?}");
            let agreed = set.zip(offered).map(|(set, offered)| set.answer_of_sockeye(offered));
            let url = conversation::serve(conversation::options(set), conversation::echo).await;
            let report = client.ask(&order(&url, offered, Some((1000, "done, 鮭")))).await;
            if !agreed.is_none_or(&takes) {
                assert!(report["error"].is_string(), "{context}: {report}");
                continue;
            }
            let context = format!("{context}: {report}");
            assert_eq!(report["extensions"].as_str().map(Parameters::parse), agreed, "{context}");
            assert_eq!(report["subprotocol"], SUBPROTOCOL, "{context}");
            assert_eq!(report["close_code"], 1000, "{context}");
            let received = report["received"].as_u64().expect(&context);
            match set.zip(offered) {
                Some((set, offered)) => assert_traffic(
                    received,
                    set.answer_of_sockeye(offered).server_no_context_takeover,
                    set.window_of_sockeye(offered),
                ),
                None => assert_plain_traffic(received),
            }
        }
        client.stop().await;
    };
    within_deadline(tried).await;
}

/// Tests that a foreign server closes a connection of this library's client.
pub(crate) async fn our_client_is_closed_by(program: &'static str) {
    let Some(mut server) = Peer::start(program) else { return };
    within_deadline(async {
        let port = start_server(&mut server, None).await;
        let mut ws = connect(port, "/bye", None, 0).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), None);
        let frame = ws.close_frame().unwrap();
        assert_eq!((u16::from(frame.code), &*frame.reason), (CLOSE_CODE, CLOSE_REASON));
        // Its report has the close code of the client's reply.
        assert_eq!(server.closed(port).await["close_code"], CLOSE_CODE);
        server.stop().await;
    })
    .await;
}

/// Tests that this library's server closes a connection of a foreign client.
pub(crate) async fn our_server_closes(program: &'static str) {
    let Some(mut client) = Peer::start(program) else { return };
    within_deadline(async {
        let options = conversation::options(None);
        let url = conversation::serve(options, conversation::close_at_once).await;
        let report = client.ask(&order(&url, None, None)).await;
        assert_eq!(report["close_code"], CLOSE_CODE, "{report}");
        assert_eq!(report["close_reason"], CLOSE_REASON, "{report}");
        client.stop().await;
    })
    .await;
}

/// Returns each setting with one offer, each offer with one setting, and the pairs of equal
/// parameters.
pub(crate) fn pairs(
    settings: &[Combination],
    offers: &[Combination],
    offer: Parameters,
) -> Vec<(Combination, Combination)> {
    let all = Some(Parameters::default());
    let by_setting = settings.iter().map(|&set| (set, Some(offer)));
    let by_offer = offers.iter().map(|&offered| (all, offered));
    let alike = offers.iter().filter(|offered| settings.contains(offered));
    let all = by_setting.chain(by_offer).chain(alike.map(|&both| (both, both)));
    all.step_by(step()).collect()
}

async fn start_server(server: &mut Peer, set: Combination) -> u64 {
    let report = server.ask(&json!({ "deflate": set.map(Parameters::to_json) })).await;
    report["port"].as_u64().unwrap_or_else(|| panic!("{set:?}: {report}"))
}

async fn connect(
    port: u64,
    path: &str,
    offered: Combination,
    threshold: usize,
) -> Result<WebSocket, ConnectError> {
    let client =
        Client::new(format!("ws://127.0.0.1:{port}{path}")).subprotocols(["fowl", SUBPROTOCOL]);
    match offered {
        Some(offered) => client.deflate(offered.for_client().threshold(threshold)).connect().await,
        None => client.connect().await,
    }
}

fn order(url: &str, offered: Combination, close: Option<(u16, &str)>) -> Value {
    json!({ "url": url, "deflate": offered.map(Parameters::to_json), "close": close })
}

fn assert_status(error: &ConnectError, expected: u16) {
    match error {
        ConnectError::Handshake(HandshakeError::Status { status, .. }) => {
            assert_eq!(u16::from(*status), expected);
        }
        _ => panic!("{error:?}"),
    }
}
