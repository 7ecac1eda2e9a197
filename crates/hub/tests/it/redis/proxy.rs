//! A proxy in front of a server, which loses replies on command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The next bytes from the server are dropped, and all connections end.
    losing: AtomicBool,
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

    /// Drops the next reply of the server, and ends all connections then.
    pub(crate) fn lose_next_reply(&self) {
        self.state.losing.store(true, Ordering::SeqCst);
    }

    /// Returns the number of lost replies.
    pub(crate) fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }
}

async fn relay(client: TcpStream, server: u16, state: Arc<State>) {
    let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let forwards = async { tokio::io::copy(&mut from_client, &mut to_server).await };
    let backwards = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            // The acknowledgement begins as an array of three; pings and publications do not.
            let is_reply = buffer.starts_with(b"*3\r\n");
            if is_reply && state.losing.swap(false, Ordering::SeqCst) {
                state.lost.fetch_add(1, Ordering::SeqCst);
                state.end.notify_waiters();
                return;
            }
            if to_client.write_all(&buffer[..length]).await.is_err() {
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
