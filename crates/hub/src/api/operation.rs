use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::task::JoinSet;

use super::error::ApiError;
use super::request::{self, SincePosition, parse};
use super::result;
use super::{Api, content};
use crate::core::history::{Entry, Limit, Range};
use crate::core::{Publication, RoomName, UserId};
use crate::hub::RoomQuery;
use crate::token::Revocation;

/// The maximum numbers of rooms in a broadcast, and of commands in a batch.
const MAX_BROADCAST: usize = 1_000;
const MAX_BATCH: usize = 1_000;

/// The number of parts of a broadcast or batch that are carried out at a time. Chosen: with it, a
/// thousand take 32 round trips to a broker.
const AT_A_TIME: usize = 32;

/// The maximum size of a result of history, in bytes of publications.
const MAX_HISTORY_BYTES: usize = 4 << 20;

/// The maximum size of the results of a batch together, in bytes of JSON. Chosen: sixteen histories
/// of the maximum size.
const MAX_BATCH_BYTES: usize = 64 << 20;

/// Close code of centrifuge: disconnected by the server, not to return.
const FORCE_DISCONNECT: u32 = 3503;

/// Close code of centrifuge: the connection has expired.
const CONNECTION_EXPIRED: u16 = 3005;

impl<S: Send + Sync + 'static> Api<S> {
    /// Carries out an operation; returns its result as JSON.
    pub(super) async fn call(&self, name: &str, body: &str) -> Result<Box<RawValue>, ApiError> {
        match name {
            "batch" => to_json(&self.batch(body, MAX_BATCH_BYTES).await?),
            name => self.call_single(name, body).await,
        }
    }

    /// Carries out an operation that may be part of a batch.
    async fn call_single(&self, name: &str, body: &str) -> Result<Box<RawValue>, ApiError> {
        match name {
            "publish" => to_json(&self.publish(body).await?),
            "broadcast" => to_json(&self.broadcast(body).await?),
            "subscribe" => to_json(&self.subscribe(body).await?),
            "unsubscribe" => to_json(&self.unsubscribe(body).await?),
            "disconnect" => to_json(&self.disconnect(body).await?),
            "refresh" => to_json(&self.refresh(body).await?),
            "presence" => to_json(&self.presence(body)?),
            "presence_stats" => to_json(&self.presence_stats(body)?),
            "history" => to_json(&self.history(body).await?),
            "history_remove" => to_json(&self.history_remove(body).await?),
            "channels" | "rooms" => to_json(&self.channels(body).await?),
            "info" => to_json(&self.info().await?),
            "revoke_token" => to_json(&self.revoke_token(body).await?),
            "invalidate_user_tokens" => to_json(&self.invalidate_user_tokens(body).await?),
            _ => Err(ApiError::METHOD_NOT_FOUND),
        }
    }

    async fn publish(&self, body: &str) -> Result<result::PositionResult, ApiError> {
        let request::Room { channel } = parse(body)?;
        let publication = parse::<request::PublicationFields>(body)?.publication()?;
        self.publish_to(&channel, publication).await
    }

    pub(super) async fn publish_to(
        &self,
        channel: &str,
        publication: Publication,
    ) -> Result<result::PositionResult, ApiError> {
        let room = self.room_name(channel)?;
        Ok(self.hub.room(room).publish_with(publication).await?.into())
    }

    async fn broadcast(&self, body: &str) -> Result<result::Broadcast, ApiError> {
        let request::Rooms { channels } = parse(body)?;
        check_number("channels", channels.len(), MAX_BROADCAST)?;
        let publication = parse::<request::PublicationFields>(body)?.publication()?;
        let publish = |channel: String| {
            let (api, publication) = (self.clone(), publication.clone());
            async move { api.publish_to(&channel, publication).await }
        };
        let results = all(channels.into_iter().map(publish), AT_A_TIME).await;
        let responses = results.into_iter().map(|result| match result {
            Ok(position) => result::PublishResponse::Result(position),
            Err(error) => result::PublishResponse::Error(error),
        });
        Ok(result::Broadcast { responses: responses.collect() })
    }

    async fn subscribe(&self, body: &str) -> Result<result::Nothing, ApiError> {
        let request::Room { channel } = parse(body)?;
        let recipients = parse::<request::Sessions>(body)?.recipients()?;
        parse::<request::SubscribeFields>(body)?.check()?;
        self.hub.join(recipients, self.room_name(&channel)?).await?;
        Ok(result::Nothing {})
    }

    async fn unsubscribe(&self, body: &str) -> Result<result::Nothing, ApiError> {
        let request::Room { channel } = parse(body)?;
        let recipients = parse::<request::Sessions>(body)?.recipients()?;
        self.hub.leave(recipients, self.room_name(&channel)?).await?;
        Ok(result::Nothing {})
    }

    async fn disconnect(&self, body: &str) -> Result<result::Nothing, ApiError> {
        let recipients = parse::<request::Sessions>(body)?.recipients()?;
        let fields: request::DisconnectFields = parse(body)?;
        let recipients = fields.without_whitelist(recipients)?;
        let (code, reason) = match &fields.disconnect {
            Some(close) => (close.code, close.reason.as_str()),
            None => (FORCE_DISCONNECT, "force disconnect"),
        };
        let code = u16::try_from(code).ok().filter(|code| (3_000..5_000).contains(code));
        let message = "disconnect: expected a code from 3000 to 4999";
        let code = code.ok_or_else(|| ApiError::bad_request(message))?;
        self.hub.close(recipients, code, reason).await?;
        Ok(result::Nothing {})
    }

    async fn refresh(&self, body: &str) -> Result<result::Nothing, ApiError> {
        let recipients = parse::<request::Sessions>(body)?.recipients()?;
        if parse::<request::RefreshFields>(body)?.expired != Some(true) {
            let message = "only expired: true is available; clients refresh by tokens";
            return Err(ApiError::not_available(message));
        }
        self.hub.close(recipients, CONNECTION_EXPIRED, "connection expired").await?;
        Ok(result::Nothing {})
    }

    fn presence(&self, body: &str) -> Result<result::Presence, ApiError> {
        let request::Room { channel } = parse(body)?;
        let fields: request::PresenceFields = parse(body)?;
        let room = self.room_name(&channel)?;
        self.check_presence(&room)?;
        let page = self.hub.room(room).presence(fields.after()?, fields.limit())?;
        let members = page.items.into_iter().map(|member| {
            let client = member.session.to_string();
            let user = member.profile.user.map(|user| user.to_string()).unwrap_or_default();
            let conn_info = content::info(&member.profile.info);
            (client.clone(), result::ClientInfo { client, user, conn_info })
        });
        let presence = members.collect();
        Ok(result::Presence { presence, next: page.next.map(|session| session.to_string()) })
    }

    fn presence_stats(&self, body: &str) -> Result<result::PresenceStats, ApiError> {
        let request::Room { channel } = parse(body)?;
        let room = self.room_name(&channel)?;
        self.check_presence(&room)?;
        let counts = self.hub.room(room).counts_with_anonymous()?;
        Ok(result::PresenceStats { num_clients: counts.sessions, num_users: counts.users })
    }

    fn check_presence(&self, room: &RoomName) -> Result<(), ApiError> {
        if self.hub.room_options(room)?.presence {
            Ok(())
        } else {
            Err(ApiError::not_available(format!("the room {room:?} has no presence")))
        }
    }

    async fn history(&self, body: &str) -> Result<result::History, ApiError> {
        let request::Room { channel } = parse(body)?;
        let fields: request::HistoryFields = parse(body)?;
        let (limit, backwards) = (fields.limit(), fields.reverse == Some(true));
        let since = fields.since.as_ref();
        // The entry at the position of the request proves it, and is not part of the result.
        let page_limit = Limit { count: limit + 1, bytes: MAX_HISTORY_BYTES };
        let range = match (backwards, since) {
            _ if limit == 0 && since.is_none() => Range::backwards(page_limit),
            (false, None) => Range::forwards(page_limit),
            (false, Some(since)) => Range::forwards(page_limit).at(since.offset),
            (true, None) => Range::backwards(page_limit),
            (true, Some(since)) => Range::backwards(page_limit).at(since.offset.saturating_sub(1)),
        };
        let page = self.hub.room(self.room_name(&channel)?).history(range).await?;
        if let Some(since) = since {
            let proven = match since.position() {
                None => false,
                Some(SincePosition::Offset) => true,
                Some(SincePosition::Epoch(epoch)) => epoch == page.top.epoch,
                Some(SincePosition::Exact(position)) if backwards => {
                    position.epoch == page.top.epoch
                }
                Some(SincePosition::Exact(position)) => page.after(&position).is_ok(),
            };
            if !proven {
                return Err(ApiError::UNRECOVERABLE_POSITION);
            }
        }
        let is_wanted = |entry: &&Entry| match since {
            Some(since) if backwards => entry.offset < since.offset,
            Some(since) => entry.offset > since.offset,
            None => true,
        };
        let entries = page.entries.iter().filter(is_wanted).take(limit);
        Ok(result::History {
            publications: entries.map(to_publication).collect(),
            offset: page.top.offset,
            epoch: result::epoch(&page.top),
        })
    }

    async fn history_remove(&self, body: &str) -> Result<result::Nothing, ApiError> {
        let request::Room { channel } = parse(body)?;
        self.hub.room(self.room_name(&channel)?).remove_history().await?;
        Ok(result::Nothing {})
    }

    async fn channels(&self, body: &str) -> Result<result::RoomList, ApiError> {
        let request: request::Channels = parse(body)?;
        let mut query = RoomQuery::new().limit(request.limit.unwrap_or(RoomQuery::MAX_LIMIT));
        if let Some(pattern) = request.pattern.filter(|pattern| !pattern.is_empty()) {
            query = query.pattern(&pattern);
        }
        if let Some(after) = request.after {
            let wrong = |error| ApiError::bad_request(format!("after: {error}"));
            query = query.after(RoomName::new(&after).map_err(wrong)?);
        }
        let list = self.hub.list_rooms(&query).await?;
        let channels = list.rooms.into_iter().map(|report| {
            let info = result::ChannelInfo { num_clients: report.sessions };
            (report.room.to_string(), info)
        });
        Ok(result::RoomList {
            channels: channels.collect(),
            next: list.next.map(|room| room.to_string()),
            silent: list.silent.iter().map(ToString::to_string).collect(),
        })
    }

    async fn info(&self) -> Result<result::Info, ApiError> {
        let reports = self.hub.node_reports().await?;
        let nodes = reports.nodes.into_iter().map(|report| result::Node {
            uid: report.node.to_string(),
            name: report.node.to_string(),
            num_clients: report.sessions,
            num_users: report.users,
            num_channels: report.rooms,
            num_subs: report.memberships,
            uptime: report.uptime.as_secs(),
            round_trip: report.round_trip.as_secs_f64(),
        });
        Ok(result::Info {
            nodes: nodes.collect(),
            silent: reports.silent.iter().map(ToString::to_string).collect(),
        })
    }

    async fn revoke_token(&self, body: &str) -> Result<result::Nothing, ApiError> {
        let request: request::RevokeToken = parse(body)?;
        let until = request.until()?;
        self.revoke(Revocation::Token { id: request.uid.into(), until }).await
    }

    async fn invalidate_user_tokens(&self, body: &str) -> Result<result::Nothing, ApiError> {
        let request: request::InvalidateUserTokens = parse(body)?;
        let (until, issued_before) = (request.until()?, request.issued_before(SystemTime::now())?);
        let user = UserId::new(&request.user);
        self.revoke(Revocation::User { user, issued_before, until }).await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<result::Nothing, ApiError> {
        if let Some(revocations) = &self.revocations {
            revocations.enter(&revocation, SystemTime::now())?;
        }
        if self.hub.has_revocations() {
            let failed = self.hub.revoke(revocation).await?;
            if !failed.is_empty() {
                return Err(ApiError::not_revoked(&failed));
            }
        } else if self.revocations.is_none() {
            return Err(ApiError::not_available("this server revokes no tokens"));
        }
        Ok(result::Nothing {})
    }

    pub(super) async fn batch(
        &self,
        body: &str,
        max_bytes: usize,
    ) -> Result<result::Batch, ApiError> {
        let request: request::Batch = parse(body)?;
        check_number("commands", request.commands.len(), MAX_BATCH)?;
        let budget = Arc::new(Budget { left: AtomicUsize::new(max_bytes) });
        let call = |command| {
            let (api, budget) = (self.clone(), budget.clone());
            async move { api.call_command(command, &budget).await }
        };
        let at_a_time = if request.parallel == Some(true) { AT_A_TIME } else { 1 };
        let replies = all(request.commands.into_iter().map(call), at_a_time).await;
        let replies = replies.into_iter().map(|reply| {
            let reply = reply.or_else(|error| Ok(("error".into(), to_json(&error)?)));
            reply.map(|reply| BTreeMap::from([reply]))
        });
        Ok(result::Batch { replies: replies.collect::<Result<_, ApiError>>()? })
    }

    async fn call_command(
        &self,
        command: BTreeMap<String, Box<RawValue>>,
        budget: &Budget,
    ) -> Result<(String, Box<RawValue>), ApiError> {
        let mut operations = command.into_iter();
        let (Some((name, request)), None) = (operations.next(), operations.next()) else {
            let message = "expected a command with one member, the operation";
            return Err(ApiError::bad_request(message));
        };
        if budget.is_spent() {
            let message = "the results before this one are too long; it was not carried out";
            return Err(ApiError::LIMIT_EXCEEDED.because(message));
        }
        let result = self.call_single(&name, request.get()).await?;
        if !budget.spend(result.get().len()) && is_read(&name) {
            let message = "the results before this one leave no space for it";
            return Err(ApiError::LIMIT_EXCEEDED.because(message));
        }
        Ok((name, result))
    }
}

/// The number of bytes that the results of a batch may still have.
struct Budget {
    left: AtomicUsize,
}

impl Budget {
    fn is_spent(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// Subtracts the length of a result. Returns whether the result was within the budget.
    fn spend(&self, length: usize) -> bool {
        let subtract = |left: usize| Some(left.saturating_sub(length));
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract);
        before.is_ok_and(|before| length <= before)
    }
}

/// Returns whether an operation changes nothing, so that its result may be withheld. The results of
/// all others are short.
fn is_read(name: &str) -> bool {
    matches!(name, "presence" | "presence_stats" | "history" | "channels" | "rooms" | "info")
}

fn to_json(value: &impl Serialize) -> Result<Box<RawValue>, ApiError> {
    // Results have texts as their keys only.
    to_raw_value(value).map_err(|error| ApiError::bad_request(error.to_string()))
}

fn to_publication(entry: &Entry) -> result::Publication {
    let publication = &*entry.publication;
    let tags = publication.tags.iter();
    let info = publication.publisher.map(|session| result::ClientInfo {
        client: session.to_string(),
        user: publication.user.as_ref().map(ToString::to_string).unwrap_or_default(),
        conn_info: None,
    });
    result::Publication {
        content: content::Content::of(&publication.message),
        offset: entry.offset,
        info,
        tags: tags.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
    }
}

fn check_number(name: &str, number: usize, limit: usize) -> Result<(), ApiError> {
    if number <= limit {
        return Ok(());
    }
    let message = format!("{name}: expected up to {limit}, not {number}");
    Err(ApiError::LIMIT_EXCEEDED.because(message))
}

/// Awaits futures, some at a time, and returns their outputs in order. The output of a future that
/// panics is an internal error.
pub(super) async fn all<T: Send + 'static>(
    futures: impl Iterator<Item = impl Future<Output = Result<T, ApiError>> + Send + 'static>,
    at_a_time: usize,
) -> Vec<Result<T, ApiError>> {
    let mut outputs = Vec::new();
    let mut tasks = JoinSet::new();
    let mut futures = futures.enumerate();
    loop {
        while tasks.len() < at_a_time {
            let Some((index, future)) = futures.next() else { break };
            outputs.push(Err(ApiError::INTERNAL));
            tasks.spawn(async move { (index, future.await) });
        }
        match tasks.join_next().await {
            Some(Ok((index, output))) => outputs[index] = output,
            Some(Err(error)) => tracing::error!(%error, "an operation of the API panicked"),
            None => return outputs,
        }
    }
}
