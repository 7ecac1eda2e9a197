use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::TokenError;
use crate::core::{RoomName, UserId};

/// The latest time that a claim may have: the end of the year 9999, as in RFC 3339.
const MAX_SECONDS: f64 = 253_402_300_799.0;

/// The claims of a token for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionClaims {
    /// The user: claim `sub`.
    pub user: UserId,
    /// The time at which the client has to present a new token: claim `expire_at`, or else `exp`.
    pub expires: Option<SystemTime>,
    /// The identity of the token: claim `jti`.
    pub id: Option<Box<str>>,
    /// The time of issue: claim `iat`.
    pub issued: Option<SystemTime>,
    /// The data that other members see: the bytes of the claim `b64info`, or else the JSON text of
    /// the claim `info`; empty without either.
    pub info: Bytes,
    /// The rooms that the server lets the client join: claims `channels` and `subs`, each room
    /// once.
    pub rooms: Vec<RoomName>,
}

/// The claims of a token for a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomClaims {
    /// The user: claim `sub`.
    pub user: UserId,
    /// The room: claim `channel`.
    pub room: RoomName,
    /// The time at which the client has to present a new token: claim `expire_at`, or else `exp`.
    pub expires: Option<SystemTime>,
    /// The identity of the token: claim `jti`.
    pub id: Option<Box<str>>,
    /// The time of issue: claim `iat`.
    pub issued: Option<SystemTime>,
    /// The data that other members see: the bytes of the claim `b64info`, or else the JSON text of
    /// the claim `info`; empty without either.
    pub info: Bytes,
}

impl ConnectionClaims {
    pub(super) fn new(common: Common, claims: &Claims<'_>) -> Result<Self, TokenError> {
        let Common { user, expires, id, issued, info } = common;
        Ok(Self { user, expires, id, issued, info, rooms: claims.rooms()? })
    }
}

impl RoomClaims {
    pub(super) fn new(common: Common, claims: &Claims<'_>) -> Result<Self, TokenError> {
        let wrong = TokenError::Claim { name: "channel", expected: "the name of a room" };
        let channel = claims.text("channel")?.ok_or(wrong)?;
        let room = RoomName::new(&channel).map_err(|_| wrong)?;
        let Common { user, expires, id, issued, info } = common;
        Ok(Self { user, room, expires, id, issued, info })
    }
}

/// The claims that tokens of both kinds have.
pub(super) struct Common {
    pub(super) user: UserId,
    pub(super) expires: Option<SystemTime>,
    pub(super) id: Option<Box<str>>,
    pub(super) issued: Option<SystemTime>,
    pub(super) info: Bytes,
}

/// The claims of a token by their names. A value `null` counts as absent.
pub(super) struct Claims<'a>(HashMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Claims<'a> {
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, TokenError> {
        serde_json::from_slice(payload).map(Self).map_err(|_| TokenError::Malformed)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.json(name).is_some()
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, TokenError> {
        self.value(name, "a text")
    }

    pub(super) fn time(&self, name: &'static str) -> Result<Option<SystemTime>, TokenError> {
        let expected = "a number of seconds since 1970";
        let Some(number) = self.value::<serde_json::Number>(name, expected)? else {
            return Ok(None);
        };
        let seconds = number.as_f64().filter(|seconds| *seconds <= MAX_SECONDS);
        // Times before 1970 have passed as well as 1970.
        let seconds = seconds.map(|seconds| seconds.max(0.0));
        let since = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let wrong = TokenError::Claim { name, expected };
        since.map(|since| Some(SystemTime::UNIX_EPOCH + since)).ok_or(wrong)
    }

    /// Returns the claim `aud`, which is one text or several.
    pub(super) fn audiences(&self) -> Result<Vec<String>, TokenError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Audience {
            One(String),
            Several(Vec<String>),
        }
        Ok(match self.value("aud", "a text or an array of texts")? {
            None => Vec::new(),
            Some(Audience::One(audience)) => vec![audience],
            Some(Audience::Several(audiences)) => audiences,
        })
    }

    pub(super) fn common(&self) -> Result<Common, TokenError> {
        let wrong = TokenError::Claim { name: "sub", expected: "the user, not empty" };
        let user = self.text("sub")?.filter(|user| !user.is_empty()).ok_or(wrong)?;
        let expires = match self.json("expire_at") {
            None => self.time("exp")?,
            Some("0") => None,
            Some(_) => self.time("expire_at")?,
        };
        Ok(Common {
            user: UserId::new(&user),
            expires,
            id: self.text("jti")?.map(Into::into),
            issued: self.time("iat")?,
            info: self.info()?,
        })
    }

    fn info(&self) -> Result<Bytes, TokenError> {
        let Some(encoded) = self.text("b64info")? else {
            let json = self.json("info").unwrap_or_default();
            return Ok(Bytes::copy_from_slice(json.as_bytes()));
        };
        let wrong = TokenError::Claim { name: "b64info", expected: "base64" };
        STANDARD.decode(encoded).map(Into::into).map_err(|_| wrong)
    }

    fn rooms(&self) -> Result<Vec<RoomName>, TokenError> {
        let channels = self.value::<Vec<String>>("channels", "an array of names of rooms")?;
        let subs = self.value::<HashMap<String, Box<RawValue>>>("subs", "an object of rooms")?;
        let read = |name: &'static str, room: &str| {
            let wrong = TokenError::Claim { name, expected: "names of rooms" };
            RoomName::new(room).map_err(|_| wrong)
        };
        let mut rooms = Vec::new();
        for room in channels.into_iter().flatten() {
            rooms.push(read("channels", &room)?);
        }
        for (room, _) in subs.into_iter().flatten() {
            rooms.push(read("subs", &room)?);
        }
        rooms.sort();
        rooms.dedup();
        Ok(rooms)
    }

    /// Returns a claim as JSON text.
    fn json(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|value| value.get()).filter(|json| *json != "null")
    }

    fn value<T: for<'de> Deserialize<'de>>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, TokenError> {
        let value = self.json(name).map(serde_json::from_str).transpose();
        value.map_err(|_| TokenError::Claim { name, expected })
    }
}
