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

/// Minimum space offered to a read, in bytes: a smaller rest of a chunk is given up.
const MIN_READ: usize = 16 * 1024;

/// Number of bytes that a task reads for one of the 128 units of budget that tokio gives it per
/// turn: 256 KiB a turn, which are some 45,000 empty messages, or 4 ms. Being scheduled again costs
/// less than a microsecond.
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
    // Taken out for the time of the read, not borrowed: a transport that is itself a WebSocket
    // reads too.
    let mut chunk = CHUNK.take();
    // Reads to the front, as long as no message refers to the chunk: that part is in the
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

/// Charges a long read to the budget of the task, which then yields to other tasks. tokio counts a
/// read as one of 128 units, however long it is: a peer that floods us with the shortest of frames
/// would have more than a million of them handled in a turn.
fn spend(cx: &mut Context<'_>, length: usize) {
    for _ in 0..length / BYTES_PER_UNIT {
        if pin!(consume_budget()).poll(cx).is_pending() {
            break;
        }
    }
}
