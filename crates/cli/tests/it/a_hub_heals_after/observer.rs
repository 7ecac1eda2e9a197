//! Clients of a case: observers, which record what they are told, and publishers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use sockeye::reconnect::Backoff;
use sockeye_hub::client::{ClientError, ClientEvent, ClientEvents, HistoryRequest, HubClient};
use sockeye_hub::core::{Position, Publication, PublicationId, SessionId};
use sockeye_hub::{JoinOptions, Recovered};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::checker::{Observation, Stored};
use super::members::{Change, Life};

/// A room without history that all observers are in.
pub(crate) const LIVE: &str = "live:room";

/// The pause of a publisher between two publications, unless it floods.
const PAUSE: Duration = Duration::from_millis(25);

/// The pause between two publications without history, some of which are on their way when a fault
/// begins.
const LIVE_PAUSE: Duration = Duration::from_millis(10);

/// The interval at which a publisher repeats a publication that was acknowledged.
const REPEAT_EVERY: u64 = 20;

static START: OnceLock<Instant> = OnceLock::new();

/// Returns the microseconds since the first call.
fn now() -> u64 {
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

/// Returns a client that reconnects within a second.
fn connect(node: SocketAddr) -> (HubClient, ClientEvents) {
    HubClient::builder(&format!("ws://{node}/hub"))
        .backoff(Backoff::new().max_attempts(None).cap(Duration::from_secs(1)))
        .timeout(Duration::from_secs(5))
        .connect()
}

/// A member of the room of a case and of the room [`LIVE`], which reconnects and recovers.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) name: String,
    pub(crate) node: usize,
    /// Dropped with the observer, which ends its task.
    _client: HubClient,
    record: Arc<Mutex<Record>>,
    reads: watch::Sender<bool>,
}

/// The events of an observer.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) observations: Vec<Observation>,
    pub(crate) cursor: Option<Position>,
    /// The highest number that was received of each publisher.
    pub(crate) delivered: HashMap<usize, u64>,
    /// The longest time from a publication to its delivery.
    pub(crate) longest_delay: Duration,
    pub(crate) presence: Vec<(Instant, Change)>,
    pub(crate) lives: Vec<Life>,
    /// The last number of each publisher in the room without history.
    live: HashMap<usize, u64>,
    pub(crate) violations: Vec<String>,
    /// The session of the current connection.
    session: Option<SessionId>,
    /// The position that the observer was made to begin at.
    from: Option<Position>,
}

impl Observer {
    /// Connects to a node, and joins both rooms.
    pub(crate) fn join(name: String, (node, at): (usize, SocketAddr), room: &'static str) -> Self {
        let (client, events) = connect(at);
        let (reads, may_read) = watch::channel(true);
        let record = Arc::<Mutex<Record>>::default();
        tokio::spawn(observe(room, events, may_read, record.clone()));
        for room in [room, LIVE] {
            let client = client.clone();
            // A join that times out is repeated by the client.
            tokio::spawn(async move { drop(client.join(room).await) });
        }
        Self { name, node, _client: client, record, reads }
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap()
    }

    /// Sets whether the observer reads its events.
    pub(crate) fn set_reading(&self, reads: bool) {
        self.reads.send_replace(reads);
    }

    /// Returns the current session, if the observer is in the room.
    pub(crate) fn session(&self) -> Option<SessionId> {
        let record = self.record();
        let life = record.lives.last().filter(|life| life.ended.is_none());
        life.map(|life| life.session)
    }
}

async fn observe(
    room: &'static str,
    mut events: ClientEvents,
    mut may_read: watch::Receiver<bool>,
    record: Arc<Mutex<Record>>,
) {
    loop {
        if may_read.wait_for(|reads| *reads).await.is_err() {
            return;
        }
        let Some(event) = events.next().await else { return };
        record.lock().unwrap().handle(room, event);
    }
}

impl Record {
    fn handle(&mut self, observed: &str, event: ClientEvent) {
        match event {
            ClientEvent::Connected { session, .. } => self.session = Some(session),
            ClientEvent::Disconnected { .. } => self.on_disconnected(),
            ClientEvent::Joined { room, joined } if room.as_str() == observed => {
                let (Some(position), Some(session)) = (joined.position, self.session) else {
                    return self.violations.push(format!("joined without a position: {joined:?}"));
                };
                let (from, recovery) = (self.from.take(), joined.recovery);
                self.observations.push(Observation::Joined { from, position, recovery });
                if recovery != Recovered::All {
                    self.cursor = Some(position);
                }
                let now = Instant::now();
                self.presence.push((now, Change::Began));
                let life = Life { session, began: now, ended: None, may_expire: false };
                self.lives.push(life);
            }
            ClientEvent::Publication { room, publication, position } => {
                let id = publication.id.as_ref().map(|id| id.as_str().to_owned());
                match (id, position) {
                    (Some(id), Some(position)) if room.as_str() == observed => {
                        self.on_delivered(id, position, &publication);
                    }
                    _ => self.on_live(&publication),
                }
            }
            ClientEvent::Missed { room, missed } if room.as_str() == observed => {
                self.cursor = missed.position.or(self.cursor);
                self.observations.push(Observation::Missed(missed));
            }
            ClientEvent::Presence { room, diff } if room.as_str() == observed => {
                let now = Instant::now();
                let joined = diff.joined.iter().map(|member| Change::Joined(member.session));
                let left = diff.left.iter().map(|member| Change::Left(member.session));
                self.presence.extend(joined.chain(left).map(|change| (now, change)));
            }
            ClientEvent::Closed { reason } => {
                self.on_disconnected();
                self.violations.push(format!("the client was closed: {reason}"));
            }
            ClientEvent::Refused { refusal, .. } => {
                self.violations.push(format!("the client was refused: {refusal:?}"));
            }
            ClientEvent::Left { room, reason, .. } => {
                self.violations.push(format!("the client had to leave {room:?}: {reason}"));
            }
            _ => {}
        }
    }

    fn on_disconnected(&mut self) {
        let now = Instant::now();
        // The session may have ended before it was in the room.
        if let Some(life) = self.lives.last_mut().filter(|life| life.ended.is_none()) {
            life.ended = Some(now);
            self.presence.push((now, Change::Ended));
        }
    }

    fn on_delivered(&mut self, id: String, position: Position, publication: &Publication) {
        if let Some((publisher, number)) = parse_id(&id) {
            let highest = self.delivered.entry(publisher).or_default();
            *highest = number.max(*highest);
        }
        let text = publication.message.as_text().unwrap_or_default();
        let sent = text.split(' ').next().and_then(|sent| sent.parse().ok()).unwrap_or(0);
        let delay = Duration::from_micros(now().saturating_sub(sent));
        self.longest_delay = self.longest_delay.max(delay);
        self.cursor = Some(position);
        self.observations.push(Observation::Delivered(Stored { id, position }));
    }

    /// Checks that the publications of each publisher arrive in their order, at most once.
    fn on_live(&mut self, publication: &Publication) {
        let Some((publisher, number)) = publication.message.as_text().and_then(parse_id) else {
            return self.violations.push(format!("received {publication:?}"));
        };
        let last = self.live.insert(publisher, number).unwrap_or(0);
        if number <= last {
            self.violations.push(format!("received {number} of {publisher} live, after {last}"));
        }
    }
}

fn parse_id(id: &str) -> Option<(usize, u64)> {
    let (publisher, number) = id.split_once('-')?;
    Some((publisher.parse().ok()?, number.parse().ok()?))
}

/// Connects to a node, and recovers the room of a case from a position. Returns the observations
/// until the publication at `top`, or until the notice of a gap.
pub(crate) async fn recover(
    node: SocketAddr,
    room: &'static str,
    from: Position,
    top: Position,
) -> Vec<Observation> {
    let (client, mut events) = connect(node);
    let joining = client.clone();
    let options = JoinOptions::new().from(from).presence(false);
    tokio::spawn(async move { drop(joining.join_with(room, options).await) });
    let mut record = Record { from: Some(from), cursor: Some(from), ..Record::default() };
    let recovered = tokio::time::timeout(Duration::from_secs(60), async {
        while let Some(event) = events.next().await {
            record.handle(room, event);
            if !record.observations.is_empty() && record.cursor == Some(top) {
                return;
            }
        }
    });
    // Without its end, the checker complains.
    let _ = recovered.await;
    record.observations
}

/// The state that a publisher shares with its task.
#[derive(Debug, Default)]
struct Publishing {
    acknowledged: Mutex<Vec<Stored>>,
    /// The number of the current or of the next publication.
    number: AtomicU64,
    /// The bytes of each publication; publishers with large ones do not pause.
    size: AtomicUsize,
    is_idle: AtomicBool,
}

/// A client that publishes to the room of a case through a node, each publication with an id and
/// again until it is acknowledged; and to the room [`LIVE`].
#[derive(Debug)]
pub(crate) struct Publisher {
    number: usize,
    pub(crate) client: HubClient,
    shared: Arc<Publishing>,
    runs: watch::Sender<bool>,
    tasks: [JoinHandle<()>; 2],
}

impl Publisher {
    pub(crate) fn start(number: usize, at: SocketAddr, room: &'static str) -> Self {
        let (client, mut events) = connect(at);
        tokio::spawn(async move { while events.next().await.is_some() {} });
        let (runs, may_run) = watch::channel(true);
        let shared = Arc::<Publishing>::default();
        shared.number.store(1, Ordering::SeqCst);
        let task = publish_all(number, room, client.clone(), may_run, shared.clone());
        let tasks = [tokio::spawn(task), tokio::spawn(publish_live(number, client.clone()))];
        Self { number, client, shared, runs, tasks }
    }

    /// Lets the publisher pause after its current publication, or run.
    pub(crate) fn set_running(&self, runs: bool) {
        self.runs.send_replace(runs);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.shared.is_idle.load(Ordering::SeqCst)
    }

    pub(crate) fn set_size(&self, bytes: usize) {
        self.shared.size.store(bytes, Ordering::SeqCst);
    }

    pub(crate) fn acknowledged(&self) -> Vec<Stored> {
        self.shared.acknowledged.lock().unwrap().clone()
    }

    /// Returns the number of the current or of the next publication.
    pub(crate) fn next_number(&self) -> u64 {
        self.shared.number.load(Ordering::SeqCst)
    }

    /// Returns the id of the current publication, which is not acknowledged.
    pub(crate) fn current_id(&self) -> String {
        format!("{}-{}", self.number, self.next_number())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn publish_all(
    publisher: usize,
    room: &'static str,
    client: HubClient,
    mut may_run: watch::Receiver<bool>,
    shared: Arc<Publishing>,
) {
    for number in 1.. {
        shared.number.store(number, Ordering::SeqCst);
        shared.is_idle.store(!*may_run.borrow_and_update(), Ordering::SeqCst);
        if may_run.wait_for(|runs| *runs).await.is_err() {
            return;
        }
        shared.is_idle.store(false, Ordering::SeqCst);
        let id = format!("{publisher}-{number}");
        let size = shared.size.load(Ordering::SeqCst);
        let publication = Publication {
            id: Some(PublicationId::new(&id)),
            ..Publication::new(format!("{} {}", now(), "x".repeat(size)))
        };
        // An id has one position, also after the publications of others.
        let times = if number % REPEAT_EVERY == 0 { 2 } else { 1 };
        for _ in 0..times {
            let position = publish(&client, room, &publication).await;
            let stored = Stored { id: id.clone(), position };
            shared.acknowledged.lock().unwrap().push(stored);
        }
        if size == 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Publishes numbers to the room without history, each at most once.
async fn publish_live(publisher: usize, client: HubClient) {
    for number in 1_u64.. {
        drop(client.publish(LIVE, format!("{publisher}-{number}")).await);
        tokio::time::sleep(LIVE_PAUSE).await;
    }
}

/// Publishes until the publication is acknowledged.
async fn publish(client: &HubClient, room: &str, publication: &Publication) -> Position {
    loop {
        match client.publish_with(room, publication.clone()).await {
            Ok(Some(position)) => return position,
            Ok(None) => panic!("a publication to a room with history has no position"),
            Err(ClientError::Closed) => panic!("the publisher was closed"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Reads the whole history of a room through a client. Returns it with its top.
pub(crate) async fn history(
    client: &HubClient,
    room: &str,
) -> Result<(Vec<Stored>, Position), ClientError> {
    let mut log = Vec::new();
    let mut from = None;
    loop {
        let request = HistoryRequest { from, limit: Some(1_000), reverse: false };
        let page = client.history(room, request).await?;
        assert_eq!(page.gap, None, "the history has all publications");
        for (publication, position) in page.publications {
            let id = publication.id.expect("each publication has an id").as_str().to_owned();
            from = Some(position);
            log.push(Stored { id, position });
        }
        if !page.more {
            return Ok((log, page.position));
        }
    }
}
