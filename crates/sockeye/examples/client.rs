//! Sends each line of the standard input and prints the replies.
//!
//!     cargo run -p sockeye --example client -- ws://127.0.0.1:8080/echo

use sockeye::CloseCode;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080/echo".into());
    let mut ws = sockeye::connect(&url).await?;
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            message = ws.recv() => match message? {
                Some(message) => println!("{message}"),
                None => break,
            },
            line = lines.next_line() => match line? {
                Some(line) => ws.send(line).await?,
                None => ws.close(CloseCode::NORMAL_CLOSURE, "end of input").await?,
            },
        }
    }
    if let Some(frame) = ws.close_frame() {
        println!("closed: {frame}");
    }
    Ok(())
}
