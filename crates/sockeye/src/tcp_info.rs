//! The progress of sent data in the peer's TCP, which Linux reports in `TCP_INFO`.
#![expect(unsafe_code, reason = "neither rustix nor socket2 reads TCP_INFO")]

use std::os::fd::{AsRawFd, BorrowedFd};

/// Size of `struct tcp_info` to request, in bytes. The kernel fills as much as it knows; the layout
/// is part of its interface and only ever grows (linux/tcp.h).
const SIZE: usize = 256;

const BYTES_ACKED: usize = 120;
const NOTSENT_BYTES: usize = 144;
const BYTES_SENT: usize = 200;
const BYTES_RETRANS: usize = 208;

/// Returns the number of bytes that the peer has acknowledged, and the number of bytes that the
/// system holds and the peer has not acknowledged. `None` if the socket is not a TCP socket, and
/// before Linux 4.19.
pub(crate) fn delivery(socket: BorrowedFd<'_>) -> Option<(u64, u64)> {
    let mut info = [0; SIZE];
    let mut size = libc::socklen_t::try_from(SIZE).ok()?;
    // SAFETY: the descriptor is open as long as it is borrowed; `info` is valid for writes of
    // `size` bytes, of which every value is valid, and neither pointer is used after the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    if result != 0 || (size as usize) < BYTES_RETRANS + size_of::<u64>() {
        return None;
    }
    let acknowledged = long(&info, BYTES_ACKED)?;
    let unsent = u64::from(u32::from_ne_bytes(*info[NOTSENT_BYTES..].first_chunk()?));
    let sent = long(&info, BYTES_SENT)?.saturating_sub(long(&info, BYTES_RETRANS)?);
    Some((acknowledged, (sent + unsent).saturating_sub(acknowledged)))
}

fn long(info: &[u8; SIZE], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*info[at..].first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_the_peer_takes_is_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(length) = stream.write(&[0; 16384]) {
            written += length;
        }
        let (acknowledged, waiting) = delivery(stream.as_fd()).unwrap();
        assert!(waiting > 0);
        let all = usize::try_from(acknowledged + waiting).unwrap();
        assert!((written..=written + 1).contains(&all), "{all} of {written}");
        peer.read_exact(&mut vec![0; written]).unwrap();
        // The last acknowledgement may still be in transit.
        while delivery(stream.as_fd()).unwrap().1 > 0 {
            std::thread::yield_now();
        }
        assert!(delivery(stream.as_fd()).unwrap().0 > acknowledged);
    }

    #[test]
    fn another_kind_of_socket_tells_nothing() {
        let (one, _two) = UnixStream::pair().unwrap();
        assert_eq!(delivery(one.as_fd()), None);
    }
}
