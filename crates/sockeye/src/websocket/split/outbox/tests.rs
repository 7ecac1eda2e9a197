//! The steps of the state, without locks and tasks.

use proptest::prelude::*;
use sockeye_proto::Message;

use super::state::Position;
use super::*;

const CAPACITY: u32 = 100;

fn entry(bytes: u32, key: Option<&str>) -> Entry {
    Entry::new(Message::from("x").into(), bytes, key)
}

/// Takes a batch. Returns the number of its messages, if there is something to write.
fn take(state: &mut OutboxState, batch: &mut Batch) -> Option<usize> {
    batch.entries.clear();
    state.take(batch, Waker::noop()).then_some(batch.entries.len())
}

#[test]
fn a_step_wakes_only_a_task_that_waits_and_wakes_it_once() {
    let mut state = OutboxState::new(CAPACITY);
    let woken = |state: &mut OutboxState| state.take_effects().woken.map(|task| task.is_some());
    state.push(entry(10, None), 10).unwrap();
    assert_eq!(woken(&mut state), [false; 3], "no task waits");
    let mut batch = Batch::default();
    assert_eq!(take(&mut state, &mut batch), Some(1));
    state.on_written(&mut batch);
    assert_eq!(take(&mut state, &mut batch), None);
    assert!(state.poll_failure(Waker::noop()).is_pending());
    assert_eq!(woken(&mut state), [false; 3]);
    state.push(entry(10, None), 10).unwrap();
    assert_eq!(woken(&mut state), [true, false, false], "the writer waits");
    state.close(ClosePayload(None));
    assert_eq!(woken(&mut state), [false, true, false], "the receiving half waits");
}

#[test]
fn a_message_is_flushed_once_it_is_written_and_not_once_it_is_taken() {
    let mut state = OutboxState::new(CAPACITY);
    state.push(entry(50, None), 50).unwrap();
    let first = state.position();
    state.push(entry(50, None), 50).unwrap();
    let second = state.position();
    let mut batch = Batch::default();
    assert_eq!(take(&mut state, &mut batch), Some(1), "half of the capacity");
    assert_eq!(state.is_flushed(first), None);
    state.on_written(&mut batch);
    assert_eq!(state.is_flushed(first), Some(Ok(())));
    assert_eq!(take(&mut state, &mut batch), Some(1));
    assert_eq!(state.is_flushed(second), None);
    state.on_end(&batch, None);
    assert_eq!(state.is_flushed(first), Some(Ok(())));
    assert_eq!(state.is_flushed(second), Some(Err(Closed)));
    assert_eq!((state.counts().0, state.counts().1.unsent), (1, 1));
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Push(u32),
    Replace(u32),
    DropOldest,
    Take,
    Write,
    PeerClose,
    Close,
    End,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        6 => (1..40u32).prop_map(Action::Push),
        3 => (1..40u32).prop_map(Action::Replace),
        2 => Just(Action::DropOldest),
        4 => Just(Action::Take),
        4 => Just(Action::Write),
        1 => Just(Action::PeerClose),
        1 => Just(Action::Close),
        1 => Just(Action::End),
    ];
    prop::collection::vec(action, 1..60)
}

/// Plays the senders, the writer and the receiving half in one thread.
#[derive(Default)]
struct Player {
    batch: Batch,
    /// `true` while the batch is not written.
    writing: bool,
    /// Free capacity, in bytes.
    free: usize,
    /// Number of messages that the state has taken.
    accepted: u64,
    flushes: Vec<(Position, bool)>,
    close_frames: usize,
}

impl Player {
    fn act(&mut self, state: &mut OutboxState, action: Action) {
        match action {
            Action::Push(bytes) => {
                let key = (bytes % 3 == 0).then_some("key");
                if self.free < bytes as usize {
                    return;
                }
                self.free -= bytes as usize;
                if state.push(entry(bytes, key), bytes).is_ok() {
                    self.accepted += 1;
                    self.flushes.push((state.position(), false));
                }
            }
            Action::Replace(bytes) => {
                let entry = entry(bytes, Some("key"));
                let Some(before) = state.replaceable(&entry) else { return };
                let excess = bytes.saturating_sub(before);
                if self.free >= excess as usize {
                    self.free -= excess as usize;
                    state.push(entry, excess).unwrap();
                    self.accepted += 1;
                }
            }
            Action::DropOldest => {
                let _ = state.drop_oldest();
            }
            Action::Take if !self.writing => {
                self.writing = take(state, &mut self.batch).is_some();
                let closes = self.batch.close.take().is_some() || !self.batch.control.is_empty();
                if closes || !self.batch.entries.is_empty() {
                    assert_eq!(self.close_frames, 0, "the close frame is the last");
                }
                self.close_frames += usize::from(closes);
                self.batch.control.clear();
            }
            Action::Write if self.writing => {
                state.on_written(&mut self.batch);
                self.writing = false;
            }
            Action::Take | Action::Write => {}
            Action::PeerClose => {
                let _ = state.poll_control(Waker::noop(), &[0x88, 0], true);
            }
            Action::Close => state.close(ClosePayload(None)),
            Action::End => {
                if !self.writing {
                    self.batch = Batch::default();
                }
                state.on_end(&self.batch, None);
                self.batch = Batch::default();
                self.writing = false;
            }
        }
    }

    fn check(&mut self, state: &mut OutboxState) {
        let effects = state.take_effects();
        self.free += effects.freed;
        assert!(self.free <= CAPACITY as usize, "capacity is not doubled");
        let writing = if self.writing { self.batch.entries.len() } else { 0 };
        let (sent, dropped) = state.counts();
        let counted = state.queued() as u64 + writing as u64 + sent + dropped.total();
        assert_eq!(counted, self.accepted, "each message is counted once");
        for (position, flushed) in &mut self.flushes {
            let now = state.is_flushed(*position) == Some(Ok(()));
            assert!(now || !*flushed, "what is flushed stays flushed");
            *flushed = now;
        }
    }
}

proptest! {
    #[test]
    fn any_order_of_steps_keeps_capacity_and_counts(actions in actions()) {
        let mut state = OutboxState::new(CAPACITY);
        let mut player = Player { free: CAPACITY as usize, ..Player::default() };
        let mut closed = false;
        for action in actions {
            closed |= matches!(action, Action::PeerClose | Action::Close | Action::End);
            player.act(&mut state, action);
            player.check(&mut state);
            if matches!(action, Action::End) {
                break;
            }
        }
        for _ in 0..60 {
            player.act(&mut state, Action::Take);
            player.act(&mut state, Action::Write);
            player.check(&mut state);
        }
        assert_eq!(player.free, CAPACITY as usize, "capacity is not lost");
        assert!(closed || player.flushes.iter().all(|(_, flushed)| *flushed));
    }
}
