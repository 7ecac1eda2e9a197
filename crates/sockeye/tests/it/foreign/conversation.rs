//! The messages of a connection, sent by this library's client and server; the foreign clients send
//! the same.

use std::future::Future;

use sockeye::upgrade::Options;
use sockeye::{Message, Server, WebSocket};

use super::parameters::Parameters;

/// Total length of the messages that do not compress, in bytes.
const NOISE: u64 = 125 + 126 + 127 + 65_535 + 65_536 + 300_000;

/// Total length of the repeated message, in bytes: it compresses only as a reference to the one
/// before.
const REPEATED: u64 = 50 * 2_000;

/// Minimum total length of all messages, in bytes.
const TOTAL: u64 = NOISE + REPEATED + 131_000 + 320_000 + 70_000;

/// The subprotocol of all servers.
pub(crate) const SUBPROTOCOL: &str = "fish";

/// Close code and reason of the servers that close at once.
pub(crate) const CLOSE_CODE: u16 = 4001;
pub(crate) const CLOSE_REASON: &str = "bye, 鮭";

/// Sends messages of all kinds and lengths, and expects each of them back.
pub(crate) async fn converse(ws: &mut WebSocket) -> sockeye::Result<()> {
    let mut noise = RandomBytes(7692);
    let mut messages: Vec<Message> = vec![
        "".into(),
        Vec::new().into(),
        "x".into(),
        vec![b'x'].into(),
        "grüße, 鮭 🐟".into(),
        "\0".into(),
    ];
    for length in [125, 126, 127, 65_535, 65_536] {
        messages.push("text ".chars().cycle().take(length).collect::<String>().into());
        messages.push(noise.bytes(length).into());
    }
    messages.push("swims upstream, ".repeat(20_000).into());
    messages.push(noise.bytes(300_000).into());
    messages.push(vec![0; 70_000].into());
    // With context takeover, all but the first are references to the one before.
    let repeated = noise.bytes(2_000);
    messages.extend(std::iter::repeat_n(Message::from(repeated), 50));

    for message in messages {
        ws.send(message.clone()).await?;
        let echoed = ws.recv().await?;
        assert!(echoed.as_ref() == Some(&message), "{} bytes came back changed", message.len());
    }
    for _ in 0..100 {
        ws.feed("many at once").await?;
    }
    ws.ping(b"are you there?").await?;
    for _ in 0..100 {
        assert_eq!(ws.recv().await?, Some("many at once".into()));
    }
    Ok(())
}

/// Checks the bytes on the wire in one direction: the agreed parameters must have been used.
pub(crate) fn assert_traffic(received: u64, no_context_takeover: bool, window_bits: u8) {
    if no_context_takeover || window_bits < 12 {
        assert!(received > NOISE + REPEATED, "{received} bytes: the context was taken over");
    } else {
        // Static Huffman codes make noise a sixteenth longer.
        let most = NOISE + NOISE / 16 + REPEATED / 4;
        assert!(received < most, "{received} bytes: the context was not taken over");
    }
    assert!(received < TOTAL / 4 * 3, "{received} bytes: not compressed");
}

/// Checks the bytes on the wire in one direction without permessage-deflate.
pub(crate) fn assert_plain_traffic(received: u64) {
    assert!(received > TOTAL, "{received} bytes: compressed");
}

/// Returns the options of this library's servers.
pub(crate) fn options(deflate: Option<Parameters>) -> Options {
    let options = Options::new().subprotocols([SUBPROTOCOL]);
    match deflate {
        Some(parameters) => options.deflate(parameters.for_server()),
        None => options,
    }
}

/// Echoes every message.
pub(crate) async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// Closes the connection at once.
pub(crate) async fn close_at_once(mut ws: WebSocket) -> sockeye::Result<()> {
    ws.close(CLOSE_CODE, CLOSE_REASON).await
}

/// Starts a server of this library, which ends with the test, and returns its URL.
pub(crate) async fn serve<H, F>(options: Options, handler: H) -> String
where
    H: Fn(WebSocket) -> F + Send + Sync + 'static,
    F: Future<Output = sockeye::Result<()>> + Send + 'static,
{
    let server = Server::bind("127.0.0.1:0").await.unwrap().options(options);
    let url = format!("ws://{}/", server.local_addr().unwrap());
    tokio::spawn(server.serve(handler));
    url
}

/// A source of incompressible bytes, the same in every run (xorshift).
struct RandomBytes(u64);

impl RandomBytes {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut byte = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0.to_be_bytes()[3]
        };
        std::iter::repeat_with(&mut byte).take(length).collect()
    }
}
