//! Datagrams on a stream: each after its length in two bytes, highest first.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Maximum length of a datagram, in bytes: UDP allows no more.
pub(super) const MAX_LENGTH: usize = u16::MAX as usize;

/// Writes a datagram. A longer one than [`MAX_LENGTH`] is an error.
pub(super) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    datagram: &[u8],
) -> io::Result<()> {
    let length = u16::try_from(datagram.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut frame = Vec::with_capacity(2 + datagram.len());
    frame.extend(length.to_be_bytes());
    frame.extend(datagram);
    stream.write_all(&frame).await
}

/// Reads a datagram into the buffer, in place of its content. Returns `false` at the end of the
/// stream.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    datagram: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut length = [0; 2];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(false);
    }
    stream.read_exact(&mut length[1..]).await?;
    datagram.resize(usize::from(u16::from_be_bytes(length)), 0);
    stream.read_exact(datagram).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn datagrams_keep_their_bounds_and_an_incomplete_one_is_an_error() {
        let mut bytes = Vec::new();
        let longest = vec![7; MAX_LENGTH];
        let datagrams = [&b"one"[..], b"", &longest];
        for datagram in datagrams {
            write(&mut bytes, datagram).await.unwrap();
        }
        let (mut rest, mut datagram) = (&bytes[..], Vec::new());
        for expected in datagrams {
            assert!(read(&mut rest, &mut datagram).await.unwrap());
            assert_eq!(datagram, expected);
        }
        assert!(!read(&mut rest, &mut datagram).await.unwrap());
        for length in 1..5 {
            let error = read(&mut &bytes[..length], &mut datagram).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length}");
        }
        assert!(write(&mut Vec::new(), &vec![0; MAX_LENGTH + 1]).await.is_err());
    }
}
