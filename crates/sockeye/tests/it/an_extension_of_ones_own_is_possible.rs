//! An extension unknown to this library: it inverts every byte of a data frame, and marks the frame
//! by RSV2.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use sockeye::frame::{Frame, OpCode, Reserved};
use sockeye::upgrade::Upgrader;
use sockeye::{Client, WebSocket};
use tokio::io::duplex;

const NAME: &str = "x-turn-over";

const RSV2: Reserved = match Reserved::from_bits(2) {
    Some(bits) => bits,
    None => panic!("two is one of the three bits"),
};

fn turned(frame: &Frame) -> Frame {
    let payload: Bytes = frame.payload.iter().map(|byte| !byte).collect();
    let reserved = if frame.reserved == RSV2 { Reserved::NONE } else { RSV2 };
    Frame::new(frame.opcode, payload).with_fin(frame.fin).with_reserved(reserved)
}

/// Connects a client and a server that accepts any offer of this extension.
async fn pair(client: Client) -> (WebSocket, WebSocket) {
    let upgrader = Upgrader::new().before_upgrade(|request, response| {
        if let Some(offer) = request.extensions().iter().find(|offer| offer.name() == NAME) {
            assert!(response.choose_extension(request, offer));
        }
        Ok(())
    });
    let (near, far) = duplex(1000);
    let (client, server) = tokio::join!(client.handshake(near), upgrader.accept(far));
    (client.unwrap(), server.unwrap())
}

#[tokio::test]
async fn both_sides_agree_on_it_and_see_its_bits() {
    let (client, server) =
        pair(Client::new("ws://example.com/").extension("x-turn-over; by=8")).await;
    assert_eq!(client.extensions(), Some("x-turn-over; by=8"));
    assert_eq!(server.extensions(), Some("x-turn-over; by=8"));
    let (_, mut to_server) = client.into_frames(1000).unwrap();
    let (mut from_client, _) = server.into_frames(1000).unwrap();
    let frame = Frame::new(OpCode::Text, "salmon");
    to_server.send_frame(&turned(&frame)).await.unwrap();
    let received = from_client.recv_frame().await.unwrap().unwrap();
    assert_eq!(received.reserved, RSV2);
    assert_ne!(received.payload, frame.payload);
    assert_eq!(turned(&received), frame);
}

#[tokio::test]
async fn who_does_not_offer_it_does_not_get_it() {
    let (mut client, mut server) = pair(Client::new("ws://example.com/")).await;
    assert_eq!((client.extensions(), server.extensions()), (None, None));
    client.send("plain").await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("plain".into()));
}
