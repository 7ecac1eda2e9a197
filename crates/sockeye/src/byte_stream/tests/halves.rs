//! Both halves in separate tasks.

use std::task::Poll;

use super::*;

/// Returns bytes that differ from their neighbours, and from those of another seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[3]
    };
    std::iter::repeat_with(&mut byte).take(length).collect()
}

/// Writes `bytes` in pieces of all lengths, and flushes now and then; then shuts down.
async fn write_pieces(mut half: impl tokio::io::AsyncWrite + Unpin, bytes: Vec<u8>, seed: usize) {
    let (mut at, mut round) = (0, seed);
    while at < bytes.len() {
        round += 1;
        let length = (round * round * 37 % 3000 + 1).min(bytes.len() - at);
        half.write_all(&bytes[at..at + length]).await.unwrap();
        at += length;
        if round % 7 == 0 {
            half.flush().await.unwrap();
        }
    }
    half.shutdown().await.unwrap();
}

async fn read_pieces(mut half: impl tokio::io::AsyncRead + Unpin, seed: usize) -> Vec<u8> {
    let (mut bytes, mut round) = (Vec::new(), seed);
    loop {
        round += 1;
        let mut piece = vec![0; round * 31 % 2000 + 1];
        match half.read(&mut piece).await.unwrap() {
            0 => return bytes,
            length => bytes.extend_from_slice(&piece[..length]),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_directions_are_busy_over_a_tiny_transport() {
    for (round, buffer) in [64, 1, 100, 5000].into_iter().enumerate() {
        let length = if buffer == 1 { 20_000 } else { 400_000 };
        let (client, server) = streams(buffer);
        let (client_reads, client_writes) = split(client);
        let (server_reads, server_writes) = split(server);
        let (up, down) = (noise(round as u64 + 1, length), noise(round as u64 + 101, length));
        let tasks = async {
            tokio::join!(
                tokio::spawn(write_pieces(client_writes, up.clone(), 1)),
                tokio::spawn(write_pieces(server_writes, down.clone(), 2)),
                tokio::spawn(read_pieces(client_reads, 3)),
                tokio::spawn(read_pieces(server_reads, 4)),
            )
        };
        let (a, b, from_server, from_client) =
            timeout(Duration::from_secs(60), tasks).await.expect("all tasks end");
        a.and(b).unwrap();
        assert!(from_server.unwrap() == down, "to the client over {buffer} bytes");
        assert!(from_client.unwrap() == up, "to the server over {buffer} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_task_writes_is_sent_by_the_other_that_waits_to_read() {
    // A long write makes a message at once.
    for length in [8, 70_000] {
        let (client, mut server) = streams(1000);
        let (mut reads, mut writes) = split(client);
        let reading = tokio::spawn(async move { reads.read(&mut [0; 10]).await });
        tokio::task::yield_now().await;
        writes.write_all(&noise(1, length)).await.unwrap();
        let mut bytes = vec![0; length];
        let receiving = timeout(Duration::from_secs(10), server.read_exact(&mut bytes));
        receiving.await.expect("sent").unwrap();
        assert_eq!(bytes, noise(1, length));
        reading.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_is_woken_though_a_reader_that_gave_up_came_after_it() {
    let (client, mut server) = streams(100);
    let (mut reads, mut writes) = split(client);
    let writing = tokio::spawn(async move {
        writes.write_all(&[5; 10_000]).await.unwrap();
        writes.flush().await.unwrap();
    });
    tokio::task::yield_now().await;
    // The reader's write to the transport comes after the writer's, so that the transport would
    // wake the reader.
    assert!(timeout(Duration::from_secs(1), reads.read(&mut [0; 10])).await.is_err());
    let mut bytes = vec![0; 10_000];
    let reading = timeout(Duration::from_secs(10), server.read_exact(&mut bytes));
    reading.await.expect("the writer goes on").unwrap();
    timeout(Duration::from_secs(10), writing).await.expect("woken").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_goes_on_though_a_writer_gave_up_after_it() {
    let (client, mut server) = streams(100);
    let (mut reads, mut writes) = split(client);
    let reading = tokio::spawn(async move {
        let mut bytes = [0; 5];
        reads.read_exact(&mut bytes).await.unwrap();
        bytes
    });
    tokio::task::yield_now().await;
    writes.write_all(&[5; 10_000]).await.unwrap();
    assert!(timeout(Duration::from_secs(1), writes.flush()).await.is_err());
    // Only the reader writes the remaining output.
    let mut bytes = vec![0; 10_000];
    let taking = timeout(Duration::from_secs(10), server.read_exact(&mut bytes));
    taking.await.expect("the reader writes").unwrap();
    server.write_all(b"hello").await.unwrap();
    server.flush().await.unwrap();
    let read = timeout(Duration::from_secs(10), reading).await.expect("woken").unwrap();
    assert_eq!(&read, b"hello");
}

#[tokio::test(start_paused = true)]
async fn both_halves_learn_of_a_failure_that_one_of_them_meets() {
    // The reader finds the peer silent.
    let (_raw, stream) = duplex(10);
    let config = Config::new().write_timeout(None);
    let server = websocket(stream, Connection::server(&config)).into_byte_stream();
    let (mut reads, mut writes) = split(server);
    let writing = tokio::spawn(async move { writes.write_all(&vec![0; 1_000_000]).await });
    let reading = tokio::spawn(async move { reads.read(&mut [0; 10]).await });
    let error = timeout(Duration::from_secs(300), writing).await.expect("woken").unwrap();
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
    let error = reading.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);

    // The writer finds that the peer takes nothing.
    let (_raw, stream) = duplex(10);
    let config = Config::new().ping_after(None);
    let mut server = websocket(stream, Connection::server(&config)).into_byte_stream();
    server.set_write_timeout(Some(Duration::from_secs(3)));
    let (mut reads, mut writes) = split(server);
    let reading = tokio::spawn(async move { reads.read(&mut [0; 10]).await });
    tokio::task::yield_now().await;
    let error = writes.write_all(&vec![0; 1_000_000]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let error = timeout(Duration::from_secs(300), reading).await.expect("woken").unwrap();
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_are_given_up_lose_and_double_nothing() {
    for seed in 0..8_u64 {
        let (client, server) = streams(64);
        let (client_reads, client_writes) = split(client);
        let (server_reads, server_writes) = split(server);
        let (up, down) = (noise(seed + 1, 100_000), noise(seed + 51, 100_000));
        let tasks = async {
            tokio::join!(
                tokio::spawn(write_cancelling(client_writes, up.clone())),
                tokio::spawn(write_cancelling(server_writes, down.clone())),
                tokio::spawn(read_cancelling(client_reads)),
                tokio::spawn(read_cancelling(server_reads)),
            )
        };
        let (a, b, from_server, from_client) =
            timeout(Duration::from_secs(60), tasks).await.expect("all tasks end");
        a.and(b).unwrap();
        assert!(from_server.unwrap() == down && from_client.unwrap() == up, "{seed}");
    }
}

/// Drops `work` after the task was polled `polls` times.
async fn poll_at_most<T>(work: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut left = polls;
    std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        Poll::Ready(done) => Poll::Ready(Some(done)),
    })
    .await
}

async fn write_cancelling(mut half: impl tokio::io::AsyncWrite + Unpin, bytes: Vec<u8>) {
    let (mut at, mut round) = (0, 0);
    while at < bytes.len() {
        round += 1;
        let end = (at + round * 97 % 5000 + 1).min(bytes.len());
        if let Some(written) = poll_at_most(half.write(&bytes[at..end]), round % 5).await {
            at += written.unwrap();
        }
        if round % 3 == 0 {
            poll_at_most(half.flush(), round % 4).await.transpose().unwrap();
        }
        tokio::task::yield_now().await;
    }
    while poll_at_most(half.shutdown(), 3).await.is_none() {
        tokio::task::yield_now().await;
    }
}

async fn read_cancelling(mut half: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let (mut bytes, mut round) = (Vec::new(), 0);
    loop {
        round += 1;
        let mut piece = vec![0; round * 31 % 2000 + 1];
        match poll_at_most(half.read(&mut piece), round % 5).await.transpose().unwrap() {
            None => tokio::task::yield_now().await,
            Some(0) => return bytes,
            Some(length) => bytes.extend_from_slice(&piece[..length]),
        }
    }
}
