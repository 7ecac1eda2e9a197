//! A proxy in front of a server, which breaks connections and loses acknowledgements.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The next acknowledgement from the server is dropped, and all connections end.
    losing: AtomicBool,
    /// The next first reply of a batch is dropped.
    losing_reply: AtomicBool,
    lost: AtomicUsize,
    end: Notify,
}

impl Proxy {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, shared.clone()));
            }
        });
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Drops the next acknowledgement of a publication, and ends all connections then.
    pub(crate) fn lose_next_acknowledgement(&self) {
        self.state.losing.store(true, Ordering::SeqCst);
    }

    /// Drops the next reply that is the first one of a batch.
    pub(crate) fn lose_first_reply(&self) {
        self.state.losing_reply.store(true, Ordering::SeqCst);
    }

    /// Returns the number of lost acknowledgements and replies.
    pub(crate) fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }

    /// Ends all connections.
    pub(crate) fn end_connections(&self) {
        self.state.end.notify_waiters();
    }
}

async fn relay(client: TcpStream, server: u16, state: Arc<State>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let forwards = async { tokio::io::copy(&mut from_client, &mut to_server).await };
    let backwards = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            let is_acknowledgement = buffer[..length].windows(6).any(|part| part == b"\"seq\":");
            if is_acknowledgement && state.losing.swap(false, Ordering::SeqCst) {
                state.lost.fetch_add(1, Ordering::SeqCst);
                state.end.notify_waiters();
                return;
            }
            let mut received = &buffer[..length];
            if state.losing_reply.load(Ordering::SeqCst) {
                if let Some((before, after)) = around_first_reply(received) {
                    state.losing_reply.store(false, Ordering::SeqCst);
                    state.lost.fetch_add(1, Ordering::SeqCst);
                    if to_client.write_all(before).await.is_err() {
                        return;
                    }
                    received = after;
                }
            }
            if to_client.write_all(received).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = forwards => {}
        () = backwards => {}
        () = state.end.notified() => {}
    }
}

/// Returns what is before and after the first reply of a batch, if it was received as a whole.
fn around_first_reply(received: &[u8]) -> Option<(&[u8], &[u8])> {
    let find = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).position(|at| at == part);
    let header = find(received, b"Nats-Last-Sequence: 0\r\n")?;
    // HMSG SUBJECT SUBSCRIPTION LENGTH LENGTH
    let start = received[..header].windows(5).rposition(|at| at == b"HMSG ")?;
    let line = &received[start..start + find(&received[start..], b"\r\n")?];
    let length = std::str::from_utf8(line).ok()?.rsplit(' ').next()?.parse::<usize>().ok()?;
    let end = start + line.len() + 2 + length + 2;
    Some((&received[..start], received.get(end..)?))
}
