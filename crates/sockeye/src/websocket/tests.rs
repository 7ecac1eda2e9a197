//! An open connection over an in-memory transport, with both ends local: tests that need no opening
//! handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::{SinkExt as _, StreamExt as _};
use sockeye_proto::{CloseCode, Config, Connection, Message, ProtocolError, TimedOut};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::time::timeout;

use super::{NegotiatedHeaders, WebSocket};
use crate::Error;
use crate::transport::Transport;

mod halves;
mod handlers;
mod lost;

fn websocket(stream: DuplexStream, connection: Connection) -> WebSocket {
    let transport = Transport::boxed(stream, None);
    WebSocket::new(transport, connection, BytesMut::new(), NegotiatedHeaders::default())
        .with_timeouts(&Config::new())
}

fn server(stream: DuplexStream) -> WebSocket {
    websocket(stream, Connection::server(&Config::new()))
}

fn client(stream: DuplexStream) -> WebSocket {
    websocket(stream, Connection::client(&Config::new(), || [1, 2, 3, 4]))
}

fn pair(buffer: usize) -> (WebSocket, WebSocket) {
    let (a, b) = duplex(buffer);
    (client(a), server(b))
}

async fn echo(mut ws: WebSocket) -> crate::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

#[tokio::test]
async fn messages_of_every_size_come_back_as_they_were() {
    // A small transport buffer: every large message arrives in many pieces.
    let (mut client, server) = pair(1000);
    let server = tokio::spawn(echo(server));
    for length in [0, 1, 125, 126, 4095, 4096, 65_535, 65_536, 300_000, 1_100_000] {
        let message = Message::from(vec![b'x'; length]);
        client.send(message.clone()).await.unwrap();
        assert_eq!(client.recv().await.unwrap(), Some(message), "{length} bytes");
        let message = Message::from("é".repeat(length / 2));
        client.send(message.clone()).await.unwrap();
        assert_eq!(client.recv().await.unwrap(), Some(message), "{length} bytes of text");
    }
    client.close(CloseCode::NORMAL_CLOSURE, "done").await.unwrap();
    assert_eq!(client.close_frame().unwrap().code, CloseCode::NORMAL_CLOSURE);
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn fed_messages_are_written_when_recv_waits() {
    let (mut client, server) = pair(1 << 16);
    tokio::spawn(echo(server));
    for _ in 0..10 {
        client.feed("fed").await.unwrap();
    }
    for _ in 0..10 {
        assert_eq!(client.recv().await.unwrap(), Some("fed".into()));
    }
}

#[tokio::test]
async fn long_payloads_and_short_messages_keep_their_order() {
    let (mut client, mut server) = pair(100);
    let sending = tokio::spawn(async move {
        for index in 0..50u8 {
            server.feed(vec![index; 5000]).await.unwrap();
            server.feed(vec![index; 5]).await.unwrap();
            server.ping(&[index]).await.unwrap();
        }
        server.close(CloseCode::GOING_AWAY, "").await.unwrap();
    });
    for index in 0..50u8 {
        assert_eq!(client.recv().await.unwrap(), Some(vec![index; 5000].into()));
        assert_eq!(client.recv().await.unwrap(), Some(vec![index; 5].into()));
    }
    assert_eq!(client.recv().await.unwrap(), None);
    assert_eq!(client.close_frame().unwrap().code, CloseCode::GOING_AWAY);
    sending.await.unwrap();
}

#[tokio::test]
async fn a_broken_rule_is_named_in_the_error_and_answered_with_a_close_frame() {
    let (mut raw, stream) = duplex(1000);
    let mut server = server(stream);
    raw.write_all(&[0x81, 0x00]).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut answer = Vec::new();
        raw.read_to_end(&mut answer).await.unwrap();
        answer
    });
    let error = server.recv().await.unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::Unmasked)), "{error:?}");
    let answer = reading.await.unwrap();
    assert_eq!(answer[0], 0x88);
    assert_eq!(answer[2..4], 1002u16.to_be_bytes());
    assert_eq!(server.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_transport_that_ends_without_a_close_frame_is_an_error() {
    let (raw, stream) = duplex(1000);
    let mut server = server(stream);
    drop(raw);
    assert!(matches!(server.recv().await, Err(Error::Disconnected)));
    assert_eq!(server.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_close_frame_between_fragments_is_answered_and_reported() {
    let (mut raw, stream) = duplex(1000);
    let mut server = server(stream);
    // The first fragment of a text, then a close frame with 1000, both with a mask key of zeros.
    raw.write_all(&[0x01, 0x81, 0, 0, 0, 0, b'a', 0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut answer = Vec::new();
        raw.read_to_end(&mut answer).await.unwrap();
        answer
    });
    let Err(Error::ClosedMidMessage(Some(frame))) = server.recv().await else { panic!() };
    assert_eq!(frame.code, CloseCode::NORMAL_CLOSURE);
    assert_eq!(reading.await.unwrap(), [0x88, 2, 3, 0xe8]);
}

#[tokio::test(start_paused = true)]
async fn silence_is_pinged_and_then_ends_the_connection() {
    let (mut raw, stream) = duplex(1000);
    let mut server = server(stream);
    let error = server.recv().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Keepalive)), "{error:?}");
    drop(server);
    let mut sent = Vec::new();
    raw.read_to_end(&mut sent).await.unwrap();
    let close = [&[0x88, 19, 0x03, 0xf3][..], b"keepalive timeout"].concat();
    assert_eq!(sent, [&[0x89, 4, 0, 0, 0, 1][..], &close].concat());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_is_kept() {
    let (mut client, mut server) = pair(1000);
    let silent = tokio::spawn(async move { client.recv().await });
    let hour = timeout(Duration::from_secs(3600), server.recv()).await;
    assert!(hour.is_err(), "{hour:?}");
    assert!(server.rtt().is_some());
    server.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    assert_eq!(silent.await.unwrap().unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_closing_handshake_that_is_not_answered_is_given_up() {
    let (_raw, stream) = duplex(1000);
    let mut server = server(stream);
    let error = server.close(CloseCode::GOING_AWAY, "bye").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Closing)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn close_does_not_wait_for_a_peer_that_reads_nothing() {
    let (_raw, stream) = duplex(10);
    let mut server = server(stream);
    let blocked = timeout(Duration::from_secs(1), server.send(vec![0; 100_000])).await;
    assert!(blocked.is_err());
    let error = server.close(CloseCode::GOING_AWAY, "bye").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{error:?}");
}

/// Reads a little each second until the close frame, which comes after the `length` bytes of one
/// message.
async fn read_slowly(raw: &mut DuplexStream, length: usize) {
    let wire = 10 + length + 4;
    let (mut read, mut piece) = (Vec::new(), [0; 1000]);
    while read.len() < wire {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let got = raw.read(&mut piece).await.unwrap();
        assert!(got > 0, "cut after {} of {wire} bytes", read.len());
        read.extend_from_slice(&piece[..got]);
    }
    assert_eq!(read[wire - 4..], [0x88, 2, 3, 0xe8]);
}

#[tokio::test(start_paused = true)]
async fn close_does_not_cut_what_was_sent_before_it() {
    let (mut raw, stream) = duplex(1000);
    let mut server = server(stream);
    let blocked = timeout(Duration::from_secs(1), server.send(vec![0; 100_000])).await;
    assert!(blocked.is_err());
    let (closed, written) = tokio::join!(
        async {
            let closed = server.close(CloseCode::NORMAL_CLOSURE, "").await;
            (closed, tokio::time::Instant::now())
        },
        async {
            read_slowly(&mut raw, 100_000).await;
            tokio::time::Instant::now()
        }
    );
    // The peer never answers, and `close_timeout` starts when the close frame was written.
    let (closed, ended) = closed;
    assert!(matches!(closed, Err(Error::TimedOut(TimedOut::Closing))), "{closed:?}");
    assert!((ended - written).as_secs() <= 5, "{:?}", ended - written);
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_close_frame_does_not_cut_what_was_sent_before_it() {
    let (mut raw, stream) = duplex(1000);
    let mut server = server(stream);
    let blocked = timeout(Duration::from_secs(1), server.send(vec![0; 100_000])).await;
    assert!(blocked.is_err());
    raw.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]).await.unwrap();
    let (ended, ()) = tokio::join!(server.recv(), read_slowly(&mut raw, 100_000));
    assert_eq!(ended.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_close_frame_that_cannot_be_written_is_an_error() {
    let (mut raw, stream) = duplex(1000);
    let mut server = server(stream);
    let blocked = timeout(Duration::from_secs(1), server.send(vec![0; 100_000])).await;
    assert!(blocked.is_err());
    raw.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]).await.unwrap();
    let error = server.recv().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{error:?}");
}

#[tokio::test]
async fn nothing_is_sent_after_the_close_frame() {
    let (mut client, server) = pair(1000);
    tokio::spawn(echo(server));
    client.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    assert!(matches!(client.send("late").await, Err(Error::Closed(_))));
    assert!(client.close(CloseCode::NORMAL_CLOSURE, "again").await.is_ok());
}

#[tokio::test]
async fn a_flood_of_pings_at_a_peer_that_does_not_read_stays_bounded() {
    let (mut raw, stream) = duplex(1000);
    let mut server = server(stream);
    let waiting = tokio::spawn(async move {
        let error = server.recv().await.unwrap_err();
        (server.driver.output().buffer().len(), error)
    });
    for _ in 0..10_000 {
        let mut ping = vec![0x89, 0x80 | 0x7d, 0, 0, 0, 0];
        ping.extend([7; 125]);
        raw.write_all(&ping).await.unwrap();
    }
    drop(raw);
    let (held, _) = waiting.await.unwrap();
    assert!(held < 20_000, "{held} bytes");
}

#[tokio::test]
async fn pongs_leave_even_when_there_is_always_more_to_read() {
    let (raw, stream) = duplex(1 << 20);
    let mut server = server(stream);
    let (mut reading, mut writing) = tokio::io::split(raw);
    let flood = tokio::spawn(async move {
        let mut message = vec![0x82, 0x80 | 0x7e, 0xff, 0xff, 0, 0, 0, 0];
        message.resize(message.len() + 0xffff, b'x');
        writing.write_all(&[0x89, 0x80, 0, 0, 0, 0]).await.unwrap();
        while writing.write_all(&message).await.is_ok() {}
    });
    let mut pong = [0; 2];
    let receiving = async {
        // `recv` never waits: the flood is there before each call.
        while server.recv().await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = receiving => panic!("the flood does not end"),
        read = reading.read_exact(&mut pong) => { read.unwrap(); }
    }
    assert_eq!(pong, [0x8a, 0]);
    flood.abort();
}

/// A transport that always has something to read, the same frame for ever, and takes only every
/// other write.
struct Endless {
    frame: Vec<u8>,
    at: usize,
    writes: usize,
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Uses up the budget of the task, as tokio's own streams do.
        ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
        let length = (self.frame.len() - self.at).min(buf.remaining());
        buf.put_slice(&self.frame[self.at..self.at + length]);
        self.at = (self.at + length) % self.frame.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes += 1;
        if self.writes % 2 == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(buf.len().min(1000)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn endless() -> WebSocket {
    let mut frame = vec![0x82, 0xfe, 0x03, 0xe8, 0, 0, 0, 0];
    frame.resize(frame.len() + 1000, b'x');
    let transport = Transport::boxed(Endless { frame, at: 0, writes: 0 }, None);
    let config = Config::new().close_timeout(Duration::from_millis(50));
    WebSocket::new(
        transport,
        Connection::server(&config),
        BytesMut::new(),
        NegotiatedHeaders::default(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_is_over_in_time_under_a_flood() {
    let mut server = endless();
    let closing = tokio::spawn(async move { server.close(CloseCode::NORMAL_CLOSURE, "").await });
    let error = timeout(Duration::from_secs(20), closing).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Closing)), "{error:?}");
}

#[tokio::test]
async fn output_that_is_never_all_written_does_not_grow() {
    let mut server = endless();
    for _ in 0..30 {
        server.feed(vec![0; 1000]).await.unwrap();
    }
    let mut most = 0;
    for _ in 0..5000 {
        let message = server.recv().await.unwrap().unwrap();
        if server.driver.output().has_capacity() {
            server.feed(message).await.unwrap();
        }
        most = most.max(server.driver.output().buffer().len());
    }
    assert!(most < 300_000, "{most} bytes");
}

#[tokio::test(start_paused = true)]
async fn the_sink_closes_in_time_when_the_peer_reads_nothing() {
    let (_raw, stream) = duplex(10);
    let mut server = server(stream);
    let blocked = timeout(Duration::from_secs(1), server.send(vec![0; 100_000])).await;
    assert!(blocked.is_err());
    let closed = timeout(Duration::from_secs(60), futures_util::SinkExt::close(&mut server)).await;
    let error = closed.expect("in time").unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{error:?}");
    // The unwritten output is gone with the connection, and does not delay later calls.
    let late = timeout(Duration::from_secs(60), server.send("late")).await.expect("at once");
    assert!(matches!(late, Err(Error::TimedOut(TimedOut::Writing))), "{late:?}");
    let flushed = timeout(Duration::from_secs(60), server.flush()).await.expect("at once");
    assert!(matches!(flushed, Err(Error::TimedOut(TimedOut::Writing))), "{flushed:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_keepalive_gave_up() {
    let (_raw, stream) = duplex(1000);
    let mut server = server(stream);
    server.recv().await.unwrap_err();
    let late = server.send("late").await;
    assert!(matches!(late, Err(Error::TimedOut(TimedOut::Keepalive))), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn halves_in_two_tasks_wake_each_other() {
    let (mut raw, stream) = duplex(1000);
    let (mut sink, mut source) = futures_util::StreamExt::split(server(stream));
    let writing = tokio::spawn(async move { sink.send(vec![0; 10_000].into()).await });
    tokio::task::yield_now().await;
    let reading = tokio::spawn(async move { source.next().await });
    tokio::task::yield_now().await;
    raw.read_exact(&mut vec![0; 10_004]).await.unwrap();
    timeout(Duration::from_secs(10), writing).await.expect("woken").unwrap().unwrap();
    reading.abort();
}

#[tokio::test(start_paused = true)]
async fn closing_the_sink_ends_the_stream_in_another_task() {
    let (client, server) = pair(1000);
    tokio::spawn(echo(server));
    let (mut sink, mut source) = futures_util::StreamExt::split(client);
    let reading = tokio::spawn(async move { source.next().await.is_none() });
    tokio::task::yield_now().await;
    sink.close().await.unwrap();
    assert!(timeout(Duration::from_secs(10), reading).await.expect("woken").unwrap());
}
