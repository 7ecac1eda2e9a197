//! The flows of a UDP socket: each has a queue of datagrams for the tunnel, and a task.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

/// Maximum number of flows of one socket; datagrams of further ones are dropped.
const MAX_FLOWS: usize = 256;

/// Number of datagrams of one flow that wait for the tunnel; further ones are dropped.
const QUEUE: usize = 64;

/// Length of the datagrams of all flows of one socket that wait for the tunnel, in bytes; further
/// ones are dropped. Four flows may fill their queues with the longest datagrams.
const MAX_WAITING: usize = 16 << 20;

/// The flows of a socket, by their keys.
pub(super) struct Flows<K> {
    queues: HashMap<K, mpsc::Sender<QueuedDatagram>>,
    /// The capacity for datagrams that wait, in bytes.
    capacity: Arc<Semaphore>,
    tasks: JoinSet<K>,
}

/// A datagram that waits for the tunnel.
#[derive(Debug)]
pub(super) struct QueuedDatagram {
    pub(super) datagram: Vec<u8>,
    _capacity: OwnedSemaphorePermit,
}

impl<K: Clone + Eq + Hash + Send + 'static> Flows<K> {
    pub(super) fn new() -> Self {
        let capacity = Arc::new(Semaphore::new(MAX_WAITING));
        Self { queues: HashMap::new(), capacity, tasks: JoinSet::new() }
    }

    pub(super) fn contains<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.queues.contains_key(key)
    }

    /// Returns whether no further flow may begin.
    pub(super) fn are_full(&self) -> bool {
        self.queues.len() >= MAX_FLOWS
    }

    /// Begins a flow with the queue of its datagrams. Its future returns when the flow has ended.
    pub(super) fn begin<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        key: K,
        flow: impl FnOnce(mpsc::Receiver<QueuedDatagram>) -> F,
    ) {
        let (queue, datagrams) = mpsc::channel(QUEUE);
        let flow = flow(datagrams);
        self.queues.insert(key.clone(), queue);
        self.tasks.spawn(async move {
            flow.await;
            key
        });
    }

    /// Adds a datagram to a flow. Without space for it, the datagram is dropped, as networks do.
    pub(super) fn send<Q: Eq + Hash + ?Sized>(&self, key: &Q, datagram: &[u8])
    where
        K: Borrow<Q>,
    {
        let (Some(queue), Ok(length)) = (self.queues.get(key), u32::try_from(datagram.len()))
        else {
            return;
        };
        if let Ok(capacity) = Arc::clone(&self.capacity).try_acquire_many_owned(length) {
            let _ =
                queue.try_send(QueuedDatagram { datagram: datagram.to_vec(), _capacity: capacity });
        }
    }

    /// Forgets the flows that end, for as long as the future is polled. Cancel safe.
    pub(super) async fn forget_ended(&mut self) {
        while let Some(Ok(key)) = self.tasks.join_next().await {
            self.queues.remove(&key);
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn datagrams_that_wait_are_bounded_in_number_and_in_length() {
        let mut flows = Flows::new();
        let mut queues = Vec::new();
        for key in 0..MAX_FLOWS {
            flows.begin(key, |datagrams| {
                queues.push(datagrams);
                std::future::pending()
            });
        }
        let datagram = vec![7; usize::from(u16::MAX)];
        for key in 0..MAX_FLOWS {
            for _ in 0..=QUEUE {
                flows.send(&key, &datagram);
            }
        }
        let waiting = |queues: &[mpsc::Receiver<QueuedDatagram>]| -> usize {
            queues.iter().map(mpsc::Receiver::len).sum()
        };
        assert_eq!(queues[0].len(), QUEUE);
        assert_eq!(waiting(&queues), MAX_WAITING / datagram.len());
        // Capacity that is free again is used, by a flow whose queue is empty.
        drop(queues[0].recv().await);
        flows.send(&(MAX_FLOWS - 1), &datagram);
        assert_eq!(queues[MAX_FLOWS - 1].len(), 1);
    }
}
