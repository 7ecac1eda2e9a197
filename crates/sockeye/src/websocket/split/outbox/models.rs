//! Models of senders, the writer and the receiving half, which `ci/models.sh` runs.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use loom::thread::{self, JoinHandle};
use sockeye_proto::{Config, Connection, Message, Role};
use tokio::io::AsyncWrite;

use super::super::{Sender, WhenFull};
use super::*;
use crate::driver::output::AsyncOutput;
use crate::metrics::RoleMetrics;
use crate::sync::{block_on, check};

/// The capacity that a message of one byte takes.
const ONE: u32 = 65;
const PONG: &[u8] = &[0x8a, 0];
const CLOSE: &[u8] = &[0x88, 2, 3, 0xe8];

/// A transport that takes output once it is open.
#[derive(Clone)]
struct Wire(Arc<Mutex<WireState>>);

struct WireState {
    open: bool,
    written: Vec<u8>,
    writer: Option<Waker>,
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, WireState> {
        self.0.lock().expect("no thread panics with the lock")
    }

    fn open(&self) {
        let mut wire = self.lock();
        wire.open = true;
        let writer = wire.writer.take();
        drop(wire);
        writer.into_iter().for_each(Waker::wake);
    }

    fn contains(&self, frame: &[u8]) -> bool {
        self.lock().written.windows(frame.len()).any(|written| written == frame)
    }

    /// Returns the texts of one byte before the close frame, which must be the last.
    fn texts_before_close(&self) -> String {
        let written = mem::take(&mut self.lock().written);
        let mut frames = written.strip_suffix(CLOSE).expect("a close frame is the last");
        let mut texts = String::new();
        while !frames.is_empty() {
            if let Some(rest) = frames.strip_prefix(PONG) {
                frames = rest;
                continue;
            }
            let (text, rest) = frames.split_at(3);
            assert_eq!(text[..2], [0x81, 1], "only messages and pongs before the close frame");
            texts.push(char::from(text[2]));
            frames = rest;
        }
        texts
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.lock();
        if !wire.open {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        wire.written.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A split connection.
#[derive(Clone)]
struct Split {
    outbox: Arc<Outbox>,
    wire: Wire,
}

impl Split {
    fn new(messages: u32, when_full: WhenFull) -> Self {
        let queue = SendQueue::new().capacity(messages * ONE).when_full(when_full);
        let outbox = Arc::new(Outbox::new(queue));
        let state = WireState { open: true, written: Vec::new(), writer: None };
        let wire = Wire(Arc::new(Mutex::new(state)));
        let sending = Connection::server(&Config::new()).sending_half();
        let metrics = RoleMetrics::of(Role::Server);
        outbox.set_writer(OutboxWriter::new(
            Box::new(wire.clone()),
            sending,
            metrics,
            None,
            AsyncOutput::default(),
        ));
        Self { outbox, wire }
    }

    /// Runs a thread that sends.
    fn spawn<T: 'static>(&self, send: impl FnOnce(Self, Sender) -> T + 'static) -> JoinHandle<T> {
        let (split, sender) = (self.clone(), Sender::new(self.outbox.clone()));
        thread::spawn(move || send(split, sender))
    }

    /// Writes like the task of the writer, until the transport is ended.
    fn write(&self) {
        block_on(poll_fn(|cx| match self.outbox.advance(cx).0 {
            WriterStep::Ended => Poll::Ready(()),
            _ => Poll::Pending,
        }));
        drop(self.outbox.end(None));
        assert_eq!(self.outbox.lock().queued(), 0);
    }

    /// Receives nothing until the close frame is written, then the end of the connection.
    fn receive_end(&self) {
        block_on(poll_fn(|cx| {
            if self.outbox.is_close_written() {
                return Poll::Ready(());
            }
            assert!(self.outbox.poll_failure(cx).is_pending());
            // The close frame may have been written since.
            if self.outbox.is_close_written() { Poll::Ready(()) } else { Poll::Pending }
        }));
        self.outbox.discard_and_finish();
    }

    /// Checks that all capacity is free: none is lost, and none is doubled.
    fn check_capacity(&self) {
        let free = self.outbox.capacity.available_permits();
        assert_eq!(free, self.outbox.options.capacity as usize);
    }
}

#[test]
fn model_a_sender_that_waits_for_capacity_gets_it() {
    check(3, || {
        let split = Split::new(1, WhenFull::Wait);
        let sending = split.spawn(|split, sender| {
            block_on(sender.send("a")).unwrap();
            block_on(sender.send("b")).unwrap();
            sender.close(1000, "").unwrap();
            split.receive_end();
        });
        split.write();
        sending.join().unwrap();
        assert_eq!(split.wire.texts_before_close(), "ab");
        split.check_capacity();
    });
}

#[test]
fn model_senders_share_the_capacity() {
    check(2, || {
        let split = Split::new(1, WhenFull::Wait);
        let other = split.spawn(|_, sender| block_on(sender.send("b")).unwrap());
        let sending = split.spawn(|split, sender| {
            block_on(sender.send("a")).unwrap();
            other.join().unwrap();
            sender.close(1000, "").unwrap();
            split.receive_end();
        });
        split.write();
        sending.join().unwrap();
        let texts = split.wire.texts_before_close();
        assert!(texts == "ab" || texts == "ba", "{texts}");
        split.check_capacity();
    });
}

#[test]
fn model_flush_returns_once_the_message_is_written() {
    check(3, || {
        let split = Split::new(2, WhenFull::Wait);
        let sending = split.spawn(|split, sender| {
            block_on(sender.send("a")).unwrap();
            block_on(sender.flush()).unwrap();
            assert!(split.wire.contains(&[0x81, 1, b'a']));
            sender.close(1000, "").unwrap();
            split.receive_end();
        });
        split.write();
        sending.join().unwrap();
        assert_eq!(split.wire.texts_before_close(), "a");
    });
}

#[test]
fn model_close_keeps_the_queue_from_a_policy_that_drops() {
    check(3, || {
        let split = Split::new(2, WhenFull::DropOldest);
        let sender = Sender::new(split.outbox.clone());
        sender.try_send("a").unwrap();
        sender.try_send("b").unwrap();
        // Stands for a send that has found the queue full and the transport blocked.
        let sending = split.spawn(|split, sender| {
            let entry = Entry::new(Message::from("c").into(), ONE, None);
            let reserved = sender.overflow(ONE);
            reserved.is_ok_and(|yes| !yes || split.outbox.push(entry).is_ok())
        });
        sender.close(1000, "").unwrap();
        let dropped = sender.dropped();
        let taken = 2 + u64::from(sending.join().unwrap());
        // The writer does not run before, so that the queue stays full.
        split.outbox.advance(&Context::from_waker(Waker::noop()));
        split.receive_end();
        split.write();
        let texts = split.wire.texts_before_close();
        assert_eq!(sender.dropped(), dropped, "nothing is dropped after the close");
        assert_eq!((sender.sent(), sender.sent() + dropped.total()), (texts.len() as u64, taken));
        split.check_capacity();
    });
}

#[test]
fn model_a_batch_that_a_sender_began_is_completed_by_the_task() {
    check(3, || {
        let split = Split::new(1, WhenFull::Wait);
        split.wire.lock().open = false;
        let sending = split.spawn(|split, sender| {
            sender.try_send("a").unwrap();
            let taken = sender.try_send("b").is_ok();
            sender.close(1000, "").unwrap();
            split.wire.open();
            split.receive_end();
            taken
        });
        split.write();
        let texts = if sending.join().unwrap() { "ab" } else { "a" };
        assert_eq!(split.wire.texts_before_close(), texts);
        split.check_capacity();
    });
}

#[test]
fn model_nothing_follows_the_close_frame_whichever_half_sends_it() {
    check(2, || {
        let split = Split::new(2, WhenFull::Wait);
        let sending = split.spawn(|_, sender| {
            let taken = block_on(sender.send("a")).is_ok();
            sender.close(1000, "").unwrap();
            taken
        });
        let receiving = split.spawn(|split, _| {
            for (frame, closes) in [(PONG, false), (CLOSE, true)] {
                block_on(poll_fn(|cx| split.outbox.poll_control(cx, frame, closes))).unwrap();
            }
            block_on(poll_fn(|cx| split.outbox.poll_control_written(cx)));
            assert!(split.wire.contains(CLOSE));
            split.outbox.discard_and_finish();
        });
        split.write();
        let taken = sending.join().unwrap();
        receiving.join().unwrap();
        let texts = split.wire.texts_before_close();
        let (_, sent, dropped) = split.outbox.metrics();
        assert_eq!((sent, sent + dropped.unsent), (texts.len() as u64, u64::from(taken)));
        split.check_capacity();
    });
}

#[test]
fn model_messages_in_fragments_follow_each_other() {
    check(1, || {
        let split = Split::new(1, WhenFull::Wait);
        let send = |split: &Split, text: u8| {
            block_on(split.outbox.begin_fragments(Kind::Text)).unwrap();
            split.outbox.push_fragment(vec![text], true).unwrap();
        };
        let other = split.spawn(move |split, _| send(&split, b'b'));
        let sending = split.spawn(move |split, sender| {
            send(&split, b'a');
            other.join().unwrap();
            sender.close(1000, "").unwrap();
            split.receive_end();
        });
        split.write();
        sending.join().unwrap();
        let texts = split.wire.texts_before_close();
        assert!(texts == "ab" || texts == "ba", "{texts}");
    });
}
