//! All kinds of halves, in two tasks of which one is interrupted: the other one continues, and
//! every timer fires.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;

use futures_util::stream::{SplitSink, SplitStream};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use super::*;
use crate::ByteStream;
use crate::split::{Receiver, SendQueue, Sender};

/// Timeout of a step: longer than any timeout of a connection, on a paused clock.
const TEST_TIMEOUT: Duration = Duration::from_secs(300);

/// Number of messages that pass each way while the peer is well.
const MESSAGES: usize = 10;
/// The capacity of the queue between a sender and its writer.
const QUEUE: u32 = 5000;

/// The kind of the two halves of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    StreamAndSink,
    Split,
    ByteStream,
}

/// The transport of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// A pipe that holds 1,000 bytes.
    Pipe,
    /// A stream of HTTP/2, on which the halves are those of the client.
    #[cfg(all(feature = "http2", feature = "hyper"))]
    Http2Client,
    #[cfg(all(feature = "http2", feature = "hyper"))]
    Http2Server,
}

impl Over {
    /// Returns the length of a message, in bytes: [`MESSAGES`] of them are more than all buffers
    /// between hold.
    const fn length(self) -> usize {
        match self {
            Self::Pipe => 20_000,
            #[cfg(all(feature = "http2", feature = "hyper"))]
            Self::Http2Client | Self::Http2Server => 40_000,
        }
    }

    /// Returns the numbers of polls after which a call is interrupted.
    const fn polls(self) -> &'static [usize] {
        match self {
            Self::Pipe => &[1, 2, 3, 5, 9],
            #[cfg(all(feature = "http2", feature = "hyper"))]
            Self::Http2Client | Self::Http2Server => &[1, 3],
        }
    }

    /// Makes a connection: first the end of which a half is interrupted, then the other one.
    async fn pair(self) -> (WebSocket, WebSocket) {
        match self {
            Self::Pipe => pair(1000),
            #[cfg(all(feature = "http2", feature = "hyper"))]
            Self::Http2Client => http2_pair().await,
            #[cfg(all(feature = "http2", feature = "hyper"))]
            Self::Http2Server => {
                let (client, server) = http2_pair().await;
                (server, client)
            }
        }
    }
}

/// Makes a client and a server on a stream of HTTP/2.
#[cfg(all(feature = "http2", feature = "hyper"))]
async fn http2_pair() -> (WebSocket, WebSocket) {
    use std::convert::Infallible;

    use hyper::server::conn::http2;
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    use crate::Client;
    use crate::upgrade::{self, Options};

    let (near, far) = duplex(4000);
    let (give, mut taken) = tokio::sync::mpsc::unbounded_channel();
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        let upgrade = upgrade::hyper::<_, String>(&mut request, &Options::new());
        let (answer, upgrading) = upgrade.unwrap();
        let give = give.clone();
        tokio::spawn(async move { give.send(upgrading.await.unwrap()) });
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .enable_connect_protocol()
        .initial_stream_window_size(64 * 1024)
        .serve_connection(TokioIo::new(far), service);
    tokio::spawn(connection);
    let http2 = Client::new("ws://example.com/").handshake_http2(near).await.unwrap();
    let client = http2.open("/").await.unwrap();
    (client, taken.recv().await.unwrap())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interrupted {
    Reading,
    Sending,
    /// After the first message, of which a part is unwritten.
    Closing,
}

/// The behaviour of the interrupted half, after a number of polls that had to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// The call is dropped, and the half is never polled again.
    Stops,
    /// The half is dropped.
    Drops,
    /// The call is dropped and made again, each time.
    Repeats,
}

enum Reader {
    Stream(SplitStream<WebSocket>),
    Split(Box<Receiver>),
    Bytes(ReadHalf<ByteStream>),
}

enum Writer {
    Sink(SplitSink<WebSocket, Message>),
    Split(Sender),
    Bytes(WriteHalf<ByteStream>),
}

fn halves(kind: Kind, ws: WebSocket) -> (Reader, Writer) {
    match kind {
        Kind::StreamAndSink => {
            let (sink, stream) = futures_util::StreamExt::split(ws);
            (Reader::Stream(stream), Writer::Sink(sink))
        }
        Kind::Split => {
            let (sender, receiver) = ws.split_with(SendQueue::new().capacity(QUEUE));
            (Reader::Split(Box::new(receiver)), Writer::Split(sender))
        }
        Kind::ByteStream => {
            let (read, write) = tokio::io::split(ws.into_byte_stream());
            (Reader::Bytes(read), Writer::Bytes(write))
        }
    }
}

impl Reader {
    /// Returns the number of bytes read; `None` at the end, of whatever kind.
    async fn read(&mut self) -> Option<usize> {
        match self {
            Self::Stream(stream) => Some(stream.next().await?.ok()?.len()),
            Self::Split(receiver) => Some(receiver.recv().await.ok()??.len()),
            Self::Bytes(half) => half.read(&mut [0; 1000]).await.ok().filter(|read| *read > 0),
        }
    }
}

impl Writer {
    async fn send(&mut self, length: usize) -> io::Result<()> {
        let message = vec![b'x'; length];
        match self {
            Self::Sink(sink) => sink.send(message.into()).await?,
            Self::Split(sender) => {
                sender.send(message).await?;
                sender.flush().await?;
            }
            Self::Bytes(half) => {
                half.write_all(&message).await?;
                half.flush().await?;
            }
        }
        Ok(())
    }

    async fn close(&mut self) -> io::Result<()> {
        match self {
            Self::Sink(sink) => sink.close().await?,
            Self::Split(sender) => sender.close(CloseCode::NORMAL_CLOSURE, "")?,
            Self::Bytes(half) => half.shutdown().await?,
        }
        Ok(())
    }
}

/// Polls a call until it has waited `polls` times; then drops it and returns `None`.
async fn poll_at_most<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut left = polls;
    let mut call = pin!(call);
    poll_fn(|cx| match call.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left <= 1 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Uses a half until it is interrupted or at its end.
async fn use_half(manner: Manner, polls: usize, mut call: impl AsyncFnMut(usize) -> bool) {
    for done in 0.. {
        match poll_at_most(polls, call(done)).await {
            Some(true) => {}
            None if manner == Manner::Repeats => sleep(Duration::from_millis(1)).await,
            Some(false) | None => break,
        }
    }
    if manner != Manner::Drops {
        // The half, which the call holds, is kept.
        pending::<()>().await;
    }
}

/// Interrupts one half; the other one must continue while the peer is well, and get an error when
/// it no longer is.
async fn interrupt(
    (over, kind): (Over, Kind),
    interrupted: Interrupted,
    manner: Manner,
    polls: usize,
) {
    let length = over.length();
    let (near, far) = over.pair().await;
    let (mut reader, mut writer) = halves(kind, near);
    let (far_sender, mut far_receiver) = far.split();
    let stop = Rc::new(Notify::new());
    let stopped = stop.clone();
    spawn_local(async move {
        let sending = async {
            for _ in 0..MESSAGES {
                let _ = far_sender.send(vec![b'y'; length]).await;
            }
        };
        let receiving = async {
            // Both directions are full by then.
            sleep(Duration::from_secs(1)).await;
            while let Ok(Some(_)) = far_receiver.recv().await {}
        };
        tokio::select! {
            _ = async { tokio::join!(sending, receiving) } => {}
            () = stopped.notified() => {}
        }
        // The connection is kept idle: a dropped one would discard input for as long as its writer
        // lingers, and the paused clock would not advance while there is always more.
        pending::<()>().await;
    });
    let case = format!("{over:?}, {kind:?}, {interrupted:?}, {manner:?} after {polls} polls");
    let late = |what: &str| -> ! { panic!("{case}: it never {what}") };
    match interrupted {
        Interrupted::Reading => {
            spawn_local(use_half(manner, polls, async move |_| reader.read().await.is_some()));
            // A receiver that is dropped ends its connection; another half does not.
            let lasts = !(kind == Kind::Split && manner == Manner::Drops);
            let sending = async {
                for _ in 0..MESSAGES {
                    writer.send(length).await?;
                }
                io::Result::Ok(())
            };
            let sent = timeout(TEST_TIMEOUT, sending).await.unwrap_or_else(|_| late("sends"));
            assert!(sent.is_ok() || !lasts, "{case}: {sent:?}");
            if manner == Manner::Repeats {
                return;
            }
            stop.notify_one();
            let ended =
                timeout(TEST_TIMEOUT, async { while writer.send(length).await.is_ok() {} }).await;
            ended.unwrap_or_else(|_| late("learns that the peer is gone"));
        }
        Interrupted::Sending | Interrupted::Closing => {
            let closes = interrupted == Interrupted::Closing;
            spawn_local(use_half(manner, polls, async move |done| {
                if closes && done > 0 {
                    let _ = writer.close().await;
                    return false;
                }
                writer.send(length).await.is_ok()
            }));
            let mut read = 0;
            let reading = async {
                while read < MESSAGES * length {
                    match reader.read().await {
                        Some(length) => read += length,
                        None => break,
                    }
                }
            };
            timeout(TEST_TIMEOUT, reading).await.unwrap_or_else(|_| late("reads"));
            assert!(closes || read == MESSAGES * length, "{case}: {read} bytes");
            if closes || manner == Manner::Repeats {
                return;
            }
            stop.notify_one();
            let ended =
                timeout(TEST_TIMEOUT, async { while reader.read().await.is_some() {} }).await;
            ended.unwrap_or_else(|_| late("learns that the peer is gone"));
        }
    }
}

async fn interrupt_all(over: Over, kind: Kind) {
    for interrupted in [Interrupted::Reading, Interrupted::Sending, Interrupted::Closing] {
        for manner in [Manner::Stops, Manner::Drops, Manner::Repeats] {
            for &polls in over.polls() {
                let case = interrupt((over, kind), interrupted, manner, polls);
                LocalSet::new().run_until(case).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_and_its_sink_do_not_need_each_other() {
    interrupt_all(Over::Pipe, Kind::StreamAndSink).await;
}

#[tokio::test(start_paused = true)]
async fn the_halves_of_a_split_connection_do_not_need_each_other() {
    interrupt_all(Over::Pipe, Kind::Split).await;
}

#[tokio::test(start_paused = true)]
async fn the_halves_of_a_byte_stream_do_not_need_each_other() {
    interrupt_all(Over::Pipe, Kind::ByteStream).await;
}

#[cfg(all(feature = "http2", feature = "hyper"))]
#[tokio::test(start_paused = true)]
async fn halves_on_a_stream_of_http2_do_not_need_each_other() {
    for over in [Over::Http2Client, Over::Http2Server] {
        for kind in [Kind::StreamAndSink, Kind::Split, Kind::ByteStream] {
            interrupt_all(over, kind).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_goes_on_after_the_task_of_the_stream_has_ended() {
    let (client, server) = pair(1000);
    let (mut sink, mut source) = futures_util::StreamExt::split(server);
    let sending = tokio::spawn(async move { sink.send(vec![0; 1 << 20].into()).await });
    tokio::task::yield_now().await;
    let (sender, mut receiver) = client.split();
    sender.send("one").await.unwrap();
    // The stream finds the transport blocked as it writes, and is the task that the transport would
    // wake.
    assert_eq!(
        tokio::spawn(async move { source.next().await }).await.unwrap().unwrap().unwrap(),
        "one"
    );
    assert_eq!(receiver.recv().await.unwrap().unwrap().len(), 1 << 20);
    timeout(TEST_TIMEOUT, sending).await.expect("woken").unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_blocked_sink_times_out_after_the_task_of_the_stream_has_ended() {
    let (mut client, server) = pair(1000);
    let (mut sink, mut source) = futures_util::StreamExt::split(server);
    let sending = tokio::spawn(async move { sink.send(vec![0; 1 << 20].into()).await });
    tokio::task::yield_now().await;
    client.send("one").await.unwrap();
    tokio::spawn(async move { source.next().await }).await.unwrap().unwrap().unwrap();
    let error = timeout(TEST_TIMEOUT, sending).await.expect("woken").unwrap().unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{error:?}");
}
