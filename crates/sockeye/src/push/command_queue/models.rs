//! Models of threads that post commands to a worker, which `ci/models.sh` runs.

use loom::sync::Notify;
use loom::thread;
use sockeye_proto::CloseCode;

use super::*;
use crate::sync::{block_on, check};

const ID: ConnectionId = ConnectionId::new(0, 0, 0);

/// The command queue of a worker, and the event that ends the worker's wait.
#[derive(Clone)]
struct Worker {
    queue: Arc<CommandQueue>,
    event: Arc<Notify>,
}

impl Worker {
    /// Creates a worker whose queue is full with so many pings.
    fn new(pings: usize) -> Self {
        let event = Arc::new(Notify::new());
        let waker = event.clone();
        let queue = CommandQueue::new(Box::new(move || waker.notify()), pings * COMMAND_SIZE);
        Self { queue: Arc::new(queue), event }
    }

    fn post_ping(&self, payload: u8) -> Result<(), HandleError> {
        // Without capacity, the payload counts nothing.
        self.queue.post(Command::Ping(ID, vec![payload]))
    }

    /// Handles commands until the server stops.
    fn run(&self) -> Vec<Command> {
        let (mut handled, mut commands) = (Vec::new(), Vec::new());
        loop {
            self.queue.take_or_sleep(&mut commands);
            if commands.is_empty() {
                self.event.wait();
            }
            self.queue.wake();
            for command in commands.drain(..) {
                if matches!(command, Command::Stop) {
                    self.queue.close();
                    return handled;
                }
                handled.push(command);
            }
        }
    }
}

/// Returns the payloads of the pings among the commands.
fn pings(commands: &[Command]) -> Vec<u8> {
    let ping = |command: &Command| match command {
        Command::Ping(_, payload) => payload.first().copied(),
        _ => None,
    };
    commands.iter().filter_map(ping).collect()
}

#[test]
fn model_a_worker_that_waits_is_woken() {
    check(3, || {
        let worker = Worker::new(8);
        let other = thread::spawn({
            let worker = worker.clone();
            move || worker.post_ping(2).unwrap()
        });
        let posting = thread::spawn({
            let worker = worker.clone();
            move || {
                worker.post_ping(0).unwrap();
                worker.post_ping(1).unwrap();
                other.join().unwrap();
                worker.queue.post(Command::Stop).unwrap();
            }
        });
        let mut handled = pings(&worker.run());
        posting.join().unwrap();
        assert!(matches!(worker.post_ping(3), Err(HandleError::Stopped)));
        let in_order = handled.iter().filter(|ping| **ping < 2).is_sorted();
        assert!(in_order, "commands of one thread keep their order: {handled:?}");
        handled.sort_unstable();
        assert_eq!(handled, [0, 1, 2]);
    });
}

#[test]
fn model_a_full_queue_accepts_the_end_of_a_connection() {
    check(3, || {
        let worker = Worker::new(1);
        let other = thread::spawn({
            let worker = worker.clone();
            move || worker.post_ping(2).is_ok()
        });
        let posting = thread::spawn({
            let worker = worker.clone();
            move || {
                let first = worker.post_ping(0).is_ok();
                let payload = ClosePayload(Some(CloseCode::GOING_AWAY.into()));
                worker.queue.post(Command::Close(ID, payload)).unwrap();
                worker.queue.post(Command::Abort(ID)).unwrap();
                let second = other.join().unwrap();
                worker.queue.post(Command::Stop).unwrap();
                usize::from(first) + usize::from(second)
            }
        });
        let handled = worker.run();
        let accepted = posting.join().unwrap();
        assert!(accepted >= 1, "an empty queue is not full");
        assert_eq!(pings(&handled).len(), accepted);
        assert_eq!(handled.len(), accepted + 2, "the close and the abort arrive");
    });
}

#[test]
fn model_a_task_that_waits_for_capacity_is_notified() {
    check(3, || {
        let worker = Worker::new(1);
        worker.post_ping(0).unwrap();
        let posting = thread::spawn({
            let worker = worker.clone();
            move || {
                while let Err(error) = worker.post_ping(1) {
                    assert!(matches!(error, HandleError::Full), "{error}");
                    block_on(worker.queue.wait_for_capacity());
                }
                worker.queue.post(Command::Stop).unwrap();
            }
        });
        assert_eq!(pings(&worker.run()), [0, 1]);
        posting.join().unwrap();
    });
}

#[test]
fn model_a_task_that_waits_for_capacity_learns_of_the_end() {
    check(3, || {
        let worker = Worker::new(1);
        worker.post_ping(0).unwrap();
        let waiting = thread::spawn({
            let worker = worker.clone();
            move || block_on(worker.queue.wait_for_capacity())
        });
        worker.queue.close();
        waiting.join().unwrap();
    });
}
