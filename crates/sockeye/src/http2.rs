//! The common parts of HTTP/2 streams as transports, for any HTTP library (RFC 8441 section 5).

#[cfg(feature = "hyper")]
mod frame_headers;
#[cfg(feature = "hyper")]
mod guard;
mod padding;

use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::task::{Poll, ready};

use tokio::io::ReadBuf;

#[cfg(feature = "hyper")]
pub use guard::{Http2Guard, ResetLimit, TooManyResets};
pub(crate) use padding::Padding;

/// Maximum length of a write to the library, in bytes: the library copies each write, and holds
/// four of them until the peer's window has capacity (hyper: two in its channel, one in progress,
/// one in h2). Equal to the maximum size of a frame unless the peer allows larger ones (RFC 9113
/// section 4.2).
pub(crate) const MAX_WRITE: usize = 16 * 1024;

/// Returns the next bytes to write, at most `limit`, preceded by `padding`: borrowed where one
/// piece suffices, else copied.
///
/// A header and its payload are combined, since each write becomes an HTTP/2 frame. A single piece
/// is not copied: the library copies it again.
pub(crate) fn gather<'a>(
    padding: Vec<u8>,
    slices: &'a [IoSlice<'a>],
    limit: usize,
) -> Cow<'a, [u8]> {
    /// Minimum length of a first piece that is sent as a separate frame, in bytes: a sixteenth of
    /// the largest frame.
    const MIN_SEPARATE: usize = 1024;

    if !padding.is_empty() {
        let all = slices.iter().fold(padding, |mut all, slice| {
            all.extend_from_slice(slice);
            all
        });
        return Cow::Owned(all);
    }
    let mut pieces = slices.iter().filter(|slice| !slice.is_empty()).peekable();
    let first: &'a [u8] = pieces.next().map_or(&[], |slice| slice);
    let first = &first[..first.len().min(limit)];
    if first.len() >= MIN_SEPARATE.min(limit) || pieces.peek().is_none() {
        return Cow::Borrowed(first);
    }
    let all = slices.iter().map(|slice| slice.len()).sum::<usize>();
    let mut gathered = Vec::with_capacity(all.min(limit));
    gathered.extend_from_slice(first);
    for piece in pieces {
        let left = limit - gathered.len();
        if left == 0 {
            break;
        }
        gathered.extend_from_slice(&piece[..piece.len().min(left)]);
    }
    Cow::Owned(gathered)
}

/// Reads with `poll_frame`, which returns the available bytes of one frame, and continues after a
/// full frame: the rest of its message usually follows, and reading it at once saves reassembly.
///
/// Bytes that were read before a wait, the end or an error are returned first: the next call
/// reports these again.
pub(crate) fn poll_frames(
    buf: &mut ReadBuf<'_>,
    mut poll_frame: impl FnMut(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
) -> Poll<io::Result<()>> {
    /// Maximum size of a frame, in bytes, unless larger ones were allowed (RFC 9113 section 6.5.2).
    const MAX_FRAME_SIZE: usize = 16 * 1024;

    let mut before = buf.filled().len();
    ready!(poll_frame(buf))?;
    loop {
        let filled = buf.filled().len();
        if filled - before < MAX_FRAME_SIZE
            || buf.remaining() == 0
            || !matches!(poll_frame(buf), Poll::Ready(Ok(())))
        {
            return Poll::Ready(Ok(()));
        }
        before = filled;
    }
}

/// Maps a read error to its TCP equivalent. An HTTP/2 connection that just ends is the end of each
/// of its streams.
pub(crate) fn read_error(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::UnexpectedEof, error),
        _ => reset_error(error),
    }
}

/// Maps an error for which the library has no kind: the peer or an intermediary has reset the
/// stream or the connection. The library's error remains inside, with the reason.
pub(crate) fn reset_error(error: io::Error) -> io::Error {
    //= https://www.rfc-editor.org/rfc/rfc8441#section-5
    //# RST exceptions are represented with the RST_STREAM frame
    if error.kind() != io::ErrorKind::Other {
        return error;
    }
    match error.into_inner() {
        Some(reason) => io::Error::new(io::ErrorKind::ConnectionReset, reason),
        None => io::ErrorKind::ConnectionReset.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(pieces: &[&[u8]], limit: usize) -> Vec<u8> {
        let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        gather(Vec::new(), &slices, limit).into_owned()
    }

    #[test]
    fn a_short_header_goes_with_its_payload() {
        assert_eq!(gathered(&[], 10), b"");
        assert_eq!(gathered(&[b"", b"ab", b"", b"cdef"], 10), b"abcdef");
        assert_eq!(gathered(&[b"ab", b"cdef", b"gh"], 5), b"abcde");
        assert_eq!(gathered(&[b"ab", b"cdef"], 2), b"ab");
        assert_eq!(gathered(&[b"abc"], 2), b"ab");
    }

    #[test]
    fn a_long_piece_stays_in_its_place() {
        let long = vec![b'x'; 5000];
        let slices = [IoSlice::new(&long), IoSlice::new(b"rest")];
        assert!(
            matches!(gather(Vec::new(), &slices, MAX_WRITE), Cow::Borrowed(piece) if piece == long)
        );
    }

    #[test]
    fn a_short_piece_alone_stays_in_its_place() {
        let slices = [IoSlice::new(b""), IoSlice::new(b"short"), IoSlice::new(b"")];
        assert!(matches!(gather(Vec::new(), &slices, MAX_WRITE), Cow::Borrowed(b"short")));
    }

    /// Reads frames of these lengths, of which `None` is a failure, into a buffer of `capacity`
    /// bytes. Returns the result of each read.
    fn read(lengths: &[Option<usize>], capacity: usize) -> Vec<Option<usize>> {
        let mut frames = lengths.iter().copied();
        let mut reads = Vec::new();
        while frames.len() > 0 {
            let mut buf = vec![0; capacity];
            let mut buf = ReadBuf::new(&mut buf);
            let read = poll_frames(&mut buf, |buf| match frames.next() {
                Some(Some(length)) => {
                    buf.advance(length);
                    Poll::Ready(Ok(()))
                }
                Some(None) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                None => Poll::Pending,
            });
            match read {
                Poll::Ready(Ok(())) => reads.push(Some(buf.filled().len())),
                Poll::Ready(Err(_)) => reads.push(None),
                Poll::Pending => {}
            }
        }
        reads
    }

    #[test]
    fn a_full_frame_is_read_with_what_follows_it() {
        let full = 16 * 1024;
        let short = Some(full - 1);
        assert_eq!(read(&[Some(8), Some(8)], 100_000), [Some(8), Some(8)]);
        assert_eq!(read(&[short, Some(8)], 100_000), [short, Some(8)]);
        assert_eq!(read(&[Some(full), Some(full), Some(8)], 100_000), [Some(2 * full + 8)]);
        assert_eq!(read(&[Some(full), Some(full)], 100_000), [Some(2 * full)]);
        assert_eq!(read(&[Some(full), Some(8)], full), [Some(full), Some(8)]);
        assert_eq!(read(&[None, Some(8)], full), [None, Some(8)]);
    }

    #[test]
    fn the_end_or_a_failure_does_not_take_away_what_came_before() {
        let full = 16 * 1024;
        assert_eq!(read(&[Some(full), Some(0), Some(0)], 100_000), [Some(full), Some(0)]);
        assert_eq!(read(&[Some(full), None, None], 100_000), [Some(full), None]);
    }

    #[test]
    fn errors_have_the_kinds_of_tcp() {
        let other = || io::Error::other("stream error");
        assert_eq!(reset_error(other()).kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(read_error(other()).kind(), io::ErrorKind::ConnectionReset);
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(reset_error(broken()).kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(read_error(broken()).kind(), io::ErrorKind::UnexpectedEof);
    }
}
