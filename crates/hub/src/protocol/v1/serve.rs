//! Serves clients: decodes their commands, and encodes the results.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sockeye::{CloseFrame, Error, Message, WebSocket};
use tokio::time::timeout;

use super::message::{
    ClientMessage, Connect, Connected, Counts, Empty, Entry, History, Join, JoinedRoom,
    MemberFields, Members, Publish, Published, Refreshed, RefusedRoom, RpcResult, ServerMessage,
    Users, WireError,
};
use super::message::{LeftRoom, ReadHistory};
use super::{AsText, Encoding, Envelope, Json, Undecodable, encoder};
use crate::core::{Publication, PublicationId, RoomName, UserId};
use crate::protocol::client::{
    Admission, AfterGap, Client, EncodeJoin, Entered, HistoryRequest, JoinRequest, Rejection,
};
use crate::protocol::presented::Presented;
use crate::protocol::serve::{Dialect, Incoming};
use crate::protocol::{ClientLimits, ConnectRequest, Endpoint, Protocol, Refusal, close};

/// The publications, members and users on a page, unless the client asks for another number.
const DEFAULT_LIMIT: u64 = 100;

/// The close code and reason for a client that the server refuses for good.
const REFUSED: (u16, &str) = (3503, "refused");

/// Serves a client until its connection is over.
pub(crate) async fn serve<S: Send + Sync + 'static>(
    endpoint: &Endpoint<S>,
    mut ws: WebSocket,
    encoding: Encoding,
) -> Result<(), Error> {
    let limits = endpoint.config().limits;
    let received = match timeout(limits.connect_timeout, ws.recv()).await {
        Ok(received) => received?,
        Err(_) => return close_with(ws, close::frame(close::STALE)).await,
    };
    let Some(message) = received else { return Ok(()) };
    let (id, connect) = match decode(encoding, &limits, &message) {
        Ok(Ok(Envelope { id, body: ClientMessage::Connect(connect) })) => (id, connect),
        Ok(Err(Undecodable { id: Some(id), refusal })) => {
            return refuse(ws, encoding, Some(id), refusal).await;
        }
        Ok(_) => return close_with(ws, close::frame(close::BAD_REQUEST)).await,
        Err(frame) => return close_with(ws, frame).await,
    };
    let request = connect_request(&ws, encoding, &connect);
    let token = connect.token.as_deref().unwrap_or_default();
    // The connection is not read meanwhile.
    let decision = Admission::decide(endpoint, token, request);
    let admission = match timeout(limits.connect_timeout, decision).await {
        Ok(Ok(admission)) => admission,
        Ok(Err(Rejection::Refused(refusal))) => return refuse(ws, encoding, id, refusal).await,
        Ok(Err(Rejection::Closed(frame))) => return close_with(ws, frame).await,
        Err(_) => return close_with(ws, close::frame(close::SERVER_ERROR)).await,
    };
    let after_gap = AfterGap::Continue;
    let (mut session, client, welcome) =
        Client::connect(endpoint, ws, admission, encoder(encoding), after_gap, false);
    let ping = endpoint.config().ping;
    let reply = ServerMessage::Connect(Connected {
        session: AsText(session.id()),
        user: session.user().map(|user| user.as_str().into()),
        data: Json(welcome.data),
        expires: welcome.ttl.map(millis),
        ping: ping.map_or(0, |ping| millis(ping.interval)),
        timeout: ping.map_or(0, |ping| millis(ping.timeout)),
    });
    session.reply(encoding.encode(id, &reply));
    let resume = |room: &RoomName| {
        let resume = connect.resume.iter().find(|resume| *resume.room == *room.as_str());
        resume.map(|resume| Presented::Exact(resume.from.0))
    };
    let rooms = welcome.rooms.into_iter();
    let rooms = rooms.map(|room| (resume(&room), room)).collect();
    let first = vec![Incoming::Ordered(Command::Assigned(rooms))];
    let dialect = Arc::new(V1Dialect { endpoint: endpoint.clone(), encoding });
    crate::protocol::serve::serve(&mut session, client, dialect, first).await
}

/// Decodes a command; the outer error is the close frame for a client that cannot be answered.
fn decode(
    encoding: Encoding,
    limits: &ClientLimits,
    message: &Message,
) -> Result<Result<Envelope<ClientMessage>, Undecodable>, CloseFrame> {
    if message.len() > limits.command_bytes {
        return Err(close::too_long());
    }
    if (encoding == Encoding::Json) != message.as_text().is_some() {
        return Err(close::frame(close::INAPPROPRIATE_PROTOCOL));
    }
    match encoding.decode(message) {
        Err(Undecodable { id: None, .. }) => Err(close::frame(close::BAD_REQUEST)),
        decoded => Ok(decoded),
    }
}

fn connect_request(ws: &WebSocket, encoding: Encoding, connect: &Connect) -> ConnectRequest {
    let client = connect.client.as_deref().unwrap_or_default();
    let (name, version) = client.split_once('/').unwrap_or((client, ""));
    ConnectRequest {
        protocol: match encoding {
            Encoding::Json => Protocol::V1Json,
            Encoding::Binary => Protocol::V1Binary,
        },
        user: None,
        claims: None,
        data: connect.data.0.clone(),
        name: name.into(),
        version: version.into(),
        headers: BTreeMap::new(),
        peer_addr: ws.peer_addr(),
        upgrade: ws.request().cloned(),
    }
}

/// Refuses a client. It connects again if another attempt, or another token, may succeed.
async fn refuse(
    mut ws: WebSocket,
    encoding: Encoding,
    id: Option<u64>,
    refusal: Refusal,
) -> Result<(), Error> {
    let renewable = [Refusal::TOKEN_EXPIRED.code, Refusal::TOKEN_REVOKED.code];
    let frame = if renewable.contains(&refusal.code) {
        close::frame(close::EXPIRED)
    } else if refusal.temporary {
        close::frame(close::SERVER_ERROR)
    } else {
        close::frame(REFUSED)
    };
    ws.send(encoding.encode(id, &ServerMessage::Error(refusal.into()))).await?;
    close_with(ws, frame).await
}

async fn close_with(mut ws: WebSocket, frame: CloseFrame) -> Result<(), Error> {
    ws.close(frame.code, frame.reason).await
}

/// The part of the protocol in serving one client.
struct V1Dialect<S> {
    endpoint: Endpoint<S>,
    encoding: Encoding,
}

/// A command to carry out.
enum Command {
    /// The rooms that the server has chosen for the client, with the client's positions.
    Assigned(Vec<(Option<Presented>, RoomName)>),
    Client {
        id: Option<u64>,
        message: ClientMessage,
    },
    Undecodable(Undecodable),
}

impl<S: Send + Sync + 'static> Dialect<S> for V1Dialect<S> {
    type Command = Command;

    fn decode(&self, message: Message) -> Result<Vec<Incoming<Command>>, CloseFrame> {
        let limits = &self.endpoint.config().limits;
        Ok(vec![match decode(self.encoding, limits, &message)?.and_then(|it| check(it, limits)) {
            Ok(Envelope { body: ClientMessage::Pong(_), .. }) => Incoming::Pong,
            Ok(Envelope { id, body: message @ ClientMessage::Rpc(_) }) => {
                Incoming::Concurrent(Command::Client { id, message })
            }
            Ok(Envelope { id, body: message }) => {
                Incoming::Ordered(Command::Client { id, message })
            }
            Err(undecodable) => Incoming::Ordered(Command::Undecodable(undecodable)),
        }])
    }

    fn ping(&self) -> Message {
        self.encoding.encode(None, &ServerMessage::Ping(Empty {}))
    }

    async fn execute(
        self: Arc<Self>,
        client: Arc<Client<S>>,
        command: Command,
    ) -> Result<(), CloseFrame> {
        let (id, result) = match command {
            Command::Assigned(rooms) => {
                for (from, room) in rooms {
                    let joined = client.join_by_server(&room, from, Some(self.encode_join())).await;
                    match joined {
                        Ok(_) => {}
                        // The client cannot join the room itself. It connects again.
                        Err(refusal) if refusal.temporary => {
                            return Err(close::frame(close::SERVER_ERROR));
                        }
                        Err(refusal) => {
                            self.send(&client, None, &refused(room.as_str(), refusal));
                        }
                    }
                }
                return Ok(());
            }
            Command::Client { id, message } => (id, self.reply_to(&client, message).await),
            Command::Undecodable(Undecodable { id, refusal }) => (id, Err(refusal.into())),
        };
        match result {
            Ok(reply) if id.is_some() => self.send(&client, id, &reply),
            Ok(_) => {}
            Err(Rejection::Refused(refusal)) => {
                self.send(&client, id, &ServerMessage::Error(refusal.into()));
            }
            Err(Rejection::Closed(frame)) => return Err(frame),
        }
        Ok(())
    }

    fn expired(&self, room: &RoomName) -> Option<Message> {
        let Refusal { code, message, .. } = Refusal::TOKEN_EXPIRED;
        let reason = Some(message.into());
        let left = LeftRoom { room: room.as_str().into(), code: Some(code), reason };
        Some(self.encoding.encode(None, &ServerMessage::Left(left)))
    }
}

impl<S: Send + Sync + 'static> V1Dialect<S> {
    fn send(&self, client: &Client<S>, id: Option<u64>, message: &ServerMessage) {
        client.session().reply(self.encoding.encode(id, message));
    }

    /// Encodes the event of a join, with the first publications that the client recovers.
    fn encode_join(&self) -> EncodeJoin {
        let encoding = self.encoding;
        Box::new(move |notice, expires| {
            let recovered = notice.recovered.iter();
            let joined = JoinedRoom {
                publications: recovered
                    .map(|delivery| Entry::new(delivery.publication, delivery.position))
                    .collect(),
                expires: expires.map(millis),
                ..JoinedRoom::new(notice.room, &notice.joined)
            };
            Ok(Some(encoding.encode(None, &ServerMessage::Joined(joined))))
        })
    }

    async fn reply_to(
        &self,
        client: &Client<S>,
        message: ClientMessage,
    ) -> Result<ServerMessage, Rejection> {
        let limits = &self.endpoint.config().limits;
        let members_limit = |limit: Option<u64>| at_most(limit, limits.members);
        Ok(match message {
            ClientMessage::Connect(_) => {
                return Err(Refusal::BAD_REQUEST.because(CONNECTED).into());
            }
            ClientMessage::Join(joins) => {
                for join in joins {
                    self.join(client, join).await;
                }
                ServerMessage::Join(Empty {})
            }
            ClientMessage::Leave(rooms) => {
                for room in rooms {
                    client.leave(&name(&room)?);
                }
                ServerMessage::Leave(Empty {})
            }
            ClientMessage::Publish(publish) => {
                let room = name(&publish.room)?;
                let publication = self.publication(&room, publish)?;
                let position = client.publish(&room, publication).await?;
                ServerMessage::Publish(Published { position: position.map(AsText) })
            }
            ClientMessage::Members(list) => {
                let after = list.after.map(|after| after.0);
                let page = client.members(&name(&list.room)?, after, members_limit(list.limit))?;
                ServerMessage::Members(Members {
                    members: page.items.iter().map(MemberFields::new).collect(),
                    next: page.next.map(AsText),
                })
            }
            ClientMessage::Users(list) => {
                let after = list.after.map(|user| UserId::new(&user));
                let page = client.users(&name(&list.room)?, after, members_limit(list.limit))?;
                let text = |user: &UserId| user.as_str().into();
                let next = page.next.as_ref().map(text);
                ServerMessage::Users(Users { users: page.items.iter().map(text).collect(), next })
            }
            ClientMessage::Counts(one) => {
                let counts = client.counts(&name(&one.room)?)?;
                let (sessions, users) = (counts.sessions as u64, counts.users as u64);
                ServerMessage::Counts(Counts { sessions, users })
            }
            ClientMessage::Update(update) => {
                client.update(&name(&update.room)?, &update.info.0)?;
                ServerMessage::Update(Empty {})
            }
            ClientMessage::Filter(set) => {
                let filter = set.filter.map(|filter| filter.0);
                let room = name(&set.room)?;
                client.session().set_filter(&room, filter).map_err(Refusal::from)?;
                ServerMessage::Filter(Empty {})
            }
            ClientMessage::History(read) => self.history(client, read).await?,
            ClientMessage::Rpc(rpc) => {
                let data = client.rpc(rpc.method.into(), rpc.data.0).await?;
                ServerMessage::Rpc(RpcResult { data: Json(data) })
            }
            ClientMessage::Send(send) => {
                client.message(send.payload.0);
                ServerMessage::Send(Empty {})
            }
            ClientMessage::Refresh(refresh) => {
                let expires = match refresh.room {
                    Some(room) => client.refresh_room(Some(&name(&room)?), &refresh.token)?,
                    None => client.refresh(&refresh.token)?,
                };
                ServerMessage::Refresh(Refreshed { expires: expires.map(millis) })
            }
            ClientMessage::Pong(_) => ServerMessage::Send(Empty {}),
        })
    }

    /// Joins a room; the client receives the outcome as an event.
    async fn join(&self, client: &Client<S>, join: Join) {
        let joined = match name(&join.room) {
            Ok(room) => {
                let request = JoinRequest {
                    token: join.token.unwrap_or_default().into(),
                    from: join.from.map(|from| Presented::Exact(from.0)),
                    filter: join.filter.map(|filter| Arc::unwrap_or_clone(filter.0)),
                    info: Some(join.info.0).filter(|info| !info.is_empty()),
                    presence: join.presence,
                    ..JoinRequest::new(room.clone())
                };
                let entered = client.join(request, Some(self.encode_join())).await;
                entered.map(|entered| (room, entered))
            }
            Err(refusal) => Err(refusal),
        };
        match joined {
            Ok((_, Entered::Joined)) => {}
            Ok((room, Entered::Expired)) => {
                if let Some(notice) = self.expired(&room) {
                    client.session().reply(notice);
                }
            }
            Err(refusal) => self.send(client, None, &refused(&join.room, refusal)),
        }
    }

    fn publication(&self, room: &RoomName, publish: Publish) -> Result<Publication, Refusal> {
        let Publish { payload, id, mut tags, key, .. } = publish;
        if let Some(key) = key {
            let options = self.endpoint.hub().shared().options(room)?;
            if let Some(tag) = &options.key_tag {
                tags.insert(tag.clone(), key);
            }
        }
        Ok(Publication {
            message: payload.0,
            id: id.map(|id| PublicationId::new(&id)),
            publisher: None,
            user: None,
            tags: tags.into_iter().collect(),
        })
    }

    async fn history(
        &self,
        client: &Client<S>,
        read: ReadHistory,
    ) -> Result<ServerMessage, Refusal> {
        let request = HistoryRequest {
            since: read.from.map(|from| Presented::Exact(from.0)),
            limit: at_most(read.limit, self.endpoint.config().limits.history),
            backwards: read.reverse,
        };
        let history = client.history(&name(&read.room)?, request).await?;
        // Publications beside a gap would be taken for all of them.
        let entries = if history.gap.is_some() { Vec::new() } else { history.entries };
        let entry = |entry: &crate::core::history::Entry| {
            Entry::new(&entry.publication, Some(entry.position(history.top.epoch)))
        };
        Ok(ServerMessage::History(History {
            more: history.more && !entries.is_empty(),
            publications: entries.iter().map(entry).collect(),
            position: AsText(history.top),
            gap: history.gap.map(|gap| gap.as_str().into()),
        }))
    }
}

fn name(room: &str) -> Result<RoomName, Refusal> {
    RoomName::new(room).map_err(|error| Refusal::BAD_REQUEST.because(error.to_string()))
}

fn refused(room: &str, refusal: Refusal) -> ServerMessage {
    let WireError { code, message, temporary } = refusal.into();
    ServerMessage::Refused(RefusedRoom { room: room.into(), code, message, temporary })
}

/// Checks the lists of a command, whose items take more memory than their encoding, before the
/// command waits for its execution.
fn check(
    envelope: Envelope<ClientMessage>,
    limits: &ClientLimits,
) -> Result<Envelope<ClientMessage>, Undecodable> {
    let checked = match &envelope.body {
        ClientMessage::Join(joins) => check_batch(joins.len(), limits.commands),
        ClientMessage::Leave(rooms) => check_batch(rooms.len(), limits.commands),
        ClientMessage::Publish(publish) => check_publish(publish),
        // Answered as any second one, whatever its fields are.
        ClientMessage::Connect(_) => Err(Refusal::BAD_REQUEST.because(CONNECTED)),
        _ => Ok(()),
    };
    match checked {
        Ok(()) => Ok(envelope),
        Err(refusal) => Err(Undecodable { id: envelope.id, refusal }),
    }
}

const CONNECTED: &str = "the client has connected already";

fn check_batch(length: usize, limit: usize) -> Result<(), Refusal> {
    if length > limit {
        let message = format!("{length} rooms in a command are more than {limit}");
        return Err(Refusal::LIMIT_EXCEEDED.because(message));
    }
    Ok(())
}

/// Checks the bounds of a publication, which are those of the HTTP API.
fn check_publish(publish: &Publish) -> Result<(), Refusal> {
    const MAX_ID: usize = PublicationId::MAX_LENGTH;
    const MAX_TAGS: usize = Publication::MAX_TAGS;
    const MAX_TAG_BYTES: usize = Publication::MAX_TAG_BYTES;

    let (id, key) = (publish.id.as_deref(), publish.key.as_deref());
    if id.is_some_and(|id| id.len() > MAX_ID) {
        let message = format!("the id of a publication is longer than {MAX_ID} bytes");
        return Err(Refusal::LIMIT_EXCEEDED.because(message));
    }
    let length = publish.tags.len() + usize::from(key.is_some());
    let bytes = publish.tags.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    if length > MAX_TAGS || bytes + key.map_or(0, str::len) > MAX_TAG_BYTES {
        let message = format!("more than {MAX_TAGS} tags, or {MAX_TAG_BYTES} bytes of tags");
        return Err(Refusal::LIMIT_EXCEEDED.because(message));
    }
    Ok(())
}

/// Returns the number that a client asks for, cut to a limit.
fn at_most(asked: Option<u64>, limit: usize) -> usize {
    usize::try_from(asked.unwrap_or(DEFAULT_LIMIT)).unwrap_or(limit).min(limit)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
