//! Limits of the cost of an HTTP/2 client beyond its requests.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::frame_headers::{FrameHeaders, Kind};

/// The bytes that a client sends before the first frame (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The default of [`Http2Guard::max_resets`]: 78 KB at the 310 bytes that h2 0.4.20 keeps of each.
/// Browsers reset a stream where a user leaves a page before it has loaded.
const MAX_RESETS: u32 = 250;

/// The rate of control frames that a connection may sustain, per second, and the maximum burst
/// after a period with fewer. h2 needs 1 to 2 µs for each: a connection that sends nothing else
/// uses half a percent of a core. Clients send a ping every few seconds; window updates are allowed
/// for the data that clients receive, see [`FRAMES_PER_DATA`].
const RATE: u32 = 2_000;
const BURST: u32 = 10_000;

/// Number of control frames allowed for each DATA frame that the server sends: an update of both
/// windows.
const FRAMES_PER_DATA: i64 = 2;

/// Additional delay, so that a connection over its limit regains this much before it is read again.
const PAUSE: Duration = Duration::from_millis(50);

/// The transport beneath an HTTP/2 server, with limits of a client's cost that no HTTP library has.
///
/// - **Resets.** h2 keeps some 310 bytes of each stream that is reset while it waits for send
///   capacity, as long as the connection lives (0.4.20; see `docs/h2-reset-streams.md`). After
///   [`max_resets`](Self::max_resets), [`ResetLimit::reached`] notifies the server, which should
///   end the connection gracefully; after twice as many, reads fail with an error that contains
///   [`TooManyResets`].
/// - **Control frames.** Pings, settings, priorities, window updates, resets and frames of unknown
///   types cost the server time, and HTTP/2 does not limit them. Beyond 10,000 at once and 2,000 a
///   second, and two for each DATA frame that the server sends, the guard pauses reading, which
///   delays this connection and no other.
///
/// The guard parses only frame headers, in both directions, and nothing where the client speaks
/// HTTP/1.1. Place it beneath hyper or any other server, above TLS:
///
/// ```no_run
/// # async fn example<S, F>(
/// #     stream: tokio::net::TcpStream,
/// #     service: S,
/// # ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
/// # where
/// #     S: hyper::service::Service<http::Request<hyper::body::Incoming>, Response = http::Response<String>, Future = F>,
/// #     S::Error: std::error::Error + Send + Sync + 'static,
/// #     F: Future<Output = Result<http::Response<String>, S::Error>> + Send + 'static,
/// # {
/// use std::pin::pin;
///
/// use hyper::server::conn::http2;
/// use hyper_util::rt::{TokioExecutor, TokioIo};
/// use sockeye::upgrade::Http2Guard;
///
/// let guarded = Http2Guard::new(stream);
/// let limit = guarded.reset_limit();
/// let connection =
///     http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(guarded), service);
/// let mut connection = pin!(connection);
/// tokio::select! {
///     ended = connection.as_mut() => return Ok(ended?),
///     () = limit.reached() => connection.as_mut().graceful_shutdown(),
/// }
/// connection.await?;
/// # Ok(())
/// # }
/// ```
pub struct Http2Guard<S> {
    io: S,
    /// The rest of the client's preface, or `None` if the client does not speak HTTP/2.
    preface: Option<&'static [u8]>,
    received: FrameHeaders,
    sent: FrameHeaders,
    rate_limit: FrameRateLimit,
    resets: u32,
    max_resets: u32,
    limit: ResetLimit,
}

impl<S> Http2Guard<S> {
    /// Creates a guard for a transport on which the client has sent nothing yet.
    pub fn new(io: S) -> Self {
        Self {
            io,
            preface: Some(PREFACE),
            received: FrameHeaders::default(),
            sent: FrameHeaders::default(),
            rate_limit: FrameRateLimit::default(),
            resets: 0,
            max_resets: MAX_RESETS,
            limit: ResetLimit(Arc::new(Notify::new())),
        }
    }

    /// Sets the number of streams that the client may reset before the connection should end.
    /// Default: 250.
    pub fn max_resets(self, max_resets: u32) -> Self {
        Self { max_resets, ..self }
    }

    /// Returns a handle that is notified when the client has reset too many streams.
    pub fn reset_limit(&self) -> ResetLimit {
        self.limit.clone()
    }

    /// Handles bytes received from the client.
    fn on_received(&mut self, mut bytes: &[u8]) -> Result<(), TooManyResets> {
        let Some(preface) = self.preface else { return Ok(()) };
        let length = preface.len().min(bytes.len());
        if preface[..length] != bytes[..length] {
            self.preface = None;
            return Ok(());
        }
        self.preface = Some(&preface[length..]);
        bytes = &bytes[length..];
        let mut control = 0;
        let mut resets = 0;
        self.received.read(bytes, |kind, length| match kind {
            Kind::HEADERS | Kind::CONTINUATION => {}
            Kind::DATA if length > 0 => {}
            Kind::RST_STREAM => {
                control += 1;
                resets += 1;
            }
            _ => control += 1,
        });
        self.rate_limit.take(control);
        if resets == 0 {
            return Ok(());
        }
        self.resets = self.resets.saturating_add(resets);
        if self.resets > self.max_resets {
            self.limit.0.notify_one();
        }
        if self.resets > self.max_resets.saturating_mul(2) {
            return Err(TooManyResets { limit: self.max_resets });
        }
        Ok(())
    }
}

/// A notification that the client of a connection has reset too many streams.
#[derive(Clone, Debug)]
pub struct ResetLimit(Arc<Notify>);

impl ResetLimit {
    /// Waits until the client has reset more streams than allowed. One waiting task is notified,
    /// once.
    ///
    /// # Cancel safety
    /// The future may be dropped and this method called again.
    pub async fn reached(&self) {
        self.0.notified().await;
    }
}

/// The client has reset more than twice as many streams as allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyResets {
    /// The number of resets that is allowed.
    pub limit: u32,
}

impl fmt::Display for TooManyResets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client has reset more than twice the allowed {} streams", self.limit)
    }
}

impl std::error::Error for TooManyResets {}

/// The number of control frames that a connection may send.
#[derive(Debug)]
struct FrameRateLimit {
    /// The frames left; negative while the connection has to wait.
    left: i64,
    /// The time up to which [`RATE`] was added to `left`; the clock is read only when nothing is
    /// left.
    added_until: Option<Instant>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Default for FrameRateLimit {
    fn default() -> Self {
        Self { left: i64::from(BURST), added_until: None, wait: None }
    }
}

impl FrameRateLimit {
    fn take(&mut self, frames: u32) {
        self.left -= i64::from(frames);
    }

    fn add(&mut self, frames: i64) {
        self.left = self.left.saturating_add(frames).min(i64::from(BURST));
    }

    /// Waits while the connection is over its limit.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.left <= 0 {
            if let Some(wait) = &mut self.wait {
                ready!(wait.as_mut().poll(cx));
                self.wait = None;
            }
            let now = Instant::now();
            let elapsed = self.added_until.replace(now).map_or(Duration::ZERO, |at| now - at);
            // `min` only bounds the product; `add` limits the sum to the burst, which is five
            // seconds' worth.
            let regained = elapsed.as_secs_f64().min(f64::from(BURST)) * f64::from(RATE);
            #[expect(clippy::cast_possible_truncation, reason = "at most BURST times RATE")]
            self.add(regained as i64);
            if self.left <= 0 {
                #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
                let missing = Duration::from_secs_f64(-self.left as f64 / f64::from(RATE));
                self.wait = Some(Box::pin(tokio::time::sleep(missing + PAUSE)));
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Http2Guard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.rate_limit.poll(cx));
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        let checked = this.on_received(&buf.filled()[before..]);
        Poll::Ready(
            checked.map_err(|error| io::Error::new(io::ErrorKind::ConnectionAborted, error)),
        )
    }
}

impl<S: AsyncWrite + Unpin> Http2Guard<S> {
    /// Handles the sending of the first `length` bytes of these slices.
    fn on_sent(&mut self, slices: &[IoSlice<'_>], mut length: usize) {
        let mut data = 0;
        for slice in slices {
            let part = &slice[..slice.len().min(length)];
            self.sent.read(part, |kind, _| data += i64::from(kind == Kind::DATA));
            length -= part.len();
        }
        self.rate_limit.add(data * FRAMES_PER_DATA);
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Http2Guard<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = ready!(Pin::new(&mut this.io).poll_write(cx, buf))?;
        this.on_sent(&[IoSlice::new(buf)], length);
        Poll::Ready(Ok(length))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = ready!(Pin::new(&mut this.io).poll_write_vectored(cx, bufs))?;
        this.on_sent(bufs, length);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<S: fmt::Debug> fmt::Debug for Http2Guard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Guard")
            .field("io", &self.io)
            .field("resets", &self.resets)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    const RESET: [u8; 13] = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8];

    /// Reads these bytes through a guard. Returns the time that took, or the error.
    async fn read(input: Vec<u8>) -> io::Result<Duration> {
        let (mut client, server) = duplex(1000);
        tokio::spawn(async move { client.write_all(&input).await });
        let begun = Instant::now();
        let mut guard = Http2Guard::new(server);
        guard.read_to_end(&mut Vec::new()).await.map(|_| begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn control_frames_beyond_the_limit_wait() {
        let pings = |count| [PREFACE.to_vec(), PING.repeat(count)].concat();
        assert_eq!(read(pings(9_000)).await.unwrap(), Duration::ZERO);
        // The burst, then the rate: with the paused clock, time passes only while the guard waits.
        let waited = read(pings(30_000)).await.unwrap();
        assert!((Duration::from_secs(9)..Duration::from_secs(11)).contains(&waited), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn another_protocol_passes() {
        let request = b"PRI / HTTP/1.1\r\n\r\n".to_vec();
        assert_eq!(read([request, PING.repeat(30_000)].concat()).await.unwrap(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn window_updates_for_what_was_sent_do_not_wait() {
        let (mut client, server) = duplex(1000);
        let begun = Instant::now();
        let mut guard = Http2Guard::new(server);
        client.write_all(PREFACE).await.unwrap();
        guard.read_exact(&mut [0; PREFACE.len()]).await.unwrap();
        let data = [0, 0, 1, 0, 0, 0, 0, 0, 1, 0x7f];
        let update = [0, 0, 4, 8, 0, 0, 0, 0, 1, 0, 0, 0, 1].repeat(2);
        for _ in 0..50_000 {
            guard.write_all(&data).await.unwrap();
            client.read_exact(&mut [0; 10]).await.unwrap();
            client.write_all(&update).await.unwrap();
            guard.read_exact(&mut [0; 26]).await.unwrap();
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_resets_are_notified_and_then_fail() {
        let (mut client, server) = duplex(100_000);
        let mut guard = Http2Guard::new(server).max_resets(10);
        let limit = guard.reset_limit();
        client.write_all(&[PREFACE.to_vec(), RESET.repeat(10)].concat()).await.unwrap();
        let mut buf = vec![0; 100_000];
        assert_ne!(guard.read(&mut buf).await.unwrap(), 0);
        let reached = tokio::time::timeout(Duration::from_secs(1), limit.reached());
        reached.await.unwrap_err();
        client.write_all(&RESET).await.unwrap();
        assert_ne!(guard.read(&mut buf).await.unwrap(), 0);
        limit.reached().await;
        client.write_all(&RESET.repeat(10)).await.unwrap();
        let error = guard.read(&mut buf).await.unwrap_err();
        let error = error.get_ref().and_then(|error| error.downcast_ref()).copied();
        assert_eq!(error, Some(TooManyResets { limit: 10 }));
    }
}
