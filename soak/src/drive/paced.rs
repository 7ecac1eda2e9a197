//! Sessions that alternate between activity and pauses: the server may disconnect none of them and
//! lose no message.

use std::net::SocketAddr;
use std::time::Duration;

use sockeye::frame::OpCode;
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;

use super::hostile::{DISCONNECT_TIMEOUT, SMALL_BUFFER, closing_handshake, next};
use super::peer::Peer;
use super::peer::frame;
use super::session::Session;
use super::session_error::SessionError;
use crate::Class;
use crate::serve::LAST_LENGTH;

/// Number of messages in one write, and the length of each, in bytes: more than the queues of
/// [`Class::Burst`] hold.
const BURST_COUNT: u64 = 110;
const BURST_LENGTH: usize = 1000;

/// Pause of the reader: longer than the close timeout, and half of the write timeout.
const PAUSE: Duration = Duration::from_secs(3);

impl Session {
    pub(super) async fn bursts(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        let mut peer = Peer::upgraded(address, Class::Burst, None).await?;
        for _ in 0..5 {
            let burst: Vec<u8> = (0..BURST_COUNT)
                .flat_map(|number| {
                    let mut message = number.to_be_bytes().to_vec();
                    message.resize(BURST_LENGTH, b'x');
                    frame(OpCode::Binary, &message)
                })
                .collect();
            peer.stream.write_all(&burst).await?;
            for number in 0..BURST_COUNT {
                if numbered(&mut peer).await?.ok_or(SessionError::Closed)? != (number, BURST_LENGTH)
                {
                    return Err(SessionError::WrongEcho);
                }
            }
            sleep(self.rng.time(500, 1500)).await;
        }
        closing_handshake(&mut peer).await
    }

    pub(super) async fn pauses(&mut self, address: SocketAddr) -> Result<(), SessionError> {
        let mut peer = Peer::upgraded(address, Class::Last, SMALL_BUFFER).await?;
        peer.send(OpCode::Text, b"go").await?;
        let mut count = 0;
        let mut until_pause = 0;
        loop {
            if until_pause == 0 {
                sleep(PAUSE).await;
                // Counted in messages of 8 KiB.
                until_pause = 256 + self.rng.below(128);
            }
            until_pause -= 1;
            match next(&mut peer).await? {
                Some((OpCode::Ping, payload)) => peer.send(OpCode::Pong, &payload).await?,
                Some((OpCode::Binary, payload)) => {
                    if number_of(&payload) != Some(count) || payload.len() != LAST_LENGTH {
                        return Err(SessionError::WrongEcho);
                    }
                    count += 1;
                }
                Some((OpCode::Close, payload)) => {
                    let expected =
                        [&1000_u16.to_be_bytes()[..], count.to_string().as_bytes()].concat();
                    if payload != expected {
                        return Err(SessionError::NoCloseFrame);
                    }
                    // The server may have stopped waiting for a reply meanwhile.
                    let _ = peer.send(OpCode::Close, &payload[..2]).await;
                    return peer.until_end(DISCONNECT_TIMEOUT).await;
                }
                Some((OpCode::Pong, _)) => {}
                Some(_) => return Err(SessionError::WrongEcho),
                None => return Err(SessionError::NoCloseFrame),
            }
        }
    }
}

/// Returns the number and length of the next message; `None` at a close frame or at the end.
/// Answers pings.
async fn numbered(peer: &mut Peer) -> Result<Option<(u64, usize)>, SessionError> {
    loop {
        match next(peer).await? {
            Some((OpCode::Binary, payload)) => {
                let number = number_of(&payload).ok_or(SessionError::WrongEcho)?;
                return Ok(Some((number, payload.len())));
            }
            Some((OpCode::Ping, payload)) => peer.send(OpCode::Pong, &payload).await?,
            Some((OpCode::Close, _)) | None => return Ok(None),
            Some((OpCode::Pong, _)) => {}
            Some(_) => return Err(SessionError::WrongEcho),
        }
    }
}

fn number_of(payload: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*payload.first_chunk()?))
}
