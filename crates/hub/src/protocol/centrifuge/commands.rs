//! The commands of a connected client.

use std::sync::Arc;
use std::time::Duration;

use sockeye::{CloseFrame, Message};

use super::encoder::{expired, member_info, publication, subscribed};
use super::encoding::bad_request;
use super::message::{
    Command, Empty, ErrorReply, HistoryReply, HistoryRequest, PresenceReply, PresenceStatsReply,
    PublishRequest, REJECT_UNRECOVERED, RefreshReply, Reply, RpcReply, SubRefreshReply,
    SubRefreshRequest, SubscribeRequest,
};
use super::position::{from_wire, to_wire};
use super::{Encoding, VERSION, filter};
use crate::core::{Publication, RoomName};
use crate::encoder::Delivery;
use crate::hub::JoinNotice;
use crate::protocol::client::{self, Client, EncodeJoin, Entered, JoinRequest, Rejection};
use crate::protocol::serve::{Dialect, Incoming};
use crate::protocol::{ClientLimits, Refusal};

/// The protocol in one of its encodings.
#[derive(Debug)]
pub(super) struct Centrifuge {
    pub(super) encoding: Encoding,
    pub(super) limits: ClientLimits,
}

impl<S: Send + Sync + 'static> Dialect<S> for Centrifuge {
    type Command = Command;

    fn decode(&self, message: Message) -> Result<Vec<Incoming<Command>>, CloseFrame> {
        let commands = self.encoding.decode(message, &self.limits)?;
        Ok(commands.into_iter().map(classify).collect())
    }

    fn ping(&self) -> Message {
        let ping = self.encoding.encode(&[Reply::default()]);
        ping.unwrap_or_else(|_| Message::Text("{}".into()))
    }

    async fn execute(
        self: Arc<Self>,
        client: Arc<Client<S>>,
        mut command: Command,
    ) -> Result<(), CloseFrame> {
        if let Some(request) = command.send.take() {
            client.message(Encoding::message(request.data));
            return Ok(());
        }
        if command.id == 0 {
            return Err(bad_request("expected the id of a command"));
        }
        if command.connect.is_some() {
            return Err(bad_request("the client is connected already"));
        }
        let id = command.id;
        let result = match command.subscribe.take() {
            Some(request) => match self.subscribe(&client, id, request).await {
                Ok(()) => return Ok(()),
                Err(refusal) => Err(refusal.into()),
            },
            None => self.answer(&client, command).await,
        };
        let reply = match result {
            Ok(reply) => Reply { id, ..reply },
            Err(Rejection::Refused(refusal)) => Reply { id, ..refusal.into() },
            Err(Rejection::Closed(frame)) => return Err(frame),
        };
        client.session().reply(self.encoding.encode(&[reply])?);
        Ok(())
    }

    fn expired(&self, room: &RoomName) -> Option<Message> {
        expired(self.encoding, room)
    }
}

/// Decides how a command is carried out.
pub(super) fn classify(command: Command) -> Incoming<Command> {
    if command == Command::default() {
        Incoming::Pong
    } else if let Command { id, rpc: Some(rpc), .. } = command {
        // A command has one request. Another one would not be carried out in its order.
        Incoming::Concurrent(Command { id, rpc: Some(rpc), ..Command::default() })
    } else {
        Incoming::Ordered(command)
    }
}

impl Centrifuge {
    /// Carries out a command other than one to subscribe.
    async fn answer<S: Send + Sync + 'static>(
        &self,
        client: &Client<S>,
        command: Command,
    ) -> Result<Reply, Rejection> {
        let mut reply = Reply::default();
        if let Some(request) = command.unsubscribe {
            client.leave(&room(&request.channel)?);
            reply.unsubscribe = Some(Empty {});
        } else if let Some(request) = command.publish {
            self.publish(client, request).await?;
            reply.publish = Some(Empty {});
        } else if let Some(request) = command.presence {
            reply.presence = Some(self.presence(client, &room(&request.channel)?)?);
        } else if let Some(request) = command.presence_stats {
            let counts = client.counts_with_anonymous(&room(&request.channel)?)?;
            let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
            reply.presence_stats = Some(PresenceStatsReply {
                num_clients: number(counts.sessions),
                num_users: number(counts.users),
            });
        } else if let Some(request) = command.history {
            reply.history = Some(self.history(client, request).await?);
        } else if command.ping.is_some() {
            reply.ping = Some(Empty {});
        } else if let Some(request) = command.rpc {
            let data = client.rpc(request.method, request.data).await?;
            reply.rpc = Some(RpcReply { data });
        } else if let Some(request) = command.refresh {
            let ttl = client.refresh(&request.token)?;
            reply.refresh = Some(RefreshReply {
                client: client.session().id().to_string(),
                version: VERSION.into(),
                expires: ttl.is_some(),
                ttl: seconds(ttl),
            });
        } else if let Some(request) = command.sub_refresh {
            let ttl = sub_refresh(client, &request)?;
            reply.sub_refresh = Some(SubRefreshReply { expires: ttl.is_some(), ttl: seconds(ttl) });
        } else {
            return Err(Refusal::METHOD_NOT_FOUND.into());
        }
        Ok(reply)
    }

    /// Subscribes, and replies on success.
    async fn subscribe<S: Send + Sync + 'static>(
        &self,
        client: &Client<S>,
        id: u32,
        request: SubscribeRequest,
    ) -> Result<(), Refusal> {
        if request.kind != 0 {
            return Err(Refusal::NOT_AVAILABLE.because("expected a subscription to a stream"));
        }
        let was_recovering = request.recover;
        let join = JoinRequest {
            token: request.token,
            from: was_recovering.then(|| from_wire(&request.epoch, request.offset)),
            filter: request.tf.map(filter::from_wire).transpose()?,
            presence: request.join_leave,
            refuse_gap: request.flag & REJECT_UNRECOVERED != 0,
            ..JoinRequest::new(room(&request.channel)?)
        };
        let (encoding, refuse_gap) = (self.encoding, join.refuse_gap);
        let encode: EncodeJoin = Box::new(move |notice: &JoinNotice<'_>, ttl| {
            let JoinNotice { joined, recovered, .. } = notice;
            let reply = if refuse_gap && joined.is_gap() {
                Reply { id, ..Refusal::UNRECOVERABLE_POSITION.into() }
            } else {
                let mut subscribe = subscribed(encoding, joined, recovered, was_recovering)?;
                subscribe.expires = ttl.is_some();
                subscribe.ttl = seconds(ttl);
                Reply { id, subscribe: Some(subscribe), ..Reply::default() }
            };
            encoding.encode(&[reply]).map(Some)
        });
        let room = join.room.clone();
        if client.join(join, Some(encode)).await? == Entered::Expired {
            if let Some(notice) = expired(encoding, &room) {
                client.session().reply(notice);
            }
        }
        Ok(())
    }

    async fn publish<S: Send + Sync + 'static>(
        &self,
        client: &Client<S>,
        request: PublishRequest,
    ) -> Result<(), Refusal> {
        let room = room(&request.channel)?;
        if request.kind != 0 {
            return Err(Refusal::NOT_AVAILABLE.because("expected a publication to a stream"));
        }
        if request.data.is_empty() {
            return Err(Refusal::BAD_REQUEST.because("expected data"));
        }
        let publication = Publication::new(Encoding::message(request.data));
        client.publish(&room, publication).await.map(drop)
    }

    fn presence<S: Send + Sync + 'static>(
        &self,
        client: &Client<S>,
        room: &RoomName,
    ) -> Result<PresenceReply, Refusal> {
        let limit = self.limits.members;
        let page = client.members(room, None, limit.saturating_add(1))?;
        let members = page.items;
        // The protocol has no pages.
        if page.next.is_some() || members.len() > limit {
            return Err(Refusal::LIMIT_EXCEEDED.because("too many members to list"));
        }
        let member = |member| {
            let info = member_info(self.encoding, member);
            (info.client.clone(), info)
        };
        Ok(PresenceReply { presence: members.iter().map(member).collect() })
    }

    async fn history<S: Send + Sync + 'static>(
        &self,
        client: &Client<S>,
        request: HistoryRequest,
    ) -> Result<HistoryReply, Rejection> {
        use crate::core::history::GapReason::{Epoch, RolledBack};

        let room = room(&request.channel)?;
        let since = request.since.map(|since| from_wire(&since.epoch, since.offset));
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let request = client::HistoryRequest { since, limit, backwards: request.reverse };
        let reply = client.history(&room, request).await?;
        // Publications that are no longer retained are not asked for.
        if let Some(Epoch | RolledBack) = reply.gap {
            return Err(Refusal::UNRECOVERABLE_POSITION.into());
        }
        let publications = reply.entries.iter().map(|entry| {
            let position = Some(entry.position(reply.top.epoch));
            let delivery = Delivery { room: &room, publication: &entry.publication, position };
            publication(self.encoding, &delivery)
        });
        let publications = publications.collect::<Result<_, _>>().map_err(Rejection::Closed)?;
        let (offset, epoch) = to_wire(Some(reply.top));
        Ok(HistoryReply { publications, epoch, offset })
    }
}

fn sub_refresh<S: Send + Sync + 'static>(
    client: &Client<S>,
    request: &SubRefreshRequest,
) -> Result<Option<Duration>, Refusal> {
    // The SDK for Python leaves the channel out.
    let room = (!request.channel.is_empty()).then(|| room(&request.channel)).transpose()?;
    client.refresh_room(room.as_ref(), &request.token)
}

fn room(channel: &str) -> Result<RoomName, Refusal> {
    RoomName::new(channel).map_err(|error| Refusal::BAD_REQUEST.because(error.to_string()))
}

/// Returns whole seconds for the wire: 0 for none.
pub(super) fn seconds(ttl: Option<Duration>) -> u32 {
    ttl.map_or(0, |ttl| u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX))
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, message, temporary } = refusal;
        let error = ErrorReply { code, message: message.into_owned(), temporary };
        Self { error: Some(error), ..Self::default() }
    }
}
