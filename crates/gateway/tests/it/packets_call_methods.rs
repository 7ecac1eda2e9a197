use bytes::{Bytes, BytesMut};
use prost::Message as _;
use sockeye::{Message, WebSocket};
use sockeye_gateway::PacketRoutes;
use sockeye_gateway::dialect::framing::{Packet, Packets};
use sockeye_gateway_testing::Server;
use sockeye_gateway_testing::proto::{EchoMessage, Failure};

use crate::sockets::{SERVICE, client, connect, receive, receive_close, serve};
use crate::support::{ServedGateway, message, wait_for};

async fn start() -> (Server, ServedGateway) {
    let mut routes = PacketRoutes::new("/packets");
    for (kind, method) in [
        (1, "Unary"),
        (2, "Repeat"),
        (3, "FailUnary"),
        (4, "Stall"),
        (5, "Collect"),
        (6, "Missing"),
    ] {
        routes = routes.method(kind, &format!("{SERVICE}/{method}")).unwrap();
    }
    let settings = |builder: sockeye_gateway::Builder| {
        builder.packets(routes).max_message_length(100).max_calls_per_socket(3)
    };
    serve(settings).await
}

fn packet(kind: u32, who: u32, content: &impl prost::Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    Packet { kind, who, content: content.encode_to_vec().into() }.encode(&mut out).unwrap();
    out.to_vec()
}

async fn next(socket: &mut WebSocket) -> Packet {
    let Message::Binary(payload) = receive(socket).await else { panic!("packets are binary") };
    let packets: Result<Vec<_>, _> = Packets::new(payload, 1 << 20).collect();
    let [packet] = &packets.unwrap()[..] else { panic!("a message has one packet") };
    packet.clone()
}

/// Receives a status, and returns its code.
async fn status(socket: &mut WebSocket, who: u32) -> u64 {
    let packet = next(socket).await;
    assert_eq!((packet.kind, packet.who), (0, who));
    match packet.content[..] {
        [] => 0,
        [8, code, ..] => code.into(),
        _ => panic!("{packet:?}"),
    }
}

#[tokio::test]
async fn the_type_of_a_packet_is_its_method() {
    let (_server, gateway) = start().await;
    let mut socket = connect(client(&gateway, "/packets")).await;
    socket.send(packet(1, 7, &message("x"))).await.unwrap();
    let reply = next(&mut socket).await;
    assert_eq!((reply.kind, reply.who), (1, 7));
    assert_eq!(EchoMessage::decode(reply.content).unwrap(), message("x"));
    // Two packets in one message.
    let failure = Failure { code: 5, ..Failure::default() };
    let repeat = EchoMessage { number: 2, ..message("y") };
    let message = [packet(2, 8, &repeat), packet(3, 9, &failure)].concat();
    socket.send(message).await.unwrap();
    let mut replies = Vec::new();
    for _ in 0..4 {
        let reply = next(&mut socket).await;
        replies.push((reply.who, reply.kind, reply.content.is_empty()));
    }
    replies.sort_unstable();
    let expected = [(8, 0, true), (8, 2, false), (8, 2, false), (9, 0, false)];
    assert_eq!(replies, expected);
}

#[tokio::test]
async fn a_failure_is_a_packet_of_type_0() {
    let (_server, gateway) = start().await;
    let mut socket = connect(client(&gateway, "/packets")).await;
    let failure = Failure { code: 9, message: "no".to_owned(), ..Failure::default() };
    for (kind, content, code) in [
        (3, failure.encode_to_vec(), 9),
        (5, Vec::new(), 12),
        (6, Vec::new(), 12),
        (99, Vec::new(), 12),
        (0, Vec::new(), 12),
    ] {
        let mut out = BytesMut::new();
        Packet { kind, who: kind, content: content.into() }.encode(&mut out).unwrap();
        socket.send(out).await.unwrap();
        assert_eq!(status(&mut socket, kind).await, code);
    }
}

#[tokio::test]
async fn calls_end_with_their_socket_and_have_a_limit() {
    let (server, gateway) = start().await;
    let mut socket = connect(client(&gateway, "/packets")).await;
    for who in 1..=3 {
        socket.send(packet(4, who, &message("x"))).await.unwrap();
        assert_eq!(next(&mut socket).await.who, who);
    }
    socket.send(packet(1, 4, &message("x"))).await.unwrap();
    assert_eq!(status(&mut socket, 4).await, 8);
    wait_for(server.echo.in_progress(), 3).await;
    drop(socket);
    wait_for(server.echo.in_progress(), 0).await;
}

#[tokio::test]
async fn garbage_closes_the_socket() {
    let (_server, gateway) = start().await;
    for (message, code) in [
        (Message::from("text"), 1003),
        (Bytes::from_static(b"\0\0\0\x01").into(), 1002),
        (packet(1, 1, &message(&"x".repeat(101))).into(), 1002),
        (vec![0_u8; 70_000].into(), 1009),
    ] {
        let mut socket = connect(client(&gateway, "/packets")).await;
        socket.send(message).await.unwrap();
        assert_eq!(u16::from(receive_close(&mut socket).await.code), code);
    }
}
