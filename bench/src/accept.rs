//! The server's half of the opening handshake for rivals that bring none, or only one through hyper.
//!
//! It gives them the bare stream, which is the fastest that they can run on.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The driver's request is far shorter.
const REQUEST_LIMIT: usize = 4096;

/// Answers the driver's request with 101. Nothing may follow the request before the answer.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`] for anything but an upgrade request of moderate length.
pub async fn accept(mut stream: TcpStream) -> io::Result<TcpStream> {
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > REQUEST_LIMIT || stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let key = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Key"))
        .map(|(_, value)| derive_accept_key(value.trim().as_bytes()))
        .ok_or(io::ErrorKind::InvalidData)?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {key}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    Ok(stream)
}
