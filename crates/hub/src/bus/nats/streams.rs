use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::Nats;
use super::error::{Failure, NatsError};
use super::link::Link;
use super::options::{NatsOptions, Storage};
use super::stream_api::{Republish, StreamConfig, StreamInfo};
use super::subjects::{Class, Subjects};
use crate::core::Epoch;
use crate::core::history::ID_WINDOW;

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
    epoch: AtomicU64,
    /// The number of the last answer.
    checks: tokio::sync::Mutex<u64>,
    /// The number of the last question.
    started: AtomicU64,
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
        let info = match link.stream_info(&config.name).await {
            Err(Failure::NoStream) => link.create_stream(&config).await?,
            info => info?,
        };
        let epoch = check(&config, &info)?;
        Ok(Arc::new(RoomStream {
            name: config.name.clone(),
            class,
            replicas: info.config.num_replicas,
            config,
            epoch: AtomicU64::new(epoch.0),
            checks: tokio::sync::Mutex::new(0),
            started: AtomicU64::new(0),
        }))
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
        let mut answered = self.checks.lock().await;
        if *answered < wanted {
            let number = self.started.fetch_add(1, Ordering::AcqRel) + 1;
            let info = match link.stream_info(&self.name).await {
                Err(Failure::NoStream) => link.create_stream(&self.config).await?,
                info => info?,
            };
            let epoch = check(&self.config, &info)?;
            self.epoch.store(epoch.0, Ordering::Release);
            *answered = number;
        }
        Ok(self.epoch())
    }
}

/// Returns the epoch of a stream if its rooms can use it.
fn check(expected: &StreamConfig, info: &StreamInfo) -> Result<Epoch, NatsError> {
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
    let created = info.created().ok_or_else(|| wrong("a time of its creation".into()))?;
    Ok(Epoch(created))
}

/// Returns the number of messages to keep of each room: one more than promised, so that a reader
/// who has missed as many as are promised finds the last one that it has seen.
fn max_messages(class: Class) -> i64 {
    i64::try_from(class.count).unwrap_or(i64::MAX).saturating_add(1)
}

fn nanoseconds(duration: Duration) -> u64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX).unsigned_abs()
}
