//! A log line about an error ends with the last cause of the error.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::{fmt, io};

use sockeye::Outcome;
use sockeye::upgrade::Upgrader;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use crate::log::Log;
use crate::peer;

/// An error that displays its causes only in the alternate form, as `anyhow::Error` does.
#[derive(Debug)]
struct Alternate;

impl fmt::Display for Alternate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the order was not placed")?;
        if f.alternate() { f.write_str(": the table is locked") } else { Ok(()) }
    }
}

#[test]
fn of_a_handler() {
    let log = Log::begin();
    Err::<(), _>(Alternate).log();
    let line = log.line("handler failed", "the order was not placed");
    assert!(line.ends_with("the order was not placed: the table is locked"), "{line}");
}

/// An error of another crate whose text omits its source.
#[derive(Debug)]
struct Layered(io::Error);

impl fmt::Display for Layered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the tunnel failed")
    }
}

impl Error for Layered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// A stream whose writes fail from a time on.
struct Failing {
    stream: DuplexStream,
    fails: Arc<AtomicBool>,
}

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Failing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.fails.load(Ordering::Relaxed) {
            let cause = io::Error::other("the key has expired");
            return Poll::Ready(Err(io::Error::other(Layered(cause))));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn of_the_writer_task() {
    let log = Log::begin();
    let (mut client, stream) = duplex(4096);
    client.write_all(peer::request("/", "").as_bytes()).await.unwrap();
    let fails = Arc::new(AtomicBool::new(false));
    let stream = Failing { stream, fails: Arc::clone(&fails) };
    let (sender, mut receiver) = Upgrader::new().accept(stream).await.unwrap().split();
    fails.store(true, Ordering::Relaxed);
    let _ = sender.send("lost").await;
    assert!(receiver.recv().await.is_err());
    let line = log.line("could not be written", "the tunnel failed");
    assert!(line.contains("the tunnel failed: the key has expired"), "{line}");
}
