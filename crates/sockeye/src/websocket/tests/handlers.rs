//! A handler in a task of this crate: its output is written when it waits, and a connection that it
//! did not close is closed.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::sleep;

use super::*;
use crate::driver::handler;

/// Timeout of a step: longer than any timeout of a connection, on a paused clock.
const TEST_TIMEOUT: Duration = Duration::from_secs(300);

/// An end of a pipe that counts its writes.
struct Counting(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Returns a server whose peer has sent so many messages of one byte with one write.
async fn server_with_input(messages: usize) -> (DuplexStream, WebSocket, Arc<AtomicUsize>) {
    let (mut raw, stream) = duplex(4000);
    let writes = Arc::new(AtomicUsize::new(0));
    let transport = Transport::boxed(Counting(stream, writes.clone()), None);
    let connection = Connection::server(&Config::new());
    let ws = WebSocket::new(transport, connection, BytesMut::new(), NegotiatedHeaders::default())
        .with_timeouts(&Config::new());
    raw.write_all(&[0x82, 0x81, 0, 0, 0, 0, b'x'].repeat(messages)).await.unwrap();
    (raw, ws, writes)
}

async fn expect_bytes(raw: &mut DuplexStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    timeout(TEST_TIMEOUT, raw.read_exact(&mut bytes)).await.expect("they arrive").unwrap();
    assert_eq!(bytes, expected);
}

#[tokio::test(start_paused = true)]
async fn answers_to_one_input_leave_with_one_write() {
    let (mut raw, ws, writes) = server_with_input(16).await;
    let handling = tokio::spawn(handler::run(echo(ws)));
    expect_bytes(&mut raw, &[0x82, 1, b'x'].repeat(16)).await;
    assert_eq!(writes.load(Ordering::Relaxed), 1);
    handling.abort();
}

#[tokio::test(start_paused = true)]
async fn a_task_of_ones_own_writes_each_answer_at_once() {
    let (mut raw, ws, writes) = server_with_input(16).await;
    let echoing = tokio::spawn(echo(ws));
    expect_bytes(&mut raw, &[0x82, 1, b'x'].repeat(16)).await;
    assert_eq!(writes.load(Ordering::Relaxed), 16);
    echoing.abort();
}

#[tokio::test(start_paused = true)]
async fn an_answer_leaves_when_the_handler_waits_for_something_else() {
    let (mut raw, mut ws, writes) = server_with_input(3).await;
    let handling = tokio::spawn(handler::run(async move {
        for _ in 0..2 {
            let message = ws.recv().await.unwrap().unwrap();
            ws.send(message).await.unwrap();
        }
        pending::<()>().await;
    }));
    expect_bytes(&mut raw, &[0x82, 1, b'x'].repeat(2)).await;
    assert_eq!(writes.load(Ordering::Relaxed), 1);
    handling.abort();
}

#[tokio::test(start_paused = true)]
async fn output_that_was_left_to_the_task_counts_as_unacknowledged() {
    let (mut raw, mut ws, _) = server_with_input(3).await;
    let handling = tokio::spawn(handler::run(async move {
        for answered in 1..3 {
            let message = ws.recv().await.unwrap().unwrap();
            ws.send(message).await.unwrap();
            assert_eq!(ws.driver.transport().status(0).unacknowledged, 3 * answered);
        }
        tokio::task::yield_now().await;
        assert_eq!(ws.driver.transport().status(0).unacknowledged, 0);
        assert_eq!(ws.driver.transport().take_written(), Some(false), "the task wrote it");
    }));
    expect_bytes(&mut raw, &[0x82, 1, b'x'].repeat(2)).await;
    drop(raw);
    handling.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_late_write_goes_on_while_the_handler_waits_for_something_else() {
    let (mut raw, mut ws, _) = server_with_input(4).await;
    let handling = tokio::spawn(handler::run(async move {
        for _ in 0..3 {
            ws.recv().await.unwrap().unwrap();
            ws.send(vec![7; 3000]).await.unwrap();
        }
        pending::<()>().await;
    }));
    let mut bytes = vec![0; 3 * 3004];
    timeout(TEST_TIMEOUT, raw.read_exact(&mut bytes)).await.expect("all of it").unwrap();
    handling.abort();
}

#[tokio::test(start_paused = true)]
async fn more_answers_than_the_task_takes_keep_their_order() {
    const COUNT: u8 = 100;
    let (mut raw, mut ws, _) = server_with_input(usize::from(COUNT) + 1).await;
    let handling = tokio::spawn(handler::run(async move {
        for number in 0..COUNT {
            ws.recv().await.unwrap().unwrap();
            ws.send(vec![number; 1000]).await.unwrap();
        }
    }));
    for number in 0..COUNT {
        let mut frame = vec![0; 1004];
        timeout(TEST_TIMEOUT, raw.read_exact(&mut frame)).await.expect("all of it").unwrap();
        assert_eq!((frame[4], frame[1003]), (number, number));
    }
    handling.abort();
}

#[tokio::test(start_paused = true)]
async fn flush_writes_at_once_in_a_handler_too() {
    let (raw, mut ws, writes) = server_with_input(3).await;
    let counted = writes.clone();
    let handling = tokio::spawn(handler::run(async move {
        for answered in 1..3 {
            let message = ws.recv().await.unwrap().unwrap();
            ws.send(message).await.unwrap();
            ws.flush().await.unwrap();
            assert_eq!(counted.load(Ordering::Relaxed), answered);
        }
        pending::<()>().await;
    }));
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert_eq!(writes.load(Ordering::Relaxed), 2);
    drop(raw);
    handling.abort();
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_late_write_comes_out_of_the_next_call() {
    let (raw, mut ws, _) = server_with_input(3).await;
    drop(raw);
    let handling = tokio::spawn(async move {
        let (report, flushed) = tokio::sync::oneshot::channel();
        handler::run(async move {
            let message = ws.recv().await.unwrap().unwrap();
            ws.send(message.clone()).await.unwrap();
            sleep(Duration::from_secs(1)).await;
            report.send(ws.flush().await).unwrap();
        })
        .await;
        flushed.await.unwrap()
    });
    let flushed = handling.await.unwrap();
    assert!(
        matches!(&flushed, Err(Error::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe),
        "{flushed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_moved_to_another_task_writes_at_once() {
    let (mut raw, mut ws, writes) = server_with_input(4).await;
    let handling = tokio::spawn(handler::run(async move {
        let message = ws.recv().await.unwrap().unwrap();
        // The first message is left to the handler's task.
        ws.send(message).await.unwrap();
        tokio::spawn(async move {
            for _ in 0..2 {
                let message = ws.recv().await.unwrap().unwrap();
                ws.send(message).await.unwrap();
            }
            pending::<()>().await;
        });
        pending::<()>().await;
    }));
    expect_bytes(&mut raw, &[0x82, 1, b'x'].repeat(3)).await;
    assert_eq!(writes.load(Ordering::Relaxed), 3);
    handling.abort();
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_returns_has_its_connection_closed() {
    for (failed, code) in [(false, 1000_u16), (true, 1011)] {
        let (mut raw, mut ws, _) = server_with_input(3).await;
        let handling = tokio::spawn(handler::run(async move {
            let message = ws.recv().await.unwrap().unwrap();
            ws.send(message).await.unwrap();
            if failed { Err("it failed") } else { Ok(()) }
        }));
        let [high, low] = code.to_be_bytes();
        expect_bytes(&mut raw, &[0x82, 1, b'x', 0x88, 2, high, low]).await;
        raw.write_all(&[0x88, 0x82, 0, 0, 0, 0, high, low]).await.unwrap();
        assert_eq!(raw.read(&mut [0; 10]).await.unwrap(), 0);
        timeout(TEST_TIMEOUT, handling).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_returns_is_not_kept_by_a_peer_that_does_not_answer() {
    let (_raw, ws, _) = server_with_input(3).await;
    let start = tokio::time::Instant::now();
    handler::run(async move { drop(ws) }).await;
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_has_its_connection_closed_with_1011() {
    let (mut raw, mut ws, _) = server_with_input(3).await;
    let handling = tokio::spawn(handler::run(async move {
        let message = ws.recv().await.unwrap().unwrap();
        ws.send(message).await.unwrap();
        assert!(ws.subprotocol().is_some(), "the test wants a panic");
    }));
    expect_bytes(&mut raw, &[0x82, 1, b'x', 0x88, 2, 3, 0xf3]).await;
    assert!(handling.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_dropped_elsewhere_ends_after_what_was_sent() {
    let (mut raw, mut ws, _) = server_with_input(3).await;
    ws.recv().await.unwrap().unwrap();
    ws.feed("last").await.unwrap();
    drop(ws);
    let mut bytes = Vec::new();
    timeout(TEST_TIMEOUT, raw.read_to_end(&mut bytes)).await.expect("it ends").unwrap();
    assert_eq!(bytes, b"\x81\x04last");
}
