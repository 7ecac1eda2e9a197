//! Streams on one WebSocket: their throughput beside plain messages of the same length, the time to
//! open and close one, and the time of an echo alone and beside a stream that is not read.
//!
//!     cargo bench -p sockeye --bench mux
//!
//! Both ends run on one thread, over a connection in memory. All ways alternate in each round.
//! Reports for each the median of the rounds, and for bulk data its ratio to plain messages. The
//! receiver of bulk data counts its bytes; echoes are compared.

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt as _;
use sockeye::mux::{Config, RecvStream, SUBPROTOCOL, SendStream, Session};
use sockeye::reconnect::Reconnecting;
use sockeye::resume::{ResumableStream, SUBPROTOCOL as RESUME};
use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Client, Message, WebSocket, resume};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::{JoinSet, yield_now};

const ROUNDS: usize = 9;

/// Length of the bulk data of a round, in bytes.
const LENGTH: usize = 256 << 20;

/// Length of a message, and of a write to a stream, in bytes: that of the data in a record.
const PIECE: usize = 32 << 10;

/// Size of the connection's buffer, in bytes: that of the output of a WebSocket.
const BUFFER: usize = 64 << 10;

/// Number of streams that a round opens, and of echoes that it measures.
const ECHOES: usize = 20_000;

/// Content of an echo.
const ECHO: [u8; 64] = [7; 64];

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<()> {
    let bulk = ["messages", "1 stream", "16 streams", "1 stream, resumable"];
    let echoes = ["open, echo, close", "echo", "echo beside a stalled stream"];
    let mut seconds = [const { Vec::new() }; 4];
    let mut micros = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        let bulk = [
            messages().await?,
            streams(sessions().await?, 1).await?,
            streams(sessions().await?, 16).await?,
            streams(resumable_sessions().await?, 1).await?,
        ];
        let echoes = [
            open_and_close(sessions().await?).await?,
            echo(sessions().await?, false).await?,
            echo(sessions().await?, true).await?,
        ];
        // The first round is for warm-up.
        if round > 0 {
            seconds.iter_mut().zip(bulk).for_each(|(all, one)| all.push(per_gib(one)));
            micros.iter_mut().zip(echoes).for_each(|(all, one)| all.push(per_echo(one)));
        }
    }
    let seconds = seconds.each_mut().map(|all| median(all));
    for (name, time) in bulk.iter().zip(seconds) {
        println!("{name:28} {time:8.3} s/GiB ({:.2})", time / seconds[0]);
    }
    for (name, mut all) in echoes.iter().zip(micros) {
        let time = median(&mut all);
        println!("{name:28} {time:8.3} µs ({:.0} a second)", 1e6 / time);
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn per_gib(time: Duration) -> f64 {
    time.as_secs_f64() * (1_u64 << 30) as f64 / LENGTH as f64
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn per_echo(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6 / ECHOES as f64
}

async fn accept(connection: DuplexStream, subprotocol: &str) -> Result<WebSocket> {
    let server = Upgrader::new().options(Options::new().subprotocols([subprotocol]));
    Ok(server.accept(connection).await?)
}

/// Returns both ends of a WebSocket.
async fn websockets() -> Result<[WebSocket; 2]> {
    let (near, far) = tokio::io::duplex(BUFFER);
    let client = Client::new("ws://localhost/").subprotocols([SUBPROTOCOL]);
    let (client, server) = tokio::join!(client.handshake(near), accept(far, SUBPROTOCOL));
    Ok([client?, server?])
}

async fn sessions() -> Result<[Session; 2]> {
    let [client, server] = websockets().await?;
    let config = Config::new();
    Ok([Session::client(client, config), Session::server(server, config)])
}

async fn resumable_sessions() -> Result<[Session; 2]> {
    let (mut listener, sessions) = resume::listener();
    let client = Client::new("ws://localhost/").subprotocols([RESUME]);
    let reconnecting = Reconnecting::new(client).connect_by(move |client: Client| {
        let (near, far) = tokio::io::duplex(BUFFER);
        let sessions = sessions.clone();
        tokio::spawn(async move {
            let ws = accept(far, RESUME).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(sessions.serve(ws, "anyone").await?)
        });
        async move { client.handshake(near).await }
    });
    let (client, server) = tokio::join!(ResumableStream::connect(reconnecting), listener.accept());
    let server = server.ok_or("the server has ended")?;
    let config = Config::new().idle_timeout(None).keep_alive(None);
    Ok([Session::client_resumable(client?, config), Session::server_resumable(server, config)])
}

/// Sends the data in messages from the client to the server.
async fn messages() -> Result<Duration> {
    let [mut client, mut server] = websockets().await?;
    let begin = Instant::now();
    let sending = tokio::spawn(async move {
        let piece = Bytes::from(vec![7; PIECE]);
        for _ in 0..LENGTH / PIECE {
            client.feed(Message::Binary(piece.clone())).await?;
        }
        client.flush().await?;
        Ok::<_, sockeye::Error>(client)
    });
    let mut received = 0;
    while received < LENGTH {
        let message = server.recv().await?.ok_or("the client has closed")?;
        received += message.into_bytes().len();
    }
    let time = begin.elapsed();
    drop(sending.await??);
    Ok(time)
}

/// Sends the data from the client to the server in this number of streams at once.
async fn streams([client, server]: [Session; 2], number: usize) -> Result<Duration> {
    let begin = Instant::now();
    let mut sending = JoinSet::<Result<()>>::new();
    let mut receiving = JoinSet::<Result<usize>>::new();
    for _ in 0..number {
        let mut stream = client.open_uni().await?;
        sending.spawn(async move {
            let piece = vec![7; PIECE];
            for _ in 0..LENGTH / PIECE / number {
                stream.write_all(&piece).await?;
            }
            stream.finish()?;
            Ok(stream.stopped().await.map(drop)?)
        });
    }
    for _ in 0..number {
        let mut stream = server.accept_uni().await?;
        receiving.spawn(async move {
            let mut received = 0;
            while let Some(chunk) = stream.read_chunk(usize::MAX).await? {
                received += chunk.len();
            }
            Ok(received)
        });
    }
    let mut received = 0;
    while let Some(ended) = receiving.join_next().await {
        received += ended??;
    }
    while let Some(ended) = sending.join_next().await {
        ended??;
    }
    let time = begin.elapsed();
    assert_eq!(received, LENGTH);
    Ok(time)
}

/// Opens a stream for each echo, and closes it.
async fn open_and_close([client, server]: [Session; 2]) -> Result<Duration> {
    tokio::spawn(async move {
        while let Ok((mut send, mut recv)) = server.accept_bi().await {
            tokio::io::copy(&mut recv, &mut send).await?;
            send.finish()?;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });
    let begin = Instant::now();
    let mut answer = Vec::new();
    for _ in 0..ECHOES {
        let (mut send, mut recv) = client.open_bi().await?;
        send.write_all(&ECHO).await?;
        send.finish()?;
        answer.clear();
        recv.read_to_end(&mut answer).await?;
        assert_eq!(answer, ECHO);
    }
    Ok(begin.elapsed())
}

/// Echoes on one stream, beside another one that the server does not read.
async fn echo([client, server]: [Session; 2], is_beside_stalled: bool) -> Result<Duration> {
    let mut stalled = None;
    if is_beside_stalled {
        let sender = client.open_uni().await?;
        stalled = Some((fill(sender).await?, server.accept_uni().await?));
    }
    let (mut send, mut recv) = client.open_bi().await?;
    send.write_all(&ECHO).await?;
    let (far_send, far_recv) = server.accept_bi().await?;
    tokio::spawn(answer(far_send, far_recv));
    let mut received = [0; ECHO.len()];
    recv.read_exact(&mut received).await?;
    let begin = Instant::now();
    for _ in 0..ECHOES {
        send.write_all(&ECHO).await?;
        recv.read_exact(&mut received).await?;
        assert_eq!(received, ECHO);
    }
    let time = begin.elapsed();
    drop(stalled);
    Ok(time)
}

/// Writes until the stream takes no more.
async fn fill(mut stream: SendStream) -> Result<SendStream> {
    let piece = vec![7; PIECE];
    loop {
        // What can be sent leaves meanwhile.
        for _ in 0..100 {
            yield_now().await;
        }
        match stream.write(&piece).now_or_never() {
            Some(written) => drop(written?),
            None => return Ok(stream),
        }
    }
}

async fn answer(mut send: SendStream, mut recv: RecvStream) -> io::Result<u64> {
    tokio::io::copy(&mut recv, &mut send).await
}
