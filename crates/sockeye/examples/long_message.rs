//! Sends one long message each way over loopback TCP, in fragments that are read as they come, and
//! prints how much memory that took: a gibibyte passes within 4 MiB.
//!
//!     cargo run --release -p sockeye --example long_message -- 1024
//!
//! The argument is the length in MiB. A second argument, `deflate`, enables compression.

use std::time::Instant;

use sockeye::upgrade::{HostPolicy, Options, Upgrader};
use sockeye::{Client, Deflate, Kind, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let length = arguments.next().map_or(Ok(1024), |mebibytes| mebibytes.parse::<u64>())? << 20;
    let deflate = arguments.next().is_some_and(|argument| argument == "deflate");

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut client = Client::new(format!("ws://{}/", listener.local_addr()?));
    let mut options = Options::new().allow_hosts(HostPolicy::loopback());
    if deflate {
        client = client.deflate(Deflate::new());
        options = options.deflate(Deflate::new());
    }
    let accept = async {
        let (stream, _) = listener.accept().await?;
        Ok(Upgrader::new().options(options).accept(stream).await?)
    };
    let (mut client, mut server) = tokio::try_join!(
        async { Ok::<_, Box<dyn std::error::Error>>(client.connect().await?) },
        accept
    )?;

    let before = peak_memory();
    report("up", &mut client, &mut server, length).await?;
    report("down", &mut server, &mut client, length).await?;
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        println!("peak memory grew by {} KiB", after - before);
    }
    Ok(())
}

async fn report(
    way: &str,
    sender: &mut WebSocket,
    receiver: &mut WebSocket,
    length: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let ((), arrived) = tokio::try_join!(send(sender, length), receive(receiver))?;
    assert_eq!(arrived, length);
    println!("{way}: {} MiB in {:.2?}", arrived >> 20, start.elapsed());
    Ok(())
}

async fn send(ws: &mut WebSocket, length: u64) -> Result<(), Box<dyn std::error::Error>> {
    let line = b"sockeye swim both ways, up the river and down to the sea\n".repeat(1000);
    let mut message = ws.send_stream(Kind::Binary).await?;
    let mut left = length;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(line.len());
        message.write_all(&line[..part]).await?;
        left -= part as u64;
    }
    Ok(message.finish().await?)
}

async fn receive(ws: &mut WebSocket) -> Result<u64, Box<dyn std::error::Error>> {
    let mut message = ws.recv_stream().await?.ok_or("closed")?;
    let mut buffer = vec![0; 32 * 1024];
    let mut received = 0;
    loop {
        match message.read(&mut buffer).await? {
            0 => return Ok(received),
            length => received += length as u64,
        }
    }
}

/// Returns the peak memory of this process, in KiB, if the system reports it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
