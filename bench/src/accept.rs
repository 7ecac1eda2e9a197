//! The server side of the opening handshake, for rivals that have none or have one only through
//! hyper.
//!
//! The rivals receive the bare stream, the fastest transport that they can run on.

use std::io;

use sockeye_load::DeflateMode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Maximum size of the request head, in bytes; the driver's request is far shorter.
const REQUEST_LIMIT: usize = 4096;

/// Answers the driver's request with 101. The client must not send anything after the request
/// before it has the answer.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`] for anything but an upgrade request of moderate length.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> io::Result<S> {
    accept_deflate(stream, None).await
}

/// Answers as [`accept`] does, and agrees to permessage-deflate as `deflate` says; the client must
/// have made that offer.
///
/// # Errors
///
/// The errors of [`accept`], and [`io::ErrorKind::InvalidData`] if the client did not offer
/// permessage-deflate at all.
pub async fn accept_deflate<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    deflate: Option<DeflateMode>,
) -> io::Result<S> {
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > REQUEST_LIMIT || stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let header = |wanted: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
            .ok_or(io::ErrorKind::InvalidData)
    };
    let key = derive_accept_key(header("Sec-WebSocket-Key")?.as_bytes());
    let extensions = match deflate {
        Some(deflate) if header("Sec-WebSocket-Extensions")?.contains("permessage-deflate") => {
            format!("Sec-WebSocket-Extensions: {}\r\n", deflate.offer())
        }
        Some(_) => return Err(io::ErrorKind::InvalidData.into()),
        None => String::new(),
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         {extensions}Sec-WebSocket-Accept: {key}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    Ok(stream)
}
