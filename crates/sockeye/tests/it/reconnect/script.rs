//! Scripted servers: each attempt to connect takes the next step of the test's script.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sockeye::reconnect::{Event, Reconnecting};
use sockeye::upgrade::Upgrader;
use sockeye::{Client, ConnectError, Error, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

type Served = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The outcome of an attempt.
pub(crate) enum Step {
    /// The connection is refused.
    Refuse,
    /// The request is answered with this response, and nothing more.
    Answer(&'static str),
    /// The connection opens, and the server runs this script before it drops the connection.
    Serve(Box<dyn FnOnce(WebSocket) -> Served + Send>),
}

pub(crate) fn serve<F>(script: impl FnOnce(WebSocket) -> F + Send + 'static) -> Step
where
    F: Future<Output = ()> + Send + 'static,
{
    Step::Serve(Box::new(move |ws| Box::pin(script(ws))))
}

/// The heads of the requests that were answered.
#[derive(Clone, Default)]
pub(crate) struct Heads(Arc<Mutex<Vec<String>>>);

impl Heads {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Returns a client whose attempts take these steps in order; further attempts are refused.
pub(crate) fn scripted(steps: impl IntoIterator<Item = Step>) -> Reconnecting {
    recorded(steps, &Heads::default())
}

pub(crate) fn recorded(steps: impl IntoIterator<Item = Step>, heads: &Heads) -> Reconnecting {
    let steps = Arc::new(Mutex::new(steps.into_iter().collect::<VecDeque<_>>()));
    let heads = heads.clone();
    Reconnecting::new(Client::new("ws://example.com/")).connect_by(move |client| {
        let step = steps.lock().unwrap().pop_front().unwrap_or(Step::Refuse);
        let heads = heads.clone();
        async move {
            let (stream, mut server) = duplex(4096);
            match step {
                Step::Refuse => {
                    return Err(ConnectError::Io(io::ErrorKind::ConnectionRefused.into()));
                }
                Step::Answer(answer) => drop(tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(server.read_u8().await.unwrap());
                    }
                    heads.0.lock().unwrap().push(String::from_utf8(head).unwrap());
                    server.write_all(answer.as_bytes()).await.unwrap();
                })),
                Step::Serve(script) => drop(tokio::spawn(async move {
                    script(Upgrader::new().accept(server).await.unwrap()).await;
                })),
            }
            client.handshake(stream).await
        }
    })
}

/// Returns a short description of the next event, without the delay before an attempt.
pub(crate) async fn next(reconnecting: &mut Reconnecting) -> String {
    describe(reconnecting.next().await)
}

pub(crate) fn describe(event: Result<Option<Event>, Error>) -> String {
    match event {
        Ok(Some(Event::Scheduled { attempt, .. })) => format!("scheduled {attempt}"),
        Ok(Some(Event::Failed(error))) => format!("failed: {error}"),
        Ok(Some(Event::Connected)) => "connected".into(),
        Ok(Some(Event::Message(message))) => format!("message: {message}"),
        Ok(Some(Event::Closed(Some(frame)))) => format!("closed: {frame}"),
        Ok(Some(Event::Closed(None))) => "closed".into(),
        Ok(Some(Event::Lost(error))) => format!("lost: {error}"),
        Ok(Some(other)) => format!("{other:?}"),
        Ok(None) => "over".into(),
        Err(error) => format!("error: {error}"),
    }
}

/// Returns the delay before the next attempt, and skips the events before it.
pub(crate) async fn next_delay(reconnecting: &mut Reconnecting) -> Duration {
    loop {
        if let Event::Scheduled { delay, .. } = reconnecting.next().await.unwrap().unwrap() {
            return delay;
        }
    }
}
