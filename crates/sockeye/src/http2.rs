//! What streams of HTTP/2 have in common as transports, whichever library they come from (RFC 8441 section 5).

use std::borrow::Cow;
use std::io::{self, IoSlice};

/// As much as is handed to the library at a time, in bytes: it copies that, and holds a few of them until the peer gives
/// room. Four of the largest frames that are sent unless the peer allows larger ones (RFC 9113 section 4.2).
pub(crate) const MAX_WRITE: usize = 64 * 1024;

/// What is to be written next, at most `limit` bytes: in place where it lies in one piece, or as good as.
///
/// A header and its payload are put together, since each write becomes a frame of HTTP/2.
pub(crate) fn gather<'a>(slices: &'a [IoSlice<'a>], limit: usize) -> Cow<'a, [u8]> {
    /// A first piece of this length is worth a frame of its own, in bytes: a sixteenth of the largest.
    const ENOUGH: usize = 1024;

    let mut pieces = slices.iter().filter(|slice| !slice.is_empty());
    let first: &'a [u8] = pieces.next().map_or(&[], |slice| slice);
    let first = &first[..first.len().min(limit)];
    if first.len() >= ENOUGH.min(limit) {
        return Cow::Borrowed(first);
    }
    let mut gathered = first.to_vec();
    for piece in pieces {
        let room = limit - gathered.len();
        if room == 0 {
            break;
        }
        gathered.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    Cow::Owned(gathered)
}

/// Why a read failed, in the words of TCP. An HTTP/2 connection that just ends is the end of each of its streams.
pub(crate) fn read_error(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::UnexpectedEof, error),
        _ => reset(error),
    }
}

/// An error that the library has no kind for: the peer, or what is between, has reset the stream or the connection.
/// The library's error stays within, and says why.
pub(crate) fn reset(error: io::Error) -> io::Error {
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
        gather(&slices, limit).into_owned()
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
        match gather(&slices, MAX_WRITE) {
            Cow::Borrowed(borrowed) => assert_eq!(borrowed, long),
            Cow::Owned(owned) => panic!("{} bytes were copied", owned.len()),
        }
    }

    #[test]
    fn errors_have_the_kinds_of_tcp() {
        let other = || io::Error::other("stream error");
        assert_eq!(reset(other()).kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(read_error(other()).kind(), io::ErrorKind::ConnectionReset);
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(reset(broken()).kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(read_error(broken()).kind(), io::ErrorKind::UnexpectedEof);
    }
}
