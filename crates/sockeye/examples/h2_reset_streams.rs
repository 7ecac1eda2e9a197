//! h2 keeps streams that were reset while they waited for send capacity: the minimal case of
//! `docs/h2-reset-streams.md`.
//!
//!     cargo run --release -p sockeye --example h2_reset_streams
//!
//! The program reads its memory use from `/proc`, and so needs Linux.

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, client, server};
use http::{Request, Response};
use tokio::io::{DuplexStream, duplex};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Number of streams that are opened and reset at a time, and the number of repetitions.
const STREAMS: usize = 99;
const ROUNDS: usize = 1000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (near, far) = duplex(1 << 20);
    tokio::spawn(serve(far));
    let (sender, connection) = client::handshake(near).await?;
    tokio::spawn(connection);

    // The body of 100,000 bytes uses up the connection's window of 65,535 bytes, and is never read.
    let mut blocking = ask(&sender).await?;
    println!("streams reset  resident bytes  bytes a stream");
    let mut before = 0;
    for round in 0..=ROUNDS {
        let mut answers = Vec::new();
        for _ in 0..STREAMS {
            answers.push(ask(&sender).await?);
        }
        // Dropping the body of an answer resets its stream.
        drop(answers);
        yield_until_idle().await;
        if round == 0 {
            before = resident()?;
        } else if round % 250 == 0 {
            let (streams, resident) = (round * STREAMS, resident()?);
            println!("{streams:13}  {resident:14}  {:14}", (resident - before) / streams);
        }
    }
    // Reading the blocking body opens all windows.
    let mut received = 0;
    while let Some(data) = blocking.data().await {
        let length = data?.len();
        received += length;
        blocking.flow_control().release_capacity(length)?;
    }
    yield_until_idle().await;
    println!("after {received} bytes were read: {} bytes are resident", resident()?);
    Ok(())
}

async fn ask(sender: &SendRequest<Bytes>) -> Result<RecvStream> {
    let mut sender = sender.clone().ready().await?;
    let request = Request::get("http://example.com/").body(())?;
    Ok(sender.send_request(request, true)?.0.await?.into_body())
}

/// Answers each request with a body that cannot be sent while the connection's window is used up.
async fn serve(stream: DuplexStream) -> Result<()> {
    let mut connection = server::handshake(stream).await?;
    let content = Bytes::from(vec![0; 100_000]);
    while let Some(request) = connection.accept().await {
        let (_, mut answer) = request?;
        let mut body = answer.send_response(Response::new(()), false)?;
        body.send_data(content.clone(), true)?;
    }
    Ok(())
}

/// Yields until the tasks of both connections have no more work.
async fn yield_until_idle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

/// Returns the memory of the process, in bytes.
fn resident() -> Result<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split(' ').nth(1).unwrap_or("0").parse()?;
    Ok(pages * 4096)
}
