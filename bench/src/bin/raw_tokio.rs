//! TCP echo on tokio's current-thread runtime: the baseline for a server on tokio.
//!
//! Like the bare epoll server, the server reads into a buffer that all connections share, and keeps
//! bytes of a connection only when its socket does not accept them.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sockeye_bench::serve::{self, Arguments};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

/// Size of the read buffer, equal to that of the bare epoll server.
const BUFFER_SIZE: usize = 512 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_SIZE]);
}

fn main() -> io::Result<()> {
    serve::run(Arguments::parse(&[])?.address, echo)
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    while let Some(unwritten) = poll_fn(|cx| poll_echo(&mut stream, cx)).await? {
        stream.write_all(&unwritten).await?;
    }
    Ok(())
}

/// Echoes until the socket is drained. Returns `None` at the end of the stream, or the bytes that
/// the socket did not accept.
fn poll_echo(stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<Option<Vec<u8>>>> {
    BUFFER.with_borrow_mut(|buffer| {
        loop {
            let mut read = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            if bytes.is_empty() {
                return Poll::Ready(Ok(None));
            }
            let written = match stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                result => result?,
            };
            if written < bytes.len() {
                return Poll::Ready(Ok(Some(bytes[written..].to_vec())));
            }
        }
    })
}
