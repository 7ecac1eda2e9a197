//! Requests to JetStream, as far as the bus needs them.

use std::error::Error;
use std::time::Duration;

use async_nats::{HeaderMap, HeaderName, HeaderValue, Message, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{Failure, NatsError};
use super::link::Link;
use super::requests::Replies;
use super::timestamp;
use crate::bus::BusError;

/// JetStream's code for a stream that does not exist.
const STREAM_NOT_FOUND: u32 = 10_059;
/// JetStream's code for a message that does not exist.
const MESSAGE_NOT_FOUND: u32 = 10_037;
/// JetStream's code for a stream that exists with another configuration.
const STREAM_NAME_IN_USE: u32 = 10_058;
/// JetStream's code for a subject whose last message is not the expected one.
const WRONG_LAST_SEQUENCE: u32 = 10_071;
/// JetStream's codes where it is not enabled: for the account, and for the server.
const NOT_ENABLED: [u32; 2] = [10_039, 10_076];
/// JetStream's code for a cluster that elects its leader.
const UNAVAILABLE: u32 = 10_008;
/// JetStream's code for an id that another message in process has.
const ID_IN_PROCESS: u32 = 10_158;

/// The properties of a stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StreamConfig {
    pub(super) name: String,
    pub(super) subjects: Vec<String>,
    pub(super) retention: String,
    pub(super) storage: String,
    pub(super) discard: String,
    pub(super) max_consumers: i64,
    pub(super) max_msgs: i64,
    /// In bytes; -1 is no limit.
    pub(super) max_bytes: i64,
    /// In nanoseconds.
    pub(super) max_age: u64,
    pub(super) max_msgs_per_subject: i64,
    pub(super) num_replicas: usize,
    /// In nanoseconds.
    pub(super) duplicate_window: u64,
    #[serde(default)]
    pub(super) allow_direct: bool,
    pub(super) republish: Option<Republish>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Republish {
    pub(super) src: String,
    pub(super) dest: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct StreamInfo {
    pub(super) config: StreamConfig,
    pub(super) state: StreamState,
    created: String,
}

/// The messages of a stream.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct StreamState {
    first_seq: u64,
    last_seq: u64,
}

impl StreamState {
    /// Returns whether a sequence is between the first and the last message.
    pub(super) fn contains(self, sequence: u64) -> bool {
        (self.first_seq..=self.last_seq).contains(&sequence)
    }
}

impl StreamInfo {
    /// Returns when the stream was created, in nanoseconds since 1970.
    pub(super) fn created(&self) -> Option<u64> {
        timestamp::parse(&self.created)
    }
}

/// A message of a stream.
#[derive(Clone, Debug)]
pub(super) struct StoredMessage {
    pub(super) sequence: u64,
    /// In nanoseconds since 1970.
    pub(super) time: u64,
    pub(super) payload: Bytes,
    /// The number of messages of the subject after this one; servers before 2.11 do not tell it.
    pub(super) following: Option<u64>,
}

/// The acknowledgement of a message.
#[derive(Debug, Deserialize)]
pub(super) struct Acknowledgement {
    pub(super) seq: u64,
    /// A message with the same id was stored before, at `seq`.
    #[serde(default)]
    pub(super) duplicate: bool,
}

/// The message to get from a stream.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Query<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    last_by_subj: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<usize>,
}

impl<'a> Query<'a> {
    const NONE: Self =
        Self { last_by_subj: None, next_by_subj: None, seq: None, batch: None, max_bytes: None };

    pub(super) const fn at(sequence: u64) -> Self {
        Self { seq: Some(sequence), ..Self::NONE }
    }

    pub(super) const fn last(subject: &'a str) -> Self {
        Self { last_by_subj: Some(subject), ..Self::NONE }
    }

    /// Gets the first message of a subject at a sequence or after it.
    pub(super) const fn next(subject: &'a str, sequence: u64) -> Self {
        Self { next_by_subj: Some(subject), seq: Some(sequence), ..Self::NONE }
    }
}

#[derive(Debug, Deserialize)]
struct ErrorReply {
    error: Option<ApiError>,
}

#[derive(Debug, Deserialize)]
struct ApiError {
    code: u32,
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: Box<str>,
}

impl Link {
    /// Returns the properties of a stream.
    pub(super) async fn stream_info(&self, stream: &str) -> Result<StreamInfo, Failure> {
        self.api(&format!("STREAM.INFO.{stream}"), &()).await
    }

    /// Creates a stream, or returns the properties of the one that has the name already.
    pub(super) async fn create_stream(&self, config: &StreamConfig) -> Result<StreamInfo, Failure> {
        let subject = format!("STREAM.CREATE.{}", config.name);
        match self.api(&subject, config).await {
            Err(Failure::Bus(error)) if is_refusal(&error, STREAM_NAME_IN_USE) => {
                self.stream_info(&config.name).await
            }
            // There is no stream before its creation: JetStream itself does not answer.
            Err(Failure::NoStream) => Err(NatsError::NoJetStream(subject.into()).into()),
            result => result,
        }
    }

    /// Checks that JetStream answers to this account.
    pub(super) async fn check_jetstream(&self) -> Result<(), BusError> {
        #[derive(Deserialize)]
        struct Reply {}
        let no_jetstream = || NatsError::NoJetStream("$JS.API.INFO".into()).into();
        match self.api("INFO", &()).await {
            Err(Failure::NoStream) => Err(no_jetstream()),
            Err(Failure::Bus(error))
                if NOT_ENABLED.iter().any(|code| is_refusal(&error, *code)) =>
            {
                Err(no_jetstream())
            }
            Err(Failure::Bus(error)) => Err(error),
            // Any other reply shows that JetStream answers.
            Ok(Reply {})
            | Err(Failure::OtherLastRecord | Failure::IdInProcess | Failure::LostReply) => Ok(()),
        }
    }

    /// Returns the names of the streams that store a subject, 1,024 at most.
    pub(super) async fn streams_with(&self, subject: &str) -> Result<Vec<String>, Failure> {
        #[derive(Serialize)]
        struct Request<'a> {
            subject: &'a str,
        }
        #[derive(Deserialize)]
        struct Reply {
            streams: Option<Vec<String>>,
        }
        let reply: Reply = self.api("STREAM.NAMES", &Request { subject }).await?;
        Ok(reply.streams.unwrap_or_default())
    }

    /// Removes the messages of a subject before a sequence.
    pub(super) async fn purge(
        &self,
        stream: &str,
        subject: &str,
        before: u64,
    ) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Request<'a> {
            filter: &'a str,
            seq: u64,
        }
        #[derive(Deserialize)]
        struct Reply {}
        let request = Request { filter: subject, seq: before };
        let Reply {} = self.api(&format!("STREAM.PURGE.{stream}"), &request).await?;
        Ok(())
    }

    /// Stores a message.
    pub(super) async fn store(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Acknowledgement, Failure> {
        let reply = self.request(subject, headers, payload, 1).await?.next().await?;
        decode(subject, &reply)
    }

    /// Gets a message from any server that has the stream.
    pub(super) async fn get_direct(
        &self,
        stream: &str,
        query: Query<'_>,
    ) -> Result<Option<StoredMessage>, Failure> {
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        let body = encode(&subject, &query)?;
        let mut replies = self.request(&subject, HeaderMap::new(), body, 1).await?;
        direct_message(&subject, next_direct(&mut replies).await?)
    }

    /// Gets a message from the server that leads the stream.
    pub(super) async fn get_from_leader(
        &self,
        stream: &str,
        query: Query<'_>,
    ) -> Result<Option<StoredMessage>, Failure> {
        #[derive(Deserialize)]
        struct Reply {
            message: Stored,
        }
        #[derive(Deserialize)]
        struct Stored {
            seq: u64,
            #[serde(default)]
            data: String,
            time: String,
        }
        let subject = format!("STREAM.MSG.GET.{stream}");
        let reply: Reply = match self.api(&subject, &query).await {
            Err(Failure::Bus(error)) if is_refusal(&error, MESSAGE_NOT_FOUND) => return Ok(None),
            reply => reply?,
        };
        let Stored { seq: sequence, data, time } = reply.message;
        let (Ok(payload), Some(time)) = (BASE64.decode(data), timestamp::parse(&time)) else {
            return Err(NatsError::Reply(subject.into()).into());
        };
        Ok(Some(StoredMessage { sequence, time, payload: payload.into(), following: None }))
    }

    /// Gets up to `count` messages of a subject from any server that has the stream, beginning at a
    /// sequence. A server before 2.11 gives one message. Fewer messages than there are may be
    /// returned, but none is left out, and none only if there is none.
    ///
    /// Each reply of a batch names the message of the reply before it, 0 if it is the first: a
    /// reply that was lost is noticed by the one after it.
    pub(super) async fn get_batch(
        &self,
        stream: &str,
        query: Query<'_>,
        count: usize,
        max_bytes: usize,
    ) -> Result<Vec<StoredMessage>, Failure> {
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        let query = Query { batch: Some(count), max_bytes: Some(max_bytes), ..query };
        let body = encode(&subject, &query)?;
        // One more reply ends the batch.
        let mut replies = self.request(&subject, HeaderMap::new(), body, count + 1).await?;
        let mut messages: Vec<StoredMessage> = Vec::new();
        loop {
            let reply = next_direct(&mut replies).await?;
            // A server before 2.11 sends one reply, which names no other.
            let previous = header(&reply, "Nats-Last-Sequence");
            match messages.last() {
                None if previous.is_some_and(|previous| previous > 0) => {
                    return Err(Failure::LostReply);
                }
                Some(last) if previous != Some(last.sequence) => return Ok(messages),
                _ => {}
            }
            if reply.status.is_some_and(|status| status.as_u16() == END_OF_BATCH) {
                return Ok(messages);
            }
            let Some(message) = direct_message(&subject, reply)? else { return Ok(messages) };
            let is_last = message.following.is_none_or(|following| following == 0);
            messages.push(message);
            if is_last || messages.len() == count {
                return Ok(messages);
            }
        }
    }

    pub(super) async fn api<T: DeserializeOwned>(
        &self,
        subject: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let subject = format!("$JS.API.{subject}");
        let body = encode(&subject, body)?;
        let reply = self.request(&subject, HeaderMap::new(), body, 1).await?.next().await?;
        decode(&subject, &reply)
    }
}

/// The time after which a stream that does not answer a direct get is taken for removed: for a
/// removed stream, a server of version 2.9 does not answer.
pub(super) const DIRECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The status of the reply that ends a batch.
const END_OF_BATCH: u16 = 204;

pub(super) fn encode(subject: &str, body: &impl Serialize) -> Result<Bytes, NatsError> {
    let body = serde_json::to_vec(body).map_err(|_| NatsError::Reply(subject.into()))?;
    // No request has the body `null`.
    Ok(if body == b"null" { Bytes::new() } else { body.into() })
}

fn decode<T: DeserializeOwned>(subject: &str, reply: &Message) -> Result<T, Failure> {
    if reply.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(Failure::NoStream);
    }
    let unknown = |_| Failure::from(NatsError::Reply(subject.into()));
    let ErrorReply { error } = serde_json::from_slice(&reply.payload).map_err(unknown)?;
    match error {
        None => serde_json::from_slice(&reply.payload).map_err(unknown),
        Some(ApiError { err_code: STREAM_NOT_FOUND, .. }) => Err(Failure::NoStream),
        Some(ApiError { err_code: WRONG_LAST_SEQUENCE, .. }) => Err(Failure::OtherLastRecord),
        Some(ApiError { err_code: UNAVAILABLE, .. }) => Err(BusError::TimedOut.into()),
        Some(ApiError { err_code: ID_IN_PROCESS, .. }) => Err(Failure::IdInProcess),
        Some(ApiError { code, err_code, description }) => {
            let code = if err_code == 0 { code } else { err_code };
            Err(NatsError::Refused { subject: subject.into(), code, description }.into())
        }
    }
}

/// Returns the next reply to a direct get.
async fn next_direct(replies: &mut Replies<'_>) -> Result<Message, Failure> {
    let reply = tokio::time::timeout(DIRECT_TIMEOUT, replies.next()).await;
    Ok(reply.map_err(|_| Failure::NoStream)??)
}

/// Returns the message of a reply to a direct get; `None` if there is no such message.
fn direct_message(subject: &str, reply: Message) -> Result<Option<StoredMessage>, Failure> {
    match reply.status.map(|status| status.as_u16()) {
        None => {}
        Some(404) => return Ok(None),
        Some(503) => return Err(Failure::NoStream),
        Some(code) => {
            let description = reply.description.unwrap_or_default().into();
            let refused =
                NatsError::Refused { subject: subject.into(), code: code.into(), description };
            return Err(refused.into());
        }
    }
    let sequence = header(&reply, "Nats-Sequence");
    let time = text_header(&reply, "Nats-Time-Stamp").and_then(timestamp::parse);
    let (Some(sequence), Some(time)) = (sequence, time) else {
        return Err(NatsError::Reply(subject.into()).into());
    };
    let following = header(&reply, "Nats-Num-Pending");
    Ok(Some(StoredMessage { sequence, time, payload: reply.payload, following }))
}

fn text_header<'a>(message: &'a Message, name: &'static str) -> Option<&'a str> {
    // The client does not find its standard headers by a text.
    message.headers.as_ref()?.get(HeaderName::from_static(name)).map(HeaderValue::as_str)
}

/// Returns a header that is a number.
pub(super) fn header(message: &Message, name: &'static str) -> Option<u64> {
    text_header(message, name)?.parse().ok()
}

fn is_refusal(error: &BusError, expected: u32) -> bool {
    let BusError::Broker(error) = error else { return false };
    let error: &(dyn Error + 'static) = &**error;
    matches!(error.downcast_ref(), Some(NatsError::Refused { code, .. }) if *code == expected)
}
