//! Sessions that violate the protocol or exceed a timeout of the server.

use std::net::SocketAddr;
use std::time::Duration;

use sockeye::CloseCode;
use sockeye::frame::{Header, OpCode};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::peer::{Peer, frame, request};
use super::session::Session;
use super::session_error::SessionError;
use crate::Class;
use crate::serve::MAX_MESSAGE_LENGTH;

/// Timeout within which the server must disconnect a peer. Longer than the server's longest timeout
/// (silence: 3 to 6 s before the ping and 8 s after it), with a margin for a busy machine.
pub(super) const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for which a peer that does not read waits before it checks whether it was disconnected.
/// Longer than the server's longest timeout: see [`DISCONNECT_TIMEOUT`].
const STOPPED_FOR: Duration = Duration::from_secs(25);

/// Timeout of a write to a peer that may not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);

/// Number of messages or pings that a flood sends at a time. Chosen.
const FLOOD_COUNT: usize = 200;

/// Size of a small receive buffer, in bytes: the system makes it as small as it can.
pub(super) const SMALL_BUFFER: Option<u32> = Some(4096);

impl Session {
    pub(super) async fn slow_reader(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        let mut peer = Peer::upgraded(address, Class::Feed, SMALL_BUFFER).await?;
        for _ in 0..2 + self.rng.below(4) {
            if peer.send(OpCode::Text, b"more").await.is_err() {
                return Ok(());
            }
            let mut remaining = 40_000;
            while remaining > 0 {
                sleep(Duration::from_millis(100)).await;
                match peer.discard(4096).await {
                    // The queue's policy may disconnect a slow peer.
                    Ok(0) | Err(_) => return Ok(()),
                    Ok(length) => remaining -= length.min(remaining),
                }
            }
        }
        if self.rng.one_in(2) { Ok(peer.reset()?) } else { Ok(()) }
    }

    pub(super) async fn stopped(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        let mut peer = Peer::upgraded(address, Class::Feed, SMALL_BUFFER).await?;
        let begin = Instant::now();
        for _ in 0..100 {
            // The peer was disconnected already, or the write waits for buffer space that never
            // comes.
            if !matches!(timeout(WRITE_TIMEOUT, peer.send(OpCode::Text, b"more")).await, Ok(Ok(())))
            {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        sleep(STOPPED_FOR.saturating_sub(begin.elapsed())).await;
        // Data in flight is not read: that may take long with such small buffers. If the peer was
        // disconnected, the system answers with a reset.
        for _ in 0..20 {
            if !matches!(
                timeout(WRITE_TIMEOUT, peer.send(OpCode::Text, b"hello?")).await,
                Ok(Ok(()))
            ) {
                return Ok(());
            }
            sleep(Duration::from_millis(250)).await;
        }
        Err(peer.not_disconnected())
    }

    pub(super) async fn flood(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        let mut peer = Peer::upgraded(address, Class::Noise, None).await?;
        for _ in 0..10 {
            let burst: Vec<u8> =
                (0..FLOOD_COUNT).flat_map(|_| frame(OpCode::Binary, b"flood")).collect();
            peer.stream.write_all(&burst).await?;
            let mut remaining = FLOOD_COUNT;
            while remaining > 0 {
                match next(&mut peer).await? {
                    Some((OpCode::Binary, payload)) if payload == b"flood" => remaining -= 1,
                    // A server may also send an unsolicited pong (RFC 6455 section 5.5.3).
                    Some((OpCode::Ping | OpCode::Pong, _)) => {}
                    Some((OpCode::Close, _)) | None => return Err(SessionError::Closed),
                    Some(_) => return Err(SessionError::WrongEcho),
                }
            }
            sleep(self.rng.time(500, 1500)).await;
        }
        closing_handshake(&mut peer).await
    }

    pub(super) async fn pings(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        let reads = self.rng.one_in(2);
        let receive_buffer = if reads { None } else { SMALL_BUFFER };
        let mut peer = Peer::upgraded(address, Class::Noise, receive_buffer).await?;
        for _ in 0..10 {
            // The server need not answer every ping, but it must answer the last one.
            let mut burst: Vec<u8> =
                (0..FLOOD_COUNT).flat_map(|_| frame(OpCode::Ping, &[b'p'; 125])).collect();
            burst.extend(frame(OpCode::Ping, b"last"));
            let written = timeout(WRITE_TIMEOUT, peer.stream.write_all(&burst)).await;
            if !reads && !matches!(written, Ok(Ok(()))) {
                break;
            }
            if reads {
                last_pong(&mut peer).await?;
            }
            sleep(self.rng.time(500, 1000)).await;
        }
        if reads { closing_handshake(&mut peer).await } else { Ok(peer.reset()?) }
    }

    pub(super) async fn silent(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        Peer::connect(address, None).await?.until_end(DISCONNECT_TIMEOUT).await
    }

    pub(super) async fn half_head(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        let mut peer = Peer::connect(address, None).await?;
        let request = request(Class::Echo);
        let half = self.rng.below(request.len());
        peer.stream.write_all(&request.as_bytes()[..half]).await?;
        peer.until_end(DISCONNECT_TIMEOUT).await
    }

    pub(super) async fn half_frame(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        let mut peer = Peer::upgraded(address, Class::Noise, None).await?;
        let length = 2 + self.rng.below(100_000);
        let frame = frame(OpCode::Binary, &vec![7; length]);
        let half = 1 + self.rng.below(frame.len() - 1);
        peer.stream.write_all(&frame[..half]).await?;
        peer.until_end(DISCONNECT_TIMEOUT).await
    }

    pub(super) async fn random_request(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        let mut peer = Peer::connect(address, None).await?;
        let length = 1 + self.rng.below(40_000);
        let random_bytes = self.rng.bytes(length);
        // The server may disconnect before all is written.
        let _ = timeout(DISCONNECT_TIMEOUT, peer.stream.write_all(&random_bytes)).await;
        peer.until_end(DISCONNECT_TIMEOUT).await
    }

    pub(super) async fn random_frames(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        let mut peer = Peer::upgraded(address, Class::Noise, None).await?;
        let length = 1 + self.rng.below(4000);
        let random_bytes = self.rng.bytes(length);
        let _ = timeout(DISCONNECT_TIMEOUT, peer.stream.write_all(&random_bytes)).await;
        peer.until_end(DISCONNECT_TIMEOUT).await
    }

    pub(super) async fn too_long(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        let mut peer = Peer::upgraded(address, Class::Noise, None).await?;
        let mut bytes = Vec::new();
        let length = MAX_MESSAGE_LENGTH as u64 + 1 + self.rng.number() % (1 << 30);
        Header::new(OpCode::Binary, length).masked([0; 4]).encode(&mut bytes);
        bytes.resize(bytes.len() + self.rng.below(60_000), 0);
        let _ = timeout(DISCONNECT_TIMEOUT, peer.stream.write_all(&bytes)).await;
        let code = timeout(DISCONNECT_TIMEOUT, close_code(&mut peer))
            .await
            .map_err(|_| SessionError::NotDisconnected)??;
        if code != Some(CloseCode::MESSAGE_TOO_BIG) {
            return Err(SessionError::NoCloseFrame);
        }
        peer.until_end(DISCONNECT_TIMEOUT).await
    }

    pub(super) async fn reset(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        if self.rng.one_in(8) {
            let mut peer = Peer::connect(address, None).await?;
            peer.stream.write_all(b"GET /echo HT").await?;
            return Ok(peer.reset()?);
        }
        let class = if self.rng.one_in(2) { Class::Feed } else { Class::Noise };
        let mut peer = Peer::upgraded(address, class, None).await?;
        for _ in 0..=self.rng.below(5) {
            let length = self.rng.below(20_000);
            // The queue's policy may have disconnected a slow peer.
            if timeout(WRITE_TIMEOUT, peer.send(OpCode::Binary, &vec![1; length])).await.is_err() {
                break;
            }
            sleep(self.rng.time(0, 300)).await;
        }
        if self.rng.one_in(2) {
            let frame = frame(OpCode::Binary, &[2; 5000]);
            let _ = timeout(WRITE_TIMEOUT, peer.stream.write_all(&frame[..2500])).await;
        }
        Ok(peer.reset()?)
    }

    pub(super) async fn unfinished(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        if self.rng.one_in(2) {
            // The driver starts the closing handshake, and reads the reply up to 8 s later.
            let mut peer = Peer::upgraded(address, Class::Noise, None).await?;
            peer.send(OpCode::Close, &1000_u16.to_be_bytes()).await?;
            sleep(self.rng.time(0, 8000)).await;
            return peer.until_end(DISCONNECT_TIMEOUT).await;
        }
        // The server starts the closing handshake, and the driver never answers.
        let mut peer = Peer::upgraded(address, Class::Bye, None).await?;
        peer.send(OpCode::Text, b"go").await?;
        let code = timeout(DISCONNECT_TIMEOUT, close_code(&mut peer))
            .await
            .map_err(|_| SessionError::NotDisconnected)??;
        if code != Some(CloseCode::NORMAL_CLOSURE) {
            return Err(SessionError::NoCloseFrame);
        }
        peer.until_end(DISCONNECT_TIMEOUT).await
    }

    pub(super) async fn reconnect_storm(
        &mut self,
        address: SocketAddr,
    ) -> Result<(), SessionError> {
        for _ in 0..10 {
            let mut peer = Peer::upgraded(address, Class::Noise, None).await?;
            peer.send(OpCode::Text, b"again").await?;
            if self.rng.one_in(2) {
                peer.reset()?;
            }
            sleep(Duration::from_millis(20)).await;
        }
        sleep(self.rng.time(500, 2000)).await;
        Ok(())
    }
}

/// Returns the next frame, or an error after a timeout.
pub(super) async fn next(peer: &mut Peer) -> Result<Option<(OpCode, Vec<u8>)>, SessionError> {
    timeout(DISCONNECT_TIMEOUT, peer.frame()).await.map_err(|_| SessionError::TimedOut)?
}

/// Reads up to the pong that answers the last ping.
async fn last_pong(peer: &mut Peer) -> Result<(), SessionError> {
    loop {
        match next(peer).await? {
            Some((OpCode::Pong, payload)) if payload == b"last" => return Ok(()),
            Some((OpCode::Pong | OpCode::Ping, _)) => {}
            Some((OpCode::Close, _)) | None => return Err(SessionError::Closed),
            Some(_) => return Err(SessionError::WrongEcho),
        }
    }
}

/// Returns the code of the next close frame, and ignores all other frames.
async fn close_code(peer: &mut Peer) -> Result<Option<CloseCode>, SessionError> {
    while let Some((opcode, payload)) = peer.frame().await? {
        if opcode == OpCode::Close {
            let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code).into());
            return Ok(code);
        }
    }
    Ok(None)
}

/// Starts a closing handshake: the server must answer it, and end the connection.
pub(super) async fn closing_handshake(peer: &mut Peer) -> Result<(), SessionError> {
    let deadline = Instant::now() + DISCONNECT_TIMEOUT;
    peer.send(OpCode::Close, &1000_u16.to_be_bytes()).await?;
    let code = timeout_at(deadline, close_code(peer))
        .await
        .map_err(|_| SessionError::NotDisconnected)??;
    if code != Some(CloseCode::NORMAL_CLOSURE) {
        return Err(SessionError::NoCloseFrame);
    }
    peer.until_end(DISCONNECT_TIMEOUT).await
}
