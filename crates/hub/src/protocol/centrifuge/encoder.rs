use std::str;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use sockeye::{CloseFrame, Message};

use super::Encoding;
use super::message::{
    ClientInfo, Data, Disconnect, Ended, Presence, Publication, Push, Reply, Subscribe,
    SubscribeReply,
};
use super::position::to_wire;
use crate::core::presence::{Member, PresenceDiff};
use crate::core::{RoomName, SessionId};
use crate::encoder::{Delivery, Encoder, Missed};
use crate::join::{Joined, Recovered};
use crate::protocol::close;

/// The code of an unsubscription by the server, after which clients do not subscribe again.
const UNSUBSCRIBED_BY_SERVER: (u32, &str) = (2000, "server unsubscribe");
/// The code of an unsubscription after which clients subscribe again, and recover.
const INSUFFICIENT_STATE: (u32, &str) = (2500, "insufficient state");
/// The code of an unsubscription because a token has expired.
const EXPIRED: (u32, &str) = (2501, "subscription expired");

/// The encoders that all endpoints share, so that a publication is encoded once for each encoding.
static JSON: LazyLock<Arc<dyn Encoder>> =
    LazyLock::new(|| Arc::new(CentrifugeEncoder(Encoding::Json)));
static PROTOBUF: LazyLock<Arc<dyn Encoder>> =
    LazyLock::new(|| Arc::new(CentrifugeEncoder(Encoding::Protobuf)));

/// Encodes pushes.
#[derive(Debug)]
struct CentrifugeEncoder(Encoding);

/// Returns the encoder of an encoding.
pub(super) fn encoder(encoding: Encoding) -> Arc<dyn Encoder> {
    match encoding {
        Encoding::Json => JSON.clone(),
        Encoding::Protobuf => PROTOBUF.clone(),
    }
}

impl Encoder for CentrifugeEncoder {
    fn publication(&self, delivery: &Delivery<'_>) -> Message {
        let publication = publication(self.0, delivery);
        self.push_or_disconnect(publication.map(|publication| Push {
            channel: delivery.room.to_string(),
            publication: Some(publication),
            ..Push::default()
        }))
    }

    fn message(&self, message: &Message) -> Message {
        let data = data(self.0, message);
        self.push_or_disconnect(
            data.map(|data| Push { message: Some(Data { data }), ..Push::default() }),
        )
    }

    fn joined(&self, room: &RoomName, joined: &Joined) -> Option<Message> {
        let (offset, epoch) = to_wire(joined.position);
        let recoverable = joined.position.is_some();
        let subscribe = Subscribe { recoverable, epoch, offset, positioned: recoverable };
        self.push(Push { channel: room.to_string(), subscribe: Some(subscribe), ..Push::default() })
    }

    fn left(&self, room: &RoomName) -> Option<Message> {
        self.push(unsubscribe(room, UNSUBSCRIBED_BY_SERVER))
    }

    fn presence(&self, room: &RoomName, diff: &PresenceDiff) -> Option<Message> {
        let push = || Push { channel: room.to_string(), ..Push::default() };
        let info = |member| Some(Presence { info: Some(member_info(self.0, member)) });
        let joined = diff.joined.iter().chain(&diff.updated);
        let joined = joined.map(|member| Push { join: info(member), ..push() });
        let left = diff.left.iter().map(|member| Push { leave: info(member), ..push() });
        let replies: Vec<_> = joined.chain(left).map(Reply::of_push).collect();
        if replies.is_empty() { None } else { self.0.encode(&replies).ok() }
    }

    fn missed(&self, room: &RoomName, missed: &Missed) -> Option<Message> {
        // Without a history the client could not recover: the protocol has no notice for it.
        missed.position?;
        self.push(unsubscribe(room, INSUFFICIENT_STATE))
    }
}

impl CentrifugeEncoder {
    fn push(&self, push: Push) -> Option<Message> {
        self.0.encode(&[Reply::of_push(push)]).ok()
    }

    /// Encodes a push, or the order to disconnect in place of data that the encoding cannot carry.
    fn push_or_disconnect(&self, push: Result<Push, CloseFrame>) -> Message {
        let encoded = push.and_then(|push| self.0.encode(&[Reply::of_push(push)]));
        encoded.unwrap_or_else(|frame| {
            let code = u32::from(u16::from(frame.code));
            let disconnect = Disconnect { code, reason: frame.reason.to_string() };
            let push = Push { disconnect: Some(disconnect), ..Push::default() };
            // Only data can be what an encoding does not carry.
            self.push(push).unwrap_or_else(|| Message::Text("{}".into()))
        })
    }
}

/// Encodes the notice that a client has left a room because its token has expired.
pub(super) fn expired(encoding: Encoding, room: &RoomName) -> Option<Message> {
    encoding.encode(&[Reply::of_push(unsubscribe(room, EXPIRED))]).ok()
}

fn unsubscribe(room: &RoomName, (code, reason): (u32, &str)) -> Push {
    let ended = Ended { code, reason: reason.into() };
    Push { channel: room.to_string(), unsubscribe: Some(ended), ..Push::default() }
}

impl Reply {
    pub(super) fn of_push(push: Push) -> Self {
        Self { push: Some(push), ..Self::default() }
    }
}

/// Converts a publication.
///
/// # Errors
/// The close frame for a client whose encoding cannot carry the publication.
pub(super) fn publication(
    encoding: Encoding,
    delivery: &Delivery<'_>,
) -> Result<Publication, CloseFrame> {
    let (offset, epoch) = to_wire(delivery.position);
    let publication = delivery.publication;
    let user = publication.user.as_ref().map_or("", |user| user.as_str());
    let tags = publication.tags.iter();
    Ok(Publication {
        data: data(encoding, &publication.message)?,
        info: publication.publisher.map(|publisher| client_info(publisher, user, Bytes::new())),
        offset,
        tags: tags.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        epoch,
    })
}

fn data(encoding: Encoding, message: &Message) -> Result<Bytes, CloseFrame> {
    match (encoding, message) {
        (Encoding::Json, Message::Binary(_)) => Err(close::frame(close::INAPPROPRIATE_PROTOCOL)),
        (_, message) => Ok(message.clone().into_bytes()),
    }
}

/// Converts a member of a room. Its info is left out where the encoding cannot carry it.
pub(super) fn member_info(encoding: Encoding, member: &Member) -> ClientInfo {
    let profile = &member.profile;
    let user = profile.user.as_ref().map_or("", |user| user.as_str());
    let carries = encoding == Encoding::Protobuf || str::from_utf8(&profile.info).is_ok();
    client_info(member.session, user, if carries { profile.info.clone() } else { Bytes::new() })
}

fn client_info(session: SessionId, user: &str, conn_info: Bytes) -> ClientInfo {
    ClientInfo { user: user.into(), client: session.to_string(), conn_info }
}

/// Converts the outcome of a join.
///
/// # Errors
/// The close frame for a client whose encoding cannot carry what it missed.
pub(super) fn subscribed(
    encoding: Encoding,
    joined: &Joined,
    recovered: &[Delivery<'_>],
    was_recovering: bool,
) -> Result<SubscribeReply, CloseFrame> {
    let (offset, epoch) = to_wire(joined.position);
    let publications = recovered.iter().map(|delivery| publication(encoding, delivery));
    let recoverable = joined.position.is_some();
    Ok(SubscribeReply {
        recoverable,
        positioned: recoverable,
        epoch,
        offset,
        was_recovering,
        recovered: was_recovering && joined.recovery == Recovered::All,
        publications: publications.collect::<Result<_, _>>()?,
        ..SubscribeReply::default()
    })
}
