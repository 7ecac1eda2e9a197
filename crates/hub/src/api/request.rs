//! The requests of operations. A member `null` counts as absent.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use super::content;
use super::error::ApiError;
use crate::core::{Epoch, Position, Publication, PublicationId, SessionId, Tag, UserId};
use crate::hub::Recipients;

/// Parses a request, or a part of it.
pub(super) fn parse<T: DeserializeOwned>(body: &str) -> Result<T, ApiError> {
    serde_json::from_str(body).map_err(|error| ApiError::bad_request(error.to_string()))
}

#[derive(Deserialize)]
pub(super) struct Room {
    pub(super) channel: String,
}

#[derive(Deserialize)]
pub(super) struct Rooms {
    pub(super) channels: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct PublicationFields {
    data: Option<Box<RawValue>>,
    b64data: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    idempotency_key: Option<String>,
    skip_history: Option<bool>,
    version: Option<u64>,
}

impl PublicationFields {
    pub(super) fn publication(&self) -> Result<Publication, ApiError> {
        if self.skip_history == Some(true) {
            return Err(ApiError::not_available("skip_history is not available"));
        }
        if self.version.is_some_and(|version| version > 0) {
            return Err(ApiError::not_available("version is not available"));
        }
        let message = content::message(self.data.as_deref(), self.b64data.as_deref())?;
        let id = self.idempotency_key.as_deref().map(publication_id).transpose()?.flatten();
        let tags = self.tags.iter().flatten();
        // They are sorted by their names.
        let tags: Vec<(Box<str>, Box<str>)> =
            tags.map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
        let bytes: usize = tags.iter().map(|(name, value)| name.len() + value.len()).sum();
        if tags.len() > Publication::MAX_TAGS || bytes > Publication::MAX_TAG_BYTES {
            let message = "tags: expected up to 64, of up to 4096 bytes together";
            return Err(ApiError::LIMIT_EXCEEDED.because(message));
        }
        Ok(Publication { id, tags, ..Publication::new(message) })
    }
}

/// Checks the identity of a publication; an empty one is none.
pub(super) fn publication_id(id: &str) -> Result<Option<PublicationId>, ApiError> {
    let (length, max) = (id.len(), PublicationId::MAX_LENGTH);
    if length > max {
        let message = format!("an idempotency key of {length} bytes is longer than {max}");
        return Err(ApiError::LIMIT_EXCEEDED.because(message));
    }
    Ok((!id.is_empty()).then(|| PublicationId::new(id)))
}

/// The sessions that an operation is about.
#[derive(Deserialize)]
pub(super) struct Sessions {
    user: Option<String>,
    client: Option<String>,
    session: Option<String>,
}

impl Sessions {
    /// Returns the session, or else the sessions of the user.
    pub(super) fn recipients(&self) -> Result<Recipients, ApiError> {
        let present = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(client) = present(&self.client).or_else(|| present(&self.session)) {
            return Ok(session_id("client", &client)?.into());
        }
        match present(&self.user) {
            Some(user) => Ok(UserId::new(&user).into()),
            None => Err(ApiError::bad_request("expected a user, or a client")),
        }
    }
}

fn session_id(name: &str, text: &str) -> Result<SessionId, ApiError> {
    let parsed = text.parse::<SessionId>();
    parsed.map_err(|error| ApiError::bad_request(format!("{name}: {error}")))
}

/// The members of a request to subscribe that would need more than a hub can do for other nodes.
#[derive(Deserialize)]
pub(super) struct SubscribeFields {
    expire_at: Option<i64>,
    info: Option<IgnoredAny>,
    b64info: Option<String>,
    data: Option<IgnoredAny>,
    b64data: Option<String>,
    recover_since: Option<IgnoredAny>,
    #[serde(rename = "override")]
    overridden: Option<IgnoredAny>,
}

impl SubscribeFields {
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let is_given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        for (name, given) in [
            ("expire_at", self.expire_at.is_some_and(|at| at != 0)),
            ("info", self.info.is_some()),
            ("b64info", is_given(&self.b64info)),
            ("data", self.data.is_some()),
            ("b64data", is_given(&self.b64data)),
            ("recover_since", self.recover_since.is_some()),
            ("override", self.overridden.is_some()),
        ] {
            if given {
                return Err(ApiError::not_available(format!("{name} is not available")));
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
pub(super) struct DisconnectFields {
    pub(super) disconnect: Option<CloseFields>,
    whitelist: Option<Vec<String>>,
}

/// The default is centrifuge's "force disconnect", after which clients do not return.
#[derive(Deserialize)]
pub(super) struct CloseFields {
    pub(super) code: u32,
    #[serde(default)]
    pub(super) reason: String,
}

impl DisconnectFields {
    /// Removes the session of the whitelist from the recipients.
    pub(super) fn without_whitelist(&self, recipients: Recipients) -> Result<Recipients, ApiError> {
        let whitelist = self.whitelist.as_deref().unwrap_or_default();
        match (recipients, whitelist) {
            (recipients, []) => Ok(recipients),
            (Recipients::User(user), [kept]) => {
                Ok(Recipients::UserExcept(user, session_id("whitelist", kept)?))
            }
            (Recipients::User(_), _) => {
                Err(ApiError::not_available("a whitelist of several sessions is not available"))
            }
            _ => Err(ApiError::bad_request("whitelist: expected a user beside it")),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct RefreshFields {
    pub(super) expired: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct PresenceFields {
    limit: Option<usize>,
    after: Option<String>,
}

impl PresenceFields {
    /// The maximum number of members in a result.
    const MAX_LIMIT: usize = 10_000;

    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(Self::MAX_LIMIT).clamp(1, Self::MAX_LIMIT)
    }

    pub(super) fn after(&self) -> Result<Option<SessionId>, ApiError> {
        self.after.as_deref().map(|after| session_id("after", after)).transpose()
    }
}

#[derive(Deserialize)]
pub(super) struct HistoryFields {
    limit: Option<i64>,
    pub(super) since: Option<Since>,
    pub(super) reverse: Option<bool>,
}

impl HistoryFields {
    /// The maximum number of publications in a result.
    const MAX_LIMIT: usize = 1_000;

    /// Returns the maximum number of publications. A negative one stands for all.
    pub(super) fn limit(&self) -> usize {
        let limit = self.limit.unwrap_or(0);
        usize::try_from(limit).unwrap_or(Self::MAX_LIMIT).min(Self::MAX_LIMIT)
    }
}

/// A position in a history.
#[derive(Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    pub(super) offset: u64,
    #[serde(default)]
    epoch: String,
}

/// The parts of a position that a request names.
pub(super) enum SincePosition {
    /// The offset alone.
    Offset,
    /// The epoch without the tag.
    Epoch(Epoch),
    Exact(Position),
}

impl Since {
    /// Parses the epoch: `EPOCH.TAG` as this API gives it, `EPOCH` alone, or none. `None` for
    /// another text, which is the epoch of no hub.
    pub(super) fn position(&self) -> Option<SincePosition> {
        if self.epoch.is_empty() {
            return Some(SincePosition::Offset);
        }
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(match self.epoch.split_once('.') {
            None => SincePosition::Epoch(Epoch(number(&self.epoch)?)),
            Some((epoch, tag)) => SincePosition::Exact(Position {
                epoch: Epoch(number(epoch)?),
                offset: self.offset,
                tag: Tag(number(tag)?),
            }),
        })
    }
}

#[derive(Deserialize)]
pub(super) struct Channels {
    pub(super) pattern: Option<String>,
    pub(super) limit: Option<usize>,
    pub(super) after: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RevokeToken {
    pub(super) uid: String,
    expire_at: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct InvalidateUserTokens {
    pub(super) user: String,
    issued_before: Option<u64>,
    expire_at: Option<u64>,
    channel: Option<String>,
}

impl RevokeToken {
    pub(super) fn until(&self) -> Result<SystemTime, ApiError> {
        until(self.expire_at)
    }
}

impl InvalidateUserTokens {
    pub(super) fn until(&self) -> Result<SystemTime, ApiError> {
        if self.channel.as_ref().is_some_and(|channel| !channel.is_empty()) {
            return Err(ApiError::not_available("channel is not available"));
        }
        until(self.expire_at)
    }

    pub(super) fn issued_before(&self, now: SystemTime) -> Result<SystemTime, ApiError> {
        match self.issued_before {
            None | Some(0) => Ok(now),
            Some(seconds) => time("issued_before", seconds),
        }
    }
}

fn until(expire_at: Option<u64>) -> Result<SystemTime, ApiError> {
    match expire_at {
        None | Some(0) => {
            let message = "expire_at: expected the time by which the tokens have expired";
            Err(ApiError::bad_request(message))
        }
        Some(seconds) => time("expire_at", seconds),
    }
}

fn time(name: &str, seconds: u64) -> Result<SystemTime, ApiError> {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    time.ok_or_else(|| ApiError::bad_request(format!("{name}: {seconds} is too late")))
}

#[derive(Deserialize)]
pub(super) struct Batch {
    /// Each command is an object with one member: the name of the operation and its request.
    pub(super) commands: Vec<BTreeMap<String, Box<RawValue>>>,
    pub(super) parallel: Option<bool>,
}
