use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::Nats;
use super::error::{Failure, NatsError};
use super::link::Link;
use super::options::{NatsOptions, Storage};
use super::record;
use super::stream_api::{Query, Republish, StoredMessage, StreamConfig, StreamInfo};
use super::subjects::{Class, Subjects};
use crate::bus::BusError;
use crate::core::Epoch;
use crate::core::history::ID_WINDOW;
use crate::random;

/// The number of times that the record of an epoch is sought. Of several nodes that store one at
/// the same moment, all but one fail and find it the second time.
const EPOCH_ATTEMPTS: usize = 3;

/// The bound of the random time that a node waits before it creates a stream, in milliseconds.
/// Chosen: a creation takes some three milliseconds.
const MAX_CREATION_DELAY: u64 = 500;

/// The streams of the hub, one for each retention of its rooms.
#[derive(Debug)]
pub(super) struct Streams {
    options: NatsOptions,
    streams: Mutex<HashMap<Class, Arc<OnceCell<Arc<RoomStream>>>>>,
}

/// A stream that exists, or existed when it was last looked at.
#[derive(Debug)]
pub(super) struct RoomStream {
    pub(super) name: String,
    pub(super) class: Class,
    /// The number of servers that store the stream.
    pub(super) replicas: usize,
    config: StreamConfig,
    /// The subject of the record of the epoch.
    epoch_subject: String,
    epoch: AtomicU64,
    checks: tokio::sync::Mutex<Checks>,
    /// The number of the last question.
    started: AtomicU64,
}

/// The results of looks at a stream.
#[derive(Debug, Default)]
struct Checks {
    /// The number of the last answer.
    answered: u64,
    /// `None` before the first look.
    seen: Option<Seen>,
}

/// The stream to which the epoch belongs.
#[derive(Debug)]
struct Seen {
    /// The time of the stream's creation, as the server told it that answered last.
    created: u64,
    /// The sequence of the record of the epoch.
    record: u64,
}

impl Streams {
    pub(super) fn new(options: NatsOptions) -> Self {
        Self { options, streams: Mutex::default() }
    }

    /// Returns the stream of a class, which is created if there is none.
    pub(super) async fn get(
        &self,
        link: &Link,
        subjects: &Subjects,
        class: Class,
    ) -> Result<Arc<RoomStream>, Failure> {
        let cell = {
            // No code panics while it holds the lock.
            let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            if !streams.contains_key(&class) && streams.len() >= Nats::MAX_RETENTIONS {
                return Err(NatsError::TooManyRetentions.into());
            }
            streams.entry(class).or_default().clone()
        };
        let stream = cell.get_or_try_init(|| self.open(link, subjects, class)).await?;
        Ok(stream.clone())
    }

    /// Returns the stream of a class like [`get`](Self::get), but does not keep one that no room
    /// has used: it is not one of the hub's retentions.
    pub(super) async fn find(
        &self,
        link: &Link,
        subjects: &Subjects,
        class: Class,
    ) -> Result<Arc<RoomStream>, Failure> {
        let known = {
            // No code panics while it holds the lock.
            let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.get(&class).and_then(|cell| cell.get().cloned())
        };
        match known {
            Some(stream) => Ok(stream),
            None => self.open(link, subjects, class).await,
        }
    }

    async fn open(
        &self,
        link: &Link,
        subjects: &Subjects,
        class: Class,
    ) -> Result<Arc<RoomStream>, Failure> {
        let config = self.config(subjects, class);
        let info = info_or_create(link, &config).await?;
        let stream = RoomStream {
            name: config.name.clone(),
            class,
            replicas: info.config.num_replicas,
            config,
            epoch_subject: subjects.epoch(class),
            epoch: AtomicU64::new(0),
            checks: tokio::sync::Mutex::default(),
            started: AtomicU64::new(0),
        };
        let mut seen = None;
        stream.look(link, &info, &mut seen).await?;
        stream.checks.lock().await.seen = seen;
        Ok(Arc::new(stream))
    }

    fn config(&self, subjects: &Subjects, class: Class) -> StreamConfig {
        let options = &self.options;
        let max_age = options.positions_kept.max(class.age);
        StreamConfig {
            name: subjects.stream(class),
            subjects: vec![subjects.all_in(class)],
            retention: "limits".into(),
            storage: match options.storage {
                Storage::File => "file".into(),
                Storage::Memory => "memory".into(),
            },
            discard: "old".into(),
            max_consumers: -1,
            max_msgs: -1,
            max_bytes: options.max_bytes.and_then(|max| i64::try_from(max).ok()).unwrap_or(-1),
            max_age: nanoseconds(max_age),
            max_msgs_per_subject: max_messages(class),
            num_replicas: options.replicas,
            duplicate_window: nanoseconds(ID_WINDOW),
            allow_direct: true,
            republish: Some(Republish {
                src: subjects.all_in(class),
                dest: subjects.all_out(class),
            }),
        }
    }
}

impl RoomStream {
    /// Returns the epoch of the stream when it was last looked at.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// Looks at the stream after this call began, and returns its epoch. A stream that does not
    /// exist any more is created. Callers that wait at the same time share one look.
    pub(super) async fn check_epoch(&self, link: &Link) -> Result<Epoch, Failure> {
        let wanted = self.started.load(Ordering::Acquire) + 1;
        let mut checks = self.checks.lock().await;
        if checks.answered < wanted {
            let number = self.started.fetch_add(1, Ordering::AcqRel) + 1;
            let info = info_or_create(link, &self.config).await?;
            self.look(link, &info, &mut checks.seen).await?;
            checks.answered = number;
        }
        Ok(self.epoch())
    }

    /// Takes the epoch from what the stream shows.
    ///
    /// The epoch is the time of the stream's creation, as the first node has read it: that node
    /// stores it in the stream, and the others take it from there. They may read another time, as
    /// servers before 2.14.5 disagree about it if several nodes create a stream at the same moment.
    /// While a server tells the time that was told before, the stream is the same one; a record
    /// that the bounds of the stream have removed is then stored again.
    async fn look(
        &self,
        link: &Link,
        info: &StreamInfo,
        seen: &mut Option<Seen>,
    ) -> Result<(), Failure> {
        let created = check(&self.config, info)?;
        let known = seen.as_ref().filter(|seen| seen.created == created);
        if known.is_some_and(|known| info.state.contains(known.record)) {
            return Ok(());
        }
        let epoch = if known.is_some() { self.epoch() } else { Epoch(created) };
        let (record, epoch) = self.settle_epoch(link, epoch).await?;
        self.epoch.store(epoch.0, Ordering::Release);
        *seen = Some(Seen { created, record });
        Ok(())
    }

    /// Returns the record of the epoch and its sequence; stores `epoch` if there is none.
    async fn settle_epoch(&self, link: &Link, epoch: Epoch) -> Result<(u64, Epoch), Failure> {
        let subject = &*self.epoch_subject;
        for _ in 0..EPOCH_ATTEMPTS {
            if let Some(message) = self.get(link, Query::last(subject), true).await? {
                let stored = record::decode_epoch(message.payload).ok_or_else(|| {
                    let expected = format!("an epoch at {subject}").into();
                    NatsError::Stream { stream: self.name.as_str().into(), expected }
                })?;
                return Ok((message.sequence, stored));
            }
            match self.store_after(link, subject, 0, record::encode_epoch(epoch)).await {
                Err(Failure::OtherLastRecord) => {}
                sequence => return Ok((sequence?, epoch)),
            }
        }
        Err(BusError::TimedOut.into())
    }

    /// Gets a message: from the server that leads the stream, or from any that has it.
    pub(super) async fn get(
        &self,
        link: &Link,
        query: Query<'_>,
        leader: bool,
    ) -> Result<Option<StoredMessage>, Failure> {
        // The only server of a stream leads it.
        if leader && self.replicas > 1 {
            link.get_from_leader(&self.name, query).await
        } else {
            link.get_direct(&self.name, query).await
        }
    }

    /// Stores a message if `last` is still the sequence of the subject's last one, 0 for none.
    /// Returns the sequence of the message.
    pub(super) async fn store_after(
        &self,
        link: &Link,
        subject: &str,
        last: u64,
        payload: Bytes,
    ) -> Result<u64, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Stream", &*self.name);
        headers.insert("Nats-Expected-Last-Subject-Sequence", last.to_string());
        Ok(link.store(subject, headers, payload).await?.seq)
    }
}

/// Returns the properties of a stream, which is created if there is none.
///
/// Servers of version 2.9 break a stream that several nodes create at the same moment: it
/// acknowledges messages, and neither keeps nor republishes them. So a node waits for a random time
/// before it creates a stream, in which another may have done so.
async fn info_or_create(link: &Link, config: &StreamConfig) -> Result<StreamInfo, Failure> {
    match link.stream_info(&config.name).await {
        Err(Failure::NoStream) => {}
        info => return info,
    }
    let wait = Duration::from_millis(random::bits() % MAX_CREATION_DELAY);
    tokio::time::sleep(wait).await;
    match link.stream_info(&config.name).await {
        Err(Failure::NoStream) => link.create_stream(config).await,
        info => info,
    }
}

/// Returns the time of a stream's creation if its rooms can use the stream.
fn check(expected: &StreamConfig, info: &StreamInfo) -> Result<u64, NatsError> {
    let config = &info.config;
    let wrong = |expected: String| NatsError::Stream {
        stream: config.name.as_str().into(),
        expected: expected.into(),
    };
    if config.subjects != expected.subjects {
        return Err(wrong(format!("subjects {:?}", expected.subjects)));
    }
    let (found, republish) = (&config.republish, &expected.republish);
    let same = |a: &Republish, b: &Republish| a.src == b.src && a.dest == b.dest;
    if !matches!((found, republish), (Some(found), Some(expected)) if same(found, expected)) {
        return Err(wrong(format!("republish {republish:?}")));
    }
    if !config.allow_direct {
        return Err(wrong("allow_direct".into()));
    }
    let (found, least) = (config.max_msgs_per_subject, expected.max_msgs_per_subject);
    if found > 0 && found < least {
        return Err(wrong(format!("max_msgs_per_subject of {least} or more")));
    }
    if config.duplicate_window < expected.duplicate_window {
        return Err(wrong(format!("duplicate_window of {} ns or more", expected.duplicate_window)));
    }
    info.created().ok_or_else(|| wrong("a time of its creation".into()))
}

/// Returns the number of messages to keep of each room: one more than promised, so that a reader
/// who has missed as many as are promised finds the last one that it has seen.
fn max_messages(class: Class) -> i64 {
    i64::try_from(class.count).unwrap_or(i64::MAX).saturating_add(1)
}

fn nanoseconds(duration: Duration) -> u64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX).unsigned_abs()
}
