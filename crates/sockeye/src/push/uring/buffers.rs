//! Buffers that the kernel receives into, and takes from a ring as input comes.
#![expect(unsafe_code, reason = "memory shared with the kernel: see `Buffers`")]

use std::alloc::{self, Layout};
use std::io;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// Number of buffers; a power of two.
const COUNT: u16 = 4;

/// Size of each buffer, in bytes.
const SIZE: u32 = 256 * 1024;

/// The only buffer group of a ring.
pub(super) const GROUP: u16 = 0;

/// Flag to fill a buffer with one input after the other until it is full (`IOU_PBUF_RING_INC`,
/// Linux 6.12).
const INCREMENTAL: u16 = 2;

const PAGE: usize = 4096;

/// The buffers, and the ring that passes them to the kernel.
///
/// A buffer belongs to the kernel from [`Buffers::provide`] until a completion reports that it was
/// filled. The filled part is then a [`Filled`], of which there is only one, and nothing else has
/// access to that part until it is released.
#[derive(Debug)]
pub(super) struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    states: [State; COUNT as usize],
    tail: u16,
}

/// The state of a buffer.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Number of bytes that were filled.
    filled: u32,
    /// Number of parts in use.
    parts: u32,
    /// Set once the kernel will fill no more of the buffer.
    finished: bool,
}

/// A filled part of a buffer. It must be [released](Buffers::release), or the buffer is never used
/// again.
#[derive(Debug)]
pub(super) struct Filled {
    buffer: u16,
    start: u32,
    length: u32,
}

impl Buffers {
    /// Registers buffers for one ring, which must be dropped before them unless no operation uses
    /// them.
    pub(super) fn register(submitter: &Submitter<'_>) -> io::Result<Self> {
        let mut buffers = Self {
            entries: allocate(entries_layout())?.cast(),
            memory: allocate(memory_layout())?,
            states: [State::default(); COUNT as usize],
            tail: 0,
        };
        let address = buffers.entries.as_ptr().expose_provenance() as u64;
        let register = |flags| {
            // SAFETY: the entries have their own allocation, of the size that `COUNT` requires and
            // aligned to a page. Only `drop` frees it, once the ring no longer uses it.
            unsafe { submitter.register_buf_ring_with_flags(address, COUNT, GROUP, flags) }
        };
        // An older kernel uses a whole buffer for each receive.
        register(INCREMENTAL).or_else(|_| register(0))?;
        for buffer in 0..COUNT {
            buffers.provide(buffer);
        }
        Ok(buffers)
    }

    /// Takes the `length` bytes of a buffer that the kernel has filled; `more` says whether the
    /// kernel will fill more of it.
    pub(super) fn take(&mut self, buffer: u16, length: u32, more: bool) -> Filled {
        let state = &mut self.states[usize::from(buffer)];
        let start = state.filled;
        assert!(length <= SIZE - start, "the kernel fills a buffer once");
        state.filled += length;
        state.parts += 1;
        state.finished = !more;
        Filled { buffer, start, length }
    }

    /// Returns the received bytes.
    pub(super) fn bytes(&mut self, filled: &Filled) -> &mut [u8] {
        let start = usize::from(filled.buffer) * SIZE as usize + filled.start as usize;
        // SAFETY: `take` has checked that the part is within its buffer, and so within the memory,
        // all of which was initialised when it was allocated. The kernel is done with this part.
        // Parts do not overlap, there is one `Filled` for each, and this one is borrowed as long as
        // `self`.
        unsafe {
            slice::from_raw_parts_mut(self.memory.as_ptr().add(start), filled.length as usize)
        }
    }

    /// Releases a part that is no longer in use.
    #[expect(clippy::needless_pass_by_value, reason = "it is gone then")]
    pub(super) fn release(&mut self, filled: Filled) {
        let state = &mut self.states[usize::from(filled.buffer)];
        state.parts -= 1;
        if state.parts == 0 && state.finished {
            self.provide(filled.buffer);
        }
    }

    /// Gives a buffer to the kernel.
    fn provide(&mut self, buffer: u16) {
        self.states[usize::from(buffer)] = State::default();
        let at = usize::from(self.tail % COUNT);
        self.tail = self.tail.wrapping_add(1);
        let start = usize::from(buffer) * SIZE as usize;
        // SAFETY: both offsets are within their allocations. The kernel reads entries before the
        // tail only, of which there are never more than buffers: this one is not among them until
        // the tail is stored. The tail overlays a field of the first entry that nothing else
        // writes; it is aligned, and read by the kernel as an atomic value.
        unsafe {
            let address = self.memory.as_ptr().add(start).expose_provenance();
            let entry = self.entries.as_ptr().add(at);
            (*entry).set_addr(address as u64);
            (*entry).set_len(SIZE);
            (*entry).set_bid(buffer);
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: both were allocated with these layouts; the ring drops its buffers only when no
        // operation is left that could use them, and forgets them otherwise.
        unsafe {
            alloc::dealloc(self.entries.as_ptr().cast(), entries_layout());
            alloc::dealloc(self.memory.as_ptr(), memory_layout());
        }
    }
}

// SAFETY: the pointers refer to allocations of `Buffers` alone, and every access to them borrows
// `self`.
unsafe impl Send for Buffers {}

fn entries_layout() -> Layout {
    layout(usize::from(COUNT) * size_of::<BufRingEntry>())
}

fn memory_layout() -> Layout {
    layout(usize::from(COUNT) * SIZE as usize)
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, PAGE).expect("a constant size of some pages")
}

fn allocate(layout: Layout) -> io::Result<NonNull<u8>> {
    // SAFETY: no layout here has a size of zero.
    let memory = unsafe { alloc::alloc_zeroed(layout) };
    NonNull::new(memory).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}
