//! Servers that stop send every connection a close frame, drop those that do not end, and report
//! the numbers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashSet;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye::{
    CloseCode, CloseFrame, Drain, Drained, Error, Server, Shutdown, TimedOut, WebSocket, connect,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// The number of running handlers.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

struct One(Arc<AtomicUsize>);

impl Alive {
    fn enter(&self) -> One {
        self.0.fetch_add(1, Ordering::SeqCst);
        One(self.0.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<sockeye::Result<Drained>>,
    alive: Alive,
}

impl Running {
    async fn start<F>(
        configure: impl FnOnce(Server) -> Server,
        handler: impl Fn(WebSocket) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = sockeye::Result<()>> + Send + 'static,
    {
        let server = configure(Server::bind("127.0.0.1:0").await.unwrap());
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let alive = Alive::default();
        let counted = alive.clone();
        let handler = move |ws| {
            let (one, work) = (counted.enter(), handler(ws));
            async move {
                let _one = one;
                work.await
            }
        };
        let server = tokio::spawn(server.serve_with_shutdown(handler, async {
            let _ = stopped.await;
        }));
        Self { address, stop, server, alive }
    }

    async fn connect(&self) -> WebSocket {
        connect(format!("ws://{}/", self.address)).await.unwrap()
    }

    /// Returns a connection whose handler has echoed, and so runs.
    async fn met(&self) -> WebSocket {
        let mut ws = self.connect().await;
        ws.send("hello").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some("hello".into()));
        ws
    }
}

fn hint(frame: Option<&CloseFrame>, code: CloseCode) -> Duration {
    let frame = frame.expect("a close frame");
    assert_eq!(frame.code, code);
    Shutdown::retry_hint(frame).expect("a hint when to come back")
}

#[tokio::test]
async fn every_client_sees_the_code_and_a_hint_of_its_own() {
    let restart = Shutdown::restart()
        .timeout(Duration::from_secs(60))
        .spread(Duration::from_millis(50))
        .retry_after(Duration::from_secs(1)..=Duration::from_secs(600));
    let drain = Drain::new();
    let running = Running::start(|server| server.shutdown(restart).drain(&drain), echo).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(running.met().await);
    }
    assert_eq!(drain.connections(), 20);
    running.stop.send(()).unwrap();
    let mut hints = HashSet::new();
    for ws in &mut clients {
        assert_eq!(ws.recv().await.unwrap(), None);
        hints.insert(hint(ws.close_frame(), CloseCode::SERVICE_RESTART));
    }
    assert!(hints.len() > 10, "{hints:?}");
    let Running { server, alive, .. } = running;
    let drained = server.await.unwrap().unwrap();
    assert_eq!((drained.closed, drained.dropped, drained.left), (20, 0, 0));
    assert_eq!((alive.count(), drain.connections()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_go_is_dropped_with_its_handler_and_counted() {
    let (drain, alive) = (Drain::new(), Alive::default());
    let stuck_or_echo = |one: One| {
        async move |mut ws: WebSocket| {
            let _one = one;
            if ws.recv().await? == Some("stuck".into()) {
                // The handler does not use its connection any more.
                std::future::pending::<()>().await;
            }
            echo(ws).await
        }
    };
    let mut clients = Vec::new();
    for first in ["hello", "stuck", "hello"] {
        let (mut client, ws) = pair().await;
        tokio::spawn(drain.serve(ws, stuck_or_echo(alive.enter())));
        client.send(first).await.unwrap();
        clients.push(client);
    }
    // Shorter than the close timeout.
    let sooner = Shutdown::new().timeout(Duration::from_secs(3));
    let finish = tokio::spawn({
        let drain = drain.clone();
        async move { drain.finish(sooner).await }
    });
    // The last client never reads, so that it sends no reply.
    assert_eq!(clients[0].recv().await.unwrap(), None);
    hint(clients[0].close_frame(), CloseCode::GOING_AWAY);
    let drained = finish.await.unwrap();
    assert_eq!((drained.closed, drained.dropped, drained.left), (1, 2, 0));
    assert_eq!((alive.count(), drain.connections()), (0, 0));
    assert!(matches!(clients[1].recv().await, Err(Error::Disconnected)));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_only_sends_closes_with_its_next_message() {
    let drain = Drain::new();
    let (mut client, ws) = pair().await;
    let (report, reported) = oneshot::channel();
    let ticker = async move |mut ws: WebSocket| {
        let error = loop {
            match ws.send("tick").await {
                Ok(()) => sleep(Duration::from_millis(100)).await,
                Err(error) => break error,
            }
        };
        let _ = report.send(matches!(error, Error::Closed(_)));
    };
    tokio::spawn(drain.serve(ws, ticker));
    assert_eq!(client.recv().await.unwrap(), Some("tick".into()));
    let finish = tokio::spawn({
        let drain = drain.clone();
        async move { drain.finish(Shutdown::new()).await }
    });
    while client.recv().await.unwrap().is_some() {}
    hint(client.close_frame(), CloseCode::GOING_AWAY);
    assert!(reported.await.unwrap());
    let drained = finish.await.unwrap();
    assert_eq!((drained.closed, drained.dropped), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_answers_too_late_still_finishes_the_closing_handshake() {
    let drain = Drain::new();
    let (mut client, mut ws) = pair().await;
    drain.watch(&mut ws);
    let handler = tokio::spawn(echo(ws));
    let finish = tokio::spawn({
        let drain = drain.clone();
        async move { drain.finish(Shutdown::new()).await }
    });
    // Time advances once all tasks are idle: the close frame was sent, and then the message was
    // received.
    sleep(Duration::from_millis(10)).await;
    client.send("late").await.unwrap();
    sleep(Duration::from_millis(10)).await;
    assert!(!handler.is_finished());
    assert_eq!(client.recv().await.unwrap(), None);
    hint(client.close_frame(), CloseCode::GOING_AWAY);
    let error = handler.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Closed(_)), "{error:?}");
    let drained = finish.await.unwrap();
    assert_eq!((drained.closed, drained.dropped), (1, 0));
}

#[tokio::test]
async fn a_request_that_is_not_answered_is_no_connection() {
    let running = Running::start(|server| server, echo).await;
    let mut ws = running.met().await;
    let _silent = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let Running { stop, server, .. } = running;
    stop.send(()).unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
    let drained = server.await.unwrap().unwrap();
    assert_eq!((drained.closed, drained.dropped), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_amid_a_storm_of_clients_leaves_nobody() {
    let drain = Drain::new();
    let quick = Shutdown::new().spread(Duration::from_millis(20)).timeout(Duration::from_secs(60));
    let running = Running::start(|server| server.shutdown(quick).drain(&drain), echo).await;
    let url = format!("ws://{}/", running.address);
    let mut clients = tokio::task::JoinSet::new();
    let (met, mut first) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..64 {
        let (url, met) = (url.clone(), met.clone());
        clients.spawn(async move {
            // Until the server has stopped.
            while let Ok(mut ws) = connect(&url).await {
                for _ in 0..number % 7 {
                    if ws.send("hello").await.is_err() || !matches!(ws.recv().await, Ok(Some(_))) {
                        break;
                    }
                }
                let _ = met.send(());
                match number % 3 {
                    0 => drop(ws),
                    1 => while let Ok(Some(_)) = ws.recv().await {},
                    _ => ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap_or_default(),
                }
            }
        });
    }
    for _ in 0..64 {
        first.recv().await.unwrap();
    }
    let Running { stop, server, alive, .. } = running;
    stop.send(()).unwrap();
    let drained = server.await.unwrap().unwrap();
    assert_eq!((drained.dropped, drained.left), (0, 0), "{drained}");
    assert_eq!((alive.count(), drain.connections()), (0, 0));
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_dropped_takes_its_connections_along() {
    let drain = Drain::new();
    let running = Running::start(|server| server.drain(&drain), echo).await;
    let mut ws = running.met().await;
    running.server.abort();
    assert!(ws.recv().await.is_err());
    assert!(running.server.await.unwrap_err().is_cancelled());
    assert_eq!((running.alive.count(), drain.connections()), (0, 0));
}

/// Returns both ends of a connection.
async fn pair() -> (WebSocket, WebSocket) {
    let (client, server) = tokio::io::duplex(4096);
    let accept =
        tokio::spawn(async move { sockeye::upgrade::Upgrader::new().accept(server).await });
    let client = sockeye::Client::new("ws://example.com/").handshake(client).await.unwrap();
    (client, accept.await.unwrap().unwrap())
}

#[tokio::test]
async fn a_drain_closes_served_and_watched_connections() {
    let drain = Drain::new();
    let (mut served, ws) = pair().await;
    let task = tokio::spawn(drain.serve(ws, echo));
    let (mut watched, mut ws) = pair().await;
    drain.watch(&mut ws);
    let handler = tokio::spawn(echo(ws));
    assert_eq!(drain.connections(), 2);
    let finish = tokio::spawn({
        let drain = drain.clone();
        async move { drain.finish(Shutdown::restart()).await }
    });
    for client in [&mut served, &mut watched] {
        assert_eq!(client.recv().await.unwrap(), None);
        hint(client.close_frame(), CloseCode::SERVICE_RESTART);
    }
    let drained = finish.await.unwrap();
    assert_eq!((drained.closed, drained.dropped, drained.left), (2, 0, 0));
    assert_eq!(drain.connections(), 0);
    task.await.unwrap();
    handler.await.unwrap().unwrap();
    // A connection added after the drain is closed at once.
    let (mut late, ws) = pair().await;
    tokio::spawn(drain.serve(ws, echo));
    assert_eq!(late.recv().await.unwrap(), None);
    hint(late.close_frame(), CloseCode::SERVICE_RESTART);
}

#[tokio::test(start_paused = true)]
async fn a_connection_in_two_halves_is_closed_from_the_one_that_receives() {
    let drain = Drain::new();
    let (mut client, ws) = pair().await;
    tokio::spawn(drain.serve(ws, async |ws: WebSocket| {
        let (sender, mut receiver) = ws.split();
        while let Some(message) = receiver.recv().await? {
            sender.send(message).await?;
        }
        Ok::<_, Error>(())
    }));
    client.send("hello").await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some("hello".into()));
    let finish = tokio::spawn({
        let drain = drain.clone();
        async move { drain.finish(Shutdown::new()).await }
    });
    assert_eq!(client.recv().await.unwrap(), None);
    hint(client.close_frame(), CloseCode::GOING_AWAY);
    let drained = finish.await.unwrap();
    assert_eq!((drained.closed, drained.dropped), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_for_a_stalled_peer_times_out_with_the_drain() {
    let drain = Drain::new();
    // The test holds the client's end and never reads from it.
    let (_deaf, mut ws) = pair().await;
    drain.watch(&mut ws);
    let handler = tokio::spawn(echo(ws));
    let drained = drain.finish(Shutdown::new().timeout(Duration::from_secs(2))).await;
    assert_eq!((drained.closed, drained.dropped, drained.left), (0, 1, 0));
    let error = handler.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Closing)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_no_task_polls_is_counted_as_left() {
    let drain = Drain::new();
    let (_client, mut ws) = pair().await;
    drain.watch(&mut ws);
    let drained = drain.finish(Shutdown::new()).await;
    assert_eq!((drained.closed, drained.dropped, drained.left), (0, 1, 1));
    assert_eq!(drain.connections(), 1);
    drop(ws);
    assert_eq!(drain.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_guard_keeps_the_drain_waiting() {
    let drain = Drain::new();
    let (guard, watched) = (drain.guard(), drain.clone());
    let http = tokio::spawn(async move {
        watched.begun().await;
        sleep(Duration::from_secs(4)).await;
        drop(guard);
    });
    sleep(Duration::from_secs(60)).await;
    assert!(!http.is_finished());
    assert_eq!(drain.connections(), 0);
    let begun = tokio::time::Instant::now();
    let drained = drain.finish(Shutdown::new()).await;
    assert_eq!(begun.elapsed().as_secs(), 4);
    assert_eq!((drained.closed, drained.dropped, drained.guards), (0, 0, 0));
    http.await.unwrap();
    drain.begun().await;
}

#[tokio::test(start_paused = true)]
async fn a_guard_is_not_waited_for_beyond_the_timeout() {
    let (drain, alive) = (Drain::new(), Alive::default());
    let (_deaf, ws) = pair().await;
    let one = alive.enter();
    tokio::spawn(drain.serve(ws, async move |mut ws: WebSocket| {
        let _one = one;
        ws.recv().await.map(drop)
    }));
    let _guards = [drain.guard(), drain.guard()];
    let begun = tokio::time::Instant::now();
    let drained = drain.finish(Shutdown::new().timeout(Duration::from_secs(2))).await;
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert_eq!((drained.dropped, drained.left, drained.guards), (1, 0, 2));
    assert_eq!(alive.count(), 0);
}
