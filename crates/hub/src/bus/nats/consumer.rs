//! Consumers, by which a node counts and reads messages. The server removes them.

use async_nats::Subject;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::error::Failure;
use super::link::Link;
use super::requests::{next_message, publish_error};
use super::stream_api::{DIRECT_TIMEOUT, StoredMessage, encode};
use crate::bus::BusError;

/// The time after which the server removes a consumer that is not read, in nanoseconds.
const INACTIVE_THRESHOLD: u64 = 1_000_000_000;

#[derive(Debug, Deserialize)]
struct Consumer {
    name: String,
    num_pending: u64,
}

impl Link {
    /// Counts the messages of a subject at a sequence and after it, by a consumer that is never
    /// read.
    pub(super) async fn count_from(
        &self,
        stream: &str,
        subject: &str,
        sequence: u64,
    ) -> Result<u64, Failure> {
        Ok(self.create_consumer(stream, subject, sequence).await?.num_pending)
    }

    /// Gets up to `count` messages of a subject, beginning at a sequence, from a server that sends
    /// no batches otherwise. Fewer messages than there are may be returned, but none is left out.
    /// Returns `None` if there was none, or the first one was lost or has more than `max_bytes`.
    pub(super) async fn get_by_consumer(
        &self,
        stream: &str,
        subject: &str,
        sequence: u64,
        count: usize,
        max_bytes: usize,
    ) -> Result<Option<Vec<StoredMessage>>, Failure> {
        #[derive(Serialize)]
        struct Request {
            batch: usize,
            max_bytes: usize,
            no_wait: bool,
        }
        // Messages of a stream keep their subjects: the subscription tells whose they are.
        let inbox = self.client.new_inbox();
        let subscriber = self.client.subscribe(inbox.clone()).await;
        let mut subscriber = subscriber.map_err(|_| BusError::Down)?;
        let Consumer { name, .. } = self.create_consumer(stream, subject, sequence).await?;
        let next = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}");
        let body = encode(&next, &Request { batch: count, max_bytes, no_wait: true })?;
        let sent = self.client.publish_with_reply(next, inbox, body).await;
        sent.map_err(publish_error)?;
        let mut messages = Vec::new();
        while messages.len() < count {
            let received = timeout(DIRECT_TIMEOUT, next_message(&mut subscriber)).await;
            // The end of what there is and fits has a status and no place.
            let Ok(Some(message)) = received else { break };
            let place = message.reply.as_ref().and_then(Place::of_delivery);
            let Some(Place { sequence, number, time, pending }) = place else { break };
            if number != messages.len() as u64 + 1 {
                break;
            }
            let payload = message.payload;
            // Counts of consumers that are read are not relied upon.
            messages.push(StoredMessage { sequence, time, payload, following: None });
            if pending == 0 {
                break;
            }
        }
        // If this is lost, the server removes the consumer later.
        let delete = format!("$JS.API.CONSUMER.DELETE.{stream}.{name}");
        let _ = self.client.publish(delete, Bytes::new()).await;
        Ok((!messages.is_empty()).then_some(messages))
    }

    async fn create_consumer(
        &self,
        stream: &str,
        subject: &str,
        sequence: u64,
    ) -> Result<Consumer, Failure> {
        #[derive(Serialize)]
        struct Request<'a> {
            stream_name: &'a str,
            config: Config<'a>,
        }
        #[derive(Serialize)]
        struct Config<'a> {
            filter_subject: &'a str,
            deliver_policy: &'a str,
            opt_start_seq: u64,
            ack_policy: &'a str,
            inactive_threshold: u64,
            mem_storage: bool,
            num_replicas: usize,
        }
        let config = Config {
            filter_subject: subject,
            deliver_policy: "by_start_sequence",
            opt_start_seq: sequence,
            ack_policy: "none",
            inactive_threshold: INACTIVE_THRESHOLD,
            mem_storage: true,
            num_replicas: 1,
        };
        let request = Request { stream_name: stream, config };
        self.api(&format!("CONSUMER.CREATE.{stream}"), &request).await
    }
}

/// The place of a message among those of its stream and its consumer.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    sequence: u64,
    /// Counts from 1 without holes.
    number: u64,
    /// In nanoseconds since 1970.
    time: u64,
    /// The number of messages after it.
    pending: u64,
}

impl Place {
    /// Parses the subject for the acknowledgement of a message:
    ///
    /// ```text
    /// $JS.ACK.                STREAM.CONSUMER.DELIVERIES.SEQUENCE.NUMBER.TIME.PENDING
    /// $JS.ACK.DOMAIN.ACCOUNT. STREAM.CONSUMER.DELIVERIES.SEQUENCE.NUMBER.TIME.PENDING.RANDOM
    /// ```
    fn of_delivery(subject: &Subject) -> Option<Self> {
        let rest = subject.as_str().strip_prefix("$JS.ACK.")?;
        let tokens: Vec<_> = rest.split('.').collect();
        let numbers = match tokens.len() {
            7 => &tokens[3..],
            9 | 10 => &tokens[5..],
            _ => return None,
        };
        let number = |index: usize| numbers.get(index)?.parse().ok();
        Some(Self {
            sequence: number(0)?,
            number: number(1)?,
            time: number(2)?,
            pending: number(3)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_message_is_found_in_its_reply_subject() {
        let place = Some(Place { sequence: 7, number: 2, time: 99, pending: 5 });
        for subject in [
            "$JS.ACK.hub_1-1ms.c0.1.7.2.99.5",
            "$JS.ACK._.hash.hub_1-1ms.c0.1.7.2.99.5",
            "$JS.ACK.domain.hash.hub_1-1ms.c0.1.7.2.99.5.random",
        ] {
            assert_eq!(Place::of_delivery(&subject.into()), place, "{subject}");
        }
        for subject in ["", "_INBOX.1", "$JS.ACK.s.c.1.7.2.99", "$JS.ACK.s.c.1.x.2.99.5"] {
            assert_eq!(Place::of_delivery(&subject.into()), None, "{subject}");
        }
    }
}
