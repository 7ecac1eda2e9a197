use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sockeye::{Client, CloseCode, Config, Deflate, Message, WebSocket};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::behaviour::Behaviour;
use super::counts::Counts;
use super::rng::Rng;
use super::session_error::SessionError;
use crate::Class;

/// Timeout of an honest session. Chosen: the pauses of a session add up to less than 48 s, and the
/// machine may be busy.
const SESSION_TIMEOUT: Duration = Duration::from_secs(90);

/// The state that consecutive sessions of one slot share.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) counts: Arc<Counts>,
    pub(super) rng: Rng,
}

impl Session {
    /// Runs one session of a connection with this behaviour.
    pub(super) async fn run(
        &mut self,
        behaviour: Behaviour,
        address: SocketAddr,
    ) -> Result<(), SessionError> {
        match behaviour {
            Behaviour::Echo => self.echo(address, false).await,
            Behaviour::Fragments => self.echo(address, true).await,
            Behaviour::Idle => self.idle(address).await,
            Behaviour::SlowReader => self.slow_reader(address).await,
            Behaviour::Stopped => self.stopped(address).await,
            Behaviour::Flood => self.flood(address).await,
            Behaviour::Pings => self.pings(address).await,
            Behaviour::Silent => self.silent(address).await,
            Behaviour::HalfHead => self.half_head(address).await,
            Behaviour::HalfFrame => self.half_frame(address).await,
            Behaviour::RandomRequest => self.random_request(address).await,
            Behaviour::RandomFrames => self.random_frames(address).await,
            Behaviour::TooLong => self.too_long(address).await,
            Behaviour::Reset => self.reset(address).await,
            Behaviour::Unfinished => self.unfinished(address).await,
            Behaviour::ReconnectStorm => self.reconnect_storm(address).await,
            Behaviour::Bursts => self.bursts(address).await,
            Behaviour::Pauses => self.pauses(address).await,
        }
    }

    /// Sends messages, verifies the echoes, closes.
    pub(super) async fn echo(
        &mut self,
        address: SocketAddr,
        fragments: bool,
    ) -> Result<(), SessionError> {
        timeout(SESSION_TIMEOUT, self.echo_without_timeout(address, fragments))
            .await
            .map_err(|_| SessionError::TimedOut)?
    }

    async fn echo_without_timeout(
        &mut self,
        address: SocketAddr,
        fragments: bool,
    ) -> Result<(), SessionError> {
        let mut ws = self.connect(address).await?;
        for _ in 0..3 + self.rng.below(10) {
            let messages = self.messages(fragments);
            for message in &messages {
                if fragments {
                    self.send_in_fragments(&mut ws, message).await?;
                } else {
                    ws.feed(message.clone()).await?;
                }
            }
            ws.flush().await?;
            for message in &messages {
                let Some(echo) = ws.recv().await? else {
                    return Err(SessionError::Closed);
                };
                if echo != *message {
                    return Err(SessionError::WrongEcho);
                }
                self.counts.verified.fetch_add(1, Ordering::Relaxed);
            }
            pause(&mut ws, self.rng.time(1000, 4000)).await?;
        }
        close(ws).await
    }

    /// Answers pings for some time.
    pub(super) async fn idle(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        let mut ws = timeout(SESSION_TIMEOUT, self.connect(address))
            .await
            .map_err(|_| SessionError::TimedOut)??;
        pause(&mut ws, self.rng.time(5_000, 30_000)).await?;
        timeout(SESSION_TIMEOUT, close(ws)).await.map_err(|_| SessionError::TimedOut)?
    }

    async fn connect(&mut self, address: SocketAddr) -> Result<WebSocket, SessionError> {
        let url = format!("ws://{address}{}", Class::Echo.path());
        // The machine may be busy: only the server's timeouts are short.
        let client = Client::new(url).config(Config::new().close_timeout(SESSION_TIMEOUT));
        let client = if self.rng.one_in(4) { client.deflate(Deflate::new()) } else { client };
        Ok(client.connect().await.map_err(sockeye::Error::from)?)
    }

    /// Returns one long message or several short ones. All are sent before any echo is read, so
    /// they must fit into the buffers in between.
    fn messages(&mut self, fragments: bool) -> Vec<Message> {
        if fragments || self.rng.one_in(8) {
            let length = self.rng.below(if fragments { 200_000 } else { 60_000 });
            return vec![self.message(length)];
        }
        let count = 1 + self.rng.below(6);
        (0..count)
            .map(|_| {
                let length = self.rng.below(300);
                self.message(length)
            })
            .collect()
    }

    fn message(&mut self, length: usize) -> Message {
        if self.rng.one_in(2) {
            // Compressible, and with characters of more than one byte.
            let letters = ["a", "b", "ü", "日", " "];
            return (0..length / 2).map(|_| letters[self.rng.below(5)]).collect::<String>().into();
        }
        self.rng.bytes(length).into()
    }

    async fn send_in_fragments(
        &mut self,
        ws: &mut WebSocket,
        message: &Message,
    ) -> Result<(), SessionError> {
        let mut writer = ws.send_stream(message.kind()).await?;
        let mut rest = message.as_bytes();
        while !rest.is_empty() {
            let (part, later) = rest.split_at(rest.len().min(1 + self.rng.below(50_000)));
            writer.write_all(part).await?;
            // A flush ends a fragment; a text may be cut within a character.
            writer.flush().await?;
            rest = later;
        }
        Ok(writer.finish().await?)
    }
}

/// Answers pings, and expects nothing else.
async fn pause(ws: &mut WebSocket, time: Duration) -> Result<(), SessionError> {
    match timeout(time, ws.recv()).await {
        Ok(received) => {
            received?.map_or(Err(SessionError::Closed), |_| Err(SessionError::WrongEcho))
        }
        Err(_) => Ok(()),
    }
}

async fn close(mut ws: WebSocket) -> Result<(), SessionError> {
    ws.close(CloseCode::NORMAL_CLOSURE, "").await?;
    Ok(())
}
