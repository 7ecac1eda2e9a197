//! The server of the browser tests. Each path has its own behaviour. Prints its address, then
//! serves.
//!
//!     cargo run -p sockeye-web --example test_peer
//!
//! Connections with `id` record their outcome, which `/fate` returns, or their progress, which
//! `/progress` returns once the progress no longer changes.

#[cfg(not(target_family = "wasm"))]
mod peer {
    mod sessions;

    use std::collections::HashMap;
    use std::future::pending;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    use sockeye::handshake::OriginPolicy;
    use sockeye::upgrade::{Admission, Options, Refusal, UpgradeRequest};
    use sockeye::{CloseCode, Message, Server, WebSocket};
    use tokio::net::TcpListener;
    use tokio::sync::watch;

    /// Time for which a count must stay the same to count as stuck. On a machine that stalls for
    /// longer, a test of backpressure shows less, and does not fail.
    const STUCK: Duration = Duration::from_millis(500);

    /// The records of the connections with an `id`.
    #[derive(Clone, Default)]
    struct Book(Arc<Mutex<HashMap<String, watch::Sender<Entry>>>>);

    #[derive(Clone, Debug, Default)]
    struct Entry {
        progress: u64,
        released: bool,
        fate: Option<String>,
    }

    impl Book {
        fn entry(&self, id: &str) -> watch::Sender<Entry> {
            let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            entries.entry(id.to_owned()).or_default().clone()
        }
    }

    /// The parameters of a request.
    #[derive(Clone)]
    struct Task {
        path: String,
        entry: watch::Sender<Entry>,
        code: u16,
        reason: String,
        count: usize,
        length: usize,
        port: u16,
    }

    impl Task {
        fn new(request: &UpgradeRequest, book: &Book) -> Self {
            let text = |name| request.query(name).unwrap_or_default().into_owned();
            let number = |name| text(name).parse().unwrap_or(0);
            Self {
                path: request.path().to_owned(),
                entry: book.entry(&text("id")),
                code: text("code").parse().unwrap_or(1000),
                reason: text("reason"),
                count: number("count"),
                length: number("length"),
                port: text("port").parse().unwrap_or(0),
            }
        }
    }

    async fn admit(request: UpgradeRequest, book: Book) -> Result<Admission, Refusal> {
        match request.path() {
            "/refuse" => Err(Refusal::forbidden("not you\n")),
            "/stall" => pending().await,
            _ => Ok(Admission::new().data(Task::new(&request, &book))),
        }
    }

    async fn serve(mut ws: WebSocket) {
        let Some(task) = ws.data::<Task>().cloned() else { return };
        let about_another = matches!(
            task.path.as_str(),
            "/fate" | "/progress" | "/release" | "/server" | "/sessions" | "/relay"
        );
        let fate = match act(&mut ws, &task).await {
            _ if about_another => return,
            Ok(received) => match ws.close_frame() {
                Some(frame) => format!("{} after {received} bytes", u16::from(frame.code)),
                None => format!("no code after {received} bytes"),
            },
            Err(error) => format!("error: {error}"),
        };
        task.entry.send_modify(|entry| entry.fate = Some(fate));
        if task.path == "/die" {
            end_without_a_close_frame(ws).await;
        }
    }

    /// Ends the transport as a crashed program does: sent data arrives, and no close frame follows.
    async fn end_without_a_close_frame(ws: WebSocket) {
        if let Ok((_, mut frames)) = ws.into_frames(1024) {
            let _ = frames.shutdown().await;
        }
    }

    /// Performs the behaviour of the path until the connection ends. Returns the number of bytes
    /// received.
    async fn act(ws: &mut WebSocket, task: &Task) -> sockeye::Result<usize> {
        let mut entry = task.entry.subscribe();
        match task.path.as_str() {
            "/echo" => return echo(ws).await,
            "/close" => ws.close(CloseCode::from(task.code), task.reason.as_str()).await?,
            "/say" => ws.send(task.reason.as_str()).await?,
            "/send_and_close" => {
                for _ in 0..task.count {
                    ws.send(vec![0; task.length]).await?;
                }
                ws.close(CloseCode::from(task.code), task.reason.as_str()).await?;
            }
            "/flood" => {
                for number in 0..task.count {
                    let mut payload = vec![0; task.length];
                    payload[..8].copy_from_slice(&(number as u64).to_le_bytes());
                    ws.send(payload).await?;
                    task.entry.send_modify(|entry| entry.progress = number as u64 + 1);
                }
            }
            "/progress" => {
                let progress = stalled_progress(&mut entry).await;
                ws.send(progress.to_string()).await?;
            }
            "/fate" => {
                let fate = entry.wait_for(|entry| entry.fate.is_some()).await;
                let fate = fate.ok().and_then(|entry| entry.fate.clone()).unwrap_or_default();
                ws.send(fate).await?;
            }
            "/deaf" => {
                let _ = entry.wait_for(|entry| entry.released).await;
            }
            "/mute" => pending().await,
            "/release" => {
                task.entry.send_modify(|entry| entry.released = true);
                ws.send("released").await?;
            }
            "/die" => {
                let mut received = 0;
                while received < task.count {
                    let Some(message) = ws.recv().await? else { break };
                    received += message.len();
                    ws.send(message).await?;
                }
                return Ok(received);
            }
            "/unused_port" => {
                let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
                ws.send(port.to_string()).await?;
            }
            "/server" => {
                let listener = TcpListener::bind(("127.0.0.1", task.port)).await?;
                let port = listener.local_addr()?.port();
                tokio::spawn(echo_until_released(listener, task.entry.clone()));
                ws.send(port.to_string()).await?;
            }
            "/sessions" => {
                let listener = TcpListener::bind(("127.0.0.1", task.port)).await?;
                let port = listener.local_addr()?.port();
                let expiry = Duration::from_millis(task.length as u64);
                tokio::spawn(sessions::serve(listener, expiry, task.entry.clone()));
                ws.send(port.to_string()).await?;
            }
            "/relay" => {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let port = listener.local_addr()?.port();
                let (cuts, entry) = (task.count, task.entry.clone());
                tokio::spawn(sessions::relay(listener, task.port, cuts, task.length, entry));
                ws.send(port.to_string()).await?;
            }
            "/http" => return http(ws).await,
            _ => {}
        }
        count(ws).await
    }

    async fn echo(ws: &mut WebSocket) -> sockeye::Result<usize> {
        let mut received = 0;
        while let Some(message) = ws.recv().await? {
            received += message.len();
            ws.send(message).await?;
        }
        Ok(received)
    }

    /// A server of its own, which is gone with all its connections when it is released; this is its
    /// fate.
    async fn echo_until_released(listener: TcpListener, entry: watch::Sender<Entry>) {
        let server = Server::from_listener(listener)
            .options(Options::new().origins(OriginPolicy::any()))
            .serve(|mut ws| async move { echo(&mut ws).await.map(drop) });
        let mut word = entry.subscribe();
        tokio::select! {
            _ = server => {}
            _ = word.wait_for(|entry| entry.released) => {}
        }
        // By now its port is free.
        entry.send_modify(|entry| entry.fate = Some("gone".into()));
    }

    async fn count(ws: &mut WebSocket) -> sockeye::Result<usize> {
        let mut received = 0;
        while let Some(message) = ws.recv().await? {
            received += message.len();
        }
        Ok(received)
    }

    /// Answers one HTTP/1.1 request in a byte stream with its path.
    async fn http(ws: &mut WebSocket) -> sockeye::Result<usize> {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let Some(message) = ws.recv().await? else { return Ok(request.len()) };
            request.extend_from_slice(message.as_bytes());
        }
        let head = String::from_utf8_lossy(&request);
        let path = head.split(' ').nth(1).unwrap_or_default();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", path.len());
        // In pieces with arbitrary boundaries.
        for piece in [head.as_bytes(), b"\r", b"\n", path.as_bytes()] {
            ws.send(Message::from(piece)).await?;
        }
        ws.close(CloseCode::NORMAL_CLOSURE, "").await?;
        Ok(request.len())
    }

    /// Returns the progress, once it has not changed for [`STUCK`].
    async fn stalled_progress(entry: &mut watch::Receiver<Entry>) -> u64 {
        loop {
            let progress = entry.borrow_and_update().progress;
            if tokio::time::timeout(STUCK, entry.changed()).await.is_err() {
                return progress;
            }
        }
    }

    #[tokio::main(flavor = "current_thread")]
    pub(super) async fn main() -> sockeye::Result<()> {
        let server = Server::bind("127.0.0.1:0").await?;
        println!("ws://{}", server.local_addr()?);
        let book = Book::default();
        let options = Options::new().origins(OriginPolicy::any()).subprotocols(["chat.v2"]);
        server
            .options(options)
            .admit(move |request| admit(request, book.clone()))
            .serve(serve)
            .await
    }
}

#[cfg(not(target_family = "wasm"))]
fn main() -> sockeye::Result<()> {
    peer::main()
}

/// A browser cannot run servers.
#[cfg(target_family = "wasm")]
fn main() {}
