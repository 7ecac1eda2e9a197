use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A byte stream that fails after a time without write progress, for the connections of an HTTP
/// server.
///
/// hyper limits the time in which a client must send the head of a request, but not the time in
/// which it must accept the response: clients that send requests and read nothing would hold their
/// connections forever. A stream in this wrapper fails with [`io::ErrorKind::TimedOut`] then, which
/// ends the HTTP connection.
///
/// A [`WebSocket`](crate::WebSocket) has a separate write timeout
/// ([`Config::write_timeout`](crate::Config::write_timeout())): an upgrade by
/// [`upgrade::hyper`](super::hyper()), or by the extractor of axum, takes the TCP stream out of the
/// wrapper.
///
/// ```no_run
/// # use std::time::Duration;
/// use hyper::server::conn::http1;
/// use hyper_util::rt::TokioIo;
/// use sockeye::upgrade::WriteTimeout;
///
/// # async fn example<S>(stream: tokio::net::TcpStream, service: S) -> hyper::Result<()>
/// # where
/// #     S: hyper::service::HttpService<hyper::body::Incoming, ResBody = String>,
/// #     S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
/// # {
/// let stream = WriteTimeout::new(stream, Duration::from_secs(30));
/// http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await
/// # }
/// ```
#[derive(Debug)]
pub struct WriteTimeout<S> {
    stream: S,
    timeout: Duration,
    /// The deadline, while the stream accepts no bytes.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    /// Wraps a stream, which may go without write progress for at most `timeout`. Each accepted
    /// byte restarts the timeout.
    pub fn new(stream: S, timeout: Duration) -> Self {
        Self { stream, timeout, deadline: None }
    }

    /// Returns a reference to the stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Returns the stream, without the timeout.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Starts the timeout while the stream accepts nothing, and stops it on progress.
    fn poll_in_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(self.timeout)));
        deadline.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.poll_in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.poll_in_time(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // A successful flush of earlier data must not reset the deadline of a pending write.
        if flushed.is_ready() { flushed } else { self.poll_in_time(cx, flushed) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.poll_in_time(cx, ended)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_takes_nothing_fails() {
        let (near, _far) = duplex(4);
        let mut stream = WriteTimeout::new(near, TIMEOUT);
        let begun = Instant::now();
        let error = stream.write_all(b"hello").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_takes_little_at_a_time_goes_on() {
        let (near, mut far) = duplex(4);
        let mut stream = WriteTimeout::new(near, TIMEOUT);
        let begun = Instant::now();
        let reads = async {
            let mut received = [0; 12];
            for byte in &mut received {
                sleep(TIMEOUT * 9 / 10).await;
                *byte = far.read_u8().await.unwrap();
            }
            received
        };
        let (written, received) = tokio::join!(stream.write_all(b"hello, world"), reads);
        written.unwrap();
        assert_eq!(&received, b"hello, world");
        assert!(begun.elapsed() > TIMEOUT * 10);
    }
}
