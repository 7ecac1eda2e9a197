//! A real redis-server behind a relay that knows nothing of its protocol.

use std::path::PathBuf;
use std::process::Stdio;

use sockeye::byte_stream::{ByteStream, listener};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::serving::serve;

/// A redis-server of one test, which ends with the test.
struct Redis {
    folder: PathBuf,
    socket: PathBuf,
    process: Child,
}

impl Redis {
    /// Starts the server; returns `None` if it is not installed.
    async fn start() -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("sockeye-redis-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("socket");
        let spawned = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(&folder)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let Ok(mut process) = spawned else {
            let required = std::env::var("SOCKEYE_REQUIRE_PEERS").is_ok_and(|value| value == "1");
            assert!(!required, "redis-server is missing: run ci/peers.sh");
            eprintln!("skipped: redis-server is missing, ci/peers.sh installs it");
            return None;
        };
        let mut log = BufReader::new(process.stdout.take().unwrap()).lines();
        while let Some(line) = log.next_line().await.unwrap() {
            if line.contains("eady to accept connections") {
                tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
                return Some(Self { folder, socket, process });
            }
        }
        panic!("redis-server ended early");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.start_kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Encodes a command for Redis: an array of strings, each with its length.
fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

async fn expect(stream: &mut ByteStream, answer: &[u8]) {
    let mut bytes = vec![0; answer.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert!(bytes == answer, "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(100)]));
}

#[tokio::test]
async fn redis_runs_through_it() {
    let Some(redis) = Redis::start().await else { return };
    let (mut listener, accept) = listener();
    let url = serve(accept).await;
    let socket = redis.socket.clone();
    let relay = tokio::spawn(async move {
        while let Some(mut stream) = listener.accept().await {
            let mut redis = UnixStream::connect(&socket).await.unwrap();
            copy_bidirectional(&mut stream, &mut redis).await.unwrap();
        }
    });
    let mut stream = sockeye::connect(url).await.unwrap().into_byte_stream();

    stream.write_all(&command(&[b"PING"])).await.unwrap();
    expect(&mut stream, b"+PONG\r\n").await;
    stream.write_all(&command(&[b"SET", b"fish", b"salmon"])).await.unwrap();
    stream.write_all(&command(&[b"GET", b"fish"])).await.unwrap();
    expect(&mut stream, b"+OK\r\n$6\r\nsalmon\r\n").await;

    // A value of a mebibyte that is not text.
    let value: Vec<u8> =
        (0..1u32 << 20).map(|index| (index.wrapping_mul(index) >> 7).to_le_bytes()[0]).collect();
    stream.write_all(&command(&[b"SET", b"long", &value])).await.unwrap();
    expect(&mut stream, b"+OK\r\n").await;
    stream.write_all(&command(&[b"GET", b"long"])).await.unwrap();
    let answer = [&b"$1048576\r\n"[..], &value, b"\r\n"].concat();
    expect(&mut stream, &answer).await;

    // Ten thousand commands, and only then the replies.
    let commands = command(&[b"INCR", b"count"]).repeat(10_000);
    let (mut reads, mut writes) = tokio::io::split(stream);
    let writing = tokio::spawn(async move {
        writes.write_all(&commands).await.unwrap();
        // Redis answers all of them after it has read the end.
        writes.write_all(&command(&[b"QUIT"])).await.unwrap();
        writes.shutdown().await.unwrap();
    });
    let mut answers = Vec::new();
    reads.read_to_end(&mut answers).await.unwrap();
    let mut expected: Vec<u8> =
        (1..=10_000).flat_map(|count| format!(":{count}\r\n").into_bytes()).collect();
    expected.extend_from_slice(b"+OK\r\n");
    assert!(answers == expected, "{} bytes of answers", answers.len());
    writing.await.unwrap();
    relay.abort();
}
