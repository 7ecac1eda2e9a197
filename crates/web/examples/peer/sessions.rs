//! Servers of resumable sessions, and relays that cut their connections.

use std::time::Duration;

use sockeye::Server;
use sockeye::handshake::OriginPolicy;
use sockeye::resume::{self, Limits, ResumableStream, SUBPROTOCOL};
use sockeye::upgrade::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Entry;

/// Serves sessions that send back their bytes, until released. The fate is the length of a session
/// that has ended, or that the server is gone.
pub(super) async fn serve(listener: TcpListener, expiry: Duration, entry: watch::Sender<Entry>) {
    let (mut streams, sessions) = resume::listener();
    let sessions = sessions.limits(Limits::new().expiry(expiry));
    let options = Options::new().origins(OriginPolicy::any()).subprotocols([SUBPROTOCOL]);
    let server = Server::from_listener(listener).options(options).serve(move |ws| {
        let sessions = sessions.clone();
        async move { sessions.serve(ws, "anyone").await }
    });
    let accepting = async {
        while let Some(stream) = streams.accept().await {
            let entry = entry.clone();
            tokio::spawn(async move {
                let length = echo(stream).await?;
                entry.send_modify(|entry| entry.fate = Some(format!("{length} bytes")));
                Ok::<_, std::io::Error>(())
            });
        }
    };
    let mut word = entry.subscribe();
    tokio::select! {
        _ = server => {}
        () = accepting => {}
        _ = word.wait_for(|entry| entry.released) => {}
    }
    entry.send_modify(|entry| entry.fate = Some("gone".into()));
}

async fn echo(stream: ResumableStream) -> std::io::Result<u64> {
    let (mut reader, mut writer) = split(stream);
    let length = copy(&mut reader, &mut writer).await?;
    writer.shutdown().await?;
    Ok(length)
}

/// Passes connections on to a port, and cuts each of the first `cuts` after a random number of
/// bytes of at most `longest` in either direction, the opening handshake included, and all open
/// ones when released. The progress is the number of connections.
pub(super) async fn relay(
    listener: TcpListener,
    port: u16,
    cuts: usize,
    longest: usize,
    entry: watch::Sender<Entry>,
) {
    let mut random = 0x9e37_79b9_7f4a_7c15;
    let mut accepted = 0;
    while let Ok((client, _)) = listener.accept().await {
        let budgets = if accepted < cuts {
            [(); 2].map(|()| 1 + next(&mut random) % longest.max(1))
        } else {
            [usize::MAX; 2]
        };
        accepted += 1;
        entry.send_modify(|entry| entry.progress += 1);
        tokio::spawn(pass(client, port, budgets, entry.clone()));
    }
}

async fn pass(client: TcpStream, port: u16, budgets: [usize; 2], entry: watch::Sender<Entry>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    // The sockets are reset, as by a network that is gone.
    let _ = client.set_zero_linger();
    let _ = server.set_zero_linger();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut word = entry.subscribe();
    let was_released = word.borrow().released;
    tokio::select! {
        _ = word.wait_for(|entry| entry.released), if !was_released => {}
        () = copy_part(from_client, to_server, budgets[0]) => {}
        () = copy_part(from_server, to_client, budgets[1]) => {}
    }
}

/// Copies bytes until the end of `from`, or until as many were copied.
async fn copy_part(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut budget: usize) {
    let mut buffer = vec![0; 16 * 1024];
    while budget > 0 {
        let most = buffer.len().min(budget);
        let Ok(length @ 1..) = from.read(&mut buffer[..most]).await else { return };
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
        budget -= length;
    }
}

/// Returns the next number of a sequence (xorshift).
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap_or(0)
}
