use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::coop::consume_budget;

/// The size of the buffer that the connections of a thread read into, in bytes.
const CHUNK_SIZE: usize = 64 * 1024;

/// A read is offered at least this much space, in bytes: the rest of a chunk that is smaller is given up.
const MIN_READ: usize = 16 * 1024;

/// The bytes that a task reads for one of the 128 units that tokio gives it for a turn: 256 KiB a turn, which are some
/// 45,000 empty messages, or 4 ms. To be scheduled again costs less than a microsecond.
const BYTES_PER_UNIT: usize = 2 * 1024;

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
    let read = pin!(transport.read_buf(space)).poll(cx);
    if let Poll::Ready(Ok(length)) = &read {
        spend(cx, *length);
    }
    read
}

/// Takes a long read out of the share that the task has of its turn, beyond which it waits for the others. tokio counts a
/// read as one of 128, however long it is: a peer that floods us with the shortest of frames would have more than a million
/// of them handled in a turn.
fn spend(cx: &mut Context<'_>, length: usize) {
    for _ in 0..length / BYTES_PER_UNIT {
        if pin!(consume_budget()).poll(cx).is_pending() {
            break;
        }
    }
}
