//! A safe `io_uring`: memory that the kernel may read or write belongs to the ring until the kernel
//! is done with it.
#![expect(unsafe_code, reason = "operations point to memory: see `Ring`")]

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::{Duration, Instant};

use io_uring::types::{CancelBuilder, Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use super::Missing;
use super::buffers::{Buffers, Filled, GROUP};
use super::files::{Files, Stream, Target};
use crate::output::{MAX_SLICES, Output};
use crate::push::writer::Writer;

/// Size of the submission queue: operations are submitted early when it is full.
const SUBMISSIONS: u32 = 512;

/// Size of the completion queue: the kernel keeps further completions elsewhere.
const COMPLETIONS: u32 = 4096;

/// User data of operations whose end is of no interest.
const IGNORED: u64 = u64::MAX;

/// Timeout for the kernel to release the memory of a dropped ring, after which that memory is
/// leaked.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);

/// An `io_uring` and everything that its operations point to.
///
/// Safety: an operation is in `operations` from before it is submitted until its last completion
/// was taken, with all memory that it points to, which lies on the heap and is neither moved nor
/// changed; buffers for input are in `buffers`. When the ring is dropped, it first cancels all
/// operations and waits for them; if one does not end, its memory is leaked.
pub(super) struct Ring {
    kernel: IoUring,
    buffers: mem::ManuallyDrop<Buffers>,
    operations: Vec<Operation>,
    free: Vec<usize>,
    arrived: VecDeque<cqueue::Entry>,
    files: Files,
    #[expect(clippy::vec_box, reason = "the kernel is told where they are")]
    spare_slices: Vec<Box<Slices>>,
    /// Number of waits so far, modulo 2^32: each connection holds two such numbers, and compares
    /// them with this one only.
    turn: u32,
}

/// An operation of the kernel.
enum Operation {
    None,
    Poll(u64),
    Receive(u64),
    Send(Send),
}

/// A send: the output of a connection on its way.
struct Send {
    token: u64,
    target: Target,
    cancelled: bool,
    /// Set once the system did not accept all of the output at once: the send then waits for the
    /// peer.
    late: bool,
    writer: Box<Writer>,
    slices: Option<Box<Slices>>,
}

/// The slices of a vectored send.
struct Slices {
    header: libc::msghdr,
    slices: [libc::iovec; MAX_SLICES],
}

/// The index of an operation in progress, which can be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(usize);

/// A completion of the kernel.
pub(super) enum Completion {
    /// The polled descriptor is readable.
    Readable { token: u64, continues: bool },
    /// Input arrived.
    Received { token: u64, filled: Filled, continues: bool },
    /// A receive was cancelled, or there was no buffer for it.
    Paused { token: u64 },
    /// The peer has ended its half, or a receive failed.
    Ended { token: u64, error: Option<io::Error> },
    /// The peer is behind: `unsent` bytes of a writer's output are still to be sent. `progress`
    /// says whether some was sent.
    Waiting { token: u64, unsent: usize, progress: bool },
    /// All output of a writer was sent, or the send failed.
    Sent { token: u64, writer: Box<Writer>, late: bool, result: io::Result<()> },
}

impl Ring {
    /// Creates a ring that does nothing until [`Ring::enable`].
    pub(super) fn new() -> Result<Self, Missing> {
        let mut builder = IoUring::builder();
        builder
            .setup_r_disabled()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS);
        // Submissions are in order anyway; without the array of indices, the kernel saves a look-up
        // for each (Linux 6.6).
        let ring = builder.clone().setup_no_sqarray().build(SUBMISSIONS);
        let ring = ring.or_else(|_| builder.build(SUBMISSIONS)).map_err(Missing::Ring)?;
        if !ring.params().is_feature_submit_stable() {
            return Err(Missing::StableSubmission);
        }
        if !ring.params().is_feature_ext_arg() {
            return Err(Missing::Timeout);
        }
        let files = Files::register(&ring.submitter());
        let buffers = Buffers::register(&ring.submitter()).map_err(Missing::BufferRing)?;
        Ok(Self {
            kernel: ring,
            buffers: mem::ManuallyDrop::new(buffers),
            operations: Vec::new(),
            free: Vec::new(),
            arrived: VecDeque::new(),
            files,
            spare_slices: Vec::new(),
            turn: 0,
        })
    }

    /// Enables the ring for this thread, and for no other.
    pub(super) fn enable(&mut self) -> io::Result<()> {
        self.kernel.submitter().register_enable_rings()
    }

    /// Polls a descriptor: a completion reports each time that it becomes readable.
    pub(super) fn poll(&mut self, descriptor: BorrowedFd<'_>, token: u64) -> Ticket {
        let events = u32::try_from(libc::POLLIN).expect("a constant");
        let entry = opcode::PollAdd::new(Fd(descriptor.as_raw_fd()), events).multi(true).build();
        let ticket = self.keep(Operation::Poll(token));
        // SAFETY: the entry points to no memory.
        unsafe { self.push(entry, ticket) }
        ticket
    }

    /// Registers a socket with the ring, if a slot is free.
    pub(super) fn adopt(&mut self, stream: &mut Stream) {
        self.files.adopt(&self.kernel.submitter(), stream);
    }

    /// Receives until the operation is cancelled, the peer ends its half, an error occurs, or no
    /// buffer is left.
    pub(super) fn receive(&mut self, stream: &Stream, token: u64) -> Ticket {
        let entry = match stream.target() {
            Target::Fixed(index) => opcode::RecvMulti::new(Fixed(index), GROUP).build(),
            Target::Fd(descriptor) => opcode::RecvMulti::new(descriptor, GROUP).build(),
        };
        let ticket = self.keep(Operation::Receive(token));
        // SAFETY: the kernel receives into buffers of this group, which belong to the kernel until
        // it has filled them.
        unsafe { self.push(entry, ticket) }
        ticket
    }

    /// Receives once, at most `length` bytes.
    pub(super) fn receive_some(&mut self, stream: &Stream, token: u64, length: u32) -> Ticket {
        let no_buffer = ptr::null_mut();
        let entry = match stream.target() {
            Target::Fixed(index) => {
                opcode::Recv::new(Fixed(index), no_buffer, length).buf_group(GROUP).build()
            }
            Target::Fd(descriptor) => {
                opcode::Recv::new(descriptor, no_buffer, length).buf_group(GROUP).build()
            }
        };
        let entry = entry.flags(squeue::Flags::BUFFER_SELECT);
        let ticket = self.keep(Operation::Receive(token));
        // SAFETY: same as in `receive`; the kernel chooses the buffer.
        unsafe { self.push(entry, ticket) }
        ticket
    }

    /// Sends all output of a writer.
    pub(super) fn send(&mut self, stream: &Stream, token: u64, writer: Box<Writer>) -> Ticket {
        let send = Send {
            token,
            target: stream.target(),
            cancelled: false,
            late: false,
            writer,
            slices: None,
        };
        let ticket = self.keep(Operation::Send(send));
        self.push_send(ticket);
        ticket
    }

    /// Cancels an operation; its completion still comes.
    pub(super) fn cancel(&mut self, ticket: Ticket) {
        if let Operation::Send(send) = &mut self.operations[ticket.0] {
            send.cancelled = true;
        }
        let entry = opcode::AsyncCancel::new(ticket.0 as u64)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(IGNORED);
        // SAFETY: the entry points to no memory.
        unsafe { self.push_entry(&entry) }
    }

    /// Closes a socket, once its operations were submitted. Those in progress must have been
    /// cancelled.
    pub(super) fn close(&mut self, stream: Stream) {
        self.files.close(stream);
    }

    /// Submits the queued operations and waits for a completion, at most for `timeout`.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.close_files();
        let submitter = self.kernel.submitter();
        let result = match timeout {
            None => submitter.submit_and_wait(1),
            Some(timeout) => {
                let timeout = Timespec::from(timeout);
                submitter.submit_with_args(1, &SubmitArgs::new().timespec(&timeout))
            }
        };
        match result {
            Ok(_) => {}
            Err(error) => match error.raw_os_error() {
                // The timeout passed, a signal arrived, or completions must be taken first.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY) => {}
                _ => return Err(error),
            },
        }
        self.arrived.extend(self.kernel.completion());
        self.turn = self.turn.wrapping_add(1);
        Ok(())
    }

    /// Closes sockets now, so that peers see the end at once and not when the ring has other work.
    fn close_files(&mut self) {
        if self.files.are_closing() {
            // Operations that cannot be submitted now are submitted once completions were taken.
            let _ = self.kernel.submit();
            if self.kernel.submission().is_empty() {
                self.files.close_all(&self.kernel.submitter());
            }
        }
    }

    /// Returns the number of this turn, which differs from those of the last ones.
    pub(super) fn turn(&self) -> u32 {
        self.turn
    }

    /// Returns the next completion, in order.
    pub(super) fn next(&mut self) -> Option<Completion> {
        loop {
            let entry = self.arrived.pop_front()?;
            let Ok(index) = usize::try_from(entry.user_data()) else { continue };
            let Some(operation) = self.operations.get_mut(index) else { continue };
            let continues = cqueue::more(entry.flags());
            let done = match operation {
                Operation::None => continue,
                Operation::Poll(token) => Completion::Readable { token: *token, continues },
                Operation::Receive(token) => received(&mut self.buffers, &entry, *token),
                Operation::Send(_) => match self.sent(Ticket(index), entry.result()) {
                    Some(done) => return Some(done),
                    None => continue,
                },
            };
            if !continues {
                self.forget(Ticket(index));
            }
            return Some(done);
        }
    }

    /// Returns the received bytes.
    pub(super) fn bytes(&mut self, filled: &Filled) -> &mut [u8] {
        self.buffers.bytes(filled)
    }

    /// Releases received bytes that are no longer in use.
    pub(super) fn release(&mut self, filled: Filled) {
        self.buffers.release(filled);
    }

    fn sent(&mut self, ticket: Ticket, result: i32) -> Option<Completion> {
        let Operation::Send(send) = &mut self.operations[ticket.0] else { return None };
        if let Some(slices) = send.slices.take() {
            self.spare_slices.push(slices);
        }
        let result = match usize::try_from(result) {
            Ok(length) => {
                send.writer.output.advance(length);
                if !send.writer.output.is_empty() && !send.cancelled && length > 0 {
                    return Some(self.wait_to_send(ticket, true));
                }
                if send.writer.output.is_empty() {
                    Ok(())
                } else {
                    Err(io::ErrorKind::WriteZero.into())
                }
            }
            Err(_) if -result == libc::EAGAIN && !send.late && !send.cancelled => {
                return Some(self.wait_to_send(ticket, false));
            }
            Err(_) => Err(io::Error::from_raw_os_error(-result)),
        };
        let Operation::Send(send) = self.forget(ticket) else { return None };
        let Send { token, mut writer, late, .. } = send;
        if result.is_err() {
            writer.output = Output::default();
        }
        Some(Completion::Sent { token, writer, late, result })
    }

    /// Submits a send of the rest, for when the system accepts more of it.
    #[cold]
    fn wait_to_send(&mut self, ticket: Ticket, progress: bool) -> Completion {
        let Operation::Send(send) = &mut self.operations[ticket.0] else {
            unreachable!("it is called for sends only")
        };
        send.late = true;
        let (token, unsent) = (send.token, send.writer.output.len());
        self.push_send(ticket);
        Completion::Waiting { token, unsent, progress }
    }

    fn push_send(&mut self, ticket: Ticket) {
        let Operation::Send(send) = &mut self.operations[ticket.0] else { return };
        let output = &send.writer.output;
        // The first send does not wait, to detect a peer that is behind. The next ones wait, but
        // not for all of the output to be sent (`MSG_WAITALL`), to detect that the peer accepts
        // some.
        let mode = if send.late { 0 } else { libc::MSG_DONTWAIT };
        let flags = libc::MSG_NOSIGNAL | mode;
        let entry = if output.is_contiguous() {
            let front = output.front();
            let length = u32::try_from(front.len()).unwrap_or(u32::MAX);
            match send.target {
                Target::Fixed(index) => {
                    opcode::Send::new(Fixed(index), front.as_ptr(), length).flags(flags).build()
                }
                Target::Fd(descriptor) => {
                    opcode::Send::new(descriptor, front.as_ptr(), length).flags(flags).build()
                }
            }
        } else {
            let mut slots = [IoSlice::new(&[]); MAX_SLICES];
            let slices = output.slices(&[], &mut slots);
            let vectors = send
                .slices
                .get_or_insert_with(|| self.spare_slices.pop().unwrap_or_else(Slices::new));
            let header = vectors.point_to(slices);
            #[expect(clippy::cast_sign_loss, reason = "a set of bits")]
            let flags = flags as u32;
            match send.target {
                Target::Fixed(index) => {
                    opcode::SendMsg::new(Fixed(index), header).flags(flags).build()
                }
                Target::Fd(descriptor) => {
                    opcode::SendMsg::new(descriptor, header).flags(flags).build()
                }
            }
        };
        // SAFETY: the entry points to memory on the heap that belongs to the operation: bytes of
        // the writer's output and of shared payloads, none of which are changed until the
        // operation's completion was taken.
        unsafe { self.push(entry, ticket) }
    }

    fn keep(&mut self, operation: Operation) -> Ticket {
        if let Some(index) = self.free.pop() {
            self.operations[index] = operation;
            return Ticket(index);
        }
        self.operations.push(operation);
        Ticket(self.operations.len() - 1)
    }

    fn forget(&mut self, ticket: Ticket) -> Operation {
        self.free.push(ticket.0);
        mem::replace(&mut self.operations[ticket.0], Operation::None)
    }

    /// # Safety
    /// The memory that the entry points to must stay as it is until the entry's last completion was
    /// taken.
    unsafe fn push(&mut self, entry: squeue::Entry, ticket: Ticket) {
        let entry = entry.user_data(ticket.0 as u64);
        // SAFETY: guaranteed by the caller.
        unsafe { self.push_entry(&entry) }
    }

    /// # Safety
    /// Same as [`Ring::push`].
    unsafe fn push_entry(&mut self, entry: &squeue::Entry) {
        loop {
            // SAFETY: guaranteed by the caller.
            if unsafe { self.kernel.submission().push(entry) }.is_ok() {
                return;
            }
            // The queue is full. When the kernel accepts no more, completions must be taken first.
            if self.kernel.submit().is_err() {
                self.arrived.extend(self.kernel.completion());
            }
        }
    }

    fn has_operations(&self) -> bool {
        self.operations.len() > self.free.len()
    }
}

fn received(buffers: &mut Buffers, entry: &cqueue::Entry, token: u64) -> Completion {
    let (result, flags) = (entry.result(), entry.flags());
    let filled = cqueue::buffer_select(flags).map(|buffer| {
        let length = u32::try_from(result).unwrap_or(0);
        buffers.take(buffer, length, cqueue::buffer_more(flags))
    });
    match (result, filled) {
        (1.., Some(filled)) => {
            Completion::Received { token, filled, continues: cqueue::more(flags) }
        }
        (_, filled) => {
            if let Some(filled) = filled {
                buffers.release(filled);
            }
            match -result {
                libc::ENOBUFS | libc::ECANCELED => Completion::Paused { token },
                error @ 1.. => {
                    Completion::Ended { token, error: Some(io::Error::from_raw_os_error(error)) }
                }
                _ => Completion::Ended { token, error: None },
            }
        }
    }
}

impl Slices {
    fn new() -> Box<Self> {
        let empty = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: the header has integers and pointers only, for all of which zero is valid.
        let header = unsafe { mem::zeroed() };
        Box::new(Self { header, slices: [empty; MAX_SLICES] })
    }

    fn point_to(&mut self, slices: &[IoSlice<'_>]) -> *const libc::msghdr {
        for (slot, slice) in self.slices.iter_mut().zip(slices) {
            slot.iov_base = slice.as_ptr().cast_mut().cast();
            slot.iov_len = slice.len();
        }
        self.header.msg_iov = self.slices.as_mut_ptr();
        self.header.msg_iovlen = slices.len();
        &raw const self.header
    }
}

// SAFETY: only the kernel uses the pointers, for an operation of the ring that the slices belong
// to.
unsafe impl std::marker::Send for Slices {}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("turn", &self.turn).finish_non_exhaustive()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let until = Instant::now() + DROP_TIMEOUT;
        let everything = opcode::AsyncCancel2::new(CancelBuilder::any()).build().user_data(IGNORED);
        if self.has_operations() {
            // SAFETY: the entry points to no memory.
            unsafe { self.push_entry(&everything) }
        }
        while self.has_operations() && Instant::now() < until {
            if self.wait(Some(DROP_TIMEOUT)).is_err() {
                break;
            }
            for send in &mut self.operations {
                if let Operation::Send(send) = send {
                    send.cancelled = true;
                }
            }
            while let Some(completion) = self.next() {
                if let Completion::Received { filled, .. } = completion {
                    self.release(filled);
                }
            }
        }
        if self.has_operations() {
            tracing::error!("the kernel continues operations that were cancelled");
            mem::forget(mem::take(&mut self.operations));
            return;
        }
        // The kernel no longer uses the buffers, even if it closes the ring only later.
        let _ = self.kernel.submitter().unregister_buf_ring(GROUP);
        // SAFETY: the buffers are dropped in this place only, and are not used again.
        unsafe { mem::ManuallyDrop::drop(&mut self.buffers) }
    }
}
