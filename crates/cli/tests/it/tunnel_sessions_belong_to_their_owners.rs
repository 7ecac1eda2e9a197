//! A session of `sockeye tunnel` goes on for the client that began it, whoever has its token.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use sockeye::handshake::HandshakeError;
use sockeye::{ConnectError, Error, Message};

use crate::program::connect::read_head;
use crate::program::tunnel::{Client, echo, exchange, serve};
use crate::program::{Server, file};

const OWNER: &str = "the-token-of-the-owner";
const THIEF: &str = "the-token-of-the-thief";

/// The token of a session.
type SessionToken = [u8; 32];

/// The end frame with the reason `unknown`, see `docs/resume-protocol.md`.
const UNKNOWN: [u8; 2] = [0x08, 0x01];

/// The first bytes of the message in which the server states the token: a frame with a binary
/// message of 41 bytes, of the type `welcome`.
const WELCOME: [u8; 3] = [0x82, 41, 0x02];

/// Starts a proxy in front of a server that reports the token of each session that begins through
/// it, and a WebSocket that continues one as `None`.
fn tap(server: &str) -> (SocketAddr, Receiver<Option<SessionToken>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (report, tokens) = mpsc::channel();
    let server = server.to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let mut up = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut up.0, &mut up.1);
                let _ = up.1.shutdown(Shutdown::Both);
            });
            let report = report.clone();
            thread::spawn(move || relay_and_report(server, client, &report));
        }
    });
    (address, tokens)
}

fn relay_and_report(
    mut server: TcpStream,
    mut client: TcpStream,
    report: &mpsc::Sender<Option<SessionToken>>,
) {
    // The client answers the head of the response, and then the server sends the first frame.
    let head = read_head(&mut server);
    client.write_all(head.as_bytes()).unwrap();
    let mut begin = WELCOME;
    server.read_exact(&mut begin).unwrap();
    client.write_all(&begin).unwrap();
    let token = (begin == WELCOME).then(|| {
        let mut token = SessionToken::default();
        server.read_exact(&mut token).unwrap();
        client.write_all(&token).unwrap();
        token
    });
    // The test may have ended.
    let _ = report.send(token);
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
}

/// Opens a WebSocket for frames by hand.
async fn open(url: &str, bearer: Option<&str>) -> Result<sockeye::WebSocket, ConnectError> {
    let client = sockeye::Client::new(url).subprotocols(["sockeye.resume.v1"]);
    match bearer {
        Some(bearer) => client.bearer_auth(bearer),
        None => client,
    }
    .connect()
    .await
}

/// Presents the token of a session, and returns the first message of the server.
async fn attach(url: &str, bearer: &str, token: &SessionToken, attempt: u32) -> Vec<u8> {
    let mut ws = open(url, Some(bearer)).await.unwrap();
    let frame = [&[0x03], &token[..], &attempt.to_be_bytes(), &[0; 16]].concat();
    ws.send(Message::from(frame)).await.unwrap();
    let answer = ws.recv().await.unwrap().unwrap().as_bytes().to_vec();
    if answer[0] == UNKNOWN[0] {
        // Nothing follows the end.
        assert!(matches!(ws.recv().await, Ok(None) | Err(Error::Closed(_))));
    }
    answer
}

/// Returns the status of the refusal of a client.
async fn refused(url: &str, bearer: Option<&str>) -> u16 {
    match open(url, bearer).await {
        Err(ConnectError::Handshake(HandshakeError::Status { status, .. })) => status.as_u16(),
        other => panic!("{other:?}"),
    }
}

/// A server with a session of the owner, whose token a proxy on the way has stolen.
struct Scene {
    server: Server,
    /// The URL of the server itself.
    url: String,
    owner: Client,
    token: SessionToken,
    /// The WebSockets of the owner after the first.
    reported: Receiver<Option<SessionToken>>,
}

impl Scene {
    /// Begins the session with a server that has these flags, too. The name is for files.
    fn begin(name: &str, flags: &[&str]) -> Self {
        let target = echo();
        let tokens = file(&format!("tunnel-sessions-{name}.txt"), &format!("{OWNER}\n{THIEF}\n"));
        let (tokens, allow) = (tokens.to_str().unwrap(), target.to_string());
        let server = serve(&[&["-v", "--token-file", tokens, "--allow", &allow], flags].concat());
        let (tap, reported) = tap(&server.address);
        let token = file("tunnel-sessions-owner.txt", &format!("{OWNER}\n"));
        let forward = format!("0:{target}");
        let flags = ["-L", &forward, "--token-file", token.to_str().unwrap()];
        let owner = Client::start(&format!("ws://{tap}/tunnel"), 1, &flags);
        let token = reported.recv().unwrap().expect("a session begins");
        let url = format!("ws://{}/tunnel", server.address);
        Self { server, url, owner, token, reported }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).map(digit).collect()
}

fn digit(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16).unwrap()
}

fn ping(connection: &mut TcpStream) {
    connection.write_all(b"!").unwrap();
    connection.read_exact(&mut [0]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_of_a_session_is_of_no_use_to_another_client() {
    let Scene { mut server, url, owner, token, reported } = Scene::begin("stolen", &[]);
    let mut connection = owner.dial(0);
    ping(&mut connection);

    // A client that is admitted, as another one, with the whole token.
    for attempt in [0, 1, u32::MAX] {
        assert_eq!(attach(&url, THIEF, &token, attempt).await, UNKNOWN);
        let line = server.wait_for_line("claimed by another identity");
        // The line names the session and the client, and does not have the secret.
        let (id, secret) = (hex(&token[..8]), hex(&token[8..12]));
        assert!(line.contains(&id) && !line.contains(&secret), "{line}");
        assert!(line.contains("WARN") && line.contains("peer=127.0.0.1:"), "{line}");
    }
    // Clients that are not admitted.
    assert_eq!(refused(&url, None).await, 401);
    server.wait_for("a client without a valid token was refused");
    assert_eq!(refused(&url, Some("a-token-that-is-guessed")).await, 401);
    server.wait_for("a client without a valid token was refused");

    // The owner's WebSocket was not replaced.
    ping(&mut connection);
    assert_eq!(exchange(owner.dial(0), "hello"), "hello");
    assert!(reported.try_recv().is_err(), "the owner has lost its WebSocket");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessed_tokens_lead_to_no_session() {
    let Scene { mut server, url, owner, token, reported } = Scene::begin("guessed", &[]);
    let mut connection = owner.dial(0);

    let guess = |from: usize, to: usize| {
        let mut guess = token;
        guess[from..to].iter_mut().for_each(|byte| *byte ^= 0x55);
        guess
    };
    // The name of the session with another secret, and other names with its secret. The bearer token
    // is that of the owner: only the token of the session is wrong.
    for (from, to) in [(31, 32), (8, 9), (8, 32), (0, 1), (0, 8), (0, 32)] {
        for bearer in [OWNER, THIEF] {
            assert_eq!(attach(&url, bearer, &guess(from, to), 9).await, UNKNOWN, "{from}..{to}");
        }
    }
    assert_eq!(attach(&url, OWNER, &[0; 32], 9).await, UNKNOWN);
    for _ in 0..6 {
        server.wait_for("claimed by another identity");
    }
    ping(&mut connection);
    assert!(reported.try_recv().is_err(), "the owner has lost its WebSocket");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_session_that_has_ended_is_of_no_use() {
    let Scene { mut server, url, owner, token, .. } =
        Scene::begin("ended", &["--session-expiry", "1s"]);
    assert_eq!(exchange(owner.dial(0), "a secret"), "a secret");
    owner.signal("TERM");
    owner.wait();
    server.wait_for("session ended");

    assert_eq!(attach(&url, THIEF, &token, 9).await, UNKNOWN);
    // The owner learns the end of the session for as long as it is kept, and nothing else.
    let mut attempt = 10;
    loop {
        let answer = attach(&url, OWNER, &token, attempt).await;
        if answer == UNKNOWN {
            break;
        }
        assert_eq!(answer[0], UNKNOWN[0], "{answer:?}");
        attempt += 1;
        // The log must be read, or the server waits.
        server.wait_for("client disconnected");
    }
    assert_eq!(attach(&url, OWNER, &token, u32::MAX).await, UNKNOWN);
}
