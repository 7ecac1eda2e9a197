use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

use super::BusEvent;

/// The bytes of the publications and messages that wait for a node. Chosen: the same as of the
/// operations that wait for a broker.
const MAX_BYTES: usize = 64 << 20;

/// Creates a channel for the events of a bus to one node.
///
/// The channel holds up to `capacity` events, whose publications and messages have up to 64 MiB, or
/// one event that alone has more. What a node does not take in time is dropped and
/// counted, and the node receives [`BusEvent::Lost`] in its place: publications with history are
/// then read from the history, and publications without history are lost. The last state of the
/// link, [`BusEvent::Down`] or [`BusEvent::Up`], is never lost.
pub fn events(capacity: usize) -> (EventSender, EventReceiver) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    let (lost, bytes) = (Arc::new(Lost::default()), Arc::new(AtomicUsize::new(0)));
    let sender = EventSender { sender, lost: lost.clone(), bytes: bytes.clone() };
    (sender, EventReceiver { receiver, lost, bytes, next: VecDeque::new() })
}

/// Returns the bytes that an event is charged with.
fn size(event: &BusEvent) -> usize {
    match event {
        BusEvent::Stored { entry, .. } => entry.publication.size(),
        BusEvent::Live { publication, .. } => publication.size(),
        BusEvent::Message { bytes, .. } => bytes.len(),
        BusEvent::Lost { .. } | BusEvent::Down | BusEvent::Up => 0,
    }
}

/// The events that were dropped and not reported yet.
#[derive(Debug, Default)]
struct Lost {
    events: AtomicU64,
    reported: Notify,
    /// The events of the link among them that are reported all the same: none, `Down`, or `Down`
    /// and `Up`.
    link: Mutex<Vec<BusEvent>>,
}

impl Lost {
    /// Keeps an event of the link. An `Up` follows a `Down`, which may have been delivered before.
    fn keep_link_event(&self, event: &BusEvent) {
        let events = match event {
            BusEvent::Down => vec![BusEvent::Down],
            BusEvent::Up => vec![BusEvent::Down, BusEvent::Up],
            _ => return,
        };
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = events;
    }

    fn take_link_events(&self) -> Vec<BusEvent> {
        std::mem::take(&mut *self.link.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The sending half of a channel of [`events`], which a bus keeps for each node.
#[derive(Clone, Debug)]
pub struct EventSender {
    sender: mpsc::Sender<BusEvent>,
    lost: Arc<Lost>,
    /// The bytes of the queued events.
    bytes: Arc<AtomicUsize>,
}

impl EventSender {
    /// Queues an event; drops and counts it if the channel is full. Returns whether the node still
    /// listens.
    pub fn send(&self, event: BusEvent) -> bool {
        let size = size(&event);
        // Counted before the receiver can take the event.
        let queued = self.bytes.fetch_add(size, Ordering::Relaxed);
        let sent = if queued > 0 && size > 0 && queued.saturating_add(size) > MAX_BYTES {
            Err(TrySendError::Full(event))
        } else {
            self.sender.try_send(event)
        };
        if sent.is_err() {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
        }
        match sent {
            Ok(()) => true,
            Err(TrySendError::Full(event)) => {
                self.lost.keep_link_event(&event);
                self.lost.events.fetch_add(1, Ordering::Release);
                self.lost.reported.notify_one();
                !self.is_closed()
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Queues an event, and waits while the channel is full: for [`BusEvent::Down`] and
    /// [`BusEvent::Up`], which the node must not miss. Returns whether the node still listens.
    pub async fn send_waiting(&self, event: BusEvent) -> bool {
        let Ok(permit) = self.sender.reserve().await else { return false };
        self.bytes.fetch_add(size(&event), Ordering::Relaxed);
        permit.send(event);
        true
    }

    /// Returns whether the node no longer listens.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// The receiving half of a channel of [`events`].
#[derive(Debug)]
pub struct EventReceiver {
    receiver: mpsc::Receiver<BusEvent>,
    lost: Arc<Lost>,
    bytes: Arc<AtomicUsize>,
    /// The events that follow the report of lost ones.
    next: VecDeque<BusEvent>,
}

impl EventReceiver {
    /// Returns the next event, or `None` once the bus has dropped its sender.
    ///
    /// # Cancel safety
    /// No event is lost.
    pub async fn recv(&mut self) -> Option<BusEvent> {
        if let Some(event) = self.next.pop_front() {
            return Some(event);
        }
        loop {
            let event = tokio::select! {
                event = self.receiver.recv() => Some(event.inspect(|event| self.on_taken(event))),
                () = self.lost.reported.notified() => None,
            };
            match (self.lost.events.swap(0, Ordering::Acquire), event) {
                (0, Some(event)) => return event,
                (0, None) => {}
                (events, event) => {
                    let queued = event.flatten().into_iter();
                    self.next = queued.chain(self.lost.take_link_events()).collect();
                    return Some(BusEvent::Lost { events });
                }
            }
        }
    }

    /// Returns the number of events that wait.
    pub fn len(&self) -> usize {
        self.next.len() + self.receiver.len()
    }

    /// Returns whether no event waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the next event if there is one already.
    pub fn try_recv(&mut self) -> Option<BusEvent> {
        self.next.pop_front().or_else(|| {
            let event = self.receiver.try_recv().ok()?;
            self.on_taken(&event);
            Some(event)
        })
    }

    fn on_taken(&self, event: &BusEvent) {
        self.bytes.fetch_sub(size(event), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::core::NodeId;

    fn message(number: u8) -> BusEvent {
        BusEvent::Message { from: NodeId(1), bytes: Bytes::copy_from_slice(&[number]) }
    }

    fn number(event: Option<BusEvent>) -> u8 {
        match event {
            Some(BusEvent::Message { bytes, .. }) => bytes[0],
            event => panic!("{event:?}"),
        }
    }

    #[tokio::test]
    async fn events_beyond_the_capacity_are_reported_as_lost() {
        let (sender, mut receiver) = events(2);
        for number in 0..5 {
            assert!(sender.send(message(number)));
        }
        match receiver.recv().await {
            Some(BusEvent::Lost { events }) => assert_eq!(events, 3),
            event => panic!("{event:?}"),
        }
        assert_eq!(number(receiver.recv().await), 0);
        assert_eq!(number(receiver.recv().await), 1);
        sender.send(message(9));
        assert_eq!(number(receiver.recv().await), 9);
        drop(receiver);
        assert!(!sender.send(message(0)));
    }

    #[tokio::test]
    async fn bytes_beyond_the_limit_are_reported_as_lost() {
        let (sender, mut receiver) = events(10);
        let large = |bytes| BusEvent::Message { from: NodeId(1), bytes: vec![7; bytes].into() };
        for _ in 0..2 {
            // An event that alone exceeds the limit is not lost, but the next one.
            sender.send(large(MAX_BYTES + 1));
            sender.send(message(1));
            sender.send(BusEvent::Down);
            assert!(matches!(receiver.recv().await, Some(BusEvent::Lost { events: 1 })));
            assert_eq!(number(receiver.recv().await), 7);
            assert!(matches!(receiver.recv().await, Some(BusEvent::Down)));
        }
        sender.send(large(MAX_BYTES / 2));
        sender.send(large(MAX_BYTES / 2));
        assert_eq!(number(receiver.try_recv()), 7);
        assert_eq!(number(receiver.recv().await), 7);
    }

    #[tokio::test]
    async fn the_state_of_the_link_is_not_lost() {
        let (sender, mut receiver) = events(1);
        sender.send(message(0));
        sender.send(BusEvent::Down);
        sender.send(BusEvent::Up);
        let mut found = Vec::new();
        for _ in 0..4 {
            found.push(receiver.recv().await);
        }
        let link = found.iter().flatten().filter_map(|event| match event {
            BusEvent::Down => Some("down"),
            BusEvent::Up => Some("up"),
            _ => None,
        });
        assert_eq!(link.collect::<Vec<_>>(), ["down", "up"]);
        sender.send(message(1));
        assert_eq!(number(receiver.recv().await), 1);
    }

    #[tokio::test]
    async fn an_event_that_waits_for_capacity_is_not_lost() {
        let (sender, mut receiver) = events(1);
        sender.send(message(0));
        let waiting = tokio::spawn(async move { sender.send_waiting(BusEvent::Down).await });
        assert_eq!(number(receiver.recv().await), 0);
        assert!(matches!(receiver.recv().await, Some(BusEvent::Down)));
        assert!(waiting.await.unwrap());
    }
}
