use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::error::Failure;
use super::link::Link;
use super::record::{Record, encode_marker, new_tag};
use super::stream_api::{Query, StoredMessage};
use super::streams::RoomStream;
use crate::bus::BusError;
use crate::core::history::{Direction, Page, Range};
use crate::core::{Epoch, Position, Tag};
use page::{Item, Items};

mod page;

/// The number of times that an answer is sought while the stream changes.
const ATTEMPTS: usize = 4;

/// The delay before a stream that did not answer is asked again.
const NO_STREAM_DELAY: Duration = Duration::from_millis(100);

/// The size of the batches in which a stream is read. Chosen: the size of the pages by which nodes
/// heal holes.
pub(super) const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// The number of records that are read one by one from a server that sends no batches, before the
/// next are read by a consumer. Chosen: most pages are shorter, and a consumer costs two requests
/// and, in a cluster, an agreement of its servers.
const SINGLE_READS: usize = 8;

/// The time for reading a page forwards, which then ends early. Chosen: less than the default
/// timeout of an operation, 5 s.
const PAGE_TIME: Duration = Duration::from_secs(2);

/// The history of one room in its stream.
#[derive(Debug)]
pub(super) struct History<'a> {
    pub(super) link: &'a Link,
    pub(super) stream: &'a RoomStream,
    pub(super) subject: &'a str,
}

/// The part of a page that the stream's epoch does not belong to.
struct Read {
    top: (u64, Tag),
    items: Items,
}

impl History<'_> {
    /// Returns the position after the newest publication, from the server that leads the stream. A
    /// room without one receives a marker, so that it has a position.
    pub(super) async fn top(&self) -> Result<Position, BusError> {
        for _ in 0..ATTEMPTS {
            let epoch = self.stream.epoch();
            let last = self.last().await;
            if self.is_same_stream(epoch, &last).await? {
                if let Ok(last) = last {
                    let (offset, tag) = place(&last);
                    return Ok(Position { epoch, offset, tag });
                }
            }
        }
        Err(BusError::TimedOut)
    }

    /// Reads a page.
    pub(super) async fn read(&self, range: Range, leader: bool) -> Result<Page, BusError> {
        let mut leader = leader;
        for attempt in 1..=ATTEMPTS {
            let epoch = self.stream.epoch();
            let read = self.read_once(range, leader, attempt).await;
            if self.is_same_stream(epoch, &read).await? {
                if let Ok(Some(Read { top: (offset, tag), items })) = read {
                    let top = Position { epoch, offset, tag };
                    return Ok(items.page(top));
                }
            }
            // The history changed meanwhile, or a server lags.
            leader = true;
        }
        Err(BusError::TimedOut)
    }

    /// Removes all publications. A marker keeps the position of the last one.
    pub(super) async fn remove(&self) -> Result<(), Failure> {
        for _ in 0..ATTEMPTS {
            let Some(last) = self.get(Query::last(self.subject), true).await? else {
                return Ok(());
            };
            let sequence = match Record::decode(last.payload.clone()) {
                Some(Record::Marker { .. }) => last.sequence,
                _ => match self.mark(Some(place(&last)), last.sequence).await {
                    Err(Failure::OtherLastRecord) => continue,
                    sequence => sequence?,
                },
            };
            return self.link.purge(&self.stream.name, self.subject, sequence).await;
        }
        Err(BusError::TimedOut.into())
    }

    /// Returns the tag of a record; `None` if it is not retained.
    pub(super) async fn tag_at(&self, sequence: u64) -> Result<Option<Tag>, Failure> {
        let message = self.get(Query::at(sequence), true).await?;
        Ok(message.map(|message| place(&message).1))
    }

    /// Returns whether an answer is of the stream that had `epoch` before.
    async fn is_same_stream<T>(
        &self,
        epoch: Epoch,
        answer: &Result<T, Failure>,
    ) -> Result<bool, BusError> {
        match answer {
            Err(Failure::Bus(error)) => return Err(error.clone()),
            Err(Failure::NoStream) => tokio::time::sleep(NO_STREAM_DELAY).await,
            _ => {}
        }
        match self.stream.check_epoch(self.link).await {
            Ok(now) => Ok(now == epoch),
            Err(Failure::Bus(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    async fn last(&self) -> Result<StoredMessage, Failure> {
        let query = Query::last(self.subject);
        if let Some(last) = self.get(query, true).await? {
            return Ok(last);
        }
        match self.mark(None, 0).await {
            Ok(_) | Err(Failure::OtherLastRecord) => {}
            Err(error) => return Err(error),
        }
        self.get(query, true).await?.ok_or(Failure::OtherLastRecord)
    }

    /// Stores a marker if `last` is still the sequence of the room's last record, 0 for none.
    /// Returns the marker's sequence.
    async fn mark(&self, removed: Option<(u64, Tag)>, last: u64) -> Result<u64, Failure> {
        let marker = encode_marker(new_tag(), removed);
        self.stream.store_after(self.link, self.subject, last, marker).await
    }

    async fn get(&self, query: Query<'_>, leader: bool) -> Result<Option<StoredMessage>, Failure> {
        self.stream.get(self.link, query, leader).await
    }

    /// Reads once; `None` if the answer has to be sought again.
    async fn read_once(
        &self,
        range: Range,
        leader: bool,
        attempt: usize,
    ) -> Result<Option<Read>, Failure> {
        let last = self.last().await?;
        let leader = leader && self.stream.replicas > 1;
        let start = range.start;
        let (from, to) = match range.direction {
            Direction::Forwards => (start.unwrap_or(1).max(1), last.sequence),
            Direction::Backwards => (1, start.unwrap_or(u64::MAX).min(last.sequence)),
        };
        let mut scan = Scan::new(self, from, to, leader);
        if attempt > 1 {
            scan.prefer_consumer();
        }
        let mut items = Items::new(range, &self.stream.class, now());
        let mut read_to = from.saturating_sub(1);
        let ends_at = Instant::now() + PAGE_TIME;
        while let Some(message) = scan.next().await? {
            let (sequence, following) = (message.sequence, message.following);
            if !items.push(Item::new(self.subject, message)) {
                items.following = match following {
                    Some(following) => following + 1,
                    None => self.count_from(sequence).await?,
                };
                break;
            }
            read_to = sequence;
            if read_to < to && !scan.has_next() && items.can_end() && Instant::now() >= ends_at {
                let following = match following {
                    Some(following) => following,
                    None => self.count_from(sequence.saturating_add(1)).await?,
                };
                items.end(following);
                break;
            }
        }
        // Old records are removed while newer ones are read: what is retained now was then, and is
        // without holes.
        let is_short = !items.is_full() && read_to < to;
        if items.len() > 1 || is_short {
            let first = self.get(Query::next(self.subject, from), true).await?;
            items.remove_before(first.map_or(u64::MAX, |first| first.sequence));
        }
        if is_short && to == last.sequence {
            // The server lags, or all that was to be read was removed before it was read: a room
            // in which that happens each time has an empty page.
            let lags = self.stream.replicas > 1 && !leader;
            if lags || items.len() > 0 || attempt < ATTEMPTS {
                return Ok(None);
            }
        }
        if range.direction == Direction::Backwards && to < last.sequence {
            items.following = self.count_from(to.saturating_add(1)).await?;
        }
        Ok(Some(Read { top: place(&last), items }))
    }

    async fn count_from(&self, sequence: u64) -> Result<u64, Failure> {
        self.link.count_from(&self.stream.name, self.subject, sequence).await
    }
}

/// Reads the messages of a subject in their order.
struct Scan<'a> {
    history: &'a History<'a>,
    from: u64,
    to: u64,
    leader: bool,
    messages: VecDeque<StoredMessage>,
    /// The number of messages that came one by one.
    single_reads: usize,
}

impl<'a> Scan<'a> {
    const fn new(history: &'a History<'a>, from: u64, to: u64, leader: bool) -> Self {
        Self { history, from, to, leader, messages: VecDeque::new(), single_reads: 0 }
    }

    /// Reads by a consumer as soon as the server has shown that it sends no batches: the messages
    /// are then read within a shorter time.
    const fn prefer_consumer(&mut self) {
        self.single_reads = SINGLE_READS - 1;
    }

    /// Returns whether the next message was read already.
    fn has_next(&self) -> bool {
        !self.messages.is_empty()
    }

    async fn next(&mut self) -> Result<Option<StoredMessage>, Failure> {
        if self.messages.is_empty() && self.from <= self.to {
            self.fill().await?;
        }
        let Some(message) = self.messages.pop_front().filter(|next| next.sequence <= self.to)
        else {
            self.from = u64::MAX;
            return Ok(None);
        };
        self.from = message.sequence.saturating_add(1);
        Ok(Some(message))
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        let History { link, stream, subject } = *self.history;
        let query = Query::next(subject, self.from);
        let name = &*stream.name;
        if self.leader {
            self.messages.extend(link.get_from_leader(name, query).await?);
            return Ok(());
        }
        if self.single_reads >= SINGLE_READS {
            let batch = link.get_by_consumer(name, subject, self.from, BATCH, BATCH_BYTES).await?;
            if let Some(batch) = batch {
                self.messages.extend(batch);
                return Ok(());
            }
            self.single_reads = 0;
        }
        let batch = link.get_batch(name, query, BATCH, BATCH_BYTES).await?;
        if batch.len() == 1 && batch[0].following.is_none() {
            self.single_reads += 1;
        }
        self.messages.extend(batch);
        Ok(())
    }
}

/// Returns the position of a reader who has seen a message and all before it.
fn place(message: &StoredMessage) -> (u64, Tag) {
    let record = Record::decode(message.payload.clone());
    let foreign = (message.sequence, Tag(message.time));
    record.map_or(foreign, |record| record.place(message.sequence))
}

/// Returns the time in nanoseconds since 1970, as the broker's clock tells it if it agrees with
/// this one.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
