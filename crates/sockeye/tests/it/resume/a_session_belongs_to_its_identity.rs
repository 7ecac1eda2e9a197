use sockeye::{Client, CloseCode, Message, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::proxy::Proxy;
use super::{SUBPROTOCOL, Serving, client, reconnecting, serve};
use sockeye::resume::ResumableStream;

/// The reason of an end frame.
const UNKNOWN: u8 = 0x01;
const REPLACED: u8 = 0x04;

/// Opens a WebSocket for frames by hand.
async fn open(serving: &Serving, bearer: &str) -> WebSocket {
    let url = format!("ws://{}/", serving.address);
    let client = Client::new(url).subprotocols([SUBPROTOCOL]).bearer_auth(bearer);
    client.connect().await.unwrap()
}

async fn recv(ws: &mut WebSocket) -> Vec<u8> {
    ws.recv().await.unwrap().unwrap().as_bytes().to_vec()
}

/// Begins a session, and returns its token.
async fn begin(ws: &mut WebSocket) -> Vec<u8> {
    ws.send(Message::from([0x01, 0, 1, 0, 0].to_vec())).await.unwrap();
    let welcome = recv(ws).await;
    assert_eq!((welcome[0], welcome.len()), (0x02, 41));
    welcome[1..33].to_vec()
}

/// Returns an attach frame for a session without any bytes.
fn attach(token: &[u8], attempt: u32) -> Vec<u8> {
    [&[0x03], token, &attempt.to_be_bytes(), &[0; 16]].concat()
}

async fn assert_ended(mut ws: WebSocket, reason: u8) {
    assert_eq!(recv(&mut ws).await, [0x08, reason]);
    assert_eq!(ws.recv().await.unwrap(), None);
    assert_eq!(ws.close_frame().unwrap().code, CloseCode::NORMAL_CLOSURE);
}

#[tokio::test]
async fn a_stolen_token_is_unknown_to_another_identity() {
    let mut serving = serve(|sessions| sessions).await;
    let mut owner = open(&serving, "ada").await;
    let token = begin(&mut owner).await;
    let mut stream = serving.listener.accept().await.unwrap();
    assert_eq!(stream.identity(), Some("ada"));

    let mut thief = open(&serving, "eve").await;
    thief.send(attach(&token, 1)).await.unwrap();
    assert_ended(thief, UNKNOWN).await;

    // A wrong secret of the same name is no better, whoever presents it.
    let mut wrong = token.clone();
    wrong[31] ^= 1;
    let mut guess = open(&serving, "ada").await;
    guess.send(attach(&wrong, 1)).await.unwrap();
    assert_ended(guess, UNKNOWN).await;

    // The session goes on, on the owner's first WebSocket.
    stream.write_all(b"x").await.unwrap();
    assert_eq!(recv(&mut owner).await, [0x05, 0, 0, 0, 0, 0, 0, 0, 0, b'x']);
}

#[tokio::test]
async fn of_two_websockets_the_later_attempt_is_attached() {
    let mut serving = serve(|sessions| sessions).await;
    let mut first = open(&serving, "ada").await;
    let token = begin(&mut first).await;
    let mut stream = serving.listener.accept().await.unwrap();
    let [mut second, mut third] = [open(&serving, "ada").await, open(&serving, "ada").await];
    // The frame of the second attempt arrives after that of the third.
    third.send(attach(&token, 2)).await.unwrap();
    assert_eq!(recv(&mut third).await[0], 0x04);
    second.send(attach(&token, 1)).await.unwrap();
    assert_ended(second, REPLACED).await;
    assert_ended(first, REPLACED).await;
    stream.write_all(b"x").await.unwrap();
    assert_eq!(recv(&mut third).await[0], 0x05);
}

#[tokio::test]
async fn two_websockets_at_once_leave_one_attached() {
    let mut serving = serve(|sessions| sessions).await;
    let mut first = open(&serving, "ada").await;
    let token = begin(&mut first).await;
    let mut stream = serving.listener.accept().await.unwrap();
    stream.write_all(b"x").await.unwrap();
    let [mut a, mut b] = [open(&serving, "ada").await, open(&serving, "ada").await];
    let (sent_a, sent_b) = tokio::join!(a.send(attach(&token, 1)), b.send(attach(&token, 2)));
    sent_a.unwrap();
    sent_b.unwrap();
    // The later attempt wins, in whatever order the server reads the two.
    assert_eq!(recv(&mut b).await[0], 0x04);
    assert_eq!(recv(&mut b).await[..1], [0x05]);
    let mut last = recv(&mut a).await;
    while last[0] != 0x08 {
        last = recv(&mut a).await;
    }
    assert_eq!(last, [0x08, REPLACED]);
}

#[tokio::test]
async fn a_client_with_a_fresh_header_of_the_same_identity_continues() {
    let mut serving = serve(|sessions| sessions).await;
    let proxy = Proxy::start(serving.address).await;
    let url = format!("ws://{}/", proxy.address);
    let reconnecting = reconnecting(Client::new(url).bearer_auth("ada"));
    let mut client = ResumableStream::connect(reconnecting).await.unwrap();
    let mut server = serving.listener.accept().await.unwrap();
    assert_eq!((server.identity(), client.identity()), (Some("ada"), None));
    proxy.cut();
    server.write_all(b"on").await.unwrap();
    let mut bytes = [0; 2];
    client.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"on");
}

#[tokio::test]
async fn a_client_is_debugged_without_its_token() {
    let serving = serve(|sessions| sessions).await;
    let client = ResumableStream::connect(client(serving.address)).await.unwrap();
    let text = format!("{client:?} {:?}", serving.sessions);
    assert!(text.contains("is_attached: true") && !text.contains("oken"), "{text}");
}
