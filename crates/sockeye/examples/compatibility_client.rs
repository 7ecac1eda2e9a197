//! Tests an echo server, for `ci/compatibility.sh`: every message must come back unchanged, a ping
//! must be answered, and the closing handshake must end soon. Prints the negotiated extensions in
//! one line.
//!
//!     cargo run --example compatibility_client --features http2 -- [--http2] URL

use std::time::{Duration, Instant};

use sockeye::{Client, CloseCode, Deflate, Message};

/// Maximum duration of a closing handshake. The default timeout, 5 s, would mean that the peer did
/// not finish it.
const SOON: Duration = Duration::from_secs(3);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let http2 = arguments.first().is_some_and(|argument| argument == "--http2");
    let url = arguments.pop().ok_or("a URL was expected")?;

    let client = Client::new(&url).deflate(Deflate::new());
    let mut ws = if http2 {
        client.connect_http2().await?.open_as(&client).await?
    } else {
        client.connect().await?
    };
    let noise: Vec<u8> =
        (0..300_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let mut messages: Vec<Message> = vec![
        "grüße, 鮭 🐟".into(),
        "\0".into(),
        "".into(),
        Vec::new().into(),
        "text ".repeat(64_000).into(),
        noise.clone().into(),
    ];
    messages.extend([65_536, 65_535, 126, 125].map(|length| noise[..length].into()));
    messages.extend(std::iter::repeat_n(Message::from(&noise[..2_000]), 20));
    for message in &messages {
        ws.send(message.clone()).await?;
        if ws.recv().await?.as_ref() != Some(message) {
            return Err(format!("{} bytes came back changed", message.len()).into());
        }
    }
    ws.ping(b"salmon").await?;
    ws.send("after the ping").await?;
    if ws.recv().await? != Some("after the ping".into()) {
        return Err("the message after the ping came back changed".into());
    }
    let begin = Instant::now();
    ws.close(CloseCode::NORMAL_CLOSURE, "done").await?;
    if begin.elapsed() > SOON {
        return Err(format!("closing took {:?}", begin.elapsed()).into());
    }
    println!("{}", ws.extensions().unwrap_or("no extension"));
    Ok(())
}
