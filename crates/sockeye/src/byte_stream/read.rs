use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sockeye_proto::{CloseCode, CloseFrame, Kind};
use tokio::io::{AsyncRead, ReadBuf};

use super::{ByteStream, Error, Half};
use crate::driver::PayloadStatus;

/// The state of the peer's direction.
///
/// ```text
///  Open ───────────────────────────► Ended     the peer's close frame; ours is not sent yet
///    └──► Ending ──┬───────────────► Ended     both were sent, and the transport is over
///                  └───────────────► Failed    anything else
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Open,
    /// Nothing more arrives, and the transport is being ended.
    Ending,
    /// The end of file.
    Ended,
    Failed(io::ErrorKind),
}

impl ByteStream {
    /// Reads through `take`, which returns how many of the available bytes it took.
    #[inline]
    pub(super) fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<io::Result<()>> {
        if ready!(self.poll_half(Half::Read, cx, Self::poll_fill))? {
            let taken = take(self.ws.driver.rest());
            self.ws.driver.consume(taken);
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until there is something to read; returns `false` at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let filled = self.poll_payload(cx);
        if filled.is_ready() {
            self.read_progress.reset();
        } else if let (Poll::Ready(()), Some(after)) =
            (self.read_progress.poll(cx), self.read_timeout)
        {
            self.read_progress.reset();
            return Poll::Ready(Err(Error::ReadTimedOut { after }.into()));
        }
        filled
    }

    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            match self.reading {
                Reading::Open => {
                    if self.ws.driver.rest().is_empty() {
                        // The read may have to wait.
                        self.send_gathered();
                    }
                    match ready!(self.ws.driver.poll_payload(cx)) {
                        PayloadStatus::Available(Kind::Binary) => return Poll::Ready(Ok(true)),
                        PayloadStatus::Available(Kind::Text) => {
                            let frame = CloseFrame::from(CloseCode::UNSUPPORTED_DATA);
                            self.ws.driver.refuse(&frame, io::Error::from(Error::Text).into());
                            self.reading = Reading::Ending;
                        }
                        PayloadStatus::PeerClosed => self.reading = Reading::Ended,
                        PayloadStatus::Ended => self.reading = Reading::Ending,
                    }
                }
                Reading::Ending => ready!(self.poll_end(cx))?,
                Reading::Ended => return Poll::Ready(Ok(false)),
                Reading::Failed(kind) => return Poll::Ready(Err(Error::Failed(kind).into())),
            }
        }
    }

    /// Ends the transport, and distinguishes the end of file from a failure.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = ready!(self.ws.driver.poll_end(cx)).map_err(Error::of_connection);
        if self.reading == Reading::Ended {
            return Poll::Ready(ended);
        }
        let error = match (ended, self.ws.close_frame()) {
            (Err(error), _) => error,
            (Ok(()), _) if self.ws.driver.ended_in_order() => {
                self.reading = Reading::Ended;
                return Poll::Ready(Ok(()));
            }
            (Ok(()), Some(frame)) => Error::Closed(frame.clone()).into(),
            (Ok(()), None) => match self.reading {
                Reading::Failed(kind) => Error::Failed(kind).into(),
                // The error was returned while this was a WebSocket.
                _ => Error::Failed(io::ErrorKind::NotConnected).into(),
            },
        };
        self.reading = Reading::Failed(error.kind());
        Poll::Ready(Err(error))
    }
}

impl AsyncRead for ByteStream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        self.get_mut().poll_read_with(cx, |payload| {
            let length = payload.len().min(buf.remaining());
            buf.put_slice(&payload[..length]);
            length
        })
    }
}
