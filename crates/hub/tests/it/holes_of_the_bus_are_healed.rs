use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sockeye::Message;
use sockeye_hub::bus::{Bus, BusError, BusEvent, BusFuture, EventSender, Local, Source, events};
use sockeye_hub::core::history::{Limit, Page, Range, Retention};
use sockeye_hub::core::{Epoch, NodeId, Position, Publication, RoomName};
use sockeye_hub::{Delivery, Encoder, Hub, JoinOptions, Joined, Recovered};

use crate::support::{Lines, connect, hub, line, lines, nothing_more};

/// A bus that damages the events of stored publications. The last word of a message selects the
/// fault: `lost`, `twice`, or `late`, which delays the event until after the next undamaged one.
#[derive(Clone, Debug, Default)]
struct FaultyBus {
    inner: Local,
    state: Arc<FaultState>,
}

#[derive(Debug, Default)]
struct FaultState {
    events: OnceLock<EventSender>,
    reads: AtomicUsize,
    /// Number of reads that still fail; subscriptions fail while it is above 0.
    reads_to_fail: AtomicUsize,
    /// Number of subscriptions during which the link still breaks and is restored.
    subscriptions_to_interrupt: AtomicUsize,
}

impl FaultyBus {
    fn over(inner: Local) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// Reports that the link broke and was restored.
    fn reconnect(&self) {
        let events = self.state.events.get().unwrap();
        events.send(BusEvent::Down);
        events.send(BusEvent::Up);
    }
}

impl Bus for FaultyBus {
    fn attach(&self, node: NodeId, sender: EventSender) {
        let (inner, mut receiver) = events(1024);
        self.inner.attach(node, inner);
        self.state.events.set(sender.clone()).unwrap();
        tokio::spawn(async move {
            let mut late = None;
            while let Some(event) = receiver.recv().await {
                let BusEvent::Stored { entry, .. } = &event else {
                    sender.send(event);
                    continue;
                };
                let text = entry.publication.message.as_text().unwrap_or_default();
                match text.rsplit(' ').next().unwrap_or_default() {
                    "lost" => {}
                    "twice" => {
                        sender.send(event.clone());
                        sender.send(event);
                    }
                    "late" => late = Some(event),
                    _ => {
                        sender.send(event);
                        late.take().map(|event| sender.send(event));
                    }
                }
            }
        });
    }

    fn publish<'a>(
        &'a self,
        room: &'a RoomName,
        publication: Arc<Publication>,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        self.inner.publish(room, publication, retention)
    }

    fn subscribe<'a>(
        &'a self,
        room: &'a RoomName,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        if self.state.reads_to_fail.load(Ordering::Relaxed) > 0 {
            return Box::pin(std::future::ready(Err(BusError::Down)));
        }
        let to_interrupt = &self.state.subscriptions_to_interrupt;
        let interrupts = to_interrupt
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok();
        Box::pin(async move {
            if interrupts {
                self.reconnect();
                // Lets the node handle both events.
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
            }
            self.inner.subscribe(room, retention).await
        })
    }

    fn unsubscribe<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        self.inner.unsubscribe(room)
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        range: Range,
        source: Source,
    ) -> BusFuture<'a, Page> {
        self.state.reads.fetch_add(1, Ordering::Relaxed);
        let to_fail = &self.state.reads_to_fail;
        if to_fail.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
        {
            return Box::pin(std::future::ready(Err(BusError::Down)));
        }
        self.inner.read(room, retention, range, source)
    }

    fn top<'a>(&'a self, room: &'a RoomName, retention: &'a Retention) -> BusFuture<'a, Position> {
        Box::pin(async move {
            // Answers after any subscription that began before the link broke.
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            self.inner.top(room, retention).await
        })
    }

    fn replace_epoch<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        expected: Epoch,
    ) -> BusFuture<'a, Position> {
        self.inner.replace_epoch(room, retention, expected)
    }

    fn remove_history<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        self.inner.remove_history(room)
    }

    fn send(&self, to: Option<NodeId>, bytes: Bytes) -> BusFuture<'_, ()> {
        self.inner.send(to, bytes)
    }
}

#[tokio::test]
async fn lost_repeated_and_late_publications_arrive_once_and_in_order() {
    let bus = FaultyBus::over(Local::new());
    let hub: Hub = hub().bus(bus.clone()).build();
    let mut members = Vec::new();
    for _ in 0..10 {
        let (mut client, session) = connect(&hub).await;
        session.join("log").await.unwrap();
        assert_eq!(line(&mut client).await, "log joined 0");
        members.push((client, session));
    }
    let messages = ["a", "lost", "b", "twice", "late", "c", "lost", "lost", "late", "twice", "d"];
    for message in messages {
        hub.room("log").publish(message).await.unwrap();
    }
    for (client, session) in &mut members {
        for (number, message) in messages.iter().enumerate() {
            assert_eq!(line(client).await, format!("log {} {message}", number + 1));
        }
        nothing_more(client, session).await;
    }
    let reads = bus.state.reads.load(Ordering::Relaxed);
    assert!(reads <= 8, "{reads} reads for ten members: a node heals a hole once");
}

/// The protocol of [`Lines`], which counts publications.
#[derive(Clone, Debug, Default)]
struct Counting {
    encoded: Arc<AtomicUsize>,
}

impl Encoder for Counting {
    fn publication(&self, delivery: &Delivery<'_>) -> Message {
        self.encoded.fetch_add(1, Ordering::Relaxed);
        Lines.publication(delivery)
    }

    fn joined(&self, room: &RoomName, joined: &Joined) -> Option<Message> {
        Lines.joined(room, joined)
    }
}

/// Returns nodes that share one local bus: for each its hub, and its faulty bus, which counts the
/// reads.
fn faulty_nodes(count: usize) -> Vec<(FaultyBus, Hub)> {
    let local = Local::new();
    let node = |_| {
        let bus = FaultyBus::over(local.clone());
        (bus.clone(), hub().bus(bus).build())
    };
    (0..count).map(node).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_that_come_and_go_on_all_nodes_miss_and_repeat_nothing() {
    const COUNT: u64 = 1_500;
    const FAULTS: [&str; 8] = ["ok", "lost", "ok", "twice", "late", "ok", "lost", "ok"];

    let nodes = faulty_nodes(3);
    let (_client, session) = connect(&nodes[0].1).await;
    let start = session.join("log").await.unwrap().position.unwrap();
    let publisher = nodes[1].1.clone();
    tokio::spawn(async move {
        let mut faults = FAULTS.iter().cycle();
        for number in 1..=COUNT {
            // The last ten have no fault: a loss at the end is found only after
            // `ChainConfig::silence` (10 s).
            let fault = if number > COUNT - 10 { "ok" } else { faults.next().unwrap() };
            publisher.room("log").publish(format!("{number} {fault}")).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_micros(200)).await;
        }
    });
    let mut clients = Vec::new();
    for number in 0..24_u64 {
        let hubs: Vec<_> = nodes.iter().map(|(_, hub)| hub.clone()).collect();
        clients.push(tokio::spawn(async move {
            let mut position = start;
            let mut stays = 0;
            let reader = hubs[0].clone();
            let mut hubs = hubs.iter().cycle().skip(usize::try_from(number).unwrap());
            while position.offset < COUNT {
                stays += 1;
                let (mut client, session) = connect(hubs.next().unwrap()).await;
                let options = JoinOptions::new().from(position);
                let joined = session.join_with("log", options).await.unwrap();
                assert_eq!(joined.recovery, Recovered::All);
                assert!(line(&mut client).await.ends_with("recovered"));
                let stay = (number * 37 + stays * 101) % 200 + 1;
                for _ in 0..stay.min(COUNT - position.offset) {
                    let line = line(&mut client).await;
                    let mut words = line.split(' ').skip(1);
                    let offset: u64 = words.next().unwrap().parse().unwrap();
                    assert_eq!(offset, position.offset + 1, "{line}");
                    assert_eq!(words.next(), Some(&*offset.to_string()), "{line}");
                    position.offset = offset;
                }
                // The test encoder writes no epoch, so it is read from the history.
                let range = Range::forwards(Limit::NONE).at(position.offset);
                let page = reader.room("log").history(range).await.unwrap();
                position = page.entries[0].position(page.top.epoch);
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn sessions_that_return_at_once_share_their_reads_and_what_is_encoded() {
    const COUNT: usize = 500;

    let (bus, encoder) = (FaultyBus::over(Local::new()), Counting::default());
    let hub: &Hub = &hub().bus(bus.clone()).encoder(encoder.clone()).build();
    let (_client, session) = connect(hub).await;
    let start = session.join("log").await.unwrap().position.unwrap();
    for number in 0..100 {
        hub.room("log").publish(number.to_string()).await.unwrap();
    }
    let mut returning = Vec::new();
    for _ in 0..COUNT {
        returning.push(connect(hub).await);
    }
    bus.state.reads.store(0, Ordering::Relaxed);
    encoder.encoded.store(0, Ordering::Relaxed);
    let joins: Vec<_> = returning
        .iter()
        .map(|(_, session)| {
            let session = session.handle();
            tokio::spawn(async move {
                session.join_with("log", JoinOptions::new().from(start)).await.unwrap()
            })
        })
        .collect();
    for join in joins {
        assert_eq!(join.await.unwrap().recovery, Recovered::All);
    }
    for (client, session) in &mut returning {
        assert!(line(client).await.ends_with("recovered"));
        for number in 0..100 {
            assert_eq!(line(client).await, format!("log {} {number}", number + 1));
        }
        nothing_more(client, session).await;
    }
    let reads = bus.state.reads.load(Ordering::Relaxed);
    assert!(reads <= 10, "{reads} reads for {COUNT} sessions");
    let publications = encoder.encoded.load(Ordering::Relaxed);
    assert!(publications <= 100 * reads, "{publications} were encoded for {reads} reads");
}

#[tokio::test]
async fn a_session_that_leaves_while_it_recovers_receives_nothing_more() {
    let nodes = faulty_nodes(1);
    let (bus, hub) = &nodes[0];
    let (mut client, session) = connect(hub).await;
    let start = session.join("log").await.unwrap().position.unwrap();
    assert_eq!(line(&mut client).await, "log joined 0");
    session.leave("log").unwrap();
    hub.room("log").publish("missed").await.unwrap();
    let (_keeper, keeper_session) = connect(hub).await;
    keeper_session.join("log").await.unwrap();
    // The first read fails, and is repeated after a second.
    bus.state.reads_to_fail.store(1, Ordering::Relaxed);
    let handle = session.handle();
    let options = JoinOptions::new().from(start);
    let join = tokio::spawn(async move { handle.join_with("log", options).await });
    while bus.state.reads_to_fail.load(Ordering::Relaxed) > 0 {
        tokio::task::yield_now().await;
    }
    assert!(session.leave("log").unwrap());
    assert!(join.await.unwrap().is_err());
    let joined = session.join_with("log", JoinOptions::new().from(start)).await.unwrap();
    assert_eq!(joined.recovery, Recovered::All);
    assert_eq!(lines(&mut client, 2).await, ["log joined 0 recovered", "log 1 missed"]);
    nothing_more(&mut client, &session).await;
}

#[tokio::test]
async fn a_lost_last_publication_is_found_when_the_link_returns() {
    let bus = FaultyBus::over(Local::new());
    let hub: Hub = hub().bus(bus.clone()).build();
    let (mut client, session) = connect(&hub).await;
    session.join("log").await.unwrap();
    for message in ["a", "lost"] {
        hub.room("log").publish(message).await.unwrap();
    }
    assert_eq!(lines(&mut client, 2).await, ["log joined 0", "log 1 a"]);
    bus.reconnect();
    assert_eq!(line(&mut client).await, "log 2 lost");
}

#[tokio::test]
async fn a_publication_trimmed_from_the_history_is_reported_as_a_gap() {
    let bus = FaultyBus::over(Local::new());
    let hub: Hub = hub().bus(bus.clone()).build();
    let (mut client, session) = connect(&hub).await;
    session.join("log").await.unwrap();
    for message in ["a", "lost"] {
        hub.room("log").publish(message).await.unwrap();
    }
    hub.room("log").remove_history().await.unwrap();
    hub.room("log").publish("b").await.unwrap();
    let expected = ["log joined 0", "log 1 a", "log missed None Gap(Trimmed)"];
    assert_eq!(lines(&mut client, 3).await, expected);
    hub.room("log").publish("c").await.unwrap();
    assert!(line(&mut client).await.ends_with(" c"));
}

#[tokio::test]
async fn a_join_fails_while_the_bus_is_down() {
    let bus = FaultyBus::over(Local::new());
    let hub: Hub = hub().bus(bus.clone()).build();
    let (mut client, session) = connect(&hub).await;
    bus.state.reads_to_fail.store(1, Ordering::Relaxed);
    assert!(session.join("log").await.is_err());
    assert!(session.rooms().is_empty());
    bus.state.reads_to_fail.store(0, Ordering::Relaxed);
    session.join("log").await.unwrap();
    assert_eq!(line(&mut client).await, "log joined 0");
}

#[tokio::test]
async fn a_join_while_the_link_is_restored_has_a_position_and_misses_nothing() {
    let bus = FaultyBus::over(Local::new());
    let hub: Hub = hub().bus(bus.clone()).build();
    hub.room("log").publish("before").await.unwrap();
    bus.state.subscriptions_to_interrupt.store(2, Ordering::Relaxed);
    let (mut client, session) = connect(&hub).await;
    let joined = session.join("log").await.unwrap();
    assert_eq!(joined.position.map(|position| position.offset), Some(1));
    hub.room("log").publish("after").await.unwrap();
    assert_eq!(lines(&mut client, 2).await, ["log joined 1", "log 2 after"]);
}
