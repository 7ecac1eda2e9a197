use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The size of the buffer that the connections of a thread read into, in bytes.
const CHUNK_SIZE: usize = 64 * 1024;

/// A read is offered at least this much space, in bytes: the rest of a chunk that is smaller is given up.
const MIN_READ: usize = 16 * 1024;

thread_local! {
    /// One receive buffer for all connections of the thread: an idle connection holds none. What a read brought is
    /// split off it, and the space is used again once the messages in it are gone.
    static CHUNK: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// Reads what there is; empty at the end of the stream.
pub(super) fn poll_read<T: AsyncRead + Unpin>(
    transport: &mut T,
    cx: &mut Context<'_>,
) -> Poll<io::Result<BytesMut>> {
    // Taken out for the time of the read, not borrowed: a transport that is itself a WebSocket reads too.
    let mut chunk = CHUNK.take();
    // From the front, as long as no message holds on to the chunk: that part is in the processor's cache.
    if !chunk.try_reclaim(CHUNK_SIZE) && chunk.capacity() < MIN_READ {
        chunk = BytesMut::with_capacity(CHUNK_SIZE);
    }
    let read = poll_read_into(transport, cx, &mut chunk).map_ok(|_| chunk.split());
    CHUNK.set(chunk);
    read
}

/// Reads into `space`, as far as it goes; 0 at the end of the stream.
pub(super) fn poll_read_into<T: AsyncRead + Unpin, B: BufMut + ?Sized>(
    transport: &mut T,
    cx: &mut Context<'_>,
    space: &mut B,
) -> Poll<io::Result<usize>> {
    // The future has no state of its own, so that it can be made anew for each poll.
    pin!(transport.read_buf(space)).poll(cx)
}
