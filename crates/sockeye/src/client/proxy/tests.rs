//! Any reply of a proxy, in any pieces, leads to a connection or an error.

use sockeye_proto::handshake::{HeadLimits, Url};
use tokio::io::{AsyncReadExt, join, sink};

use super::{Credentials, TunnelError, http_connect, socks};

const HTTP: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nVia: y\r\n\r\n";

/// Replies with credentials, and with an address of each length.
const SOCKS: [&[u8]; 3] = [
    b"\x05\x02\x01\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50",
    b"\x05\x02\x01\x00\x05\x00\x00\x03\x00\x00\x50",
    b"\x05\x00\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50",
];

fn url() -> Url {
    "ws://example.com/".parse().unwrap()
}

fn credentials() -> Credentials {
    Credentials { user: b"ada".to_vec(), password: b"secret".to_vec() }
}

async fn http(input: &[u8]) -> Result<(), TunnelError> {
    let limits = HeadLimits::default();
    http_connect::connect(&mut join(input, sink()), &url(), Some(&credentials()), limits).await
}

/// Returns the result, and the unread rest of the input.
async fn socks(input: &[u8]) -> (Result<(), TunnelError>, &[u8]) {
    let mut stream = join(input, sink());
    let result = socks::connect(&mut stream, &url(), Some(&credentials())).await;
    (result, stream.into_inner().0)
}

/// A generator of pseudorandom bytes, the same in each run (xorshift).
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0.to_be_bytes()[0]
    }
}

#[tokio::test]
async fn an_answer_may_come_in_any_two_pieces() {
    for split in 0..=HTTP.len() {
        let (first, second) = HTTP.split_at(split);
        let mut stream = join(first.chain(second), sink());
        let limits = HeadLimits::default();
        http_connect::connect(&mut stream, &url(), None, limits).await.unwrap();
    }
    for answer in SOCKS {
        for split in 0..=answer.len() {
            let (first, second) = answer.split_at(split);
            let mut stream = join(first.chain(second), sink());
            socks::connect(&mut stream, &url(), Some(&credentials())).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_comes_behind_the_answer_of_socks_is_the_hosts() {
    for answer in SOCKS {
        let input = [answer, b"from the host"].concat();
        let (result, rest) = socks(&input).await;
        result.unwrap();
        assert_eq!(rest, b"from the host");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_an_error() {
    for length in 0..HTTP.len() {
        assert!(matches!(http(&HTTP[..length]).await, Err(TunnelError::Answer(_))), "{length}");
    }
    for answer in SOCKS {
        for length in 0..answer.len() {
            let (result, _) = socks(&answer[..length]).await;
            assert!(matches!(result, Err(TunnelError::Io(_))), "{length}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn noise_is_survived() {
    let mut noise = Noise(0x5eed);
    for _ in 0..2000 {
        let mut mutate = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            for _ in 0..=noise.next() % 4 {
                let at = usize::from(noise.next()) % bytes.len();
                bytes[at] = noise.next();
            }
            bytes
        };
        // Either result is valid: a flipped byte may be insignificant.
        let _ = http(&mutate(HTTP)).await;
        for answer in SOCKS {
            let _ = socks(&mutate(answer)).await;
        }
    }
}
