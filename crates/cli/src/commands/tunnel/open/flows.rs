//! The flows of a UDP socket: each has a queue of datagrams for the tunnel, and a task.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Maximum number of flows of one socket; datagrams of further ones are dropped.
const MAX_FLOWS: usize = 256;

/// Number of datagrams of one flow that wait for the tunnel; further ones are dropped.
const QUEUE: usize = 64;

/// The flows of a socket, by their keys.
pub(super) struct Flows<K> {
    queues: HashMap<K, mpsc::Sender<Vec<u8>>>,
    tasks: JoinSet<K>,
}

impl<K: Clone + Eq + Hash + Send + 'static> Flows<K> {
    pub(super) fn new() -> Self {
        Self { queues: HashMap::new(), tasks: JoinSet::new() }
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
        flow: impl FnOnce(mpsc::Receiver<Vec<u8>>) -> F,
    ) {
        let (queue, datagrams) = mpsc::channel(QUEUE);
        let flow = flow(datagrams);
        self.queues.insert(key.clone(), queue);
        self.tasks.spawn(async move {
            flow.await;
            key
        });
    }

    /// Adds a datagram to a flow. A full queue drops the datagram, as networks do.
    pub(super) fn send<Q: Eq + Hash + ?Sized>(&self, key: &Q, datagram: &[u8])
    where
        K: Borrow<Q>,
    {
        if let Some(queue) = self.queues.get(key) {
            let _ = queue.try_send(datagram.to_vec());
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
