//! Copies bytes between a stream of the tunnel and a socket, in both directions at once.
//!
//! The end of one direction is passed on by itself, as TCP does. A reset of either side, and a
//! direction that fails, reset the other side: no part of the data is taken for the whole.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sockeye::mux::{ReadError, RecvStream, SendStream, Session, SessionError, WriteError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::protocol::{self, Answer, AnswerError};
use super::socket::{Reader, Socket, Writer};

/// Length of the buffer of a stream, in bytes. Chosen: that of the receive buffer of WebSockets.
const BUFFER: usize = 64 * 1024;

/// Time in which a socket takes more of a stream that has arrived as a whole, once its session has
/// ended; afterwards the connection is reset. Chosen: the timeout of writes to a WebSocket.
const LINGER: Duration = Duration::from_secs(30);

/// Both directions of a stream of the tunnel.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) session: Session,
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
}

/// The numbers of bytes that a stream has carried.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// From the socket to the tunnel.
    pub(super) sent: AtomicU64,
    /// From the tunnel to the socket.
    pub(super) received: AtomicU64,
}

/// The end of a relayed connection.
#[derive(Debug)]
pub(super) enum End {
    /// Both directions have ended.
    Finished,
    /// The socket was reset or failed.
    Socket(io::Error),
    /// The other end of the tunnel reset the stream.
    Reset,
    /// The other end refused the request, or has not answered.
    Refused(AnswerError),
    /// Nothing was carried for too long.
    Idle,
    /// The session of the tunnel has ended.
    Session(io::Error),
}

impl Counts {
    pub(super) fn add_sent(&self, length: usize) {
        self.sent.fetch_add(length as u64, Ordering::Relaxed);
    }

    pub(super) fn add_received(&self, length: usize) {
        self.received.fetch_add(length as u64, Ordering::Relaxed);
    }

    fn total(&self) -> u64 {
        let (sent, received) = (&self.sent, &self.received);
        sent.load(Ordering::Relaxed).wrapping_add(received.load(Ordering::Relaxed))
    }

    /// Waits until nothing was carried for at least `timeout`, and at most twice that. Without a
    /// timeout, waits forever.
    pub(super) async fn wait_until_idle(&self, timeout: Option<Duration>) {
        let Some(timeout) = timeout else { return std::future::pending().await };
        let mut before = self.total();
        loop {
            tokio::time::sleep(timeout).await;
            let now = self.total();
            if now == before {
                return;
            }
            before = now;
        }
    }
}

impl Stream {
    /// Refuses the request of the stream: sends the answer, and ends the stream.
    pub(super) async fn refuse(mut self, answer: &Answer) {
        // The other end may be gone.
        if self.send.write_all(&answer.encode()).await.is_ok() {
            let _ = self.send.finish();
        }
    }
}

/// Copies until both directions have ended or one fails.
pub(super) async fn relay(
    socket: Box<dyn Socket>,
    stream: Stream,
    counts: &Counts,
    idle_timeout: Option<Duration>,
) -> End {
    join(socket, stream, false, counts, idle_timeout).await
}

/// Copies as [`relay`] does, on a stream whose answer comes before the data. Data for the other end
/// does not wait for the answer.
pub(super) async fn relay_after_answer(
    socket: Box<dyn Socket>,
    stream: Stream,
    counts: &Counts,
    idle_timeout: Option<Duration>,
) -> End {
    join(socket, stream, true, counts, idle_timeout).await
}

async fn join(
    mut socket: Box<dyn Socket>,
    stream: Stream,
    awaits_answer: bool,
    counts: &Counts,
    idle_timeout: Option<Duration>,
) -> End {
    let Stream { session, mut send, mut recv } = stream;
    let mut is_finished = false;
    let ended = {
        let (mut reader, mut writer) = socket.halves();
        let incoming_ended = Notify::new();
        let outgoing = async {
            let end = copy_out(&mut *reader, &mut send, counts, &mut is_finished).await?;
            tokio::select! {
                biased;
                () = incoming_ended.notified() => Ok(end),
                error = reader.failure() => Err(End::Socket(error)),
            }
        };
        let incoming = async {
            if awaits_answer {
                let answer = Answer::read(&mut recv).await.and_then(Answer::into_result);
                answer.map_err(End::Refused)?;
            }
            copy_in(&mut recv, &mut *writer, &session, counts).await?;
            incoming_ended.notify_one();
            Ok(())
        };
        let both = async { tokio::try_join!(outgoing, incoming) };
        tokio::select! {
            ended = both => ended,
            () = counts.wait_until_idle(idle_timeout) => Err(End::Idle),
        }
    };
    let end = match ended {
        Ok((Outgoing::Finished, ())) => return End::Finished,
        Ok((Outgoing::Stopped, ())) => End::Reset,
        Err(end) => end,
    };
    let code = match end {
        End::Idle => protocol::IDLE,
        _ => protocol::CONNECTION_RESET,
    };
    // What was sent before a regular end is still delivered.
    if !is_finished {
        send.reset(code);
    }
    recv.stop(code);
    socket.abort();
    end
}

/// The end of the direction to the tunnel.
enum Outgoing {
    Finished,
    /// The other end takes no more data. The answer, or the other direction, says why.
    Stopped,
}

/// Copies to the tunnel. While one of the two is silent or takes nothing, the end of the other is
/// noticed.
async fn copy_out(
    reader: &mut (dyn Reader + '_),
    send: &mut SendStream,
    counts: &Counts,
    is_finished: &mut bool,
) -> Result<Outgoing, End> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = tokio::select! {
            biased;
            read = reader.read(&mut buffer) => read,
            stopped = send.stopped() => return match stopped {
                Ok(_) => Ok(Outgoing::Stopped),
                Err(error) => Err(End::of_session(error)),
            },
        };
        let length = read.map_err(End::Socket)?;
        if length == 0 {
            *is_finished = true;
            return match send.finish() {
                Ok(()) => Ok(Outgoing::Finished),
                Err(error) => end_of_write(error.into()),
            };
        }
        let written = tokio::select! {
            biased;
            written = send.write_all(&buffer[..length]) => written,
            error = async { reader.failure().await } => return Err(End::Socket(error)),
        };
        if let Err(error) = written {
            return end_of_write(error);
        }
        counts.add_sent(length);
    }
}

fn end_of_write(error: io::Error) -> Result<Outgoing, End> {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(WriteError::Stopped(_)) => Ok(Outgoing::Stopped),
        _ => Err(End::Session(error)),
    }
}

/// Copies from the tunnel. While the socket takes nothing, the end of the stream is noticed.
async fn copy_in(
    recv: &mut RecvStream,
    writer: &mut (dyn Writer + '_),
    session: &Session,
    counts: &Counts,
) -> Result<(), End> {
    loop {
        let chunk = match recv.read_chunk(BUFFER).await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return writer.shutdown().await.or_else(ignore_not_connected),
            Err(ReadError::Reset(_)) => return Err(End::Reset),
            Err(error) => return Err(End::Session(error.into())),
        };
        let written = async {
            writer.write_all(&chunk).await?;
            writer.flush().await
        };
        tokio::select! {
            biased;
            written = written => written.map_err(End::Socket)?,
            end = abandoned(recv, session) => return Err(end),
        }
        counts.add_received(chunk.len());
    }
}

/// Waits until data of a stream is of no use to its socket.
async fn abandoned(recv: &mut RecvStream, session: &Session) -> End {
    match recv.received_reset().await {
        Ok(Some(_)) => End::Reset,
        // The socket has the whole of the data still, if it goes on to take it.
        Ok(None) => {
            let error = session.closed().await;
            tokio::time::sleep(LINGER).await;
            End::of_session(error)
        }
        Err(error) => End::of_session(error),
    }
}

/// Ignores that the peer has reset a socket that is to be shut down: reading reports the reset, if
/// something was lost.
fn ignore_not_connected(error: io::Error) -> Result<(), End> {
    if error.kind() == io::ErrorKind::NotConnected { Ok(()) } else { Err(End::Socket(error)) }
}

impl End {
    /// Returns the end that an error of a stream means.
    pub(super) fn of_stream(error: io::Error) -> Self {
        let cause = error.get_ref();
        let read = cause.and_then(|cause| cause.downcast_ref());
        let written = cause.and_then(|cause| cause.downcast_ref());
        match (read, written) {
            (Some(ReadError::Reset(protocol::IDLE)), _)
            | (_, Some(WriteError::Stopped(protocol::IDLE))) => Self::Idle,
            (Some(ReadError::Reset(_)), _) | (_, Some(WriteError::Stopped(_))) => Self::Reset,
            _ => Self::Session(error),
        }
    }

    fn of_session(error: SessionError) -> Self {
        Self::Session(io::Error::other(error))
    }

    /// Returns the name for logs.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Finished => "ok",
            Self::Socket(_) | Self::Reset => "reset",
            Self::Refused(error) => error.code().name(),
            Self::Idle => "idle",
            Self::Session(_) => "session-ended",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("both directions have ended"),
            Self::Socket(error) => write!(f, "the connection failed: {error}"),
            Self::Reset => f.write_str("the other end reset the connection"),
            Self::Refused(error) => error.fmt(f),
            Self::Idle => f.write_str("the connection was idle for too long"),
            Self::Session(error) => write!(f, "the tunnel has ended: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_end_says_why_it_has_reset_a_stream() {
        let name = |error: io::Error| End::of_stream(error).name();
        assert_eq!(name(ReadError::Reset(protocol::IDLE).into()), "idle");
        assert_eq!(name(WriteError::Stopped(protocol::IDLE).into()), "idle");
        assert_eq!(name(ReadError::Reset(protocol::CONNECTION_RESET).into()), "reset");
        assert_eq!(name(WriteError::Stopped(0).into()), "reset");
        assert_eq!(name(ReadError::Session(SessionError::Disconnected).into()), "session-ended");
        assert_eq!(name(io::ErrorKind::UnexpectedEof.into()), "session-ended");
    }
}
