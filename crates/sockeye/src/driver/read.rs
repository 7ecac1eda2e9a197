use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::coop::consume_budget;

/// Size of the buffer that the connections of a thread read into, in bytes.
const CHUNK_SIZE: usize = 64 * 1024;

/// Minimum space offered to a read, in bytes: if less is left of a chunk, a new one replaces the
/// chunk.
const MIN_READ: usize = 16 * 1024;

/// Number of bytes that a task may read for one unit of its cooperative budget. tokio gives a task
/// 128 units per turn, so that a turn reads at most 256 KiB: some 45,000 empty messages, which take
/// 4 ms. Scheduling the task again costs less than a microsecond.
const BYTES_PER_UNIT: usize = 2 * 1024;

thread_local! {
    /// The receive buffer of all connections of the thread: an idle connection holds none. The
    /// bytes of a read are split off the buffer, and the space is used again once the messages in
    /// it are gone.
    static CHUNK: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// Reads the available input; empty at the end of the stream.
pub(crate) fn poll_read<T: AsyncRead + Unpin>(
    transport: &mut T,
    cx: &mut Context<'_>,
) -> Poll<io::Result<BytesMut>> {
    // The chunk is moved out for the duration of the read, not borrowed: a transport that is itself
    // a WebSocket calls `poll_read` too.
    let mut chunk = CHUNK.take();
    // While no message refers to the chunk, a read fills the chunk from its front, which is in the
    // processor's cache.
    if !chunk.try_reclaim(CHUNK_SIZE) && chunk.capacity() < MIN_READ {
        chunk = BytesMut::with_capacity(CHUNK_SIZE);
    }
    let read = poll_read_into(transport, cx, &mut chunk).map_ok(|_| chunk.split());
    CHUNK.set(chunk);
    read
}

/// Reads into `space` and returns the number of bytes; 0 at the end of the stream.
pub(crate) fn poll_read_into<T: AsyncRead + Unpin, B: BufMut + ?Sized>(
    transport: &mut T,
    cx: &mut Context<'_>,
    space: &mut B,
) -> Poll<io::Result<usize>> {
    // The future has no state, so that each poll can make a new one.
    let read = pin!(transport.read_buf(space)).poll(cx);
    if let Poll::Ready(Ok(length)) = &read {
        spend(cx, *length);
    }
    read
}

/// Charges a long read to the cooperative budget of the task, which then yields to other tasks.
/// tokio itself charges one of 128 units for a read of any length: a peer that floods the
/// connection with the shortest frames could make one turn handle more than a million of them.
fn spend(cx: &mut Context<'_>, length: usize) {
    for _ in 0..length / BYTES_PER_UNIT {
        if pin!(consume_budget()).poll(cx).is_pending() {
            break;
        }
    }
}
